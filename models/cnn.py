"""Networks of our own that classify road signs: from LeNet to a residual network, with their options.

All take float32 images (N, size, size, 3) in 0..255 and give float32 logits (N, classes).
"""

from collections.abc import Callable
from typing import Annotated, Literal

import keras
from keras import layers
from pydantic import Field
from pydantic.dataclasses import dataclass

from models.layers import AffineSampler, LocalContrast

COLUMN = "column"
"""What the first layer of each of several columns is called; its number follows."""


@dataclass(frozen=True)
class Style:
    """What can be chosen in any network of the family.

    Attributes:
        width: Factor on the channels of all layers.
        depth: Residual or separable blocks a stage (LeNet and the reference have none).
        norm: Normalisation after each convolution.
        activation: Of all layers.
        dropout: Share dropped while training, the same at all places; 0 drops nothing.
        dropout_kind: What is dropped. unit: single activations before each dense layer (Hinton et al. 2012); gaussian:
            they are multiplied by noise of mean 1 instead (Srivastava et al. 2014); spatial: whole feature maps before
            each stage but the first and before the first dense layer (Tompson et al. 2015), and no single activations.
        contrast: image: each image has mean 0 and deviation 1 (Ciresan et al. 2012 found contrast to matter most on
            GTSRB); local: by the surroundings of each pixel; none.
        transformers: Spatial transformers (Jaderberg et al. 2015): before the first, second and third stage.
        columns: Networks side by side that give the mean of their logits (Ciresan et al. 2012). In training each learns
            from its own share of a batch alone, since columns that are trained on their mean lean on each other.
    """

    width: Annotated[float, Field(gt=0)] = 1.0
    depth: Annotated[int, Field(ge=1)] = 1
    norm: Literal["batch", "layer", "group", "none"] = "batch"
    activation: Literal["relu", "elu", "gelu", "silu", "leaky_relu"] = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    dropout_kind: Literal["unit", "gaussian", "spatial"] = "unit"
    contrast: Literal["image", "local", "none"] = "image"
    transformers: Annotated[int, Field(ge=0, le=3)] = 0
    columns: Annotated[int, Field(ge=1, le=8)] = 1

    def input(self, size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """The images, and the same with their light and contrast normalised."""
        images = keras.Input((size, size, 3), name="images")
        x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
        if self.contrast == "image":
            x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-4, name="contrast")(x)
        return images, LocalContrast(name="contrast")(x) if self.contrast == "local" else x

    def channels(self, count: int) -> int:
        """So many channels, widened: a multiple of 8."""
        return max(8, round(count * self.width / 8) * 8)

    def convolution(self, x: keras.KerasTensor, channels: int, kernel: int = 3, **options: int) -> keras.KerasTensor:
        """Convolution, normalisation, activation."""
        bias = self.norm == "none"
        x = layers.Conv2D(channels, kernel, padding="same", use_bias=bias, kernel_initializer="he_normal", **options)(x)
        return self.activated(x)

    def activated(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Normalisation and activation."""
        if self.norm == "batch":
            x = layers.BatchNormalization(momentum=0.95)(x)
        elif self.norm == "layer":
            x = layers.LayerNormalization(epsilon=1e-5)(x)
        elif self.norm == "group":
            x = layers.GroupNormalization(groups=8)(x) if len(x.shape) == 4 else layers.LayerNormalization()(x)
        return layers.ReLU()(x) if self.activation == "relu" else layers.Activation(self.activation)(x)

    def stage(self, x: keras.KerasTensor, number: int) -> keras.KerasTensor:
        """What stands before the stage of this number, from 0: dropout of maps, a spatial transformer."""
        if self.dropout_kind == "spatial" and number:
            x = self.dropped(x)
        return spatial_transformer(x, number) if number < self.transformers else x

    def dropped(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Dropout; whole maps are dropped only where there are maps."""
        if self.dropout_kind == "spatial":
            return layers.SpatialDropout2D(self.dropout)(x) if len(x.shape) == 4 else x
        return (layers.GaussianDropout if self.dropout_kind == "gaussian" else layers.Dropout)(self.dropout)(x)

    def flattened(
        self, x: keras.KerasTensor, side: int, pooling: type[layers.Layer] = layers.AveragePooling2D
    ) -> keras.KerasTensor:
        """The features of maps of at most this side, for the head."""
        x = _at_most(x, side, pooling)
        return layers.Flatten()(self.dropped(x) if self.dropout_kind == "spatial" else x)

    def hidden(self, x: keras.KerasTensor, units: int) -> keras.KerasTensor:
        """A dense layer behind dropout."""
        x = layers.Dense(units, use_bias=self.norm == "none", kernel_initializer="he_normal")(self.dropped(x))
        return self.activated(x)

    def output(self, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
        """The logits, behind dropout."""
        return layers.Dense(classes, dtype="float32", name="logits")(self.dropped(x))


Body = Callable[[keras.KerasTensor, int, Style], keras.KerasTensor]
"""From images of even light, the number of classes and the style to logits."""
Network = Callable[[int, int, Style], keras.Model]


def _in_columns(body: Body) -> Network:
    """The network of this body, or of several of it side by side."""

    def network(classes: int, size: int, style: Style) -> keras.Model:
        images, x = style.input(size)
        if style.columns == 1:
            logits = body(x, classes, style)
        else:
            columns = [_column(body, x, classes, style, number) for number in range(style.columns)]
            logits = layers.Average(name="logits")(columns)
        return _network(body.__name__, images, logits)

    network.__doc__ = body.__doc__
    return network


def _column(body: Body, x: keras.KerasTensor, classes: int, style: Style, number: int) -> keras.KerasTensor:
    """The logits of one of several bodies; its first layer says where it begins, and all bear its number."""
    logits = body(layers.Identity(name=COLUMN)(x), classes, style)
    for layer in keras.Model(x, logits).layers[1:]:
        layer.name = f"{layer.name}_{number}"
    return logits


@_in_columns
def lenet(x: keras.KerasTensor, classes: int, style: Style) -> keras.KerasTensor:
    """The floor: two convolutions and two hidden layers (LeCun et al. 1998), in colour."""
    for number, channels in enumerate((6, 16)):
        x = style.convolution(style.stage(x, number), style.channels(channels), kernel=5)
        x = layers.MaxPooling2D()(x)
    x = style.flattened(x, 8)
    for units in (120, 84):
        x = style.hidden(x, style.channels(units))
    return style.output(x, classes)


@_in_columns
def multi_scale(images: keras.KerasTensor, classes: int, style: Style) -> keras.KerasTensor:
    """The reference: three convolutions on grey images, the last layer sees the features of all of them.

    After Sermanet and LeCun 2011 (Traffic sign recognition with multi-scale convolutional networks) in the form of
    github.com/navoshta/traffic-signs: channels 32, 64, 128 with kernels of 5, pooled to a common size, 1024 units, half
    of them dropped. There 10, 20 and 30% of what the convolutions give is dropped too; here they are normalised
    instead, since both together learn less. Its histogram equalisation is `contrast`.
    """
    luma = keras.initializers.Constant([[[[0.299], [0.587], [0.114]]]])
    x = layers.Conv2D(1, 1, use_bias=False, trainable=False, kernel_initializer=luma, name="grey")(images)
    scales = []
    for number, channels in enumerate((32, 64, 128)):
        x = style.convolution(style.stage(x, number), style.channels(channels), kernel=5)
        x = layers.MaxPooling2D()(x)
        scales.append(style.flattened(x, max(images.shape[1] // 8, 1), layers.MaxPooling2D))
    x = style.hidden(layers.Concatenate()(scales), style.channels(1024))
    return style.output(x, classes)


@_in_columns
def residual(x: keras.KerasTensor, classes: int, style: Style) -> keras.KerasTensor:
    """A small residual network (He et al. 2016) made for a CPU.

    Channels at full size cost most and learn least: only the first convolution runs there. Then three residual stages
    at a half, a quarter and an eighth of the size, and a hidden layer that still knows where on the sign a feature is.
    """
    x = style.convolution(style.stage(x, 0), style.channels(32), kernel=5)
    for number, channels in enumerate((64, 96, 128), start=1):
        x = style.convolution(style.stage(layers.MaxPooling2D()(x), number), style.channels(channels))
        for _ in range(style.depth):
            x = layers.Add()([x, style.convolution(x, style.channels(channels))])
    x = style.hidden(style.flattened(x, 4), style.channels(192))
    return style.output(x, classes)


@_in_columns
def separable(x: keras.KerasTensor, classes: int, style: Style) -> keras.KerasTensor:
    """Depthwise convolutions of 5 x 5 between pointwise ones that widen and narrow (Sandler et al. 2018)."""
    x = style.convolution(style.stage(x, 0), style.channels(24), kernel=5)
    for number, channels in enumerate((48, 96, 160), start=1):
        x = style.convolution(style.stage(layers.MaxPooling2D()(x), number), style.channels(channels), kernel=1)
        for _ in range(style.depth):
            y = style.convolution(x, 2 * style.channels(channels), kernel=1)
            y = style.activated(layers.DepthwiseConv2D(5, padding="same", use_bias=style.norm == "none")(y))
            x = layers.Add()([x, layers.Conv2D(style.channels(channels), 1)(y)])
    x = style.hidden(style.flattened(style.activated(x), 4), style.channels(192))
    return style.output(x, classes)


def spatial_transformer(x: keras.KerasTensor, number: int) -> keras.KerasTensor:
    """Let a small network turn, shift and scale the maps; it starts as the identity."""
    y = layers.AveragePooling2D(2)(x) if x.shape[1] > 16 else x
    for channels in (16, 32):
        y = layers.Conv2D(channels, 5, padding="same", kernel_initializer="he_normal")(y)
        y = layers.ReLU()(y)
        y = layers.MaxPooling2D()(y) if y.shape[1] > 1 else y
    y = layers.ReLU()(layers.Dense(32, kernel_initializer="he_normal")(layers.Flatten()(_at_most(y, 4))))
    identity = keras.initializers.Constant([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    matrices = layers.Dense(6, kernel_initializer="zeros", bias_initializer=identity, name=f"affine_{number}")(y)
    return AffineSampler(name=f"transformer_{number}")(x, matrices)


def _network(name: str, images: keras.KerasTensor, logits: keras.KerasTensor) -> keras.Model:
    """The network, its activations called the same whatever was built before it in the process."""
    network = keras.Model(images, logits, name=name)
    activations = [layer for layer in network.layers if isinstance(layer, layers.ReLU | layers.Activation)]
    for number, layer in enumerate(activations, start=1):
        layer.name = f"activation_{number:02d}"
    return network


def _at_most(
    x: keras.KerasTensor, side: int, pooling: type[layers.Layer] = layers.AveragePooling2D
) -> keras.KerasTensor:
    """Pool over areas so that what follows does not grow with the images."""
    area = -(-x.shape[1] // side)
    return pooling(area, padding="same")(x) if area > 1 else x


NETWORKS: dict[str, Network] = {
    "lenet": lenet,
    "multi_scale": multi_scale,
    "residual": residual,
    "separable": separable,
}
"""Architectures by name; each is called with (classes, size, style)."""
