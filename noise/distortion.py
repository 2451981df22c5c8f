"""How far a noisy image is from its clean one: seven measures of distortion, for whole batches at once.

All take images on the [0, 1] scale. `l0`, `l1`, `l2` and `linf` grow with the change; `psnr`, `ssim` and `csf_psnr`
fall. None knows the network, so they say how much a noise shows, on one axis for all noises.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from scipy.fft import dctn
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Bytes = NDArray[np.uint8]

VISUAL_ANGLE = 1.0
"""Degrees that the longer side of an image spans for the eye of `csf_psnr`: a 75 cm sign seen from 43 m."""
WINDOW_RADIUS, WINDOW_SIGMA = 5, 1.5
K1, K2 = 0.01, 0.03
PEAK_FREQUENCY = 7.8909
"""Cycles a degree at which the luminance sensitivity of Mannos and Sakrison is largest."""
CHUNK_VALUES = 1 << 20
"""Values of difference images that are transformed at a time."""


@dataclass(frozen=True)
class Measure:
    """One measure of distortion.

    Attributes:
        name: of its column in every table.
        unit: of its values.
        rises: whether larger values show more.
        formula: what it is, and who says so.
        to_distance: from its values to a scale that is 0 for equal images and grows about in proportion to a small
            change: there curves are interpolated, and noises ranked.
        from_distance: the way back.
        to_mean: from its values to the scale on which images are averaged.
        from_mean: the way back.
    """

    name: str
    unit: str
    rises: bool
    formula: str
    to_distance: Callable[[Floats], Floats]
    from_distance: Callable[[Floats], Floats]
    to_mean: Callable[[Floats], Floats]
    from_mean: Callable[[Floats], Floats]

    def average(self, values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
        """The mean over images and the ends of its interval (Student's t).

        Decibels are averaged as mean squared errors, so that images that did not change have a finite share in it:
        the PSNR of the mean error, not the mean of PSNRs.

        Args:
            values: (N,) of N images.
            confidence: of the interval; NaN ends where N is 1.

        Returns:
            Mean, low, high, with low <= mean <= high.
        """
        scaled = self.to_mean(np.asarray(values, np.float64))
        mean, count = float(scaled.mean()), len(scaled)
        reach = np.nan
        if count > 1:
            reach = float(stdtrit(count - 1, (1 + confidence) / 2) * scaled.std(ddof=1) / np.sqrt(count))
        ends = np.clip([mean - reach, mean + reach], min(float(scaled.min()), 0.0), max(float(scaled.max()), 1.0))
        low, high = np.sort(self.from_mean(ends))
        return float(self.from_mean(np.asarray(mean))), float(low), float(high)


def _same(values: Floats) -> Floats:
    return values


def _to_power(decibels: Floats) -> Floats:
    """The mean squared error of a peak signal-to-noise ratio: infinity is 0."""
    return np.asarray(10.0 ** (-np.asarray(decibels) / 10))


def _to_decibels(power: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(-10 * np.log10(power))


def _to_amplitude(decibels: Floats) -> Floats:
    return np.sqrt(_to_power(decibels))


def _from_amplitude(amplitude: Floats) -> Floats:
    return _to_decibels(np.square(amplitude))


def _to_dissimilarity(similarity: Floats) -> Floats:
    return np.sqrt(np.maximum(1 - np.asarray(similarity), 0.0))


def _from_dissimilarity(dissimilarity: Floats) -> Floats:
    return np.asarray(1 - np.square(dissimilarity))


def _error(name: str, unit: str, formula: str) -> Measure:
    return Measure(name, unit, True, formula, _same, _same, _same, _same)


def _decibel(name: str, formula: str) -> Measure:
    return Measure(name, "dB", False, formula, _to_amplitude, _from_amplitude, _to_power, _to_decibels)


_ALL = (
    _error("l0", "share of the pixels", "share of the pixels of which any channel changed"),
    _error("l1", "on the [0, 1] scale", "mean over pixels and channels of |y - x|"),
    _error(
        "l2",
        "on the [0, 1] scale",
        "root mean square over pixels and channels of y - x: the Euclidean norm over the square root of the number "
        "of values, so that it does not depend on the size of the image",
    ),
    _error("linf", "on the [0, 1] scale", "largest |y - x| over pixels and channels"),
    _decibel("psnr", "peak signal-to-noise ratio, -10 log10 of the mean of (y - x)^2; infinite for equal images"),
    Measure(
        "ssim",
        "1 for equal images",
        False,
        "structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004), the mean over the channels (on luma alone, "
        "red turned blue would not show): the mean over 11 x 11 Gaussian windows, sigma 1.5, that lie within the "
        "image, of (2 m_x m_y + c1)(2 s_xy + c2) / ((m_x^2 + m_y^2 + c1)(s_x^2 + s_y^2 + c2)), c1 = 0.01^2, "
        "c2 = 0.03^2; smaller images get the largest odd window that fits. Noises are ranked on sqrt(1 - SSIM) "
        "(Brunet, Vrscay and Wang 2012)",
        _to_dissimilarity,
        _from_dissimilarity,
        _same,
        _same,
    ),
    _decibel(
        "csf_psnr",
        "peak signal-to-noise ratio of what the eye passes: -10 log10 of the summed energy of y - x in luma, "
        "red-green (Cr) and blue-yellow (Cb), each weighted in the frequency domain (DCT-II) by the squared contrast "
        "sensitivity of that channel where the image's longer side spans 1 degree. Luma: Mannos and Sakrison 1974, "
        "flat below its peak (Mitsa and Varkur 1993); colour: Johnson and Fairchild 2003. A slow change of grey "
        "counts as in psnr",
    ),
)
MEASURES: Mapping[str, Measure] = MappingProxyType({one.name: one for one in _ALL})
"""The measures by name."""


def measure(clean: Bytes, noisy: Bytes) -> dict[str, Floats]:
    """Measure how far noisy images are from their clean ones.

    Args:
        clean: (N, H, W, C) uint8, RGB or grey (C = 1).
        noisy: (..., N, H, W, C) uint8, such as (levels, N, H, W, C).

    Returns:
        Of each of `MEASURES` its values (..., N); see there for formulas and units.

    Raises:
        ValueError: the images are of another form, or the two do not match.
    """
    _check(clean, noisy)
    count, height, width, channels = clean.shape
    stacked = np.ascontiguousarray(noisy).reshape(-1, *clean.shape)
    errors, similar, seen = np.empty((len(stacked), count, 4)), *np.empty((2, len(stacked), count))
    window, sensitivity = _window(height, width), _sensitivity(height, width, channels)
    step = max(1, CHUNK_VALUES // max(1, len(stacked) * clean[0].size))
    for start in range(0, count, step):
        part = slice(start, start + step)
        pixels, others = np.ascontiguousarray(clean[part]), np.ascontiguousarray(stacked[:, part])
        opponent = np.empty((*others.shape[:2], channels, height, width), np.float32)
        errors[:, part] = _errors(pixels, others, opponent)
        similar[:, part] = _similarities(pixels, others, window)
        seen[:, part] = _weighted_energy(opponent, sensitivity)
    values = [errors[..., 0], errors[..., 1], np.sqrt(errors[..., 2]), errors[..., 3]]
    values += [_to_decibels(errors[..., 2]), similar, _to_decibels(seen)]
    return {name: value.reshape(noisy.shape[:-3]) for name, value in zip(MEASURES, values, strict=True)}


def _check(clean: Bytes, noisy: Bytes) -> None:
    if clean.dtype != np.uint8 or noisy.dtype != np.uint8:
        raise ValueError(f"images: want uint8, got {clean.dtype} and {noisy.dtype}")
    if clean.ndim != 4 or clean.shape[3] not in (1, 3) or 0 in clean.shape:
        raise ValueError(f"clean: want (N, H, W, 3) or (N, H, W, 1), got {clean.shape}")
    if noisy.shape[-4:] != clean.shape:
        raise ValueError(f"noisy: want (..., {', '.join(map(str, clean.shape))}), got {noisy.shape}")


@njit(cache=True, boundscheck=False)
def _errors(clean: Bytes, noisy: Bytes, opponent: NDArray[np.float32]) -> Floats:
    """Errors (L, N, 4) of noisy (L, N, H, W, C) from clean (N, H, W, C): l0, l1, mean square, linf.

    The differences go to `opponent` (L, N, C, H, W) as luma, Cb and Cr of BT.601.
    """
    levels, count, height, width, channels = noisy.shape
    out = np.empty((levels, count, 4))
    for level in range(levels):
        for n in range(count):
            changed = absolute = square = largest = np.int64(0)
            for row in range(height):
                for column in range(width):
                    pixel = np.int64(0)
                    for c in range(channels):
                        change = abs(np.int64(noisy[level, n, row, column, c]) - np.int64(clean[n, row, column, c]))
                        absolute += change
                        square += change * change
                        pixel = max(pixel, change)
                    changed += pixel > 0
                    largest = max(largest, pixel)
            _oppose(clean[n], noisy[level, n], opponent[level, n])
            pixels = height * width
            out[level, n, 0] = changed / pixels
            out[level, n, 1] = absolute / (255.0 * pixels * channels)
            out[level, n, 2] = square / (255.0 * 255.0 * pixels * channels)
            out[level, n, 3] = largest / 255.0
    return out


@njit(cache=True, boundscheck=False)
def _oppose(clean: Bytes, noisy: Bytes, out: NDArray[np.float32]) -> None:
    """Write noisy - clean (H, W, C) as luma, blue-yellow and red-green (C, H, W), on the [0, 1] scale."""
    height, width, channels = clean.shape
    scale = np.float32(1 / 255)
    for row in range(height):
        for column in range(width):
            red = scale * np.float32(np.int32(noisy[row, column, 0]) - np.int32(clean[row, column, 0]))
            if channels == 1:
                out[0, row, column] = red
                continue
            green = scale * np.float32(np.int32(noisy[row, column, 1]) - np.int32(clean[row, column, 1]))
            blue = scale * np.float32(np.int32(noisy[row, column, 2]) - np.int32(clean[row, column, 2]))
            luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
            out[0, row, column] = luma
            out[1, row, column] = (blue - luma) * np.float32(0.5 / (1 - 0.114))
            out[2, row, column] = (red - luma) * np.float32(0.5 / (1 - 0.299))


def _window(height: int, width: int) -> Floats:
    """The Gaussian window of one dimension, at most 11 wide, that fits into an image."""
    radius = min(WINDOW_RADIUS, (min(height, width) - 1) // 2)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / WINDOW_SIGMA) ** 2)
    return np.asarray(weights / weights.sum())


@njit(cache=True, boundscheck=False)
def _similarities(clean: Bytes, noisy: Bytes, window: Floats) -> Floats:
    """Mean SSIM (L, N) of noisy (L, N, H, W, C) to clean (N, H, W, C); a clean image's moments are taken once."""
    levels, count, height, width, channels = noisy.shape
    rows, columns = height - len(window) + 1, width - len(window) + 1
    between, moments = np.empty((height, columns)), np.empty((5, rows, columns))
    x, y, product = np.empty((height, width)), np.empty((height, width)), np.empty((height, width))
    out = np.zeros((levels, count))
    for n in range(count):
        for c in range(channels):
            _scale(clean[n], c, x)
            _smooth(x, window, between, moments[0])
            _multiply(x, x, product)
            _smooth(product, window, between, moments[1])
            for level in range(levels):
                _scale(noisy[level, n], c, y)
                _smooth(y, window, between, moments[2])
                _multiply(y, y, product)
                _smooth(product, window, between, moments[3])
                _multiply(x, y, product)
                _smooth(product, window, between, moments[4])
                out[level, n] += _mean_similarity(moments) / channels
    return out


@njit(cache=True, boundscheck=False)
def _scale(image: Bytes, channel: int, out: Floats) -> None:
    """Write one channel of an image (H, W, C) on the [0, 1] scale."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = image[row, column, channel] * (1.0 / 255.0)


@njit(cache=True, boundscheck=False)
def _multiply(left: Floats, right: Floats, out: Floats) -> None:
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = left[row, column] * right[row, column]


@njit(cache=True, boundscheck=False)
def _smooth(image: Floats, window: Floats, between: Floats, out: Floats) -> None:
    """Convolve (H, W) with the window along both axes where it fits: rows into `between`, then columns."""
    height, columns = between.shape
    for row in range(height):
        for column in range(columns):
            between[row, column] = window[0] * image[row, column]
        for tap in range(1, len(window)):
            weight = window[tap]
            for column in range(columns):
                between[row, column] += weight * image[row, column + tap]
    for row in range(out.shape[0]):
        for column in range(columns):
            out[row, column] = window[0] * between[row, column]
        for tap in range(1, len(window)):
            weight = window[tap]
            for column in range(columns):
                out[row, column] += weight * between[row + tap, column]


@njit(cache=True, boundscheck=False)
def _mean_similarity(moments: Floats) -> float:
    """Mean SSIM from the windowed means of x, x^2, y, y^2 and xy."""
    total = 0.0
    c1, c2 = K1 * K1, K2 * K2
    for row in range(moments.shape[1]):
        for column in range(moments.shape[2]):
            x, y = moments[0, row, column], moments[2, row, column]
            spread = (moments[1, row, column] - x * x) + (moments[3, row, column] - y * y)
            shared = moments[4, row, column] - x * y
            total += (2 * x * y + c1) * (2 * shared + c2) / ((x * x + y * y + c1) * (spread + c2))
    return float(total / (moments.shape[1] * moments.shape[2]))


def _weighted_energy(opponent: NDArray[np.float32], sensitivity: NDArray[np.float32]) -> Floats:
    """Mean squared error a pixel (L, N) of differences (L, N, C, H, W), weighted by frequency, channels summed.

    The cosine transform mirrors an image at its border, where Fourier's would see an edge.
    """
    spectrum = dctn(opponent, axes=(3, 4), norm="ortho", overwrite_x=True)
    spectrum *= sensitivity
    flat = spectrum.reshape(*opponent.shape[:2], -1)
    return np.asarray(np.einsum("lnf,lnf->ln", flat, flat, dtype=np.float64) / sensitivity[0].size)


@lru_cache(maxsize=16)
def _sensitivity(height: int, width: int, channels: int) -> NDArray[np.float32]:
    """Contrast sensitivity (C, H, W), at most 1, at the frequencies of the cosine transform of an image."""
    step = max(height, width) / (2 * VISUAL_ANGLE)
    down, across = step * np.arange(height) / height, step * np.arange(width) / width
    frequency = np.hypot(down[:, None], across)
    curves = [luminance_sensitivity(frequency)]
    if channels == 3:
        curves += [blue_yellow_sensitivity(frequency), red_green_sensitivity(frequency)]
    return np.stack(curves).astype(np.float32)


def luminance_sensitivity(frequency: ArrayLike) -> Floats:
    """Sensitivity to luminance at `frequency` cycles a degree, 1 up to its peak near 8.

    2.6 (0.0192 + 0.114 f) exp(-(0.114 f)^1.1) of Mannos and Sakrison 1974, divided by its largest value and flat below
    the peak as Mitsa and Varkur 1993 have it: a slow change, such as fog, is seen even though a faint grating is not.
    """
    scaled = 0.114 * np.maximum(np.asarray(frequency, np.float64), PEAK_FREQUENCY)
    peak = 0.114 * PEAK_FREQUENCY
    return np.asarray((0.0192 + scaled) / (0.0192 + peak) * np.exp(peak**1.1 - scaled**1.1))


def red_green_sensitivity(frequency: ArrayLike) -> Floats:
    """Sensitivity to red-green at `frequency` cycles a degree, 1 at 0 (Johnson and Fairchild 2003)."""
    return _two_exponentials(frequency, (109.1413, 0.00038, 3.42436), (93.59711, 0.00367, 2.16771))


def blue_yellow_sensitivity(frequency: ArrayLike) -> Floats:
    """Sensitivity to blue-yellow at `frequency` cycles a degree, 1 at 0 (Johnson and Fairchild 2003)."""
    return _two_exponentials(frequency, (7.032845, 0.000004, 4.258205), (40.69095, 0.103909, 1.648658))


def _two_exponentials(frequency: ArrayLike, *terms: tuple[float, float, float]) -> Floats:
    f = np.asarray(frequency, np.float64)
    total = sum(weight for weight, _, _ in terms)
    return np.asarray(sum(weight * np.exp(-rate * f**power) for weight, rate, power in terms) / total)
