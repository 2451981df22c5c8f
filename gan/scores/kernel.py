"""The kernel distance between two sets of features (Binkowski et al. 2018): unbiased, and exact for small sets."""

from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import ArrayLike

from gan.scores.features import Estimate, Features, blocks, checked_pair, in_parallel

BLOCK = 1000


def kernel_distance(
    real: ArrayLike, fake: ArrayLike, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Estimate:
    """The squared maximum mean discrepancy under k(a, b) = (a.b / D + 1)^3; KID with InceptionV3.

    The value is that of all samples, and below zero about as often as above where the sets are alike; the spread is
    that of random subsets, which other libraries also average for a value. The kernel is not translation invariant,
    so features are not centred. Every kernel value is computed once, in blocks, and serves all subsets.

    Args:
        real: (N, D).
        fake: (M, D).
        subsets: How many random subsets the spread is over.
        subset_size: Samples in each, of either set, drawn without replacement.
        seed: Of the subsets.

    Returns:
        The value over all samples and its standard deviation over the subsets.

    Raises:
        ValueError: fewer samples than a subset has, features that are not finite or do not fit.
    """
    x, y = checked_pair(real, fake)
    fewest = min(len(x), len(y))
    if not 2 <= subset_size <= fewest:
        raise ValueError(
            f"subset_size {subset_size} with {fewest} samples: give more samples, or a subset_size from 2 to {fewest}"
        )
    random = np.random.default_rng(seed)
    in_x, in_y = (_membership(random, len(one), subsets, subset_size) for one in (x, y))
    n, m = in_x.sum(axis=0), in_y.sum(axis=0)
    across = _kernel_sums(x, y, in_x, in_y) / (n * m)
    distances = _inner_sums(x, in_x) / (n * (n - 1)) + _inner_sums(y, in_y) / (m * (m - 1)) - 2 * across
    return Estimate(float(distances[0]), float(distances[1:].std()) if subsets else 0.0)


def _membership(random: np.random.Generator, samples: int, subsets: int, size: int) -> Features:
    """1 where a sample (N,) is in a set (1 + subsets,); the first set holds them all."""
    members = np.zeros((samples, 1 + subsets))
    members[:, 0] = 1
    for subset in range(1, 1 + subsets):
        members[random.permutation(samples)[:size], subset] = 1
    return members


def _kernel(a: Features, b: Features) -> Features:
    found: Features = a @ b.T
    found /= a.shape[1]
    found += 1
    squared = found * found
    found *= squared
    return found


def _kernel_sums(a: Features, b: Features, in_a: Features, in_b: Features) -> Features:
    """In each set, the sum of the kernel over all pairs of the two matrices' members."""

    def sums(place: tuple[slice, slice]) -> Features:
        rows, columns = place
        return _block_sums(_kernel(a[rows], b[columns]), in_a[rows], in_b[columns])

    places = [*product(blocks(len(a), BLOCK), blocks(len(b), BLOCK))]
    total: Features = np.sum(in_parallel(sums, places), axis=0)
    return total


def _inner_sums(a: Features, members: Features) -> Features:
    """In each set, the sum of the kernel over all ordered pairs of different members."""

    def sums(place: tuple[slice, slice]) -> Features:
        rows, columns = place
        values = _kernel(a[rows], a[columns])
        if rows == columns:
            np.fill_diagonal(values, 0)
        return (1 if rows == columns else 2) * _block_sums(values, members[rows], members[columns])

    places = [*combinations_with_replacement(blocks(len(a), BLOCK), 2)]
    total: Features = np.sum(in_parallel(sums, places), axis=0)
    return total


def _block_sums(values: Features, in_rows: Features, in_columns: Features) -> Features:
    sums: Features = np.einsum("is,is->s", in_rows, values @ in_columns)
    return sums
