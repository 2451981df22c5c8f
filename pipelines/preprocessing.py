"""The usual ways in which networks read images: scale, order of colours and layout, and how one of them is named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

AUTO = "auto"
SCALES = {
    "255": "0..255",
    "1": "0..1",
    "-1": "-1..1",
    "imagenet": "0..1 less ImageNet's mean, over its deviation",
    "image": "each image less its mean, over its deviation",
    "caffe": "0..255 less ImageNet's mean",
    "data": "less the data's mean, over its deviation",
    "-0.5": "-0.5..0.5",
}
"""What they put in, the more usual ones first: the first of equals is taken."""
CHANNELS = ("rgb", "bgr")
IMAGENET_MEAN, IMAGENET_DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CAFFE_MEAN = (123.68, 116.779, 103.939)
OF_COLOUR = ("imagenet", "caffe")
"""Scales that one grey channel cannot have."""
SPAN = {"1": (0.0, 255.0), "-1": (127.5, 127.5), "-0.5": (127.5, 255.0)}
"""What is taken off, and by what the rest is divided."""


@dataclass(frozen=True)
class Preprocessing:
    """A way in which a network reads images.

    Attributes:
        scale: one of `SCALES`.
        channels: "rgb", "bgr" or "grey", which is one channel.
        channels_first: the network takes (N, C, H, W).
        mean: of each channel on the scale of 0..255, in the order in which they enter.
        deviation: likewise.
    """

    scale: str = "255"
    channels: str = "rgb"
    channels_first: bool = False
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)

    def __str__(self) -> str:
        layout = ", channels first" if self.channels_first else ""
        return f"{SCALES[self.scale]}, {self.channels if self.channels == 'grey' else self.channels.upper()}{layout}"

    @cached_property
    def layer(self) -> Any:
        """The Keras layer from float32 images (N, H, W, 3) of 0..255 to what the network takes."""
        from models.layers import ReadAs

        return ReadAs(self.channels, self.mean, self.deviation, self.scale == "image", self.channels_first)

    @property
    def plain(self) -> bool:
        """Nothing is to be done."""
        return self == Preprocessing()

    def __call__(self, images: NDArray[Any]) -> Any:
        """A float32 tensor of what the network takes, from images (N, H, W, 3) of 0..255."""
        import tensorflow as tf

        floats = tf.cast(images, tf.float32)
        return floats if self.plain else self.layer(floats)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "layer"}


def usual_readings(images: NDArray[np.uint8], forced: str, *, grey: bool, channels_first: bool) -> list[Preprocessing]:
    """The ways to try, the more usual ones first; one where it is forced.

    Args:
        images: (N, H, W, 3) of the data, of which scale "data" has its mean and deviation.
        forced: `auto`, one of `SCALES`, `rgb` or `bgr`, or both as in `-1:bgr`.
        grey: the network takes one channel.
        channels_first: it takes (N, C, H, W).

    Raises:
        InputError: there is no such way.
    """
    scale, channels = _parts(forced, grey=grey)
    orders = ("grey",) if grey else CHANNELS if channels == AUTO else (channels,)
    found = []
    for order in orders:
        for name in SCALES if scale == AUTO else (scale,):
            if grey and name in OF_COLOUR:
                continue
            if name == "caffe" and scale == channels == AUTO and order == "rgb":
                continue  # Caffe reads BGR
            found.append(replace(_reading(name, order, images), channels_first=channels_first))
    if not found:
        raise InputError(f"--pixel-range {forced}: the network takes grey images; choose another, or auto")
    return found


def _parts(forced: str, *, grey: bool) -> tuple[str, str]:
    """Scale and order of colours; a scale alone means RGB, but Caffe's BGR."""
    scale, _, channels = forced.lower().partition(":")
    if scale in CHANNELS:
        scale, channels = AUTO, scale
    if scale not in (*SCALES, AUTO) or channels not in (*CHANNELS, ""):
        raise InputError(
            f"--pixel-range {forced}: choose auto, one of {', '.join(SCALES)}, with :bgr behind it for BGR, or rgb, bgr"
        )
    if not channels and scale != AUTO and not grey:
        channels = "bgr" if scale == "caffe" else "rgb"
    return scale, channels or AUTO


def _reading(scale: str, channels: str, images: NDArray[np.uint8]) -> Preprocessing:
    plain = Preprocessing(scale, channels)
    if scale in SPAN:
        shift, spread = SPAN[scale]
        return replace(plain, mean=(shift,), deviation=(spread,))
    known = {"imagenet": (IMAGENET_MEAN, IMAGENET_DEVIATION), "caffe": (CAFFE_MEAN, (1.0,))}
    if scale in known:
        mean, deviation = known[scale]
        return replace(plain, mean=_ordered(mean, channels), deviation=_ordered(deviation, channels))
    if scale == "data" and len(images):
        seen = np.asarray(Preprocessing(channels=channels)(images))
        mean, deviation = seen.mean(axis=(0, 1, 2)), np.maximum(seen.std(axis=(0, 1, 2)), 1.0)
        return replace(plain, mean=_rounded(mean), deviation=_rounded(deviation))
    return plain


def _ordered(values: Sequence[float], channels: str) -> tuple[float, ...]:
    return tuple(reversed(values)) if channels == "bgr" else tuple(values)


def _rounded(values: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
