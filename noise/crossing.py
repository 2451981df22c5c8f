"""Where a curve of accuracy falls to a share of its first point, and how sure that is for want of levels between.

The curve is made monotone by isotonic regression and crossed by a monotone cubic spline.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TINY = 1e-12
_NEWTON_STEPS = 14


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
    below = curves <= target[:, None] + TINY
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
    part = left / np.maximum(left - right, TINY)
    for _ in range(_NEWTON_STEPS):
        value = left + part * (left_slope + part * (square + part * cubic))
        low, high = np.where(value > 0, part, low), np.where(value > 0, high, part)
        step = part - value / np.minimum(left_slope + part * (2 * square + 3 * part * cubic), -TINY)
        part = np.where((low <= step) & (step <= high), step, (low + high) / 2)
    return np.where(right == 0, 1.0, part)  # a flat end is a double zero, to which Newton's steps only creep


def interpolation_doubt(levels: Floats, accuracy: Floats, share: float) -> tuple[float, float]:
    """How far before and after its interpolated crossing one curve (L,) may truly cross, for want of levels between.

    If the density of the images' tolerances has one mode, the curve within a cell is bounded by the slopes of the cells
    beside it: its fall may be as sudden as one likes, but is nowhere gentler than the gentlest of the three. So the
    crossing is bounded too. Where the three slopes are alike the levels resolve the fall, and the spline is far better
    than these bounds; where the neighbours are flat nothing is known but the cell. The bounds therefore count by the
    square of how unlike the slopes are, which exceeds the spline's errors on falls of five shapes
    (`benchmarks.threshold_coverage`). A cell that is flatter than both neighbours hides two modes, and bounds nothing.
    """
    curve, target = monotone_curve(accuracy), share * accuracy[0]
    value = float(crossings(levels, accuracy[None], share)[0])
    cell = max(int(np.argmax(curve <= target + TINY)), 1) - 1
    before, here, after = np.pad(-np.diff(curve) / np.diff(levels), 1)[cell : cell + 3]
    early, late = levels[cell], levels[cell + 1]
    alike = float(np.sqrt(before * after) / max(here, TINY))
    if alike <= 1:
        early, late = (
            max(early, late - (target - curve[cell + 1]) / max(min(after, here), TINY)),
            min(late, early + (curve[cell] - target) / max(min(before, here), TINY)),
        )
    weight = (1 - min(alike, 1 / max(alike, TINY))) ** 2
    return weight * max(value - early, 0.0), weight * max(late - value, 0.0)
