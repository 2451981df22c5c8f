import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from benchmarks import readme_networks
from benchmarks.network_robustness import robustness_figure
from benchmarks.readme_networks import COMPARED, networks, robustness, thresholds
from pipelines.intervals import wilson_interval

FACTORS = {"reference": 1.0, "best": 2.0, "mobilenet_v2": 1.1}


@pytest.fixture
def grids(tmp_path, monkeypatch):
    """Grids in which `best` stands twice as much gaussian noise, and no network fails of brightness."""
    monkeypatch.setattr(readme_networks, "RESULTS", tmp_path)
    for name in COMPARED:
        place = tmp_path / "networks" / name / "noise_grid"
        place.mkdir(parents=True)
        level = 0.1 * FACTORS[name]
        rows = [
            ("gaussian", "sigma", "begins", level / 2, level / 3, level, "", 500),
            ("gaussian", "sigma", "fails", level, level * 0.8, level * 1.2, "", 500),
            ("brightness", "added", "fails", 0.5, 0.5, np.inf, "above", 500),
        ]
        columns = ["noise", "unit", "criterion", "threshold", "low", "high", "censored", "n"]
        pd.DataFrame(rows, columns=columns).to_csv(place / "thresholds.csv", index=False)
        (place / "scores.json").write_text('{"epochs": 3, "accuracy": 0.99, "test_images": 700}')
    return tmp_path


def test_the_page_says_which_network_stands_more_and_by_how_much(grids):
    said = robustness()
    assert "`best` stands more than `reference` under 1 of 2 noises (gaussian 2.0 x), less under 0." in said
    assert "`mobilenet_v2` stands more than `reference` under 0 of 2 noises, less under 0." in said
    assert "| gaussian | 0.1 [0.08, 0.12] | **0.2 [0.16, 0.24]** | 0.11 [0.088, 0.132] | sigma |" in said
    assert "| brightness | not reached | not reached | not reached | added |" in said
    assert "`best` after 3 epochs (99.00% of 700 clean images) on 500 images" in said


def test_the_figure_has_the_noise_that_fails_first_on_top(grids):
    figure = robustness_figure({name: thresholds(name) for name in COMPARED})
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gaussian", "brightness"]
    shares = [line.get_xdata()[0] for line in axes.lines if line.get_ydata()[0] < 0.5]
    assert shares == pytest.approx([0.2, 0.4, 0.22])  # of a range up to 0.5


def test_the_thresholds_of_networks_are_said_to_be_of_these_networks(grids):
    said = robustness()
    assert "a threshold is of a network, not of a recipe" in said
    assert "One training of each was measured" in said


def train(root, name, wrong, seeds=(), ends=None):
    """The files of a network that gets some of 1,000 images wrong, the first ones of all."""
    place = root / ("train" if name == "default" else f"networks/{name}")
    place.mkdir(parents=True)
    scores = {"accuracy": 1 - wrong / 1000, "wrong": wrong, "test_images": 1000, "parameters": 1e6, "f1_macro": 0.9}
    (place / "scores.json").write_text(json.dumps(scores | {"training_seconds": 60}))
    pd.DataFrame({"image_id": [f"test/{image}" for image in range(wrong)]}).to_csv(place / "mistakes.csv")
    if seeds:
        rows = [{"accuracy": 1 - count / 1000, "wrong": count, "f1_macro": 0.9, "seconds": 60} for count in seeds]
        joined = root / "networks" / name
        joined.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(joined / "repeats.csv")
        if ends:
            found = dict(zip(("accuracy_low", "accuracy_high"), ends, strict=True))
            (joined / "accuracy.json").write_text(json.dumps(found))
    return place


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setattr(readme_networks, "RESULTS", tmp_path)
    return tmp_path


def row(name):
    [line] = [line for line in networks().split("\n") if line.startswith(f"| `{name}`")]
    return [cell.strip() for cell in line.split("|")]


def test_the_interval_of_one_training_is_over_images_alone(trained):
    train(trained, "default", 10)
    low, high = binomtest(990, 1000).proportion_ci(method="wilson")
    assert row("default")[3:6] == [f"99.00% [{low:.2%}, {high:.2%}]", "1; images alone", "10"]


def test_alike_counts_of_few_trainings_make_no_narrow_interval(trained):
    train(trained, "best", 3, seeds=(3, 3, 3))
    low, high = wilson_interval(0.997, 1000)
    assert row("best")[3:6] == [f"99.70% [{low:.2%}, {high:.2%}]", "3, worst 99.70%; images alone", "3, 3, 3"]


def test_trainings_whose_predictions_are_kept_have_an_interval_over_both(trained):
    for name in ("best", "default"):
        train(trained, name, 4, seeds=(4, 6), ends=(0.991, 0.998))
        assert row(name)[3:5] == ["99.50% [99.10%, 99.80%]", "2, worst 99.40%; trainings and images"]


def test_a_single_training_of_several_to_come_is_one(trained):
    train(trained, "default", 4, seeds=(4,), ends=(None, None))
    assert row("default")[4] == "1; images alone"


def test_networks_are_compared_image_by_image(trained):
    train(trained, "best", 2)
    train(trained, "default", 9)
    chance = 2 * 0.5**7  # all of the seven images on which they differ go one way
    assert f"`best` gets 2 wrong, `default` 9 (p = {chance:.2g})" in networks()


def test_what_an_ensemble_gains_is_said_to_be_of_one_ensemble(trained):
    place = train(trained, "best", 4)
    rows = [(1, 1, 0.9955, 0.5), (2, 1, 0.997, 1.0)]
    pd.DataFrame(rows, columns=["networks", "views", "accuracy", "ms_per_image"]).to_csv(place / "together.csv")
    said = networks()
    assert "one network on 1 view of an image 4.5 wrong (0.50 ms); 2 together on 1 view of an image 3 wrong" in said
    assert "one ensemble, of the 2 trainings above" in said
    assert "no interval" in said
