"""From which level on a classifier fails significantly: paired tests of each level against the clean images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtrc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Significance:
    """Tests of each level against the first.

    Attributes:
        p: (L,) p-values adjusted by Holm's method over the levels; NaN at the first level.
        significant: (L,) whether the level is rejected.
        level: the first of two levels in a row that are rejected; infinity where there is no such pair.
    """

    p: Floats
    significant: NDArray[np.bool_]
    level: float


def failing_significantly(levels: ArrayLike, correct: ArrayLike, *, alpha: float = 0.05) -> Significance:
    """Find the first of two levels in a row at which accuracy lies significantly below that of the clean images.

    McNemar's test takes images as independent. Frames of one track are near-copies, so with tracks the p-values are
    too small: read the result as "on these images", and the thresholds with group intervals as "on new signs".

    Args:
        levels: (L,) increasing levels, the first clean.
        correct: (N, L) or (N, R, L) bool; of repeats, an image counts as right at a level if more than half are.
        alpha: family-wise error over the levels.

    Raises:
        ValueError: if the shapes do not fit.
    """
    levels_ = np.asarray(levels, dtype=np.float64)
    right = np.asarray(correct)
    if right.ndim == 3:
        right = right.mean(axis=1) > 0.5
    if right.ndim != 2 or right.shape[1] != len(levels_) or len(levels_) < 2:
        raise ValueError(f"correct: shape {np.shape(correct)} for {len(levels_)} levels; give (images, levels)")
    adjusted = holm(mcnemar_worse(right[:, :1], right[:, 1:]))
    p = np.concatenate([[np.nan], adjusted])
    significant = np.concatenate([[False], adjusted <= alpha])
    pairs = np.flatnonzero(significant[:-1] & significant[1:])
    return Significance(p, significant, float(levels_[pairs[0]]) if len(pairs) else np.inf)


def mcnemar_worse(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Floats:
    """Exact one-sided p-values of McNemar's test that `after` is right less often than `before`.

    Of the images whose answer changed, as many should have got worse as better: P(X >= worse), X ~ Bin(changed, 1/2)
    (McNemar 1947, in its exact form). Images lie along the first axis, tests along the others.
    """
    worse = np.sum(before & ~after, axis=0)
    better = np.sum(~before & after, axis=0)
    return np.asarray(bdtrc(worse - 1, worse + better, 0.5), dtype=np.float64)


def holm(p: Floats) -> Floats:
    """P-values (L,) adjusted by the step-down method of Holm (1979): they control the family-wise error."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
