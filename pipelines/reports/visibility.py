"""How little each noise shows when the network begins to fail, and when it fails: the ranking as one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from noise.distortion import MEASURES
from pipelines.reports.figures import INK, MUTED, PAPER, RULE, new_figure, styled
from pipelines.reports.summary import rank_text, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol's bright colours, orange for their grey: told apart on light and on dark paper.
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee7733", "#888888")
WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 7.6, 0.185, 2.1, 1.0, 0.55, 0.5
"""Inches: of the figure, of a row, and of the margins."""
TICKS = (1.0, 0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
SLIGHT = 0.95
MARKERS = {"": "o", "above": ">", "below": "<"}


def ranking_figure(visibility: pd.DataFrame, families: Mapping[str, str]) -> Figure:
    """Draw the noises down the side, the one that shows least when the network begins to fail on top.

    The axis is the mean SSIM, spaced as sqrt(1 - SSIM). A hollow dot marks where the network begins to fail, a full
    one where it fails; an arrowhead points to where the threshold lies, where it lies outside the tested levels.

    Args:
        visibility: of `pipelines.visibility.equal_visibility`.
        families: the family of each noise, which gives its colour.
    """
    noises = _ordered(visibility)
    colours = dict(zip(sorted(set(families.values())), PALETTE * (1 + len(families)), strict=False))
    with styled():
        height = TOP + ROW * max(len(noises), 1) + BOTTOM
        figure = new_figure(WIDTH, height)
        box = (LEFT / WIDTH, BOTTOM / height, 1 - (LEFT + RIGHT) / WIDTH, 1 - (TOP + BOTTOM) / height)
        axes = figure.add_axes(box)
        for place, rows in enumerate(noises):
            _row(axes, place, rows, colours[families[rows[0]["noise"]]])
        _frame(axes, noises)
        _families(axes, [families[rows[0]["noise"]] for rows in noises], colours)
        figure.legend(handles=_key(), loc="upper left", ncols=5, fontsize=7.5, columnspacing=1.4, handletextpad=0.5)
    return figure


def _ordered(visibility: pd.DataFrame) -> list[list[dict[Any, Any]]]:
    """The rows of each noise, the noise on top first; what is not reached goes last."""
    noises = [rows.to_dict("records") for _, rows in visibility.groupby("noise", sort=False)]
    return sorted(noises, key=lambda rows: [_order(rows, criterion) for criterion in ("begins", "fails")])


def _order(rows: Sequence[Mapping[Any, Any]], criterion: str) -> tuple[bool, float]:
    found = next((row for row in rows if row["criterion"] == criterion), None)
    if found is None or np.isnan(found["ssim"]):
        return True, np.inf
    return _censored(found) == "above", _place(found["ssim"])


def _row(axes: Axes, place: int, rows: Sequence[Mapping[Any, Any]], colour: str) -> None:
    known = [row for row in rows if not np.isnan(row["ssim"])]
    at = [_place(row["ssim"]) for row in known]
    axes.plot(at, [place] * len(at), color=colour, linewidth=0.8, alpha=0.6, gid="link")
    for row, x in zip(known, at, strict=True):
        censored = _censored(row)
        if not censored:
            ends = [_place(row["ssim_high"]), _place(row["ssim_low"])]
            axes.plot(
                ends, [place, place], color=colour, linewidth=3.4, alpha=0.45, solid_capstyle="butt", gid="interval"
            )
        face = colour if row["criterion"] == "fails" else PAPER
        style: dict[str, Any] = {
            "color": colour,
            "markerfacecolor": face,
            "markeredgewidth": 1.1,
            "markersize": 5,
            "zorder": 3,
        }
        axes.plot([x], [place], MARKERS[censored], gid=row["criterion"], **style)


def _frame(axes: Axes, noises: Sequence[Sequence[Mapping[Any, Any]]]) -> None:
    furthest = max((_place(row["ssim"]) for rows in noises for row in rows if not np.isnan(row["ssim"])), default=1.0)
    axes.set_xlim(0, 1.04 * furthest)
    axes.set_ylim(len(noises) - 0.5, -0.5)
    axes.axvspan(0, _place(SLIGHT), color=RULE, alpha=0.45, linewidth=0)
    ticks = [tick for tick in TICKS if _place(tick) <= 1.04 * furthest]
    axes.set_xticks([_place(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.set_yticks(range(len(noises)), [_label(rows) for rows in noises], color=INK)
    axes.set_xlabel("mean SSIM with the clean image: shows less to the left, more to the right")
    axes.grid(axis="both", linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labeltop=True, pad=2)
    axes.spines["left"].set_visible(False)


def _label(rows: Sequence[Mapping[Any, Any]]) -> str:
    """The noise's name with its rank and the rank's interval, where it has one."""
    ranks = [rank_text(row) for row in rows if row["criterion"] == "begins" and not pd.isna(row["rank"])]
    return "  ".join([spoken(str(rows[0]["noise"])), *ranks])


def _families(axes: Axes, families: Sequence[str], colours: Mapping[str, str]) -> None:
    for place, family in enumerate(families):
        across = axes.get_yaxis_transform()
        axes.text(1.02, place, family, transform=across, color=colours[family], fontsize=7, va="center")


def _key() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=MUTED, linestyle="", marker="o", markerfacecolor=PAPER, label="begins to fail"),
        Line2D([], [], color=MUTED, linestyle="", marker="o", label="fails"),
        Line2D([], [], color=MUTED, linewidth=3.4, alpha=0.45, label="95% interval"),
        Line2D([], [], color=MUTED, linestyle="", marker=">", label="beyond the tested levels"),
        Patch(facecolor=RULE, alpha=0.45, label=f"slight change: SSIM {SLIGHT:g} and above"),
    ]


def _place(ssim: float) -> float:
    """Where an SSIM lies along the axis."""
    return float(MEASURES["ssim"].to_distance(np.asarray(ssim)))


def _censored(row: Mapping[Any, Any]) -> str:
    return row["censored"] if isinstance(row["censored"], str) else ""
