import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from models.scores import calibration_error, classification_scores

NAMES = ("stop", "yield", "priority", "no entry")


def test_closed_form_of_a_small_confusion() -> None:
    labels = [0, 0, 0, 0, 1, 1, 2, 2]
    predicted = [0, 0, 0, 1, 1, 1, 2, 0]
    scores = classification_scores(labels, np.eye(4)[predicted] * 20, NAMES)
    assert scores.accuracy == pytest.approx(6 / 8)
    assert scores.balanced_accuracy == pytest.approx((3 / 4 + 1 + 1 / 2) / 3)
    assert scores.confusion.tolist() == [[3, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert scores.per_class["precision"].tolist() == pytest.approx([3 / 4, 2 / 3, 1, 0])
    assert scores.per_class["recall"].tolist() == pytest.approx([3 / 4, 1, 1 / 2, 0])
    assert scores.per_class["fpr"].tolist() == pytest.approx([1 / 4, 1 / 6, 0, 0])
    assert scores.per_class["support"].tolist() == [4, 2, 2, 0]


def test_macro_figures_leave_out_classes_without_examples() -> None:
    scores = classification_scores([0, 0, 1], np.eye(4)[[0, 0, 1]], NAMES)
    assert (scores.f1_macro, scores.precision_macro, scores.recall_macro) == (1.0, 1.0, 1.0)
    assert scores.fpr_macro == 0.0


def test_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 400)
    logits = random.normal(size=(400, 4)) + 1.5 * np.eye(4)[labels]
    predicted = logits.argmax(axis=1)
    scores = classification_scores(labels, logits, NAMES)
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert scores.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert scores.f1_macro == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert scores.precision_macro == pytest.approx(metrics.precision_score(labels, predicted, average="macro"))
    assert scores.recall_macro == pytest.approx(metrics.recall_score(labels, predicted, average="macro"))
    assert scores.mcc == pytest.approx(metrics.matthews_corrcoef(labels, predicted))
    assert scores.kappa == pytest.approx(metrics.cohen_kappa_score(labels, predicted))
    assert scores.per_class["f1"].tolist() == pytest.approx(metrics.f1_score(labels, predicted, average=None).tolist())
    for name in NAMES:
        assert name in scores.report


def test_false_positive_rate_is_one_minus_specificity_of_each_class_against_the_rest() -> None:
    random = np.random.default_rng(4)
    labels, logits = random.integers(0, 4, 200), random.normal(size=(200, 4))
    predicted = logits.argmax(axis=1)
    rates = classification_scores(labels, logits, NAMES).per_class["fpr"]
    for index in range(4):
        specificity = metrics.recall_score(labels != index, predicted != index)
        assert rates[index] == pytest.approx(1 - specificity)


@pytest.mark.filterwarnings("ignore")
def test_one_class_alone_has_scores() -> None:
    scores = classification_scores([2, 2], np.eye(4)[[2, 2]] * 9, NAMES)
    assert (scores.accuracy, scores.balanced_accuracy, scores.f1_macro) == (1.0, 1.0, 1.0)
    assert all(np.isfinite(value) for value in scores.metrics().values())


def test_calibration_error_of_one_bin_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.tile([0.8, 0.2], (10, 1))
    labels = [0] * 6 + [1] * 4
    assert calibration_error(labels, probabilities) == pytest.approx(0.2)


def test_calibration_error_weighs_bins_by_their_images() -> None:
    probabilities = [[0.95, 0.05]] * 3 + [[0.6, 0.4]]
    assert calibration_error([0, 0, 0, 1], probabilities) == pytest.approx((3 * 0.05 + 0.6) / 4)


def test_a_calibrated_classifier_has_nearly_no_calibration_error() -> None:
    random = np.random.default_rng(5)
    right = random.uniform(0.5, 1.0, 200_000)
    labels = (random.uniform(size=right.size) > right).astype(int)
    assert calibration_error(labels, np.stack([right, 1 - right], axis=1)) < 0.005


def test_calibration_is_that_of_the_softmax_of_each_image() -> None:
    random = np.random.default_rng(6)
    labels, logits = random.integers(0, 4, 60), 2 * random.normal(size=(60, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = classification_scores(labels, logits, NAMES).calibration_error
    assert found == pytest.approx(calibration_error(labels, shares), rel=1e-12)


def test_calibration_error_has_fifteen_bins_and_zero_confidence_the_first() -> None:
    probabilities = np.tile([[0.41, 0.3, 0.29], [0.45, 0.3, 0.25]], (2, 1))  # both in (6 / 15, 7 / 15]
    assert calibration_error([0, 1, 1, 0], probabilities) == pytest.approx(0.5 - 0.43)
    probabilities[1::2] = 0.48, 0.3, 0.22  # in the next: right once in two, too
    assert calibration_error([0, 1, 1, 0], probabilities) == pytest.approx((0.5 - 0.41 + 0.5 - 0.48) / 2)
    assert calibration_error([0, 0], np.zeros((2, 3))) == 1.0


def test_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    probabilities = [[0.5, 0.5, 0.0], [0.45, 0.55, 0.0]]
    assert calibration_error([0, 0], probabilities, bins=2) == pytest.approx((0.5 + 0.55) / 2)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40)
@given(arrays(np.float64, (12, 3), elements=st.floats(-30, 30)), st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_every_figure_is_finite_and_in_its_range(logits: np.ndarray, labels: list[int]) -> None:
    scores = classification_scores(labels, logits, NAMES[:3])
    for name, value in scores.metrics().items():
        assert (-1.0 if name in ("mcc", "kappa") else 0.0) <= value <= 1.0 + 1e-12, name


def test_metrics_hold_the_single_figures_alone() -> None:
    names = set(classification_scores([0, 1], np.eye(4)[[0, 1]], NAMES).metrics())
    assert names == {
        "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "fpr_macro",
        "mcc", "kappa", "calibration_error",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        ([], np.empty((0, 4)), "do not fit"),
        ([0, 1], np.zeros((2, 3)), "do not fit 4 classes"),
        ([0, 1], np.zeros((3, 4)), "do not fit"),
        ([0, 4], np.zeros((2, 4)), "outside 0..3"),
        ([0, -1], np.zeros((2, 4)), "outside 0..3"),
        ([0, 1], np.full((2, 4), np.nan), "not finite"),
    ],
)
def test_wrong_input_is_named(labels: list[int], logits: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classification_scores(labels, logits, NAMES)
