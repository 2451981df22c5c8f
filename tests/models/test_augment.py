from dataclasses import replace

import numpy as np
import pytest

from models.augment import SignAugmentation

STILL = SignAugmentation(**dict.fromkeys(SignAugmentation.__dataclass_fields__, 0.0))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def spot(size: int = 33) -> np.ndarray:
    """A bright square right and above of the centre on a dark ground."""
    image = np.full((1, size, size, 3), 20, np.uint8)
    image[:, size // 2 - 9 : size // 2 - 6, size // 2 + 6 : size // 2 + 9] = 220
    return image


def centre(image: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of what is bright, from the middle of the image."""
    light = image[0, :, :, 0].astype(float) - image[0, :, :, 0].min()
    rows, columns = np.indices(light.shape)
    middle = (light.shape[0] - 1) / 2
    return (rows * light).sum() / light.sum() - middle, (columns * light).sum() / light.sum() - middle


def test_without_strength_nothing_changes(images: np.ndarray) -> None:
    np.testing.assert_allclose(STILL(images, np.random.default_rng(1)), images, atol=1e-3)


def test_gives_float32_in_range_and_leaves_its_input_alone(images: np.ndarray) -> None:
    before = images.copy()
    out = SignAugmentation()(images, np.random.default_rng(1))
    assert out.dtype == np.float32
    assert out.shape == images.shape
    assert 0 <= out.min() <= out.max() <= 255
    np.testing.assert_array_equal(images, before)


def test_the_same_generator_gives_the_same_images(images: np.ndarray) -> None:
    one, other, third = (SignAugmentation()(images, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)


def test_each_image_of_a_batch_is_changed_on_its_own() -> None:
    out = SignAugmentation()(np.repeat(spot(), 8, axis=0), np.random.default_rng(1))
    assert len(np.unique(out.reshape(8, -1), axis=0)) == 8


def test_rotation_turns_about_the_centre() -> None:
    turned = replace(STILL, rotation=30.0)
    row, column = centre(spot())
    for seed in range(20):
        out = turned(spot(), np.random.default_rng(seed))
        new_row, new_column = centre(out)
        assert np.hypot(new_row, new_column) == pytest.approx(np.hypot(row, column), abs=0.5)
        angle = np.rad2deg(np.arctan2(new_row, new_column) - np.arctan2(row, column))
        assert abs(angle) < 31


def test_shift_is_a_fraction_of_the_side() -> None:
    moved = [centre(replace(STILL, shift=0.1)(spot(), np.random.default_rng(seed))) for seed in range(40)]
    offsets = np.array(moved) - centre(spot())
    assert np.abs(offsets).max() <= 3.4
    assert np.abs(offsets).max() > 2.0


def test_zoom_moves_the_spot_along_its_radius() -> None:
    ratios = []
    for seed in range(30):
        row, column = centre(replace(STILL, zoom=0.25)(spot(), np.random.default_rng(seed)))
        ratios.append(np.hypot(row, column) / np.hypot(*centre(spot())))
        assert np.rad2deg(np.arctan2(-row, column)) == pytest.approx(45, abs=7)
    assert 0.76 < min(ratios) < 0.9
    assert 1.1 < max(ratios) < 1.28


def test_no_sign_is_ever_mirrored() -> None:
    """The spot above right of the centre stays there under every view that is drawn."""
    out = SignAugmentation(shift=0.0, gain=0.5, shadow=0.0)(np.repeat(spot(), 300, axis=0), np.random.default_rng(2))
    centres = np.array([centre(image[None]) for image in out])
    assert (centres[:, 0] < 0).all()
    assert (centres[:, 1] > 0).all()


def test_gain_multiplies_all_pixels_of_an_image() -> None:
    image = np.full((40, 8, 8, 3), 60, np.uint8)
    factors = replace(STILL, gain=1.0)(image, np.random.default_rng(3))[:, 0, 0, 0] / 60
    assert 0.5 <= factors.min() < 0.6
    assert 1.7 < factors.max() <= 2.0


def test_contrast_keeps_the_mean() -> None:
    image = np.tile(np.array([100, 140], np.uint8)[:, None], (20, 8, 4, 3)).reshape(20, 8, 8, 3)
    out = replace(STILL, contrast=0.5)(image, np.random.default_rng(4))
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), 120, atol=0.5)  # rounded to whole shades
    assert len(np.unique(out.std(axis=(1, 2, 3)))) > 10


def test_a_shadow_falls_on_one_side_of_a_line_in_the_stated_share_of_images() -> None:
    image = np.full((400, 16, 16, 3), 200, np.uint8)
    out = replace(STILL, shadow=0.25)(image, np.random.default_rng(5))
    shaded = out.min(axis=(1, 2, 3)) < 200
    assert 0.18 < shaded.mean() < 0.32
    assert (out.max(axis=(1, 2, 3))[shaded] == 200).mean() > 0.95
    darkest = out[shaded].min(axis=(1, 2, 3))
    assert darkest.min() >= 0.2 * 200 - 1
    assert darkest.max() <= 0.7 * 200 + 1


@pytest.mark.parametrize("wrong", [np.zeros((32, 32, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32)])
def test_other_than_uint8_batches_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="takes uint8 images"):
        SignAugmentation()(wrong, np.random.default_rng(0))
