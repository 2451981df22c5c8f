"""Prediction rows of small grids, as the grid writes them."""

import numpy as np
import pandas as pd
import pytest

IMAGES = [f"test/{image:03}" for image in range(300)]


def prediction_rows(noise, label, predicted, levels, *, confidence=0.9, margin=1.0, track="", repeat=0):
    """Rows of predicted classes (L, N); the clean images have one level, 0, of level index 0."""
    label, predicted = np.asarray(label), np.asarray(predicted)
    count = len(label)
    first = 0 if noise == "clean" else 1
    return pd.DataFrame(
        {
            "noise": noise,
            "level": np.repeat(np.asarray(levels, float), count),
            "level_index": np.repeat(np.arange(first, first + len(levels), dtype=np.int16), count),
            "repeat": np.int16(repeat),
            "image_id": np.tile(IMAGES[:count], len(levels)),
            "track": np.tile(np.broadcast_to(np.asarray(track, dtype=object), count), len(levels)),
            "label": np.tile(label, len(levels)),
            "predicted": predicted.ravel(),
            "confidence": np.broadcast_to(np.asarray(confidence, np.float32), predicted.shape).ravel(),
            "margin": np.broadcast_to(np.asarray(margin, np.float32), predicted.shape).ravel(),
        }
    )


@pytest.fixture(scope="session")
def rows():
    return prediction_rows


@pytest.fixture(scope="session")
def thresholds():
    """A table of thresholds from {noise: (begins, fails)}."""

    def table(found):
        return pd.DataFrame(
            [
                {
                    "noise": noise,
                    "criterion": criterion,
                    "threshold": value,
                    "censored": "" if value < np.inf else "above",
                }
                for noise, values in found.items()
                for criterion, value in zip(("begins", "fails"), values, strict=True)
            ]
        )

    return table
