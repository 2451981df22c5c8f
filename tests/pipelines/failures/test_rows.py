import numpy as np
import pytest

from pipelines.failures.rows import level_near


def test_a_level_stands_for_a_threshold_if_its_accuracy_is_near():
    levels, accuracy = [0.1, 0.2, 0.3, 0.4], [0.9, 0.59, 0.42, 0.05]
    assert level_near(0.24, levels, accuracy, 0.5) == 1
    assert level_near(0.26, levels, accuracy, 0.5) == 2
    assert level_near(0.39, levels, accuracy, 0.5) == 2  # nearest of all is 0.4, where hardly an answer is right
    assert level_near(0.24, levels, [0.9, 0.61, 0.39, np.nan], 0.5) is None


@pytest.mark.parametrize("threshold", [np.inf, np.nan])
def test_no_level_stands_for_a_threshold_that_is_not_reached(threshold):
    assert level_near(threshold, [0.1], [0.5], 0.5) is None
