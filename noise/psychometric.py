"""A psychometric function fitted to a curve of accuracy: shown beside the threshold, never in its place.

Accuracy at a level is `guess + (1 - guess - lapse) * (1 - F(level))`, where F is the share of images whose tolerance
lies below the level (Wichmann and Hill 2001). The guess rate is what remains far out, the lapse rate what is missing
on clean images; both are free. F is a logistic or a Gaussian distribution function of the distance from the
clean level or of its logarithm: of the four, the one of largest likelihood is kept (they have as many parameters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, ndtr, xlogy

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

MIN_LEVELS = 6
MAX_MISFIT = 0.03
_SHAPES: dict[str, Callable[[Floats], Floats]] = {"logistic": expit, "gaussian": ndtr}
_TINY = 1e-9


@dataclass(frozen=True)
class PsychometricFit:
    """A fitted curve; all numbers are NaN where it does not fit.

    Attributes:
        shape: "logistic", "gaussian", "log-logistic", "log-gaussian", or "" where nothing fits.
        guess: accuracy that remains at the strongest noise.
        lapse: share missing on clean images.
        location: level at which half of the images that can fail have failed.
        scale: of the distribution of tolerances, in the unit of the levels or of their logarithm.
        fitted: (L,) accuracy at the levels.
        log_likelihood: binomial, up to a constant.
        low: the clean level, from which distances are taken.
    """

    shape: str
    guess: float
    lapse: float
    location: float
    scale: float
    fitted: Floats
    log_likelihood: float
    low: float

    def accuracy(self, levels: ArrayLike) -> Floats:
        """Accuracy at any levels."""
        distance = np.asarray(levels, dtype=np.float64) - self.low
        if not self.shape:
            return np.full(distance.shape, np.nan)
        parameters = np.array([self.location - self.low, self.scale, self.guess, self.lapse])
        return _accuracy(self.shape, distance, parameters)

    def crossing(self, share: float, last: float) -> float:
        """The level at which the fitted curve falls to `share` of its clean value: NaN if not before level `last`."""
        if not self.shape:
            return float("nan")
        target = share * float(self.accuracy(self.low))
        if float(self.accuracy(last)) > target:
            return float("nan")
        return float(brentq(lambda level: float(self.accuracy(level)) - target, self.low, last, xtol=1e-12))


def fit_psychometric(levels: ArrayLike, right: ArrayLike, answers: ArrayLike) -> PsychometricFit:
    """Fit by maximum likelihood, with free guess and lapse rates.

    A curve is said not to fit, and is NaN, if there are fewer than six levels, if its middle lies beyond the last
    level (its guess rate is then not in the data), or if it is anywhere further from an accuracy than both 0.03 and
    three standard errors.

    Args:
        levels: (L,) increasing; the first is the clean level.
        right: (L,) right answers.
        answers: (L,) or a single number of answers.

    Returns:
        The best of the four shapes.

    Raises:
        ValueError: on wrong shapes or counts.
    """
    levels_ = np.asarray(levels, dtype=np.float64)
    right_ = np.asarray(right, dtype=np.float64)
    total = np.broadcast_to(np.asarray(answers, dtype=np.float64), right_.shape)
    if levels_.ndim != 1 or right_.shape != levels_.shape:
        raise ValueError(f"right: shape {right_.shape} for levels of shape {levels_.shape}; give one count a level")
    if np.any(right_ < 0) or np.any(right_ > total) or np.any(total <= 0):
        raise ValueError("right: counts must lie between 0 and the number of answers")
    if len(levels_) < MIN_LEVELS:
        return _no_fit(levels_)
    distance = levels_ - levels_[0]
    fits = [
        _fit_shape(shape, distance, right_, total) for shape in ("logistic", "gaussian", "log-logistic", "log-gaussian")
    ]
    shape, parameters, likelihood = max(fits, key=lambda fit: fit[2])
    fitted = _accuracy(shape, distance, parameters)
    if not _fits(fitted, right_ / total, total) or parameters[0] > distance[-1]:
        return _no_fit(levels_)
    location, scale, guess, lapse = (float(value) for value in parameters)
    return PsychometricFit(
        shape, guess, lapse, location + float(levels_[0]), scale, fitted, likelihood, float(levels_[0])
    )


def _fits(fitted: Floats, accuracy: Floats, total: Floats) -> bool:
    error = np.sqrt(np.maximum(fitted * (1 - fitted), 1 / total) / total)
    return bool(np.all(np.abs(fitted - accuracy) <= np.maximum(MAX_MISFIT, 3 * error)))


def _no_fit(levels: Floats) -> PsychometricFit:
    nan = float("nan")
    return PsychometricFit("", nan, nan, nan, nan, np.full(len(levels), nan), nan, float(levels[0]))


def _accuracy(shape: str, distance: Floats, parameters: Floats) -> Floats:
    """Accuracy at a distance from clean; parameters are location, scale, guess and lapse rate."""
    location, scale, guess, lapse = parameters
    return np.asarray(
        guess + (1 - guess - lapse) * _SHAPES[shape.removeprefix("log-")](-_score(shape, distance, location, scale))
    )


def _score(shape: str, distance: Floats, location: float, scale: float) -> Floats:
    """How many scales a distance lies beyond the location; minus infinity for the clean level on a logarithm."""
    if not shape.startswith("log-"):
        return np.asarray((distance - location) / scale)
    with np.errstate(divide="ignore"):
        return np.asarray((np.log(distance) - np.log(location)) / scale)


def _fit_shape(shape: str, distance: Floats, right: Floats, total: Floats) -> tuple[str, Floats, float]:
    """Maximise the likelihood of one shape from a few starts."""

    def loss(free: Floats) -> float:
        p = np.clip(_accuracy(shape, distance, _bounded(free)), _TINY, 1 - _TINY)
        return -float(np.sum(xlogy(right, p) + xlogy(total - right, 1 - p))) / float(total.sum())

    best = min(
        (
            minimize(loss, start, method="BFGS", options={"gtol": 1e-7})
            for start in _starts(shape, distance, right / total)
        ),
        key=lambda result: float(result.fun),
    )
    return shape, _bounded(best.x), -float(best.fun) * float(total.sum())


def _bounded(free: Floats) -> Floats:
    """Any four numbers to a positive location and scale, and rates whose sum stays below 1."""
    location, scale = np.exp(np.clip(free[:2], -30, 30))
    weights = np.exp(np.clip(np.array([free[2], free[3], 0.0]), -30, 30))
    guess, lapse, _ = weights / weights.sum()
    return np.array([location, scale, guess, lapse])


def _starts(shape: str, distance: Floats, accuracy: Floats) -> list[Floats]:
    """Where the fall is halfway, with two widths, and rates near what both ends show."""
    guess, lapse = max(float(accuracy.min()), 1e-3), max(1 - float(accuracy[0]), 1e-3)
    half = (accuracy.max() + accuracy.min()) / 2
    middle = distance[max(int(np.argmax(accuracy <= half)), 1)]
    widths = (0.15, 0.5) if shape.startswith("log-") else (0.08 * distance[-1], 0.2 * distance[-1])
    rest = max(1 - guess - lapse, 1e-3)
    return [np.log([middle, width, guess / rest, lapse / rest]) for width in widths]
