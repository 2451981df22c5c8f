from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gan.layers import MinibatchDeviation, ModulatedConvolution, SpectralConv2D, SpectralDense


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Layers draw the seeds of their kernels when they are made: in a test, never in its parameters."""
    keras.utils.set_random_seed(0)


def normal(*shape: int) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.random.normal(shape))


def largest_singular_value(kernel: np.ndarray) -> float:
    return float(np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0])


def test_minibatch_deviation_is_one_channel_of_the_mean_deviation() -> None:
    maps = normal(6, 4, 5, 3)
    out = keras.ops.convert_to_numpy(MinibatchDeviation()(maps))
    np.testing.assert_array_equal(out[..., :3], maps)
    np.testing.assert_allclose(out[..., 3], maps.std(axis=0).mean(), rtol=1e-4)


@pytest.mark.parametrize("n", [1, 4])
def test_a_batch_that_does_not_vary_has_no_deviation_and_a_finite_gradient(n: int) -> None:
    import tensorflow as tf

    maps = tf.Variable(np.repeat(normal(1, 4, 4, 2), n, axis=0))
    with tf.GradientTape() as tape:
        out = MinibatchDeviation()(maps)
    assert out.numpy()[..., 2].max() < 1e-3
    assert np.isfinite(tape.gradient(out, maps).numpy()).all()


@pytest.mark.parametrize("demodulate", [True, False])
def test_a_modulated_convolution_is_a_kernel_for_each_image(demodulate: bool) -> None:
    layer = ModulatedConvolution(4, demodulate=demodulate)
    maps, style = normal(3, 6, 6, 5), normal(3, 7)
    out = keras.ops.convert_to_numpy(layer(maps, style))
    scales = keras.ops.convert_to_numpy(layer.scales(style))
    for image, scale, made in zip(maps, scales, out, strict=True):
        kernel = np.asarray(layer.kernel) * scale[:, None]
        if demodulate:
            kernel = kernel / np.sqrt(np.square(kernel).sum(axis=(0, 1, 2)))
        expected = keras.ops.conv(image[None], kernel, padding="same", data_format="channels_last")
        np.testing.assert_allclose(made, expected[0], atol=1e-4)


def test_demodulation_gives_variance_1_whatever_the_style() -> None:
    layer = ModulatedConvolution(32)
    out = keras.ops.convert_to_numpy(layer(normal(4, 34, 34, 16), 10 * normal(4, 8)))[:, 1:-1, 1:-1]
    np.testing.assert_allclose(out.var(axis=(1, 2)).mean(axis=1), 1, rtol=0.1)


@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [(SpectralConv2D, (8, 3, 2, "same"), (4, 8, 8, 5)), (SpectralDense, (9,), (4, 30))],
)
def test_a_spectral_kernel_comes_to_norm_1(
    kind: Callable[..., keras.Layer], options: tuple[Any, ...], shape: tuple[int, ...]
) -> None:
    layer, inputs = kind(*options), normal(*shape)
    layer(inputs)
    layer.kernel.assign(3 * layer.kernel)
    for _ in range(40):
        layer.normalised_kernel(training=True)
    own = np.asarray(layer.kernel)
    kernel = keras.ops.convert_to_numpy(layer.normalised_kernel(training=False))
    assert largest_singular_value(own) > 1.5
    assert largest_singular_value(kernel) == pytest.approx(1, abs=5e-3)
    np.testing.assert_allclose(kernel, own / largest_singular_value(own), atol=5e-3)


def test_the_norm_follows_a_kernel_that_moves_and_stays_where_nothing_is_trained() -> None:
    layer = SpectralDense(6)
    layer.build((2, 10))
    for _ in range(40):
        layer.kernel.assign_add(0.01 * normal(10, 6))
        layer(normal(2, 10), training=True)
    known = np.asarray(layer.direction)
    kernel = keras.ops.convert_to_numpy(layer.normalised_kernel(training=False))
    assert largest_singular_value(kernel) == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(layer.direction, known)


def test_the_gradient_passes_through_the_norm() -> None:
    import tensorflow as tf

    layer, inputs = SpectralDense(6, use_bias=False), normal(5, 10)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs) ** 2)
    (gradient,) = tape.gradient(loss, layer.trainable_variables)
    assert np.linalg.norm(gradient) > 0.1
    along = np.vdot(gradient.numpy(), layer.kernel.numpy())
    assert along == pytest.approx(0, abs=1e-3)  # scaling the kernel changes nothing


def test_layers_are_saved_with_what_they_know(tmp_path: Path) -> None:
    maps, style = keras.Input((8, 8, 3)), keras.Input((5,))
    x = SpectralConv2D(4, 3, strides=2, padding="same")(ModulatedConvolution(6, 1, demodulate=False)(maps, style))
    x = SpectralDense(2)(keras.layers.Flatten()(MinibatchDeviation()(x)))
    model = keras.Model([maps, style], x)
    inputs = [normal(3, 8, 8, 3), normal(3, 5)]
    model(inputs, training=True)
    model.save(tmp_path / "x.keras")
    loaded = keras.models.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(model(inputs), loaded(inputs))
