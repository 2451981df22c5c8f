from dataclasses import replace

import numpy as np
import pytest

from models.augment import SensorAugmentation, SignAugmentation, _motion_kernels

SHARES = ("hidden", "defocus", "motion", "coarse", "noisy")
CLEAR = SensorAugmentation(**dict.fromkeys(SHARES, 0.0))
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


def test_a_sensor_without_faults_changes_nothing(images: np.ndarray) -> None:
    np.testing.assert_array_equal(CLEAR(images, np.random.default_rng(1)), images)


@pytest.mark.parametrize("share", SHARES)
def test_each_fault_of_a_sensor_hits_its_share_of_the_images(share: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3), dtype=np.uint8)
    before = images.copy()
    out = replace(CLEAR, **{share: 0.3})(images, np.random.default_rng(1))
    assert out.dtype == np.float32
    assert 0 <= out.min() <= out.max() <= 255
    np.testing.assert_array_equal(out, np.rint(out))
    np.testing.assert_array_equal(images, before)
    assert (out != images).any(axis=(1, 2, 3)).mean() == pytest.approx(0.3, abs=0.07)
    np.testing.assert_array_equal(out, replace(CLEAR, **{share: 0.3})(images, np.random.default_rng(1)))


def test_a_hidden_part_is_one_rectangle_of_one_colour_and_of_the_stated_size() -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 40, 20, 3), dtype=np.uint8)
    out = replace(CLEAR, hidden=1.0, patch=0.5)(images, np.random.default_rng(1))
    sizes = []
    for image, original in zip(out, images, strict=True):
        covered = (image != original).any(axis=2)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        patch = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert len(np.unique(patch.reshape(-1, 3), axis=0)) == 1
        sizes.append(patch.shape[:2])
    assert np.min(sizes, axis=0).tolist() == [4, 2]
    assert np.max(sizes, axis=0).tolist() == [20, 10]


@pytest.mark.parametrize("fault", ["defocus", "motion", "coarse"])
def test_blur_and_loss_of_resolution_keep_the_mean_and_take_the_detail(fault: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
    out = replace(CLEAR, **{fault: 1.0})(images, np.random.default_rng(1))
    np.testing.assert_allclose(out.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=8)
    detail = out.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert detail.max() <= 1.01
    assert detail.min() < 0.5
    level = np.full_like(images, 77)
    np.testing.assert_array_equal(replace(CLEAR, **{fault: 1.0})(level, np.random.default_rng(1)), level)


def test_defocus_spreads_a_point_as_a_gaussian_does() -> None:
    image = np.zeros((60, 33, 33, 3), np.uint8)
    image[:, 16, 16] = 255
    out = replace(CLEAR, defocus=1.0, spread=0.06)(image, np.random.default_rng(1))[..., 0]
    peaks = out[:, 16, 16] / 255
    assert peaks.min() == pytest.approx(1 / (2 * np.pi * (0.06 * 33) ** 2), abs=0.01)
    np.testing.assert_allclose(out, out[:, ::-1, ::-1], atol=1)


@pytest.mark.parametrize(("angle", "row", "column"), [(0.0, 0, 1), (np.pi / 2, 1, 0), (np.pi / 4, 1, 1)])
def test_motion_averages_evenly_along_its_path(angle: float, row: int, column: int) -> None:
    kernel = _motion_kernels(np.array([5.0]), np.array([angle]))[0]
    centre = len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    assert kernel[centre + row, centre + column] == pytest.approx(kernel[centre, centre])
    if angle != np.pi / 4:
        np.testing.assert_allclose(sorted(kernel[kernel > 1e-6]), 0.2, atol=1e-6)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    assert _motion_kernels(np.zeros(1), np.array([angle]))[0, 1, 1] == pytest.approx(1)
    assert len(_motion_kernels(np.empty(0), np.empty(0))) == 0


def test_lost_resolution_leaves_as_many_pixels_as_stated() -> None:
    """At a tenth of the size a fine chequerboard is grey."""
    board = 255 * (np.indices((1, 40, 40, 3))[1:3].sum(axis=0) % 2).astype(np.uint8)
    out = replace(CLEAR, coarse=1.0, detail=0.1)(np.repeat(board, 50, axis=0), np.random.default_rng(1))
    assert out.std(axis=(1, 2, 3)).min() < 5
    finer = replace(CLEAR, coarse=1.0, detail=0.99)(board, np.random.default_rng(1))
    np.testing.assert_array_equal(finer, board)


def test_noise_has_no_mean_and_at_most_the_stated_deviation() -> None:
    images = np.full((300, 16, 16, 3), 128, np.uint8)
    noise = replace(CLEAR, noisy=1.0, deviation=20.0)(images, np.random.default_rng(1)) - 128
    assert abs(noise.mean()) < 0.1
    deviations = noise.std(axis=(1, 2, 3))
    assert deviations.max() == pytest.approx(20, rel=0.06)
    assert deviations.mean() == pytest.approx(10, rel=0.1)


def test_a_sensor_leaves_what_it_sees_where_it_was() -> None:
    """The bright spot above right of the centre stays there, whatever hits the image but a hiding patch."""
    out = SensorAugmentation(hidden=0.0)(np.repeat(spot(), 300, axis=0), np.random.default_rng(2))
    near = out[:, 6:12, 20:27].mean(axis=(1, 2, 3))
    assert (near > 20 + out[:, 6:12, 6:13].mean(axis=(1, 2, 3))).all()
    assert (near > 20 + out[:, 20:27, 20:27].mean(axis=(1, 2, 3))).all()


def test_the_sensor_too_refuses_other_than_uint8_batches() -> None:
    with pytest.raises(ValueError, match="takes uint8 images"):
        SensorAugmentation()(np.zeros((1, 32, 32, 3), np.float32), np.random.default_rng(0))  # type: ignore[arg-type]
