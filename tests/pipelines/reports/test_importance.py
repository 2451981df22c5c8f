import numpy as np
import pandas as pd
import pytest

from pipelines.reports import importance
from pipelines.reports.figures import CURVE
from pipelines.reports.importance import importance_figure, parameter_importance


@pytest.fixture(scope="module")
def trials():
    """One number decides, one word helps, one number and a constant do nothing; some trials failed."""
    random = np.random.default_rng(0)
    rate, kind = random.uniform(-4, -2, 60), random.choice(["a", "b"], 60)
    f1 = 0.99 - 0.01 * (rate + 3) ** 2 + 0.002 * (kind == "b") + random.normal(0, 2e-4, 60)
    f1[::12] = np.nan
    return pd.DataFrame(
        {
            "f1_macro": f1,
            "param/rate": 10**rate,
            "param/kind": kind,
            "param/idle": np.where(random.random(60) < 0.3, np.nan, random.random(60)),
            "param/constant": "x",
        }
    )


PARAMETERS = ("param/idle", "param/kind", "param/rate")


@pytest.fixture(scope="module")
def table(trials):
    return parameter_importance(trials, PARAMETERS, "f1_macro")


def test_what_decides_comes_first_and_what_does_nothing_is_unsure(table):
    assert list(table["parameter"][:2]) == ["param/rate", "param/kind"]
    assert (table["low"] <= table["importance"]).all()
    assert (table["importance"] <= table["high"]).all()
    assert table["low"][0] > 0.2
    assert table["low"][2] < 0 < table["high"][2]


def test_a_seed_gives_the_same_again(trials, table, monkeypatch):
    monkeypatch.setattr(importance, "REPLICATES", 3)
    tables = [parameter_importance(trials, PARAMETERS, "f1_macro", seed=seed) for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])


def test_only_the_order_of_the_objective_counts(trials, monkeypatch):
    monkeypatch.setattr(importance, "REPLICATES", 3)
    table = parameter_importance(trials, PARAMETERS, "f1_macro")
    other = parameter_importance(trials.assign(f1_macro=trials["f1_macro"] ** 9), PARAMETERS, "f1_macro")
    pd.testing.assert_frame_equal(table, other)


def test_shuffled_columns_cost_what_they_hold():
    features = np.random.default_rng(0).normal(size=(4000, 3))
    losses = importance._losses(
        lambda x: 2 * x[:, 0] + x[:, 1], features, 2 * features[:, 0] + features[:, 1], np.random.default_rng(1)
    )
    np.testing.assert_allclose(losses, [8, 2, 0], rtol=0.05)  # twice the variance of each term


def test_figure_names_what_matters(trials):
    figure = importance_figure(trials, [*PARAMETERS, "param/constant"], "f1_macro")
    assert figure.texts[0].get_text() == "Rate matters most to macro-F1"
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["rate", "kind", "idle"]
    assert figure.axes[0].patches[0].get_facecolor()[:3] == pytest.approx(
        tuple(int(CURVE[place : place + 2], 16) / 255 for place in (1, 3, 5))
    )


def test_too_few_trials_are_declined(trials):
    few = trials.assign(f1_macro=trials["f1_macro"].where(trials.index < 8))
    with pytest.raises(ValueError, match="7 trials with f1_macro: at least 8"):
        parameter_importance(few, PARAMETERS, "f1_macro")
    text = importance_figure(few, PARAMETERS, "f1_macro").texts[0].get_text()
    assert text == "What decides macro-F1 cannot be said yet: 7 of 8 trials needed"


def test_nothing_to_decide_is_declined(trials):
    text = importance_figure(trials, ["param/constant"], "f1_macro").texts[0].get_text()
    assert text == "What decides macro-F1 cannot be said yet: no parameter varies"


def test_a_sample_always_leaves_some_trials_out():
    """Of two trials, half of all samples would hold both; of ten it happened in a search."""
    samples = [importance._bootstrap(2, np.random.default_rng(seed)) for seed in range(20)]
    assert all(set(out) == {0, 1} - set(drawn) and len(out) for drawn, out in samples)
