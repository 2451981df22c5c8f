import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.classes import class_order
from pipelines.reports.summary import Crossing, by_family, ends, number, spoken, summarise


def crossing(value=0.128, low=0.119, high=0.138, censored="", clean=0.0, first=0.05, last=0.5):
    return Crossing(value, low, high, censored, clean, first, last)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (crossing(), "0.128 [0.119, 0.138]"),
        (crossing(low=0.08, high=0.17), "0.13 [0.08, 0.17]"),
        (crossing(0.47, 0.45, math.inf), "0.47 [0.45, > 0.5]"),
        (crossing(math.inf, math.inf, math.inf, "above"), "not reached up to 0.5"),
        (crossing(math.inf, 0.45, math.inf, "above"), "not reached up to 0.5 [0.45, > 0.5]"),
        (crossing(math.inf, math.nan, math.nan, "above", last=math.nan), "not reached"),
        (crossing(0.05, 0.05, 0.05, "below"), "at or below 0.05"),
        (crossing(0.05, 0.0, 0.05, "below"), "at or below 0.05"),
        (crossing(0.05, 0.05, 0.07, "below"), "at or below 0.05 [≤ 0.05, 0.07]"),
        (crossing(0.15, math.nan, math.nan), "0.15"),
        (crossing(math.nan, math.nan, math.nan), "-"),
        (crossing(0.15, -math.inf, math.inf), "0.15 [no honest interval]"),
        (crossing(0.05, -math.inf, math.inf, "below"), "at or below 0.05"),
        (crossing(math.inf, -math.inf, math.inf, "above"), "not reached up to 0.5"),
        (crossing(0.15, -math.inf, 0.2), "0.15 [clean, 0.20]"),
        (crossing(2.0, 2.0, 2.0), "2.00 [2.00, 2.00]"),
    ],
)
def test_thresholds_in_words(found, text):
    assert found.text() == text


def test_ends_without_a_bound_are_words():
    assert ends(0.5, 0.75) == " [0.50, 0.75]"
    assert ends(-math.inf, 0.75) == " [not reached, 0.75]"
    assert ends(0.5, math.inf) == " [0.50, not reached]"
    assert ends(20.0, math.inf, number, "∞") == " [20, ∞]"
    assert ends(-math.inf, math.inf) == " [no honest interval]"
    assert ends(math.nan, 0.75) == ends(0.5, math.nan) == ""


def test_places_in_the_tested_range():
    assert crossing(0.25).place() == 0.5
    assert crossing(1.25, clean=1.0, last=1.5).place() == 0.5
    assert crossing(math.inf, 0.4, math.inf, "above").place() == 1
    assert crossing(math.inf, 0.4, math.inf, "above").places() == (0.8, 1)
    assert crossing(math.inf, math.inf, math.inf, "above").places() == (1, 1)
    assert crossing(0.05, 0.0, 0.05, "below").places() == (0, 0.1)


@given(st.floats(0.001, 0.499), st.floats(1e-6, 0.2), st.floats(1e-6, 0.2))
def test_rounding_keeps_the_value_within_its_interval(value, under, over):
    text = crossing(value, value - under, value + over).text()
    shown, low, high = (float(part) for part in text.replace("[", "").replace("]", "").replace(",", "").split())
    assert low <= shown <= high
    assert abs(shown - value) <= max(under + over, 1e-5)


def test_noises_are_sorted_by_what_they_need(analysis, grid):
    noises = summarise(analysis, grid)
    assert [noise.name for noise in noises][:3] == ["black_columns", "salt_pepper", "gaussian"]
    assert noises[-1].name == "brightness"
    assert len(noises) == 10


def test_noises_know_their_family_unit_and_severities(analysis, grid):
    noises = summarise(analysis, grid)
    kinds = {part.kind.name: part.kind for part in grid}
    for noise in noises:
        kind = kinds[noise.name]
        assert (noise.family, noise.unit, noise.severities) == (kind.family, kind.unit, kind.severities)
    families = by_family(noises)
    assert list(families) == ["light", "optical", "random", "structured"]
    assert [noise.name for noise in families["random"]] == ["salt_pepper", "gaussian", "speckle", "uniform"]


def test_small_classes_are_not_ranked(analysis, grid):
    noises = summarise(analysis, grid)
    ranked, others = class_order(analysis.per_class, noises)
    assert others == [c for c in range(43) if c % 5 == 0]
    assert sorted(ranked + others) == list(range(43))
    rows = analysis.per_class[~np.isin(analysis.per_class["noise"], ["brightness", "black_columns"])]
    median = rows.groupby("class")["threshold"].median()
    assert median[ranked[:5]].mean() < median[ranked[-5:]].mean()


def test_words():
    assert spoken("salt_pepper") == "salt and pepper"
    assert spoken("gaussian__gaussian_blur") == "gaussian + gaussian blur"
    assert [number(value) for value in (0.1, 0.12345, 12.0, 1234.5)] == ["0.1", "0.123", "12", "1,234"]
