from itertools import pairwise

import cv2
import numpy as np
import pytest
from scipy import ndimage

import noise
import noise.vandalism

IDS = [str(number) for number in range(60)]


def grey(height: int = 32, width: int = 32, count: int = 60) -> np.ndarray:
    return np.full((count, height, width, 3), 0.5, np.float32)


def noisy(name: str, level: float, images: np.ndarray) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS[: len(images)])


@pytest.mark.parametrize("name", ["stickers", "graffiti"])
@pytest.mark.parametrize("level", [0.01, 0.2, 0.77])
@pytest.mark.parametrize("shape", [(32, 32), (20, 27)])
def test_exactly_the_stated_area_is_covered(name, level, shape):
    covered = (noisy(name, level, grey(*shape)) != 0.5).any(axis=3).sum(axis=(1, 2))
    np.testing.assert_array_equal(covered, np.floor(level * shape[0] * shape[1] + 0.5))


@pytest.mark.parametrize(("name", "step"), [("stickers", 1 / 320), ("graffiti", 1 / 320), ("text", 0)])
def test_a_step_is_a_pixel_of_what_is_painted(name, step):
    assert noise.find(name).step(16, 20) == pytest.approx(step)


@pytest.mark.parametrize("name", ["stickers", "graffiti"])
def test_what_is_painted_once_stays_in_its_colour(name):
    painted = [noisy(name, level, grey()) for level in (0.02, 0.1, 0.3, 0.8)]
    for small, large in pairwise(painted):
        there = (small != 0.5).any(axis=3)
        np.testing.assert_array_equal(large[there], small[there])


def test_stickers_are_two_black_and_two_white_bars_of_which_each_row_has_one():
    images = noisy("stickers", 0.06, grey(96, 96))
    assert set(np.unique(images)) == {0, 0.5, 1}
    for image in images[..., 0]:
        bars = [bar for colour in (0, 1) for bar in _connected(image == colour)]
        assert len(bars) == 4
        upper = [image[tuple(bar[0])] for bar in bars if bar[:, 0].mean() < 48]
        assert sorted(upper) == [0, 1]
        for bar in bars:
            sides = sorted(cv2.minAreaRect(bar[:, ::-1].astype(np.float32))[1])
            assert (sides[1] + 1) / (sides[0] + 1) == pytest.approx(3, abs=0.6)


def test_stickers_are_turned_by_up_to_a_quarter_radian_and_lie_near_their_places():
    turns, away = [], []
    for image in noisy("stickers", 0.06, grey(128, 128))[..., 0]:
        for bar in (bar for colour in (0, 1) for bar in _connected(image == colour)):
            turns.append(np.arctan2(*np.linalg.eigh(np.cov(bar.T))[1][:, 1]))
            away.append(np.abs(noise.vandalism.BARS - bar.mean(axis=0) / 127).max(axis=1).min())
    turns = (np.array(turns) + np.pi / 2) % np.pi - np.pi / 2  # from level
    assert np.abs(turns).max() < 0.3
    assert turns.std() == pytest.approx(0.25 / np.sqrt(3), rel=0.15)
    assert 0.06 < np.max(away) < 0.09


def _connected(mask: np.ndarray) -> list[np.ndarray]:
    """Rows and columns of the pixels of each connected part."""
    labels, count = ndimage.label(mask)
    return [np.argwhere(labels == label) for label in range(1, count + 1)]


def test_graffiti_starts_as_one_stroke_of_the_width_of_the_brush():
    images = noisy("graffiti", 0.03, grey(128, 128))
    radii = []
    for image in images:
        stroke = (image != 0.5).any(axis=2)
        assert len(_connected(stroke)) == 1
        assert len(np.unique(image[stroke], axis=0)) == 1
        radii.append(ndimage.distance_transform_edt(np.pad(stroke, 1)).max())
    assert np.median(radii) == pytest.approx(0.06 * 128, abs=1)  # wider where it turns back on itself


def test_graffiti_has_up_to_five_colours():
    images = noisy("graffiti", 0.8, grey())
    colours = [len(np.unique(image.reshape(-1, 3), axis=0)) - 1 for image in images]
    assert max(colours) == 5
    assert np.mean(colours) > 4


def test_text_is_black_or_white_with_the_stated_opacity():
    images = np.random.default_rng(0).random((60, 32, 32, 3), np.float32)
    on_black, on_white = (noisy("text", 1.0, np.full_like(images, ink)) for ink in (0, 1))
    white = on_black.max(axis=(1, 2, 3)) > 0
    assert 15 < white.sum() < 45
    mask = np.where(white[:, None, None, None], on_black, 1 - on_white)
    ink = white[:, None, None, None].astype(np.float32)
    for level in (0.1, 0.6):
        np.testing.assert_allclose(noisy("text", level, images), images + level * mask * (ink - images), atol=1e-5)


def test_text_is_three_lines_of_four_capitals():
    images = noisy("text", 1.0, grey(96, 128))
    written = abs(images[..., 0] - 0.5) * 2
    cells = written.reshape(60, 3, 32, 4, 32).transpose(0, 1, 3, 2, 4).reshape(-1, 32, 32)
    letters = np.unique(cells.round(4), axis=0)
    assert len(letters) == 26
    assert 0.2 < cells.mean() < 0.5
    for letter in letters:
        drawn, filled = letter > 0.5, ndimage.binary_fill_holes(letter > 0.5)
        assert len(_connected(drawn)) == 1
        assert len(_connected(filled & ~drawn)) <= 2  # B has two holes
        rows, columns = np.nonzero(letter > 0)
        assert (rows.min(), rows.max()) == (0, 26)  # a sixth of the height stays free
        assert abs(columns.min() - (31 - columns.max())) <= 1
    widths = [np.ptp(np.nonzero(letter > 0)[1]) + 1 for letter in letters]
    assert min(widths) < 8
    assert max(widths) == 28  # an eighth of the width stays free


@pytest.mark.parametrize("shape", [(8, 8), (9, 31)])
def test_text_fits_small_images(shape):
    images = noisy("text", 1.0, grey(*shape))
    assert ((images != 0.5).mean(axis=(1, 2, 3)) > 0.1).all()
