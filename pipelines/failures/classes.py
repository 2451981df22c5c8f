"""What ties the level at which a class fails to its number of training images and to the shape of its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pipelines.failures.rows import threshold_of
from pipelines.reports.classes import RANKED_SUPPORT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALL = "all"
"""Stands for the mean over the noises."""
REPLICATES = 2000
TAILS = (0.025, 0.975)
SIZE_METHOD = "Spearman's rho over classes; 95%, percentiles of a bootstrap over classes"
SHAPE_METHOD = "mean over classes of the rank, 0 first to fail, 1 last; 95%, percentiles of a bootstrap over classes"
ALL_METHOD = " and over noises"


@dataclass(frozen=True)
class _Classes:
    """The K classes of enough support: their thresholds under M noises (K, M), infinite where they do not fail."""

    label: NDArray[np.int64]
    noises: tuple[str, ...]
    threshold: Floats
    rank: Floats  # (K, M) from 0, the first to fail, to 1; NaN where there is no threshold
    left_out: int


def class_factors(
    per_class: pd.DataFrame,
    thresholds: pd.DataFrame,
    train_counts: Sequence[int],
    shapes: Mapping[int, str],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Relate the classes' `fails` thresholds to training images and to sign shape, noise by noise and over all.

    A class's place under a noise is the rank of its threshold among the classes of at least `RANKED_SUPPORT` test
    images, from 0 (the first to fail) to 1; classes that never fail tie at the top. A class that attracts the wrong
    answers of others keeps its recall, and so ranks higher than its images alone would have it.

    Args:
        per_class: rows of `Analysis.per_class`.
        thresholds: rows of `Analysis.thresholds`.
        train_counts: training images of each class.
        shapes: of the classes' signs; where a data set has none, the table has no rows of factor "shape".
        seed: of the bootstrap.

    Returns:
        Rows factor ("training images" or "shape"), noise ("all": by the mean rank over the noises), group (the shape),
        classes (how many were compared), left_out (with too few test images), value (rho, or the mean rank), low,
        high (NaN where one class is too few), ratio (of a shape: median of class threshold / threshold over all
        classes; NaN where the noise's own is not reached), method.
    """
    found = _ranked_classes(per_class)
    overall = np.array([threshold_of(thresholds, noise, "fails") for noise in found.noises])
    overall[~np.isfinite(overall)] = np.nan
    random = np.random.default_rng(seed)
    rows = _size_rows(found, np.asarray(train_counts, np.float64)[found.label], random)
    rows += _shape_rows(found, found.threshold / overall, shapes, random)
    columns = ["factor", "noise", "group", "classes", "left_out", "value", "low", "high", "ratio", "method"]
    return pd.DataFrame([row | {"left_out": found.left_out} for row in rows], columns=columns)


def _ranked_classes(per_class: pd.DataFrame) -> _Classes:
    table = per_class.set_index(["class", "noise"])["threshold"].unstack("noise")  # noqa: PD010  (a row each)
    table = table[list(per_class["noise"].unique())]
    support = per_class.groupby("class")["support"].first()
    kept = table[support.loc[table.index] >= RANKED_SUPPORT]
    threshold = kept.to_numpy(np.float64)
    rank = rankdata(threshold, axis=0, nan_policy="omit") - 1
    rank /= np.maximum(np.isfinite(rank).sum(axis=0) - 1, 1)
    left_out = int((support > 0).sum()) - len(kept)
    return _Classes(kept.index.to_numpy(np.int64), tuple(map(str, kept.columns)), threshold, rank, left_out)


def _size_rows(found: _Classes, images: Floats, random: np.random.Generator) -> list[dict[str, object]]:
    places = {noise: found.rank[:, column] for column, noise in enumerate(found.noises)}
    places[ALL] = _mean(found.rank, axis=1).round(12)  # so that equal sums of ranks tie
    rows = []
    for noise, place in places.items():
        known = np.isfinite(place)
        value, low, high = _rho(images[known], place[known], random)
        before = {"factor": "training images", "noise": noise, "group": "", "classes": int(known.sum())}
        rows.append(before | {"value": value, "low": low, "high": high, "method": SIZE_METHOD})
    return rows


def _rho(x: Floats, y: Floats, random: np.random.Generator) -> tuple[float, float, float]:
    if len(x) < 3:
        return np.nan, np.nan, np.nan
    drawn = random.integers(len(x), size=(REPLICATES, len(x)))
    value = float(_row_rhos(x[None], y[None])[0])
    low, high = np.nanquantile(_row_rhos(x[drawn], y[drawn]), TAILS) if np.isfinite(value) else (np.nan, np.nan)
    return value, float(low), float(high)


def _row_rhos(x: Floats, y: Floats) -> Floats:
    """Spearman's rho of each row (B, K), NaN where a side is constant."""
    ranks = [rankdata(values, axis=1) for values in (x, y)]
    left, right = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    return np.asarray((left * right).sum(axis=1) / np.where(scale > 0, scale, np.nan))


def _shape_rows(
    found: _Classes, ratio: Floats, shapes: Mapping[int, str], random: np.random.Generator
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for shape in dict.fromkeys(shapes.values()):
        members = np.array([shapes.get(int(c)) == shape for c in found.label], dtype=bool)
        for column, noise in enumerate(found.noises):
            rows.append(_shape_row(shape, noise, found.rank[members, column][:, None], ratio[members, column], random))
        rows.append(_shape_row(shape, ALL, found.rank[members], ratio[members], random))
    return [row for row in rows if row["classes"]]


def _shape_row(shape: str, noise: str, rank: Floats, ratio: Floats, random: np.random.Generator) -> dict[str, object]:
    known = np.isfinite(rank).any(axis=1)
    low, high = _mean_interval(rank[known], random)
    return {
        "factor": "shape",
        "noise": noise,
        "group": shape,
        "classes": int(known.sum()),
        "value": float(_mean(rank)),
        "low": low,
        "high": high,
        "ratio": _median(ratio),
        "method": SHAPE_METHOD + (ALL_METHOD if noise == ALL else ""),
    }


def _mean_interval(rank: Floats, random: np.random.Generator) -> tuple[float, float]:
    """Interval of the mean of (k, m) ranks when classes and noises are both drawn anew."""
    classes, noises = rank.shape
    if classes * noises < 2 or (classes < 2 and noises < 2):
        return np.nan, np.nan
    rows = random.integers(classes, size=(REPLICATES, classes, 1))
    columns = random.integers(noises, size=(REPLICATES, 1, noises))
    means = _mean(rank[rows, columns].reshape(REPLICATES, -1), axis=1)
    low, high = np.nanquantile(means, TAILS)
    return float(low), float(high)


def _mean(values: Floats, axis: int | None = None) -> Floats:
    """The mean of the values that are known, NaN of none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    return np.asarray(np.where(known, values, 0.0).sum(axis=axis) / np.where(count > 0, count, np.nan))


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan
