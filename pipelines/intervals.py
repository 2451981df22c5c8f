"""The interval of a mean of few independent values: seeds, trials, images."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit


def t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values, and its interval by Student's t.

    Args:
        values: (n,).
        confidence: Of the interval.

    Returns:
        Mean, low, high; NaN where there are too few values: a mean takes one, an interval two.
    """
    each = np.asarray(values, np.float64)
    mean = float(each.mean()) if len(each) else np.nan
    if len(each) < 2:
        return mean, np.nan, np.nan
    half = float(stdtrit(len(each) - 1, (1 + confidence) / 2) * each.std(ddof=1) / np.sqrt(len(each)))
    return mean, mean - half, mean + half
