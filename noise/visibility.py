"""How much of a noise shows at a level, and the level at which it shows so much: from levels to a common axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator

from noise.crossing import monotone_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from noise.distortion import Measure

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_HALVINGS = 50
_DRAWS = 2000
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Reading:
    """A value with its interval, low <= value <= high; an end is infinite where the levels cannot show it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class VisibilityCurve:
    """The mean distortion of one noise by level, on the distance scale of its measure.

    Attributes:
        measure: what was measured.
        levels: (L,) increasing; the first is the clean image.
        distance: (L,) never falling, 0 at the clean image.
        under: (L,) how far the interval of the mean reaches down.
        over: (L,) how far it reaches up.
    """

    measure: Measure
    levels: Floats
    distance: Floats
    under: Floats
    over: Floats

    def distance_at(self, level: float) -> float:
        """The distance at a level between the first and the last."""
        return float(PchipInterpolator(self.levels, self.distance)(level))


def visibility_curve(
    measure: Measure, levels: ArrayLike, mean: ArrayLike, low: ArrayLike, high: ArrayLike
) -> VisibilityCurve:
    """Make the curve of one noise from the means of a measure over the same images at each level.

    Where more noise shows less by chance or by its nature (a hue that has turned half way), the curve is the nearest
    one that never falls.

    Args:
        measure: what was measured.
        levels: (L,) increasing; the first is the clean image.
        mean: (L,) in the measure's unit.
        low: (L,) lower ends of the means' intervals; NaN where unknown.
        high: (L,) upper ends.

    Raises:
        ValueError: fewer than two levels, or levels that do not increase.
    """
    at = np.asarray(levels, np.float64)
    if at.ndim != 1 or len(at) < 2 or np.any(np.diff(at) <= 0):
        raise ValueError(f"levels: {at.tolist()}; give two or more levels that increase")
    centre, one, other = (measure.to_distance(np.asarray(part, np.float64)) for part in (mean, low, high))
    under = np.maximum(centre - np.fmin(one, other), 0.0)
    over = np.maximum(np.fmax(one, other) - centre, 0.0)
    return VisibilityCurve(measure, at, -monotone_curve(-centre), np.nan_to_num(under), np.nan_to_num(over))


def read_at(curve: VisibilityCurve, level: float, low: float, high: float) -> Reading:
    """The measure at a threshold on the axis of levels.

    Between levels the curve is a cubic that never falls (Fritsch and Carlson 1980). The interval joins the threshold's
    own, read off the curve, and the sampling error of the curve there, as independent errors are joined.

    Args:
        curve: of the noise.
        level: the threshold; infinity (not reached) is read at the last level, which is a bound.
        low: lower end of its interval.
        high: upper end; infinity leaves the interval open on the side that shows more.

    Returns:
        The reading in the measure's unit; NaN where `level` is NaN.
    """
    if np.isnan(level):
        return Reading(np.nan, np.nan, np.nan)
    first, last = float(curve.levels[0]), float(curve.levels[-1])
    centre, start, stop = (float(np.clip(part, first, last)) for part in (level, low, high))
    distance = curve.distance_at(centre)
    under = np.hypot(distance - curve.distance_at(start), np.interp(centre, curve.levels, curve.under))
    over = np.hypot(curve.distance_at(stop) - distance, np.interp(centre, curve.levels, curve.over))
    least = max(distance - float(under), 0.0)
    most = np.inf if np.isinf(high) else distance + float(over)
    return _in_unit(curve.measure, distance, least, most)


def level_at(curve: VisibilityCurve, value: float) -> Reading:
    """The strongest level at which the mean does not show more than `value` of the measure (say, an SSIM of 0.95).

    The interval holds the levels at which the mean could do so by the error of its sampling.

    Returns:
        Levels; infinity where even the last level does not show so much.
    """
    target = float(curve.measure.to_distance(np.asarray(value, np.float64)))
    ends = (curve.distance, curve.distance + curve.over, np.maximum(curve.distance - curve.under, 0.0))
    return Reading(*(_crossing(curve.levels, -monotone_curve(-distance), target) for distance in ends))


def rank_intervals(value: ArrayLike, low: ArrayLike, high: ArrayLike, *, seed: int = 0) -> tuple[Integers, Integers]:
    """The 95% interval of each value's place among all, 1 the smallest.

    As many others come before a value for certain as lie clearly below it, by simultaneous intervals of its differences
    to all of them (Mogstad, Romano, Shaikh and Wilhelm 2024). That covers where values are close or equal, too, as the
    ranks of values drawn anew around the estimates do not. The critical value is a Monte Carlo over the intervals, the
    errors of which are taken as independent: those of the same images are alike in part, which only adds to the cover.

    Args:
        value: (N,) estimates.
        low: (N,) lower ends of their 95% intervals; an end that is infinite or unknown bounds nothing.
        high: (N,) upper ends.
        seed: of the Monte Carlo.

    Returns:
        The first and the last place (N,).
    """
    centre, *ends = (np.asarray(part, np.float64) for part in (value, low, high))
    under, over = (np.nan_to_num(np.abs(end - centre) / _NORMAL_95, nan=np.inf, posinf=np.inf) for end in ends)
    normal = np.random.default_rng(seed).normal(size=(_DRAWS, len(centre)))
    error = np.nan_to_num(normal * np.where(normal > 0, under, over), posinf=0.0, neginf=0.0)
    first, last = np.empty((2, len(centre)), np.int64)
    for place in range(len(centre)):
        above, below = np.hypot(under[place], over), np.hypot(over[place], under)
        apart, away = error[:, [place]] - error, centre[place] - centre
        critical = np.quantile(np.maximum(_in_errors(apart, above), _in_errors(-apart, below)).max(axis=1), 0.95)
        with np.errstate(invalid="ignore"):  # of one value alone nothing is clearly before, nor of what has no interval
            first[place] = 1 + np.sum(away > critical * above)
            last[place] = len(centre) - np.sum(-away > critical * below)
    return first, last


def _in_errors(apart: Floats, error: Floats) -> Floats:
    """Differences (B, N) in units of their standard errors (N,); 0 where nothing can be said."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(apart / error, nan=0.0)


def _crossing(levels: Floats, distance: Floats, target: float) -> float:
    beyond = np.flatnonzero(distance > target)
    if not len(beyond):
        return np.inf
    if beyond[0] == 0:
        return float(levels[0])
    curve = PchipInterpolator(levels, distance)
    low, high = float(levels[beyond[0] - 1]), float(levels[beyond[0]])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if curve(middle) <= target else (low, middle)
    return low


def _in_unit(measure: Measure, distance: float, least: float, most: float) -> Reading:
    value, one, other = measure.from_distance(np.array([distance, least, most])).tolist()
    return Reading(value, min(one, other), max(one, other))
