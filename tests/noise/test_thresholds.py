"""Thresholds: closed forms, properties, censoring, peers as oracles, and a small check of coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from psignifit import psignifit
from scipy.special import ndtr

from noise.crossing import interpolation_doubt
from noise.resampling import resample
from noise.thresholds import compare_thresholds, estimate_curve, estimate_threshold, find_threshold

LEVELS = np.linspace(0.0, 1.0, 11)


def _observer(tolerances: np.ndarray, levels: np.ndarray = LEVELS) -> np.ndarray:
    """Correct (N, L): right below the image's tolerance."""
    return levels[None, :] < tolerances[:, None]


def _images(count: int, seed: int = 0, centre: float = 0.5, spread: float = 0.15) -> np.ndarray:
    return _observer(np.random.default_rng(seed).normal(centre, spread, count))


def _numbers(found) -> tuple[float, float, float, str]:
    return found.value, found.low, found.high, found.censored


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
        if "no honest interval" in found.method:
            assert tracks
            assert (found.low, found.high) == (-np.inf, np.inf)
        else:
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

    def test_a_target_met_at_the_first_level_may_have_been_met_before(self):
        correct = np.arange(200)[:, None] < np.array([200, 100, 0])
        found = estimate_threshold([0.0, 0.1, 0.2], correct, share=0.5)
        assert (found.value, found.low, found.censored) == (0.1, 0.0, "below")

    def test_an_interval_that_reaches_below_the_first_level_reaches_to_the_clean_one(self):
        found = estimate_threshold(LEVELS, _images(40, centre=0.13, spread=0.1), share=0.5)
        assert 0.1 < found.value < 0.2
        assert found.low == 0.0
        assert found.censored == ""

    @pytest.mark.parametrize("groups", [1, 2, 6, 10])
    def test_few_groups_have_no_honest_interval(self, groups):
        found = estimate_threshold(LEVELS, _images(60), share=0.5, groups=np.arange(60) * groups // 60)
        assert (found.low, found.high) == (-np.inf, np.inf)
        assert f"no honest interval: {groups} groups" in found.method
        assert found.value == estimate_threshold(LEVELS, _images(60), share=0.5).value

    def test_a_group_of_a_third_among_single_images_has_none(self):
        groups = np.where(np.arange(300) < 100, -1, np.arange(300))
        found = estimate_threshold(LEVELS, _images(300), share=0.5, groups=groups)
        assert (found.low, found.high) == (-np.inf, np.inf)


class TestBetweenLevels:
    """What nothing was measured of belongs into the interval."""

    @pytest.mark.parametrize("share", [0.9, 0.5])
    @pytest.mark.parametrize("centre", [0.51, 0.55, 0.59])
    def test_a_sudden_fall_may_be_anywhere_in_its_cell(self, share, centre):
        found = estimate_threshold(LEVELS, _images(6000, centre=centre, spread=0.002), share=share)
        assert found.low <= centre - 0.003 * (share == 0.9) <= found.high
        assert (found.low, found.high) == pytest.approx((0.5, 0.6), abs=0.02)

    def test_a_gentle_fall_has_the_sampling_error_alone(self):
        found = estimate_threshold(LEVELS, _images(6000), share=0.5)
        assert found.high - found.low == pytest.approx(2 * 1.96 * 0.15 * np.sqrt(np.pi / 2 / 6000), rel=0.1)
        assert found.interpolation_error < 0.25 * found.sampling_error

    def test_the_interpolation_error_is_the_larger_of_both_sides(self):
        correct = _images(6000, centre=0.52, spread=0.02)
        found = estimate_threshold(LEVELS, correct, share=0.9)
        assert found.interpolation_error == max(interpolation_doubt(LEVELS, correct.mean(axis=0), 0.9))

    def test_more_levels_narrow_it(self):
        tolerances = np.random.default_rng(0).normal(0.55, 0.01, 6000)
        widths = []
        for count in (11, 41, 161):
            levels = np.linspace(0, 1, count)
            found = estimate_threshold(levels, _observer(tolerances, levels), share=0.5)
            assert found.low <= 0.55 <= found.high
            widths.append(found.high - found.low)
        assert widths == sorted(widths, reverse=True)
        assert widths[-1] < 0.05 * widths[0]


class TestFirstCrossing:
    def test_a_true_rise_does_not_move_the_first_crossing(self):
        correct = _images(2000, spread=0.1)
        again = np.arange(2000) % 3 == 0  # a third of the images are right again beyond 0.8
        rising = correct | (again[:, None] & (LEVELS >= 0.8))
        first, falling = (estimate_threshold(LEVELS, one, share=0.9) for one in (rising, correct))
        assert first.value == pytest.approx(falling.value, abs=0.001)
        high = correct | (np.arange(2000)[:, None] % 5 > 0) & (LEVELS >= 0.7)  # even above the target
        found = estimate_threshold(LEVELS, high, share=0.5)
        assert found.value == pytest.approx(estimate_threshold(LEVELS, correct, share=0.5).value, abs=0.005)
        assert "rises again" in found.method

    def test_what_wavers_within_the_sampling_error_is_pooled(self):
        wavering = _observer(np.full(40, 0.75))
        wavering[: 40 - 19, 3] = False  # one image short of half, once
        assert estimate_threshold(LEVELS, wavering, share=0.5).value > 0.6


class TestSteps:
    """A noise that changes an image only at some levels has its thresholds there."""

    step = 1 / 32

    @pytest.mark.parametrize("share", [0.9, 0.5])
    def test_the_threshold_is_where_an_image_changes(self, share):
        tolerances = np.random.default_rng(0).normal(0.5, 0.15, 3000)
        rows = np.arange(33)
        accuracy = (tolerances[:, None] > rows * self.step).mean(axis=0)
        truth = (np.argmax(accuracy <= share * accuracy[0]) - 0.5) * self.step
        made = np.floor(LEVELS / self.step + 0.5) * self.step
        sample = resample(LEVELS, tolerances[:, None] > made)
        found = find_threshold(sample, share=share, step=self.step)
        assert found.value == pytest.approx(truth)
        assert found.low <= truth <= found.high
        assert "steps of 0.0312" in found.method

    def test_levels_that_make_the_same_images_count_once(self):
        levels = np.array([0.0, 0.1, 0.48, 0.485, 0.9])
        sample = resample(levels, _images(200)[:, [0, 1, 5, 5, 9]])
        once = resample(levels[[0, 1, 3, 4]], _images(200)[:, [0, 1, 5, 9]])
        found, alone = (find_threshold(one, share=0.5, step=1 / 8) for one in (sample, once))
        assert found == alone


class TestComparison:
    def test_a_network_equals_itself(self):
        correct = _images(400)
        found = compare_thresholds(LEVELS, correct, correct, share=0.5)
        assert (found.ratio, found.censored) == (1.0, "")
        assert (found.low, found.high) == pytest.approx((1.0, 1.0), abs=0.05)
        assert found.p > 0.9

    def test_twice_the_tolerance_is_twice_the_threshold(self):
        tolerances = np.random.default_rng(0).normal(0.4, 0.08, 1000)
        found = compare_thresholds(LEVELS, _observer(2 * tolerances), _observer(tolerances), share=0.5)
        assert found.ratio == pytest.approx(2, abs=0.02)
        assert 1.9 < found.low < 2 < found.high < 2.1
        assert found.p < 0.001

    def test_turned_round_it_is_the_inverse(self):
        a, b = _images(300, centre=0.5), _images(300, centre=0.45)
        there, back = compare_thresholds(LEVELS, a, b, share=0.5), compare_thresholds(LEVELS, b, a, share=0.5)
        assert there.ratio == pytest.approx(1 / back.ratio)
        assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low), rel=0.02)
        assert there.p == pytest.approx(back.p, abs=0.02)

    def test_thresholds_are_counted_from_the_clean_level(self):
        a, b = _images(300, centre=0.5), _images(300, centre=0.45)
        here, there = (compare_thresholds(LEVELS + shift, a, b, share=0.5) for shift in (0.0, 2.0))
        assert (there.ratio, there.low, there.high) == pytest.approx((here.ratio, here.low, here.high))

    def test_pairing_removes_what_both_find_hard(self):
        tolerances = np.random.default_rng(0).normal(0.5, 0.15, 500)
        a, b = _observer(tolerances + 0.03), _observer(tolerances)
        paired = compare_thresholds(LEVELS, a, b, share=0.5)
        other = _observer(np.random.default_rng(1).permutation(tolerances))
        mixed = compare_thresholds(LEVELS, a, other, share=0.5)
        assert paired.high / paired.low < 1 + 0.6 * (mixed.high / mixed.low - 1)
        assert paired.p < 0.001

    @pytest.mark.parametrize(("confidence", "excluded"), [(0.5, True), (0.9999, False)])
    def test_p_and_the_interval_agree(self, confidence, excluded):
        a, b = _images(200, seed=1), _images(200, seed=2, centre=0.52)
        found = compare_thresholds(LEVELS, a, b, share=0.5, confidence=confidence)
        assert (not found.low <= 1 <= found.high) is excluded is (found.p < 1 - confidence)

    def test_open_ends(self):
        far, near, start = (_images(200, centre=centre, spread=0.02) for centre in (3.0, 0.5, 0.05))
        above = compare_thresholds(LEVELS, far, near, share=0.5)
        assert (above.ratio, above.high, above.censored) == (np.inf, np.inf, "above")
        assert 1.6 < above.low <= 2.01  # the last level over the other's threshold, at the least
        below = compare_thresholds(LEVELS, near, far, share=0.5)
        assert (below.ratio, below.low, below.censored) == (0.0, 0.0, "below")
        assert compare_thresholds(LEVELS, start, near, share=0.5).censored == "below"
        for neither in (far, start):
            both = compare_thresholds(LEVELS, neither, neither, share=0.5)
            assert np.isnan(both.ratio)
            assert (both.low, both.high, both.censored) == (0.0, np.inf, "both")
            assert both.p == pytest.approx(1.0, abs=1e-6)

    def test_half_a_step_is_in_doubt(self):
        correct = _observer(np.random.default_rng(0).normal(0.5, 0.15, 5000))
        smooth = compare_thresholds(LEVELS, correct, correct, share=0.5)
        stepped = compare_thresholds(LEVELS, correct, correct, share=0.5, step=1 / 10)
        assert stepped.high / stepped.low > 1.2 > smooth.high / smooth.low

    def test_few_groups_have_no_honest_interval(self):
        found = compare_thresholds(LEVELS, _images(60), _images(60, 1), share=0.5, groups=np.arange(60) // 10)
        assert (found.low, found.high, found.p) == (0.0, np.inf, 1.0)
        assert "no honest interval" in found.method

    def test_other_images_are_refused(self):
        with pytest.raises(ValueError, match="same images"):
            compare_thresholds(LEVELS, _images(60), _images(61), share=0.5)
        with pytest.raises(ValueError, match="levels"):
            compare_thresholds(LEVELS[::-1], _images(60), _images(60), share=0.5)

    @pytest.mark.parametrize("share", [0.9, 0.5])
    def test_equal_networks_are_seldom_called_apart(self, share):
        called, covered = 0, 0
        for number in range(150):
            random = np.random.default_rng(number)
            shared = random.normal(size=300)
            a, b, better = (
                _observer(centre + 0.15 * (0.8 * shared + 0.6 * random.normal(size=300))) for centre in (0.5, 0.5, 0.6)
            )
            called += compare_thresholds(LEVELS, a, b, share=share, seed=number).p < 0.05
            truth = (0.6 - 0.19224 * (share == 0.9)) / (0.5 - 0.19224 * (share == 0.9))
            found = compare_thresholds(LEVELS, better, a, share=share, seed=number)
            covered += found.low <= truth <= found.high
        assert called <= 13  # 150 draws of 5%: 13 or fewer in 98%
        assert 135 <= covered <= 149


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


COARSE = {"threshold": 30, "width": 30, "lambda": 10, "gamma": 10, "eta": 8}
"""Steps of psignifit's grid: its own take ten times as long, and move its threshold by 0.0002."""


@pytest.mark.parametrize(("centre", "spread"), [(0.5, 0.15), (0.35, 0.12)])
def test_psignifit_agrees(centre, spread):
    """psignifit 4.3 fits another model, by Bayes; its threshold is where its curve is halfway."""
    correct = _images(500, seed=3, centre=centre, spread=spread)
    right = correct.sum(axis=0)
    counts = np.column_stack([LEVELS, 500 - right, np.full(11, 500)])
    bounds = {name: steps // 2 for name, steps in COARSE.items()}
    fit = psignifit(counts, sigmoid="norm", experiment_type="yes/no", grid_steps=COARSE, steps_moving_bounds=bounds)
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
