"""Statistics of what a noise did to images, that a noise and its peer can be compared by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, Floats], Floats]
"""Clean and changed images (N, H, W, C) on [0, 1], to a number an image (N,)."""


def _change_mean(clean: Floats, changed: Floats) -> Floats:
    mean: Floats = (changed - clean).mean(axis=(1, 2, 3))
    return mean


def _change_deviation(clean: Floats, changed: Floats) -> Floats:
    deviation: Floats = (changed - clean).std(axis=(1, 2, 3))
    return deviation


def l2(clean: Floats, changed: Floats) -> Floats:
    """Root mean square of the change."""
    distance: Floats = np.sqrt(((changed - clean) ** 2).mean(axis=(1, 2, 3)))
    return distance


def _kurtosis(clean: Floats, changed: Floats) -> Floats:
    change = changed - clean
    centred = change - change.mean(axis=(1, 2, 3), keepdims=True)
    fourth: Floats = (centred**4).mean(axis=(1, 2, 3)) / (centred**2).mean(axis=(1, 2, 3)) ** 2
    return fourth - 3


def _changed_values(clean: Floats, changed: Floats) -> Floats:
    share: Floats = (abs(changed - clean) > 1e-3).mean(axis=(1, 2, 3))
    return share


def _changed_pixels(clean: Floats, changed: Floats) -> Floats:
    share: Floats = (abs(changed - clean) > 1e-3).any(axis=3).mean(axis=(1, 2))
    return share


def _brightness(_: Floats, changed: Floats) -> Floats:
    mean: Floats = changed.mean(axis=(1, 2, 3))
    return mean


def _contrast(_: Floats, changed: Floats) -> Floats:
    deviation: Floats = changed.std(axis=(1, 2)).mean(axis=1)
    return deviation


def _neighbours(clean: Floats, changed: Floats) -> Floats:
    """Correlation of the change between pixels side by side."""
    change = changed - clean
    centred = change - change.mean(axis=(1, 2, 3), keepdims=True)
    beside = (centred[:, :, 1:] * centred[:, :, :-1]).mean(axis=(1, 2, 3))
    correlation: Floats = beside / np.maximum((centred**2).mean(axis=(1, 2, 3)), 1e-12)
    return correlation


def _power(images: Floats) -> Floats:
    """Power (N, H, W) of the waves of the images' mean over channels, less the mean."""
    grey = images.mean(axis=3)
    spectrum: Floats = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    return spectrum


@cache
def _frequency(height: int, width: int) -> Floats:
    frequency: Floats = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return frequency


def _kept(low: float, high: float) -> Statistic:
    """Decibels of power left of what the clean image has between two frequencies, in cycles a pixel."""

    def kept(clean: Floats, changed: Floats) -> Floats:
        band = (_frequency(*clean.shape[1:3]) >= low) & (_frequency(*clean.shape[1:3]) < high)
        ratio = _power(changed)[:, band].sum(axis=1) / _power(clean)[:, band].sum(axis=1)
        decibels: Floats = 10 * np.log10(np.maximum(ratio, 1e-6))
        return decibels

    return kept


def _slope(clean: Floats, changed: Floats) -> Floats:
    """Exponent of the power spectrum of the change."""
    frequency = _frequency(*clean.shape[1:3])
    band = (frequency > 0) & (frequency <= 0.5)
    power = np.log(_power(changed - clean)[:, band] + 1e-12)
    logarithm = np.log(frequency[band]) - np.log(frequency[band]).mean()
    exponents: Floats = power @ logarithm / (logarithm**2).sum()
    return exponents


@dataclass(frozen=True)
class ImageStatistic:
    """A number an image, whether a difference of means is taken relative to the peer's, and what it is."""

    of: Statistic
    relative: bool
    says: str


STATISTICS = {
    "mean": ImageStatistic(_change_mean, False, "mean of the change"),
    "deviation": ImageStatistic(_change_deviation, True, "standard deviation of the change"),
    "kurtosis": ImageStatistic(_kurtosis, False, "excess kurtosis of the change"),
    "L2": ImageStatistic(l2, True, "root mean square of the change"),
    "values": ImageStatistic(_changed_values, True, "share of the values that change"),
    "pixels": ImageStatistic(_changed_pixels, True, "share of the pixels that change"),
    "brightness": ImageStatistic(_brightness, False, "mean of the result"),
    "contrast": ImageStatistic(_contrast, True, "standard deviation of the result over an image"),
    "neighbours": ImageStatistic(_neighbours, False, "correlation of the change between neighbours"),
    "slope": ImageStatistic(_slope, False, "exponent of the change's power spectrum"),
    "middle": ImageStatistic(_kept(0.125, 0.25), False, "decibels of power kept from 1/8 to 1/4 cycle a pixel"),
    "fine": ImageStatistic(_kept(0.25, 0.75), False, "decibels of power kept above 1/4 cycle a pixel"),
}
BORDER = 8
DISTANCE = "distance"
"""Ours against the peer's image by image: root mean square difference over that of the peer's change."""
INNER = "inner distance"
"""The same, without a border of 8 pixels."""
