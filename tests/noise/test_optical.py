from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import noise

BLURS = ["gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur", "glass_blur", "pixelate"]
SPREADING = ["gaussian_blur", "defocus_blur", "motion_blur"]
PLACES = np.arange(65) - 32


def noisy(name: str, level: float, images: np.ndarray, seed: int = 0) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=[str(number) for number in range(len(images))], seed=seed)


def points(count: int) -> np.ndarray:
    images = np.zeros((count, 65, 65, 3), np.float32)
    images[:, 32, 32] = 1
    return images


def random_images(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).random((count, size, size, 3), np.float32)


def smooth_images(count: int, size: int = 32) -> np.ndarray:
    return ndimage.gaussian_filter(random_images(count, size), (0, 2, 2, 0), mode="mirror")


def spread(kernel: np.ndarray) -> np.ndarray:
    """Covariance (2, 2) of a kernel's rows and columns."""
    rows, columns = np.meshgrid(PLACES, PLACES, indexing="ij")
    products = np.array([[rows * rows, rows * columns], [rows * columns, columns * columns]])
    return (products * kernel).sum(axis=(2, 3))


@pytest.mark.parametrize("name", BLURS)
@pytest.mark.parametrize("share", [0.03, 0.3, 1.0])
def test_an_even_image_stays_even(name, share):
    level = share * noise.find(name).high
    images = np.full((2, 12, 9, 3), [0.2, 0.5, 0.9], np.float32)
    np.testing.assert_allclose(noisy(name, level, images), images, atol=1e-5)


@pytest.mark.parametrize("name", SPREADING)
@pytest.mark.parametrize("share", [0.03, 0.3, 1.0])
def test_a_blurred_point_keeps_its_light_and_its_place(name, share):
    kernel = noisy(name, share * noise.find(name).high, points(1))[0, :, :, 1].astype(float)
    assert kernel.sum() == pytest.approx(1, abs=1e-4)
    assert (kernel.sum(axis=1) * PLACES).sum() == pytest.approx(0, abs=1e-4)
    assert (kernel.sum(axis=0) * PLACES).sum() == pytest.approx(0, abs=1e-4)


def test_a_gaussian_has_the_variance_of_its_sigma():
    kernel = noisy("gaussian_blur", 1.5, points(1))[0, :, :, 0].astype(float)
    np.testing.assert_allclose(spread(kernel), 1.5**2 * np.eye(2), rtol=0.01, atol=1e-6)


def test_a_gaussian_is_that_of_scipy():
    images = random_images(3)
    expected = ndimage.gaussian_filter(images, (0, 1.3, 1.3, 0), mode="mirror")
    np.testing.assert_allclose(noisy("gaussian_blur", 1.3, images), expected, atol=1e-4)


@pytest.mark.parametrize("radius", [1.7, 4.0, 9.5])
def test_a_point_out_of_focus_is_a_disc(radius):
    kernel = noisy("defocus_blur", radius, points(1))[0, :, :, 0].astype(float)
    distance = np.hypot(*np.meshgrid(PLACES, PLACES))
    assert kernel[distance > radius + 1.5].max() == 0
    inside = kernel[distance < radius - 1.5]
    assert inside.mean() == pytest.approx(1 / (np.pi * radius**2), rel=0.05)
    # a disc's variance is radius^2 / 4 along each axis; linear interpolation adds up to 1 / 4
    variances = spread(kernel) - radius**2 / 4 * np.eye(2)
    np.testing.assert_allclose(variances, np.eye(2) / 6, atol=0.05)


def test_no_radius_is_too_small_to_blur():
    heights = [noisy("defocus_blur", radius, points(1))[0, 32, 32, 0] for radius in (0.05, 0.1, 0.2, 0.4, 0.8)]
    assert all(np.diff([1, *heights]) < -0.01)


def test_defocus_severities_have_the_variance_of_their_discs_in_cifar_c():
    discs = {1: (0.3, 0.4), 2: (0.4, 0.5), 3: (0.5, 0.6), 4: (1.0, 0.2), 5: (1.5, 0.1)}
    for severity, (radius, alias) in discs.items():
        rows, columns = np.meshgrid(PLACES, PLACES)
        disc = (rows**2 + columns**2 <= radius**2).astype(np.float32)
        expected = cv2.GaussianBlur(disc / disc.sum(), (3, 3), alias)
        level = noise.find("defocus_blur").severities[severity]
        kernel = noisy("defocus_blur", level, points(1))[0, :, :, 0]
        assert spread(kernel)[0, 0] == pytest.approx(spread(expected)[0, 0], rel=0.02)


@pytest.mark.parametrize("length", [3.0, 8.5, 24.0])
def test_a_moving_point_is_a_line_of_the_stated_length(length):
    for kernel in noisy("motion_blur", length, points(20))[..., 0].astype(float):
        along, across = np.linalg.eigvalsh(spread(kernel))[::-1]
        assert length**2 / 12 <= along + 0.01
        assert along <= length**2 / 12 + 0.25
        assert across <= 0.26


def test_motions_of_images_have_all_directions_and_keep_them_as_they_grow():
    angles = []
    for length in (10.0, 20.0):
        covariances = [spread(kernel) for kernel in noisy("motion_blur", length, points(60))[..., 0].astype(float)]
        lines = np.array([np.linalg.eigh(covariance)[1][:, 1] for covariance in covariances])
        angles.append(np.arctan2(lines[:, 0], lines[:, 1]) % np.pi)
    turned = (angles[1] - angles[0] + np.pi / 2) % np.pi - np.pi / 2
    np.testing.assert_allclose(turned, 0, atol=0.05)
    assert (np.histogram(angles[1], 4, (0, np.pi))[0] >= 7).all()


def test_motion_severities_have_the_variance_of_cifar_c():
    for severity, (radius, sigma) in {1: (6, 1), 2: (6, 1.5), 3: (6, 2), 4: (8, 2), 5: (9, 2.5)}.items():
        places = np.arange(2 * radius + 1)
        weights = np.exp(-(places**2) / (2 * sigma**2))
        variance = np.cov(places, aweights=weights, bias=True)
        assert noise.find("motion_blur").severities[severity] ** 2 / 12 == pytest.approx(variance, rel=0.01)


@pytest.mark.parametrize("name", ["defocus_blur", "motion_blur"])
def test_kernels_are_applied_as_scipy_does_and_the_border_is_mirrored(name):
    images = random_images(2, size=21)
    kernels = noisy(name, 14.3 if name == "motion_blur" else 7.2, points(2))[..., 0]
    blurred = noisy(name, 14.3 if name == "motion_blur" else 7.2, images)
    for image, kernel, actual in zip(images, kernels, blurred, strict=True):
        expected = ndimage.convolve(image, kernel[..., None], mode="mirror")
        np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "level"), [("defocus_blur", 9.6), ("motion_blur", 23.0)])
def test_a_kernel_larger_than_the_image_meets_its_mirror_images(name, level):
    images = random_images(2, size=8)
    kernels = noisy(name, level, points(2))[..., 0]
    for image, kernel, actual in zip(images, kernels, noisy(name, level, images), strict=True):
        expected = ndimage.convolve(image, kernel[..., None], mode="mirror")
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_zoom_blur_is_the_mean_of_its_zooms():
    images = random_images(2)
    copies = []
    for shrunk in np.linspace(1, 1 / 1.7, 9):
        offset = 15.5 - shrunk * 15.5
        copies.append(
            ndimage.affine_transform(images, (1, shrunk, shrunk, 1), (0, offset, offset, 0), order=1, mode="nearest")
        )
    np.testing.assert_allclose(noisy("zoom_blur", 0.7, images), np.mean(copies, axis=0), atol=1e-5)


def test_a_zoom_blur_leaves_the_centre_sharp():
    images = random_images(20, size=33)
    change = np.abs(noisy("zoom_blur", 0.5, images) - images).mean(axis=(0, 3))
    assert change[16, 16] < 1e-6
    assert change[16, 17:20].mean() < change[16, 28:].mean()


def test_glass_displaces_by_up_to_the_level():
    slope = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None, None], 64, axis=2)
    images = np.repeat(np.repeat(slope, 3, axis=3), 8, axis=0)
    for level in (2.0, 6.0):
        moved = (noisy("glass_blur", level, images) - images)[:, 8:-8, 8:-8, 0] * 63
        assert 0.8 * level < np.abs(moved).max() <= level
        # U(-level, level), of which the blur of sigma 0.4 keeps the sum of the squared weights
        weights = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.4**2))
        kept = ((weights / weights.sum()) ** 2).sum() ** 2
        assert moved.var() == pytest.approx(kept * level**2 / 3, rel=0.05)


def test_glass_of_a_small_level_blurs_little():
    images = random_images(8)
    changes = [np.abs(noisy("glass_blur", level, images) - images).mean() for level in (0.01, 0.1)]
    assert 0 < changes[0] < 0.005
    assert changes[1] < 0.05


def test_glass_moves_all_channels_of_a_pixel_together():
    grey = np.repeat(random_images(2)[..., :1], 3, axis=3)
    frosted = noisy("glass_blur", 2.0, grey)
    np.testing.assert_array_equal(frosted[..., 0], frosted[..., 2])


def test_pixelate_is_that_of_cifar_c():
    images = (random_images(4) * 255).astype(np.uint8)
    for severity, scale in {1: 0.95, 2: 0.9, 3: 0.85, 4: 0.75, 5: 0.65}.items():
        side = int(32 * scale)
        pixelated = noisy("pixelate", noise.find("pixelate").severities[severity], images)
        for image, actual in zip(images, pixelated, strict=True):
            small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
            expected = np.asarray(small.resize((32, 32), Image.Resampling.BOX))
            assert np.abs(actual.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("level", [0.5, 0.75, 0.875])
def test_whole_blocks_are_means(level):
    images, block = random_images(2), round(1 / (1 - level))
    means = images.reshape(2, 32 // block, block, 32 // block, block, 3).mean(axis=(2, 4))
    expected = means.repeat(block, axis=1).repeat(block, axis=2)
    np.testing.assert_allclose(noisy("pixelate", level, images), expected, atol=1e-5)


def test_the_number_of_blocks_falls_steadily():
    columns = np.arange(37, dtype=np.float32)[None, None, :, None].repeat(37, axis=1).repeat(3, axis=3) / 37
    levels = np.arange(0.05, 0.97, 0.05)
    counts = [len(np.unique(noisy("pixelate", level, columns)[0, 0, :, 0])) for level in levels]
    np.testing.assert_allclose(counts, 37 * (1 - levels), atol=1)


@pytest.mark.parametrize("quality", [80, 65, 58, 50, 40, 5])
def test_jpeg_is_that_of_pillow(quality):
    images = (smooth_images(4, size=40) * 255).astype(np.uint8)
    for image, actual in zip(images, noisy("jpeg", 1 - quality / 100, images), strict=True):
        stream = BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        expected = np.asarray(Image.open(stream))
        assert np.abs(actual.astype(int) - expected).max() <= 2  # the libraries' decoders may round otherwise


def test_jpeg_changes_in_steps_of_its_quality():
    images, step = (smooth_images(4) * 255).astype(np.uint8), noise.find("jpeg").step(32, 32)
    assert step == 0.01
    before, after, far = (noisy("jpeg", 0.5 + by * step, images) for by in (0.48, 0.52, 1.48))
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, far)


def test_jpeg_takes_grey_images_and_sizes_that_are_no_multiple_of_a_block():
    images = smooth_images(2, size=29)[:, :21, :, :1]
    coded = noisy("jpeg", 0.1, images)
    assert coded.shape == images.shape
    assert 0 < np.abs(coded - images).max() < 0.1


def test_blur_does_not_depend_on_opencv_threads():
    images = random_images(4)
    many = noisy("gaussian_blur", 2.0, images)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        np.testing.assert_array_equal(noisy("gaussian_blur", 2.0, images), many)
    finally:
        cv2.setNumThreads(before)
