import dataclasses

import numpy as np
import pytest

from pipelines.reports.curves import curve_figure, curves_figure, macros_figure
from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK
from pipelines.reports.summary import by_family, summarise


@pytest.fixture(scope="module")
def noises(few, grid):
    return {noise.name: noise for noise in summarise(few, grid)}


def lines(noise, colour):
    return [line for line in curve_figure(noise).axes[0].lines if line.get_color() == colour]


def test_thresholds_are_marked_on_the_monotone_curve(noises):
    noise = noises["gaussian"]
    for colour, found in ((BEGINS, noise.begins), (FAILS, noise.fails)):
        stem, interval, marker = lines(noise, colour)
        height = np.interp(found.value, noise.curve["level"], noise.curve["monotone"])
        assert stem.get_xdata()[0] == found.value
        assert marker.get_ydata()[0] == pytest.approx(height)
        assert list(interval.get_xdata()) == pytest.approx([found.low, found.high])


def test_what_is_not_reached_is_not_marked(noises):
    assert lines(noises["brightness"], FAILS) == []
    texts = [text.get_text() for text in curve_figure(noises["brightness"]).axes[0].texts]
    assert texts[0] == "begins not reached · fails not reached"


def test_what_is_reached_at_once_is_marked_at_the_first_level(noises):
    noise = noises["black_columns"]
    assert lines(noise, FAILS)[0].get_xdata()[0] == noise.levels[1]


def test_a_missing_fit_leaves_the_curve(noises):
    fit, curve = lines(noises["speckle"], INK)[0], lines(noises["speckle"], CURVE)[0]
    assert np.isnan(np.asarray(fit.get_ydata(), dtype=float)).all()
    assert np.isfinite(np.asarray(curve.get_ydata(), dtype=float)).all()


def test_small_multiples_have_one_panel_a_noise_with_its_unit(noises):
    ordered = [noise for members in by_family(list(noises.values())).values() for noise in members]
    for figure in (curves_figure(ordered), macros_figure(ordered)):
        assert [axes.get_xlabel() for axes in figure.axes] == [noise.unit for noise in ordered]
        assert [axes.get_title("left") for axes in figure.axes] == [noise.title for noise in ordered]
        assert len(figure.legends) == 1


def test_severities_are_marked_where_the_grid_reaches_them(noises):
    noise = dataclasses.replace(noises["gaussian"], severities={1: 0.04, 2: 0.05, 3: 0.2, 4: 0.45, 5: 0.9})
    axes = curve_figure(noise).axes[0]
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_gid() == "severity"]
    assert marks == [0.04, 0.05, 0.2, 0.45]
    assert [text.get_text() for text in axes.texts[1:]] == ["1", "3", "4"]  # no room for 2
