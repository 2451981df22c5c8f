"""From which level on a classifier fails significantly: paired tests of each level against the clean images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc
from scipy.stats import binom

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
        correct: (N, L) or (N, R, L) bool; the clean images have one answer, so of their repeats the first counts.
        alpha: family-wise error over the levels.

    Raises:
        ValueError: if the shapes do not fit.
    """
    levels_ = np.asarray(levels, dtype=np.float64)
    right = np.asarray(correct)
    if right.ndim == 2:
        right = right[:, None]
    if right.ndim != 3 or right.shape[2] != len(levels_) or len(levels_) < 2:
        raise ValueError(f"correct: shape {np.shape(correct)} for {len(levels_)} levels; give (images, levels)")
    clean = right[:, 0, 0]
    adjusted = holm(np.array([mcnemar_worse(clean, noisy) for noisy in np.moveaxis(right[:, :, 1:], 2, 0)]))
    p = np.concatenate([[np.nan], adjusted])
    significant = np.concatenate([[False], adjusted <= alpha])
    pairs = np.flatnonzero(significant[:-1] & significant[1:])
    return Significance(p, significant, float(levels_[pairs[0]]) if len(pairs) else np.inf)


def mcnemar_worse(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """One-sided p-value that the answers `after`, R of each image, are right less often than the one `before`.

    With R = 1 it is McNemar's exact test (1947). With more it is the larger of two that both come down to that one,
    and of which each holds where the other may not: see `_by_answers` and `_by_images`. A vote of the repeats would
    compare an answer with a verdict of several, which is right more often or less often by itself.

    Args:
        before: (N,).
        after: (N, R).
    """
    right = after.sum(axis=1, dtype=np.int64)
    return max(_by_answers(before, right, after.shape[1]), _by_images(np.where(before, right - after.shape[1], right)))


def _by_answers(before: NDArray[np.bool_], right: NDArray[np.int64], repeats: int) -> float:
    """McNemar's test with R answers for one (Miettinen 1969), exact where an image's R + 1 answers are exchangeable.

    Of an image with k right answers in all, the one `before` is then right with probability k / (R + 1).
    """
    total = before + right
    chance = np.ones(1)  # of each number of right answers before, over the images of which some are right
    for k in range(1, repeats + 1):
        images = int(np.sum(total == k))
        chance = np.convolve(chance, binom.pmf(np.arange(images + 1), images, k / (repeats + 1)))
    seen = int(np.sum(before & (total <= repeats)))
    return min(float(chance[seen:].sum()), 1.0)


def _by_images(gained: NDArray[np.int64]) -> float:
    """McNemar's test of the images' gains, of which each may be any share of an answer.

    The images that got worse and better count as so many as have the variance of the gains (Rao and Scott 1992). Exact
    where noise does the same to an image each time, so that its repeats are copies of one answer.
    """
    changed, squares = np.abs(gained).sum(), np.square(gained).sum()
    if not changed:
        return 1.0
    worse, better = (float(part.clip(0).sum() * changed / squares) for part in (-gained, gained))
    return float(betainc(worse, better + 1, 0.5)) if worse else 1.0


def holm(p: Floats) -> Floats:
    """P-values (L,) adjusted by the step-down method of Holm (1979): they control the family-wise error."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
