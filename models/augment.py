"""Random disturbances that leave a road sign the same sign: used while training, never when measuring."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Images = NDArray[np.uint8]

# 256 shades of a normal distribution: seven times faster to draw than its every value.
_NORMAL_QUANTILES: NDArray[np.float32] = ndtri((np.arange(256) + 0.5) / 256).astype(np.float32)


@dataclass(frozen=True)
class SignAugmentation:
    """View and light of a sign, changed at random: never mirrored, since "keep left" would become "keep right".

    Attributes:
        rotation: Largest turn either way, in degrees.
        shift: Largest shift either way along each axis, as a fraction of the side.
        zoom: Largest relative change of size either way, drawn on a log scale.
        stretch: Largest relative change of height against width either way, drawn on a log scale.
        perspective: Largest shift of a corner along each axis, as a fraction of the side.
        gain: Largest change of light either way, as a power of two (1.0: half to double); what is dark loses
            shades to rounding, what is bright is clipped, as in a camera.
        shadow: Share of images over part of which a straight-edged shadow falls.
        contrast: Largest relative change of contrast about the image's mean.
        tint: Largest relative change of one channel against the others.
    """

    rotation: float = 15.0
    shift: float = 0.12
    zoom: float = 0.3
    stretch: float = 0.2
    perspective: float = 0.12
    gain: float = 1.5
    shadow: float = 0.3
    contrast: float = 0.5
    tint: float = 0.1

    def __call__(self, images: Images, random: np.random.Generator) -> NDArray[np.float32]:
        """Disturb a batch of uint8 images (N, H, W, 3); returns float32 in 0..255 of the same shape."""
        _require_batch(images)
        return self._relight(self._move(images, random), random)

    def _move(self, images: Images, random: np.random.Generator) -> Images:
        _, height, width, _ = images.shape
        moved = np.empty_like(images)
        for image, matrix, out in zip(images, self._homographies(images.shape, random), moved, strict=True):
            cv2.warpPerspective(
                image, matrix, (width, height), dst=out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return moved

    def _homographies(self, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float64]:
        """Matrices (N, 3, 3) in pixels that move each image about its centre."""
        count, height, width, _ = shape
        angle = np.deg2rad(random.uniform(-self.rotation, self.rotation, count))
        size = _log_uniform(self.zoom, count, random)
        aspect = np.sqrt(_log_uniform(self.stretch, count, random))
        centred = np.zeros((count, 3, 3))
        centred[:, 0, 0], centred[:, 0, 1] = size * aspect * np.cos(angle), -size * aspect * np.sin(angle)
        centred[:, 1, 0], centred[:, 1, 1] = size / aspect * np.sin(angle), size / aspect * np.cos(angle)
        centred[:, :2, 2] = random.uniform(-self.shift, self.shift, (count, 2))
        centred[:, 2, :2] = 2 * random.uniform(-self.perspective, self.perspective, (count, 2))
        centred[:, 2, 2] = 1.0
        to_pixels = np.array([[width, 0, (width - 1) / 2], [0, height, (height - 1) / 2], [0, 0, 1.0]])
        return np.asarray(to_pixels @ centred @ np.linalg.inv(to_pixels))

    def _relight(self, images: Images, random: np.random.Generator) -> NDArray[np.float32]:
        count = len(images)
        gain = np.exp2(random.uniform(-self.gain, self.gain, (count, 1, 1, 1)))
        gain = gain * _log_uniform(self.tint, (count, 1, 1, 3), random)
        contrast = _log_uniform(self.contrast, (count, 1, 1, 1), random)
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        lit = images.astype(np.float32) * (gain * contrast).astype(np.float32)
        lit += (gain * mean * (1 - contrast)).astype(np.float32)
        lit *= self._shadows(images.shape, random)[..., None]
        np.rint(lit, out=lit)
        return np.clip(lit, 0, 255, out=lit)

    def _shadows(self, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
        """Light (N, H, W) left by a shadow on one side of a random line, its edge about two pixels wide."""
        count, height, width, _ = shape
        angle = random.uniform(0, 2 * np.pi, (count, 1, 1))
        across = np.cos(angle) * (np.arange(width) - (width - 1) / 2)[None, None, :]
        down = np.sin(angle) * (np.arange(height) - (height - 1) / 2)[None, :, None]
        place = random.uniform(-0.35, 0.35, (count, 1, 1)) * min(height, width)
        shaded = np.clip((across + down - place) / 2 + 0.5, 0, 1)
        depth = random.uniform(0.3, 0.8, (count, 1, 1)) * (random.random((count, 1, 1)) < self.shadow)
        return np.asarray(1 - depth * shaded, np.float32)


@dataclass(frozen=True)
class SensorAugmentation:
    """What stands before a sign and what camera and distance take from it, each in its own share of the images.

    In this order: a patch is hidden, the image is blurred out of focus or by motion, loses resolution, gains noise.

    Attributes:
        hidden: Share of images in which a rectangle of one random colour hides a part.
        defocus: Share of images with a Gaussian blur.
        motion: Share of images with a blur along a straight path.
        coarse: Share of images made smaller and enlarged again.
        noisy: Share of images with Gaussian noise.
        patch: Largest side of a rectangle, as a fraction of the image's side; the smallest is 0.1.
        spread: Largest standard deviation of the Gaussian blur, as a fraction of the width; the smallest is 0.3 of it.
        path: Longest path of motion, as a fraction of the width.
        detail: Smallest size that an image is brought to, as a fraction of its own.
        deviation: Largest standard deviation of the noise, in shades of 0..255.
    """

    hidden: float = 0.2
    defocus: float = 0.15
    motion: float = 0.15
    coarse: float = 0.2
    noisy: float = 0.3
    patch: float = 0.4
    spread: float = 0.04
    path: float = 0.2
    detail: float = 0.35
    deviation: float = 16.0

    def __call__(self, images: Images, random: np.random.Generator) -> NDArray[np.float32]:
        """Disturb a batch of uint8 images (N, H, W, 3); returns float32 in 0..255 of the same shape."""
        _require_batch(images)
        changed = images.copy()
        self._hide(changed, random)
        self._defocus(changed, random)
        self._move(changed, random)
        self._coarsen(changed, random)
        return self._add_noise(changed.astype(np.float32), random)

    def _hide(self, images: Images, random: np.random.Generator) -> None:
        rows = _chosen(self.hidden, len(images), random)
        sides = np.array(images.shape[1:3])
        sizes = np.rint(random.uniform(0.1, self.patch, (len(rows), 2)) * sides).astype(int)
        starts = random.integers(0, sides - sizes + 1)
        colours = random.integers(0, 256, (len(rows), 3))
        for row, (top, left), (height, width), colour in zip(rows, starts, sizes, colours, strict=True):
            images[row, top : top + height, left : left + width] = colour

    def _defocus(self, images: Images, random: np.random.Generator) -> None:
        rows = _chosen(self.defocus, len(images), random)
        sigmas = random.uniform(0.3, 1, len(rows)) * self.spread * images.shape[2]
        for row, sigma in zip(rows, sigmas, strict=True):
            size = 2 * int(np.ceil(3 * sigma)) + 1
            cv2.GaussianBlur(images[row], (size, size), sigma, dst=images[row], borderType=cv2.BORDER_REPLICATE)

    def _move(self, images: Images, random: np.random.Generator) -> None:
        rows = _chosen(self.motion, len(images), random)
        lengths = random.uniform(0, self.path, len(rows)) * images.shape[2]
        kernels = _motion_kernels(lengths, random.uniform(0, np.pi, len(rows)))
        for row, kernel in zip(rows, kernels, strict=True):
            images[row] = cv2.filter2D(images[row], -1, kernel, borderType=cv2.BORDER_REPLICATE)

    def _coarsen(self, images: Images, random: np.random.Generator) -> None:
        rows = _chosen(self.coarse, len(images), random)
        _, height, width, _ = images.shape
        for row, scale in zip(rows, random.uniform(self.detail, 1, len(rows)), strict=True):
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(images[row], size, interpolation=cv2.INTER_AREA)
            cv2.resize(small, (width, height), dst=images[row], interpolation=cv2.INTER_LINEAR)

    def _add_noise(self, images: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        rows = _chosen(self.noisy, len(images), random)
        deviations = random.uniform(0, self.deviation, (len(rows), 1, 1, 1)).astype(np.float32)
        quantiles = random.integers(0, 256, (len(rows), *images.shape[1:]), dtype=np.uint8)
        noise = np.take(_NORMAL_QUANTILES, quantiles) * deviations
        images[rows] = np.clip(np.rint(images[rows] + noise), 0, 255)
        return images


def _chosen(share: float, count: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Rows of the images of a batch that are drawn, each with the probability `share`."""
    return np.flatnonzero(random.random(count) < share)


def _motion_kernels(lengths: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float32]:
    """Kernels (N, K, K) of sum 1 that average along paths of those lengths (pixels) and angles (radians)."""
    reach = int(np.ceil(lengths.max(initial=0) / 2)) + 1
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    along, beside = np.abs(across * cos + down * sin), np.abs(down * cos - across * sin)
    weights = np.clip(lengths[:, None, None] / 2 + 0.5 - along, 0, 1) * np.clip(1 - beside, 0, 1)
    return np.asarray(weights / weights.sum(axis=(1, 2), keepdims=True), np.float32)


def _require_batch(images: Images) -> None:
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(f"augmentation takes uint8 images (N, H, W, 3), not {images.dtype} {images.shape}")


def _log_uniform(largest: float, shape: int | tuple[int, ...], random: np.random.Generator) -> NDArray[np.float64]:
    """Factors between 1 / (1 + largest) and 1 + largest, even on a log scale."""
    bound = np.log1p(largest)
    return np.exp(random.uniform(-bound, bound, shape))
