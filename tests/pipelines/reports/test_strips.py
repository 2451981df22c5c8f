import dataclasses
import math

import numpy as np
import pytest

from pipelines.reports.figures import BEGINS, FAILS, WRONG
from pipelines.reports.strips import mark_position, strip_figure, strip_svg, telling_columns
from pipelines.reports.summary import Crossing, summarise

LEVELS = (0.0, 0.1, 0.2, 0.3)


def crossing(value, censored=""):
    return Crossing(value, math.nan, math.nan, censored, 0.0, 0.1, 0.3)


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (crossing(0.15), 2),
        (crossing(0.2), 2),
        (crossing(0.2001), 3),
        (crossing(0.01), 1),
        (crossing(0.1, "below"), 1),
        (crossing(0.35), None),
        (crossing(math.inf, "above"), None),
        (crossing(math.nan), None),
    ],
)
def test_marks_stand_between_the_right_columns(found, left):
    assert mark_position(found, LEVELS) == left


@pytest.fixture(scope="module")
def drawn(few, grid, strip, class_names):
    noise = next(noise for noise in summarise(few, grid) if noise.name == "gaussian")
    return noise, strip_figure(strip, noise, class_names).axes[0]


def test_lines_are_drawn_there(drawn, strip):
    noise, axes = drawn
    places = {line.get_color(): line.get_xdata()[0] for line in axes.lines}
    for colour, found in ((BEGINS, noise.begins), (FAILS, noise.fails)):
        place = round(places[colour])
        assert abs(places[colour] - place) < 0.05
        assert strip.levels[place - 1] < found.value <= strip.levels[place]


def test_wrong_predictions_are_framed_and_named(drawn, strip):
    _, axes = drawn
    frames = {(int(patch.get_x()), int(patch.get_y() // 1.42)) for patch in axes.patches}
    wrong = {(column, row) for row, column in np.argwhere(strip.predicted != strip.labels[:, None])}
    assert frames == wrong
    named = [text.get_text() for text in axes.texts if text.get_color() == WRONG]
    assert named == ["Speed limit\n(10 km/h)"] * len(wrong)


def test_levels_stand_above_the_columns(drawn, strip):
    _, axes = drawn
    texts = [text.get_text() for text in axes.texts]
    assert "clean" in texts
    assert all(f"{level:.3g}" in texts for level in strip.levels[1:])


def test_a_threshold_out_of_range_is_said(few, grid, strip, class_names):
    noise = next(noise for noise in summarise(few, grid) if noise.name == "brightness")
    axes = strip_figure(strip, noise, class_names).axes[0]
    assert "fails: not reached up to 0.3" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("change", [{"levels": (0.0, 0.1)}, {"labels": np.zeros(1, int)}])
def test_arrays_that_do_not_belong_together(strip, change):
    with pytest.raises(ValueError, match="one level a column"):
        dataclasses.replace(strip, **change)


def test_levels_that_fall(strip):
    with pytest.raises(ValueError, match="do not rise"):
        dataclasses.replace(strip, levels=strip.levels[::-1])


def test_images_of_another_shape(strip):
    with pytest.raises(ValueError, match="rows, columns, H, W, 3"):
        dataclasses.replace(strip, images=strip.images[..., :1])


def test_columns_that_tell_are_clean_the_last_and_those_around_the_thresholds(drawn, strip):
    noise, _ = drawn
    marks = [mark_position(found, strip.levels) for found in (noise.begins, noise.fails)]
    for most in (6, 8):
        columns = telling_columns(noise, strip.levels, most)
        assert columns == sorted(set(columns))
        assert len(columns) == most
        assert {0, len(strip.levels) - 1, *marks, *(mark - 1 for mark in marks)} <= set(columns)
    assert telling_columns(noise, strip.levels, 50) == list(range(len(strip.levels)))


def test_part_of_a_strip(strip):
    part = strip.take([1, 3], [0, 2, 5])
    assert part.levels == (strip.levels[0], strip.levels[2], strip.levels[5])
    assert part.labels.tolist() == [strip.labels[1], strip.labels[3]]
    np.testing.assert_array_equal(part.images[1, 2], strip.images[3, 5])
    np.testing.assert_array_equal(part.predicted, strip.predicted[[1, 3]][:, [0, 2, 5]])


def test_a_light_strip_frames_what_is_wrong_and_says_as_what_it_was_taken(drawn, strip):
    noise, _ = drawn
    names = [f"<{c}> & more" for c in range(43)]
    svg = strip_svg(strip, noise, names)
    wrong = int((strip.predicted != strip.labels[:, None]).sum())
    assert svg.count("<rect") == svg.count("<title>&lt;1&gt; &amp; more</title>") == wrong
    assert svg.count("<image") == 1
    assert svg.count("<text") == len(strip.levels)
    assert f"{wrong} of {strip.predicted.size} pictures taken wrong" in svg
    assert len(svg) < 60_000
