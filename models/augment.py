"""Random disturbances that leave a road sign the same sign: used while training, never when measuring."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


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
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(f"augmentation takes uint8 images (N, H, W, 3), not {images.dtype} {images.shape}")
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


def _log_uniform(largest: float, shape: int | tuple[int, ...], random: np.random.Generator) -> NDArray[np.float64]:
    """Factors between 1 / (1 + largest) and 1 + largest, even on a log scale."""
    bound = np.log1p(largest)
    return np.exp(random.uniform(-bound, bound, shape))
