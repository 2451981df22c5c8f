"""The Frechet distance between two sets of features, as if each were normally distributed (Heusel et al. 2017)."""

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from gan.scores.features import Features, checked_pair, same_dimension
from gan.scores.moments import Moments

ROUNDING = 1e-6
"""Share of the summed variances by which rounding may push the distance of near-equal sets below zero."""


def frechet_distance(real: ArrayLike, fake: ArrayLike, *, low_rank: bool = False) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), with means m and unbiased covariances S; FID with InceptionV3.

    It is biased: two samples of one distribution are about (d^2 / 2 + 2 d) / n apart in whitened features of d
    dimensions. Compare only at equal n, beside the distance of real images from real ones, or extrapolate
    (`gan.scores.extrapolation`).

    Args:
        real: (N, D).
        fake: (M, D).
        low_rank: Accept covariances without full rank, N or M not above D: what is missing of the spectrum is bias.

    Returns:
        The squared distance, in squared units of the features, 0 or more.

    Raises:
        ValueError: too few samples for covariances of full rank, features that are not finite or do not fit.
    """
    x, y = checked_pair(real, fake)
    if low_rank and min(len(x), len(y)) <= x.shape[1]:
        return _low_rank_distance(x, y)
    return frechet_distance_of_moments(Moments.of(x), Moments.of(y))


def frechet_distance_of_moments(real: Moments, fake: Moments) -> float:
    """The same from streaming statistics.

    Raises:
        ValueError: too few samples for covariances of full rank, or dimensions that differ.
    """
    dimension = len(real.mean)
    same_dimension(dimension, len(fake.mean))
    fewest = min(real.n, fake.n)
    if fewest <= dimension:
        raise ValueError(
            f"{fewest} samples are too few for a covariance of {dimension} dimensions; give {dimension + 1} or more, "
            "an extractor with fewer dimensions, low_rank=True, or take the kernel distance"
        )
    first, second = real.covariance, fake.covariance
    return _distance(real.mean - fake.mean, np.trace(first) + np.trace(second), _trace_of_root(first, second))


def _trace_of_root(first: Features, second: Features) -> float:
    """tr((S1 S2)^(1/2)): S1 = L L^T, and L^T S2 L is symmetric and has the eigenvalues of S1 S2."""
    factor = _factor(first)
    values = scipy.linalg.eigvalsh(factor.T @ second @ factor, overwrite_a=True, check_finite=False)
    return float(np.sqrt(values.clip(0)).sum())


def _factor(covariance: Features) -> Features:
    """L of L L^T; a singular matrix (features that are always 0) has no Cholesky factor, but has eigenvectors."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        rooted: Features = vectors * np.sqrt(values.clip(0))
        return rooted


def _low_rank_distance(real: Features, fake: Features) -> float:
    """By the factors S = A^T A of centred samples: the eigenvalues of S1 S2 are the squared singular values of A B^T.

    Nothing of D x D is made of a set of fewer than D samples (Mathiasen and Hvilshoj 2020, arXiv 2009.14075).
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"{min(len(real), len(fake))} samples have no covariance; give 2 or more")
    a, b = _centred_factor(real), _centred_factor(fake)
    root = scipy.linalg.svdvals(a @ b.T, overwrite_a=True, check_finite=False).sum()
    return _distance(real.mean(axis=0) - fake.mean(axis=0), float((a * a).sum() + (b * b).sum()), float(root))


def _centred_factor(features: Features) -> Features:
    factor: Features = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(factor, mode="r")) if len(factor) > factor.shape[1] else factor


def _distance(apart: Features, variances: float, root: float) -> float:
    distance = float(apart @ apart + variances - 2 * root)
    if distance < -ROUNDING * max(1.0, float(variances)):
        raise ValueError(
            f"Frechet distance {distance:.3g} below zero: the covariances are ill-conditioned; scale features"
        )
    return max(distance, 0.0)
