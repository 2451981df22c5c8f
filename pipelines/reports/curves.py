"""Accuracy, and the macro scores, against the level of each noise."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK, MUTED, new_figure, styled
from pipelines.reports.summary import Crossing, NoiseSummary

COLUMNS = 4


def curve_figure(noise: NoiseSummary) -> Figure:
    """Draw the accuracy curve of one noise, on its own."""
    with styled():
        figure = new_figure(3.5, 2.75)
        _curve(figure.add_axes((0.12, 0.16, 0.84, 0.67)), noise)
    return figure


def curves_figure(noises: Sequence[NoiseSummary]) -> Figure:
    """Draw the accuracy curves of all noises side by side, the most harmful first, with one key for all."""
    with styled():
        figure, panels = _small_multiples(len(noises), height=2.55)
        for panel, noise in zip(panels, noises, strict=True):
            _curve(panel, noise)
        _legend(figure, _curve_key())
    return figure


def macro_figure(noise: NoiseSummary) -> Figure:
    """Draw macro precision, recall, F1 and false-positive rate of one noise by level."""
    with styled():
        figure = new_figure(3.5, 2.3)
        _macro(figure.add_axes((0.12, 0.19, 0.84, 0.69)), noise)
    return figure


def macros_figure(noises: Sequence[NoiseSummary]) -> Figure:
    """Draw the macro scores of all noises side by side."""
    with styled():
        figure, panels = _small_multiples(len(noises), height=2.1)
        for panel, noise in zip(panels, noises, strict=True):
            _macro(panel, noise)
        _legend(figure, _macro_key())
    return figure


def _small_multiples(count: int, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(COLUMNS, max(count, 1))
    rows = -(-count // columns)
    figure = new_figure(max(2.75 * columns, 5.5), height * rows + 0.5)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    return figure, panels


def _legend(figure: Figure, handles: list[Line2D | Patch]) -> None:
    figure.legend(handles=handles, loc="upper left", ncols=len(handles), fontsize=8, columnspacing=1.6)
    figure.tight_layout(pad=0.8, h_pad=1.4, rect=(0, 0, 1, 1 - 0.4 / figure.get_figheight()))


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
    axes.set_xlabel(noise.unit)
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
