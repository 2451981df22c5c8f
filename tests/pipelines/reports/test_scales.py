import numpy as np
import pandas as pd
import pytest

from pipelines.reports.scales import is_numeric, scale_of, short_number, spoken_name


def test_numbers_stand_evenly_with_room_at_the_ends():
    values = pd.Series([2.0, 3.0, 4.0])
    scale = scale_of(values)
    low, middle, high = scale.place(values)
    assert 0 < low < middle < high < 1
    assert middle == pytest.approx(0.5)
    assert high - middle == pytest.approx(middle - low)
    assert scale.numeric


def test_more_than_a_decade_is_spread_by_the_logarithm():
    values = pd.Series([1e-4, 1e-3, 1e-2, np.nan])
    low, middle, high, missing = scale_of(values).place(values)
    assert middle - low == pytest.approx(high - middle)
    assert np.isnan(missing)
    short = pd.Series([1.0, 5.0, 9.0])
    assert scale_of(short).place(short)[1] == pytest.approx(0.5)


def test_a_score_is_spread_by_its_distance_to_one():
    values = pd.Series([0.9, 0.99, 0.999])
    scale = scale_of(values, score=True)
    low, middle, high = scale.place(values)
    assert middle - low == pytest.approx(high - middle)
    assert [label for label in scale.ticks.values() if label in ("0.9", "0.99", "0.999")] == ["0.9", "0.99", "0.999"]
    assert scale.place(pd.Series([1.0])) < 2  # a perfect one has a place too
    assert len(scale_of(pd.Series([0.981, 0.986]), score=True).ticks) >= 3


def test_few_round_numbers_have_a_tick_each():
    sizes = pd.Series([64, 128, 256, 64])
    scale = scale_of(sizes)
    assert list(scale.ticks.values()) == ["64", "128", "256"]
    assert scale.discrete
    assert not scale_of(pd.Series([0.12345, 0.54321])).discrete


def test_words_truth_values_and_mixtures_stand_side_by_side():
    words = pd.Series(["unit", None, "spatial", "unit"])
    scale = scale_of(words)
    assert list(scale.ticks.values()) == ["spatial", "unit"]
    np.testing.assert_allclose(scale.place(words), [0.75, np.nan, 0.25, 0.75])
    assert list(scale_of(pd.Series([True, False])).ticks.values()) == ["False", "True"]
    assert list(scale_of(pd.Series(["all", 3], dtype=object)).ticks.values()) == ["3", "all"]


def test_a_constant_stands_in_the_middle():
    assert scale_of(pd.Series([3.0, 3.0])).place(pd.Series([3.0])) == pytest.approx(0.5)
    assert scale_of(pd.Series([0.99]), score=True).place(pd.Series([0.99])) == pytest.approx(0.5)
    assert scale_of(pd.Series(["a"])).place(pd.Series(["a"])) == pytest.approx(0.5)


def test_no_values_at_all():
    assert np.isnan(scale_of(pd.Series([np.nan])).place(pd.Series([np.nan]))).all()
    assert not scale_of(pd.Series([np.nan])).ticks


def test_numbers_and_names_as_they_are_written():
    numbers = (0, 3e-4, 0.001, 1.5, 64, 9999, 12_000, 858_699, 1.2e6, 3e9)
    written = ["0", "3e-4", "0.001", "1.5", "64", "9999", "12k", "859k", "1.2M", "3G"]
    assert [short_number(value) for value in numbers] == written
    names = ("param/learning_rate", "f1_macro", "load/importance_gini")
    assert [spoken_name(name) for name in names] == ["learning rate", "macro-F1", "load: importance Gini"]


def test_truth_values_are_no_numbers():
    assert is_numeric(pd.Series([1, 2.5, None]))
    assert not is_numeric(pd.Series([True, False]))
    assert not is_numeric(pd.Series(["1"]))
