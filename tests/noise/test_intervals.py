"""Intervals of accuracies: scipy's exact one as an oracle, coverage where nearly all answers agree."""

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest, bootstrap, norm, t

from noise.crossing import crossings
from noise.intervals import (
    accuracy_interval,
    expanded_tail,
    order_statistic,
    sampling_interval,
    spread,
    up_to_first_fall,
)
from noise.resampling import resample
from noise.thresholds import estimate_curve

LEVELS = np.array([0.0, 0.5, 1.0])


def _right(counts: list[int], of: int) -> np.ndarray:
    """Answers (of, L) of which so many are right at each level."""
    return np.arange(of)[:, None] < np.array(counts)


class TestAccuracyInterval:
    @pytest.mark.parametrize("counts", [[300, 150, 0], [299, 17, 1]])
    def test_of_images_it_is_that_of_clopper_and_pearson(self, counts):
        curve = estimate_curve(LEVELS, _right(counts, 300))
        for level, count in enumerate(counts):
            exact = binomtest(count, 300).proportion_ci(0.95, method="exact")
            assert (curve.low[level], curve.high[level]) == pytest.approx((exact.low, exact.high), abs=0.001)

    def test_it_is_never_without_width(self):
        curve = estimate_curve(LEVELS, _right([200, 200, 0], 200))
        assert np.all(curve.low[:2] < 0.99)
        assert np.all(curve.high[:2] == 1)
        assert curve.low[2] == 0
        assert curve.high[2] == pytest.approx(1 - 0.025 ** (1 / 200), abs=0.001)

    @pytest.mark.parametrize("images", [100, 300])
    @pytest.mark.parametrize("rate", [0.999, 0.995, 0.98])
    def test_it_covers_where_nearly_all_are_right(self, images, rate):
        counts = np.arange(images + 1)
        ends = [accuracy_interval(resample(LEVELS, _right([n] * 3, images), replicates=0), 0.95) for n in counts[-20:]]
        covered = sum(
            binom.pmf(n, images, rate)
            for n, (low, high) in zip(counts[-20:], ends, strict=True)
            if low[0] <= rate <= high[0]
        )
        assert covered >= 0.95

    def test_copies_in_a_group_weigh_as_one_image(self):
        alone, copied = _right([180, 100, 20], 200), np.repeat(_right([180, 100, 20], 200), 5, axis=0)
        grouped = estimate_curve(LEVELS, copied, groups=np.arange(1000) // 5)
        single = estimate_curve(LEVELS, alone)
        assert grouped.low == pytest.approx(single.low, abs=0.004)
        assert grouped.high == pytest.approx(single.high, abs=0.004)

    def test_repeats_of_an_image_are_no_new_images(self):
        once = _right([300, 150, 30], 300)
        thrice = np.repeat(once[:, None, :], 3, axis=1)
        assert estimate_curve(LEVELS, thrice).low == pytest.approx(estimate_curve(LEVELS, once).low, abs=0.004)

    def test_few_images_are_worth_less_by_student_s_t(self):
        low, high = accuracy_interval(sample := resample(LEVELS, _right([9, 6, 3], 12), replicates=0), 0.95)
        worth = sample.worth * (norm.ppf(0.975) / t.ppf(0.975, 11)) ** 2
        right, wrong = worth * sample.accuracy, worth * (1 - sample.accuracy)
        assert low == pytest.approx(beta.ppf(0.025, right, wrong + 1))
        assert high == pytest.approx(beta.ppf(0.975, right + 1, wrong))

    def test_one_group_tells_nothing(self):
        curve = estimate_curve(LEVELS, _right([30, 15, 3], 30), groups=["only"] * 30)
        assert curve.low.tolist() == [0, 0, 0]
        assert curve.high.tolist() == [1, 1, 1]


def _tolerances(count: int, seed: int = 0) -> np.ndarray:
    """Skewed ones, so that a percentile interval is not in its place."""
    return np.random.default_rng(seed).gamma(1.2, 0.25, count)


class TestThresholdInterval:
    levels = np.linspace(0.0, 1.0, 21)

    def test_tails_are_widened_as_student_s_t_is(self):
        sample = resample(LEVELS, _right([100, 50, 20], 100), replicates=20)
        assert expanded_tail(sample, 0.95) == pytest.approx(norm.cdf(-t.ppf(0.975, 99) * np.sqrt(100 / 99)))
        assert expanded_tail(sample, 1 - 1e-15) == 1e-9
        law = resample(LEVELS, _right([90, 45, 18], 90), replicates=20)
        assert expanded_tail(law, 0.9) == pytest.approx(0.05)

    def test_an_order_statistic_is_one_of_the_draws(self):
        drawn = np.append(np.arange(9.0), np.inf)
        assert [order_statistic(drawn, share) for share in (0, 0.09, 0.25, 0.8, 0.9, 1)] == [0, 0, 2, 8, np.inf, np.inf]

    def test_the_spread_of_normal_draws_is_their_deviation_also_where_half_are_never_reached(self):
        drawn = 5 + 3 * norm.ppf((np.arange(20_000) + 0.5) / 20_000)
        assert spread(drawn) == pytest.approx(3, rel=1e-3)
        assert spread(np.where(drawn > 6, np.inf, drawn)) == pytest.approx(3, rel=1e-3)
        wide = np.where(drawn > 5, 5 + 2 * (drawn - 5), drawn)
        assert spread(wide) == pytest.approx(4.5, rel=1e-3)

    @pytest.mark.parametrize("share", [0.7, 0.3])
    def test_tails_are_those_of_scipy_s_bca(self, share):
        """By its jackknife; ours takes the influence of a group on the threshold to be that on accuracy there."""
        correct = self.levels[None, :] < _tolerances(100)[:, None]
        sample = resample(self.levels, correct)
        drawn = np.sort(crossings(self.levels, sample.replicates, share))
        value = float(crossings(self.levels, sample.accuracy[None], share)[0])

        def threshold(rows):
            curves = correct[rows.astype(int)].mean(axis=-2)
            return crossings(self.levels, curves.reshape(-1, 21), share).reshape(curves.shape[:-1])

        tail = expanded_tail(sample, 0.9)
        theirs = bootstrap(
            (np.arange(100),),
            lambda rows, axis: threshold(rows),
            confidence_level=1 - 2 * tail,
            n_resamples=4000,
            rng=1,
        ).confidence_interval
        low, high = sampling_interval(sample, drawn, value, share, 0.9)
        width = theirs.high - theirs.low
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * width)

    @pytest.mark.parametrize(("value", "share"), [(0.6, 0.6), (2.5, 0.2), (1.0, 0.3)])
    def test_ends_are_moved_by_the_skewness_of_the_images_influence(self, value, share):
        """Efron 1987, by hand: influence is that on accuracy at the threshold less share x clean; without bias."""
        levels, counts = np.array([0.0, 1.0, 3.0]), [83, 30, 10]
        sample = resample(levels, _right(counts, 100))
        at = np.array([np.interp(value, levels, row) - share * row[0] for row in _right(counts, 100).astype(float)])
        skew = np.sum((at - at.mean()) ** 3) / (6 * np.sum((at - at.mean()) ** 2) ** 1.5)
        drawn = value + np.linspace(-1, 1, 20_001)
        normal = norm.ppf([(tail := expanded_tail(sample, 0.9)), 1 - tail])
        expected = value - 1 + 2 * norm.cdf(normal / (1 - skew * normal))
        assert sampling_interval(sample, drawn, value, share, 0.9) == pytest.approx(tuple(expected), abs=2e-4)
        assert abs(skew) > 0.005

    def test_draws_of_a_law_have_percentiles(self):
        law = resample(LEVELS, _right([150, 75, 30], 150), groups=np.arange(150) // 5)
        drawn = np.linspace(0, 1, 20_001)
        assert sampling_interval(law, drawn, 0.3, 0.5, 0.9) == pytest.approx((0.05, 0.95), abs=1e-3)

    def test_bias_moves_both_ends(self):
        sample = resample(self.levels, self.levels[None, :] < _tolerances(400)[:, None])
        drawn = np.sort(crossings(self.levels, sample.replicates, 0.5))
        middle = float(np.median(drawn))
        ends = [sampling_interval(sample, drawn, middle + shift, 0.5, 0.95) for shift in (-0.01, 0.0, 0.01)]
        assert ends[0][0] < ends[1][0] < ends[2][0]
        assert ends[0][1] < ends[1][1] < ends[2][1]
        error = spread(drawn)
        assert ends[1] == pytest.approx((middle - 1.96 * error, middle + 1.96 * error), abs=0.35 * error)

    def test_a_threshold_that_is_not_reached_has_percentiles(self):
        drawn = np.append(np.linspace(0, 1, 1000), np.full(1000, np.inf))
        sample = resample(self.levels, self.levels[None, :] < _tolerances(400)[:, None])
        low, high = sampling_interval(sample, drawn, np.inf, 0.5, 0.95)
        assert low == pytest.approx(expanded_tail(sample, 0.95) * 2, abs=0.002)
        assert high == np.inf


class TestUpToFirstFall:
    def test_the_target_is_a_share_of_clean_accuracy_in_each_draw(self):
        sample = resample(np.arange(4.0), _right([60, 52, 58, 10], 100))  # 52 is not significantly under 54
        assert up_to_first_fall(sample, 0.9)[0].accuracy.tolist() == [0.6, 0.52, 0.58, 0.1]

    def test_what_never_falls_significantly_stays(self):
        sample = resample(LEVELS, _right([50, 26, 30], 50))
        assert up_to_first_fall(sample, 0.5) == (sample, "")
        alone = resample(LEVELS, _right([50, 1, 30], 50), replicates=0)
        assert up_to_first_fall(alone, 0.5) == (alone, "")

    def test_beyond_a_significant_fall_the_curve_stays_down_in_every_draw(self):
        sample = resample(np.arange(4.0), _right([200, 150, 40, 180], 200))
        found, words = up_to_first_fall(sample, 0.5)
        assert found.accuracy.tolist() == [1, 0.75, 0.2, 0.2]
        np.testing.assert_array_equal(found.replicates[:, :3], sample.replicates[:, :3])
        np.testing.assert_array_equal(found.replicates[:, 3], sample.replicates[:, 2])
        assert words == "; the first crossing, beyond which the curve rises again"

    def test_a_rise_that_stays_under_the_target_is_not_spoken_of(self):
        sample = resample(np.arange(4.0), _right([200, 150, 20, 40], 200))
        found, words = up_to_first_fall(sample, 0.5)
        assert found.accuracy.tolist() == [1, 0.75, 0.1, 0.1]
        assert words == ""
