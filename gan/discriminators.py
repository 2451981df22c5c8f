"""Discriminators: from images float32 (N, size, size, 3) in [-1, 1] to logits, of being real and of classes.

None has batch normalisation: gradient penalties need a gradient of each image by itself (Gulrajani et al. 2017).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from gan.layers import MinibatchDeviation, SpectralConv2D, SpectralDense

CONDITIONING = ("none", "projection", "auxiliary", "k_plus_one")
"""What a discriminator knows or says of classes: nothing; it is told the class (Miyato and Koyama 2018); it names the
class as well (Odena et al. 2017); fake is one more class (Salimans et al. 2016)."""


@dataclass(frozen=True)
class Style:
    """The options that all parts of a discriminator share."""

    width: int
    dropout: float
    spectral: bool
    minibatch_deviation: bool

    def convolution(self, x: keras.KerasTensor, channels: int, kernel: int = 4, strides: int = 2) -> keras.KerasTensor:
        """Convolution, LeakyReLU and dropout."""
        kind = SpectralConv2D if self.spectral else layers.Conv2D
        x = kind(channels, kernel, strides=strides, padding="same", kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(0.2)(x)
        return layers.Dropout(self.dropout)(x) if self.dropout else x

    def compared(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The maps, and how much they vary over the batch if that was asked for."""
        return MinibatchDeviation()(x) if self.minibatch_deviation else x

    def dense(self, x: keras.KerasTensor, units: int, **options: Any) -> keras.KerasTensor:
        """A dense layer on the last axis: at each place of maps."""
        return (SpectralDense if self.spectral else layers.Dense)(units, **options)(x)


Builder = Callable[[keras.KerasTensor, Style], keras.KerasTensor]


def convolutional(images: keras.KerasTensor, style: Style) -> keras.KerasTensor:
    """DCGAN's (Radford et al. 2016): strided convolutions down to 4 or 6 pixels; features (N, F) of the whole image."""
    x, number = images, 0
    while x.shape[1] > 7:
        x = style.convolution(x, style.width * min(2**number, 4))
        number += 1
    return layers.Flatten()(style.compared(x))


def patch(images: keras.KerasTensor, style: Style) -> keras.KerasTensor:
    """PatchGAN (Isola et al. 2017): features (N, size / 4, size / 4, F), each of a patch of 18 x 18 pixels."""
    x = style.convolution(images, style.width)
    x = style.convolution(x, 2 * style.width)
    return style.convolution(style.compared(x), 2 * style.width, kernel=3, strides=1)


DISCRIMINATORS: dict[str, Builder] = {"convolutional": convolutional, "patch": patch}
"""Discriminators by name."""


def build_discriminator(
    name: str,
    *,
    size: int,
    classes: int = 0,
    conditioning: str = "none",
    width: int = 64,
    dropout: float = 0.0,
    spectral: bool = False,
    minibatch_deviation: bool = False,
    condition_channels: int = 0,
) -> keras.Model:
    """An untrained discriminator.

    Args:
        name: Of `DISCRIMINATORS`.
        size: Side of the images in pixels, a multiple of 16.
        classes: Number of classes K; needed by all conditioning but none.
        conditioning: Of `CONDITIONING`.
        width: Channels of the first convolution.
        dropout: Share of the activations dropped after each convolution.
        spectral: Whether kernels are divided by their largest singular value.
        minibatch_deviation: Whether it sees how much the batch varies.
        condition_channels: Of an image that it sees beside the one to judge; 0: there is none.

    Returns:
        Inputs [image], then label int32 (N,) for projection, then the condition image. Outputs a dictionary of float32
        logits: `real` (N, 1), or (N, h, w, 1) of patches; with auxiliary also `classes` (N, K); with k_plus_one only
        `classes` (N, K + 1), of which the last is fake.

    Raises:
        ValueError: an unknown name or conditioning, a size that does not fit, or conditioning without classes.
    """
    _check(name, size, classes, conditioning)
    image = keras.Input((size, size, 3), name="image")
    label = keras.Input((), dtype="int32", name="label") if conditioning == "projection" else None
    condition = keras.Input((size, size, condition_channels), name="condition") if condition_channels else None
    style = Style(width, dropout, spectral, minibatch_deviation)
    seen = image if condition is None else layers.Concatenate()([image, condition])
    features = DISCRIMINATORS[name](seen, style)
    inputs = [each for each in (image, label, condition) if each is not None]
    return keras.Model(inputs, _logits(features, label, classes, conditioning, style), name=name)


def _check(name: str, size: int, classes: int, conditioning: str) -> None:
    if name not in DISCRIMINATORS:
        raise ValueError(f"there is no discriminator {name}; choose one of {', '.join(DISCRIMINATORS)}")
    if conditioning not in CONDITIONING:
        raise ValueError(f"there is no conditioning {conditioning}; choose one of {', '.join(CONDITIONING)}")
    if conditioning != "none" and classes < 2:
        raise ValueError(f"conditioning {conditioning} needs 2 classes or more, not {classes}; choose none")
    if size < 16 or size % 16:
        raise ValueError(f"a discriminator cannot judge {size} pixels; choose a multiple of 16, as 32, 48 or 64")


def _logits(
    features: keras.KerasTensor, label: keras.KerasTensor | None, classes: int, conditioning: str, style: Style
) -> dict[str, keras.KerasTensor]:
    """The heads, of features (N, F) of images or (N, h, w, F) of patches; classes are of the whole image."""
    whole = features if len(features.shape) == 2 else layers.GlobalAveragePooling2D()(features)
    if conditioning == "k_plus_one":
        return {"classes": style.dense(whole, classes + 1, dtype="float32", name="classes")}
    real = style.dense(features, 1, dtype="float32", name="real")
    if label is not None:
        embedded = style.dense(ops.one_hot(label, classes), features.shape[-1], use_bias=False)
        embedded = layers.Reshape((*[1] * (len(features.shape) - 2), -1))(embedded)
        real = real + ops.sum(ops.cast(embedded * features, "float32"), axis=-1, keepdims=True)
    if conditioning == "auxiliary":
        return {"real": real, "classes": style.dense(whole, classes, dtype="float32", name="classes")}
    return {"real": real}
