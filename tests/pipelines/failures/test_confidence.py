import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.failures.confidence import confidence_warnings

LABEL = np.zeros(200, int)


@pytest.fixture(scope="module")
def grid(rows):
    random = np.random.default_rng(1)
    wrong = random.random((2, 200)) < np.array([[0.2], [0.6]])
    confidence = np.where(wrong, random.uniform(0.3, 0.8, (2, 200)), random.uniform(0.5, 1.0, (2, 200)))
    return {
        "clean": rows("clean", LABEL, LABEL[None], [0.0], confidence=0.95),
        "dots": rows("dots", LABEL, wrong.astype(int), [0.1, 0.3], confidence=confidence),
    }


def test_a_row_for_the_clean_images_and_each_level(grid):
    table = confidence_warnings(grid)
    assert table["level"].tolist() == [0.0, 0.1, 0.3]
    assert table["level_index"].tolist() == [0, 1, 2]
    assert (table["noise"] == "dots").all()
    assert (table["n"] == 200).all()


def test_figures_are_those_of_their_definitions(grid):
    table = confidence_warnings(grid)
    for index, found in enumerate(table.to_dict("records")[1:], start=1):
        rows = grid["dots"][grid["dots"]["level_index"] == index]
        right, confidence = (rows["predicted"] == rows["label"]).to_numpy(), rows["confidence"].to_numpy(float)
        assert found["accuracy"] == pytest.approx(right.mean())
        assert found["overconfidence"] == pytest.approx(confidence.mean() - right.mean())
        assert found["auroc"] == pytest.approx(roc_auc_score(right, confidence))
        assert found["auroc_low"] < found["auroc"] < found["auroc_high"]


def test_where_all_are_right_confidence_has_nothing_to_sort(grid):
    clean = confidence_warnings(grid).iloc[0]
    assert np.isnan(clean["auroc"])
    assert clean["calibration_error"] == pytest.approx(0.05, abs=1e-6)


def test_images_of_a_track_count_as_one(grid, rows):
    tracked = {name: table.assign(track=table["image_id"].str[:7]) for name, table in grid.items()}  # tens of images
    alone, together = (confidence_warnings(one).iloc[2] for one in (grid, tracked))
    assert together["auroc"] == alone["auroc"]
    assert together["auroc_high"] != alone["auroc_high"]
