"""How well a classifier classifies: the figures of scikit-learn, rates a class, and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.metrics import (
    balanced_accuracy_score,
    classification_report,
    cohen_kappa_score,
    confusion_matrix,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class ClassificationScores:
    """Scores of one set of predictions; macro figures are plain means over the classes that have examples.

    Attributes:
        accuracy: Share of right answers.
        balanced_accuracy: Mean recall.
        precision_macro: Mean precision; 0 for a class that was never predicted.
        recall_macro: Mean recall, or true positive rate.
        f1_macro: Mean F1.
        fpr_macro: Mean false positive rate.
        mcc: Matthews correlation coefficient over all classes (Gorodkin 2004); 0 where undefined.
        kappa: Cohen's kappa; 0 where undefined.
        calibration_error: Expected calibration error, see `calibration_error`.
        per_class: A row a class: class, class_name, precision, recall (TPR), fpr, f1, support.
        confusion: Counts (C, C), true classes in rows, predicted ones in columns.
        report: scikit-learn's classification report, as text.
    """

    accuracy: float
    balanced_accuracy: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    fpr_macro: float
    mcc: float
    kappa: float
    calibration_error: float
    per_class: pd.DataFrame
    confusion: NDArray[np.int64]
    report: str

    def metrics(self) -> dict[str, float]:
        """The single figures by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, float)}


def classification_scores(labels: ArrayLike, logits: ArrayLike, class_names: Sequence[str]) -> ClassificationScores:
    """Score predictions.

    Args:
        labels: (N,) true classes, N at least 1.
        logits: (N, C) scores before the softmax; the largest is the prediction.
        class_names: (C,) names.

    Raises:
        ValueError: Shapes that do not fit, a label out of range, or logits that are not finite.
    """
    truth, scores = _checked(labels, logits, class_names)
    predicted = scores.argmax(axis=1)
    classes = np.arange(len(class_names))
    confusion = confusion_matrix(truth, predicted, labels=classes)
    per_class = _per_class(truth, predicted, confusion, class_names)
    present = per_class[per_class["support"] > 0]
    report = classification_report(
        truth, predicted, labels=classes, target_names=list(class_names), digits=4, zero_division=0
    )
    return ClassificationScores(
        accuracy=float(np.mean(truth == predicted)),
        balanced_accuracy=float(balanced_accuracy_score(truth, predicted))
        if len(present) > 1
        else _accuracy(confusion),
        precision_macro=float(present["precision"].mean()),
        recall_macro=float(present["recall"].mean()),
        f1_macro=float(present["f1"].mean()),
        fpr_macro=float(present["fpr"].mean()),
        mcc=float(matthews_corrcoef(truth, predicted)),
        kappa=float(cohen_kappa_score(truth, predicted, labels=classes, replace_undefined_by=0.0)),
        calibration_error=calibration_error(truth, softmax(scores, axis=1)),
        per_class=per_class,
        confusion=confusion,
        report=report,
    )


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error (Guo et al. 2017) of the predicted class, in bins of equal width over (0, 1].

    Args:
        labels: (N,) true classes.
        probabilities: (N, C) rows that sum to 1.
        bins: Number of bins.

    Returns:
        Mean over images of |accuracy - mean confidence| of their bin, 0 (calibrated) to 1.
    """
    truth, probability = np.asarray(labels), np.asarray(probabilities, np.float64)
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == truth
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(truth))


def _checked(
    labels: ArrayLike, logits: ArrayLike, class_names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    truth, scores = np.asarray(labels), np.asarray(logits, np.float64)
    if truth.ndim != 1 or not len(truth) or scores.shape != (len(truth), len(class_names)):
        raise ValueError(
            f"labels {truth.shape} and logits {scores.shape} do not fit {len(class_names)} classes: "
            "give (N,) and (N, C)"
        )
    if truth.min() < 0 or truth.max() >= len(class_names):
        raise ValueError(f"labels from {truth.min()} to {truth.max()} are outside 0..{len(class_names) - 1}")
    if not np.isfinite(scores).all():
        raise ValueError("some logits are not finite: the network has diverged")
    return truth.astype(np.int64), scores


def _per_class(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], confusion: NDArray[np.int64], class_names: Sequence[str]
) -> pd.DataFrame:
    classes = np.arange(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)
    false_positives = confusion.sum(axis=0) - np.diag(confusion)
    negatives = len(truth) - support
    return pd.DataFrame(
        {
            "class": classes,
            "class_name": list(class_names),
            "precision": precision,
            "recall": recall,
            "fpr": false_positives / np.maximum(negatives, 1),
            "f1": f1,
            "support": support,
        }
    )


def _accuracy(confusion: NDArray[np.int64]) -> float:
    return float(np.trace(confusion) / confusion.sum())
