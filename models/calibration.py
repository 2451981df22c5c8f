"""Whether confidence tells right answers from wrong ones: its calibration, and how well it sorts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit, stdtrit
from scipy.stats import rankdata

from models.scores import calibration_error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve with its interval; `value` is NaN where one of the two kinds is missing.

    `low` and `high` are NaN too where the variance cannot be estimated: one of a kind, a perfect separation, or
    scores that are all equal.
    """

    value: float
    low: float
    high: float


def answer_calibration_error(right: ArrayLike, confidence: ArrayLike) -> float:
    """`models.scores.calibration_error` of (N,) answers of which only confidence and rightness are known."""
    wrong = ~np.asarray(right, dtype=bool)
    # As the only class, each answer is class 0: a label of 1 makes it wrong.
    return calibration_error(wrong.astype(np.int64), np.asarray(confidence, np.float64)[:, None])


def auroc(score: ArrayLike, positive: ArrayLike, groups: ArrayLike | None = None, *, confidence: float = 0.95) -> Auroc:
    """The chance that a positive has a higher score than a negative, ties counted half.

    The variance is that of DeLong et al. (1988), by midranks; with groups, whose members are not independent, each
    group's influences are summed first (Obuchowski 1997). The interval is symmetric on the logit scale, by Student's t
    with Satterthwaite's degrees of freedom as Brunner and Munzel (2000) use, for errors that are few. With a dozen
    negatives a 95% interval covers 94% of the time around 0.86, and 87% around 0.96.

    Args:
        score: (N,) finite numbers.
        positive: (N,) bool.
        groups: (N,) whole numbers from 0, equal for members of a group; each is its own group if not given.
        confidence: of the interval.
    """
    scores, kind = np.asarray(score, np.float64), np.asarray(positive, dtype=bool)
    count, others = int(kind.sum()), int((~kind).sum())
    if not count or not others:
        return Auroc(np.nan, np.nan, np.nan)
    rank = rankdata(scores)
    placement = np.empty(len(scores))  # share of the other kind that lies on the wrong side is 1 - placement
    placement[kind] = (rank[kind] - rankdata(scores[kind])) / others
    placement[~kind] = 1 - (rank[~kind] - rankdata(scores[~kind])) / count
    value = float(placement[kind].mean())
    if min(count, others) < 2 or np.ptp(placement) == 0:
        return Auroc(value, np.nan, np.nan)
    influence = (placement - value) / np.where(kind, np.sqrt(count * (count - 1)), np.sqrt(others * (others - 1)))
    members = np.arange(len(scores)) if groups is None else np.asarray(groups, np.int64)
    half = _quantile(influence, kind, members, confidence) * _spread(influence, members) / (value * (1 - value))
    return Auroc(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))


def _spread(influence: Floats, groups: NDArray[np.int64]) -> float:
    return float(np.sqrt(np.sum(np.bincount(groups, weights=influence) ** 2)))


def _quantile(influence: Floats, kind: NDArray[np.bool_], groups: NDArray[np.int64], confidence: float) -> float:
    """Of Student's t, with as many degrees of freedom as the two kinds' variances have (Satterthwaite)."""
    parts = np.array([np.sum(influence[one] ** 2) for one in (kind, ~kind)])
    freedom = np.array([max(len(np.unique(groups[one])) - 1, 1) for one in (kind, ~kind)])
    return float(stdtrit(parts.sum() ** 2 / np.sum(parts**2 / freedom), (1 + confidence) / 2))
