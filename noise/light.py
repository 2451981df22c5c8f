"""Light noises: too much, too little or coloured light, and colours that change."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import KeyedRandom
from noise.registry import Images, noise

Floats = NDArray[np.float32]

IMAGENET_C = "ImageNet-C, Hendrycks and Dietterich 2019"
BLOCK = 256
"""Pixels that are computed at once."""
GAMMA = 2.2
"""Of the display: linear light is a value to this power."""
PHOTON_NOISE = 1 / 2000
"""Variance of the linear signal per signal: a pixel that is full at 2000 electrons, as a small sensor's."""
READ_NOISE = (4 / 2000) ** 2
"""Variance of the linear signal in the dark: 4 electrons."""


@noise(
    family="light",
    unit="added to the HSV value",
    high=1.0,
    source=IMAGENET_C,
    corruption="brightness",
    severities={1: 0.05, 2: 0.1, 3: 0.15, 4: 0.2, 5: 0.3},
)
def brightness(images: Images, level: float, _: KeyedRandom) -> Images:
    """Raise the HSV value (the largest channel) by `level`, up to 1; hue and saturation stay."""
    if images.shape[3] != 3:
        return images + np.float32(level)
    brightened = np.empty(images.shape, np.float32)
    _brighten(_pixels(images), np.float32(level), brightened.reshape(-1, 3))
    return brightened


@noise(family="light", unit="stops", high=10.0, source="exposure value, ISO 2720")
def over_exposure(images: Images, level: float, _: KeyedRandom) -> Images:
    """Expose to 2^level times the light, and clip: (2^level x^2.2)^(1 / 2.2) = 2^(level / 2.2) x."""
    return images * np.float32(2 ** (level / GAMMA))


@noise(family="light", unit="stops", high=10.0, source="Foi and others 2008, Poissonian-Gaussian noise model")
def low_light(images: Images, level: float, random: KeyedRandom) -> Images:
    """Expose to g = 2^-level of the light x^2.2, on a sensor whose noise has the variance a signal + b.

    The image itself counts as a shot of this sensor, whose noise is dimmed with it: what is missing is added,
    N(0, a g (1 - g) x^2.2 + b (1 - g^2)), so that a level near 0 changes nothing.
    """
    gain = 2.0**-level
    light = np.exp(np.float32(GAMMA) * np.log(np.maximum(images, np.float32(1e-4))))
    variance = light * np.float32(PHOTON_NOISE * gain * (1 - gain)) + np.float32(READ_NOISE * (1 - gain**2))
    light *= np.float32(gain)
    light += np.sqrt(variance) * random.normal(images.shape[1:])
    return np.exp(np.float32(1 / GAMMA) * np.log(np.maximum(light, np.float32(1e-9))))


@noise(
    family="light",
    unit="1 - contrast",
    high=1.0,
    source=IMAGENET_C,
    corruption="contrast",
    severities={1: 0.25, 2: 0.5, 3: 0.6, 4: 0.7, 5: 0.85},
)
def contrast(images: Images, level: float, _: KeyedRandom) -> Images:
    """Shrink the distance of each value to its channel's mean over the image by the share `level`."""
    flattened = np.empty(images.shape, np.float32)
    _flatten(np.ascontiguousarray(images), np.float32(level), flattened)
    return flattened


@noise(family="light", unit="stops", high=8.0, source="diagonal model of the illuminant, von Kries 1902")
def colour_cast(images: Images, level: float, random: KeyedRandom) -> Images:
    """Multiply the linear light of R, G and B by 2^(level cos(h - 0, 120, 240 degrees)), of random hue h."""
    if images.shape[3] != 3:
        return images
    hue = 2 * np.pi * random.uniform((1, 1))
    cosines = np.cos(hue - 2 * np.pi / 3 * np.arange(3, dtype=np.float32))
    gains = np.exp2(np.float32(level / GAMMA) * cosines)
    lines = images.reshape(*images.shape[:2], -1)
    tinted: Images = (lines * np.tile(gains, images.shape[2])).reshape(images.shape)
    return tinted


@noise(family="light", unit="degrees", high=180.0, source="HSV colour space, Smith 1978")
def hue(images: Images, level: float, random: KeyedRandom) -> Images:
    """Turn the HSV hue by `level` degrees, one way or the other at random for an image; it is the angle that rises."""
    if images.shape[3] != 3:
        return images
    sextants = np.where(random.uniform(()) < 0.5, np.float32(-level / 60), np.float32(level / 60))
    turned = np.empty(images.shape, np.float32)
    _turn(np.ascontiguousarray(images).reshape(len(images), -1, 3), sextants, turned.reshape(len(images), -1, 3))
    return turned


@noise(
    family="light",
    unit="1 - saturation",
    high=1.0,
    source=IMAGENET_C,
    corruption="saturate",
    severities={1: 0.7, 2: 0.9},
)
def desaturation(images: Images, level: float, _: KeyedRandom) -> Images:
    """Multiply the HSV saturation by 1 - level, down to the grey of the largest channel."""
    return _saturate(images, 1 - level, 0.0)


@noise(
    family="light",
    unit="saturation - 1",
    high=5.0,
    source=IMAGENET_C,
    corruption="saturate",
    severities={3: 0.5, 4: 1.0, 5: 1.5},
)
def saturation(images: Images, level: float, _: KeyedRandom) -> Images:
    """Multiply the HSV saturation by 1 + level, up to 1, and add (level - 0.5) / 5 from a level of 0.5 on; greys stay.

    The addition is that of the severities 4 and 5, interpolated.
    """
    return _saturate(images, 1 + level, max(level - 0.5, 0) / 5)


def _pixels(images: Images) -> Floats:
    return np.ascontiguousarray(images).reshape(-1, images.shape[3])


@njit(cache=True, boundscheck=False, error_model="numpy")
def _brighten(pixels: Floats, level: np.float32, out: Floats) -> None:
    """Scale each pixel (P, 3) so that its largest channel rises by `level`, up to 1; black becomes grey."""
    planes = np.empty((3, BLOCK), np.float32)
    for start in range(0, len(pixels), BLOCK):
        size = _split(pixels, start, planes)
        red, green, blue = planes[0, :size], planes[1, :size], planes[2, :size]
        for p in range(size):
            value = max(red[p], green[p], blue[p])
            brighter = min(value + level, np.float32(1))
            gain = brighter / max(value, np.float32(1e-9))
            grey = brighter if value <= 0 else np.float32(0)
            red[p] = red[p] * gain + grey
            green[p] = green[p] * gain + grey
            blue[p] = blue[p] * gain + grey
        _join(planes, start, out)


@njit(cache=True, boundscheck=False)
def _split(pixels: Floats, start: int, planes: Floats) -> int:
    """Copy a block of pixels (P, 3) to planes (3, BLOCK), which the compiler can vectorise; return its size."""
    size = min(BLOCK, len(pixels) - start)
    for p in range(size):
        for c in range(3):
            planes[c, p] = pixels[start + p, c]
    return size


@njit(cache=True, boundscheck=False)
def _join(planes: Floats, start: int, pixels: Floats) -> None:
    for p in range(min(BLOCK, len(pixels) - start)):
        for c in range(3):
            pixels[start + p, c] = planes[c, p]


@njit(cache=True, boundscheck=False)
def _flatten(images: Images, level: np.float32, out: Images) -> None:
    """Move each value of images (N, H, W, C) towards the mean of its channel by the share `level`."""
    count, height, width, channels = images.shape
    sums = np.empty(width * channels, np.float32)
    for n in range(count):
        rows, changed = images[n].reshape(height, width * channels), out[n].reshape(height, width * channels)
        sums[:] = 0
        for y in range(height):
            for e in range(width * channels):
                sums[e] += rows[y, e]
        for c in range(channels):
            sums[c::channels] = level * sums[c::channels].sum() / np.float32(height * width)
        for y in range(height):
            for e in range(width * channels):
                changed[y, e] = rows[y, e] * (1 - level) + sums[e]


def _saturate(images: Images, factor: float, offset: float) -> Images:
    if images.shape[3] != 3:
        return images
    saturated = np.empty(images.shape, np.float32)
    _scale_saturation(_pixels(images), np.float32(factor), np.float32(offset), saturated.reshape(-1, 3))
    return saturated


@njit(cache=True, boundscheck=False, error_model="numpy")
def _scale_saturation(pixels: Floats, factor: np.float32, offset: np.float32, out: Floats) -> None:
    """Set the HSV saturation s of each pixel (P, 3) to factor s + offset, up to 1, unless it is 0."""
    planes = np.empty((3, BLOCK), np.float32)
    for start in range(0, len(pixels), BLOCK):
        size = _split(pixels, start, planes)
        red, green, blue = planes[0, :size], planes[1, :size], planes[2, :size]
        for p in range(size):
            value = max(red[p], green[p], blue[p])
            inverse = value / max(value - min(red[p], green[p], blue[p]), np.float32(1e-9))
            # the distance of the other channels to the largest is proportional to the saturation, 1 / inverse
            gain = min(factor + offset * inverse, inverse)
            red[p] = value - (value - red[p]) * gain
            green[p] = value - (value - green[p]) * gain
            blue[p] = value - (value - blue[p]) * gain
        _join(planes, start, out)


@njit(cache=True, boundscheck=False)
def _turn(images: Floats, sextants: Floats, out: Floats) -> None:
    """Turn the hue of each pixel of images (N, P, 3) by `sextants` (N,) of 60 degrees."""
    planes = np.empty((3, BLOCK), np.float32)
    for n in range(len(images)):
        for start in range(0, images.shape[1], BLOCK):
            size = _split(images[n], start, planes)
            _turn_planes(planes[0, :size], planes[1, :size], planes[2, :size], sextants[n])
            _join(planes, start, out[n])


@njit(cache=True, boundscheck=False, error_model="numpy")
def _turn_planes(red: Floats, green: Floats, blue: Floats, sextants: np.float32) -> None:
    for p in range(len(red)):
        value = max(red[p], green[p], blue[p])
        chroma = value - min(red[p], green[p], blue[p])
        scale = np.float32(1) / max(chroma, np.float32(1e-9))
        angle = np.float32(4) + (red[p] - green[p]) * scale
        angle = np.float32(2) + (blue[p] - red[p]) * scale if value == green[p] else angle
        angle = (green[p] - blue[p]) * scale if value == red[p] else angle
        angle += sextants
        angle += np.float32(6) if angle < 0 else np.float32(0)
        angle -= np.float32(6) if angle >= 6 else np.float32(0)
        # a channel lies below the largest by 0 within 60 degrees of its own hue, by the chroma from 120 on
        red[p] = value - chroma * _between(np.float32(2) - abs(angle - np.float32(3)))
        green[p] = value - chroma * _between(abs(angle - np.float32(2)) - np.float32(1))
        blue[p] = value - chroma * _between(abs(angle - np.float32(4)) - np.float32(1))


@njit(cache=True, boundscheck=False, inline="always")
def _between(value: np.float32) -> np.float32:
    return min(max(value, np.float32(0)), np.float32(1))
