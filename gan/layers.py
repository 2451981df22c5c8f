"""Layers of generators and discriminators that Keras does not have; importing this lets their models be loaded."""

from functools import partial
from typing import Any

import keras
from keras import layers, ops

EPSILON = 1e-8


@keras.saving.register_keras_serializable(package="sign_to_noise")
class MinibatchDeviation(layers.Layer):
    """Appends one channel that tells how much the batch varies, against mode collapse (Karras et al. 2018, section 3).

    The standard deviation over the batch, averaged over places and channels, so any batch size will do; the statistic
    of a batch of 1 is 0. Of maps (N, H, W, C) it makes (N, H, W, C + 1).
    """

    def call(self, maps: Any) -> Any:
        """Maps (N, H, W, C) with one channel more, the same everywhere."""
        variance = ops.var(ops.cast(maps, "float32"), axis=0)
        statistic = ops.cast(ops.mean(ops.sqrt(variance + EPSILON)), maps.dtype)
        return ops.concatenate([maps, ops.ones_like(maps[..., :1]) * statistic], axis=-1)

    def compute_output_shape(self, maps_shape: Any) -> Any:
        """One channel more."""
        return (*maps_shape[:-1], maps_shape[-1] + 1)


@keras.saving.register_keras_serializable(package="sign_to_noise")
class ModulatedConvolution(layers.Layer):
    """A convolution whose input channels are scaled by a style, and whose output is scaled back to variance 1.

    After Karras et al. 2020 (StyleGAN2, section 2.2). Scaling the maps before and after one kernel that all images
    share equals a kernel for each image, and is far cheaper on a CPU.

    Args:
        filters: Channels of the output.
        kernel_size: Side of the kernel.
        demodulate: Whether the output is scaled back.
    """

    def __init__(self, filters: int, kernel_size: int = 3, *, demodulate: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.demodulate = demodulate

    def build(self, maps_shape: Any, style_shape: Any) -> None:
        """Make the kernel, the bias and the layer that turns a style into scales."""
        channels = maps_shape[-1]
        scaled = partial(keras.initializers.VarianceScaling, 1.0, "fan_in")  # one each, or both would draw alike
        shape = (self.kernel_size, self.kernel_size, channels, self.filters)
        self.kernel = self.add_weight(shape=shape, initializer=scaled(), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.scales = layers.Dense(channels, kernel_initializer=scaled(), bias_initializer="ones", name="scales")
        self.scales.build(style_shape)

    def call(self, maps: Any, style: Any) -> Any:
        """Convolve maps (N, H, W, C) in the style (N, D): (N, H, W, filters)."""
        scales = self.scales(style)
        convolved = ops.conv(maps * scales[:, None, None], self.kernel, padding="same", data_format="channels_last")
        if self.demodulate:
            power = ops.sum(ops.square(ops.cast(self.kernel, "float32")), axis=(0, 1))
            variance = ops.matmul(ops.square(ops.cast(scales, "float32")), power)
            convolved *= ops.cast(ops.rsqrt(variance + EPSILON), convolved.dtype)[:, None, None]
        return convolved + self.bias

    def compute_output_shape(self, maps_shape: Any, style_shape: Any) -> Any:  # noqa: ARG002
        """The maps' shape with other channels."""
        return (*maps_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "demodulate": self.demodulate}
        return {**super().get_config(), **own}


class _Spectral(layers.Layer):
    """Divides its kernel by an estimate of the largest singular value (Miyato et al. 2018, algorithm 1).

    Each call while training does one step of power iteration; the gradient passes through the division, unlike with
    `keras.layers.SpectralNormalization`, which overwrites the kernel at each call.
    """

    def build(self, input_shape: Any) -> None:
        """Make the layer's own weights, and the singular vector that the iteration follows."""
        super().build(input_shape)
        self.direction = self.add_weight(
            shape=(1, self.kernel.shape[-1]), initializer="random_normal", trainable=False, name="direction"
        )

    def normalised_kernel(self, training: bool) -> Any:
        """The kernel, its largest singular value close to 1; one step of power iteration while training."""
        matrix = ops.cast(ops.reshape(self.kernel, (-1, self.kernel.shape[-1])), "float32")
        known = ops.stop_gradient(matrix)
        left = ops.normalize(ops.matmul(ops.cast(self.direction, "float32"), ops.transpose(known)))
        right = ops.normalize(ops.matmul(left, known))
        if training:
            self.direction.assign(right)
        largest = ops.sum(ops.matmul(left, matrix) * right)
        return ops.cast(ops.reshape(matrix / largest, self.kernel.shape), self.compute_dtype)

    def save_own_variables(self, store: Any) -> None:
        """All of them: Keras's convolutions and dense layers save kernel and bias alone."""
        layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        """What `save_own_variables` saved."""
        layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable(package="sign_to_noise")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """A convolution of spectral norm 1: of its kernel as a matrix of outputs by all inputs of a place."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Convolve."""
        outputs = self.convolution_op(inputs, self.normalised_kernel(training))
        return self.activation(outputs + self.bias if self.use_bias else outputs)


@keras.saving.register_keras_serializable(package="sign_to_noise")
class SpectralDense(_Spectral, layers.Dense):
    """A dense layer of spectral norm 1."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Multiply."""
        outputs = ops.matmul(inputs, self.normalised_kernel(training))
        return self.activation(outputs + self.bias if self.use_bias else outputs)
