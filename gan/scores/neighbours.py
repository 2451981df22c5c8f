"""Precision, recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) by balls of neighbours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gan.scores.features import Features, blocks, checked_pair

BLOCK = 1000
ROUNDING = 1e-12
"""Share of the largest squared norm within which two squared distances are taken for equal."""


class Neighbours(NamedTuple):
    """What of either set lies in the balls around the other's samples.

    Attributes:
        precision: Share of generated samples in some real ball: are they realistic?
        recall: Share of real samples in some generated ball: is all of reality made?
        density: Real balls that a generated sample lies in, over k; above 1 where samples crowd.
        coverage: Share of real balls with a generated sample in them; an outlier among those does not fool it.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real: ArrayLike, fake: ArrayLike, *, k: int = 5) -> Neighbours:
    """Compare two sets by balls that reach from each sample to its k-th nearest neighbour in its own set.

    A sample on the surface of a ball, as copies of real ones are, is outside.

    Args:
        real: (N, D).
        fake: (M, D).
        k: Neighbours, itself not counted.

    Raises:
        ValueError: sets of k samples or fewer, features that are not finite or do not fit.
    """
    x, y = checked_pair(real, fake)
    fewest = min(len(x), len(y))
    if not 1 <= k < fewest:
        raise ValueError(f"k {k} with {fewest} samples: give more samples, or a k from 1 to {fewest - 1}")
    middle = x.mean(axis=0)
    (x, to_x), (y, to_y) = _lifted(x - middle), _lifted(y - middle)
    equal = ROUNDING * max(x[:, -1].max(), y[:, -1].max())
    real_radii, fake_radii = (_squared_radii(*one, k) - equal for one in ((x, to_x), (y, to_y)))
    balls = np.zeros(len(y), np.int64)
    recalled, covered = np.zeros(len(x), bool), np.zeros(len(x), bool)
    for rows in blocks(len(x), BLOCK):
        for columns in blocks(len(y), BLOCK):
            distances = x[rows] @ to_y[columns].T
            in_real = distances < real_radii[rows, None]
            balls[columns] += np.count_nonzero(in_real, axis=0)
            covered[rows] |= in_real.any(axis=1)
            recalled[rows] |= (distances < fake_radii[columns]).any(axis=1)
    return Neighbours(
        *(float(share) for share in ((balls > 0).mean(), recalled.mean(), balls.mean() / k, covered.mean()))
    )


def _lifted(features: Features) -> tuple[Features, Features]:
    """Two forms of samples (N, D + 2) whose products are squared distances: (-2 a, 1, |a|^2) and (b, |b|^2, 1)."""
    norms = np.einsum("nd,nd->n", features, features)[:, None]
    ones = np.ones_like(norms)
    return np.hstack([-2 * features, ones, norms]), np.hstack([features, norms, ones])


def _squared_radii(samples: Features, to: Features, k: int) -> Features:
    """Squared distance from each sample to its k-th nearest other one; each pair is computed once."""
    nearest = np.full((len(samples), k), np.inf)
    parts = blocks(len(samples), BLOCK)
    for number, rows in enumerate(parts):
        for columns in parts[number:]:
            distances = samples[rows] @ to[columns].T
            if rows == columns:
                np.fill_diagonal(distances, np.inf)
            else:
                nearest[columns] = _smallest(np.hstack([nearest[columns], distances.T]), k)
            nearest[rows] = _smallest(np.hstack([nearest[rows], distances]), k)
    radii: Features = nearest.max(axis=1)
    return radii


def _smallest(distances: Features, k: int) -> Features:
    distances.partition(k - 1, axis=1)
    return distances[:, :k]
