"""Networks of our own that classify road signs."""

from collections.abc import Callable

import keras
from keras import layers


def build_cnn(
    classes: int, size: int, *, dropout: float = 0.3, widths: tuple[int, ...] = (64, 128, 160)
) -> keras.Model:
    """A small residual network: one wide first look at full size, then a residual stage after each halving.

    Few channels at full size cost most and learn least on a CPU, so only the first convolution runs there.
    Residual blocks follow He et al. 2016; the maximum over the image answers wherever the sign lies.

    Args:
        classes: Number of classes C.
        size: Side of the square RGB images in pixels, 16 or more.
        dropout: Share of features dropped before the last layer.
        widths: Channels of each stage.

    Returns:
        A Keras model from float32 images (N, size, size, 3) in 0..255 to float32 logits (N, C).
    """
    if classes < 2 or size < 16:
        raise ValueError(f"the default network needs 2 classes and 16 pixels or more, not {classes} and {size}")
    images = keras.Input((size, size, 3), name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = _convolution(x, 32, kernel=5)
    for width in widths:
        x = layers.MaxPooling2D()(x)
        x = _convolution(x, width)
        x = layers.Add()([x, _convolution(x, width)])
    x = layers.GlobalMaxPooling2D()(x)
    x = layers.Dropout(dropout)(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="default")


def _convolution(x: keras.KerasTensor, width: int, kernel: int = 3) -> keras.KerasTensor:
    x = layers.Conv2D(width, kernel, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))


NETWORKS: dict[str, Callable[..., keras.Model]] = {"default": build_cnn}
"""Networks by the name that `--network` takes; each is called with (classes, size, dropout=...)."""
