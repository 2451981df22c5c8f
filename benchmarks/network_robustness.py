"""Draw where each network fails under each noise, from the tables that benchmarks.training_experiments left.

    python -m benchmarks.network_robustness

Writes results/gtsrb/networks/robustness.png.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

import noise
from benchmarks.readme_networks import RESULTS, Fails, compared, thresholds
from pipelines.reports.figures import MUTED, RULE, new_figure, save_png, styled
from pipelines.reports.summary import spoken
from pipelines.reports.visibility import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW, LEFT, TOP, BOTTOM = 7.0, 0.26, 1.55, 0.42, 0.45  # inches
APART = 0.22
"""Of two networks in a row, as a share of its height."""


def main() -> None:
    """Draw and save."""
    save_png(
        robustness_figure({name: thresholds(name) for name in compared()}), RESULTS / "networks" / "robustness.png"
    )


def robustness_figure(grids: dict[str, dict[str, Fails]]) -> Figure:
    """A row a noise, the one that fails the networks first on top; a dot with its interval a network."""
    names = sorted(
        next(iter(grids.values())), key=lambda name: np.mean([_share(name, g[name]) for g in grids.values()])
    )
    height = TOP + ROW * len(names) + BOTTOM
    with styled():
        figure = new_figure(WIDTH, height)
        axes = figure.add_axes((LEFT / WIDTH, BOTTOM / height, 0.97 - LEFT / WIDTH, 1 - (TOP + BOTTOM) / height))
        for place, (grid, colour) in enumerate(zip(grids.values(), PALETTE, strict=False)):
            _network(axes, names, grid, colour, APART * (place - (len(grids) - 1) / 2))
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.02), xlabel="level that halves accuracy, share of the range")
        axes.set_yticks(range(len(names)), [spoken(name) for name in names])
        axes.hlines(np.arange(len(names) - 1) + 0.5, 0, 1.02, color=RULE, linewidth=0.4)
        axes.tick_params(axis="y", length=0, labelcolor=MUTED)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        handles = [Line2D([], [], color=colour, marker="o", markersize=4, lw=1.2) for colour in PALETTE[: len(grids)]]
        outside = Line2D([], [], color=MUTED, marker=">", markersize=5, lw=0)
        figure.legend(
            [*handles, outside], [*grids, "not within the range"], loc="upper left", ncols=len(grids) + 1, fontsize=8
        )
    return figure


def _network(axes: Axes, names: list[str], grid: dict[str, Fails], colour: str, shift: float) -> None:
    for row, name in enumerate(names):
        fails, high = grid[name], noise.catalogue()[name].high
        if fails.reached:
            axes.hlines(row + shift, fails.low / high, min(1.0, fails.high / high), color=colour, linewidth=1.2)
        axes.plot(_share(name, fails), row + shift, "o" if fails.reached else ">", color=colour, markersize=4)


def _share(name: str, fails: Fails) -> float:
    """The threshold as a share of the noise's range, 1 where it is not reached; all ranges begin at 0."""
    return fails.threshold / noise.catalogue()[name].high if fails.reached else 1.0


if __name__ == "__main__":
    main()
