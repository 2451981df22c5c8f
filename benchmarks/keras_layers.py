"""The layers of keras-cv, and of Keras, which took them over, that do what a noise of ours does; on one thread.

Importing this module starts TensorFlow. Each layer is compiled with tf.function and called with a whole batch of
uint8; it is not asked to round its result back to uint8, which ours does.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_cv
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

RANGE = (0, 255)
ADDS_ALIKE = "adds to all channels alike, not to the HSV value"


@dataclass(frozen=True)
class Layer:
    """A layer, the largest value of the images that it takes, and in what its effect differs from ours."""

    layer: Any
    high: float = 255.0
    differs: str = ""

    def compiled(self) -> Any:
        """The layer as a function of uint8 images (N, H, W, C), to float32 on 0..255."""
        to, back = np.float32(self.high / 255), np.float32(255 / self.high)

        @tf.function
        def call(images: tf.Tensor) -> tf.Tensor:
            if self.high == 255:
                return self.layer(images, training=True)
            return back * self.layer(to * tf.cast(images, tf.float32), training=True)

        def change(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            changed: NDArray[np.float32] = call(images).numpy()
            return changed

        return change


def keras_cv_layers(levels: Mapping[str, float]) -> dict[tuple[str, str], Layer]:
    """Layers of keras-cv, by noise and name, at the strengths of our levels."""
    k = keras_cv.layers
    side, less, more = levels["occlusion"] ** 0.5, 1 - levels["desaturation"], 1 + levels["saturation"]
    turn, out, shift = levels["rotation"] / 360, 1 / (1 - levels["scale"]) - 1, levels["translation"]
    edge = {"fill_mode": "nearest"}
    return {
        ("gaussian_blur", "RandomGaussianBlur"): Layer(k.RandomGaussianBlur(25, _just(levels["gaussian_blur"]))),
        ("occlusion", "RandomCutout"): Layer(k.RandomCutout(_just(side), _just(side), fill_value=128.0)),
        ("grid", "GridMask"): Layer(k.GridMask(_just(0.5), rotation_factor=0.0)),
        ("quantisation", "Posterization"): Layer(k.Posterization(RANGE, 3)),
        ("jpeg", "RandomJpegQuality"): Layer(k.RandomJpegQuality((15, 15)), high=1.0),
        ("brightness", "RandomBrightness"): Layer(k.RandomBrightness(_just(levels["brightness"])), differs=ADDS_ALIKE),
        ("contrast", "RandomContrast"): Layer(k.RandomContrast(RANGE, (levels["contrast"], -levels["contrast"]))),
        ("hue", "RandomHue"): Layer(k.RandomHue(_just(levels["hue"] / 180), RANGE)),
        ("desaturation", "RandomSaturation"): Layer(k.RandomSaturation(_just(_odds(less)))),
        ("saturation", "RandomSaturation"): Layer(k.RandomSaturation(_just(_odds(more)))),
        ("rotation", "RandomRotation"): Layer(k.RandomRotation(_just(turn), **edge)),
        ("shear", "RandomShear"): Layer(k.RandomShear(_just(levels["shear"]), **edge)),
        ("scale", "RandomZoom"): Layer(k.RandomZoom(_just(out), **edge)),
        ("translation", "RandomTranslation"): Layer(k.RandomTranslation(_just(0.0), _just(shift), **edge)),
    }


def keras_layers(levels: Mapping[str, float]) -> dict[tuple[str, str], Layer]:
    """The same for layers of Keras itself."""
    k = keras.layers
    less, more, out = 1 - levels["desaturation"], 1 + levels["saturation"], 1 / (1 - levels["scale"]) - 1
    turn, shift, edge = levels["rotation"] / 360, levels["translation"], {"fill_mode": "nearest"}
    return {
        ("gaussian", "GaussianNoise"): Layer(k.GaussianNoise(levels["gaussian"]), high=1.0),
        ("occlusion", "RandomErasing"): Layer(k.RandomErasing(scale=_just(levels["occlusion"]), fill_value=128.0)),
        ("quantisation", "RandomPosterization"): Layer(k.RandomPosterization((3, 3), RANGE)),
        ("brightness", "RandomBrightness"): Layer(
            k.RandomBrightness(_just(levels["brightness"]), RANGE), differs=ADDS_ALIKE
        ),
        ("contrast", "RandomContrast"): Layer(k.RandomContrast((levels["contrast"], 0.0), RANGE)),
        ("hue", "RandomHue"): Layer(k.RandomHue(_just(levels["hue"] / 180), RANGE)),
        ("desaturation", "RandomSaturation"): Layer(k.RandomSaturation(_just(_odds(less)), (0, 1)), high=1.0),
        ("saturation", "RandomSaturation"): Layer(k.RandomSaturation(_just(_odds(more)), (0, 1)), high=1.0),
        ("rotation", "RandomRotation"): Layer(k.RandomRotation(_just(turn), **edge)),
        ("shear", "RandomShear"): Layer(k.RandomShear(_just(levels["shear"]), _just(0.0), **edge)),
        ("scale", "RandomZoom"): Layer(k.RandomZoom(_just(out), **edge)),
        ("translation", "RandomTranslation"): Layer(k.RandomTranslation(_just(0.0), _just(shift), **edge)),
        ("perspective", "RandomPerspective"): Layer(k.RandomPerspective(1.0, scale=3 * levels["perspective"])),
    }


def _just(value: float) -> tuple[float, float]:
    return value, value


def _odds(factor: float) -> float:
    """RandomSaturation multiplies by f / (1 - f)."""
    return factor / (1 + factor)
