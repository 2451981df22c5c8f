"""Mean and covariance of features that arrive in batches, from one process or many."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import ArrayLike

from gan.scores.features import Features, checked, same_dimension


@dataclass(frozen=True)
class Moments:
    """All that the Frechet distance needs to know of a set; its size does not grow with n.

    Attributes:
        n: Samples.
        mean: (D,).
        scatter: Sum over samples of the outer product of their deviations from the mean, (D, D).
    """

    n: int
    mean: Features
    scatter: Features

    @classmethod
    def of(cls, features: ArrayLike) -> "Moments":
        """Of features (N, D), at least one.

        Raises:
            ValueError: there are none, or they are no matrix of finite numbers.
        """
        found = checked(features)
        if not len(found):
            raise ValueError("there are no features; give at least one sample")
        mean = found.mean(axis=0)
        centred = found - mean
        return cls(len(found), mean, centred.T @ centred)

    @classmethod
    def of_batches(cls, batches: Iterable[ArrayLike]) -> "Moments":
        """Of batches of features that are seen once, one after the other.

        Raises:
            ValueError: as `of`, or there is no batch.
        """
        parts = map(cls.of, batches)
        first = next(parts, None)
        if first is None:
            raise ValueError("there are no features; give at least one batch")
        return reduce(add, parts, first)

    def __add__(self, other: "Moments") -> "Moments":
        """Of both sets together, without cancellation (Chan, Golub and LeVeque 1979)."""
        same_dimension(len(self.mean), len(other.mean))
        n, apart = self.n + other.n, other.mean - self.mean
        between = np.outer(apart, apart * (self.n * other.n / n))
        return Moments(n, self.mean + apart * (other.n / n), self.scatter + other.scatter + between)

    @property
    def covariance(self) -> Features:
        """Unbiased, (D, D)."""
        return self.scatter / (self.n - 1)
