"""From prediction rows to curves, thresholds and class metrics: tables that reports draw and MLflow stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from noise.psychometric import PsychometricFit, fit_psychometric
from noise.resampling import Resampled, resample
from noise.significance import Significance, failing_significantly
from noise.thresholds import find_curve, find_threshold
from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

CLEAN = "clean"
CRITERIA = {"begins": 0.9, "fails": 0.5}
ALPHA = 0.05
THRESHOLD_COLUMNS = [
    *("noise", "unit", "criterion", "threshold", "low", "high", "censored", "n", "groups", "method"),
    *("sampling_error", "interpolation_error"),
]


@dataclass(frozen=True)
class Analysis:
    """The tables of one grid.

    Attributes:
        curves: a row for each noise and level: noise, unit, level, level_index, n, accuracy, low, high, monotone,
            fitted, precision_macro, recall_macro, f1_macro, fpr_macro, mcnemar_p (by Holm's method), significant.
        thresholds: a row for each noise and criterion ("begins", "fails", "significant"): noise, unit, criterion,
            threshold, low, high, censored, n, groups, method, sampling_error (the floor that no number of levels
            beats), interpolation_error. Infinity where it is not reached; NaN, and the reason as method, where it has
            no meaning. "significant" is a level of the grid and has no interval (NaN).
        per_class: the same columns for "fails" after class, class_name and support, of each class's recall.
        class_metrics: a row for each noise, level and class: noise, level, class, precision, recall, fpr, f1, support.
    """

    curves: pd.DataFrame
    thresholds: pd.DataFrame
    per_class: pd.DataFrame
    class_metrics: pd.DataFrame


@dataclass(frozen=True)
class _Images:
    """The clean images of a grid: equal-length columns."""

    index: pd.Index[Any]
    label: Integers
    predicted: Integers
    group: NDArray[np.object_] | None  # None where no track is known

    @property
    def chance(self) -> float:
        """What the best constant answer scores."""
        return float(np.bincount(self.label).max() / len(self.label))

    def groups_of(self, member: NDArray[np.bool_]) -> NDArray[np.object_] | None:
        return None if self.group is None else self.group[member]


@dataclass(frozen=True)
class _Answers:
    """All answers to one noise: predicted classes (N, R, L), the clean ones at level index 0."""

    noise: str
    unit: str
    levels: Floats
    step: float
    predicted: Integers


def analyse(
    predictions: Mapping[str, pd.DataFrame],
    levels: Mapping[str, Sequence[float]],
    units: Mapping[str, str],
    class_names: Sequence[str],
    *,
    steps: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Analysis:
    """Measure curves, thresholds and class metrics of every noise of a grid.

    Args:
        predictions: of each noise its rows (level_index, repeat, image_id, track, label, predicted); the clean images
            once, under "clean". Rows are asked for noise by noise, so that only one noise's need be in memory.
        levels: of each noise, from the clean level up.
        units: of each noise's levels.
        class_names: of the C classes; labels are 0..C-1.
        steps: between levels of each noise that make different images; 0, or not named: all do.
        seed: of the bootstrap.

    Returns:
        The tables.

    Raises:
        InputError: if rows are missing or repeated, or if the model is too weak on clean images to have thresholds.
    """
    images = _clean_images(predictions.get(CLEAN, pd.DataFrame()))
    _check_model(images)
    curves, thresholds, per_class, metrics = [], [], [], []
    for name, noise_levels in levels.items():
        if name not in predictions:
            raise InputError(f"predictions: no rows of noise {name}; run the grid for it again")
        step = (steps or {}).get(name, 0.0)
        answers = _answers(name, units[name], noise_levels, predictions[name], images, step)
        scores = _class_scores(answers, images.label, len(class_names))
        curve_rows, threshold_rows = _curve_and_thresholds(answers, images, scores, seed)
        curves.append(curve_rows)
        thresholds.append(threshold_rows)
        per_class.append(_class_thresholds(answers, images, class_names, seed))
        metrics.append(scores)
    return Analysis(
        pd.concat(curves, ignore_index=True),
        pd.concat(thresholds, ignore_index=True),
        pd.concat(per_class, ignore_index=True),
        pd.concat(metrics, ignore_index=True),
    )


def samples(
    predictions: Mapping[str, pd.DataFrame], levels: Mapping[str, Sequence[float]], *, seed: int = 0
) -> Iterator[tuple[str, Resampled, float]]:
    """Of each noise its curve, resampled, and the accuracy of a constant answer; arguments as in `analyse`."""
    for each in right_answers(predictions, levels):
        yield each.noise, resample(each.levels, each.correct, groups=each.groups, seed=seed), each.chance


@dataclass(frozen=True)
class RightAnswers:
    """Which answers to one noise are right.

    Attributes:
        noise: its name.
        levels: (L,) from the clean one up.
        correct: (N, R, L) bool.
        images: (N,) their ids, sorted.
        groups: (N,) the track of each image; None where no track is known.
        chance: accuracy of a constant answer.
    """

    noise: str
    levels: Floats
    correct: NDArray[np.bool_]
    images: tuple[str, ...]
    groups: NDArray[np.object_] | None
    chance: float


def right_answers(
    predictions: Mapping[str, pd.DataFrame], levels: Mapping[str, Sequence[float]]
) -> Iterator[RightAnswers]:
    """The right answers to each noise in turn; arguments and errors as in `analyse`."""
    clean = predictions.get(CLEAN, pd.DataFrame())
    images = _clean_images(clean if clean.empty else clean.sort_values("image_id"))
    _check_model(images)
    names = tuple(images.index.astype(str))
    for name, noise_levels in levels.items():
        answers = _answers(name, "", noise_levels, predictions[name], images, 0.0)
        yield RightAnswers(name, answers.levels, _correct(answers, images), names, images.group, images.chance)


def _clean_images(clean: pd.DataFrame) -> _Images:
    if clean.empty:
        raise InputError(f'predictions: no rows of noise "{CLEAN}"; the grid must predict the clean images once')
    index = pd.Index(clean["image_id"])
    if not index.is_unique:
        raise InputError(f'predictions: image {index[index.duplicated()][0]} twice under noise "{CLEAN}"; keep one row')
    track = clean["track"].fillna("").astype(str).to_numpy(dtype=object)
    alone = track == ""
    group = None if alone.all() else np.where(alone, index.to_numpy(dtype=object), "track " + track)
    return _Images(index, clean["label"].to_numpy(np.int64), clean["predicted"].to_numpy(np.int64), group)


def _check_model(images: _Images) -> None:
    clean = float(np.mean(images.label == images.predicted))
    if CRITERIA["begins"] * clean <= images.chance:
        raise InputError(
            f"model: its accuracy on clean images, {clean:.3g}, is not clearly above the {images.chance:.3g} "
            "of a constant answer, so it has no thresholds: train it better first"
        )


def _answers(
    name: str, unit: str, levels: Sequence[float], rows: pd.DataFrame, images: _Images, step: float
) -> _Answers:
    """Lay the rows of one noise out as an array, each image's repeats and levels together."""
    repeats = int(rows["repeat"].max()) + 1
    predicted = np.full((len(images.index), repeats, len(levels)), -1, dtype=np.int64)
    predicted[:, :, 0] = images.predicted[:, None]
    image = images.index.get_indexer(pd.Index(rows["image_id"]))
    level = rows["level_index"].to_numpy(np.int64)
    if (image < 0).any():
        raise InputError(
            f"predictions: noise {name} has image {rows['image_id'].iloc[int(np.argmin(image))]}, clean has not"
        )
    if level.min() < 1 or level.max() >= len(levels):
        raise InputError(
            f"predictions: noise {name} has level_index {level.min()}..{level.max()}, its grid 1..{len(levels) - 1}"
        )
    predicted[image, rows["repeat"].to_numpy(np.int64), level] = rows["predicted"].to_numpy(np.int64)
    expected = len(images.index) * repeats * (len(levels) - 1)
    if len(rows) != expected or (predicted < 0).any():
        raise InputError(
            f"predictions: noise {name} has {len(rows)} rows instead of {expected}; run the grid again with --resume"
        )
    return _Answers(name, unit, np.asarray(levels, dtype=np.float64), step, predicted)


def _curve_and_thresholds(
    answers: _Answers, images: _Images, scores: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    correct = _correct(answers, images)
    sample = _resampled(answers, images, seed)
    tests = failing_significantly(answers.levels, correct, alpha=ALPHA)
    total = correct.shape[0] * correct.shape[1]
    fit = fit_psychometric(answers.levels, correct.sum(axis=(0, 1)), total)
    return _curve_table(answers, sample, tests, fit, scores), _threshold_table(answers, sample, tests, images)


def _correct(answers: _Answers, images: _Images) -> NDArray[np.bool_]:
    return np.asarray(answers.predicted == images.label[:, None, None])


def _resampled(answers: _Answers, images: _Images, seed: int) -> Resampled:
    return resample(answers.levels, _correct(answers, images), groups=images.group, seed=seed)


def _curve_table(
    answers: _Answers, sample: Resampled, tests: Significance, fit: PsychometricFit, scores: pd.DataFrame
) -> pd.DataFrame:
    curve = find_curve(sample)
    supported = scores[scores["support"] > 0]
    macro = supported.groupby("level")[["precision", "recall", "f1", "fpr"]].mean()
    return pd.DataFrame(
        {
            "noise": answers.noise,
            "unit": answers.unit,
            "level": answers.levels,
            "level_index": np.arange(len(answers.levels)),
            "n": len(answers.predicted),
            "accuracy": curve.accuracy,
            "low": curve.low,
            "high": curve.high,
            "monotone": curve.monotone,
            "fitted": fit.fitted,
            **{f"{score}_macro": macro[score].to_numpy() for score in macro},
            "mcnemar_p": tests.p,
            "significant": tests.significant,
        }
    )


def _threshold_table(answers: _Answers, sample: Resampled, tests: Significance, images: _Images) -> pd.DataFrame:
    rows = [_threshold_row(sample, criterion, images.chance, answers.step) for criterion in CRITERIA]
    rows.append(
        {
            "criterion": "significant",
            "threshold": tests.level,
            "low": np.nan,
            "high": np.nan,
            "censored": "above" if np.isinf(tests.level) else "",
            "sampling_error": np.nan,
            "interpolation_error": np.nan,
            "method": f"one-sided McNemar tests against clean, Holm, alpha {ALPHA}: first of two levels in a row",
        }
    )
    known = {"noise": answers.noise, "unit": answers.unit, "n": len(images.label), "groups": sample.groups}
    return pd.DataFrame([known | row for row in rows])[THRESHOLD_COLUMNS]


def _threshold_row(sample: Resampled, criterion: str, chance: float, step: float) -> dict[str, object]:
    """A threshold, or NaN and the reason where there is none: half of two even classes' accuracy is mere chance."""
    share, clean = CRITERIA[criterion], float(sample.accuracy[0])
    if share * clean <= chance:
        reason = f"none: {share:g} x clean {clean:.3g} is not above chance, {chance:.3g}"
        return _no_threshold(criterion, reason)
    found = find_threshold(sample, share=share, chance=chance, step=step)
    return {
        "criterion": criterion,
        "threshold": found.value,
        "low": found.low,
        "high": found.high,
        "censored": found.censored,
        "method": found.method,
        "sampling_error": found.sampling_error,
        "interpolation_error": found.interpolation_error,
    }


def _no_threshold(criterion: str, reason: str) -> dict[str, object]:
    nothing = dict.fromkeys(("threshold", "low", "high", "sampling_error", "interpolation_error"), np.nan)
    return {"criterion": criterion, "censored": "", "method": reason, **nothing}


def _class_thresholds(answers: _Answers, images: _Images, class_names: Sequence[str], seed: int) -> pd.DataFrame:
    """Where the recall of each class falls to half of its clean value; a class without a threshold keeps its row."""
    rows = []
    for label, name in enumerate(class_names):
        member = images.label == label
        correct = answers.predicted[member] == label
        row = {
            "class": label,
            "class_name": name,
            "support": int(member.sum()),
            "noise": answers.noise,
            "unit": answers.unit,
        }
        rows.append(row | _class_row(answers, correct, images.groups_of(member), 1 / len(class_names), seed))
    return pd.DataFrame(rows)[["class", "class_name", "support", *THRESHOLD_COLUMNS]]


def _class_row(
    answers: _Answers, correct: NDArray[np.bool_], groups: NDArray[np.object_] | None, chance: float, seed: int
) -> dict[str, object]:
    support = len(correct)
    if support:
        sample = resample(answers.levels, correct, groups=groups, seed=seed)
        row = _threshold_row(sample, "fails", chance, answers.step)
    else:
        row = _no_threshold("fails", "none: no images")
    return row | {"n": support, "groups": support if groups is None else len(set(groups))}


def _class_scores(answers: _Answers, label: Integers, classes: int) -> pd.DataFrame:
    """Precision, recall, false positive rate and F1 of each class at each level, from counts; repeats are pooled."""
    truth = np.broadcast_to(label[:, None], answers.predicted.shape[:2]).ravel()
    columns = answers.predicted.reshape(-1, len(answers.levels))
    hits, called = np.empty((2, len(answers.levels), classes), dtype=np.float64)
    for index, predicted in enumerate(columns.T):
        hits[index] = np.bincount(truth[predicted == truth], minlength=classes)
        called[index] = np.bincount(predicted, minlength=classes)
    asked = np.bincount(truth, minlength=classes).astype(np.float64)
    recall = _ratio(hits, asked)
    return pd.DataFrame(
        {
            "noise": answers.noise,
            "level": np.repeat(answers.levels, classes),
            "class": np.tile(np.arange(classes), len(answers.levels)),
            "precision": _ratio(hits, called).ravel(),
            "recall": np.where(asked > 0, recall, np.nan).ravel(),
            "fpr": _ratio(called - hits, len(truth) - asked).ravel(),
            "f1": _ratio(2 * hits, called + asked).ravel(),
            "support": np.tile(np.bincount(label, minlength=classes), len(answers.levels)),
        }
    )


def _ratio(part: Floats, whole: Floats) -> Floats:
    """A share that is 0 of nothing, as scikit-learn has it."""
    return np.asarray(part / np.where(whole > 0, whole, 1.0) * (whole > 0))
