"""Networks of our own that classify road signs."""

from collections.abc import Callable

import keras
from keras import layers


def build_cnn(classes: int, size: int, *, dropout: float = 0.4) -> keras.Model:
    """A small residual network behind a normalisation of light and contrast.

    Signs are seen in shade and against the sun, so each image is first brought to mean 0 and deviation 1 (Ciresan
    et al. 2012 found contrast normalisation to matter most on GTSRB). Channels at full size cost most and learn
    least on a CPU: only the first convolution runs there. Then three residual stages (He et al. 2016) at a half, a
    quarter and an eighth of the size, and a hidden layer that still knows where on the sign a feature lies.

    Args:
        classes: Number of classes C.
        size: Side of the square RGB images in pixels, 16 or more.
        dropout: Share of features dropped before each of the last two layers.

    Returns:
        A Keras model from float32 images (N, size, size, 3) in 0..255 to float32 logits (N, C).
    """
    if classes < 2 or size < 16:
        raise ValueError(f"the default network needs 2 classes and 16 pixels or more, not {classes} and {size}")
    images = keras.Input((size, size, 3), name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-4, name="contrast")(x)
    x = _convolution(x, 32, kernel=5)
    for width in (64, 96, 128):
        x = layers.MaxPooling2D()(x)
        x = _convolution(x, width)
        x = layers.Add()([x, _convolution(x, width)])
    x = layers.Dropout(dropout)(layers.Flatten()(_at_most_4x4(x)))
    x = layers.Dense(192, use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
    logits = layers.Dense(classes, dtype="float32", name="logits")(layers.Dropout(dropout)(x))
    return keras.Model(images, logits, name="default")


def _convolution(x: keras.KerasTensor, width: int, kernel: int = 3) -> keras.KerasTensor:
    x = layers.Conv2D(width, kernel, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))


def _at_most_4x4(x: keras.KerasTensor) -> keras.KerasTensor:
    """Average over areas so that the hidden layer does not grow with the images."""
    pool = -(-x.shape[1] // 4)
    return layers.AveragePooling2D(pool, padding="same")(x) if pool > 1 else x


NETWORKS: dict[str, Callable[..., keras.Model]] = {"default": build_cnn}
"""Networks by the name that `--network` takes; each is called with (classes, size, dropout=...)."""
