"""Search against sweep on curves whose thresholds are known."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from noise.refinement import FIRST_LEVELS, TOLERANCE, first_levels, next_levels
from noise.resampling import resample
from noise.thresholds import find_threshold

SHARES = (0.9, 0.5)
WHOLE = tuple(np.linspace(0, 1, 11))
IMAGES = 4000


class Images:
    """Images that fail for good at levels drawn from N(centre, width^2): one field each, scaled by the level."""

    def __init__(self, centre: float, width: float, lapses: float = 0.02) -> None:
        random = np.random.default_rng(7)
        self.failing = random.normal(centre, width, IMAGES)
        self.failing[random.random(IMAGES) < lapses] = -1.0

    def correct(self, levels) -> np.ndarray:
        return self.failing[:, None] > np.asarray(levels)


def refined(images: Images, levels, rounds: int = 6):
    """All levels that the search asks for, and the last sample."""
    levels = first_levels(levels)
    for _ in range(rounds):
        sample = resample(levels, images.correct(levels), seed=1)
        more = next_levels(sample, SHARES)
        if not more:
            return levels, sample
        levels = tuple(sorted({*levels, *more}))
    raise AssertionError(f"no end after {rounds} rounds: {levels}")


def test_few_levels_to_begin_with_span_the_range():
    assert first_levels(WHOLE) == pytest.approx((0, 0.3, 0.5, 0.8, 1))
    assert first_levels((0.0, 0.1, 0.2)) == (0.0, 0.1, 0.2)
    assert len(first_levels(tuple(range(100)))) == FIRST_LEVELS + 1


@pytest.mark.parametrize("centre", [0.2, 0.45, 0.8])
@pytest.mark.parametrize("width", [0.03, 0.1])
def test_the_search_ends_where_levels_cannot_help(centre, width):
    images = Images(centre, width)
    levels, sample = refined(images, WHOLE)
    for share in SHARES:
        found = find_threshold(sample, share=share)
        assert found.interpolation_error <= TOLERANCE * found.sampling_error
        exact = centre + width * ndtri(1 - share * ndtr(centre / width))
        assert abs(found.value - exact) < 4 * found.sampling_error
    assert len(levels) - 1 <= 16


def test_it_costs_a_third_of_a_uniform_grid_as_precise():
    """The number of even levels at which both thresholds are as near to those of all levels."""
    images = Images(0.2, 0.03)
    fine = np.linspace(0, 1, 401)
    truth = {share: find_threshold(resample(fine, images.correct(fine)), share=share).value for share in SHARES}

    def error(levels) -> float:
        sample = resample(levels, images.correct(levels), seed=1)
        return max(abs(find_threshold(sample, share=share).value - truth[share]) for share in SHARES)

    levels, _ = refined(images, WHOLE)
    as_precise = next(count for count in range(5, 400, 5) if error(np.linspace(0, 1, count + 1)) <= error(levels))
    assert 3 * (len(levels) - 1) <= as_precise


def test_a_threshold_below_the_first_level_is_searched_for_there():
    images = Images(0.02, 0.005)
    sample = resample(WHOLE, images.correct(WHOLE))
    assert set(next_levels(sample, SHARES)) == {0.025, 0.05}


def test_what_is_not_reached_or_has_no_threshold_asks_for_nothing():
    strong = resample(WHOLE, Images(9.0, 0.1).correct(WHOLE))
    assert next_levels(strong, SHARES) == ()
    weak = resample(WHOLE, Images(0.5, 0.1).correct(WHOLE))
    assert next_levels(weak, (0.5,), chance=0.6) == ()


def test_first_levels_keep_the_clean_one_and_the_last():
    assert first_levels(WHOLE, 2) == pytest.approx((0, 0.5, 1))
    assert first_levels((0.0, 1.0)) == (0.0, 1.0)


def test_a_fall_that_is_not_resolved_asks_for_the_level_where_it_seems_to_cross():
    levels = (0.0, 0.25, 0.5, 1.0)
    sample = resample(levels, Images(0.7, 0.02).correct(levels))
    found = find_threshold(sample, share=0.5)
    assert next_levels(sample, (0.5,)) == (float(f"{found.value:.4g}"),)


def test_new_levels_lie_on_steps_and_none_was_measured_before():
    step = 1 / 8
    levels = np.array([0.0, 0.25, 1.0])
    images = Images(0.55, 0.05)
    asked = next_levels(resample(levels, images.correct(levels)), SHARES, step=step)
    assert asked
    assert all(level % step == 0 and level not in levels for level in asked)
    full = np.arange(9) * step
    assert next_levels(resample(full, images.correct(full)), SHARES, step=step) == ()
    below = np.array([0.0, 0.25, 0.5, 1.0])
    assert next_levels(resample(below, Images(0.02, 0.005).correct(below)), (0.5,), step=step) == (0.125,)
