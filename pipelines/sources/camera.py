"""A simulated camera: exposure and colour, motion and lens blur, fringes, sensor noise, resampling."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sources.scene import Image, Scene


def expose(picture: Image, scene: Scene, random: np.random.Generator) -> Image:
    """Light to pixel values in 0..1: exposure, colour, haze, clipping and tone curve."""
    exposure = scene.exposure * np.exp(0.1 * random.standard_normal())
    mixing = scene.mixing * (scene.cast * np.float32(exposure))
    lit = cv2.transform(picture, mixing.T)
    if scene.veil > 0:
        lit = lit * np.float32(1.0 - scene.veil) + np.float32(scene.veil * min(exposure, 1.2) * 0.7)
    np.clip(lit, 0.0, 1.0, out=lit)
    return np.asarray(cv2.pow(lit, scene.gamma))


def blur(picture: Image, scene: Scene, random: np.random.Generator) -> Image:
    """Motion, colour fringes, a soft lens and the sharpening that cameras add."""
    sigma = scene.blur * np.exp(0.2 * random.standard_normal())
    if scene.extras[9] < 0.25:
        picture = _motion(picture, random)
    if scene.extras[10] < 0.3:
        picture = _fringe(picture, random)
    if sigma > 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    if scene.extras[11] < 0.3:
        strength = 1.5 * random.random()
        picture = picture + strength * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0))
    return picture


def _motion(picture: Image, random: np.random.Generator) -> Image:
    """Blur along a short line of random direction."""
    reach = 1.0 + 2.0 * random.random()
    angle = np.pi * random.random()
    x, y = reach * np.cos(angle), reach * np.sin(angle)
    kernel = np.zeros((9, 9), np.float32)
    start, end = (np.round(16 * np.array([4 + way * x, 4 + way * y])).astype(int).tolist() for way in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()))


def _fringe(picture: Image, random: np.random.Generator) -> Image:
    """Red and blue moved apart a little, as lenses and demosaicing do."""
    shifts = 0.5 * random.standard_normal((2, 2))
    side = picture.shape[:2]
    channels = list(cv2.split(picture))
    for channel, (x, y) in zip((0, 2), shifts, strict=True):
        move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        channels[channel] = cv2.warpAffine(channels[channel], move, side, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.merge(channels))


def develop(picture: Image, scene: Scene, random: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Sensor noise, 8 bits, and the resampling of the captured crop to (size, size, 3)."""
    spread = 255 * scene.noise * min(1.0, scene.exposure**0.5)  # dark pictures carry less shot noise
    noise = random.standard_normal(picture.shape, np.float32) * np.float32(spread)
    pixels = cv2.convertScaleAbs(np.maximum(picture * np.float32(255.0) + noise, 0.0))
    shrink = pixels.shape[0] > size
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR))
