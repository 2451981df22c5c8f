import numpy as np
import pytest

from noise.distortion import MEASURES
from noise.visibility import level_at, rank_intervals, read_at, visibility_curve

LEVELS = np.array([0.0, 0.1, 0.2, 0.4, 0.8])


def exact(name: str, distance, levels=LEVELS, spread: float = 0.0):
    """A curve of this measure whose distances at the levels, and ends of intervals, are given."""
    one = MEASURES[name]
    ends = (np.maximum(distance - spread, 0.0), distance + spread * (levels > 0))
    return visibility_curve(one, levels, *(one.from_distance(part) for part in (distance, *ends)))


@pytest.mark.parametrize("name", MEASURES)
def test_a_straight_distance_is_read_exactly(name):
    reading = read_at(exact(name, 0.5 * LEVELS), 0.3, 0.25, 0.36)
    expected = MEASURES[name].from_distance(np.array([0.15, 0.125, 0.18]))
    assert reading.value == pytest.approx(expected[0])
    assert (reading.low, reading.high) == pytest.approx(sorted(expected[1:]))
    assert reading.low < reading.value < reading.high


def test_a_curved_distance_is_read_between_its_levels_and_never_overshoots():
    levels = np.linspace(0, 1, 9)
    curve = exact("l2", np.sqrt(levels), levels)
    assert read_at(curve, 0.55, 0.55, 0.55).value == pytest.approx(np.sqrt(0.55), rel=2e-3)
    step = exact("l2", np.array([0.0, 0.0, 0.3, 0.3, 0.3]))
    values = np.array([read_at(step, at, at, at).value for at in np.linspace(0, 0.8, 81)])
    assert values.min() == 0
    assert values.max() == pytest.approx(0.3)
    assert np.all(np.diff(values) >= 0)


def test_both_errors_are_joined_as_independent_ones():
    curve = exact("l1", 0.5 * LEVELS, spread=0.04)
    reading = read_at(curve, 0.2, 0.14, 0.28)
    assert reading.value - reading.low == pytest.approx(np.hypot(0.03, 0.04))
    assert reading.high - reading.value == pytest.approx(np.hypot(0.04, 0.04))


def test_joined_intervals_cover_the_truth():
    """The truth: distance is 0.5 x level and the threshold is at 0.4; both are estimated with known errors."""
    random, hits, trials = np.random.default_rng(3), 0, 1000
    for _ in range(trials):
        slope = 0.5 + random.normal(0, 0.02)
        threshold = 0.4 + random.normal(0, 0.03)
        curve = visibility_curve(MEASURES["l2"], LEVELS, slope * LEVELS, (slope - 0.0392) * LEVELS,
                                 (slope + 0.0392) * LEVELS)  # fmt: skip
        reading = read_at(curve, threshold, threshold - 0.0588, threshold + 0.0588)
        hits += reading.low <= 0.2 <= reading.high
    assert 0.93 <= hits / trials <= 0.97


def test_what_is_not_reached_is_bounded_by_the_last_level():
    for name, beyond in (("ssim", "low"), ("psnr", "low"), ("l2", "high")):
        reading = read_at(exact(name, 0.5 * LEVELS), np.inf, 0.7, np.inf)
        assert reading.value == pytest.approx(MEASURES[name].from_distance(np.array(0.4)))
        assert np.isinf(getattr(reading, beyond))
        assert np.isfinite(getattr(reading, "high" if beyond == "low" else "low"))


def test_an_interval_may_be_open_where_the_threshold_is_known():
    reading = read_at(exact("ssim", 0.5 * LEVELS), 0.75, 0.7, np.inf)
    assert reading.low == -np.inf
    assert reading.value == pytest.approx(1 - 0.375**2)


def test_what_is_reached_at_the_first_level_may_show_nothing():
    reading = read_at(exact("psnr", 0.5 * LEVELS), 0.1, 0.0, 0.12)
    assert reading.value == pytest.approx(-20 * np.log10(0.05))
    assert reading.high == np.inf


def test_no_threshold_has_no_reading():
    reading = read_at(exact("ssim", 0.5 * LEVELS), np.nan, np.nan, np.nan)
    assert np.isnan([reading.value, reading.low, reading.high]).all()


@pytest.mark.parametrize("name", MEASURES)
def test_a_level_is_found_where_it_was_read(name):
    curve = exact(name, np.array([0.0, 0.02, 0.1, 0.3, 0.35]), spread=0.01)
    for level in (0.05, 0.1, 0.33, 0.61):
        value = read_at(curve, level, level, level).value
        found = level_at(curve, value)
        assert found.value == pytest.approx(level, abs=1e-6)
        assert found.low < level < found.high


def test_a_level_that_shows_too_little_is_beyond():
    curve = exact("ssim", 0.5 * LEVELS, spread=0.05)
    assert level_at(curve, 1 - 0.45**2).value == np.inf
    partly = level_at(curve, 1 - 0.43**2)
    assert partly.value == np.inf
    assert partly.low < 0.8


def test_the_strongest_level_is_meant_where_nothing_changes():
    assert level_at(exact("l0", np.array([0.0, 0.2, 0.2, 0.2, 0.6])), 0.2).value == pytest.approx(0.4, abs=1e-6)
    assert level_at(exact("l0", np.array([0.0, 0.2, 0.2, 0.2, 0.6])), 0.0).value == pytest.approx(0.0, abs=1e-6)


def test_noise_that_shows_less_again_is_levelled():
    curve = exact("l2", np.array([0.0, 0.1, 0.3, 0.2, 0.4]))
    np.testing.assert_allclose(curve.distance, [0.0, 0.1, 0.25, 0.25, 0.4])


def test_levels_must_increase():
    with pytest.raises(ValueError, match="increase"):
        exact("l2", 0.5 * LEVELS, LEVELS[::-1])


@pytest.mark.parametrize(
    "truth", [np.zeros(20), np.arange(20.0), np.repeat([0, 1, 5, 5.5], 5), np.geomspace(0.1, 40, 20)]
)
def test_intervals_of_ranks_cover_the_true_ranks(truth):
    """Estimates with known errors of 0.3 to 1; of equal values any place from the first to the last of them is true."""
    random, hits, trials = np.random.default_rng(2), np.zeros(20), 100
    first, last = (truth[None] < truth[:, None]).sum(axis=1) + 1, (truth[None] <= truth[:, None]).sum(axis=1)
    error = random.uniform(0.3, 1, 20)
    for seed in range(trials):
        seen = truth + error * random.normal(size=20)
        low, high = rank_intervals(seen, seen - 1.96 * error, seen + 1.96 * error, seed=seed)
        hits += (low <= first) & (last <= high)
    assert hits.mean() / trials >= 0.94
    assert hits.min() / trials >= 0.89


def test_ranks_that_are_sure_have_narrow_intervals_and_what_is_unknown_has_wide_ones():
    value = np.array([1.0, 9.0, 2.0, 2.2])
    low, high = rank_intervals(value, value - 0.2, value + 0.2)
    assert (low.tolist(), high.tolist()) == ([1, 4, 2, 2], [1, 4, 3, 3])
    low, high = rank_intervals(value, value - 0.2, [1.2, 9.2, np.inf, np.nan])
    assert (low.tolist(), high.tolist()) == ([1, 2, 2, 2], [1, 4, 4, 4])
    exact = rank_intervals(value, value, value)
    assert exact[0].tolist() == exact[1].tolist() == [1, 4, 2, 3]
    assert [part.tolist() for part in rank_intervals([3.0], [2.0], [4.0])] == [[1], [1]]
