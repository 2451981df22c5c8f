"""What every score asks of the features that it is given, and the form of an answer with a spread."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_info, threadpool_limits

Features = NDArray[np.float64]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Estimate(NamedTuple):
    """A score and its spread over parts of the samples: a standard deviation, of the population's kind (ddof 0)."""

    value: float
    spread: float


def checked(features: ArrayLike, name: str = "features") -> Features:
    """Features (N, D) in float64.

    Raises:
        ValueError: they are not a matrix, or some are not finite.
    """
    found = np.asarray(features, np.float64)
    if found.ndim != 2:
        raise ValueError(f"{name} have the shape {found.shape}; give a matrix (samples, dimensions)")
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).any(axis=1).sum())
        raise ValueError(
            f"{name}: {bad} of {len(found)} rows hold NaN or infinity; look at the images and the extractor"
        )
    return found


def checked_pair(real: ArrayLike, fake: ArrayLike) -> tuple[Features, Features]:
    """Real and generated features in float64.

    Raises:
        ValueError: as `checked`, or their dimensions differ.
    """
    pair = checked(real, "real features"), checked(fake, "fake features")
    same_dimension(pair[0].shape[1], pair[1].shape[1])
    return pair


def same_dimension(real: int, fake: int) -> None:
    """Raise a ValueError if the dimensions differ."""
    if real != fake:
        raise ValueError(f"real features have {real} dimensions, fake ones {fake}; take both from the same extractor")


def blocks(count: int, size: int) -> list[slice]:
    """Rows 0 to `count` in slices of `size`, the last one shorter."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of matrix products and what follows them, in order, by as many threads as BLAS may have.

    Threads that have a product each wait less for each other than those that share each product.
    """
    if len(items) < 2:
        return [work(item) for item in items]
    threads = max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
