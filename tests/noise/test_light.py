import colorsys

import numpy as np

import noise


def noisy(name: str, level: float, images: np.ndarray) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=[str(number) for number in range(len(images))])


def test_brightness_raises_the_hsv_value_and_keeps_hue_and_saturation():
    images = np.random.default_rng(1).random((20, 4, 4, 3), np.float32)
    images[0, 0, 0] = 0
    brighter = noisy("brightness", 0.3, images)
    for before, after in zip(images.reshape(-1, 3), brighter.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, before))
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1))
        np.testing.assert_allclose(after, expected, atol=1e-5)
