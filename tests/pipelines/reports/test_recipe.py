import re

import numpy as np
import pandas as pd
import pytest

from pipelines.reports.recipe import recipe_caption, write_recipe_report
from pipelines.reports.terminal import thresholds_markdown, thresholds_table


@pytest.fixture
def networks():
    rows = [("network-1", "a.keras", 0.98, "ab" * 32), ("network-2", "b.keras", 0.995, "cd" * 32)]
    return pd.DataFrame(rows, columns=["network", "model", "accuracy", "sha256"])


@pytest.fixture
def recipe():
    columns = ["noise", "unit", "criterion", "threshold", "low", "high", "censored", "spread", "lowest", "highest"]
    columns += ["reached", "networks", "n", "method"]
    rows = [
        ("salt_pepper", "share", "begins", 0.1, 0.08, 0.125, "", 0.07, 0.09, 0.11, 2, 2, 500, "mean of 2"),
        ("salt_pepper", "share", "fails", np.inf, 0.34, np.inf, "above", np.nan, 0.4, np.inf, 1, 2, 500, "mean of 2"),
        ("fog", "density", "begins", 0.5, 0.0, 0.6, "below", np.nan, 0.5, 0.5, 2, 2, 500, "mean of 2"),
        ("fog", "density", "fails", np.nan, np.nan, np.nan, "", np.nan, np.nan, np.nan, 0, 2, 500, "none: chance"),
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def visibility(recipe):
    return recipe[["noise", "unit", "criterion", "censored"]].assign(ssim=[0.9, 0.8, 0.7, np.nan])


def test_the_page_has_thresholds_with_their_trainings_and_leads_to_each_network(tmp_path, recipe, visibility, networks):
    page = write_recipe_report(tmp_path, recipe, visibility, networks, about={"Seed": "0"}).read_text()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "salt and pepper 0.900 0.10 [0.08, 0.12] 0.09 to 0.11, 7% not reached above 0.34 reached by 1 of 2" in said
    assert "fog - at or below 0.5" in said
    assert "2 networks, 98.00% to 99.50% right of 500 clean images" in said
    assert re.findall('href="([^"]+)"', page) == [f"../network-{number}/report/report.html" for number in (1, 2)]
    assert "nan" not in said


def test_the_caption_says_what_interval_and_spread_mean(recipe, networks):
    assert "Intervals hold other images and other trainings" in recipe_caption(recipe, networks)


@pytest.mark.parametrize("show", [thresholds_table, thresholds_markdown])
def test_the_spread_of_trainings_stands_beside_their_thresholds(show, recipe, visibility):
    lines = show(recipe, visibility).splitlines()
    assert "spread" in lines[0]
    assert "significant" not in lines[0]
    assert "7%, -" in next(line for line in lines if "salt and pepper" in line)
    assert max(map(len, thresholds_table(recipe, visibility).splitlines())) <= 100
