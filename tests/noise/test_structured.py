import colorsys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import noise
from noise.structured import smallest

WHITE = np.ones((30, 32, 32, 3), np.float32)
IDS = [str(number) for number in range(len(WHITE))]


def noisy(name: str, level: float, images: np.ndarray = WHITE) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS[: len(images)])


@pytest.mark.parametrize("name", ["colour_patches", "occlusion"])
@pytest.mark.parametrize("level", [0.1, 0.25, 0.9])
def test_patches_cover_exactly_the_stated_area(name, level):
    covered = (noisy(name, level) != 1).any(axis=3).mean(axis=(1, 2))
    np.testing.assert_allclose(covered, round(level * 1024) / 1024)


@pytest.mark.parametrize("name", ["colour_patches", "occlusion", "black_rows", "black_columns"])
def test_what_is_covered_stays_covered_as_the_level_grows(name):
    covered = [noisy(name, level) != 1 for level in (0.05, 0.2, 0.5, 1.0)]
    assert all((small <= large).all() for small, large in pairwise(covered))
    assert covered[-1].any(axis=3).all()


def test_an_occlusion_is_one_grey_square():
    image = noisy("occlusion", 49 / 1024)[0, :, :, 0]
    rows, columns = np.nonzero(image == 0.5)
    assert len(rows) == 49
    assert np.ptp(rows) <= 8
    assert np.ptp(columns) <= 8


def test_patches_have_several_colours():
    image = noisy("colour_patches", 0.5)[0].reshape(-1, 3)
    assert 5 <= len(np.unique(image, axis=0)) <= 9


@pytest.mark.parametrize(("name", "axis"), [("black_rows", 2), ("black_columns", 1)])
def test_whole_lines_are_black_in_the_stated_number(name, axis):
    black = (noisy(name, 0.25) == 0).all(axis=3)
    lines = black.all(axis=axis)
    np.testing.assert_array_equal(lines.sum(axis=1), 8)
    np.testing.assert_array_equal(black.sum(axis=(1, 2)), 8 * 32)


@given(level=st.floats(0, 1), size=st.integers(1, 200), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_smallest_marks_the_stated_number_even_among_ties(level, size, seed):
    field = np.random.default_rng(seed).integers(0, 5, (3, size)).astype(np.float32)
    marked = smallest(field, level)
    assert set(marked.sum(axis=1)) == {int(np.floor(level * size + 0.5))}
    for row, hit in zip(field, marked, strict=True):
        assert not hit.any() or hit.all() or row[hit].max() <= row[~hit].min()


def test_a_blurred_point_has_the_variance_of_its_kernel():
    point = np.zeros((1, 33, 33, 3), np.float32)
    point[0, 16, 16] = 1
    spread = noisy("gaussian_blur", 1.5, point)[0, :, :, 0].astype(float)
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    variance = (spread.sum(axis=1) * (np.arange(33) - 16) ** 2).sum()
    assert variance == pytest.approx(1.5**2, rel=0.01)


def test_blur_does_not_depend_on_opencv_threads():
    images = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    many = noisy("gaussian_blur", 2.0, images)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        np.testing.assert_array_equal(noisy("gaussian_blur", 2.0, images), many)
    finally:
        cv2.setNumThreads(before)


def test_brightness_raises_the_hsv_value_and_keeps_hue_and_saturation():
    images = np.random.default_rng(1).random((20, 4, 4, 3), np.float32)
    images[0, 0, 0] = 0
    brighter = noisy("brightness", 0.3, images)
    for before, after in zip(images.reshape(-1, 3), brighter.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, before))
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1))
        np.testing.assert_allclose(after, expected, atol=1e-5)
