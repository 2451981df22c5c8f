"""Thresholds: closed forms, properties, censoring, peers as oracles, and a small check of coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from psignifit import psignifit
from scipy.special import ndtr
from sklearn.isotonic import IsotonicRegression

from noise.resampling import resample
from noise.thresholds import crossings, estimate_curve, estimate_threshold, monotone_curve

LEVELS = np.linspace(0.0, 1.0, 11)


def _observer(tolerances: np.ndarray, levels: np.ndarray = LEVELS) -> np.ndarray:
    """Correct (N, L): right below the image's tolerance."""
    return levels[None, :] < tolerances[:, None]


def _images(count: int, seed: int = 0, centre: float = 0.5, spread: float = 0.15) -> np.ndarray:
    return _observer(np.random.default_rng(seed).normal(centre, spread, count))


def _curve(accuracy: list[float]) -> np.ndarray:
    return np.array([accuracy])


def _numbers(found) -> tuple[float, float, float, str]:
    return found.value, found.low, found.high, found.censored


class TestCrossing:
    def test_a_straight_fall_is_crossed_exactly(self):
        levels = np.array([0.0, 0.3, 0.5, 1.0])
        straight = (1.0 - levels)[None]
        for share in (0.9, 0.5, 0.123):
            assert crossings(levels, straight, share) == pytest.approx([1 - share], abs=1e-9)

    def test_a_cubic_fall_is_crossed_exactly(self):
        cubic = 1 - 0.4 * LEVELS - 0.5 * LEVELS**3
        assert crossings(LEVELS, cubic[None], 1 - 0.2 - 0.0625) == pytest.approx([0.5], abs=1e-9)
        assert crossings(LEVELS, cubic[None], 1 - 0.4 * 0.33 - 0.5 * 0.33**3) == pytest.approx([0.33], abs=1e-9)

    def test_a_step_is_crossed_in_its_cell(self):
        step = _curve([1, 1, 1, 0, 0])
        assert crossings(np.arange(5.0), step, 0.5) == pytest.approx([2.5])

    def test_a_target_met_at_a_level_is_met_there(self):
        assert crossings(np.arange(4.0), _curve([1, 1, 0.5, 0.5]), 0.5) == pytest.approx([2.0], abs=0)

    def test_a_curve_that_stays_above_is_never_crossed(self):
        assert crossings(np.arange(3.0), _curve([1, 0.9, 0.6]), 0.5).tolist() == [np.inf]

    def test_a_dip_that_recovers_is_smoothed_away(self):
        assert crossings(np.arange(5.0), _curve([1, 0.4, 1, 1, 0]), 0.5)[0] > 3

    def test_a_resolved_sigmoid_is_crossed_far_better_than_by_straight_lines(self):
        curve = ndtr((0.5 - LEVELS) / 0.15)
        truth = 0.5 + 0.15 * 1.2816
        share = float(0.1 / curve[0])
        straight = np.interp(-share * curve[0], -curve, LEVELS)
        error = abs(crossings(LEVELS, curve[None], share)[0] - truth)
        assert error < 0.001
        assert error < abs(straight - truth) / 5


class TestMonotone:
    @settings(deadline=None)
    @given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 12)), elements=st.floats(0, 1)))
    def test_equals_scikit_learn(self, curves):
        levels = np.arange(curves.shape[1])
        expected = [IsotonicRegression(increasing=False).fit_transform(levels, curve) for curve in curves]
        assert monotone_curve(curves) == pytest.approx(np.array(expected), abs=1e-12)


answers = st.integers(2, 40).flatmap(
    lambda images: arrays(np.bool_, (images, 6), elements=st.booleans()).filter(lambda a: a[:, 0].any())
)


class TestProperties:
    levels = np.array([0.0, 0.1, 0.25, 0.4, 0.7, 1.0])

    @given(correct=answers, share=st.sampled_from([0.5, 0.9]), tracks=st.booleans())
    @settings(max_examples=40, deadline=None)
    def test_lies_within_the_levels_or_is_censored(self, correct, share, tracks):
        groups = np.arange(len(correct)) // 3 if tracks else None
        found = estimate_threshold(self.levels, correct, share=share, groups=groups)
        assert found.low <= found.value <= found.high
        assert 0.0 <= found.low <= 1.0
        assert found.censored == ("above" if np.isinf(found.value) else "below" if found.value == 0.1 else "")
        assert found.value >= 0.1
        assert found.value <= 1.0 or found.high == np.inf

    @given(correct=answers, seed=st.integers(0, 99))
    @settings(max_examples=20, deadline=None)
    def test_order_of_images_does_not_matter(self, correct, seed):
        shuffled = np.random.default_rng(seed).permutation(correct)
        assert estimate_threshold(self.levels, shuffled, share=0.5) == estimate_threshold(
            self.levels, correct, share=0.5
        )

    def test_names_and_order_of_groups_do_not_matter(self):
        correct, groups = _images(120, spread=0.2), np.arange(120) // 6
        order = np.random.default_rng(1).permutation(120)
        named = [f"track {19 - group}" for group in groups[order]]
        assert estimate_threshold(LEVELS, correct[order], share=0.5, groups=named) == estimate_threshold(
            LEVELS, correct, share=0.5, groups=groups
        )

    def test_only_the_sums_of_a_group_count(self):
        correct, groups = _images(120, spread=0.2), np.arange(120) // 6
        mixed = correct.reshape(20, 6, 11).copy()
        for level in range(11):  # the group keeps its count at each level, other images of it are right
            mixed[:, :, level] = np.roll(mixed[:, :, level], level, axis=1)
        assert estimate_threshold(LEVELS, mixed.reshape(120, 11), share=0.9, groups=groups) == estimate_threshold(
            LEVELS, correct, share=0.9, groups=groups
        )

    @given(factor=st.floats(0.01, 100), shift=st.floats(-5, 5))
    @settings(max_examples=20, deadline=None)
    def test_follows_the_unit_of_the_levels(self, factor, shift):
        correct = _images(80)
        here = estimate_threshold(LEVELS, correct, share=0.9)
        there = estimate_threshold(factor * LEVELS + shift, correct, share=0.9)
        expected = factor * np.array(_numbers(here)[:3]) + shift
        assert np.array(_numbers(there)[:3]) == pytest.approx(expected, rel=1e-6, abs=1e-6 * factor)

    def test_falls_as_the_share_rises(self):
        correct = _images(300)
        values = [estimate_threshold(LEVELS, correct, share=share).value for share in (0.3, 0.5, 0.7, 0.9)]
        assert values == sorted(values, reverse=True)

    def test_same_seed_same_interval(self):
        correct = _images(100)
        first, again, other = (estimate_threshold(LEVELS, correct, share=0.5, seed=seed) for seed in (3, 3, 4))
        assert first == again
        assert first.value == other.value
        assert (first.low, first.high) != (other.low, other.high)

    def test_more_confidence_is_wider_and_more_images_narrower(self):
        wide = estimate_threshold(LEVELS, _images(100), share=0.5, confidence=0.99)
        narrow = estimate_threshold(LEVELS, _images(100), share=0.5, confidence=0.8)
        many = estimate_threshold(LEVELS, _images(4000), share=0.5, confidence=0.99)
        assert many.high - many.low < narrow.high - narrow.low < wide.high - wide.low

    def test_tracks_of_copies_weigh_as_one_image(self):
        alone = _images(200)
        copied = np.repeat(alone, 5, axis=0)
        by_track = estimate_threshold(LEVELS, copied, share=0.5, groups=np.arange(1000) // 5)
        assert _numbers(by_track) == pytest.approx(_numbers(estimate_threshold(LEVELS, alone, share=0.5)))
        by_image = estimate_threshold(LEVELS, copied, share=0.5)
        assert by_image.high - by_image.low < 0.6 * (by_track.high - by_track.low)


class TestRepeats:
    def test_equal_repeats_change_nothing(self):
        once = _images(150)
        thrice = np.repeat(once[:, None, :], 3, axis=1)
        assert _numbers(estimate_threshold(LEVELS, thrice, share=0.5)) == pytest.approx(
            _numbers(estimate_threshold(LEVELS, once, share=0.5))
        )

    def test_repeats_of_an_image_are_averaged(self):
        repeats = np.stack([_images(150, seed) for seed in (0, 1)], axis=1)
        curve = estimate_curve(LEVELS, repeats)
        assert curve.accuracy == pytest.approx(repeats.mean(axis=(0, 1)))


class TestCensoring:
    def test_above(self):
        found = estimate_threshold(LEVELS, _images(200, centre=3.0), share=0.5)
        assert _numbers(found) == (np.inf, 1.0, np.inf, "above")

    def test_above_with_some_draws_within(self):
        found = estimate_threshold(LEVELS, _images(60, centre=1.02, spread=0.2), share=0.5)
        assert found.value == found.high == np.inf
        assert 0.8 < found.low < 1.0

    def test_an_interval_may_reach_past_the_last_level(self):
        found = estimate_threshold(LEVELS, _images(60, centre=0.98, spread=0.2), share=0.5)
        assert np.isfinite(found.value)
        assert found.high == np.inf
        assert found.censored == ""

    def test_below(self):
        found = estimate_threshold(LEVELS, _images(200, centre=0.05, spread=0.01), share=0.5)
        assert _numbers(found) == (0.1, 0.0, 0.1, "below")

    def test_one_group_has_no_interval(self):
        found = estimate_threshold(LEVELS, _images(30), share=0.5, groups=["only"] * 30)
        assert (found.low, found.high) == (0.0, np.inf)
        assert "one group" in found.method

    def test_two_groups_have_the_widest_interval_of_their_draws(self):
        correct = np.concatenate([_images(30, centre=0.3), _images(30, centre=0.7)])
        found = estimate_threshold(LEVELS, correct, share=0.5, groups=np.arange(60) // 30)
        alone = [estimate_threshold(LEVELS, half, share=0.5).value for half in (correct[:30], correct[30:])]
        assert found.low <= alone[0] < found.value < alone[1] <= found.high


class TestRefusals:
    correct = _images(20)

    def test_no_threshold_where_the_target_is_not_above_chance(self):
        weak = _images(400)
        weak[100:, :] = False
        with pytest.raises(ValueError, match="constant answer"):
            estimate_threshold(LEVELS, weak, share=0.5, chance=0.2)
        assert estimate_threshold(LEVELS, weak, share=0.9, chance=0.2).value < 1

    def test_no_threshold_without_a_right_clean_answer(self):
        with pytest.raises(ValueError, match="constant answer"):
            estimate_threshold(LEVELS, np.zeros((5, 11), dtype=bool), share=0.5)

    @pytest.mark.parametrize("levels", [LEVELS[::-1], LEVELS[:1], np.append(LEVELS[:-1], np.nan), LEVELS * 0])
    def test_levels_that_do_not_increase(self, levels):
        with pytest.raises(ValueError, match="levels"):
            estimate_threshold(levels, self.correct[:, : len(levels)], share=0.5)

    @pytest.mark.parametrize(
        "correct", [correct[:, :5], correct[0], correct[:0], correct.astype(float), correct[None, None]]
    )
    def test_wrong_answers(self, correct):
        with pytest.raises(ValueError, match="correct"):
            estimate_threshold(LEVELS, correct, share=0.5)

    @pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.0}, {"share": 0.5, "confidence": 95}])
    def test_wrong_shares(self, options):
        with pytest.raises(ValueError, match="give a number between 0 and 1"):
            estimate_threshold(LEVELS, self.correct, **options)

    def test_wrong_number_of_groups(self):
        with pytest.raises(ValueError, match="one label for each image"):
            estimate_threshold(LEVELS, self.correct, share=0.5, groups=[1, 2])


class TestStatistics:
    def test_curve_interval_is_near_the_binomial_one(self):
        curve = estimate_curve(LEVELS, _images(1000))
        error = np.sqrt(curve.accuracy * (1 - curve.accuracy) / 1000)
        assert curve.high - curve.low == pytest.approx(2 * 1.96 * error, rel=0.12, abs=0.002)

    def test_draws_are_multinomial_whichever_way_they_are_drawn(self):
        few = resample(LEVELS, _images(2000), seed=1)  # few outcomes among many images
        many = resample(LEVELS, _images(2000), groups=np.arange(2000) // 2, seed=1)
        for sample in (few, many):
            assert sample.replicates.mean(axis=0) == pytest.approx(sample.accuracy, abs=0.002)
            expected = np.sqrt(sample.accuracy * (1 - sample.accuracy) / 2000)
            assert sample.replicates.std(axis=0) == pytest.approx(expected, rel=0.15, abs=1e-4)

    @pytest.mark.parametrize("share", [0.9, 0.5])
    def test_intervals_cover_the_truth(self, share):
        random = np.random.default_rng(8)
        covered = 0
        for number in range(200):
            centre = random.uniform(0.45, 0.55)
            tracks = np.repeat(random.normal(size=75), 4)
            tolerance = centre + 0.16 * (0.7071 * tracks + 0.7071 * random.normal(size=300))
            found = estimate_threshold(
                LEVELS, _observer(tolerance), share=share, groups=np.arange(300) // 4, seed=number
            )
            clean = ndtr(centre / 0.16)
            truth = centre + 0.16 * (-1.2816 if share == 0.9 else 0.0)
            assert share * clean == pytest.approx(share, abs=0.003)
            covered += found.low <= truth <= found.high
        assert 0.90 <= covered / 200 <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(("centre", "spread"), [(0.5, 0.15), (0.35, 0.12)])
def test_psignifit_agrees(centre, spread):
    """psignifit 4.3 fits another model, by Bayes; its threshold is where its curve is halfway."""
    correct = _images(500, seed=3, centre=centre, spread=spread)
    right = correct.sum(axis=0)
    fit = psignifit(np.column_stack([LEVELS, 500 - right, np.full(11, 500)]), sigmoid="norm", experiment_type="yes/no")
    found = estimate_threshold(LEVELS, correct, share=0.5)
    assert found.value == pytest.approx(fit.parameter_estimate["threshold"], abs=0.01)
    low, high = fit.confidence_intervals["threshold"]["0.95"]
    assert found.low < high
    assert low < found.high


@pytest.mark.parametrize(
    ("levels", "right", "share"),
    [
        ([0.0, 0.016, 0.15], [30, 30, 15], 0.5),
        ([0.0, 0.1, 0.2, 0.3], [10, 10, 10, 9], 0.9),
        ([0.0, 0.001, 0.009], [20, 20, 10], 0.5),
    ],
)
def test_a_curve_that_ends_exactly_at_its_target_crosses_at_the_last_level(levels, right, share):
    """Rounding of the target, or of the last level, must not lose the crossing."""
    correct = np.arange(31)[:, None] < np.array(right)
    found = estimate_threshold(levels, correct, share=share)
    assert found.value == pytest.approx(levels[-1])
    assert found.censored == ""
    assert levels[0] <= found.low <= found.value
