import numpy as np
import pandas as pd
import pytest

from pipelines.reports.captions import (
    clean_accuracy,
    listed,
    margin_caption,
    ranking_caption,
    slight_caption,
    slightest_caption,
    ssim_text,
    warning_caption,
)
from pipelines.reports.summary import summarise


def test_clean_accuracy(study):
    noise = summarise(study.analysis, study.measured.levels)[0]
    assert clean_accuracy(noise, 43).startswith("Without noise it names 98.9% [")
    assert "of 6,315 images right (43 classes)" in clean_accuracy(noise, 43)


def test_harm_that_barely_shows_is_counted():
    table = pd.DataFrame({"noise": ["hue", "salt_pepper", "fog"], "criterion": "begins", "rank": [1, 2, None]})
    table = table.assign(ssim=[0.99, 0.6, 0.97], censored=["", "", "above"])
    table = table.assign(ssim_low=table["ssim"] - 0.06, ssim_high=table["ssim"] + 0.005)
    text = ranking_caption(table)
    assert text.startswith("1 of 3 noises make this network begin to fail at SSIM 0.95 or more (0 with their whole")
    assert "(hue)" in text
    assert "the last at SSIM 0.60 [0.54, 0.60]." in text
    assert ranking_caption(table.assign(rank=np.nan)).startswith("No noise")
    early = ranking_caption(table.assign(censored=["", "", "below"]))
    assert "(hue and fog)" in early  # it did harm before its first level: it counts, though it has no rank


def test_slight_harm_of_the_median_noise():
    table = pd.DataFrame({"failing_at": [0.1, 0.02, 0.3, np.nan], "failing_huge": [0.9, 0.8, 1.0, 0.7]})
    text = slight_caption(table)
    assert "on 10.0% of the images" in text
    assert text.endswith("on 85%.")
    assert slight_caption(table.assign(failing_at=np.nan)).startswith("No noise shows as little")


def test_slightest_changes():
    text = slightest_caption(pd.DataFrame({"noise": ["hue", "hue", "fog"], "ssim": [0.99999, 0.98, 0.97]}))
    assert "at SSIM > 0.9999 to 0.9700" in text
    assert text.endswith("2 of these 3 fail under hue.")


def test_confidence_where_half_is_right():
    table = pd.DataFrame({"noise": ["a", "a", "b"], "accuracy": [0.9, 0.5, 0.55], "auroc": [0.99, 0.7, 0.8]})
    table = table.assign(auroc_low=table["auroc"] - 0.1, auroc_high=table["auroc"] + 0.01)
    text = warning_caption(table.assign(overconfidence=[0.5, -0.02, 0.11]))
    assert "2 noises" in text
    assert "AUROC is 0.70 [0.60, 0.71] to 0.80 [0.70, 0.81]" in text
    assert "2 points below to 11 points above accuracy" in text
    assert warning_caption(table.assign(accuracy=0.9, overconfidence=0.0)).startswith("Accuracy falls")


def test_small_margins_foretell():
    table = pd.DataFrame({"noise": ["hue", "fog", "text"], "auroc": [0.7, 0.55, np.nan]})
    table = table.assign(auroc_low=[0.6, np.nan, np.nan], auroc_high=[0.8, np.nan, np.nan])
    assert "0.62 in the median of 2 noises, 0.55 (fog) to 0.70 [0.60, 0.80] (hue)" in margin_caption(table)
    assert margin_caption(table.iloc[2:]).startswith("No image fails early enough")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("a", "a"),
        ("ab", "a and b"),
        ("abc", "a, b and c"),
        ("abcdefg", "a, b, c, d, e, f and g"),
        ("abcdefgh", "a, b, c, d, e, f and 2 more"),
    ],
)
def test_lists(names, text):
    assert listed(names) == text


def test_similarity_near_one_keeps_a_digit():
    assert [ssim_text(value) for value in (0.5, 0.984, 0.997)] == ["SSIM 0.50", "SSIM 0.98", "SSIM 0.997"]
