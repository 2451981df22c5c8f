"""What ties the level at which a class fails to its number of training images and to the shape of its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit
from scipy.stats import rankdata, spearmanr

from pipelines.failures.rows import threshold_of
from pipelines.reports.classes import RANKED_SUPPORT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALL = "all"
"""Stands for the mean over the noises."""
NORMAL_95 = 1.959963984540054
SIZE_METHOD = "Spearman's rho over classes; 95%, Bonett and Wright 2000"
SHAPE_METHOD = (
    "mean over classes of the rank, 0 first to fail, 1 last; 95% over such classes, the wider of Student's t by the "
    "shape's own classes and by the spread within all shapes"
)


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

    Returns:
        Rows factor ("training images" or "shape"), noise ("all": by the mean rank over these noises), group (the
        shape), classes (how many were compared; of a shape also 1 or 0), left_out (with too few test images), value
        (rho, or the mean rank), low, high (NaN where classes are too few: rho takes 4, a mean rank 2), ratio (of a
        shape: median of class threshold / threshold over all classes; NaN where the noise's own is not reached) and
        method.
    """
    found = _ranked_classes(per_class)
    overall = np.array([threshold_of(thresholds, noise, "fails") for noise in found.noises])
    overall[~np.isfinite(overall)] = np.nan
    places = {noise: found.rank[:, column] for column, noise in enumerate(found.noises)}
    places[ALL] = _mean(found.rank, axis=1).round(12)  # so that equal sums of ranks tie
    ratios = dict(zip(found.noises, (found.threshold / overall).T, strict=True)) | {ALL: found.threshold / overall}
    rows = [_size_row(noise, place, np.asarray(train_counts)[found.label]) for noise, place in places.items()]
    shape = np.array([shapes.get(int(label), "") for label in found.label], dtype=object)
    for name in dict.fromkeys(shapes.values()):
        rows += [_shape_row(name, noise, place, ratios[noise], shape) for noise, place in places.items()]
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


def _size_row(noise: str, place: Floats, images: NDArray[np.generic]) -> dict[str, object]:
    known = np.isfinite(place)
    value, low, high = _rho(images[known].astype(np.float64), place[known])
    before = {"factor": "training images", "noise": noise, "group": "", "classes": int(known.sum())}
    return before | {"value": value, "low": low, "high": high, "method": SIZE_METHOD}


def _rho(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Spearman's rho with its interval; NaN where too few values, or values that order wholly alike, give none."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan, np.nan, np.nan
    value = float(spearmanr(x, y).statistic)
    if len(x) < 4 or abs(value) > 1 - 1e-12:
        return value, np.nan, np.nan
    reach = NORMAL_95 * np.sqrt((1 + value**2 / 2) / (len(x) - 3))
    low, high = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
    return value, float(low), float(high)


def _shape_row(name: str, noise: str, place: Floats, ratio: Floats, shape: NDArray[np.object_]) -> dict[str, object]:
    """The mean place (K,) of the classes of a shape, and the median of their ratios (K,) or (K, M)."""
    members = shape == name
    known = members & np.isfinite(place)
    value, reach = float(_mean(place[known])), _reach(place, shape, known)
    return {
        "factor": "shape",
        "noise": noise,
        "group": name,
        "classes": int(known.sum()),
        "value": value,
        "low": max(value - reach, 0.0) if known.any() else np.nan,
        "high": min(value + reach, 1.0) if known.any() else np.nan,
        "ratio": _median(ratio[members]),
        "method": SHAPE_METHOD,
    }


def _reach(place: Floats, shape: NDArray[np.object_], known: NDArray[np.bool_]) -> float:
    """Half the interval of a mean over classes: places end at 0 and 1, and so few may lie together by chance."""
    count = int(known.sum())
    if count < 2:
        return np.nan
    own, every = _spread([place[known]]), _spread([place[(shape == one) & np.isfinite(place)] for one in set(shape)])
    return float(max(own, every) / np.sqrt(count))


def _spread(samples: Sequence[Floats]) -> float:
    """Student's 95% quantile times the standard deviation within samples."""
    freedom = sum(len(values) - 1 for values in samples if len(values))
    squares = sum(float(np.square(values - values.mean()).sum()) for values in samples if len(values))
    return float(stdtrit(freedom, 0.975) * np.sqrt(squares / freedom))


def _mean(values: Floats, axis: int | None = None) -> Floats:
    """The mean of the values that are known, NaN of none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    return np.asarray(np.where(known, values, 0.0).sum(axis=axis) / np.where(count > 0, count, np.nan))


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan
