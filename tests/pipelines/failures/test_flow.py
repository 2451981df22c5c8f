import numpy as np
import pytest

from pipelines.failures.flow import AT_LAST, AT_THRESHOLD, TOP_PAIRS, confusion_flow

NAMES = ["stop", "yield", "caution"]
LABEL = [0] * 7 + [1] * 4 + [2] * 3


@pytest.fixture
def predictions(rows):
    right = np.array(LABEL)
    fooled = right.copy()
    fooled[:4], fooled[4], fooled[7:9] = 2, 1, 2  # 4 of 7 stops and 2 of 4 yields for caution, 1 stop for yield
    late = np.full(14, 1)
    return {
        "clean": rows("clean", LABEL, right[None], [0.0]),
        "dots": rows("dots", LABEL, np.stack([right, fooled, late]), [0.1, 0.2, 0.4]),
    }


def test_pairs_and_sinks_are_counted_where_the_noise_fails(predictions, thresholds):
    flow = confusion_flow(predictions, thresholds({"dots": (0.12, 0.25)}), NAMES)
    assert (flow["level"] == 0.2).all()
    assert (flow["measured_at"] == AT_THRESHOLD).all()
    assert (flow["failures"] == 7).all()
    pairs = flow[flow["kind"] == "pair"]
    assert list(zip(pairs["label_name"], pairs["predicted_name"], pairs["count"], strict=True)) == [
        ("stop", "caution", 4),
        ("yield", "caution", 2),
        ("stop", "yield", 1),
    ]
    assert pairs["rate"].tolist() == pytest.approx([4 / 7, 2 / 4, 1 / 7])
    assert pairs["share"].tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    sinks = flow[flow["kind"] == "sink"]
    assert sinks["label"].isna().all()
    assert sinks["predicted_name"].tolist() == ["caution", "yield"]
    assert sinks["rate"].tolist() == pytest.approx([6 / 11, 1 / 10])
    entropy = -(6 / 7) * np.log2(6 / 7) - (1 / 7) * np.log2(1 / 7)
    assert flow["entropy"].to_numpy() == pytest.approx(entropy)
    assert flow["destinations"].to_numpy() == pytest.approx(2**entropy)


@pytest.mark.parametrize("fails", [0.15, 0.3])
def test_a_level_of_another_accuracy_does_not_stand_for_the_threshold(predictions, thresholds, fails):
    """All are right at 0.1 and few at 0.4: what those answers name says nothing of where half of them are right."""
    early, late = (predictions["dots"][predictions["dots"]["level"] != level] for level in (0.4, 0.2))
    flow = confusion_flow(predictions | {"dots": early}, thresholds({"dots": (0.12, fails)}), NAMES)
    assert (flow["level"] == 0.2).all()
    assert len(flow)
    assert confusion_flow(predictions | {"dots": late}, thresholds({"dots": (0.12, fails)}), NAMES).empty


def test_a_noise_that_does_not_fail_is_counted_at_its_last_level_and_says_so(predictions, thresholds):
    flow = confusion_flow(predictions, thresholds({"dots": (0.12, np.inf)}), NAMES)
    assert (flow["level"] == 0.4).all()
    assert (flow["measured_at"] == AT_LAST).all()
    assert flow[flow["kind"] == "sink"]["share"].tolist() == [1.0]
    assert flow["destinations"].tolist() == [1.0] * 3


def test_without_failures_there_are_no_rows(predictions, rows, thresholds):
    spotless = {"clean": predictions["clean"], "nothing": rows("nothing", LABEL, [LABEL], [0.5])}
    assert confusion_flow(spotless, thresholds({"nothing": (np.inf, np.inf)}), NAMES).empty


def test_no_more_pairs_than_the_top_and_none_counted_twice(rows, thresholds):
    random = np.random.default_rng(1)
    label = random.integers(9, size=300)
    predicted = np.where(random.random(300) < 0.45, label, random.integers(9, size=300))[None]
    grid = {"clean": rows("clean", label, label[None], [0.0]), "chaos": rows("chaos", label, predicted, [1.0])}
    flow = confusion_flow(grid, thresholds({"chaos": (1.0, 1.0)}), [str(c) for c in range(9)])
    pairs, sinks = flow[flow["kind"] == "pair"], flow[flow["kind"] == "sink"]
    assert len(pairs) == TOP_PAIRS
    assert pairs["count"].is_monotonic_decreasing
    assert (pairs["label"] != pairs["predicted"]).all()
    assert sinks["count"].sum() == (label != predicted[0]).sum() == flow["failures"].iloc[0]
    assert sinks["share"].sum() == pytest.approx(1)
