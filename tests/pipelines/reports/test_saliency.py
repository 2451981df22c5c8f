"""The pictures and sentences of saliency: what they say and show, and their place in the report."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pipelines.reports.robustness import Pictures, write_robustness_report
from pipelines.reports.saliency import METHOD_NAMES, first_method, saliency_captions, saliency_figure, shift_figure
from pipelines.reports.summary import summarise
from pipelines.saliency import METHODS, Example, Saliency, summarise_moves

NOTHING = np.zeros((0, 32, 32, 3), np.uint8)


def moves(method, lost):
    """Of three noises at two levels: images that stay right keep 0.8, those about to fail `lost` less, others 0.1."""
    random = np.random.default_rng(4)
    rows = [
        {"noise": noise, "level": level, "level_index": index, "outcome": outcome, "rank_correlation": kept}
        for noise, levels in {"gaussian": (0.05, 0.1), "speckle": (0.1, 0.2), "black_columns": (0.1, 0.2)}.items()
        for index, level in enumerate(levels, start=1)
        for outcome, kept in (("right_next", 0.8), ("wrong_next", 0.8 - lost), ("wrong", 0.1))
        for _ in range(5)
    ]
    other = {"noise": "clean", "level": 0.0, "level_index": 0, "outcome": "other_image", "rank_correlation": 0.25}
    table = pd.DataFrame([other, *rows]).assign(method=method, centre_shift=0.1)
    table["rank_correlation"] += random.normal(0, 0.01, len(table))
    return table


@pytest.fixture(scope="module")
def shifts():
    return summarise_moves(pd.concat([moves("grad_cam", 0.3), moves("gradient", 0.0)]))


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(2)
    clean, noisy = random.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    maps = random.uniform(0, 1, (3, 32, 32)).astype(np.float32)
    blank = np.stack([maps[0], np.zeros_like(maps[0]), np.zeros_like(maps[0])])
    first = Example("black_columns", 0.25, "grad_cam", 3, 7, (0.93, 0.4), clean, noisy, maps, 0.17)
    return first, dataclasses.replace(first, noise="gaussian", maps=blank)


def texts(figure):
    return " | ".join(found.get_text() for found in [*figure.texts, *(t for a in figure.axes for t in a.texts)])


def test_every_method_has_a_name():
    assert set(METHOD_NAMES) == set(METHODS)


def test_a_caption_says_whether_the_map_moves_first(shifts):
    moved, still = saliency_captions(shifts.assign(low=0.1, high=0.4))
    assert moved.startswith("The Grad-CAM map moves before the answer does.")
    assert "keep a rank correlation of 0.50 with their clean map" in moved
    assert "at the same levels keep 0.80, a difference of 0.30 [0.2" in moved
    assert "over 3 noises" in moved
    assert "already wrong there keep 0.10" in moved
    assert "Grad-CAM maps of two different clean images correlate by 0.24 [0.10, 0.40], which" in moved
    assert "does not clearly move before" in still


def test_where_nothing_fails_a_caption_says_so():
    (said,) = saliency_captions(
        summarise_moves(moves("occlusion", 0.0).query("outcome in ('right_next', 'other_image')"))
    )
    assert said.startswith("No image of the sample fails between two tested levels.")
    assert saliency_captions(Saliency().shifts) == []


def test_failures_are_shown_with_both_answers(examples, class_names):
    figure = saliency_figure(examples, class_names)
    assert len(figure.axes) == 5 * len(examples)
    for word in ("black columns", "Grad-CAM", class_names[3], f"→ {class_names[7]}", "93% sure", "40% sure", "0.17"):
        assert word in texts(figure)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert all(np.isfinite(picture).all() for picture in shown)
    np.testing.assert_array_equal(shown[0], examples[0].clean)
    assert shown[8].max() <= 0.6  # nothing lights up where there is no evidence


def test_shifts_are_drawn_for_the_noises_that_have_them(shifts, study):
    noises = summarise(study.analysis, study.measured.levels)
    figure = shift_figure(first_method(shifts), noises)
    right, wrong, fates = figure.axes
    assert len(right.lines) == len(wrong.lines) == len(noises) + 1
    rows = [label.get_text() for label in fates.get_yticklabels()]
    assert set(rows) == {"gaussian", "speckle", "black columns"}
    drawn = sorted(float(line.get_xdata()[0]) for line in fates.lines if line.get_marker() == "D")
    assert drawn == pytest.approx([0.5] * 3, abs=0.02)


def test_shifts_are_drawn_though_nothing_is_about_to_fail(study):
    rows = summarise_moves(moves("gradient", 0.1).query("outcome != 'wrong_next'"))
    assert len(shift_figure(rows, summarise(study.analysis, study.measured.levels)).axes) == 3


def test_saliency_has_its_place_in_the_report(tmp_path, study, shifts, examples):
    explained = Saliency(shifts, examples, {"occlusion": "it finds <b>nothing</b>"})
    changed = dataclasses.replace(study, saliency=explained)
    files = write_robustness_report(tmp_path, changed, Pictures({}, NOTHING, NOTHING), about={})
    assert {"saliency.png", "saliency_shift.png"} <= {file.name for file in files}
    html = (tmp_path / "report.html").read_text()
    assert (
        html.index('id="failures"')
        < html.index("The Grad-CAM map moves before the answer does")
        < html.index('id="thresholds"')
    )
    assert "<code>occlusion</code>: it finds &lt;b&gt;nothing&lt;/b&gt;." in html
