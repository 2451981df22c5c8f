"""Paired tests of each level against the clean images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest

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
    assert mcnemar_worse(before, after[:, None]) == pytest.approx(expected, rel=1e-9)


def test_two_repeats_by_hand() -> None:
    """Of 3 right answers of an image 1 or 2 are clean ones by chance 1/3 or 2/3; of its gain 2 counts as two halves."""
    one_lost = mcnemar_worse(np.array([True]), np.array([[False, False]]))
    assert one_lost == pytest.approx(max(1 / 3, 1 / 2))
    before, after = np.array([True, True, False]), np.array([[False, False], [False, True], [True, False]])
    by_answers = 1 / 9 + 4 / 9 * 2 / 3  # P(X + Y >= 2), X of two images at 1/3, Y of one at 2/3
    by_images = beta.cdf(0.5, 3 * 4 / 6, 1 * 4 / 6 + 1)  # gains -2, -1 and 1: 4 answers, squares of 6
    assert mcnemar_worse(before, after) == pytest.approx(max(by_answers, by_images))
    many = np.repeat(before, 20), np.repeat(after, 20, axis=0)
    assert mcnemar_worse(*many) == pytest.approx(
        max(
            sum(binom.pmf(x, 40, 1 / 3) * binom.sf(39 - x, 20, 2 / 3) for x in range(41)),
            beta.cdf(0.5, 40, 40 / 3 + 1),
        )
    )


def test_the_first_repeat_of_the_clean_images_counts() -> None:
    once = _answers(3, 5, 40, 80)
    repeated = np.stack([once, once], axis=1)
    spoiled = repeated.copy()
    spoiled[:, 1, 0] = False
    assert (
        failing_significantly(LEVELS, spoiled).p[1:].tolist() == failing_significantly(LEVELS, repeated).p[1:].tolist()
    )


def test_a_level_is_significant_up_to_alpha() -> None:
    answers = _answers(0, 5, 7, 9)
    assert failing_significantly(LEVELS, answers).p[1:].tolist() == [1 / 32, 2 / 128, 3 / 512]
    for alpha, count in ((1 / 32, 3), (1 / 33, 2)):
        assert failing_significantly(LEVELS, answers, alpha=alpha).significant.sum() == count


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


def test_repeats_that_are_copies_tell_no_more_than_one() -> None:
    once = _answers(3, 5, 40, 80)
    copies = np.stack([once] * 4, axis=1)
    assert failing_significantly(LEVELS, copies).p[1:] == pytest.approx(failing_significantly(LEVELS, once).p[1:])


def _exchangeable(random: np.random.Generator, images: int, repeats: int) -> np.ndarray:
    """Clean and noisy answers alike: 99% right."""
    return random.random((images, repeats + 1)) < 0.99


def _alike_each_time(random: np.random.Generator, images: int, repeats: int) -> np.ndarray:
    """A noise that turns 3% of the answers either way, the same in each repeat."""
    kind = random.random(images)
    return np.column_stack([kind >= 0.03, *[(kind < 0.03) | (kind >= 0.06)] * repeats])


def _in_part(random: np.random.Generator, images: int, repeats: int) -> np.ndarray:
    """A noise that turns 1% either way each time, and some at random."""
    kind = random.random((images, 1))
    right = random.random((images, repeats + 1)) < 0.98
    turned = np.arange(repeats + 1) > 0
    return np.where(kind < 0.01, turned, np.where(kind < 0.02, ~turned, right))


@pytest.mark.parametrize("answers", [_exchangeable, _alike_each_time, _in_part])
@pytest.mark.parametrize("images", [1000, 6315])
@pytest.mark.parametrize("repeats", [1, 2, 3, 4])
def test_a_noise_that_changes_no_accuracy_is_rejected_at_most_alpha_of_the_time(answers, images, repeats) -> None:
    random = np.random.default_rng(images + repeats)
    p = np.array([_p(answers(random, images, repeats)) for _ in range(600)])
    for alpha in (0.05, 0.005):
        assert np.mean(p <= alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 600)


def _p(correct: np.ndarray) -> float:
    """Of the images' answers without noise (N,) against those of the repeats (N, R)."""
    return mcnemar_worse(correct[:, 0], correct[:, 1:])


@pytest.mark.parametrize("repeats", [2, 3, 4])
def test_repeats_of_a_noise_that_changes_nothing_are_significant_at_no_level(repeats) -> None:
    random, rejected = np.random.default_rng(repeats), 0
    for _ in range(100):
        correct = random.random((1000, repeats, 4)) < 0.99
        correct[:, :, 0] = correct[:, :1, 0]
        rejected += failing_significantly(LEVELS, correct).significant.any()
    assert rejected / 100 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


@pytest.mark.parametrize("images", [1000, 6315])
def test_repeats_find_a_loss_more_often(images) -> None:
    random, power = np.random.default_rng(3), []
    for repeats in (1, 2, 4):
        lost = random.random((300, images, repeats + 1)) < 0.99
        lost[:, :, 1:] &= random.random((300, images, repeats)) < 1 - 0.25 / np.sqrt(images)
        power.append(np.mean([_p(correct) <= 0.05 for correct in lost]))
    assert 0.3 < power[0] + 0.02 < min(power[1:])


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
