"""Where the answers go when a noise makes them wrong: which signs are taken for which, and which attract the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.analysis import CLEAN, CRITERIA
from pipelines.failures.rows import level_near, noises_of, threshold_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

TOP_PAIRS = 20
AT_THRESHOLD, AT_LAST = "level nearest to fails", "last level: does not fail"


def confusion_flow(
    predictions: Mapping[str, pd.DataFrame], thresholds: pd.DataFrame, class_names: Sequence[str]
) -> pd.DataFrame:
    """Count the wrong answers of each noise where it fails, by true and by predicted class.

    Args:
        predictions: of each noise its rows (level, level_index, label, predicted); the clean images under "clean".
        thresholds: rows of `Analysis.thresholds`.
        class_names: of the C classes; labels are 0..C-1.

    Returns:
        For each noise at the measured level that stands for its `fails` threshold (see `level_near`; a noise without
        such a level has no rows), or at its last where it does not fail (`measured_at` says which), the `TOP_PAIRS`
        most frequent pairs (kind "pair") and every class that wrong answers went to (kind "sink", without a label),
        most frequent first: noise, level, level_index, measured_at, failures, kind, rank,
        label, label_name, predicted, predicted_name, count, rate (of a pair: share of the label's answers; of a sink:
        share of the answers to all other classes), share (of all failures), entropy (of the sinks, in bits), and
        destinations (2 to the entropy: as many classes, evenly hit, would have that entropy).
    """
    clean = predictions[CLEAN]
    half = CRITERIA["fails"] * float((clean["label"] == clean["predicted"]).mean())
    tables = [
        _flow_of(name, predictions[name], threshold_of(thresholds, name, "fails"), half, len(class_names))
        for name in noises_of(predictions)
    ]
    table = pd.concat(tables, ignore_index=True)
    names = dict(enumerate(class_names))
    table.insert(8, "label_name", table["label"].map(names).fillna(""))
    table.insert(10, "predicted_name", table["predicted"].map(names))
    return table


def _flow_of(name: str, rows: pd.DataFrame, threshold: float, half: float, classes: int) -> pd.DataFrame:
    by_level = rows.assign(right=rows["label"] == rows["predicted"]).groupby("level_index")
    levels, fails = by_level["level"].first(), np.isfinite(threshold)
    place = level_near(threshold, levels, by_level["right"].mean(), half) if fails else len(levels) - 1
    index = -1 if place is None else int(levels.index[place])
    here = rows[rows["level_index"] == index]
    label, predicted = here["label"].to_numpy(np.int64), here["predicted"].to_numpy(np.int64)
    asked = np.bincount(label, minlength=classes)
    counts = np.bincount(label * classes + predicted, minlength=classes**2).reshape(classes, classes)
    np.fill_diagonal(counts, 0)
    table = pd.concat([_pairs(counts, asked), _sinks(counts, asked)], ignore_index=True)
    failures = int(counts.sum())
    table["share"] = table["count"] / max(failures, 1)
    table["entropy"] = _entropy(counts.sum(axis=0))
    table["destinations"] = 2 ** table["entropy"]
    before: dict[str, str | int | float] = {
        "noise": name,
        "level": float(levels.get(index, np.nan)),
        "level_index": index,
        "measured_at": AT_THRESHOLD if fails else AT_LAST,
    }
    for place, (column, value) in enumerate((before | {"failures": failures}).items()):
        table.insert(place, column, value)
    return table


def _pairs(counts: Integers, asked: Integers) -> pd.DataFrame:
    label, predicted = np.divmod(_most_frequent(counts.ravel())[:TOP_PAIRS], len(counts))
    count = counts[label, predicted]
    return _ranked("pair", pd.array(label, "Int64"), predicted, count, count / asked[label])


def _sinks(counts: Integers, asked: Integers) -> pd.DataFrame:
    received = counts.sum(axis=0)
    predicted = _most_frequent(received)
    others = np.maximum(asked.sum() - asked[predicted], 1)
    label = pd.array([pd.NA] * len(predicted), "Int64")
    return _ranked("sink", label, predicted, received[predicted], received[predicted] / others)


def _ranked(kind: str, label: object, predicted: Integers, count: Integers, rate: NDArray[np.float64]) -> pd.DataFrame:
    columns = {"label": label, "predicted": predicted, "count": count, "rate": rate}
    return pd.DataFrame({"kind": kind, "rank": np.arange(1, len(predicted) + 1)} | columns)


def _most_frequent(counts: Integers) -> Integers:
    order = np.argsort(-counts, kind="stable")
    return np.asarray(order[: int((counts > 0).sum())], dtype=np.int64)


def _entropy(counts: Integers) -> float:
    share = counts[counts > 0] / max(int(counts.sum()), 1)
    return float(-(share * np.log2(share)).sum()) + 0.0
