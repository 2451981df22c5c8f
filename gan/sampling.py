"""From a trained generator to images: uint8 samples, and a generator that gives them by itself."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from gan.latents import Latent


def to_unit(images: Any) -> Any:
    """Images in 0..255, a tensor of any type, as float32 in [-1, 1]."""
    return ops.cast(images, "float32") / 127.5 - 1.0


@keras.saving.register_keras_serializable(package="sign_to_noise")
class ToPixels(layers.Layer):
    """Images in [-1, 1] -> uint8, rounded to the nearest."""

    def call(self, images: Any) -> Any:
        """Convert images of any shape."""
        return ops.cast(ops.round((ops.clip(images, -1.0, 1.0) + 1.0) * 127.5), "uint8")

    def compute_output_spec(self, images: Any) -> Any:
        """The shape stays, the type is uint8."""
        return keras.KerasTensor(images.shape, "uint8")


def with_pixels(generator: keras.Model) -> keras.Model:
    """The same generator, with uint8 images (N, size, size, 3) for outputs."""
    return keras.Model(generator.inputs, ToPixels(name="pixels")(generator.output), name="generator")


def generate(
    generator: keras.Model,
    latent: Latent,
    labels: NDArray[np.integer[Any]] | None = None,
    *,
    n: int,
    random: np.random.Generator,
    images: NDArray[np.uint8] | None = None,
    batch: int = 256,
) -> NDArray[np.uint8]:
    """Generated images (n, size, size, 3).

    Args:
        generator: Takes the latent, and labels where it has two inputs.
        latent: What enters it.
        labels: Classes (n,) to generate; None for a generator that knows none.
        n: How many.
        random: Draws what enters.
        images: Of a generator of images from images: signs (n, size, size, 3) that the inputs are made of.
        batch: Images in one pass, the last one padded; does not change what is generated.

    Raises:
        ValueError: Labels are missing, or given to a generator that knows no classes.
    """
    if (labels is not None) != (len(generator.inputs) > 1):
        raise ValueError("labels are for conditional generators, which need them")
    size = generator.output_shape[1]
    inputs = [latent.sample(n, size, random, images=images)]
    if labels is not None:
        inputs.append(np.asarray(labels, np.int32))
    parts = []
    for start in range(0, n, batch):
        rows = np.minimum(np.arange(start, start + batch), n - 1)
        parts.append(np.asarray(generator.predict_on_batch([values[rows] for values in inputs])))
    made = np.concatenate(parts)[:n] if parts else np.empty((0, size, size, 3), np.uint8)
    if made.dtype == np.uint8:  # of `with_pixels`
        return made
    pixels: NDArray[np.uint8] = np.rint((np.clip(made, -1, 1) + 1) * 127.5).astype(np.uint8)
    return pixels
