import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PatchCollection

from pipelines.failures.flow import AT_LAST, AT_THRESHOLD
from pipelines.reports.failures import class_heat_map, confidence_figure, flow_figure
from pipelines.reports.figures import CURVE, inline_svg
from pipelines.reports.summary import NoiseSummary, criteria

FAMILIES = {"speckle": "random", "gaussian": "random", "black_columns": "structured", "brightness": "light"}


def summary(analysis, levels, name):
    steps = tuple(float(level) for level in levels[name])
    found = criteria(analysis.thresholds[analysis.thresholds["noise"] == name], steps)
    return NoiseSummary(name=name, family=FAMILIES[name], unit="", levels=steps, curve=analysis.curves, **found)


@pytest.fixture(scope="module")
def noises(few, levels):
    return [summary(few, levels, name) for name in FAMILIES]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_cell_a_class_and_noise_coloured_by_its_ratio(few, noises, class_names):
    only = [noise for noise in noises if noise.name == "gaussian"]
    table = few.per_class[few.per_class["noise"] == "gaussian"].copy()
    whole = only[0].fails.value
    ratio = np.resize([0.5, 1.0, 2.0], len(table))
    table["threshold"], table["low"], table["high"], table["censored"] = whole * ratio, 0.0, 9.0, ""
    table.loc[table["class"] % 3 != 1, ["low", "high"]] = -1.0  # clear of the whole's threshold
    figure = class_heat_map(table, only, {})
    (cells,) = [part for part in figure.axes[0].collections if isinstance(part, PatchCollection)]
    assert len(cells.get_paths()) == len(class_names)
    by_colour = {}
    for path, colour in zip(cells.get_paths(), cells.get_facecolor(), strict=True):
        by_colour.setdefault(tuple(colour[:3].round(2)), []).append(path.get_extents().width)
    red, grey, blue = sorted(by_colour, key=lambda colour: colour[2] - colour[0])
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert max(by_colour[grey]) < min(by_colour[red] + by_colour[blue])


def test_rows_are_grouped_by_shape_and_columns_by_family(few, noises, class_names):
    shapes = dict.fromkeys(range(9), "triangle") | dict.fromkeys(range(9, len(class_names)), "disc")
    figure = class_heat_map(few.per_class, noises, shapes)
    labels = [text for text in figure.axes[0].texts if text.get_text().startswith(("Speed", "Sign"))]
    by_height = [text.get_text() for text in sorted(labels, key=lambda text: text.get_position()[1])]
    assert len(by_height) == len(class_names)
    assert all(name.startswith("Speed") for name in by_height[:9])
    found = texts(figure)
    assert {"triangle", "disc", "random", "structured", "light", "black columns"} <= set(found)
    place = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert place["brightness"] < place["speckle"] < place["gaussian"] < place["black columns"]
    assert abs(place["speckle"] - place["gaussian"]) == 1


def test_what_lies_outside_the_levels_is_marked_and_never_dropped(few, noises, class_names):
    figure = class_heat_map(few.per_class, noises, {})
    axes = figure.axes[0]
    (cells,) = [part for part in axes.collections if isinstance(part, PatchCollection)]
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(cells.get_paths()) + len(hatched) == len(class_names) * len(noises)
    assert hatched


@pytest.fixture(scope="module")
def flow():
    pair = {"kind": "pair", "label_name": "Stop", "predicted_name": "Yield", "rate": 0.42, "share": 0.3}
    sink = {"kind": "sink", "label_name": "", "predicted_name": "Yield", "rate": 0.2, "share": 0.67}
    at = {"failures": 30, "destinations": 3.2, "measured_at": AT_THRESHOLD}
    rows = [{"noise": "gaussian"} | at | row for row in (pair, sink)]
    last = at | {"measured_at": AT_LAST, "destinations": 7.0}
    rows += [{"noise": "brightness"} | last | row for row in (pair | {"rate": 0.05}, sink | {"share": 0.11})]
    return pd.DataFrame(rows)


def test_flow_shows_shares_of_failures_and_rates_of_pairs(flow, noises):
    found = texts(flow_figure(flow, noises))
    assert {"Yield", "Stop → Yield", "67", "42", "11", "5", "3", "7*"} <= set(found)


def test_a_panel_a_noise_each_family_from_a_row_of_its_own(noises):
    level = np.linspace(0, 1, 5)
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "noise": noise,
                    "level": level,
                    "accuracy": 1 - level,
                    "auroc": 0.9 - 0.4 * level,
                    "auroc_low": 0.85 - 0.4 * level,
                    "auroc_high": 0.95 - 0.4 * level,
                    "calibration_error": 0.1 * level,
                }
            )
            for noise in FAMILIES
        ]
    )
    figure = confidence_figure(table, noises)
    place = {axes.get_title(loc="left"): axes.get_position() for axes in figure.axes}
    assert list(place) == ["brightness", "speckle", "gaussian", "black columns"]
    assert place["brightness"].y0 > place["speckle"].y0 == place["gaussian"].y0 > place["black columns"].y0
    curves = [line for line in figure.axes[0].lines if line.get_color() == CURVE]
    assert curves[0].get_ydata() == pytest.approx(0.9 - 0.4 * level)


def test_figures_become_part_of_a_page(flow, noises):
    assert "<svg" in inline_svg(flow_figure(flow, noises), "where wrong answers go")
