import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from pipelines.reports import importance
from pipelines.reports.figures import CURVE, MUTED, WRONG, save_png
from pipelines.reports.tuning import (
    ABSENT,
    best_trial,
    learning_curves,
    parallel_coordinates,
    pareto_figure,
    trial_worth,
    tuning_figures,
)

EPOCHS = {"finished": 9, "stopped": 3, "diverged": 1, "failed": 0, "killed": 2}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(importance, "REPLICATES", 2)
    monkeypatch.setattr(importance, "TREES", 3)


def search(count: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    trials, epochs = [], []
    for place in range(count):
        status = list(EPOCHS)[place % 5] if place >= 5 else ("stopped" if place % 2 else "finished")
        scores = 1 - 0.4 * np.exp(-np.arange(1, EPOCHS[status] + 1) * random.uniform(0.3, 0.6))
        epochs += [{"trial_id": f"t{place}", "epoch": at, "f1_macro": f1} for at, f1 in enumerate(scores, start=1)]
        known = status in ("finished", "stopped")
        trials.append(
            {"trial_id": f"t{place}", "name": f"trial {place}", "status": status, "epochs": len(scores), "seconds": 1.0}
            | {"f1_macro": scores[-1] if known else np.nan, "parameters": float(random.integers(1e5, 1e6))}
            | {"param/rate": 10 ** random.uniform(-4, -2), "param/kind": str(random.choice(["a", "b"]))}
            | {"param/depth": random.choice([1, 2, np.nan]), "param/network": "best", "reason": "" if known else "no"}
        )
    return pd.DataFrame(trials), pd.DataFrame(epochs, columns=["trial_id", "epoch", "f1_macro"])


@pytest.mark.parametrize("count", [1, 5, 20, 60])
@pytest.mark.parametrize("objectives", [("f1_macro",), ("f1_macro", "parameters")])
def test_searches_of_any_size_are_drawn(count, objectives, tmp_path):
    figures = tuning_figures(*search(count), objectives)
    always = ["parallel_coordinates.png", "importance.png", "learning_curves.png"]
    assert list(figures) == always + ["pareto.png"] * (len(objectives) - 1)
    for name, figure in figures.items():
        assert save_png(figure, tmp_path / name, dpi=50).stat().st_size > 1000


@pytest.mark.parametrize("objectives", [("f1_macro",), ("f1_macro", "parameters")])
def test_a_search_without_any_result_is_drawn(objectives, tmp_path):
    trials, epochs = search(4)
    trials = trials.assign(status="failed", f1_macro=np.nan)
    figures = tuning_figures(trials, epochs.iloc[:0], objectives)
    for name, figure in figures.items():
        save_png(figure, tmp_path / name, dpi=50)
    texts = {name: figure.texts[0].get_text() for name, figure in figures.items()}
    assert texts["parallel_coordinates.png"] == "None of 4 trials has macro-F1"
    assert texts["learning_curves.png"] == "No trial finished an epoch"
    assert texts.get("pareto.png", "") in ("", "No trial has both macro-F1 and parameters")


def test_a_search_over_gans_is_drawn_by_their_distance():
    trials, epochs = search(12)
    trials, epochs = (
        table.assign(distance=1 - table["f1_macro"]).drop(columns="f1_macro") for table in (trials, epochs)
    )
    figures = tuning_figures(trials, epochs, ("distance",))
    title = figures["learning_curves.png"].texts[0].get_text()
    assert title.startswith(f"{trials.loc[trials['distance'].idxmin(), 'name']} is the best of 12 trials: distance")
    assert figures["learning_curves.png"].axes[0].get_ylabel().startswith("kernel distance")


def test_parameters_that_do_not_vary_are_left_out_where_some_do():
    trials, epochs = search(20)

    def titles(trials):
        axes = tuning_figures(trials, epochs, ("f1_macro",))["parallel_coordinates.png"].axes[0]
        return [text.get_text() for text in axes.texts if text.get_position()[1] > 1]

    assert titles(trials) == ["rate", "kind", "depth", "macro-F1"]
    assert titles(trials.drop(columns=["param/rate", "param/kind", "param/depth"])) == ["network", "macro-F1"]


def test_a_grid_has_effects():
    trials, epochs = search(12)
    trials = trials.drop(columns=["param/rate", "param/kind", "param/depth"]).assign(status="finished")
    trials["param/dropout"], trials["param/seed"] = np.repeat([0.0, 0.2, 0.4], 4), np.tile(range(4), 3)
    assert "effects.png" in tuning_figures(trials, epochs, ("f1_macro",))


@pytest.fixture
def three():
    """A good, a poor and a failed trial; the poor one has no depth."""
    return pd.DataFrame(
        {
            "trial_id": ["a", "b", "c"],
            "name": ["first", "second", "third"],
            "status": ["stopped", "finished", "diverged"],
            "f1_macro": [0.9, 0.99, np.nan],
            "parameters": [1e5, 1e6, 2e5],
            "param/rate": [1e-4, 1e-3, 1e-2],
            "param/depth": [np.nan, 1.0, 2.0],
        }
    )


def test_lines_are_coloured_by_worth_and_end_where_nothing_is_known(three):
    axes = parallel_coordinates(three, ["param/rate", "param/depth"], ["f1_macro", "parameters"]).axes[0]
    failed, poor, best = axes.patches
    assert to_hex(best.get_edgecolor()) == CURVE
    assert best.get_linewidth() > poor.get_linewidth()
    assert to_hex(failed.get_edgecolor()) == MUTED
    assert failed.get_linestyle() == "--"
    ends = [patch.get_path().vertices[-1][0] for patch in (failed, poor, best)]
    assert ends == [1, 3, 3]  # the failed one reaches its parameters only
    assert poor.get_path().vertices[3] == pytest.approx((1, ABSENT))
    np.testing.assert_allclose(best.get_path().vertices[0], (0, 0.5))  # the middle of a log scale


def test_learning_curves_end_with_how_the_trial_ended(three):
    epochs = pd.DataFrame(
        {
            "trial_id": ["a", "a", "b", "b", "b", "c"],
            "epoch": [1, 2, 3, 1, 2, 1],
            "f1_macro": [0.8, 0.9, 0.99, 0.7, 0.95, 0.1],
        }
    )
    figure = learning_curves(three, epochs, "f1_macro")
    curves = {(len(line.get_xdata()), line.get_marker()): line for line in figure.axes[0].lines}
    assert curves[3, "None"].get_linewidth() > curves[2, "None"].get_linewidth()
    assert list(curves[3, "None"].get_xdata()) == [1, 2, 3]
    assert curves[1, "x"].get_color() == WRONG
    assert [text.get_text() for text in figure.axes[0].texts] == ["best"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["1 finished", "1 stopped early", "1 without a result"]


def test_errors_are_spread_by_their_logarithm(three):
    epochs = pd.DataFrame({"trial_id": "b", "epoch": [1, 2, 3], "f1_macro": [0.9, 0.99, 0.999]})
    heights = learning_curves(three, epochs, "f1_macro").axes[0].lines[0].get_ydata()
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1])


def test_front_is_what_no_trial_beats_in_both():
    values = {"f1_macro": [0.9, 0.95, 0.94, 0.99, 0.9, np.nan], "parameters": [1e5, 2e5, 3e5, 9e5, 2e5, 1e4]}
    trials = pd.DataFrame({"name": list("abcdef"), "trial_id": list("abcdef"), "status": "finished", **values})
    figure = pareto_figure(trials, ["f1_macro", "parameters"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b", "d"]
    assert figure.texts[0].get_text() == "3 of 5 trials are beaten by none in both objectives"
    assert figure.axes[0].get_xlabel() == "parameters (less is better)"
    both_up = pareto_figure(trials.rename(columns={"parameters": "threshold"}), ["f1_macro", "threshold"])
    assert [text.get_text() for text in both_up.axes[0].texts] == ["d"]


def test_worth_follows_the_direction_of_the_objective(three):
    np.testing.assert_array_equal(trial_worth(three, "f1_macro"), [0, 1, np.nan])
    np.testing.assert_array_equal(trial_worth(three, "parameters"), [1, 0, 0.5])
    assert best_trial(three, "f1_macro") == "b"
    assert best_trial(three, "parameters") == "a"
    assert best_trial(three[2:], "f1_macro") is None
