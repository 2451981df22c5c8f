"""Prediction rows to tables: complete, right by peers, and honest about what cannot be measured."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from noise.thresholds import estimate_threshold
from pipelines.analysis import Analysis, analyse
from pipelines.errors import InputError

LEVELS = {"blur": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "rows": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
UNITS = {"blur": "pixels", "rows": "share of rows"}
NAMES = ["stop", "yield", "priority", "never seen"]
IMAGES = 240


def measured(rows: pd.DataFrame, *of: object) -> Analysis:
    return analyse(dict(iter(rows.groupby("noise"))), *of)


def _rows(noise: str, level: float, index: int, predicted: np.ndarray, repeat: int = 0) -> pd.DataFrame:
    images = np.arange(IMAGES)
    return pd.DataFrame(
        {
            "noise": noise,
            "level": level,
            "level_index": index,
            "repeat": repeat,
            "image_id": [f"test/{image:05d}" for image in images],
            "track": [f"t{image // 4}" for image in images],
            "label": images % 3,
            "predicted": predicted,
        }
    )


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Three classes seen, one never; blur has two repeats; in shuffled order."""
    random = np.random.default_rng(0)
    label = np.arange(IMAGES) % 3
    wrong = random.integers(0, 4, IMAGES)
    lapsed = random.random(IMAGES) < 0.05
    tables = [_rows("clean", 0.0, 0, np.where(lapsed, wrong, label))]
    for noise, repeats in (("blur", 2), ("rows", 1)):
        for repeat in range(repeats):
            tolerance = random.normal(0.45 if noise == "blur" else 0.3, 0.12, IMAGES)
            tables += [
                _rows(noise, level, index, np.where(lapsed | (tolerance <= level), wrong, label), repeat)
                for index, level in enumerate(LEVELS[noise])
                if index
            ]
    return pd.concat(tables).sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def analysis(predictions: pd.DataFrame) -> Analysis:
    return measured(predictions, LEVELS, UNITS, NAMES)


def _of(predictions: pd.DataFrame, noise: str, index: int) -> pd.DataFrame:
    rows = predictions[(predictions["noise"] == noise) & (predictions["level_index"] == index)]
    return rows.sort_values("image_id")


def test_every_table_is_complete(analysis: Analysis) -> None:
    levels = sum(len(each) for each in LEVELS.values())
    assert len(analysis.curves) == levels
    assert len(analysis.thresholds) == 2 * 3
    assert len(analysis.per_class) == 2 * len(NAMES)
    assert len(analysis.class_metrics) == levels * len(NAMES)
    assert list(analysis.thresholds.columns) == [
        *("noise", "unit", "criterion", "threshold", "low", "high", "censored", "n", "groups", "method"),
        *("sampling_error", "interpolation_error"),
    ]
    assert list(analysis.per_class.columns) == ["class", "class_name", "support", *analysis.thresholds.columns]
    assert list(analysis.class_metrics.columns) == (
        ["noise", "level", "class", "precision", "recall", "fpr", "f1", "support"]
    )
    assert set(analysis.thresholds["criterion"]) == {"begins", "fails", "significant"}
    assert (analysis.thresholds["n"] == IMAGES).all()
    assert (analysis.thresholds["groups"] == IMAGES // 4).all()
    assert (analysis.curves.groupby("noise")["level_index"].first() == 0).all()


def test_curves_are_the_accuracies(predictions: pd.DataFrame, analysis: Analysis) -> None:
    for noise, levels in LEVELS.items():
        curve = analysis.curves[analysis.curves["noise"] == noise]
        assert curve["level"].tolist() == levels
        for index, accuracy in enumerate(curve["accuracy"]):
            rows = _of(predictions, noise if index else "clean", index)
            assert accuracy == pytest.approx((rows["label"] == rows["predicted"]).mean())
        assert (np.diff(curve["monotone"]) <= 0).all()
        assert (curve["low"] <= curve["accuracy"]).all()
        assert (curve["accuracy"] <= curve["high"]).all()
        assert not curve["significant"].iloc[0]
        assert np.isnan(curve["mcnemar_p"].iloc[0])


def test_thresholds_are_those_of_the_public_function(predictions: pd.DataFrame, analysis: Analysis) -> None:
    rows = [_of(predictions, "rows" if index else "clean", index) for index in range(7)]
    correct = np.column_stack([(each["label"] == each["predicted"]).to_numpy() for each in rows])
    expected = estimate_threshold(LEVELS["rows"], correct, share=0.9, groups=rows[0]["track"].to_numpy())
    found = analysis.thresholds.query("noise == 'rows' and criterion == 'begins'").iloc[0]
    assert [found["threshold"], found["low"], found["high"]] == [expected.value, expected.low, expected.high]
    stop = (rows[0]["label"] == 0).to_numpy()
    expected = estimate_threshold(LEVELS["rows"], correct[stop], share=0.5, groups=rows[0]["track"].to_numpy()[stop])
    found = analysis.per_class.query("noise == 'rows' and class_name == 'stop'").iloc[0]
    assert [found["threshold"], found["low"], found["high"]] == [expected.value, expected.low, expected.high]


def test_class_metrics_equal_scikit_learn(predictions: pd.DataFrame, analysis: Analysis) -> None:
    for noise, index in (("blur", 3), ("rows", 6), ("rows", 0)):
        rows = _of(predictions, noise if index else "clean", index)
        metrics, curves = (
            table[(table["noise"] == noise) & (table["level"] == LEVELS[noise][index])]
            for table in (analysis.class_metrics, analysis.curves)
        )
        precision, recall, f1, _ = precision_recall_fscore_support(
            rows["label"], rows["predicted"], labels=range(4), zero_division=0
        )
        confusion = confusion_matrix(rows["label"], rows["predicted"], labels=range(4))
        fpr = (confusion.sum(axis=0) - np.diag(confusion)) / (len(rows) - confusion.sum(axis=1))
        assert metrics["precision"].to_numpy() == pytest.approx(precision)
        assert metrics["recall"].to_numpy()[:3] == pytest.approx(recall[:3])
        assert np.isnan(metrics["recall"].to_numpy()[3])
        assert metrics["f1"].to_numpy() == pytest.approx(f1)
        assert metrics["fpr"].to_numpy() == pytest.approx(fpr)
        assert metrics["support"].tolist() == [80, 80, 80, 0]
        expected = [precision[:3].mean(), recall[:3].mean(), f1[:3].mean(), fpr[:3].mean()]
        macro = [curves[f"{score}_macro"].iloc[0] for score in ("precision", "recall", "f1", "fpr")]
        assert macro == pytest.approx(expected)


def test_a_class_without_images_keeps_its_row(analysis: Analysis) -> None:
    unseen = analysis.per_class[analysis.per_class["class_name"] == "never seen"]
    assert unseen["threshold"].isna().all()
    assert (unseen["support"] == 0).all()
    assert (unseen["method"] == "none: no images").all()


def test_a_class_that_is_never_right_keeps_its_row(predictions: pd.DataFrame) -> None:
    blind = predictions.copy()
    relabelled = (blind["label"] == 0) & (blind["image_id"] < "test/00060")
    blind.loc[relabelled, ["label", "predicted"]] = 3, 0
    row = measured(blind, LEVELS, UNITS, NAMES).per_class.query("class_name == 'never seen'").iloc[0]
    assert np.isnan(row["threshold"])
    assert row["support"] == 20
    assert "not above chance" in row["method"]


def test_half_of_two_even_classes_is_chance_and_says_so(predictions: pd.DataFrame) -> None:
    two = predictions[predictions["label"] < 2].copy()
    two["predicted"] = two["predicted"].clip(upper=1)
    found = measured(two, LEVELS, UNITS, NAMES[:2]).thresholds.set_index(["noise", "criterion"])
    assert np.isnan(found.loc[("rows", "fails"), "threshold"])
    assert "not above chance" in found.loc[("rows", "fails"), "method"]
    assert np.isfinite(found.loc[("rows", "begins"), "threshold"])


def test_order_of_rows_does_not_matter(predictions: pd.DataFrame, analysis: Analysis) -> None:
    again = measured(predictions.sample(frac=1, random_state=2), LEVELS, UNITS, NAMES)
    for name in ("curves", "thresholds", "per_class", "class_metrics"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(analysis, name))


def test_images_without_a_track_are_their_own_groups(predictions: pd.DataFrame) -> None:
    alone = measured(predictions.assign(track=""), LEVELS, UNITS, NAMES)
    assert (alone.thresholds["groups"] == IMAGES).all()
    first = predictions["image_id"] < "test/00100"
    mixed = predictions.assign(track=predictions["track"].where(first, ""))
    assert (measured(mixed, LEVELS, UNITS, NAMES).thresholds["groups"] == 25 + 140).all()


def test_a_noise_that_harms_nothing_is_censored(predictions: pd.DataFrame) -> None:
    clean = predictions[predictions["noise"] == "clean"]
    harmless = [clean.assign(noise="none", level=level, level_index=index) for index, level in ((1, 0.5), (2, 1.0))]
    found = measured(pd.concat([clean, *harmless]), {"none": [0.0, 0.5, 1.0]}, {"none": "level"}, NAMES)
    assert (found.thresholds["censored"] == "above").all()
    assert np.isinf(found.thresholds["threshold"]).all()
    assert found.curves["fitted"].isna().all()


class TestBadRows:
    def test_missing_rows(self, predictions: pd.DataFrame) -> None:
        with pytest.raises(InputError, match="--resume"):
            measured(predictions.iloc[1:], LEVELS, UNITS, NAMES)

    def test_repeated_rows(self, predictions: pd.DataFrame) -> None:
        noisy = predictions[predictions["noise"] == "rows"]
        with pytest.raises(InputError, match="rows instead of"):
            measured(pd.concat([predictions, noisy.iloc[:1]]), LEVELS, UNITS, NAMES)

    def test_no_clean_images(self, predictions: pd.DataFrame) -> None:
        with pytest.raises(InputError, match="clean"):
            measured(predictions[predictions["noise"] != "clean"], LEVELS, UNITS, NAMES)

    def test_a_noise_of_the_grid_without_rows(self, predictions: pd.DataFrame) -> None:
        with pytest.raises(InputError, match="no rows of noise blur"):
            measured(predictions[predictions["noise"] != "blur"], LEVELS, UNITS, NAMES)

    def test_an_image_that_clean_lacks(self, predictions: pd.DataFrame) -> None:
        gone = (predictions["noise"] == "clean") & (predictions["image_id"] == "test/00007")
        with pytest.raises(InputError, match="test/00007"):
            measured(predictions[~gone], LEVELS, UNITS, NAMES)

    def test_levels_of_another_grid(self, predictions: pd.DataFrame) -> None:
        with pytest.raises(InputError, match="level_index"):
            measured(predictions, LEVELS | {"rows": LEVELS["rows"][:4]}, UNITS, NAMES)

    def test_a_model_that_is_no_better_than_one_answer(self, predictions: pd.DataFrame) -> None:
        with pytest.raises(InputError, match="constant answer"):
            measured(predictions.assign(predicted=0), LEVELS, UNITS, NAMES)
