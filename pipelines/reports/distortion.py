"""Each curve against each measure of distortion: accuracy by how much a noise shows, on axes that all noises share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from noise.distortion import MEASURES
from pipelines.reports.figures import MUTED, new_figure, styled
from pipelines.reports.visibility import PALETTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PANELS = {
    "ssim": (1.0, 0.95, 0.9, 0.8, 0.65, 0.5, 0.3, 0.1),
    "psnr": (50.0, 40.0, 30.0, 20.0, 10.0),
    "csf_psnr": (50.0, 40.0, 30.0, 20.0, 10.0),
    "l2": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "l1": (0.0, 0.1, 0.2, 0.3, 0.4),
    "linf": (0.0, 0.25, 0.5, 0.75, 1.0),
    "l0": (0.0, 0.25, 0.5, 0.75, 1.0),
}
"""The measures and the values marked on their axes."""
TITLES = {
    "ssim": "SSIM",
    "psnr": "PSNR",
    "csf_psnr": "CSF-PSNR",
    "l2": "L2 (root mean square)",
}
TITLES |= {"l1": "L1 (mean)", "linf": "L-infinity", "l0": "L0 (share of the pixels)"}
COLUMNS = 4
MOST = 50.0
"""Decibels at the left end of an axis, where the clean image stands too."""


def distortion_figure(curves: pd.DataFrame, distortions: pd.DataFrame, families: Mapping[str, str]) -> Figure:
    """Draw accuracy against the mean of each measure: a panel a measure, a line a noise, least change at the left.

    Args:
        curves: of `Analysis`.
        distortions: of `pipelines.visibility.measure_distortions`.
        families: the family of each noise, which gives its colour.
    """
    joined = curves[["noise", "level_index", "accuracy"]].merge(distortions, on=["noise", "level_index"])
    names = sorted(set(families.values()))
    colours = dict(zip(names, PALETTE * (1 + len(names)), strict=False))
    with styled():
        figure = new_figure(11.0, 5.4)
        places = figure.subplots(2, COLUMNS).ravel()
        figure.subplots_adjust(left=0.045, right=0.99, bottom=0.09, top=0.94, wspace=0.16, hspace=0.42)
        for axes, measure in zip(places, PANELS, strict=False):
            for noise, rows in joined.groupby("noise", sort=False):
                x = _place(measure, rows[measure].to_numpy(float))
                style: dict[str, Any] = {"color": colours[families[str(noise)]], "linewidth": 0.9, "alpha": 0.75}
                axes.plot(x, rows["accuracy"].to_numpy(float), **style)
            _frame(axes, measure)
        for axes in places[len(PANELS) :]:
            axes.set_axis_off()
            handles = [Line2D([], [], color=colours[name], linewidth=2, label=name) for name in names]
            axes.legend(handles=handles, loc="center", fontsize=9, labelspacing=0.8)
    return figure


def _place(measure: str, values: Floats) -> Floats:
    """Where values lie along a measure's axis: decibels fall evenly from `MOST`, the rest as `Measure` has it."""
    if MEASURES[measure].unit == "dB":
        return MOST - np.minimum(values, MOST)
    return MEASURES[measure].to_distance(values)


def _frame(axes: Axes, measure: str) -> None:
    at = _place(measure, np.asarray(PANELS[measure], float))
    axes.set_xticks(at, [f"{tick:g}" for tick in PANELS[measure]])
    axes.set_xlim(0, 1.02 * max(float(at.max()), axes.dataLim.xmax))
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_title(TITLES[measure], fontsize=8.5)
    unit = MEASURES[measure].unit
    axes.set_xlabel("dB" if unit == "dB" else "the more to the right, the more it shows", color=MUTED)
    axes.grid(linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
