"""What one or two parameters do to all that was measured: means and intervals over repeated seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D

from pipelines.intervals import t_interval
from pipelines.reports.figures import BEGINS, CURVE, FAILS, new_figure, short_name, styled
from pipelines.reports.scales import Scale, is_numeric, scale_of, short_number, spoken_name
from pipelines.reports.visibility import PALETTE
from pipelines.trials import FINISHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEED = "param/seed"
NOT_MEASURED = ("trial_id", "epochs", "best_epoch", "seconds")
ENOUGH = 3
"""Trainings from which on an interval tells something: Student's of two is 13 standard errors to either side."""
MOST = 10
"""Values of a single parameter up to which it is taken for a grid."""
COLUMNS = 3
PANEL, TALL, HEAD, KEY = 2.75, 2.1, 0.42, 0.3  # inches
AMOUNT = LinearSegmentedColormap.from_list("amount", [BEGINS, FAILS, CURVE])


def has_effects(trials: pd.DataFrame, varying: Sequence[str]) -> bool:
    """Whether one or two parameters, besides the seed, were tried in all combinations, and some trial finished."""
    parameters = [name for name in varying if name != SEED]
    finished = trials[trials["status"] == FINISHED]
    if finished.empty or not 1 <= len(parameters) <= 2 or not measured(finished):
        return False
    most = len(trials) if len(parameters) == 2 else MOST
    return int(np.prod([trials[name].nunique() for name in parameters])) <= most


def measured(trials: pd.DataFrame) -> list[str]:
    """The columns that hold measured numbers, those of single layers (`load/<layer>/...`) left out."""
    names = [str(name) for name in trials if not str(name).startswith("param/") and name not in NOT_MEASURED]
    return [name for name in names if name.count("/") <= 1 and trials[name].notna().any() and is_numeric(trials[name])]


def effects(trials: pd.DataFrame, parameters: Sequence[str], metric: str) -> pd.DataFrame:
    """Mean of a metric over the trials of equal parameters, with Student's 95% interval, or the range of two trials.

    Returns:
        A row a combination: the parameters, mean, low, high (NaN for a single trial), trials.
    """
    rows = [
        [*key, *_spread(values), len(values)]
        for key, values in trials.dropna(subset=[metric]).groupby(list(parameters))[metric]
    ]
    return pd.DataFrame(rows, columns=[*parameters, "mean", "low", "high", "trials"])


def _spread(values: pd.Series[float]) -> tuple[float, float, float]:
    if len(values) == ENOUGH - 1:
        return float(values.mean()), float(values.min()), float(values.max())
    return t_interval(values)


def effects_figure(trials: pd.DataFrame, varying: Sequence[str]) -> Figure:
    """Draw each measured metric against one parameter, a colour a value of the other.

    Args:
        trials: A row a trial; finished ones count.
        varying: The parameters that vary; `param/seed` repeats.
    """
    finished = trials[trials["status"] == FINISHED]
    parameters = sorted((name for name in varying if name != SEED), key=lambda name: _rank(finished, name))
    metrics = measured(finished)
    columns = min(COLUMNS, len(metrics))
    rows = -(-len(metrics) // columns)
    head = HEAD + KEY * (len(parameters) - 1)
    width, height = max(7.4, PANEL * columns), TALL * rows + head
    scale = scale_of(finished[parameters[0]])
    with styled():
        figure = new_figure(width, height)
        for place, metric in enumerate(metrics):
            row, column = divmod(place, columns)
            left, bottom = (column + 0.19) / columns, (height - head - (row + 1) * TALL + 0.42) / height
            axes = figure.add_axes((left, bottom, 0.77 / columns, (TALL - 0.72) / height))
            _panel(axes, effects(finished, parameters, metric), parameters, scale)
            axes.set_title(spoken_name(metric))
            if place + columns >= len(metrics):
                axes.set_xlabel(spoken_name(parameters[0]))
        figure.text(0.12 / width, 1 - 0.2 / height, _title(finished, parameters), weight="bold", size=10, va="center")
        if len(parameters) > 1:
            _key(figure, finished, parameters[1], height)
    return figure


def _rank(trials: pd.DataFrame, name: str) -> tuple[bool, int]:
    """Numbers go along the axis before words, many values before few."""
    return not is_numeric(trials[name]), -int(trials[name].nunique())


def _panel(axes: Axes, table: pd.DataFrame, parameters: Sequence[str], scale: Scale) -> None:
    groups = [(None, table)] if len(parameters) == 1 else list(table.groupby(parameters[1]))
    colours = _colours(len(groups), numeric=len(parameters) > 1 and is_numeric(table[parameters[1]]))
    step = 0.012 if scale.numeric else 0.5 / max(1, len(scale.ticks)) / max(1, len(groups))
    for place, (colour, (_, group)) in enumerate(zip(colours, groups, strict=True)):
        x = scale.place(group[parameters[0]]) + step * (place - (len(groups) - 1) / 2)
        axes.vlines(x, group["low"], group["high"], color=colour, linewidth=1.3, alpha=0.8)
        axes.plot(x, group["mean"], "o-" if scale.numeric else "o", color=colour, linewidth=1.4, markersize=3.8)
    axes.set_xticks(list(scale.ticks), [short_name(label, 10, 1) for label in scale.ticks.values()])
    axes.set_xlim(0, 1)
    axes.locator_params(axis="y", nbins=5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _colours(count: int, *, numeric: bool) -> list[Any]:
    if count == 1:
        return [CURVE]
    return list(map(tuple, AMOUNT(np.linspace(0, 1, count)))) if numeric else list((PALETTE * count)[:count])


def _title(trials: pd.DataFrame, parameters: Sequence[str]) -> str:
    repeats = trials.groupby(list(parameters)).size()
    count = f"{repeats.min()}" if repeats.min() == repeats.max() else f"{repeats.min()} to {repeats.max()}"
    spread = "95% interval" if repeats.max() >= ENOUGH else "range"
    over = f": mean and {spread} over {count} trainings" if repeats.max() > 1 else ": one training each"
    names = " and ".join(spoken_name(name) for name in parameters)
    return f"What {names} {'change' if len(parameters) > 1 else 'changes'}{over}"


def _key(figure: Figure, trials: pd.DataFrame, parameter: str, height: float) -> None:
    values = sorted(trials[parameter].dropna().unique())
    numeric = is_numeric(trials[parameter])
    labels = [short_number(float(value)) if numeric else str(value) for value in values]
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=4, linewidth=1.4, label=label)
        for colour, label in zip(_colours(len(values), numeric=numeric), labels, strict=True)
    ]
    figure.legend(
        handles=handles,
        title=spoken_name(parameter) + ":",
        loc="upper left",
        bbox_to_anchor=(0, 1 - 0.3 / height),
        ncols=min(8, len(handles)),
        fontsize=7.5,
        alignment="left",
    )
