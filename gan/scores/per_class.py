"""The Frechet distance class by class (Liu et al. 2018, arXiv 1803.07474): which class a generator makes badly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gan.scores.features import checked_pair
from gan.scores.frechet import frechet_distance


class ClassDistance(NamedTuple):
    """A class, its samples, and their distance; NaN where a set has fewer than two samples."""

    label: int
    n_real: int
    n_fake: int
    distance: float


def frechet_distance_per_class(
    real: ArrayLike, real_labels: ArrayLike, fake: ArrayLike, fake_labels: ArrayLike
) -> list[ClassDistance]:
    """Frechet distance between the real and the generated images of each class that real images have.

    Classes have few images, so covariances without full rank are accepted, and the bias of about (d^2 / 2 + 2 d) / n
    in whitened features differs from class to class: judge a class by the same distance between real images of it.

    Args:
        real: (N, D).
        real_labels: (N,).
        fake: (M, D).
        fake_labels: (M,), the classes that were asked for.

    Raises:
        ValueError: labels that do not fit, features that are not finite or do not fit.
    """
    x, y = checked_pair(real, fake)
    of_x, of_y = _labels(real_labels, len(x), "real"), _labels(fake_labels, len(y), "fake")
    rows = []
    for label in np.unique(of_x).tolist():
        a, b = x[of_x == label], y[of_y == label]
        enough = min(len(a), len(b)) >= 2
        rows.append(ClassDistance(label, len(a), len(b), frechet_distance(a, b, low_rank=True) if enough else np.nan))
    return rows


def _labels(labels: ArrayLike, samples: int, name: str) -> NDArray[np.int64]:
    found = np.asarray(labels, np.int64)
    if found.shape != (samples,):
        raise ValueError(f"{name} labels have the shape {found.shape}; give one for each of the {samples} samples")
    return found
