"""From a resampled curve to the ends of intervals: of its accuracies, and of where it falls to its target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

from noise.crossing import TINY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noise.resampling import Resampled

    Floats = NDArray[np.float64]

_LEAST_TAIL = 1e-9  # two images would ask for a tail whose normal quantile is infinite


def accuracy_interval(sample: Resampled, confidence: float) -> tuple[Floats, Floats]:
    """Ends (L,) of the exact interval of Clopper and Pearson for as many independent answers as the groups are worth.

    That number (Korn and Graubard 1998) would give the variance that the groups show; where all or no answers are right
    it is the number of groups. A bootstrap has no width there.
    """
    tail, degrees = (1 - confidence) / 2, sample.effective - 1
    if degrees <= 0:
        return np.zeros_like(sample.accuracy), np.ones_like(sample.accuracy)
    worth = sample.worth * (ndtri(tail) / stdtrit(degrees, tail)) ** 2
    right, wrong = worth * sample.accuracy, worth * (1 - sample.accuracy)
    low = np.where(right > 0, betaincinv(np.maximum(right, TINY), wrong + 1, tail), 0.0)
    high = np.where(wrong > 0, betaincinv(right + 1, np.maximum(wrong, TINY), 1 - tail), 1.0)
    return low, high


def up_to_first_fall(sample: Resampled, share: float, confidence: float = 0.95) -> tuple[Resampled, str]:
    """The sample with a curve that never rises again once it lies significantly under the target.

    A threshold is where accuracy first falls so far. Isotonic regression alone would pool a true rise with the fall
    before it, and so move the crossing; what wavers within the sampling error it is right to pool.
    """
    if not len(sample.replicates):
        return sample, ""
    excess = sample.replicates - share * sample.replicates[:, :1]
    least, most = np.quantile(excess, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    if not (most < 0).any():
        return sample, ""
    fallen = int(np.argmax(most < 0))
    curves = [sample.accuracy.copy(), sample.replicates.copy()]
    for curve in curves:
        curve[..., fallen:] = np.minimum.accumulate(curve[..., fallen:], axis=-1)
    again = "; the first crossing, beyond which the curve rises again" if (least[fallen:] > 0).any() else ""
    return replace(sample, accuracy=curves[0], replicates=curves[1]), again


def sampling_interval(
    sample: Resampled, drawn: Floats, value: float, share: float, confidence: float
) -> tuple[float, float]:
    """Ends of the interval that comes of the images being a sample, from sorted draws of the threshold."""
    tail = expanded_tail(sample, confidence)
    lower, upper = _bca_tails(sample, drawn, value, share, tail) if sample.redrawn else (tail, 1 - tail)
    return order_statistic(drawn, lower), order_statistic(drawn, upper)


def spread(drawn: Floats) -> float:
    """Standard deviation of sorted draws from their middle 68%, or its lower half where draws are never reached."""
    low, middle, high = (order_statistic(drawn, share) for share in ndtr([-1.0, 0.0, 1.0]))
    return (high - low) / 2 if np.isfinite(high) else middle - low


def _bca_tails(sample: Resampled, drawn: Floats, value: float, share: float, tail: float) -> tuple[float, float]:
    """Which quantiles of the draws end the interval: bias-corrected and accelerated (Efron 1987).

    The acceleration is the skewness of the groups' influence on the threshold, which is their influence on
    accuracy at the threshold less `share` x clean accuracy, up to a factor.
    """
    if np.isinf(value):
        return tail, 1 - tail
    cell = max(int(np.searchsorted(sample.levels, value)) - 1, 0)
    part = (value - sample.levels[cell]) / (sample.levels[cell + 1] - sample.levels[cell])
    weights = np.zeros(len(sample.levels))
    weights[[cell, cell + 1]] = 1 - part, part
    weights[0] -= share
    influence = sample.counts @ weights
    influence -= sample.answers * (sample.copies @ influence) / (sample.copies @ sample.answers)
    spread = float(sample.copies @ influence**2)
    skew = float(sample.copies @ influence**3) / (6 * spread**1.5) if spread > 0 else 0.0
    under = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / len(drawn)
    bias = ndtri(np.clip(under, 1 / len(drawn), 1 - 1 / len(drawn)))
    normal = bias + ndtri([tail, 1 - tail])
    lower, upper = ndtr(bias + normal / np.maximum(1 - skew * normal, 1e-3))
    return float(lower), float(upper)


def order_statistic(drawn: Floats, probability: float) -> float:
    """A quantile without interpolation, which infinities among the draws would spoil."""
    return float(drawn[min(int(probability * len(drawn)), len(drawn) - 1)])


def expanded_tail(sample: Resampled, confidence: float) -> float:
    """The tail of a percentile interval, of draws with replacement widened as Student's t is.

    Hesterberg 2015, section 5.3; draws of the groups' common law follow Student's t already.
    """
    if not sample.redrawn or sample.groups < 2:
        return (1 - confidence) / 2
    quantile = stdtrit(sample.groups - 1, (1 + confidence) / 2) * np.sqrt(sample.groups / (sample.groups - 1))
    return max(float(ndtr(-quantile)), _LEAST_TAIL)
