"""What the analyses of failures read from prediction rows and from the table of thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.analysis import CLEAN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

CLOSE = 0.1
"""How far the accuracy at a measured level may be from a criterion's for the level to stand for the threshold."""


def noises_of(predictions: Iterable[str]) -> list[str]:
    """The names of the noises, without the clean images."""
    return [name for name in predictions if name != CLEAN]


def threshold_of(thresholds: pd.DataFrame, noise: str, criterion: str) -> float:
    """A noise's threshold; infinite where it is not reached, NaN where it has none or is not in the table."""
    found = thresholds[(thresholds["noise"] == noise) & (thresholds["criterion"] == criterion)]["threshold"]
    return float(found.iloc[0]) if len(found) else np.nan


def level_near(threshold: float, levels: ArrayLike, accuracy: ArrayLike, target: float) -> int | None:
    """Which measured level stands for a threshold: the nearest of those with about the accuracy of its criterion.

    A fall may lie within one step of the grid, and what a network does at 3% of right answers says nothing of where
    half of them are right.

    Args:
        threshold: infinite or NaN where there is none, which no level stands for.
        levels: (L,).
        accuracy: (L,) at the levels.
        target: accuracy at the threshold.

    Returns:
        Its place; None where all levels are further than `CLOSE` from the target.
    """
    away = np.abs(np.asarray(levels, np.float64) - threshold)
    away[~(np.abs(np.asarray(accuracy, np.float64) - target) <= CLOSE)] = np.inf
    return int(away.argmin()) if np.isfinite(away).any() else None


def groups_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """A number (N,) from 0 for each track, or for each image where its track is not known."""
    track = rows["track"].fillna("").astype(str)
    alone = track == ""
    if alone.all():
        return np.asarray(pd.factorize(rows["image_id"])[0], dtype=np.int64)
    name = ("track " + track).where(~alone, "image " + rows["image_id"].astype(str))
    return np.asarray(pd.factorize(name)[0], dtype=np.int64)
