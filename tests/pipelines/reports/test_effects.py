import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipelines.reports.effects import effects, effects_figure, has_effects, measured
from pipelines.reports.figures import save_png

VARYING = ["param/kind", "param/rate", "param/seed"]


@pytest.fixture
def grid():
    random = np.random.default_rng(0)
    rows = [
        {
            "param/kind": kind,
            "param/rate": rate,
            "param/seed": seed,
            "f1_macro": 0.9 + rate / 100 + random.normal() / 999,
        }
        for kind, rate, seed in itertools.product(("unit", "spatial"), (0.0, 0.3, 0.6), range(3))
    ]
    more = {"threshold": 0.2, "load/dead": random.random(18), "load/relu/dead": 0.5, "name": "x", "status": "finished"}
    return pd.DataFrame(rows).assign(trial_id=range(18), epochs=9, seconds=1.0, **more)


def test_means_and_student_intervals_over_seeds(grid):
    table = effects(grid, ["param/kind", "param/rate"], "f1_macro")
    assert len(table) == 6
    row = table.iloc[0]
    values = grid.loc[(grid["param/kind"] == row["param/kind"]) & (grid["param/rate"] == row["param/rate"]), "f1_macro"]
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    assert row["mean"] == pytest.approx(values.mean())
    assert (row["low"], row["high"]) == pytest.approx(expected)


def test_of_two_trainings_the_range_is_shown(grid):
    two = grid[grid["param/seed"] < 2]
    row = effects(two, ["param/kind", "param/rate"], "f1_macro").iloc[0]
    values = two.loc[(two["param/kind"] == row["param/kind"]) & (two["param/rate"] == row["param/rate"]), "f1_macro"]
    assert row[["low", "mean", "high"]].tolist() == pytest.approx([values.min(), values.mean(), values.max()])
    assert "mean and range over 2 trainings" in effects_figure(two, VARYING).texts[0].get_text()


def test_a_single_training_has_no_interval(grid):
    table = effects(grid[grid["param/seed"] == 0], ["param/kind", "param/rate"], "f1_macro")
    assert table["low"].isna().all()
    assert table["trials"].eq(1).all()


def test_measured_are_numbers_of_the_run_and_not_of_layers(grid):
    assert measured(grid) == ["f1_macro", "threshold", "load/dead"]


def test_a_panel_a_metric_and_a_line_a_value_of_the_second_parameter(grid):
    figure = effects_figure(grid, VARYING)
    assert [axes.get_title("left") for axes in figure.axes] == ["macro-F1", "noise threshold", "load: dead"]
    first = figure.axes[0]
    assert first.get_xlabel() == "rate"
    assert [label.get_text() for label in first.get_xticklabels()] == ["0", "0.3", "0.6"]
    assert [line.get_linestyle() for line in first.lines] == ["-", "-"]
    spatial = grid[grid["param/kind"] == "spatial"].groupby("param/rate")["f1_macro"].mean()
    np.testing.assert_allclose(first.lines[0].get_ydata(), spatial)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["spatial", "unit"]
    assert figure.texts[0].get_text() == "What rate and kind change: mean and 95% interval over 3 trainings"


def test_words_are_dots(grid):
    figure = effects_figure(grid[grid["param/rate"] == 0.3], ["param/kind", "param/seed"])
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["None"]
    assert figure.texts[0].get_text() == "What kind changes: mean and 95% interval over 3 trainings"
    assert not figure.legends


def test_trials_that_did_not_finish_are_left_out(grid):
    grid.loc[0, "status"] = "stopped"
    figure = effects_figure(grid, VARYING)
    assert figure.texts[0].get_text().endswith("over 2 to 3 trainings")


def test_only_grids_of_one_or_two_parameters_have_effects(grid):
    assert has_effects(grid, VARYING)
    assert has_effects(grid[grid["param/kind"] == "unit"], ["param/rate", "param/seed"])
    assert not has_effects(grid, ["param/seed"])
    assert not has_effects(grid, [*VARYING, "param/width"])
    assert not has_effects(grid.assign(status="failed"), VARYING)
    drawn = grid.assign(**{"param/rate": np.random.default_rng(0).random(18)})
    assert not has_effects(drawn, ["param/kind", "param/rate"])  # 36 combinations, 18 trials
    assert not has_effects(drawn, ["param/rate"])


def test_both_numeric_is_drawn(grid, tmp_path):
    numeric = grid.assign(**{"param/kind": np.where(grid["param/kind"] == "unit", 1e-3, 1.0)})
    assert save_png(effects_figure(numeric, VARYING), tmp_path / "effects.png").stat().st_size > 10_000
