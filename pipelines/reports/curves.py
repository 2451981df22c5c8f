"""Accuracy, and the macro scores, against the level of each noise."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK, MUTED, new_figure, short_name, styled
from pipelines.reports.summary import Crossing, NoiseSummary, by_family

FEW = 12
"""Noises up to which panels are large."""
HEAD, MARGIN = 0.4, 0.46
"""Inches: for the key, and around a panel."""
APART = 0.06
"""Share of the axis that two numbers of severities must be apart."""


def curve_figure(noise: NoiseSummary) -> Figure:
    """Draw the accuracy curve of one noise, on its own, with the severities of CIFAR-10-C along its axis."""
    with styled():
        figure = new_figure(2.9, 2.2)
        _curve(figure.add_axes((0.13, 0.185, 0.83, 0.63)), noise)
    return figure


def curves_figure(noises: Sequence[NoiseSummary]) -> Figure:
    """Draw the accuracy curves of all noises side by side, family by family, with one key for all."""
    return _small_multiples(noises, _curve, _curve_key(), tall=2.55)


def macros_figure(noises: Sequence[NoiseSummary]) -> Figure:
    """Draw macro precision, recall, F1 and false-positive rate of all noises side by side, family by family."""
    return _small_multiples(noises, _macro, _macro_key(), tall=2.1)


def _small_multiples(
    noises: Sequence[NoiseSummary],
    draw: Callable[[Axes, NoiseSummary], None],
    key: Sequence[Line2D | Patch],
    tall: float,
) -> Figure:
    ordered = [noise for members in by_family(noises).values() for noise in members]
    few = len(ordered) <= FEW
    columns = min(4 if few else 6, len(ordered))
    panel, tall = (2.75 if few else 2.3), (tall if few else 0.8 * tall)
    width, height = max(panel * columns, 7.4), tall * -(-len(ordered) // columns) + HEAD
    with styled():
        figure = new_figure(width, height)
        for place, noise in enumerate(ordered):
            row, column = divmod(place, columns)
            left, bottom = column * panel + MARGIN, height - HEAD - (row + 1) * tall + MARGIN
            box = (left / width, bottom / height, (panel - MARGIN - 0.14) / width, (tall - 2 * MARGIN) / height)
            draw(figure.add_axes(box), noise)
        figure.legend(handles=key, loc="upper left", ncols=len(key), fontsize=8, columnspacing=1.6)
    return figure


def _curve(axes: Axes, noise: NoiseSummary) -> None:
    curve = noise.curve
    level = curve["level"].to_numpy(float)
    axes.fill_between(level, curve["low"], curve["high"], color=CURVE, alpha=0.2, linewidth=0)
    axes.axhline(float(curve["accuracy"].iloc[0]), color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.plot(level, curve["fitted"], color=INK, linewidth=0.8, dashes=(4, 2))
    axes.plot(level, curve["monotone"], color=CURVE, linewidth=1.5)
    axes.plot(level, curve["accuracy"], "o", color=CURVE, markersize=2.6, markeredgewidth=0)
    monotone = curve["monotone"].to_numpy(float)
    _mark(axes, noise.begins, level, monotone, BEGINS, "D")
    _mark(axes, noise.fails, level, monotone, FAILS, "o")
    axes.set_title(noise.title, pad=15)
    facts = f"begins {noise.begins.short()} · fails {noise.fails.short()}"
    axes.text(0, 1.03, facts, transform=axes.transAxes, color=MUTED, fontsize=7.5)
    _frame(axes, noise)
    _severities(axes, noise)
    axes.set_ylim(0, 1.02)


def _mark(axes: Axes, found: Crossing, level: np.ndarray, monotone: np.ndarray, colour: str, shape: str) -> None:
    if found.censored == "above" or np.isnan(found.value):
        return
    at = found.first if found.censored == "below" else found.value
    height = float(np.interp(at, level, monotone))
    axes.plot([at, at], [0, height], color=colour, linewidth=1.2)
    if found.has_interval():
        ends = [found.clean + place * (found.last - found.clean) for place in found.places()]
        axes.plot(ends, [height, height], "|-", color=colour, linewidth=2.2, markersize=7, markeredgewidth=1.1)
    axes.plot([at], [height], shape, color=colour, markersize=4.2, markeredgecolor=INK, markeredgewidth=0.5)


def _severities(axes: Axes, noise: NoiseSummary) -> None:
    """Ticks on the axis at the severities of CIFAR-10-C that the grid reaches; numbers where there is room."""
    first, last = noise.levels[0], noise.levels[-1]
    written = -np.inf
    for severity, level in noise.severities.items():
        place = (level - first) / (last - first)
        if place > 1:
            continue
        axes.plot([level, level], [0, 0.045], color=MUTED, linewidth=1.0, gid="severity")
        if place - written >= APART:
            axes.text(level, 0.055, str(severity), ha="center", va="bottom", fontsize=6, color=MUTED)
            written = place


def _macro(axes: Axes, noise: NoiseSummary) -> None:
    curve = noise.curve
    level = curve["level"].to_numpy(float)
    axes.plot(level, curve["precision_macro"], color=BEGINS, linewidth=1.4, dashes=(5, 1.5))
    axes.plot(level, curve["recall_macro"], color=FAILS, linewidth=1.4, dashes=(1.5, 1.2))
    axes.plot(level, curve["f1_macro"], color=CURVE, linewidth=1.5)
    axes.plot(level, 10 * curve["fpr_macro"], color=MUTED, linewidth=1.0)
    axes.set_title(noise.title)
    _frame(axes, noise)
    axes.set_ylim(0, 1.02)


def _frame(axes: Axes, noise: NoiseSummary) -> None:
    axes.set_xlim(noise.levels[0], noise.levels[-1])
    axes.set_xlabel(short_name(noise.unit, 36, 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=2)


def _curve_key() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=CURVE, marker="o", markersize=3, linewidth=1.5, label="accuracy, made monotone"),
        Patch(facecolor=CURVE, alpha=0.2, label="95% interval"),
        Line2D([], [], color=INK, linewidth=0.8, dashes=(4, 2), label="psychometric fit"),
        Line2D([], [], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)), label="clean accuracy"),
        Line2D([], [], color=BEGINS, marker="D", markersize=5, markeredgecolor=INK, label="begins to fail"),
        Line2D([], [], color=FAILS, marker="o", markersize=5, markeredgecolor=INK, label="fails"),
    ]


def _macro_key() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=CURVE, linewidth=1.5, label="F1"),
        Line2D([], [], color=BEGINS, linewidth=1.4, dashes=(5, 1.5), label="precision"),
        Line2D([], [], color=FAILS, linewidth=1.4, dashes=(1.5, 1.2), label="recall"),
        Line2D([], [], color=MUTED, linewidth=1.0, label="false-positive rate, times 10"),
    ]
