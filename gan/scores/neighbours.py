"""Precision, recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) by balls of neighbours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from gan.scores.features import Features, blocks, checked_pair, in_parallel

BLOCK = 2**22
"""Distances that a thread holds at a time."""
PAIRS = 4096
"""Pairs of samples whose differences are held at a time."""
ROUNDING = 1e-12
"""Relative difference of two squared distances that are taken for equal."""


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
    reals, fakes = _rounded(x, y)
    real_radii, fake_radii = (_squared_radii(each, k) * (1 - ROUNDING) for each in (reals, fakes))

    def inside(rows: slice) -> tuple[NDArray[np.intp], int, int]:
        """Balls of these real samples around each other one, how many have one, and how many lie in another's."""
        apart = Distances(reals, rows, fakes)
        in_real, in_fake = apart.below(real_radii[rows, None]), apart.below(fake_radii[None, :])
        return np.sum(in_real, axis=0), int(in_real.any(axis=1).sum()), int(in_fake.any(axis=1).sum())

    balls, covered, recalled = (sum(parts) for parts in zip(*in_parallel(inside, _rows(reals, fakes)), strict=True))
    precision, density = float((balls > 0).mean()), float(balls.mean()) / k
    return Neighbours(precision, recalled / len(x), density, covered / len(x))


def _squared_radii(samples: "Samples", k: int) -> Features:
    """Squared distance (N,) from each sample to its k-th nearest other one."""
    parts = in_parallel(lambda rows: Distances(samples, rows, samples).to_nearest(k), _rows(samples, samples))
    return np.concatenate(parts)


def _rows(samples: "Samples", others: "Samples") -> list[slice]:
    return blocks(len(samples.exact), max(1, BLOCK // len(others.exact)))


class Samples(NamedTuple):
    """Samples (N, D), and the same in single precision, moved and scaled so that none is longer than 1.

    Attributes:
        exact: In double precision, as they were given.
        rounded: Moved and scaled, in single precision.
        norms: Their squared lengths (N,).
        unit: What a squared distance of 1 between these is between the exact ones.
    """

    exact: Features
    rounded: NDArray[np.float32]
    norms: NDArray[np.float32]
    unit: float


def _rounded(x: Features, y: Features) -> list[Samples]:
    """Both sets, moved and scaled alike."""
    middle = x.mean(axis=0)
    moved = [x - middle, y - middle]
    norms = [np.einsum("nd,nd->n", each, each) for each in moved]
    unit = float(max(each.max() for each in norms)) or 1.0
    for each in moved:
        each /= np.sqrt(unit)
    return [
        Samples(exact, each.astype(np.float32), (norm / unit).astype(np.float32), unit)
        for exact, each, norm in zip((x, y), moved, norms, strict=True)
    ]


class Distances:
    """Squared distances from some samples (B, D) to others (M, D).

    They are taken in single precision, which halves the time, and again in double precision where the error of single
    precision could change an answer. Answers are those of double precision.

    Args:
        samples: Of which some are asked.
        rows: Which.
        others: If they are the same set, no sample is its own neighbour.
    """

    def __init__(self, samples: Samples, rows: slice, others: Samples) -> None:
        self._from, self._to, self._unit = samples.exact[rows], others.exact, samples.unit
        self._rough = samples.rounded[rows] @ others.rounded.T
        self._rough *= -2
        self._rough += samples.norms[rows, None]
        self._rough += others.norms
        if samples is others:
            own = np.arange(len(self._from))
            self._rough[own, rows.start + own] = np.inf
        # D products of rounded numbers and two norms, whose sizes add up to at most 4 (Higham 2002, section 3.1).
        self._error = 4 * (self._to.shape[1] + 4) * float(np.finfo(np.float32).eps)

    def below(self, bounds: Features) -> NDArray[np.bool_]:
        """Which (B, M) are less than bounds, (B, 1) or (1, M)."""
        beyond = self._rough - (bounds / self._unit).astype(np.float32)
        found: NDArray[np.bool_] = beyond < 0
        row, column = np.nonzero(np.abs(beyond, out=beyond) <= self._error)
        found[row, column] = self._exact(row, column) < np.broadcast_to(bounds, found.shape)[row, column]
        return found

    def to_nearest(self, k: int) -> Features:
        """The k-th least (B,) of each row."""
        beyond = self._rough - np.partition(self._rough, k - 1, axis=1)[:, k - 1 : k]
        nearer = np.count_nonzero(beyond < -2 * self._error, axis=1)
        row, column = np.nonzero(np.abs(beyond, out=beyond) <= 2 * self._error)
        distances = self._exact(row, column)
        ascending = distances[np.lexsort((distances, row))]
        found: Features = ascending[np.searchsorted(row, np.arange(len(nearer))) + k - 1 - nearer]
        return found

    def _exact(self, row: NDArray[np.intp], column: NDArray[np.intp]) -> Features:
        """Of these pairs, in double precision."""
        if len(row) > self._rough.size // 16:  # then all of them are faster
            found: Features = cdist(self._from, self._to, "sqeuclidean")[row, column]
            return found
        found = np.empty(len(row))
        for some in blocks(len(row), PAIRS):
            apart = self._from[row[some]] - self._to[column[some]]
            found[some] = np.einsum("pd,pd->p", apart, apart)
        return found
