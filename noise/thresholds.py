"""Where a curve of accuracy against noise level first falls to a share of clean accuracy, with an interval.

The interval holds the images being a sample (`noise.resampling`), and that nothing was measured between levels
(`noise.crossing`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from noise.crossing import TINY, crossings, interpolation_doubt, monotone_curve
from noise.intervals import (
    accuracy_interval,
    expanded_tail,
    order_statistic,
    sampling_interval,
    spread,
    up_to_first_fall,
)
from noise.resampling import FEWEST_GROUPS, resample, resample_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from noise.resampling import Labels, Resampled

    Floats = NDArray[np.float64]

_POINT = "isotonic regression, monotone cubic spline"
_HALVINGS = 40


@dataclass(frozen=True)
class Threshold:
    """The level at which accuracy has fallen to a share of clean accuracy.

    Attributes:
        value: the first such level, in the noise's own unit; infinity where the curve never falls that far.
        low: lower end of the interval; -infinity where the groups are too few or unequal for an honest one.
        high: upper end of the interval; infinity where it lies beyond the last level, or where there is none.
        censored: "" | "above" (not reached in range) | "below" (already reached at the first level above `low`;
            then `value` is that level and the truth lies at or under it).
        method: how value and interval were found, in words.
        sampling_error: standard error that comes of the images being a sample: the floor that no number of levels
            beats; NaN where the threshold is censored or there is no interval.
        interpolation_error: how far it may lie from there for want of levels between, at most; NaN likewise.
    """

    value: float
    low: float
    high: float
    censored: str
    method: str
    sampling_error: float = np.nan
    interpolation_error: float = np.nan


@dataclass(frozen=True)
class Comparison:
    """How much more of a noise one network stands than another.

    Attributes:
        ratio: threshold of a over that of b; infinity or 0 where only one is reached, NaN where neither can be told.
        low: lower end of the interval.
        high: upper end of the interval.
        censored: "" | "above" (a's is not reached, or b's is below the first level: the ratio is at least `low`) |
            "below" (the other way round) | "both" (neither can be told).
        p: of the hypothesis that the thresholds are equal: the interval of confidence 1 - p just holds 1.
        method: how the interval was found, in words.
    """

    ratio: float
    low: float
    high: float
    censored: str
    p: float
    method: str


@dataclass(frozen=True)
class Curve:
    """Accuracy at each level: arrays of shape (L,).

    Attributes:
        accuracy: share of correct answers, repeats averaged within an image.
        low: lower end of the interval.
        high: upper end of the interval.
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
    """Find where accuracy first falls to `share` of clean accuracy, with an interval.

    Args:
        levels: (L,) increasing noise levels; the first is the clean image.
        correct: (N, L) or (N, R, L) bool, whether image n was classified rightly (in repeat r) at each level.
        share: of clean accuracy, between 0 and 1 (0.9: begins to fail, 0.5: fails).
        groups: (N,) labels of images that belong together (tracks), whatever their sizes; each image is its own group
            if not given, and the interval is then conditional on these images.
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


def compare_thresholds(
    levels: ArrayLike,
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    *,
    share: float,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    step: float = 0.0,
) -> Comparison:
    """Compare the thresholds of two networks on the same images under the same noise fields.

    Both curves are taken of the same draws of images, so that what both networks find hard cancels.

    Args:
        levels: (L,) increasing noise levels; the first is the clean image.
        correct_a: (N, L) or (N, R, L) bool, the answers of one network.
        correct_b: of the same shape, the answers of the other to the same images.
        share: of each network's own clean accuracy, between 0 and 1.
        groups: (N,) labels of images that belong together (tracks).
        confidence: of the interval.
        seed: of the bootstrap.
        step: of a noise that changes the image in steps, as in `find_threshold`; half a step is part of the interval.

    Returns:
        The ratio of the thresholds, a's over b's, each counted from the clean level.

    Raises:
        ValueError: on wrong shapes or levels, or if a network has no right clean answer.
    """
    answers = [np.asarray(correct) for correct in (correct_a, correct_b)]
    if answers[0].shape != answers[1].shape:
        raise ValueError(f"correct_b: shape {answers[1].shape}, correct_a: {answers[0].shape}; give the same images")
    curves = [(levels, correct) for correct in answers]
    pair = [sample.on_steps(step) for sample in resample_together(curves, groups=groups, seed=seed)]
    return _compare(pair, share, confidence, step)


def estimate_curve(
    levels: ArrayLike,
    correct: ArrayLike,
    *,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Curve:
    """Accuracy at each level with its interval; arguments as in `estimate_threshold`."""
    return find_curve(resample(levels, correct, groups=groups, seed=seed), confidence=confidence)


def find_curve(sample: Resampled, *, confidence: float = 0.95) -> Curve:
    """The curve of a resampled data set: see `estimate_curve`."""
    low, high = accuracy_interval(sample, confidence)
    return Curve(sample.accuracy, low, high, monotone_curve(sample.accuracy))


def find_threshold(
    sample: Resampled, *, share: float, confidence: float = 0.95, chance: float = 0.0, step: float = 0.0
) -> Threshold:
    """The threshold of a resampled data set: see `estimate_threshold`.

    Args:
        sample: the curve.
        share: of clean accuracy.
        confidence: of the interval.
        chance: accuracy of a constant answer.
        step: of a noise that changes the image only at (k - 1/2) `step` for whole k, as black rows do; the threshold
            and its interval then end at such levels. 0: at every level.

    Raises:
        ValueError: if `share` x clean accuracy is not above `chance`.
    """
    _check_target(share, confidence, float(sample.accuracy[0]), chance)
    found = _find(sample.on_steps(step), share, confidence)
    if not step or found.censored or np.isneginf(found.low):
        return found
    value, low, high = (
        float((np.ceil(end / step - TINY) - 0.5) * step) for end in (found.value, found.low, found.high)
    )
    return replace(found, value=value, low=low, high=high, method=f"{found.method}; steps of {step:.3g}")


def _find(sample: Resampled, share: float, confidence: float) -> Threshold:
    first, again = up_to_first_fall(sample, share, confidence)
    levels = first.levels
    value = float(crossings(levels, first.accuracy[None], share)[0])
    if not len(first.replicates):
        return replace(_censor(levels, value, value, value, _no_interval(sample)), low=-np.inf, high=np.inf)
    drawn = np.sort(crossings(levels, first.replicates, share))
    low, high = sampling_interval(first, drawn, value, share, confidence)
    way = (
        "BCa interval, {} bootstrap draws of {} {}"
        if sample.redrawn
        else "Student's t, {} draws of the common law of {} {}"
    )
    method = f"{_POINT}; {way.format(len(drawn), sample.groups, sample.unit)}{again}"
    if np.isinf(value):
        return _censor(levels, value, low, high, method)
    early, late = interpolation_doubt(levels, first.accuracy, share)
    low = value - float(np.hypot(value - low, early))
    if np.isfinite(high):
        high = min(value + float(np.hypot(high - value, late)), float(levels[-1]))
    found = _censor(levels, value, low, high, method)
    if found.censored:
        return found
    return replace(found, sampling_error=spread(drawn), interpolation_error=max(early, late))


def _no_interval(sample: Resampled) -> str:
    return (
        f"{_POINT}; no honest interval: {sample.groups} {sample.unit} of these sizes tell as little as "
        f"{sample.effective:.1f} of one size, and it takes {FEWEST_GROUPS}"
    )


def _compare(pair: Sequence[Resampled], share: float, confidence: float, step: float) -> Comparison:
    for sample in pair:
        _check_target(share, confidence, float(sample.accuracy[0]), 0.0)
    a, b = (_reached(up_to_first_fall(sample, share, confidence)[0], share, step) for sample in pair)
    ratio, censored = _ratio(a, b)
    if not len(pair[0].replicates):
        return Comparison(ratio, 0.0, np.inf, censored, 1.0, _no_interval(pair[0]))
    with np.errstate(divide="ignore"):
        least = np.sort(np.log(a.least) - np.log(b.most))
        most = np.sort(np.log(a.most) - np.log(b.least))

    def ends(trust: float) -> tuple[float, float]:
        tail = expanded_tail(pair[0], trust)
        low, high = order_statistic(least, tail), order_statistic(most, 1 - tail)
        if censored:
            return low, high
        middle = float(np.log(ratio))
        under, over = np.hypot(a.before, b.after), np.hypot(a.after, b.before)
        return middle - float(np.hypot(middle - low, under)), middle + float(np.hypot(high - middle, over))

    low, high = (float(np.exp(end)) for end in ends(confidence))
    method = f"{_POINT}; percentiles of {len(least)} joint draws of {pair[0].groups} {pair[0].unit}"
    return Comparison(ratio, low, high, censored, _p_value(ends), method)


@dataclass(frozen=True)
class _Reached:
    """Where a network's threshold lies, and does in each draw, counted from the clean level.

    Attributes:
        value: of the sample; 0 where it lies below the first level, infinity where it is not reached.
        least: (B,) the least that it can be in each draw: the last level where it is not reached, 0 below the first.
        most: (B,) the most.
        before: doubt of interpolation before the value, as a difference of logarithms.
        after: doubt after the value.
    """

    value: float
    least: Floats
    most: Floats
    before: float
    after: float


def _reached(sample: Resampled, share: float, step: float) -> _Reached:
    levels = sample.levels - sample.levels[0]
    first, last = levels[1], levels[-1]
    value = float(crossings(levels, sample.accuracy[None], share)[0])
    drawn = crossings(levels, sample.replicates, share)
    least = np.where(drawn <= first, 0.0, np.minimum(drawn, last))
    most = np.where(drawn <= first, first, drawn)
    if not first < value < np.inf:
        return _Reached(0.0 if value <= first else value, least, most, 0.0, 0.0)
    early, late = np.hypot(interpolation_doubt(levels, sample.accuracy, share), step / 2)
    before = -float(np.log(max(1 - early / value, TINY)))
    return _Reached(value, least, most, before, float(np.log1p(late / value)))


def _ratio(a: _Reached, b: _Reached) -> tuple[float, str]:
    """The ratio of two thresholds, and which way it is open."""
    told = [0 < one.value < np.inf for one in (a, b)]
    if all(told):
        return a.value / b.value, ""
    if not any(told) and a.value == b.value:
        return np.nan, "both"
    return (np.inf, "above") if a.value > b.value else (0.0, "below")


def _p_value(ends: Callable[[float], tuple[float, float]]) -> float:
    """One less the largest confidence whose interval excludes a ratio of 1, by bisection."""
    within, beyond = 1.0, 0.0  # confidences
    for _ in range(_HALVINGS):
        trust = (within + beyond) / 2
        low, high = ends(trust)
        within, beyond = (trust, beyond) if low <= 0 <= high else (within, trust)
    return 1 - beyond


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
