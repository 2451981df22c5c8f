"""Crossings: closed forms, scikit-learn as an oracle, and what the levels leave open."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtr, ndtri
from sklearn.isotonic import IsotonicRegression

from noise.crossing import crossings, interpolation_doubt, monotone_curve

LEVELS = np.linspace(0.0, 1.0, 11)


def _curve(accuracy: list[float]) -> np.ndarray:
    return np.array([accuracy])


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


class TestDoubt:
    def test_a_fall_within_one_cell_may_be_anywhere_in_it(self):
        levels, step = np.arange(6.0), np.array([1, 1, 1, 0, 0, 0])
        early, late = interpolation_doubt(levels, step, 0.5)
        assert (2.5 - early, 2.5 + late) == pytest.approx((2.0, 3.0))

    def test_a_straight_fall_is_not_in_doubt(self):
        assert interpolation_doubt(LEVELS, 1 - LEVELS, 0.37) == pytest.approx((0, 0), abs=1e-9)

    def test_nothing_is_known_after_the_last_level(self):
        early, late = interpolation_doubt(np.arange(4.0), np.array([1, 0.99, 0.95, 0.03]), 0.5)
        value = crossings(np.arange(4.0), _curve([1, 0.99, 0.95, 0.03]), 0.5)[0]
        assert value - early == pytest.approx(2.0)
        assert value + late == pytest.approx(3.0)

    def test_a_flat_cell_between_two_falls_hides_where_it_crosses(self):
        curve = np.array([1, 0.9, 0.505, 0.495, 0.1, 0.0])
        early, late = interpolation_doubt(np.arange(6.0), curve, 0.5)
        assert early + late > 0.9

    @pytest.mark.parametrize(("scale", "most"), [(0.1, 0.005), (0.2, 0.0005)])
    def test_a_resolved_fall_is_hardly_in_doubt(self, scale, most):
        assert sum(interpolation_doubt(LEVELS, ndtr((0.52 - LEVELS) / scale), 0.5)) < most

    def test_it_is_of_the_share_of_clean_accuracy(self):
        curve = ndtr((0.52 - LEVELS) / 0.05)
        assert interpolation_doubt(LEVELS, 0.7 * curve, 0.8) == pytest.approx(interpolation_doubt(LEVELS, curve, 0.8))

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=3, max_size=12), st.floats(0.1, 0.9))
    def test_never_leaves_the_cell_of_the_crossing(self, falls, share):
        curve = np.array([1.0, *sorted(falls, reverse=True)])
        levels = np.arange(float(len(curve)))
        value = crossings(levels, curve[None], share)[0]
        if np.isfinite(value):
            early, late = interpolation_doubt(levels, curve, share)
            assert early >= 0
            assert late >= 0
            cell = max(int(np.argmax(curve <= share + 1e-12)), 1) - 1
            assert levels[cell] - 1e-9 <= value - early
            assert value + late <= levels[cell + 1] + 1e-9

    def test_holds_the_truth_of_falls_of_any_width_and_place(self):
        random = np.random.default_rng(3)
        for _ in range(300):
            centre, scale = random.uniform(0.3, 0.7), np.exp(random.uniform(np.log(0.008), np.log(0.2)))
            curve = ndtr((centre - LEVELS) / scale)
            share = random.uniform(0.3, 0.9)
            truth = centre - scale * ndtri(share * curve[0])
            if not LEVELS[1] < truth < 1:
                continue
            value = crossings(LEVELS, curve[None], share)[0]
            early, late = interpolation_doubt(LEVELS, curve, share)
            assert value - early - 0.001 <= truth <= value + late + 0.001
