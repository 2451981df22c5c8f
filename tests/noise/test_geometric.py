from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import ProjectiveTransform, warp

import noise
import noise.geometric
from noise.keyed import KeyedRandom

IDS = [str(number) for number in range(40)]


def noisy(name: str, level: float, images: np.ndarray) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS[: len(images)])


def smooth(height: int = 32, width: int = 32, count: int = 40) -> np.ndarray:
    """The same smooth random image (N, H, W, 3) again and again."""
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((height, width, 3)), (2, 2, 0))
    image = (image - image.min()) / np.ptp(image)
    return np.repeat(image[None].astype(np.float32), count, axis=0)


def where_from(name: str, level: float, height: int, width: int, count: int = 40) -> np.ndarray:
    """Row and column (N, H, W, 2) that each pixel is sampled at, by moving an image of coordinates."""
    side = max(height, width)
    ramps = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=2) / side
    ramps = np.concatenate([ramps, ramps[..., :1]], axis=2).astype(np.float32)
    return noisy(name, level, np.repeat(ramps[None], count, axis=0))[..., :2] * side


def test_a_rotation_by_90_degrees_is_a_quarter_turn_to_the_left_or_to_the_right():
    images = smooth()
    turned = noisy("rotation", 90, images)
    left, right = np.rot90(images[0], 1), np.rot90(images[0], -1)
    to_left = abs(turned - left).max(axis=(1, 2, 3)) < 1e-4
    to_right = abs(turned - right).max(axis=(1, 2, 3)) < 1e-4
    assert (to_left ^ to_right).all()
    assert 8 < to_left.sum() < 32


@pytest.mark.parametrize("level", [3.0, 30.0, 71.0])
def test_a_rotation_is_that_of_scipy(level):
    images = smooth(21, 32)
    turned = noisy("rotation", level, images)
    both = [ndimage.rotate(images[0], sign * level, reshape=False, order=1, mode="nearest") for sign in (-1, 1)]
    nearest = np.min([abs(turned - other).max(axis=(1, 2, 3)) for other in both], axis=0)
    assert nearest.max() < 0.01


def test_a_shear_shifts_each_row_or_each_column_by_its_distance_from_the_middle():
    images = smooth(33, 33)
    sheared = noisy("shear", 1.0, images)
    seen = set()
    for image in sheared:
        for direction in (-1, 1):
            for along_rows in (True, False):
                got, clean = (image, images[0]) if along_rows else (image.swapaxes(0, 1), images[0].swapaxes(0, 1))
                if all(_shifted_by(got[row], clean[row], direction * (row - 16)) for row in range(33)):
                    seen.add((direction, along_rows))
    assert len(seen) == 4


def _shifted_by(got: np.ndarray, clean: np.ndarray, by: int) -> bool:
    columns = np.arange(len(clean))
    return bool(np.allclose(got, clean[np.clip(columns - by, 0, len(clean) - 1)], atol=1e-4))


def test_scale_brings_everything_nearer_to_the_middle_by_the_stated_share():
    images = np.zeros((1, 65, 65, 3), np.float32)
    images[0, 18, 20, 0] = images[0, 44, 24, 1] = 1
    dots = ndimage.gaussian_filter(images, (0, 3, 3, 0)) * 50
    for level in (0.1, 0.4, 0.6):
        shrunk = noisy("scale", level, dots)[0]
        for channel, clean in ((0, (18, 20)), (1, (44, 24))):
            expected = 32 + (1 - level) * (np.array(clean) - 32)
            np.testing.assert_allclose(ndimage.center_of_mass(shrunk[..., channel]), expected, atol=0.1)


def test_scale_averages_what_gets_too_small():
    checks = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    shrunk = noisy("scale", 0.75, np.repeat(checks[None, ..., None], 3, axis=3))[0]
    assert abs(shrunk[26:38, 26:38] - 0.5).max() < 0.02


@pytest.mark.parametrize("level", [0.2, 0.5, 0.75])
def test_a_scaled_image_is_that_of_scipy_after_the_stated_gaussian(level):
    images = np.random.default_rng(3).random((1, 40, 32, 3), np.float32)
    sigma = (1 / (1 - level) - 1) / 2
    smoothed = ndimage.gaussian_filter(images[0], (sigma, sigma, 0), mode="nearest")
    middle, grown = np.array([19.5, 15.5, 0]), np.array([1 / (1 - level), 1 / (1 - level), 1])
    expected = ndimage.affine_transform(smoothed, grown, middle - grown * middle, order=1, mode="nearest")
    np.testing.assert_allclose(noisy("scale", level, images)[0], expected, atol=0.02)


def test_a_translation_moves_a_dot_by_the_stated_share_in_every_direction():
    dots = np.zeros((40, 65, 65, 3), np.float32)
    dots[:, 32, 32] = 1
    dots = ndimage.gaussian_filter(dots, (0, 2, 2, 0)) * 20
    moved = noisy("translation", 0.3, dots)
    offsets = np.array([ndimage.center_of_mass(image[..., 0]) for image in moved]) - 32
    np.testing.assert_allclose(np.hypot(*offsets.T), 0.3 * 65, atol=0.1)
    quadrants = {(bool(y > 0), bool(x > 0)) for y, x in offsets}
    assert len(quadrants) == 4


def test_a_translation_is_that_of_scipy_and_repeats_the_border():
    images = smooth(24, 40)
    level = 0.2
    direction = 2 * np.pi * KeyedRandom(0, "translation", IDS).uniform(())
    for got, angle in zip(noisy("translation", level, images), direction, strict=True):
        by = (level * 24 * np.sin(angle), level * 40 * np.cos(angle), 0)
        np.testing.assert_allclose(got, ndimage.shift(images[0], by, order=1, mode="nearest"), atol=0.01)


def _corners(level: float, height: int, width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners (4, 2) as x, y and where the noise moves them, (N, 4, 2)."""
    ids = [str(number) for number in range(count)]
    angle = 2 * np.pi * KeyedRandom(0, "perspective", ids).uniform((4,)).astype(float)
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    return corners, corners + level * np.stack([width * np.cos(angle), height * np.sin(angle)], axis=2)


def test_perspective_is_the_homography_that_moves_each_corner_by_the_stated_share():
    images = smooth(24, 40)
    corners, moved = _corners(0.15, 24, 40, 40)
    for got, to in zip(noisy("perspective", 0.15, images), moved, strict=True):
        back = ProjectiveTransform.from_estimate(to, corners)
        np.testing.assert_allclose(got, warp(images[0], back, order=1, mode="edge"), atol=0.02)


def test_corners_stay_convex_over_the_whole_range():
    _, moved = _corners(noise.find("perspective").high, 1, 1, 5000)
    square = moved + np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    sides = np.roll(square, -1, axis=1) - square
    following = np.roll(sides, -1, axis=1)
    assert (sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0] > 0).all()


@pytest.mark.parametrize("level", [0.01, 0.04])
def test_elastic_displacements_have_the_stated_root_mean_square(level):
    moved = where_from("elastic", level, 64, 80) - np.stack(np.mgrid[:64, :80], axis=2)
    inside = moved[:, 12:-12, 12:-12]
    assert np.sqrt((inside**2).sum(axis=3).mean()) == pytest.approx(level * 64, rel=0.05)
    assert abs(inside.mean()) < 0.1 * level * 64


def test_elastic_displacements_are_as_smooth_as_stated():
    moved = where_from("elastic", 0.01, 100, 100) - np.stack(np.mgrid[:100, :100], axis=2)
    inside = moved[:, 5:-5, 5:-5]
    for lag in (2, 4, 8):
        along = (inside[:, lag:] * inside[:, :-lag]).mean() / (inside**2).mean()
        assert along == pytest.approx(np.exp(-(lag**2) / (4 * 4**2)), abs=0.04)  # sigma: 4% of the side


def test_an_elastic_image_is_that_of_scipy_with_the_same_displacements():
    images = smooth(32, 32)
    where = where_from("elastic", 0.03, 32, 32)
    for got, sampled in zip(noisy("elastic", 0.03, images), where, strict=True):
        expected = [
            ndimage.map_coordinates(images[0, :, :, c], sampled.transpose(2, 0, 1), order=1, mode="nearest")
            for c in range(3)
        ]
        np.testing.assert_allclose(got, np.stack(expected, axis=2), atol=0.01)


def test_elastic_severities_have_the_local_strain_of_cifar_10_c():
    strain = np.array([0.217, 0.192, 0.235, 0.479, 0.787])  # of make_cifar_c.py at 32 x 32, affine frame included
    levels = np.array([noise.find("elastic").severities[severity] for severity in range(1, 6)])
    moved = where_from("elastic", 0.01, 32, 32) - np.stack(np.mgrid[:32, :32], axis=2)
    inside = moved[:, 2:-2, 2:-2]
    ours = np.sqrt(sum((np.diff(inside, axis=axis) ** 2).sum(axis=3).mean() for axis in (1, 2)))
    np.testing.assert_allclose(levels * ours / 0.01, strain, rtol=0.08)


@pytest.mark.parametrize("name", ["rotation", "shear", "scale", "translation", "perspective", "elastic"])
def test_pixels_move_further_as_the_level_grows(name):
    kind = noise.find(name)
    here = np.stack(np.mgrid[:32, :32], axis=2)
    levels = np.linspace(kind.low, kind.high, 6)
    moved = [np.hypot(*(where_from(name, level, 32, 32) - here).T).mean() for level in levels]
    assert moved[0] == pytest.approx(0, abs=1e-4)
    assert all(small < large for small, large in pairwise(moved))
