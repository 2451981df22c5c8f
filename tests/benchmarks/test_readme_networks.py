import numpy as np
import pandas as pd
import pytest

from benchmarks import readme_networks
from benchmarks.network_robustness import robustness_figure
from benchmarks.readme_networks import COMPARED, robustness, thresholds

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
