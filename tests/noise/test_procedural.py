import numpy as np
import pytest
from scipy.spatial import cKDTree

import noise
import noise.procedural
from noise.keyed import KeyedRandom

NAMES = sorted(name for name, kind in noise.catalogue().items() if kind.family == "procedural")
GREY = np.full((60, 32, 32, 3), 0.5, np.float32)
IDS = [str(number) for number in range(len(GREY))]


def pattern(name: str, shape: tuple[int, int] = (32, 32)) -> np.ndarray:
    """The pattern of each image, (N, H, W), of amplitude 1."""
    grey = np.full((len(GREY), *shape, 3), 0.5, np.float32)
    return (noise.apply(name, grey, 0.25, image_ids=IDS)[..., 0].astype(float) - 0.5) * 4


def strongest_waves(patterns: np.ndarray, size: int = 256) -> np.ndarray:
    """Row and column frequency (N, 2) of the largest peak of each spectrum, in cycles a pixel."""
    window = np.outer(np.hanning(patterns.shape[1] + 2)[1:-1], np.hanning(patterns.shape[2] + 2)[1:-1])
    power = np.abs(np.fft.fft2(patterns * window, (size, size))) ** 2
    peak = np.argmax(power.reshape(len(power), -1)[:, : size * size // 2], axis=1)
    return np.stack([np.fft.fftfreq(size)[peak // size], np.fft.fftfreq(size)[peak % size]], axis=1)


def test_the_family_is_complete():
    assert {"perlin", "fractal", "worley", "gabor", "grating_coarse", "grating_fine"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
@pytest.mark.parametrize("level", [0.01, 0.1, 0.5])
def test_the_level_is_reached_exactly_and_never_passed(name, shape, level):
    grey = np.full((20, *shape, 3), 0.5, np.float32)
    added = noise.apply(name, grey, level, image_ids=IDS[:20]).astype(float) - 0.5
    np.testing.assert_allclose(np.abs(added).max(axis=(1, 2, 3)), level, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_one_pattern_is_scaled_and_shared_by_the_channels(name):
    added = [noise.apply(name, GREY, level, image_ids=IDS) - 0.5 for level in (0.1, 0.4)]
    np.testing.assert_allclose(added[1], 4 * added[0], atol=1e-6)
    np.testing.assert_array_equal(added[0][..., 0], added[0][..., 1])
    np.testing.assert_array_equal(added[0][..., 0], added[0][..., 2])


@pytest.mark.parametrize("name", NAMES)
def test_images_get_different_patterns_of_mean_0(name):
    patterns = pattern(name)
    assert len({image.tobytes() for image in patterns}) == len(patterns)
    assert patterns.mean() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("name", "cycles"), [("grating_coarse", 4), ("grating_fine", 12)])
@pytest.mark.parametrize("shape", [(32, 32), (64, 48)])
def test_a_grating_is_one_sine_of_the_stated_frequency(name, cycles, shape):
    patterns = pattern(name, shape)
    waves = strongest_waves(patterns)
    np.testing.assert_allclose(np.hypot(*waves.T) * min(shape), cycles, atol=0.6)
    angles = np.arctan2(*waves.T) % np.pi
    assert np.histogram(angles, bins=4, range=(0, np.pi))[0].min() >= 6  # every orientation comes
    rows, columns = np.indices(shape)
    for image, (down, right) in zip(patterns, waves, strict=True):
        turns = 2 * np.pi * (down * rows + right * columns).ravel()
        basis = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        residual = image.ravel() - basis @ np.linalg.lstsq(basis, image.ravel(), rcond=None)[0]
        assert residual.var() < 0.1 * image.var()


def test_gabor_noise_is_a_band_about_its_frequency_and_orientation():
    patterns = pattern("gabor", (64, 64))
    power = np.abs(np.fft.fft2(patterns)) ** 2
    frequency = 64 * np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    spread = 3 / (2 * np.pi * 0.1)  # three deviations of the spectrum of the envelope, in cycles a side
    assert power[:, np.abs(frequency - 8) < spread].sum() > 0.96 * power.sum()  # the borders leak
    assert np.average(frequency, weights=power.sum(axis=0)) == pytest.approx(8, abs=0.6)
    angles = np.arctan2(*strongest_waves(patterns).T) % np.pi
    assert np.histogram(angles, bins=4, range=(0, np.pi))[0].min() >= 6


def test_gabor_noise_is_the_sum_of_its_kernels():
    random = KeyedRandom(0, "gabor", ["a"])
    field = noise.procedural._gabor_field(random, (20, 30))[0]
    random.replay()
    angle = np.pi * float(random.uniform((1, 1))[0, 0, 0])
    places = random.uniform((2, noise.procedural.KERNELS, 1))[0, :, :, 0].astype(float)
    weights = 2 * random.uniform((noise.procedural.KERNELS, 1))[0, :, 0].astype(float) - 1
    down, right = ((np.indices((20, 30)) + 0.5) / 20)[:, None] - (places * np.array([[1.4], [1.9]]) - 0.2)[
        :, :, None, None
    ]
    kernels = np.exp(-(down**2 + right**2) / (2 * 0.1**2)) * np.cos(
        2 * np.pi * 8 * (down * np.sin(angle) + right * np.cos(angle))
    )
    np.testing.assert_allclose(field, np.einsum("k,kyx->yx", weights, kernels), atol=1e-4)


def test_worley_noise_is_the_distance_to_the_nearest_point():
    random = KeyedRandom(0, "worley", ["a", "b"])
    points = random.uniform((16, 2))
    field = noise.procedural._nearest(points, 24, 40)
    middles = np.moveaxis(np.indices((24, 40)) + 0.5, 0, -1)
    for image, own in zip(field, points, strict=True):
        distance = cKDTree(own * [24, 40]).query(middles)[0]
        np.testing.assert_allclose(image, distance - distance.mean(), atol=1e-4)


def test_fractal_noise_has_more_fine_detail_than_perlin_noise():
    roughness = {}
    for name in ("perlin", "fractal"):
        patterns = pattern(name)
        roughness[name] = np.diff(patterns, axis=2).std() / patterns.std()
    assert roughness["fractal"] > 1.3 * roughness["perlin"]  # 1.5, were it continuous


def test_marble_has_the_contrast_of_a_sine():
    values = pattern("marble", (64, 64))
    assert np.mean(values**2) == pytest.approx(0.5, abs=0.05)  # a Perlin pattern of this amplitude has a fifth of it
