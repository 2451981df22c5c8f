"""A search in pictures: every trial at once, what mattered, how the trials learned, and what trades against what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from pipelines.ranking import ordered, unbeaten
from pipelines.reports.effects import effects_figure, has_effects
from pipelines.reports.figures import (
    BEGINS,
    CURVE,
    FAILS,
    INK,
    MUTED,
    PAPER,
    RULE,
    WRONG,
    new_figure,
    short_name,
    styled,
)
from pipelines.reports.importance import importance_figure, message_figure
from pipelines.reports.scales import SCORES, Scale, scale_of, short_number, spoken_name
from pipelines.trials import FINISHED, OBJECTIVES, STOPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WORTH = LinearSegmentedColormap.from_list("worth", [BEGINS, FAILS, CURVE])
"""From the worst trial to the best; its lightness falls all the way."""
ABSENT = -0.09
"""Where a trial stands on the axis of a parameter that it does not have."""
LEARNED = {
    "f1_macro": "macro-F1 on the validation tracks",
    "distance": "kernel distance to the validation images (less is better)",
}
"""What the epochs of a search are compared by, as its axis says it."""
NAMED = 8
"""Most trials of a front that are named."""
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "boxstyle": "round,pad=0.15"}
HALO = [patheffects.withStroke(linewidth=2.2, foreground=PAPER)]


def tuning_figures(trials: pd.DataFrame, epochs: pd.DataFrame, objectives: Sequence[str]) -> dict[str, Figure]:
    """Draw a search.

    Args:
        trials: A row a trial: trial_id, name, status, a column an objective (NaN where unknown), `param/<name>`
            columns (numbers or words, NaN where a trial has no such parameter), and other measured numbers.
        epochs: A row an epoch of a trial: trial_id, epoch (from 1), f1_macro or distance.
        objectives: What the search sought, the most important first.

    Returns:
        Figures by the names of their files: parallel_coordinates.png, importance.png, learning_curves.png; with two
        objectives pareto.png; effects.png where one or two parameters were tried in all combinations.
    """
    parameters = [str(name) for name in trials if str(name).startswith("param/")]
    varying = [name for name in parameters if trials[name].map(str).unique().size > 1]
    figures = {
        "parallel_coordinates.png": parallel_coordinates(trials, varying or parameters, objectives),
        "importance.png": importance_figure(trials, varying, objectives[0]),
        "learning_curves.png": learning_curves(trials, epochs, objectives[0]),
    }
    if len(objectives) > 1:
        figures["pareto.png"] = pareto_figure(trials, objectives)
    if has_effects(trials, varying):
        figures["effects.png"] = effects_figure(trials, varying)
    return figures


def parallel_coordinates(trials: pd.DataFrame, parameters: Sequence[str], objectives: Sequence[str]) -> Figure:
    """Draw each trial as a line through its parameters to its objectives, dark where the first objective is good."""
    columns, worth = [*parameters, *objectives], trial_worth(trials, objectives[0])
    scales = [scale_of(trials[name], score=name in SCORES and name in objectives) for name in columns]
    places = np.stack(
        [_spread(scale, trials[name], worth) for scale, name in zip(scales, columns, strict=True)], axis=1
    )
    places[np.isnan(worth), len(parameters) :] = np.nan
    order = np.argsort(np.nan_to_num(worth, nan=-1.0), kind="stable")
    with styled():
        figure = new_figure(max(7.4, 0.95 * len(columns) + 0.9), 4.0)
        axes = figure.add_axes((0.075, 0.02, 0.885, 0.73))
        for row in order:
            _line(axes, places[row], worth[row], best=row == order[-1])
        for at, (name, scale) in enumerate(zip(columns, scales, strict=True)):
            _axis(axes, at, name, scale, ends=name in objectives)
        if np.isnan(places[:, : len(parameters)]).any():
            axes.text(-0.12, ABSENT, "absent", color=MUTED, size=6.5, ha="right", va="center")
        axes.set_xlim(-0.25, len(columns) - 0.75)
        axes.set_ylim(ABSENT - 0.05, 1.02)
        axes.set_axis_off()
        figure.text(0.015, 0.955, _best_line(trials, objectives[0]), weight="bold", size=10, va="center")
        figure.text(0.015, 0.895, _ends_line(trials, objectives[0]), color=MUTED, size=7.5, va="center")
    return figure


def learning_curves(trials: pd.DataFrame, epochs: pd.DataFrame, objective: str) -> Figure:
    """Draw what each trial learned by epoch, macro-F1 on a scale of its distance to 1; the best stands out."""
    measure = "distance" if "distance" in epochs else "f1_macro"
    if epochs[measure].notna().sum() == 0:
        return message_figure("No trial finished an epoch")
    scale = scale_of(epochs[measure], score=measure in SCORES)
    worth = dict(zip(trials["trial_id"], trial_worth(trials, objective), strict=True))
    curves = sorted(epochs.groupby("trial_id"), key=lambda curve: np.nan_to_num(worth.get(curve[0], np.nan), nan=-1.0))
    status = dict(zip(trials["trial_id"], trials["status"], strict=True))
    best = best_trial(trials, objective)
    with styled():
        figure = new_figure(7.4, 4.0)
        axes = figure.add_axes((0.075, 0.115, 0.835, 0.7))
        for trial, curve in curves:
            _curve(axes, curve, measure, scale, worth.get(trial, np.nan), str(status.get(trial)), best=trial == best)
        axes.set_yticks(list(scale.ticks), list(scale.ticks.values()))
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlim(left=min(0.8, axes.get_xlim()[0]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel(LEARNED[measure])
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        figure.text(0.015, 0.955, _best_line(trials, objective), weight="bold", size=10, va="center")
        figure.legend(handles=_curve_key(trials), loc="upper left", bbox_to_anchor=(0.0, 0.93), ncols=4, fontsize=7.5)
    return figure


def pareto_figure(trials: pd.DataFrame, objectives: Sequence[str]) -> Figure:
    """Draw the first objective against the second, with the front of the trials that no other beats in both."""
    first, second = objectives[:2]
    known = trials.dropna(subset=[first, second])
    if known.empty:
        return message_figure(f"No trial has both {spoken_name(first)} and {spoken_name(second)}")
    across, up = (scale_of(known[name], score=name in SCORES) for name in (second, first))
    x, y = across.place(known[second]), up.place(known[first])
    kept = known.index.get_indexer(unbeaten(known, (first, second)).sort_values(second, kind="stable").index)
    front = np.asarray(kept, np.int64)
    with styled():
        figure = new_figure(7.4, 4.2)
        axes = figure.add_axes((0.085, 0.115, 0.885, 0.72))
        rest = np.setdiff1d(np.arange(len(known)), front)
        axes.scatter(x[rest], y[rest], s=20, c=RULE, edgecolors=MUTED, linewidths=0.6)
        axes.step(
            x[front], y[front], where="post" if OBJECTIVES[second] == "min" else "pre", color=CURVE, linewidth=1.2
        )
        axes.scatter(x[front], y[front], s=38, c=CURVE, zorder=3)
        _front_names(axes, known.iloc[front], x[front], y[front])
        axes.set_xticks(list(across.ticks), list(across.ticks.values()))
        axes.set_yticks(list(up.ticks), list(up.ticks.values()))
        axes.set_xlim(-0.02, 1.08)
        axes.set_ylim(-0.02, 1.06)
        better = {"min": "less is better", "max": "more is better"}
        axes.set_xlabel(f"{spoken_name(second)} ({better[OBJECTIVES[second]]})")
        axes.set_ylabel(f"{spoken_name(first)} ({better[OBJECTIVES[first]]})")
        axes.grid()
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        title = f"{len(front)} of {len(known)} trials are beaten by none in both objectives"
        figure.text(0.015, 0.955, title, weight="bold", size=10, va="center")
        about = f"line: the front; grey: beaten trials; {len(trials) - len(known)} trials lack an objective"
        figure.text(0.015, 0.9, about, color=MUTED, size=7.5, va="center")
    return figure


def trial_worth(trials: pd.DataFrame, objective: str) -> Floats:
    """Rank of each trial by an objective (N,), 0 for the worst and 1 for the best; NaN where it is unknown."""
    ranks = trials[objective].rank(ascending=OBJECTIVES[objective] == "max").to_numpy(float)
    known = int(trials[objective].notna().sum())
    return (ranks - 1) / (known - 1) if known > 1 else np.where(np.isnan(ranks), np.nan, 1.0)


def best_trial(trials: pd.DataFrame, objective: str) -> str | None:
    """The id of the best trial; None where no trial has the objective."""
    found = ordered(trials, objective)
    return None if found.empty else str(found["trial_id"].iloc[0])


def _best_line(trials: pd.DataFrame, objective: str) -> str:
    best = best_trial(trials, objective)
    if best is None:
        return f"None of {len(trials)} trials has {spoken_name(objective)}"
    row = trials[trials["trial_id"].astype(str) == best].iloc[0]
    value = f"{row[objective]:.4f}" if objective in SCORES else short_number(float(row[objective]))
    which = f"the best of {len(trials)} trials" if len(trials) > 1 else "the only trial"
    return f"{row['name']} is {which}: {spoken_name(objective)} {value}"


def _ends_line(trials: pd.DataFrame, objective: str) -> str:
    ends = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
    return f"{ends}; dark: good by {spoken_name(objective)}, yellow: poor, dashed grey: without a result"


def _spread(scale: Scale, values: pd.Series, worth: Floats) -> Floats:
    """Places of a column; trials of the same value are set apart by their worth, so that each is seen."""
    places = scale.place(values)
    if not scale.discrete:
        return places
    room = min(0.1, 0.45 / max(1, len(scale.ticks)))
    for place in scale.ticks:
        members = np.flatnonzero(np.isclose(places, place))
        ordered = members[np.argsort(np.nan_to_num(worth[members], nan=-1.0), kind="stable")]
        places[ordered] += room * (np.arange(len(ordered)) - (len(ordered) - 1) / 2) / max(1, len(ordered))
    return places


def _line(axes: Axes, places: Floats, worth: float, *, best: bool) -> None:
    """A smooth line, level at each axis; it ends before the objectives where there is no result."""
    failed = np.isnan(worth)
    last = len(places) if not failed else int(np.isfinite(places).nonzero()[0].max(initial=-1)) + 1
    heights = np.where(np.isnan(places[:last]), ABSENT, places[:last])
    if len(heights) < 2:
        axes.plot(np.arange(len(heights)), heights, "o", color=MUTED if failed else WORTH(worth), markersize=4)
        return
    points, codes = [(0.0, heights[0])], [Path.MOVETO]
    for at in range(1, len(heights)):
        points += [(at - 0.5, heights[at - 1]), (at - 0.5, heights[at]), (at, heights[at])]
        codes += 3 * [Path.CURVE4]
    look = {"edgecolor": WORTH(worth), "linewidth": 1.0, "alpha": 0.75} if not failed else {}
    look = {"edgecolor": MUTED, "linewidth": 0.7, "alpha": 0.6, "linestyle": "--"} if failed else look
    if best and not failed:
        look |= {
            "linewidth": 2.4,
            "alpha": 1.0,
            "path_effects": [patheffects.withStroke(linewidth=4.2, foreground=PAPER)],
        }
    axes.add_patch(PathPatch(Path(points, codes), facecolor="none", **look))


def _axis(axes: Axes, at: int, name: str, scale: Scale, *, ends: bool) -> None:
    axes.plot([at, at], [0, 1], color=INK if ends else MUTED, linewidth=1.4 if ends else 0.8, zorder=4)
    for place, label in scale.ticks.items():
        axes.plot([at - 0.02, at + 0.02], [place, place], color=MUTED, linewidth=0.8, zorder=4)
        text = short_name(label, 12, 1)
        axes.text(at - 0.05, place, text, size=6.5, ha="right", va="center", zorder=5, bbox=BEHIND)
    title = short_name(spoken_name(name), 13, 2)
    axes.text(at, 1.04, title, size=8, weight="bold" if ends else "normal", ha="center", va="bottom")


def _curve(
    axes: Axes, curve: pd.DataFrame, measure: str, scale: Scale, worth: float, status: str, *, best: bool
) -> None:
    ordered = curve.sort_values("epoch")
    x, y = ordered["epoch"].to_numpy(float), scale.place(ordered[measure])
    colour = MUTED if np.isnan(worth) else WORTH(worth)
    width, opacity = (2.4, 1.0) if best else (1.0, 0.7)
    axes.plot(x, y, color=colour, linewidth=width, alpha=opacity, zorder=3 if best else 2)
    if best:
        axes.plot(x[-1:], y[-1:], "o", color=colour, markersize=5, zorder=4)
        axes.annotate(
            "best", (x[-1], y[-1]), (6, 0), textcoords="offset points", va="center", color=colour, weight="bold"
        )
    elif status == STOPPED:
        axes.plot(x[-1:], y[-1:], "o", color=PAPER, markeredgecolor=colour, markersize=3.6, zorder=3)
    elif status != FINISHED:
        axes.plot(x[-1:], y[-1:], "x", color=WRONG, markersize=5, markeredgewidth=1.4, zorder=4)


def _curve_key(trials: pd.DataFrame) -> list[Line2D]:
    finished, stopped = (int((trials["status"] == status).sum()) for status in (FINISHED, STOPPED))
    rest = len(trials) - finished - stopped
    key = [Line2D([], [], color=WORTH(0.8), linewidth=1.4, label=f"{finished} finished")]
    if stopped:
        mark = Line2D([], [], color=WORTH(0.3), marker="o", markersize=4, label=f"{stopped} stopped early")
        mark.set_markerfacecolor(PAPER)
        key.append(mark)
    if rest:
        key.append(
            Line2D([], [], color=WRONG, marker="x", linestyle="", markersize=5, label=f"{rest} without a result")
        )
    return key


def _front_names(axes: Axes, front: pd.DataFrame, x: Floats, y: Floats) -> None:
    named = np.unique(np.linspace(0, len(front) - 1, min(NAMED, len(front))).round().astype(int))
    for place in named:
        name = short_name(str(front["name"].iloc[place]), 18, 1)
        axes.annotate(name, (x[place], y[place]), (5, -9), textcoords="offset points", size=7, path_effects=HALO)
