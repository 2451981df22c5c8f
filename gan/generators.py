"""Generators: from a latent, and a class if they are conditional, to images float32 (N, size, size, 3) in [-1, 1]."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from gan.latents import DIMENSIONS, LATENTS, Latent
from gan.layers import ModulatedConvolution

SMALLEST = 7
"""Side in pixels of the largest maps that a generator starts from: 32 and 64 start at 4, 48 at 6."""
WIDEST = 4
"""The most channels of a map, in multiples of the width."""


@dataclass(frozen=True)
class Inputs:
    """What a generator is built from, and the parts that several share."""

    latent: keras.KerasTensor
    label: keras.KerasTensor | None
    classes: int
    size: int
    width: int

    @property
    def channels(self) -> list[int]:
        """Of the maps from the smallest to those of half the image's size, halved from one to the next but the first.

        The channels are at most `WIDEST` widths and reach one width.
        """
        side = self.size
        channels: list[int] = []
        while side > SMALLEST and side % 2 == 0:
            side //= 2
            channels.append(self.width * min(2 ** len(channels), WIDEST))
        return channels[::-1]

    def start(self) -> keras.KerasTensor:
        """The smallest maps, by a dense layer on the vector that enters."""
        channels = self.channels
        side = self.size // 2 ** len(channels)
        x = layers.Dense(side * side * channels[0], use_bias=False, kernel_initializer=_dcgan())(self.vector())
        return layers.Reshape((side, side, channels[0]))(x)

    def vector(self) -> keras.KerasTensor:
        """The latent, if it is a vector; else what strided convolutions and a dense layer make of a map or an image.

        In training each dimension has mean 0 and variance 1 over the batch. Where maps went on without that dense
        layer, all samples of Perlin, Gabor and band-limited noise were one sign after 1,000 steps.
        """
        x = self.latent
        if len(x.shape) == 2:
            return x
        for count in self.channels[::-1]:
            x = layers.Conv2D(count, 4, strides=2, padding="same", kernel_initializer="he_normal")(x)
            x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(DIMENSIONS, use_bias=False)(layers.Flatten()(x))
        return layers.BatchNormalization(center=False, scale=False)(x)

    def activated(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Batch normalisation and ReLU; gain and shift of each class, if there are any (Dumoulin et al. 2017)."""
        conditional = self.label is not None
        x = layers.BatchNormalization(center=not conditional, scale=not conditional)(x)
        if conditional:
            x = x * self._embedded(x.shape[-1], 1.0) + self._embedded(x.shape[-1], 0.0)
        return layers.ReLU()(x)

    def _embedded(self, channels: int, mean: float) -> keras.KerasTensor:
        near = keras.initializers.RandomNormal(mean, 0.02)
        embedded = layers.Embedding(self.classes, channels, embeddings_initializer=near)(self.label)
        return layers.Reshape((1, 1, channels))(embedded)


def _dcgan() -> keras.Initializer:
    """N(0, 0.02), one for each layer: an initializer of Keras draws the same numbers in all layers that share it."""
    return keras.initializers.RandomNormal(0.0, 0.02)


Builder = Callable[[Inputs], keras.KerasTensor]


def transposed(inputs: Inputs) -> keras.KerasTensor:
    """DCGAN (Radford et al. 2016): transposed convolutions of stride 2, of a kernel that the stride divides."""
    x = inputs.activated(inputs.start())
    for channels in inputs.channels[1:]:
        x = inputs.activated(_transposed(x, channels, use_bias=False))
    return _transposed(x, 3)


def resize(inputs: Inputs) -> keras.KerasTensor:
    """The same with resized maps and plain convolutions, which make no checkerboards (Odena et al. 2016).

    The last two convolutions are at the size of the images: one alone would give all textures from maps of half of it.
    """
    x = inputs.activated(inputs.start())
    for channels in [*inputs.channels[1:], inputs.width // 2]:
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, kernel_initializer=_dcgan())(_doubled(x))
        x = inputs.activated(x)
    return layers.Conv2D(3, 3, padding="same", kernel_initializer=_dcgan())(x)


def style(inputs: Inputs) -> keras.KerasTensor:
    """A small StyleGAN2 (Karras et al. 2020): a mapping network, whose style modulates each convolution.

    The smallest maps are made from the style too, instead of being constant; no noise enters but the latent.
    """
    x = inputs.vector()
    if inputs.label is not None:
        unit = keras.initializers.RandomNormal(0.0, 1.0)  # as large as the latent, or it would not be heard
        embedded = layers.Embedding(inputs.classes, 2 * inputs.width, embeddings_initializer=unit)(inputs.label)
        x = layers.Concatenate()([x, embedded])
    x = layers.RMSNormalization()(x)
    for _ in range(2):
        x = layers.LeakyReLU(0.2)(layers.Dense(2 * inputs.width, kernel_initializer="he_normal")(x))
    mapped, first, side = x, inputs.channels[0], inputs.size // 2 ** len(inputs.channels)
    x = layers.LeakyReLU(0.2)(layers.Dense(side * side * first, kernel_initializer="he_normal")(mapped))
    x = layers.Reshape((side, side, first))(x)
    for channels in inputs.channels[1:]:
        x = layers.LeakyReLU(0.2)(ModulatedConvolution(channels)(_doubled(x, "bilinear"), mapped))
    return ModulatedConvolution(3, demodulate=False)(_doubled(x, "bilinear"), mapped)


def unet(inputs: Inputs) -> keras.KerasTensor:
    """A U-Net (Isola et al. 2017, pix2pix): maps of each size skip over to where that size is reached again."""
    x, skipped = inputs.latent, []
    for number, channels in enumerate(reversed(inputs.channels)):
        skipped.append(x)
        x = layers.Conv2D(channels, 4, strides=2, padding="same", use_bias=not number, kernel_initializer=_dcgan())(x)
        x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(x) if number else x)
    for channels in [*inputs.channels[1:], inputs.width // 2]:
        x = inputs.activated(_transposed(x, channels, use_bias=False))
        x = layers.Concatenate()([x, skipped.pop()])
    return layers.Conv2D(3, 3, padding="same", kernel_initializer=_dcgan())(x)


def _transposed(x: keras.KerasTensor, channels: int, *, use_bias: bool = True) -> keras.KerasTensor:
    return layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", use_bias=use_bias, kernel_initializer=_dcgan()
    )(x)


def _doubled(x: keras.KerasTensor, interpolation: str = "nearest") -> keras.KerasTensor:
    return layers.UpSampling2D(2, interpolation=interpolation)(x)


GENERATORS: dict[str, Builder] = {"transposed": transposed, "resize": resize, "style": style, "unet": unet}
"""Generators by name."""


def build_generator(name: str, latent: Latent, *, size: int, classes: int = 0, width: int = 64) -> keras.Model:
    """An untrained generator.

    Args:
        name: Of `GENERATORS`.
        latent: What enters it; unet takes maps and images, all others take vectors too.
        size: Side of the images in pixels, a multiple of 16.
        classes: Number of classes that can be asked for; 0: it is not conditional.
        width: Channels of the largest maps.

    Returns:
        Inputs [latent float32 (N, *latent.shape(size))], or [latent, label int32 (N,)]; output "image", float32
        (N, size, size, 3) in [-1, 1].

    Raises:
        ValueError: an unknown name, a size that does not fit, or a latent that does not.
    """
    if name not in GENERATORS:
        raise ValueError(f"there is no generator {name}; choose one of {', '.join(GENERATORS)}")
    if size < 16 or size % 16:
        raise ValueError(f"a generator cannot make images of {size} pixels; choose a multiple of 16, as 32, 48 or 64")
    if name == "unet" and latent.kind == "vector":
        spatial = ", ".join(other.name for other in LATENTS.values() if other.kind != "vector")
        raise ValueError(f"generator unet translates maps, latent {latent.name} is a vector; choose one of {spatial}")
    entrance = keras.Input(latent.shape(size), name="latent")
    label = keras.Input((), dtype="int32", name="label") if classes else None
    image = GENERATORS[name](Inputs(entrance, label, classes, size, width))
    image = layers.Activation("tanh", dtype="float32", name="image")(image)
    return keras.Model([entrance] if label is None else [entrance, label], image, name=name)
