"""Layers that Keras does not have. A model that holds one is loaded where this package can be imported."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="sign_to_noise")
class LocalContrast(layers.Layer):
    """Local contrast normalisation: each pixel less the mean of its surroundings, over their deviation.

    After Jarrett et al. 2009 and Sermanet and LeCun 2011, with a square window and all channels together. Where the
    surroundings are flatter than the image as a whole, the deviation of the whole is used, so noise is not blown up.

    Args:
        window: Side of the surroundings in pixels.
    """

    def __init__(self, window: int = 9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window

    def call(self, images: Any) -> Any:
        """Normalise images (N, H, W, C)."""
        centred = images - self._surroundings(images)
        deviation = ops.sqrt(self._surroundings(ops.square(centred)) + 1e-6)
        return centred / ops.maximum(deviation, ops.mean(deviation, axis=(1, 2, 3), keepdims=True))

    def _surroundings(self, images: Any) -> Any:
        means = ops.mean(images, axis=-1, keepdims=True)
        return ops.average_pool(means, self.window, strides=1, padding="same", data_format="channels_last")

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable(package="sign_to_noise")
class AffineSampler(layers.Layer):
    """The grid and the sampler of a spatial transformer (Jaderberg et al. 2015): bilinear, edges repeated.

    Called with maps (N, H, W, C) and the rows (N, 6) of affine matrices, which take places in the output to places in
    the input, both in -1..1 over the maps' width and height. Differentiable in both. Places are computed in float32
    whatever the precision of the maps: in half precision they would be pixels off.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, maps: Any, matrices: Any) -> Any:
        """Sample the maps; of the same shape."""
        maps, matrices = ops.cast(maps, "float32"), ops.cast(matrices, "float32")
        _, height, width, channels = maps.shape
        count = ops.shape(maps)[0]
        rows, columns = ops.meshgrid(ops.linspace(-1.0, 1.0, height), ops.linspace(-1.0, 1.0, width), indexing="ij")
        places = ops.reshape(ops.stack([columns, rows, ops.ones_like(rows)]), (3, height * width))
        across, down = ops.unstack(ops.matmul(ops.reshape(matrices, (-1, 2, 3)), places), 2, axis=1)
        x = ops.clip((across + 1) * (width - 1) / 2, 0, width - 1)
        y = ops.clip((down + 1) * (height - 1) / 2, 0, height - 1)
        left, top = ops.clip(ops.floor(x), 0, max(width - 2, 0)), ops.clip(ops.floor(y), 0, max(height - 2, 0))
        flat = ops.reshape(maps, (count, height * width, channels))
        corner = ops.cast(top * width + left, "int32")

        def at(offset: int) -> Any:
            return ops.take_along_axis(flat, (corner + offset)[..., None], axis=1)

        right, below = (x - left)[..., None], (y - top)[..., None]
        upper = at(0) * (1 - right) + at(1) * right
        lower = at(width) * (1 - right) + at(width + 1) * right
        sampled = ops.reshape(upper * (1 - below) + lower * below, (count, height, width, channels))
        return ops.cast(sampled, self.compute_dtype)

    def compute_output_shape(self, maps_shape: Any, matrices_shape: Any) -> Any:  # noqa: ARG002
        """The maps' own shape."""
        return maps_shape


@keras.saving.register_keras_serializable(package="sign_to_noise")
class ReadAs(layers.Layer):
    """Images (N, H, W, 3) of 0..255, RGB, put into the form in which a network was trained to read them.

    Args:
        channels: "rgb", "bgr" or "grey" (ITU-R 601 luma, one channel).
        mean: Of each channel, taken off; on the scale of 0..255, in the order in which channels enter.
        deviation: Of each channel, by which the rest is divided.
        per_image: Each image has its own mean and deviation instead (those of `tf.image.per_image_standardization`).
        channels_first: The network takes (N, C, H, W).
    """

    LUMA = (0.299, 0.587, 0.114)

    def __init__(
        self,
        channels: str = "rgb",
        mean: Sequence[float] = (0.0,),
        deviation: Sequence[float] = (1.0,),
        per_image: bool = False,
        channels_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.channels, self.per_image, self.channels_first = channels, per_image, channels_first
        self.mean, self.deviation = tuple(mean), tuple(deviation)

    def call(self, images: Any) -> Any:
        """Float32 images (N, H, W, 3) in, what the network reads out."""
        if self.channels == "grey":
            images = ops.sum(images * ops.array(self.LUMA, "float32"), axis=-1, keepdims=True)
        elif self.channels == "bgr":
            images = ops.flip(images, axis=-1)
        if self.per_image:
            mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
            flat = 1 / float(images.shape[1] * images.shape[2] * images.shape[3]) ** 0.5
            images = (images - mean) / ops.maximum(ops.std(images, axis=(1, 2, 3), keepdims=True), flat)
        elif any(self.mean) or set(self.deviation) != {1.0}:
            images = (images - ops.array(self.mean, "float32")) / ops.array(self.deviation, "float32")
        return ops.transpose(images, (0, 3, 1, 2)) if self.channels_first else images

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Of images of this shape."""
        count, height, width, _ = input_shape
        planes = 1 if self.channels == "grey" else 3
        return (count, planes, height, width) if self.channels_first else (count, height, width, planes)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        own = ("channels", "mean", "deviation", "per_image", "channels_first")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
