"""The Frechet distance of infinitely many samples (Chong and Forsyth 2020, arXiv 1911.07023)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gan.scores.features import Features, checked_pair
from gan.scores.frechet import frechet_distance_of_moments
from gan.scores.moments import Moments

SIZES = 15
FEWEST_A_DIMENSION = 4
"""Samples a dimension in the smaller set, below which the line is not straight yet."""


class Extrapolated(NamedTuple):
    """A distance at 1 / n = 0, and the points of the line that leads there.

    Attributes:
        value: Intercept, in squared units of the features; below zero about as often as above where sets are alike.
        sizes: Samples of either set, (15,).
        distances: Frechet distances of so many samples, (15,).
    """

    value: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_distance_at_infinity(real: ArrayLike, fake: ArrayLike, *, seed: int = 0) -> Extrapolated:
    """Distances of random subsets of 15 sizes, their regression on 1 / n, and its intercept.

    The paper varies the generated set alone, against a real one of fixed size, and keeps that one's bias. Real sets of
    road signs are small: here both have n samples, and the bias of both leaves. From a tenth of the smaller set, or
    twice the dimensions where that is more.

    Args:
        real: (N, D).
        fake: (M, D).
        seed: Of the subsets.

    Raises:
        ValueError: fewer than four samples a dimension, features not finite or that do not fit.
    """
    x, y = checked_pair(real, fake)
    most, dimension = min(len(x), len(y)), x.shape[1]
    least = FEWEST_A_DIMENSION * dimension
    if most < least:
        raise ValueError(
            f"{most} samples are too few to extrapolate in {dimension} dimensions; "
            f"give {least} or more, or an extractor with fewer dimensions"
        )
    random = np.random.default_rng(seed)
    sizes = np.linspace(max(most / 10, 2 * dimension), most, SIZES).round().astype(int).tolist()
    distances = [frechet_distance_of_moments(_some(random, x, size), _some(random, y, size)) for size in sizes]
    _, intercept = np.polyfit(1 / np.asarray(sizes), distances, 1)
    return Extrapolated(float(intercept), tuple(sizes), tuple(distances))


def _some(random: np.random.Generator, features: Features, count: int) -> Moments:
    return Moments.of(features[random.permutation(len(features))[:count]])
