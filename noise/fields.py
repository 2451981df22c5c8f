"""Random fields that noises share: power laws by the Fourier transform, lattice noise, and their scaling."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numba import njit

from noise.keyed import Floats, KeyedRandom


def power_law(random: KeyedRandom, shape: Sequence[int], exponent: float) -> Floats:
    """Gaussian fields with a power spectrum of 1 / f^exponent, one a channel.

    The band reaches from one cycle an image to half a cycle a pixel in all directions.

    Args:
        random: draws one field.
        shape: (H, W, C).
        exponent: 0 is white, 2 has the same power in each octave.

    Returns:
        (N, H, W, C), each channel of each image of mean 0 and variance 1.
    """
    height, width, channels = shape
    waves = random.normal((channels, height, width // 2 + 1, 2)).view(np.complex64)[..., 0]
    amplitudes = _amplitudes(height, width, exponent)
    fields = np.empty((len(waves), channels, height, width), np.float32)
    for field, wave in zip(fields, waves, strict=True):  # image by image, so that no batch decides how it is summed
        field[:] = scipy.fft.irfft2(wave * amplitudes, s=(height, width))
    standardised: Floats = _standardised(fields)
    return standardised


@cache
def _amplitudes(height: int, width: int, exponent: float) -> Floats:
    """Amplitudes (H, W // 2 + 1) of the waves of a real field."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    amplitudes = np.where(frequency <= 0.5, frequency ** (-exponent / 2), 0.0)
    own_mirror = [0, width // 2] if width % 2 == 0 else [0]
    amplitudes[:, own_mirror] *= np.sqrt(2)  # of these, the inverse transform keeps only the Hermitian half
    return amplitudes.astype(np.float32)


@njit(cache=True, boundscheck=False)
def _standardised(fields: Floats) -> Floats:
    """Fields (N, C, H, W) of mean 0, to (N, H, W, C) of variance 1."""
    count, channels, height, width = fields.shape
    out = np.empty((count, height, width, channels), np.float32)
    for n in range(count):
        for c in range(channels):
            power = 0.0
            for value in fields[n, c].flat:
                power += value * value
            scale = np.float32(1.0 / np.sqrt(power / (height * width)))
            for y in range(height):
                for x in range(width):
                    out[n, y, x, c] = scale * fields[n, c, y, x]
    return out


def perlin(random: KeyedRandom, shape: Sequence[int], cells: int, octaves: int = 1) -> Floats:
    """Gradient noise (Perlin 2002), its octaves summed with halved amplitude and doubled frequency.

    Args:
        random: draws two fields an octave.
        shape: (H, W).
        cells: of the lattice along the shorter side, in the first octave; the lattice's place is random.
        octaves: how many.

    Returns:
        (N, H, W), of mean 0 over draws.
    """
    layers = [_octave(random, shape, min(shape) / (cells << octave)) for octave in range(octaves)]
    total = layers[0]
    for octave, layer in enumerate(layers[1:], 1):
        total += np.float32(0.5**octave) * layer
    return total


def _octave(random: KeyedRandom, shape: Sequence[int], pixels: float) -> Floats:
    """Gradient noise (N, H, W) on one lattice, whose cells are `pixels` long."""
    rows, columns = (int(size / pixels) + 3 for size in shape)
    angles = np.float32(2 * np.pi) * random.uniform((rows, columns))
    gradients = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    shifts = random.uniform((2,))
    places = [
        (np.arange(size) + 0.5).astype(np.float32) / np.float32(pixels) + shifts[:, axis, None]
        for axis, size in enumerate(shape)
    ]
    layer: Floats = _lattice_noise(gradients, *places)
    return layer


@njit(cache=True, boundscheck=False)
def _lattice_noise(gradients: Floats, down: Floats, right: Floats) -> Floats:
    """Interpolated slopes (N, H, W).

    Along a row of pixels, each corner of the lattice gives `level + slope * distance`, once the lattice's rows above
    and below are mixed.

    Args:
        gradients: (N, 2, rows, columns), downwards and rightwards, at the corners of the cells.
        down: (N, H) places of the rows of pixels in the lattice.
        right: (N, W) places of the columns of pixels.
    """
    count, height, width = len(down), down.shape[1], right.shape[1]
    fields = np.empty((count, height, width), np.float32)
    one = np.float32(1.0)
    for n in range(count):
        cells = right[n].astype(np.int64)
        inside = right[n] - cells.astype(np.float32)
        fades = _fade(inside)
        for y in range(height):
            cell = np.int64(down[n, y])
            v = down[n, y] - np.float32(cell)
            below = _fade(v)
            above = one - below
            levels = above * v * gradients[n, 0, cell] + below * (v - one) * gradients[n, 0, cell + 1]
            slopes = above * gradients[n, 1, cell] + below * gradients[n, 1, cell + 1]
            row = fields[n, y]
            for x in range(width):
                corner, u = cells[x], inside[x]
                left = levels[corner] + slopes[corner] * u
                row[x] = left + fades[x] * (levels[corner + 1] + slopes[corner + 1] * (u - one) - left)
    return fields


@njit(cache=True, inline="always")
def _fade(t: Any) -> Any:
    """6 t^5 - 15 t^4 + 10 t^3: its first and second derivatives are 0 at 0 and at 1."""
    return t * t * t * (t * (t * np.float32(6.0) - np.float32(15.0)) + np.float32(10.0))


@njit(cache=True, boundscheck=False)
def unit_amplitude(fields: Floats, channels: int) -> Floats:
    """Fields (N, H, W), each scaled so that its largest absolute value is exactly 1, alike in channels: (N, H, W, C).

    A field of zeros stays one.
    """
    count, height, width = fields.shape
    scaled = np.empty((count, height, width, channels), np.float32)
    for n in range(count):
        largest = np.float32(0.0)
        for value in fields[n].flat:
            largest = max(largest, abs(value))
        for y in range(height):
            for x in range(width):
                scaled[n, y, x] = fields[n, y, x] / largest if largest > 0 else np.float32(0.0)
    return scaled
