import colorsys

import numpy as np
import pytest
from skimage import color

import noise


def noisy(name: str, level: float, images: np.ndarray, seed: int = 0) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=[str(number) for number in range(len(images))], seed=seed)


def random_images(count: int = 20, size: int = 9) -> np.ndarray:
    return np.random.default_rng(1).random((count, size, size + 2, 3), np.float32)


def test_brightness_raises_the_hsv_value_and_keeps_hue_and_saturation():
    images = random_images(count=5, size=8)
    images[0, 0, 0] = 0
    brighter = noisy("brightness", 0.3, images)
    for before, after in zip(images.reshape(-1, 3), brighter.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, before))
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1))
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_a_stop_doubles_the_linear_light_until_it_clips():
    images = random_images()
    expected = np.minimum(8 * images.astype(float) ** 2.2, 1) ** (1 / 2.2)
    np.testing.assert_allclose(noisy("over_exposure", 3, images), expected, atol=1e-5)


@pytest.mark.parametrize(("value", "stops"), [(0.9, 1.0), (0.9, 4.0), (0.5, 2.0)])
def test_low_light_has_the_mean_and_variance_of_the_sensor(value, stops):
    images = np.full((40, 32, 32, 3), value, np.float32)
    light = noisy("low_light", stops, images).astype(float) ** 2.2
    signal, gain = value**2.2, 2.0**-stops
    assert light.mean() == pytest.approx(gain * signal, rel=0.01)
    # the sensor's variance at the lower exposure, less that of the first shot, which is dimmed with it
    sensor = gain * signal / 2000 + (4 / 2000) ** 2
    first = gain**2 * (signal / 2000 + (4 / 2000) ** 2)
    assert light.var() == pytest.approx(sensor - first, rel=0.03)


def test_noise_grows_relative_to_the_signal_as_light_falls():
    images = np.full((4, 32, 32, 3), 0.7, np.float32)
    shots = [noisy("low_light", stops, images).astype(float) ** 2.2 for stops in (0.5, 1, 2, 3, 4, 5)]
    relative = [shot.std() / shot.mean() for shot in shots]
    assert (np.diff(relative) > 0).all()


def test_low_light_near_no_stops_changes_next_to_nothing():
    images = 0.2 + 0.8 * random_images()
    np.testing.assert_allclose(noisy("low_light", 1e-4, images), images, atol=2e-3)


def test_contrast_keeps_the_mean_of_each_channel_and_shrinks_the_rest():
    images = random_images()
    means = images.astype(float).mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(noisy("contrast", 0.7, images), means + 0.3 * (images - means), atol=1e-5)
    np.testing.assert_allclose(noisy("contrast", 1.0, images), means + 0 * images, atol=1e-5)


def test_a_colour_cast_multiplies_the_linear_light_of_each_channel():
    images = 0.3 * random_images()
    gains = (noisy("colour_cast", 2.0, images) / images) ** 2.2
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:, :1, :1], gains.shape), rtol=1e-4)
    stops = np.log2(gains[:, 0, 0])
    np.testing.assert_allclose(stops.sum(axis=1), 0, atol=1e-4)  # cosines 120 degrees apart
    np.testing.assert_allclose((stops**2).sum(axis=1), 1.5 * 2.0**2, rtol=1e-4)


def test_casts_have_all_hues_and_keep_them_as_they_grow():
    images = np.full((60, 8, 8, 3), 0.2, np.float32)
    weak, strong = (np.log(noisy("colour_cast", level, images)[:, 0, 0] / 0.2) / level for level in (0.5, 2.0))
    np.testing.assert_allclose(weak, strong, atol=1e-4)
    assert (np.bincount(strong.argmax(axis=1)) >= 10).all()


def test_a_turn_by_120_degrees_permutes_the_channels_one_way_or_the_other():
    images = random_images(40)
    turned = noisy("hue", 120, images)
    ways = [
        [np.allclose(after, before[..., order], atol=1e-5) for order in ([2, 0, 1], [1, 2, 0])]
        for before, after in zip(images, turned, strict=True)
    ]
    assert all(sum(way) == 1 for way in ways)
    assert 10 <= sum(way[0] for way in ways) <= 30


@pytest.mark.parametrize("level", [10, 77, 180])
def test_hue_turns_by_the_level_and_keeps_saturation_and_value(level):
    images = random_images()
    before, after = color.rgb2hsv(images), color.rgb2hsv(noisy("hue", level, images))
    turned = (360 * (after[..., 0] - before[..., 0]) + 180) % 360 - 180
    clear = before[..., 1] > 0.1
    np.testing.assert_allclose(np.abs(turned[clear]), level, atol=0.1)
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=1e-5)


@pytest.mark.parametrize(("name", "level"), [("desaturation", 0.7), ("saturation", 0.4)])
def test_saturation_is_multiplied(name, level):
    images = random_images()
    hsv = color.rgb2hsv(images)
    hsv[..., 1] = np.minimum(hsv[..., 1] * (1 + level if name == "saturation" else 1 - level), 1)
    np.testing.assert_allclose(noisy(name, level, images), color.hsv2rgb(hsv), atol=1e-5)


def test_the_saturation_severities_are_those_of_cifar_c():
    images = random_images()
    constants = {1: (0.3, 0.0), 2: (0.1, 0.0), 3: (1.5, 0.0), 4: (2.0, 0.1), 5: (2.5, 0.2)}
    levels = {
        severity: (name, level)
        for name in ("desaturation", "saturation")
        for severity, level in noise.find(name).severities.items()
    }
    for severity, (factor, offset) in constants.items():
        hsv = color.rgb2hsv(images)
        hsv[..., 1] = np.minimum(hsv[..., 1] * factor + offset, 1)
        np.testing.assert_allclose(noisy(*levels[severity], images), color.hsv2rgb(hsv), atol=1e-5)


@pytest.mark.parametrize("name", ["hue", "desaturation", "saturation"])
def test_grey_stays_grey(name):
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 16, 16, 1)
    greys = np.repeat(ramp, 3, axis=3)
    np.testing.assert_allclose(noisy(name, noise.find(name).high, greys), greys, atol=1e-6)
    np.testing.assert_array_equal(noisy(name, noise.find(name).high, ramp), ramp)


def test_a_colour_cast_leaves_images_of_one_channel():
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(noisy("colour_cast", 3, ramp), ramp)


@pytest.mark.parametrize("name", ["brightness", "over_exposure", "colour_cast", "hue", "desaturation", "saturation"])
def test_a_pixel_does_not_depend_on_how_many_there_are(name):
    images = random_images(1, size=40)
    level = noise.find(name).high / 3
    part = noisy(name, level, np.ascontiguousarray(images[:, :8, :8]))
    np.testing.assert_array_equal(noisy(name, level, images)[:, :8, :8], part)
