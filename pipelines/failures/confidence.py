"""Whether confidence warns of a failure: calibration and AUROC for being right, by level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.calibration import answer_calibration_error, auroc
from pipelines.analysis import CLEAN
from pipelines.failures.rows import groups_of, noises_of

if TYPE_CHECKING:
    from collections.abc import Mapping

METHOD = "AUROC: DeLong's variance, influences summed by track where known, Student's t on the logit scale, 95%"


def confidence_warnings(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Measure what confidence says of the answers to each noise at each level, the clean images as level index 0.

    Args:
        predictions: of each noise its rows (level, level_index, image_id, track, label, predicted, confidence); the
            clean images under "clean".

    Returns:
        Rows noise, level, level_index, n, accuracy, confidence (its mean), overconfidence (confidence - accuracy),
        calibration_error (15 bins), auroc (of confidence for being right: 0.5 warns of nothing, 1 of every failure;
        NaN where all are right or all are wrong), auroc_low, auroc_high, method.
    """
    clean = _by_level(predictions[CLEAN])
    parts = []
    for name in noises_of(predictions):
        part = pd.concat([clean, _by_level(predictions[name])], ignore_index=True)
        part.insert(0, "noise", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(method=METHOD)


def _by_level(rows: pd.DataFrame) -> pd.DataFrame:
    right = rows["label"].to_numpy() == rows["predicted"].to_numpy()
    confidence = rows["confidence"].to_numpy(np.float64)
    group, index = groups_of(rows), rows["level_index"].to_numpy(np.int64)
    found = []
    for level in np.unique(index):
        here = np.flatnonzero(index == level)
        accuracy, mean = float(right[here].mean()), float(confidence[here].mean())
        sorting = auroc(confidence[here], right[here], group[here])
        found.append(
            {
                "level": float(rows["level"].iloc[here[0]]),
                "level_index": int(level),
                "n": len(here),
                "accuracy": accuracy,
                "confidence": mean,
                "overconfidence": mean - accuracy,
                "calibration_error": answer_calibration_error(right[here], confidence[here]),
                "auroc": sorting.value,
                "auroc_low": sorting.low,
                "auroc_high": sorting.high,
            }
        )
    return pd.DataFrame(found)
