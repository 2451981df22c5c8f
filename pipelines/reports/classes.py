"""The level at which each class fails under each noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.reports.figures import FAILS, INK, MUTED, PAPER, RULE, new_figure, short_name, styled
from pipelines.reports.summary import NoiseSummary, classes_of, number, per_class_crossings

RANKED_SUPPORT = 60
COLUMNS = 10


def class_order(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> tuple[list[int], list[int]]:
    """Return the classes with enough images to rank, most fragile first, and the others in class order.

    Fragile: a small median over the noises of the share of the tested range at which the class fails.
    """
    found = per_class_crossings(per_class, noises)
    support = {c: images for c, (_, images) in classes_of(per_class).items()}
    ranked = [c for c in support if support[c] >= RANKED_SUPPORT]
    places = {c: [found[c, noise.name].place() for noise in noises if (c, noise.name) in found] for c in ranked}
    ranked.sort(key=lambda c: float(np.median(np.nan_to_num(places[c], nan=1.0))))
    return ranked, [c for c in support if support[c] < RANKED_SUPPORT]


def per_class_figure(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> Figure:
    """Draw the `fails` threshold and its 95% interval of every class (rows) under every noise (columns)."""
    ranked, others = class_order(per_class, noises)
    heights = _heights(ranked, others)
    names = classes_of(per_class)
    blocks = [list(noises[start : start + COLUMNS]) for start in range(0, len(noises), COLUMNS)]
    width = max(len(block) for block in blocks)
    tall = 0.165 * (len(heights) + 1) + 0.75
    with styled():
        figure = new_figure(2.5 + 0.88 * width, tall * len(blocks))
        for place, block in enumerate(blocks):
            panels = [_panel(figure, (place, len(blocks)), column, tall) for column in range(len(block))]
            for panel, noise in zip(panels, block, strict=True):
                _dots(panel, per_class, noise, heights)
            _class_names(panels[0], names, heights, len(ranked))
    return figure


def _heights(ranked: list[int], others: list[int]) -> dict[int, float]:
    gap = 1.0 if ranked and others else 0.0
    low = {c: len(ranked) + gap + place for place, c in enumerate(others)}
    return {c: float(place) for place, c in enumerate(ranked)} | low


def _panel(figure: Figure, block: tuple[int, int], column: int, tall: float) -> Axes:
    row, rows = block
    width = figure.get_figwidth()
    bottom = 1 - (row + 1) / rows + 0.28 / (tall * rows)
    left, height = (2.4 + 0.88 * column) / width, (tall - 0.75) / (tall * rows)
    return figure.add_axes((left, bottom, 0.74 / width, height))


def _dots(axes: Axes, per_class: pd.DataFrame, noise: NoiseSummary, heights: dict[int, float]) -> None:
    found = per_class_crossings(per_class[per_class["noise"] == noise.name], [noise])
    kept = [(heights[c], crossing) for (c, _), crossing in found.items()]
    y = np.array([height for height, _ in kept])
    at = np.array([crossing.place() for _, crossing in kept])
    ends = np.array([crossing.places() if crossing.has_interval() else (np.nan, np.nan) for _, crossing in kept])
    censored = np.array([crossing.censored for _, crossing in kept])
    axes.hlines(y, ends[:, 0], ends[:, 1], color=FAILS, linewidth=2.2, alpha=0.45)
    for kind, marker in (("", "o"), ("above", ">"), ("below", "<")):
        here = censored == kind
        face = FAILS if kind == "" else PAPER
        style: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": FAILS, "markersize": 4.2}
        axes.plot(at[here], y[here], marker, linestyle="none", clip_on=False, **style)
    if np.isfinite(noise.fails.place()):
        axes.axvline(noise.fails.place(), color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(heights.values()) + 0.6, -0.6)
    axes.set_xticks([0, 1], [number(noise.levels[0]), number(noise.levels[-1])])
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks(list(heights.values()), [])
    axes.grid(axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_title(short_name(noise.title, 12), fontsize=7.5, pad=4)


def _class_names(axes: Axes, names: dict[int, tuple[str, int]], heights: dict[int, float], ranked: int) -> None:
    labels = [f"{short_name(names[c][0], 34, 1)}  {names[c][1]}" for c in heights]
    axes.set_yticks(list(heights.values()), labels, fontsize=6.8)
    axes.tick_params(axis="y", labelcolor=INK)
    if 0 < ranked < len(heights):
        note = f"fewer than {RANKED_SUPPORT} images: not ranked, in class order"
        axes.annotate(note, (0, ranked), (-4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right", va="center", fontsize=6.2, color=MUTED, style="italic")  # fmt: skip
