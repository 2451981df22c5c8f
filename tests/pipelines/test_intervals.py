import numpy as np
import pytest
from scipy import stats

from pipelines.intervals import t_interval


def test_the_interval_is_students() -> None:
    values = np.array([0.991, 0.995, 0.993])
    mean, low, high = t_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))


def test_a_single_value_says_nothing_of_others() -> None:
    assert t_interval(np.array([0.9])) == pytest.approx((0.9, np.nan, np.nan), nan_ok=True)


def test_equal_values_leave_no_doubt() -> None:
    assert t_interval(np.array([0.5, 0.5])) == pytest.approx((0.5, 0.5, 0.5))


def test_no_value_says_nothing() -> None:
    assert np.isnan(t_interval([])).all()
