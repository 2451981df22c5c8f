"""Whether confidence warns, of all noises in one picture: against accuracy, on which all of them meet."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipelines.reports.figures import INK, MUTED, new_figure, styled
from pipelines.reports.visibility import PALETTE


def warning_figure(confidence: pd.DataFrame, families: Mapping[str, str]) -> Figure:
    """Draw AUROC of confidence for being right, and mean confidence, against accuracy: a line a noise.

    Args:
        confidence: rows of `Failures.confidence`.
        families: the family of each noise, which gives its colour.
    """
    names = sorted(set(families.values()))
    colours = dict(zip(names, PALETTE * (1 + len(names)), strict=False))
    with styled():
        figure = new_figure(7.6, 3.0)
        panels = [figure.add_axes((left, 0.15, 0.4, 0.63)) for left in (0.065, 0.575)]
        for noise, rows in confidence.groupby("noise", sort=False):
            style: dict[str, Any] = {"color": colours[families[str(noise)]], "linewidth": 0.9, "alpha": 0.8}
            accuracy = rows["accuracy"].to_numpy(float)
            panels[0].plot(accuracy, rows["auroc"].to_numpy(float), **style)
            panels[1].plot(accuracy, rows["confidence"].to_numpy(float), **style)
        low = min(0.5, float(confidence["auroc"].min()))
        _frame(panels[0], "AUROC of confidence for being right", low, "0.5: confidence says nothing")
        _frame(panels[1], "Mean confidence", 0.0, "on the line it is honest, above it too sure")
        panels[1].plot([0, 1], [0, 1], color=INK, linewidth=0.8, dashes=(4, 2))
        handles = [Line2D([], [], color=colours[name], linewidth=1.6, label=name) for name in names]
        figure.legend(handles=handles, loc="upper left", ncols=len(names), fontsize=7.5, columnspacing=1.3)
    return figure


def _frame(axes: Axes, title: str, low: float, note: str) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xlim(1, 0)
    axes.set_ylim(low - 0.02, 1.02)
    axes.set_xticks(ticks, [f"{100 * tick:g}%" for tick in ticks])
    axes.set_yticks([tick for tick in ticks if tick >= low])
    axes.set_xlabel("accuracy, from clean at the left")
    axes.set_title(title, fontsize=8.5, pad=14)
    axes.text(0, 1.035, note, transform=axes.transAxes, color=MUTED, fontsize=7)
    axes.grid(linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
