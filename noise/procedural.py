"""Procedural noises: patterns that a formula makes, which fool networks without knowing them (Co and others 2019).

Each pattern is scaled so that its largest absolute value is exactly 1, and `level` times it is added to all channels
alike (grey): a level is the amplitude in the L-infinity norm, before clipping. Lengths are shares of the image's
shorter side, so that a pattern looks the same at any resolution.
"""

from collections.abc import Callable

import numpy as np
from numba import njit

from noise import fields
from noise.keyed import Floats, KeyedRandom
from noise.registry import Images, noise

AMPLITUDE = "L-infinity amplitude on the [0, 1] scale"
PERLIN = "Perlin 2002, improving noise"
CO = "Co and others 2019, procedural noise adversarial examples"
YIN = "Yin and others 2019, a Fourier perspective on robustness"

CELLS = 4
"""Cells of the coarsest lattice along the shorter side."""
BANDS = 2.0
"""Periods of the sine of `marble` where its gradient noise rises by 1."""
FEATURE_POINTS = 16
"""Of `worley`."""
KERNELS = 48
"""Gabor kernels in an image and its margins."""
KERNEL_CYCLES = 8.0
"""Cycles a side of a Gabor kernel's wave."""
KERNEL_SIGMA = 0.1
"""Standard deviation of a Gabor kernel's envelope, as a share of the side."""
COARSE, FINE = 4.0, 12.0
"""Cycles a side of the gratings."""


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source=PERLIN)
def perlin(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times gradient noise on a lattice of 4 cells a side: smooth light and dark patches."""
    return _add(images, level, random, lambda: fields.perlin(random, images.shape[1:3], CELLS))


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source=PERLIN)
def fractal(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times 3 octaves of gradient noise, each of half the amplitude and half the size: clouds."""
    return _add(images, level, random, lambda: fields.perlin(random, images.shape[1:3], CELLS, octaves=3))


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source=CO)
def marble(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times sin(2 pi 2 p), p being 2 octaves of wide gradient noise: winding bands."""

    def bands() -> Floats:
        turns = np.float32(BANDS) * fields.perlin(random, images.shape[1:3], CELLS // 2, octaves=2)
        wave: Floats = np.sin(np.float32(2 * np.pi) * turns)
        return wave

    return _add(images, level, random, bands)


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source="Worley 1996, a cellular texture basis function")
def worley(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times the distance to the nearest of 16 random points, less its mean: dark spots in a light net."""
    return _add(images, level, random, lambda: _nearest(random.uniform((FEATURE_POINTS, 2)), *images.shape[1:3]))


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source=f"Lagae and others 2009, sparse Gabor convolution; {CO}")
def gabor(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times sparse Gabor noise: kernels of weight U(-1, 1) at random places, of one orientation an image.

    A kernel is exp(-d^2 / (2 sigma^2)) cos(2 pi f . d), of sigma 0.1 and |f| 8 on the shorter side.
    """
    return _add(images, level, random, lambda: _gabor_field(random, images.shape[1:3]))


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source=YIN)
def grating_coarse(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times a sine wave of 4 cycles on the shorter side, of random orientation and phase."""
    return _add(images, level, random, lambda: _grating(random, images.shape[1:3], COARSE))


@noise(family="procedural", unit=AMPLITUDE, high=1.0, source=YIN)
def grating_fine(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add `level` times a sine wave of 12 cycles on the shorter side, of random orientation and phase."""
    return _add(images, level, random, lambda: _grating(random, images.shape[1:3], FINE))


def _add(images: Images, level: float, random: KeyedRandom, make: Callable[[], Floats]) -> Images:
    """Add `level` times what `make` draws, (N, H, W), scaled to amplitude 1."""
    field: Floats = random.once(lambda: fields.unit_amplitude(make(), images.shape[3]))
    return images + np.float32(level) * field


def _axis(size: int, side: int) -> Floats:
    """Middles of `size` pixels, as shares of a side."""
    middles: Floats = ((np.arange(size) + 0.5) / side).astype(np.float32)
    return middles


def _grating(random: KeyedRandom, shape: tuple[int, int], cycles: float) -> Floats:
    """Sine waves (N, H, W); the sine of a sum is made from those of rows and columns."""
    height, width = shape
    side, turn = min(shape), np.float32(2 * np.pi)
    angle, phase = turn * random.uniform((1,)), turn * random.uniform((1,))
    rows = turn * np.float32(cycles) * np.sin(angle) * _axis(height, side) + phase
    columns = turn * np.float32(cycles) * np.cos(angle) * _axis(width, side)
    wave: Floats = (
        np.sin(rows)[:, :, None] * np.cos(columns)[:, None] + np.cos(rows)[:, :, None] * np.sin(columns)[:, None]
    )
    return wave


@njit(cache=True, boundscheck=False)
def _nearest(points: Floats, height: int, width: int) -> Floats:
    """Distance in pixels (N, H, W) to the nearest of points (N, K, 2) given as shares of both sides, less its mean."""
    distances = np.empty((len(points), height, width), np.float32)
    for n in range(len(points)):
        total = 0.0
        for y in range(height):
            row = distances[n, y]
            row[:] = np.float32(np.inf)
            for k in range(points.shape[1]):
                down = np.float32(y) + np.float32(0.5) - points[n, k, 0] * np.float32(height)
                for x in range(width):
                    right = np.float32(x) + np.float32(0.5) - points[n, k, 1] * np.float32(width)
                    row[x] = min(row[x], down * down + right * right)
            for x in range(width):
                row[x] = np.sqrt(row[x])
                total += row[x]
        mean = np.float32(total / (height * width))
        for y in range(height):
            for x in range(width):
                distances[n, y, x] -= mean
    return distances


def _gabor_field(random: KeyedRandom, shape: tuple[int, int]) -> Floats:
    """Sum of Gabor kernels (N, H, W): the real part of products of complex profiles along rows and columns."""
    angle = np.float32(np.pi) * random.uniform((1, 1))
    places = random.uniform((2, KERNELS, 1))
    weights = 2 * random.uniform((KERNELS, 1)) - 1
    rows = _profiles(places[:, 0], np.sin(angle), shape[0], min(shape))
    columns = _profiles(places[:, 1], np.cos(angle), shape[1], min(shape))
    field: Floats = _sum_of_products(weights * rows[0], weights * rows[1], *columns)
    return field


def _profiles(places: Floats, direction: Floats, size: int, side: int) -> tuple[Floats, Floats]:
    """Real and imaginary part (N, K, size) of Gabor kernels along one axis.

    Args:
        places: (N, K, 1) in [0, 1), over the axis and a margin on both sides.
        direction: (N, 1, 1), the part of the frequency that is along this axis.
        size: pixels.
        side: pixels of a length of 1.
    """
    margin = 2 * KERNEL_SIGMA
    distance = _axis(size, side) - (places * np.float32(size / side + 2 * margin) - np.float32(margin))
    envelope = np.exp(np.float32(-0.5 / KERNEL_SIGMA**2) * distance * distance)
    wave = np.float32(2 * np.pi * KERNEL_CYCLES) * direction * distance
    return envelope * np.cos(wave), envelope * np.sin(wave)


@njit(cache=True, boundscheck=False)
def _sum_of_products(row_real: Floats, row_imag: Floats, column_real: Floats, column_imag: Floats) -> Floats:
    """Real part of the sum over K of outer products (N, H, W) of profiles (N, K, H) and (N, K, W)."""
    count, kernels, height = row_real.shape
    width = column_real.shape[2]
    out = np.zeros((count, height, width), np.float32)
    for n in range(count):
        for y in range(height):
            row = out[n, y]
            for k in range(kernels):
                real, imag = row_real[n, k, y], row_imag[n, k, y]
                for x in range(width):
                    row[x] += real * column_real[n, k, x] - imag * column_imag[n, k, x]
    return out
