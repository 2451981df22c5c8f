import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from pipelines.failures.margins import image_thresholds, margin_predicts, spearman

LEVELS = [0.1, 0.2, 0.4]


@pytest.fixture
def grid(rows):
    """Five images of class 0: one fails at each level (the second recovers), one never, one is wrong when clean."""
    answers = np.array([[1, 1, 1], [0, 2, 0], [0, 0, 3], [0, 0, 0], [4, 4, 4]]).T
    label = np.zeros(5, int)
    clean = rows("clean", label, [[0, 0, 0, 0, 4]], [0.0], margin=[1, 2, 3, 4, -1])
    return {"clean": clean, "dots": rows("dots", label, answers, LEVELS)}


def test_the_first_wrong_level_of_each_image_that_is_right_when_clean(grid):
    found = image_thresholds(grid)
    assert found["image_id"].tolist() == grid["clean"]["image_id"].tolist()[:4]
    assert found["level"].tolist() == [0.1, 0.2, 0.4, np.inf]
    assert found["level_below"].tolist() == [0.0, 0.1, 0.2, 0.4]
    assert found["level_index"].tolist() == [1, 2, 3, -1]
    assert found["predicted"].tolist() == [1, 2, 3, -1]
    assert found["right_again"].tolist() == [0, 1, 0, 0]
    assert found["margin"].tolist() == [1, 2, 3, 4]


def test_order_of_rows_does_not_matter_and_repeats_have_rows_of_their_own(grid, rows):
    again = rows("dots", np.zeros(5, int), np.zeros((3, 5), int), LEVELS, repeat=1)
    both = pd.concat([grid["dots"], again]).sample(frac=1, random_state=3)
    found = image_thresholds(grid | {"dots": both})
    assert found["repeat"].tolist() == [0, 1] * 4
    once = found[found["repeat"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(once, image_thresholds(grid))
    assert np.isinf(found[found["repeat"] == 1]["level"]).all()


def test_spearman_is_that_of_scipy_and_weights_are_copies():
    random = np.random.default_rng(4)
    x, y = random.normal(size=60).round(1), random.integers(5, size=60).astype(float)
    counts = random.integers(0, 4, (3, 60)).astype(np.uint8)
    rho, drawn = spearman(x, y, counts, np.arange(60))
    assert rho == pytest.approx(spearmanr(x, y).statistic)
    copies = [spearmanr(np.repeat(x, weight), np.repeat(y, weight)).statistic for weight in counts]
    assert drawn == pytest.approx(copies)


def test_members_of_a_group_are_drawn_together():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0, 5.0])
    _, drawn = spearman(x, y, np.array([[2, 0]], np.uint8), np.array([0, 0, 1, 1]))
    assert drawn == pytest.approx([-1.0])


def failing(margin, level, noise="dots"):
    count = len(margin)
    return pd.DataFrame(
        {
            "noise": noise,
            "image_id": [str(image) for image in range(count)],
            "track": "",
            "level_below": np.where(np.isinf(level), 8.0, np.asarray(level) - 1.0),
            "level": level,
            "right_again": 0,
            "margin": margin,
        }
    )


def test_margins_that_decide_the_level_foretell_it_wholly(thresholds):
    margin = np.linspace(0, 5, 100)
    table = margin_predicts(failing(margin, np.floor(margin) + 1), thresholds({"dots": (2.0, 4.0)}))
    row = table.iloc[0]
    assert row["rho"] == pytest.approx(spearmanr(margin, np.floor(margin)).statistic)
    assert row["rho_low"] <= row["rho"] <= row["rho_high"]
    assert row["auroc"] == 1
    assert row["early"] == pytest.approx(0.2)  # at level 1; at 2 twice as many have failed as where it begins to
    assert (row["n"], row["groups"], row["never"]) == (100, 100, 0)


def test_margins_that_have_no_part_in_it_foretell_nothing(thresholds):
    random = np.random.default_rng(6)
    level = np.where(random.random(2000) < 0.3, np.inf, random.integers(1, 9, 2000))
    row = margin_predicts(failing(random.normal(size=2000), level), thresholds({"dots": (3.0, np.inf)})).iloc[0]
    assert row["rho_low"] < 0 < row["rho_high"]
    assert row["rho_high"] - row["rho_low"] == pytest.approx(2 * 1.96 / np.sqrt(2000), rel=0.1)
    assert row["auroc_low"] < 0.5 < row["auroc_high"]
    assert row["never"] == pytest.approx(0.3, abs=0.03)


def test_images_that_fail_at_a_level_far_from_the_threshold_do_not_fail_early(thresholds):
    row = margin_predicts(failing(np.linspace(0, 5, 100), 1.0), thresholds({"dots": (0.8, 0.9)})).iloc[0]
    assert np.isnan([row["early"], row["auroc"], row["auroc_low"]]).all()


def test_images_that_never_fail_leave_nothing_to_foretell(thresholds):
    row = margin_predicts(failing([1.0, 2.0, 3.0], np.inf), thresholds({"dots": (np.inf, np.inf)})).iloc[0]
    assert np.isnan(row["rho"])
    assert np.isnan(row["rho_low"])
    assert np.isnan(row["auroc"])
    assert row["right_again"] == 0


def test_the_same_seed_gives_the_same_table(thresholds):
    random = np.random.default_rng(8)
    images = failing(random.normal(size=50), random.integers(1, 5, 50).astype(float))
    tables = [margin_predicts(images, thresholds({"dots": (1.0, 3.0)}), seed=seed) for seed in (3, 3, 4)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert tables[0]["rho_low"].iloc[0] != tables[2]["rho_low"].iloc[0]
