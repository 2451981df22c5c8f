"""The fitted curve beside the threshold, checked against known observers and against psignifit."""

import numpy as np
import pytest
from scipy.special import expit, ndtr

from noise.psychometric import fit_psychometric

LEVELS = np.linspace(0.0, 0.5, 11)
SHAPES = {
    "logistic": lambda x: expit(-(x - 0.2) / 0.03),
    "gaussian": lambda x: ndtr(-(x - 0.2) / 0.05),
    "log-logistic": lambda x: expit(-np.log(np.maximum(x, 1e-12) / 0.2) / 0.18),
    "log-gaussian": lambda x: ndtr(-np.log(np.maximum(x, 1e-12) / 0.2) / 0.3),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_exact_accuracies_give_back_the_observer(shape: str) -> None:
    accuracy = 0.03 + (1 - 0.03 - 0.02) * SHAPES[shape](LEVELS)
    fit = fit_psychometric(LEVELS, 6000 * accuracy, 6000)
    assert fit.shape == shape
    assert fit.fitted == pytest.approx(accuracy, abs=1e-4)
    assert [fit.guess, fit.lapse, fit.location] == pytest.approx([0.03, 0.02, 0.2], abs=1e-3)
    assert fit.accuracy(fit.crossing(0.5, 0.5)) == pytest.approx(0.5 * fit.accuracy(0.0), abs=1e-9)


def test_distances_are_taken_from_the_clean_level() -> None:
    accuracy = 0.03 + 0.95 * SHAPES["log-gaussian"](LEVELS)
    here, there = (fit_psychometric(LEVELS + shift, 6000 * accuracy, 6000) for shift in (0.0, 1.0))
    assert there.fitted == pytest.approx(here.fitted, abs=1e-6)
    assert there.location == pytest.approx(here.location + 1.0, abs=1e-5)
    assert there.crossing(0.9, 1.5) == pytest.approx(here.crossing(0.9, 0.5) + 1.0, abs=1e-5)


def test_nothing_is_shown_where_it_does_not_fit() -> None:
    bumpy = np.array([1.0, 0.9, 0.95, 0.5, 0.9, 0.5, 0.4, 0.5, 0.3, 0.4, 0.2])
    fit = fit_psychometric(LEVELS, 6000 * bumpy, 6000)
    assert fit.shape == ""
    assert np.isnan(fit.fitted).all()
    assert np.isnan(fit.crossing(0.5, 0.5))
    assert np.isnan(fit.accuracy(0.1))


def test_nothing_is_shown_of_few_levels_or_a_curve_that_hardly_falls() -> None:
    assert fit_psychometric([0.0, 0.1, 0.2], [90, 50, 10], 100).shape == ""
    assert fit_psychometric(LEVELS, 6000 * ndtr(-(LEVELS - 1.0) / 0.3), 6000).shape == ""


def test_a_fit_that_stays_above_the_target_has_no_crossing() -> None:
    accuracy = 0.7 + 0.28 * SHAPES["logistic"](LEVELS)
    fit = fit_psychometric(LEVELS, 6000 * accuracy, 6000)
    assert fit.shape
    assert np.isnan(fit.crossing(0.5, 0.5))


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and the number"):
        fit_psychometric(LEVELS, np.full(11, 20), 10)
    with pytest.raises(ValueError, match="one count a level"):
        fit_psychometric(LEVELS, np.full(10, 20), 10)
