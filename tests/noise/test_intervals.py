"""Intervals of accuracies: scipy's exact one as an oracle, coverage where nearly all answers agree."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from noise.intervals import accuracy_interval
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

    def test_one_group_tells_nothing(self):
        curve = estimate_curve(LEVELS, _right([30, 15, 3], 30), groups=["only"] * 30)
        assert curve.low.tolist() == [0, 0, 0]
        assert curve.high.tolist() == [1, 1, 1]
