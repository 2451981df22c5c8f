"""Paired tests of each level against the clean images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from noise.significance import failing_significantly, holm, mcnemar_worse

LEVELS = [0.0, 0.1, 0.2, 0.3]


def _answers(*wrong: int, images: int = 200) -> np.ndarray:
    """Correct (N, L) where the first `wrong[k]` images fail at level k."""
    return np.arange(images)[:, None] >= np.array(wrong)[None, :]


@settings(deadline=None)
@given(worse=st.integers(0, 60), better=st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test_of_the_images_that_changed(worse: int, better: int) -> None:
    before = np.array([True] * worse + [False] * better + [True, False])
    after = np.array([False] * worse + [True] * better + [True, False])
    changed = worse + better
    expected = binomtest(worse, changed, 0.5, alternative="greater").pvalue if changed else 1.0
    assert mcnemar_worse(before, after) == pytest.approx(expected, rel=1e-9)


def test_holm_steps_down_and_keeps_the_order_of_the_levels() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])


def test_onset_is_the_first_of_two_levels_in_a_row() -> None:
    found = failing_significantly([0.0, 0.1, 0.2, 0.3, 0.4], _answers(0, 30, 0, 30, 60))
    assert found.level == 0.3
    assert found.significant.tolist() == [False, True, False, True, True]
    assert np.isnan(found.p[0])


def test_no_onset_without_two_levels_in_a_row() -> None:
    assert failing_significantly(LEVELS, _answers(0, 0, 0, 0)).level == np.inf
    assert failing_significantly(LEVELS, _answers(0, 30, 0, 30)).level == np.inf


def test_a_better_level_is_never_significant() -> None:
    assert not failing_significantly(LEVELS, _answers(50, 20, 10, 0)).significant.any()


def test_of_repeats_the_majority_decides() -> None:
    once = _answers(0, 5, 40, 80)
    repeated = np.stack([once, once, ~once], axis=1)
    assert failing_significantly(LEVELS, repeated).p[1:] == pytest.approx(failing_significantly(LEVELS, once).p[1:])


def test_family_wise_error_is_held_where_nothing_changes() -> None:
    random = np.random.default_rng(5)
    rejected = 0
    for _ in range(300):
        correct = random.random((150, 4)) < 0.8
        rejected += failing_significantly(LEVELS, correct).significant.any()
    assert rejected / 300 <= 0.08


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="give \\(images, levels\\)"):
        failing_significantly(LEVELS, np.ones((5, 3), dtype=bool))
