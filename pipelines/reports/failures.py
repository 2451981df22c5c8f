"""How the classifier fails: which classes fall first, what signs are taken for, and whether confidence warns."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from pipelines.failures.flow import AT_LAST, TOP_PAIRS
from pipelines.reports.classes import RANKED_SUPPORT
from pipelines.reports.figures import CURVE, FAILS, INK, MUTED, RULE, new_figure, short_name, styled
from pipelines.reports.summary import Crossing, NoiseSummary, by_family, classes_of, per_class_crossings, spoken

CELL, GAP = 0.185, 0.4  # inches; between groups, as a share of a cell
HEADINGS, EDGE, RIGHT = 1.55, 0.15, 0.5  # inches for the names of noises and families, below, and right of a figure
SINKS, PAIRS = 8, 24
PANEL_COLUMNS = 8
FRAGILE_TO_STURDY = LinearSegmentedColormap.from_list(
    "fragile to sturdy", ["#7a1a30", FAILS, "#e3b9bf", "#f4f2ee", "#b4c8de", "#5580b0", "#00305f"]
)
NO_CELL: dict[str, Any] = {"facecolor": "#e9ebee", "edgecolor": "#c4c9d0", "linewidth": 0.0}
BOUND: dict[str, Any] = {"markerfacecolor": "#ffffff", "markeredgecolor": INK, "markeredgewidth": 0.4}

Groups = dict[str, list[Hashable]]
Places = dict[Hashable, float]


@dataclass(frozen=True)
class _Cell:
    """A class's threshold over the noise's own as a power of two; `bound`: 1 at least that, -1 at most, 0 measured."""

    log2: float
    bound: int
    clear: bool  # whether the class's interval leaves the noise's own threshold out


def class_heat_map(per_class: pd.DataFrame, noises: Sequence[NoiseSummary], shapes: Mapping[int, str]) -> Figure:
    """Draw each class's `fails` threshold over that of all images (classes in rows, noises in columns).

    A class that attracts wrong answers keeps its recall, and so looks sturdier than it is: see `flow_figure`.

    Args:
        per_class: rows of `Analysis.per_class`.
        noises: the noises.
        shapes: of the classes' signs; empty where a data set has none.
    """
    cells, named = _cells(per_class, noises), classes_of(per_class)
    order = sorted(named, key=lambda c: _mean_log2(cells, c))
    rows = _grouped(order, {c: shapes.get(c, "") for c in sorted(named, key=lambda c: (c not in shapes, c))})
    columns = _families(noises, per_class)
    with styled():
        left = 3.25 if shapes else 2.5
        figure = new_figure(left + _extent(columns) * CELL + RIGHT, HEADINGS + _extent(rows) * CELL + EDGE)
        axes = _matrix(figure, rows, columns, left, HEADINGS)
        _headings(axes, columns)
        scale = Normalize(-_reach(cells), _reach(cells))
        _draw_cells(axes, cells, _places(rows), _places(columns), scale)
        _class_names(axes, named, rows, left)
        _heat_key(figure, scale, left)
    return figure


def flow_figure(flow: pd.DataFrame, noises: Sequence[NoiseSummary]) -> Figure:
    """Draw where each noise's wrong answers go: the most attracting classes, and the most frequent pairs.

    Args:
        flow: rows of `Failures.confusion_flow`, at least one.
        noises: the noises; those under which nothing failed get no column.
    """
    columns = _families(noises, flow)
    sinks, pairs = _sinks(flow), _pairs(flow)
    left, between = 3.6, 0.55
    heights = [len(table) * CELL for table in (sinks, pairs)]
    with styled():
        figure = new_figure(left + _extent(columns) * CELL + RIGHT, HEADINGS + sum(heights) + between + 0.65)
        top = _shares(figure, sinks, columns, (left, HEADINGS), "Wrong answers that name this sign", FAILS)
        _headings(top, columns)
        below = HEADINGS + heights[0] + between
        last = _shares(figure, pairs, columns, (left, below), "Images of a sign that are taken for another", CURVE)
        _destinations(last, flow, columns, len(pairs), left)
    return figure


def confidence_figure(confidence: pd.DataFrame, noises: Sequence[NoiseSummary]) -> Figure:
    """Draw accuracy, AUROC of confidence for being right, and calibration error against the level of each noise.

    Args:
        confidence: rows of `Failures.confidence`.
        noises: the noises.
    """
    rows = _panel_rows(_families(noises, confidence))
    across = max(len(members) for _, members in rows)
    wide, tall = max(1.38 * across + 0.7, 6.5), 1.3 * len(rows) + 0.35
    with styled():
        figure = new_figure(wide, tall)
        for down, (family, members) in enumerate(rows):
            bottom = 1 - (0.35 + 1.3 * (down + 1) - 0.22) / tall
            label: dict[str, Any] = {"rotation": 90, "color": MUTED, "fontsize": 7.5, "weight": "bold"}
            figure.text(0.12 / wide, bottom + 0.43 / tall, family, ha="center", va="center", **label)
            for column, noise in enumerate(members):
                axes = figure.add_axes(((0.5 + 1.38 * column) / wide, bottom, 1.2 / wide, 0.86 / tall))
                _warnings(axes, confidence[confidence["noise"] == noise])
                axes.set_title(short_name(spoken(str(noise)), 20, 1), fontsize=7.5, pad=3)
                _end_ticks(axes, first=column == 0)
        figure.legend(handles=_warning_key(), loc="upper left", ncols=4, fontsize=8, columnspacing=1.6)
    return figure


def _panel_rows(groups: Groups) -> list[tuple[str, list[Hashable]]]:
    """Each family from a row of its own on, `PANEL_COLUMNS` noises a row; only its first row is named."""
    return [
        ("" if start else family, members[start : start + PANEL_COLUMNS])
        for family, members in groups.items()
        for start in range(0, len(members), PANEL_COLUMNS)
    ]


def _families(noises: Sequence[NoiseSummary], table: pd.DataFrame) -> Groups:
    """The noises of each family that the table has rows of."""
    known = set(table["noise"])
    groups = {family: [n.name for n in members if n.name in known] for family, members in by_family(noises).items()}
    return {family: list(members) for family, members in groups.items() if members}


def _grouped(order: Iterable[Hashable], group_of: Mapping[Any, str]) -> Groups:
    """The members of each group, groups in the order of `group_of`, members in that of `order`."""
    found: Groups = {group: [] for group in group_of.values()}
    for member in order:
        found.setdefault(group_of.get(member, ""), []).append(member)
    return {group: members for group, members in found.items() if members}


def _places(groups: Groups) -> Places:
    members = [member for group in groups.values() for member in group]
    gaps = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()]) * GAP
    return {member: place + gap for (place, member), gap in zip(enumerate(members), gaps.tolist(), strict=True)}


def _extent(groups: Groups) -> float:
    return max(_places(groups).values()) + 1


def _matrix(figure: Figure, rows: Groups, columns: Groups, left: float, top: float) -> Axes:
    """Axes in units of cells, row 0 on top, `left` and `top` inches from the figure's corner."""
    wide, tall = figure.get_size_inches()
    across, down = _extent(columns), _extent(rows)
    bottom = tall - top - down * CELL
    axes = figure.add_axes((left / wide, bottom / tall, across * CELL / wide, down * CELL / tall))
    axes.set_xlim(0, across)
    axes.set_ylim(down, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def _headings(axes: Axes, columns: Groups) -> None:
    """Names of noises, upright, and over them those of the families."""
    place, taken = _places(columns), {0: -math.inf, 1: -math.inf}
    for family, members in columns.items():
        for noise in members:
            name = short_name(spoken(str(noise)), 20, 1)
            axes.text(place[noise] + 0.5, -0.25, name, rotation=90, ha="center", va="bottom", fontsize=7)
        start, stop = place[members[0]] + 0.1, place[members[-1]] + 0.9
        line = 0 if taken[0] < start else 1  # a name wider than its family moves the next one up
        taken[line] = start + 0.5 * len(family)
        axes.plot([start, stop], [-6.6, -6.6], color=MUTED, linewidth=0.8, clip_on=False)
        style: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": 7, "color": MUTED, "weight": "bold"}
        axes.text(start, -6.75 - 0.8 * line, family, **style)


def _cells(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> dict[tuple[int, str], _Cell | None]:
    own = {noise.name: noise.fails for noise in noises}
    kept = per_class[per_class["noise"].isin(list(own))]
    return {(c, name): _cell(found, own[name]) for (c, name), found in per_class_crossings(kept, noises).items()}


def _cell(found: Crossing, own: Crossing) -> _Cell | None:
    """What is known of the ratio; nothing where both lie outside the tested levels on one side, or either is absent."""
    outside = {"above": 1, "below": -1}
    bound = outside.get(found.censored, 0) - outside.get(own.censored, 0)
    if (bound == 0 and found.censored) or abs(bound) > 1 or math.isnan(found.value) or math.isnan(own.value):
        return None
    value, whole = (_within(found), _within(own))
    clear = found.has_interval() and not found.low <= whole <= found.high
    return _Cell(math.log2(value / whole), bound, clear)


def _within(found: Crossing) -> float:
    return {"above": found.last, "below": found.first}.get(found.censored, found.value)


def _mean_log2(cells: Mapping[tuple[int, str], _Cell | None], label: int) -> float:
    known = [cell.log2 for (c, _), cell in cells.items() if c == label and cell]
    return float(np.mean(known)) if known else math.inf


def _reach(cells: Mapping[tuple[int, str], _Cell | None]) -> float:
    """The largest ratio that colours tell apart: a factor of 2 to 8, one that few cells exceed."""
    known = [abs(cell.log2) for cell in cells.values() if cell]
    return float(np.clip(np.ceil(np.quantile(known, 0.95)), 1, 3)) if known else 1.0


def _draw_cells(
    axes: Axes, cells: Mapping[tuple[int, str], _Cell | None], rows: Places, columns: Places, scale: Normalize
) -> None:
    patches, colours, bounds = [], [], []
    for (label, noise), cell in cells.items():
        corner = (columns[noise], rows[label])
        if cell is None:
            axes.add_patch(Rectangle((corner[0] + 0.04, corner[1] + 0.04), 0.92, 0.92, hatch="////", **NO_CELL))
            continue
        side = 0.94 if cell.clear else 0.54
        patches.append(Rectangle((corner[0] + (1 - side) / 2, corner[1] + (1 - side) / 2), side, side))
        colours.append(FRAGILE_TO_STURDY(scale(cell.log2)))
        if cell.bound:
            bounds.append((corner[0] + 0.5, corner[1] + 0.5, cell.bound))
    axes.add_collection(PatchCollection(patches, facecolors=colours, edgecolors="none"))
    for bound, marker in ((1, "^"), (-1, "v")):
        at = [(x, y) for x, y, kind in bounds if kind == bound]
        axes.plot([x for x, _ in at], [y for _, y in at], marker, linestyle="none", markersize=2.2, **BOUND)


def _class_names(axes: Axes, named: Mapping[int, tuple[str, int]], rows: Groups, left: float) -> None:
    place = _places(rows)
    for shape, members in rows.items():
        for label in members:
            name, support = named[int(str(label))]
            colour = INK if support >= RANKED_SUPPORT else MUTED
            text = f"{short_name(name, 36, 1)}  {support}"
            axes.text(-0.35, place[label] + 0.5, text, ha="right", va="center", fontsize=7, color=colour)
        if shape:
            start, stop, x = place[members[0]], place[members[-1]] + 1, -(left - 0.78) / CELL
            axes.plot([x, x], [start + 0.1, stop - 0.1], color=MUTED, linewidth=0.8, clip_on=False)
            name = short_name(shape, 9)
            style: dict[str, Any] = {"fontsize": 7, "color": MUTED, "weight": "bold", "linespacing": 0.95}
            axes.text(x - 0.3, (start + stop) / 2, name, ha="right", va="center", **style)


def _heat_key(figure: Figure, scale: Normalize, left: float) -> None:
    """The colours and marks, in the corner over the names of the classes."""
    wide, tall = figure.get_size_inches()
    bar = figure.add_axes((0.2 / wide, 1 - 0.62 / tall, (left - 0.5) / wide, 0.1 / tall))
    ticks = range(-int(scale.vmax or 1), int(scale.vmax or 1) + 1)
    colours = ScalarMappable(scale, FRAGILE_TO_STURDY)
    figure.colorbar(colours, cax=bar, orientation="horizontal", ticks=list(ticks), extend="both", extendfrac=0.04)
    bar.set_xticklabels([f"1/{2**-tick}" if tick < 0 else f"{2**tick}" for tick in ticks], fontsize=7)
    bar.tick_params(length=2)
    title = "Level at which the class fails,\nover that of all images"
    bar.set_title(title, fontsize=7.5, pad=4)
    square: dict[str, Any] = {"marker": "s", "linestyle": "none", "markeredgewidth": 0, "color": "#5580b0"}
    handles: list[Line2D | Patch] = [
        Line2D([], [], markersize=7, label="95% interval excludes 1", **square),
        Line2D([], [], markersize=4, label="includes 1", **square),
        Line2D([], [], marker="^", linestyle="none", markersize=3, label="at least", **BOUND),
        Line2D([], [], marker="v", linestyle="none", markersize=3, label="at most", **BOUND),
        Patch(hatch="/////", label="not known", **NO_CELL),
        Line2D([], [], linestyle="none", label=f"grey: < {RANKED_SUPPORT} images"),
    ]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.13 / wide, 1 - 0.83 / tall)}
    figure.legend(handles=handles, ncols=2, fontsize=6.8, handletextpad=0.4, columnspacing=0.8, **place)


def _sinks(flow: pd.DataFrame) -> pd.DataFrame:
    """Share of all failures that name a class, (classes, noises), for the classes named most over the noises."""
    sinks = flow[flow["kind"] == "sink"]
    table = sinks.pivot_table(index="predicted_name", columns="noise", values="share", sort=False)
    return table.loc[table.fillna(0).mean(axis=1).nlargest(SINKS).index]


def _pairs(flow: pd.DataFrame) -> pd.DataFrame:
    """Rate of each pair (pairs, noises), for the pairs that hold most of the failures over the noises."""
    pairs = flow[flow["kind"] == "pair"]
    keys = ["label_name", "predicted_name"]
    share = pairs.pivot_table(index=keys, columns="noise", values="share", sort=False).fillna(0).mean(axis=1)
    rates = pairs.pivot_table(index=keys, columns="noise", values="rate", sort=False)
    table = rates.loc[share.nlargest(PAIRS).index]
    table.index = [f"{short_name(label, 25, 1)} → {short_name(other, 25, 1)}" for label, other in table.index]
    return table


def _shares(
    figure: Figure, table: pd.DataFrame, columns: Groups, corner: tuple[float, float], title: str, colour: str
) -> Axes:
    """A matrix of percentages, its rows named on the left; blank where nothing is known."""
    rows: Groups = {"": list(range(len(table)))}
    axes = _matrix(figure, rows, columns, *corner)
    colours = LinearSegmentedColormap.from_list("share", ["#f1f3f6", colour])
    place, top = _places(columns), max(float(np.nanmax(table.to_numpy())), 0.01)
    for row, (name, shares) in enumerate(table.iterrows()):
        axes.text(-0.35, row + 0.5, short_name(str(name), 56, 1), ha="right", va="center", fontsize=7)
        for noise, share in shares.dropna().items():
            depth, corner = share / top, (place[noise] + 0.03, row + 0.03)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=colours(depth), linewidth=0))
            _number(axes, (place[noise] + 0.5, row + 0.52), share, light=depth > 0.5)
    axes.text(-0.35, -0.35, f"{title}, %", ha="right", va="bottom", fontsize=7.5, weight="bold")
    return axes


def _number(axes: Axes, at: tuple[float, float], share: float, *, light: bool) -> None:
    if share >= 0.005:
        style: dict[str, Any] = {"fontsize": 5.5, "color": "#ffffff" if light else "#1d232b"}
        axes.text(*at, f"{100 * share:.0f}", ha="center", va="center", **style)


def _destinations(axes: Axes, flow: pd.DataFrame, columns: Groups, row: int, left: float) -> None:
    place = _places(columns)
    text = "Wrong answers spread as if over so many signs evenly"
    axes.text(-0.35, row + 0.9, text, ha="right", va="center", fontsize=7, weight="bold")
    for found in flow.drop_duplicates("noise").to_dict("records"):
        unmet = "*" if found["measured_at"] == AT_LAST else ""
        at = place[found["noise"]] + 0.5
        axes.text(at, row + 0.9, f"{found['destinations']:.0f}{unmet}", ha="center", va="center", fontsize=6)
    notes = (
        "At a tested level with about the accuracy at which it fails (within 0.1); * it does not fail: at the last.",
        f"A pair has no cell where it is not among the {TOP_PAIRS} most frequent of that noise.",
    )
    style: dict[str, Any] = {"fontsize": 6.2, "color": MUTED, "style": "italic", "linespacing": 1.35}
    axes.text(0.2 - left / CELL, row + 1.6, "\n".join(notes), ha="left", va="top", **style)


def _warnings(axes: Axes, rows: pd.DataFrame) -> None:
    level = rows["level"].to_numpy(float)
    axes.plot(level, rows["accuracy"], color=MUTED, linewidth=1.0, dashes=(4, 2))
    axes.fill_between(level, rows["auroc_low"], rows["auroc_high"], color=CURVE, alpha=0.2, linewidth=0)
    axes.plot(level, rows["auroc"], color=CURVE, linewidth=1.5)
    axes.plot(level, rows["calibration_error"], color=FAILS, linewidth=1.5, dashes=(1.5, 1.0))
    axes.axhline(0.5, color=RULE, linewidth=0.8, zorder=0)
    axes.set_xlim(level[0], level[-1])
    axes.set_ylim(0, 1.02)


def _end_ticks(axes: Axes, *, first: bool) -> None:
    low, high = axes.get_xlim()
    axes.set_xticks([low, high], [f"{low:g}", f"{high:g}"])
    start, end = axes.get_xticklabels()
    start.set_horizontalalignment("left")
    end.set_horizontalalignment("right")
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"] if first else [])
    axes.tick_params(length=2, labelsize=6.5, pad=1.5)


def _warning_key() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=CURVE, linewidth=1.5, label="AUROC of confidence for being right"),
        Patch(facecolor=CURVE, alpha=0.2, label="95% interval"),
        Line2D([], [], color=FAILS, linewidth=1.5, dashes=(1.5, 1.0), label="calibration error"),
        Line2D([], [], color=MUTED, linewidth=1.0, dashes=(4, 2), label="accuracy"),
    ]
