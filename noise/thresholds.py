"""Where a curve of accuracy against noise level falls to a share of clean accuracy, with a bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr, ndtri, stdtrit

from noise.resampling import resample

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from noise.resampling import Labels, Resampled

    Floats = NDArray[np.float64]

_POINT = "isotonic regression, monotone cubic spline"
_NEWTON_STEPS = 14
_TINY = 1e-12
_LEAST_TAIL = 1e-9  # two groups would ask for a tail whose normal quantile is infinite
_PROBIT_MARGIN = 0.01  # keeps shares of 0 and 1 finite


@dataclass(frozen=True)
class Threshold:
    """The level at which accuracy has fallen to a share of clean accuracy.

    Attributes:
        value: the level, in the noise's own unit; infinity where the curve never falls that far.
        low: lower end of the interval.
        high: upper end of the interval; infinity where it lies beyond the last level.
        censored: "" | "above" (not reached in range) | "below" (already reached at the first level above `low`;
            then `value` is that level and the truth lies at or under it).
        method: how value and interval were found, in words.
        sampling_error: standard error that comes of the images being a sample: the floor that no number of levels
            beats; NaN where the threshold is censored or there is no interval.
        interpolation_error: how far the threshold depends on how the curve runs between levels; NaN likewise.
    """

    value: float
    low: float
    high: float
    censored: str
    method: str
    sampling_error: float = np.nan
    interpolation_error: float = np.nan


@dataclass(frozen=True)
class Curve:
    """Accuracy at each level: arrays of shape (L,).

    Attributes:
        accuracy: share of correct answers, repeats averaged within an image.
        low: lower end of the bootstrap interval.
        high: upper end of the bootstrap interval.
        monotone: the nearest curve that never rises (isotonic regression).
    """

    accuracy: Floats
    low: Floats
    high: Floats
    monotone: Floats


def estimate_threshold(
    levels: ArrayLike,
    correct: ArrayLike,
    *,
    share: float,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    chance: float = 0.0,
) -> Threshold:
    """Find where accuracy falls to `share` of clean accuracy, with a bootstrap interval.

    Args:
        levels: (L,) increasing noise levels; the first is the clean image.
        correct: (N, L) or (N, R, L) bool, whether image n was classified rightly (in repeat r) at each level.
        share: of clean accuracy, between 0 and 1 (0.9: begins to fail, 0.5: fails).
        groups: (N,) labels of images that belong together (tracks); each image is its own group if not given,
            and the interval is then conditional on these images.
        confidence: of the interval.
        seed: of the bootstrap.
        chance: accuracy of a constant answer (the largest class share), which the target must exceed.

    Returns:
        The threshold in the unit of `levels`.

    Raises:
        ValueError: on wrong shapes or levels, or if `share` x clean accuracy is not above `chance`.
    """
    return find_threshold(
        resample(levels, correct, groups=groups, seed=seed), share=share, confidence=confidence, chance=chance
    )


def estimate_curve(
    levels: ArrayLike,
    correct: ArrayLike,
    *,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Curve:
    """Accuracy at each level with bootstrap intervals; arguments as in `estimate_threshold`."""
    return find_curve(resample(levels, correct, groups=groups, seed=seed), confidence=confidence)


def find_curve(sample: Resampled, *, confidence: float = 0.95) -> Curve:
    """The curve of a resampled data set: see `estimate_curve`."""
    tail = _expanded_tail(confidence, sample.groups)
    if len(sample.replicates):
        low, high = np.quantile(sample.replicates, [tail, 1 - tail], axis=0)
    else:
        low, high = np.zeros_like(sample.accuracy), np.ones_like(sample.accuracy)
    return Curve(sample.accuracy, low, high, monotone_curve(sample.accuracy))


def find_threshold(sample: Resampled, *, share: float, confidence: float = 0.95, chance: float = 0.0) -> Threshold:
    """The threshold of a resampled data set: see `estimate_threshold`."""
    _check_target(share, confidence, float(sample.accuracy[0]), chance)
    value = float(crossings(sample.levels, sample.accuracy[None], share)[0])
    if not len(sample.replicates):
        return _censor(sample.levels, value, -np.inf, np.inf, f"{_POINT}; no interval from one group")
    drawn = np.sort(crossings(sample.levels, sample.replicates, share))
    lower, upper = _bca_tails(sample, drawn, value, share, _expanded_tail(confidence, sample.groups))
    low, high = _order_statistic(drawn, lower), _order_statistic(drawn, upper)
    method = f"{_POINT}; BCa interval, {len(drawn)} bootstrap draws of {sample.groups} {sample.unit}"
    if np.isinf(value):
        return _censor(sample.levels, value, low, high, method)
    doubt = _interpolation_doubt(sample, value, share)
    low, high = value - float(np.hypot(value - low, doubt)), value + float(np.hypot(high - value, doubt))
    found = _censor(sample.levels, value, low, high, method)
    return found if found.censored else replace(found, sampling_error=_spread(drawn), interpolation_error=doubt)


def _spread(drawn: Floats) -> float:
    """Standard deviation of sorted draws from their middle 68%, or its lower half where draws are never reached."""
    low, middle, high = (_order_statistic(drawn, share) for share in ndtr([-1.0, 0.0, 1.0]))
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


def _interpolation_doubt(sample: Resampled, value: float, share: float) -> float:
    """How far the threshold moves if the curve is interpolated on a probit scale instead.

    Nothing is known between levels but that the curve falls. Where it falls within two or three levels this exceeds
    the sampling error of some thousand images; it is added to the interval in quadrature, and vanishes on finer grids.
    """
    clean = float(sample.accuracy[0])
    curve = _probit(np.minimum(monotone_curve(sample.accuracy) / clean, 1.0))[None]
    other = _cross(sample.levels, curve, _probit(np.array([share])), _limited_slopes(sample.levels, curve))[0]
    return float(abs(other - value))


def _probit(part: Floats) -> Floats:
    return np.asarray(ndtri((part + _PROBIT_MARGIN) / (1 + 2 * _PROBIT_MARGIN)))


def monotone_curve(accuracy: Floats) -> Floats:
    """The nearest curves (..., L) in least squares that never rise (isotonic regression)."""
    curves = np.array(accuracy, dtype=np.float64).reshape(-1, accuracy.shape[-1])
    rising = np.any(np.diff(curves, axis=1) > 0, axis=1)
    curves[rising] = _min_max(curves[rising])
    return curves.reshape(accuracy.shape)


def _min_max(curves: Floats) -> Floats:
    """Isotonic regression of (B, L) by its min-max formula: the least over starts of the largest mean over stops."""
    length = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    start, stop = np.arange(length)[:, None], np.arange(length)[None, :]
    means = (sums[:, None, 1:] - sums[:, :-1, None]) / np.maximum(stop - start + 1, 1)
    means = np.where(start <= stop, means, -np.inf)
    largest = np.maximum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(np.where(start <= stop, largest, np.inf).min(axis=1))


def crossings(levels: Floats, accuracy: Floats, share: float) -> Floats:
    """Where each of the curves (B, L), made monotone, falls to `share` of its first point: (B,), infinite if nowhere.

    Between levels the curve is a cubic spline whose slopes are limited so that it never rises (Fritsch and Carlson
    1980, Hyman 1983). A straight line would put the threshold of a curved descent a large part of its standard error
    too low at a few thousand images.
    """
    curves = monotone_curve(accuracy)
    return _cross(levels, curves, share * accuracy[:, 0], _limited_slopes(levels, curves))


def _cross(levels: Floats, curves: Floats, target: Floats, slopes: Floats) -> Floats:
    """Where falling curves (B, L) with slopes (B, L) at the levels reach targets (B,), infinite if nowhere."""
    below = curves <= target[:, None] + _TINY
    cell = np.maximum(below.argmax(axis=1), 1) - 1
    rows = np.arange(len(curves))
    width = levels[cell + 1] - levels[cell]
    part = _descend(
        curves[rows, cell] - target,
        np.minimum(curves[rows, cell + 1] - target, 0.0),
        slopes[rows, cell] * width,
        slopes[rows, cell + 1] * width,
    )
    reached = np.minimum(levels[cell] + part * width, levels[cell + 1])
    return np.asarray(np.where(below.any(axis=1), reached, np.inf))


def _limited_slopes(levels: Floats, curves: Floats) -> Floats:
    """Slopes of the cubic spline through each curve at the levels, cut to what keeps the curve from rising."""
    slopes = curves @ _spline_slopes(tuple(levels.tolist()))
    secants = np.diff(curves, axis=1) / np.diff(levels)
    gentlest = np.maximum(
        np.concatenate([secants[:, :1], secants], axis=1), np.concatenate([secants, secants[:, -1:]], axis=1)
    )
    return np.clip(slopes, 3 * gentlest, 0.0)


@lru_cache(maxsize=64)
def _spline_slopes(levels: tuple[float, ...]) -> Floats:
    """The matrix (L, L) that takes a curve to the slopes of its cubic spline."""
    return np.asarray(CubicSpline(levels, np.eye(len(levels)))(levels, 1).T)


def _descend(left: Floats, right: Floats, left_slope: Floats, right_slope: Floats) -> Floats:
    """The zeros in [0, 1] of falling cubics given by their values and slopes at both ends.

    Newton's method, halving the bracket where a step would leave it.
    """
    low, high = np.zeros_like(left), np.ones_like(left)
    cubic = 2 * (left - right) + left_slope + right_slope
    square = 3 * (right - left) - 2 * left_slope - right_slope
    part = left / np.maximum(left - right, _TINY)
    for _ in range(_NEWTON_STEPS):
        value = left + part * (left_slope + part * (square + part * cubic))
        low, high = np.where(value > 0, part, low), np.where(value > 0, high, part)
        step = part - value / np.minimum(left_slope + part * (2 * square + 3 * part * cubic), -_TINY)
        part = np.where((low <= step) & (step <= high), step, (low + high) / 2)
    return np.where(right == 0, 1.0, part)  # a flat end is a double zero, to which Newton's steps only creep


def _order_statistic(drawn: Floats, probability: float) -> float:
    """A quantile without interpolation, which infinities among the draws would spoil."""
    return float(drawn[min(int(probability * len(drawn)), len(drawn) - 1)])


def _expanded_tail(confidence: float, groups: int) -> float:
    """The tail of a percentile interval, widened for few groups as Student's t is (Hesterberg 2015, section 5.3)."""
    if groups < 2:
        return (1 - confidence) / 2
    quantile = stdtrit(groups - 1, (1 + confidence) / 2) * np.sqrt(groups / (groups - 1))
    return max(float(ndtr(-quantile)), _LEAST_TAIL)


def _censor(levels: Floats, value: float, low: float, high: float, method: str) -> Threshold:
    """Report only what the levels can show: nothing between `low` and the first level, nothing past the last."""
    first, last = float(levels[1]), float(levels[-1])
    low = float(levels[0]) if low < first else min(low, last)
    if np.isinf(value):
        return Threshold(np.inf, low, np.inf, "above", method)
    if value <= first:
        return Threshold(first, float(levels[0]), max(high, first), "below", method)
    return Threshold(value, min(low, value), max(high, value), "", method)


def _check_target(share: float, confidence: float, clean: float, chance: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share: {share}; give a number between 0 and 1")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence}; give a number between 0 and 1")
    if share * clean <= chance:
        raise ValueError(
            f"share x clean accuracy = {share:g} x {clean:.4g} is not above the {chance:.4g} of a constant answer, "
            "so there is no threshold to find: use a better model or a larger share"
        )
