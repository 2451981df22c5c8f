"""Lorenz curves of the load on the neurons of each layer, and how unequal they are, from input to output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D

from models.neuron_load import layer_loads, lorenz_curve
from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK, MUTED, PAPER, new_figure, short_name, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Colours = dict[str, tuple[float, float, float, float]]

LOADS = {"activation": "mean activation", "importance": "ablation importance"}
DEPTH = LinearSegmentedColormap.from_list("depth", [BEGINS, FAILS, CURVE])
"""From input to output; its lightness falls all the way."""
ROW, HEAD, FOOT, SQUARE = 0.115, 0.72, 0.5, 2.4  # inches
WIDTH = 9.4
QUARTERS = (0, 0.25, 0.5, 0.75, 1)
PERCENT = [f"{share:.0%}" for share in QUARTERS]


def neuron_load_figure(units: pd.DataFrame) -> Figure:
    """Draw the Lorenz curve of each layer by activation and by importance, and the Gini coefficients beside.

    Args:
        units: of `models.neuron_load.unit_loads`.
    """
    layers = layer_loads(units)
    names = list(layers["layer"])
    colours = dict(zip(names, DEPTH(np.linspace(0, 1, max(2, len(names)))), strict=False))
    height = HEAD + FOOT + max(SQUARE, ROW * len(names))
    with styled():
        figure = new_figure(WIDTH, height)
        figure.text(0.012, 1 - 0.17 / height, _headline(layers), weight="bold", size=10, va="center")
        top = 1 - HEAD / height
        side = SQUARE / height
        for left, (load, title) in zip((0.052, 0.36), LOADS.items(), strict=True):
            axes = figure.add_axes((left, top - side, SQUARE / WIDTH, side))
            _lorenz(axes, units, load, colours)
            axes.set_title(f"Share of the {title}")
        _ginis(figure.add_axes((0.75, FOOT / height, 0.185, top - FOOT / height)), layers, colours)
    return figure


def _headline(layers: pd.DataFrame) -> str:
    held = f"The top 5% of a layer's units hold {layers['importance_top5'].mean():.0%} of its importance"
    return (
        f"{held}, {layers['activation_top5'].mean():.0%} of its activation; {100 * layers['dead'].mean():.2g}% are dead"
    )


def _lorenz(axes: Axes, units: pd.DataFrame, load: str, colours: Colours) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.text(0.44, 0.47, "all equal", color=MUTED, fontsize=7, ha="right")
    for name, layer in units.groupby("layer", sort=False):
        population, held = lorenz_curve(layer[load].dropna().clip(lower=0))
        axes.plot(population, held, color=colours[str(name)], linewidth=1.3)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks(QUARTERS, PERCENT)
    axes.set_yticks(QUARTERS, PERCENT)
    axes.set_xlabel("share of the units, least loaded first")
    axes.grid()
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _ginis(axes: Axes, layers: pd.DataFrame, colours: Colours) -> None:
    place = np.arange(len(layers))
    ginis = {load: layers[f"{load}_gini"] for load in LOADS}
    axes.hlines(place, ginis["activation"], ginis["importance"], color=list(colours.values()), linewidth=1.0)
    axes.scatter(ginis["activation"], place, s=22, c=PAPER, edgecolors=list(colours.values()), linewidths=1.3, zorder=3)
    axes.scatter(ginis["importance"], place, s=26, c=list(colours.values()), linewidths=0, zorder=3)
    size = 7.0 if len(layers) <= SQUARE / ROW else 5.5
    for row, dead in enumerate(layers["dead"]):
        if dead:
            axes.text(1.04, row, f"{100 * dead:.2g}% dead", color=FAILS, fontsize=size, va="center", clip_on=False)
    axes.set_yticks(place, [short_name(name, int(115 / size), 1) for name in layers["layer"]], fontsize=size)
    for label, colour in zip(axes.get_yticklabels(), colours.values(), strict=True):
        label.set_color(colour)
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks(QUARTERS, ["0", ".25", ".5", ".75", "1"])
    axes.set_xlabel("0: all equal, 1: one has all")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.set_title("Gini coefficient by layer", pad=16)
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=5, markeredgecolor=INK, markerfacecolor=colour, label=load)
        for load, colour in zip(LOADS, (PAPER, INK), strict=True)
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.03, 0.99), ncols=2, handletextpad=0.1, fontsize=7)
