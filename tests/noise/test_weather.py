from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest

import noise
from noise.weather import FOG_DECAY, FOG_DENSITY, SNOW_SEVERITIES, SNOW_WHITENING, plasma_fractal, present, transparency

COUNT = 200
IDS = [str(number) for number in range(COUNT)]
BLACK = np.zeros((COUNT, 32, 32, 3), np.float32)
SCENES = np.random.default_rng(0).random((COUNT, 32, 32, 3), np.float32)
GROWING = (0.01, 0.05, 0.2, 0.5, 0.8)


def noisy(name: str, level: float, images: np.ndarray = SCENES) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS[: len(images)])


def diamond_square(size: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """A periodic plasma fractal as ImageNet-C describes it, written point by point."""
    field = np.zeros((size, size))
    step, amplitude = size, 1.0

    def average(points: list[tuple[int, int]]) -> float:
        return sum(field[i % size, j % size] for i, j in points) / 4 + amplitude * rng.uniform(-1, 1)

    while step > 1:
        half = step // 2
        for i in range(half, size, step):
            for j in range(half, size, step):
                field[i, j] = average(
                    [(i - half, j - half), (i - half, j + half), (i + half, j - half), (i + half, j + half)]
                )
        for i in range(0, size, half):
            for j in range(0, size, half):
                if (i // half + j // half) % 2 == 1:
                    field[i, j] = average([(i - half, j), (i + half, j), (i, j - half), (i, j + half)])
        step //= 2
        amplitude /= decay**2
    field -= field.min()
    return field / field.max()


def moments(fields: np.ndarray) -> list[float]:
    """Mean, deviation, and mean square difference at distances of 1, 3 and 8 pixels, over the variance."""
    steps = [np.mean((fields - np.roll(fields, lag, axis=2)) ** 2) / fields.var() for lag in (1, 3, 8)]
    return [fields.mean(), fields.std(), *steps]


@pytest.mark.parametrize("decay", [3.0, 1.75])
def test_plasma_has_the_statistics_of_a_plain_diamond_square(decay):
    rng = np.random.default_rng(5)
    plain = np.stack([diamond_square(16, decay, rng) for _ in range(800)])
    fast = plasma_fractal(rng.random((4000, 16, 16), np.float32), decay)
    assert fast.min(axis=(1, 2)) == pytest.approx(np.zeros(4000))
    assert fast.max(axis=(1, 2)) == pytest.approx(np.ones(4000))
    np.testing.assert_allclose(moments(fast), moments(plain), rtol=0.06)


@pytest.mark.parametrize(("level", "decay"), [*zip(FOG_DENSITY, FOG_DECAY, strict=True), (3.0, 1.75), (0.1, 3.0)])
def test_fog_mixes_a_plasma_of_the_decay_of_its_severity(level, decay):
    """On black with one white pixel, what is left is level p / (1 + level)."""
    images = BLACK.copy()
    images[:, 0, 0] = 1
    fields = noisy("fog", level, images)[:, 1:, :, 0] * (1 + level) / level
    expected = plasma_fractal(np.random.default_rng(1).random((COUNT, 32, 32), np.float32), decay)[:, 1:]
    np.testing.assert_allclose(moments(fields), moments(expected), rtol=0.12)


@pytest.mark.parametrize("level", [0.2, 1.0, 3.0])
def test_fog_leaves_the_stated_contrast(level):
    """The difference of two scenes of the same fog is m / (m + level) of what it was."""
    darker = 0.5 * SCENES
    darker[:, 0, 0] = SCENES.max(axis=(1, 2, 3))[:, None]
    most = SCENES.max(axis=(1, 2, 3), keepdims=True)
    scenes = SCENES.copy()
    scenes[:, 0, 0] = darker[:, 0, 0]
    change = noisy("fog", level, scenes) - noisy("fog", level, darker)
    np.testing.assert_allclose(change, (scenes - darker) * most / (most + level), atol=1e-5)


def test_fog_whitens_dark_scenes_and_stays_grey():
    fogged = [noisy("fog", level, SCENES**3).mean() for level in (0.2, 0.5, 1.0)]
    assert all(less < more for less, more in pairwise(fogged))
    grey = np.repeat(SCENES[..., :1], 3, axis=3)
    np.testing.assert_array_equal(np.ptp(noisy("fog", 1.0, grey), axis=3), 0)


def shown(name: str, level: float, images: np.ndarray = BLACK) -> np.ndarray:
    """How much of the scene shows through: the difference that is left of white and black."""
    left = (noisy(name, level, images + 1) - noisy(name, level, images))[..., 0]
    return left / (np.exp(-level / 4) if name == "rain" else 1 - 0.5 * whitening(level))


def whitening(level: float) -> float:
    return float(np.interp(level, (0, *SNOW_SEVERITIES), (0, *SNOW_WHITENING)))


@pytest.mark.parametrize("name", ["rain", "snow"])
@pytest.mark.parametrize("size", [(16, 16), (32, 32), (40, 64)])
def test_what_shows_through_falls_with_the_optical_depth_as_beer_and_lambert_say(name, size):
    images = np.zeros((COUNT, *size, 3), np.float32)
    for level in (0.1, 0.4, 0.8):
        assert -np.log(shown(name, level, images).mean()) == pytest.approx(level, rel=0.03)


@pytest.mark.parametrize("name", ["rain", "snow"])
def test_drops_and_flakes_stay_as_more_fall(name):
    layers = [shown(name, level) for level in GROWING]
    assert all((later <= earlier + 1e-5).all() for earlier, later in pairwise(layers))


@pytest.mark.parametrize("name", ["rain", "snow"])
def test_drops_and_flakes_are_spread_evenly(name):
    covered = 1 - shown(name, 0.8).mean(axis=0)
    for axis in (0, 1):
        np.testing.assert_allclose(covered.mean(axis=axis), covered.mean(), rtol=0.12)


def axis_of(layer: np.ndarray) -> tuple[float, float]:
    """Angle of a layer's streaks from the vertical in degrees, and how much they are alike (structure tensor)."""
    down, right = np.gradient(layer)
    angle = 0.5 * np.arctan2(2 * (down * right).sum(), (right**2 - down**2).sum())
    coherence = np.hypot((right**2 - down**2).sum(), 2 * (down * right).sum()) / (right**2 + down**2).sum()
    return float(np.rad2deg(angle)), float(coherence)


@pytest.mark.parametrize(("name", "most", "coherence"), [("rain", 25, 0.6), ("snow", 45, 0.05)])
def test_streaks_fall_slanted_within_their_angles(name, most, coherence):
    measured = [axis_of(layer) for layer in shown(name, 0.15, np.zeros((COUNT, 64, 64, 3), np.float32))]
    angles = np.array([angle for angle, _ in measured])
    assert np.mean([alike for _, alike in measured]) > coherence
    assert abs(np.median(angles)) < 0.25 * most
    assert np.mean(np.abs(angles) < most + 5) > (0.98 if name == "rain" else 0.85)
    assert np.std(angles) == pytest.approx(most / np.sqrt(3), rel=0.3)


def test_rain_brightens_its_streaks_and_dims_the_scene():
    rained = noisy("rain", 0.2, np.full((COUNT, 32, 32, 3), 0.5, np.float32))
    clear = np.abs(rained - 0.5 * np.exp(-0.05)).max(axis=3) < 1e-6
    assert 0.3 < clear.mean() < 0.9
    assert (rained[~clear] > 0.5 * np.exp(-0.05)).all()


def test_snow_never_darkens_and_whitens_as_in_cifar_10_c():
    snowed = noisy("snow", SNOW_SEVERITIES[4])
    assert (snowed >= SCENES - 1e-6).all()
    grey = (SCENES @ np.array([0.299, 0.587, 0.114]))[..., None]
    whitened = np.minimum(0.8 * SCENES + 0.2 * np.maximum(SCENES, 1.5 * grey + 0.5), 1)
    assert np.mean(np.abs(snowed - whitened).max(axis=3) < 1e-5) > 0.6
    assert (snowed > whitened - 1e-5).all()


@pytest.mark.parametrize("radius", [0.004, 0.02, 0.1])
@pytest.mark.parametrize("degrees", [0, 30, 45, 80, 90, 135])
def test_a_grain_keeps_its_area_however_thin(radius, degrees):
    place = np.random.default_rng(2).uniform(0.4, 0.6, (COUNT, 2, 1)).astype(np.float32)
    half = np.tile(0.2 * np.array([[np.cos(np.deg2rad(degrees))], [np.sin(np.deg2rad(degrees))]]), (COUNT, 1, 1))
    one = np.ones((COUNT, 1), np.float32)
    covered = 1 - transparency(40, 60, place, half.astype(np.float32), np.float32(radius) * one, one)
    assert covered.sum(axis=(1, 2)).mean() == pytest.approx(4 * 0.2 * radius * 40**2, rel=0.02)


def test_a_grain_lies_where_it_is_placed():
    place, half = np.array([[[0.25], [1.0]]], np.float32), np.array([[[0.1], [0.0]]], np.float32)
    one = np.ones((1, 1), np.float32)
    covered = 1 - transparency(40, 60, place, half, 0.05 * one, one)[0]
    expected = np.zeros((40, 60))
    expected[6:14, 38:42] = 1  # rows 10 - 4 to 10 + 4, columns 40 - 2 to 40 + 2
    np.testing.assert_allclose(covered, expected, atol=1e-5)


def test_grains_appear_one_after_the_other():
    np.testing.assert_allclose(present((2, 4), 0.625), [[1, 1, 0.5, 0]] * 2)


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_a_shadow_darkens_one_side_of_a_straight_edge_by_its_level(level):
    factor = noisy("shadow", level, BLACK + 1)[..., 0]
    assert factor.min(axis=(1, 2)) == pytest.approx(np.full(COUNT, 1 - level), abs=1e-6)
    assert (factor.max(axis=(1, 2)) == 1).all()
    assert np.mean((factor == 1) | (np.abs(factor - 1 + level) < 1e-6)) > 0.85  # nearly sharp
    rows, columns = np.mgrid[:32, :32]
    for image in factor[:50]:
        dark = np.stack([rows[image < 1 - level / 2], columns[image < 1 - level / 2]], axis=1)
        lit = np.stack([rows[image == 1], columns[image == 1]], axis=1)
        normal = dark.mean(axis=0) - lit.mean(axis=0)
        middle = (dark.mean(axis=0) + lit.mean(axis=0)) / 2
        assert len(dark) > 30
        assert len(lit) > 30
        assert np.mean((dark - middle) @ normal > 0) > 0.75
    np.testing.assert_allclose(noisy("shadow", level), SCENES * factor[..., None], atol=1e-6)


def test_the_edge_of_a_shadow_is_a_sixteenth_of_the_shorter_side_wide():
    factor = noisy("shadow", 1.0, np.ones((20, 128, 160, 1), np.float32))[..., 0]
    slopes = np.hypot(*np.gradient(factor, axis=(1, 2)))
    assert slopes.max(axis=(1, 2)) == pytest.approx(np.full(20, 16 / 128), rel=0.01)


def test_the_edge_of_a_shadow_passes_through_the_middle_half_of_any_form():
    for shape in ((32, 96), (96, 32)):
        factor = noisy("shadow", 1.0, np.ones((COUNT, *shape, 1), np.float32))[..., 0]
        middle = factor[:, shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4]
        assert (middle.max(axis=(1, 2)) > 0.4).all()
        assert (middle.min(axis=(1, 2)) < 0.6).all()


def test_shadows_come_from_all_sides():
    factor = noisy("shadow", 1.0, BLACK + 1)[..., 0]
    rows, columns = np.mgrid[:32, :32] - 15.5
    down, right = ((1 - factor) * rows).sum(axis=(1, 2)), ((1 - factor) * columns).sum(axis=(1, 2))
    angle = np.arctan2(down, right) / (2 * np.pi) % 1
    assert kstest(angle, "uniform").pvalue > 0.01
