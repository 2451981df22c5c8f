"""How a classifier fails: where its answers go, whether confidence warns, which classes and which images fall first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.failures.classes import class_factors
from pipelines.failures.confidence import confidence_warnings
from pipelines.failures.flow import confusion_flow
from pipelines.failures.margins import margin_predicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from pipelines.analysis import Analysis


@dataclass(frozen=True)
class Failures:
    """The tables of the failures of one grid; each is described where it is made.

    Attributes:
        confusion_flow: see `confusion_flow`.
        confidence: see `confidence_warnings`.
        class_factors: see `class_factors`.
        margins: see `margin_predicts`.
    """

    confusion_flow: pd.DataFrame
    confidence: pd.DataFrame
    class_factors: pd.DataFrame
    margins: pd.DataFrame


def analyse_failures(
    predictions: Mapping[str, pd.DataFrame],
    analysis: Analysis,
    images: pd.DataFrame,
    class_names: Sequence[str],
    train_counts: Sequence[int],
    shapes: Mapping[int, str],
    *,
    seed: int = 0,
) -> Failures:
    """Make all tables of a grid.

    Args:
        predictions: rows of each noise, the clean images under "clean"; asked for noise by noise, so that only one
            need be in memory.
        analysis: thresholds of all images and of each class.
        images: the smallest failing level of each image, as `image_thresholds` of `pipelines.failures.margins` has it.
        class_names: of the C classes; labels are 0..C-1.
        train_counts: training images of each class.
        shapes: of the classes' signs; empty where a data set has none.
        seed: of the bootstraps.
    """
    return Failures(
        confusion_flow=confusion_flow(predictions, analysis.thresholds, class_names),
        confidence=confidence_warnings(predictions),
        class_factors=class_factors(analysis.per_class, analysis.thresholds, train_counts, shapes),
        margins=margin_predicts(images, analysis.thresholds, seed=seed),
    )
