import keras
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from models.layers import AffineSampler, LocalContrast


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 12, 10, 3)).astype(np.float32)


IDENTITY = [1.0, 0, 0, 0, 1, 0]


def sample(images: np.ndarray, matrix: list[float]) -> np.ndarray:
    matrices = np.repeat(np.array([matrix], np.float32), len(images), axis=0)
    return keras.ops.convert_to_numpy(AffineSampler()(images, matrices))


def test_the_identity_changes_nothing(images: np.ndarray) -> None:
    np.testing.assert_allclose(sample(images, IDENTITY), images, atol=1e-5)


def test_a_half_turn_and_a_mirror(images: np.ndarray) -> None:
    np.testing.assert_allclose(sample(images, [-1.0, 0, 0, 0, -1, 0]), images[:, ::-1, ::-1], atol=1e-5)
    np.testing.assert_allclose(sample(images, [-1.0, 0, 0, 0, 1, 0]), images[:, :, ::-1], atol=1e-5)


def test_a_shift_by_one_pixel_repeats_the_edge(images: np.ndarray) -> None:
    moved = sample(images, [1.0, 0, 2 / 9, 0, 1, 0])
    np.testing.assert_allclose(moved[:, :, :-1], images[:, :, 1:], atol=1e-4)
    np.testing.assert_allclose(moved[:, :, -1], images[:, :, -1], atol=1e-4)


def test_half_a_pixel_is_the_mean_of_two(images: np.ndarray) -> None:
    moved = sample(images, [1.0, 0, 1 / 9, 0, 1, 0])
    np.testing.assert_allclose(moved[:, :, :-1], (images[:, :, 1:] + images[:, :, :-1]) / 2, atol=1e-4)


def test_the_matrix_has_the_gradient_of_finite_differences(images: np.ndarray) -> None:
    import tensorflow as tf

    smooth = uniform_filter(images.astype(np.float64), (0, 5, 5, 0)).astype(np.float32)
    matrices = tf.Variable(np.repeat([[0.9, 0.1, 0.05, -0.1, 0.8, 0.02]], 2, axis=0).astype(np.float32))

    def total(at: tf.Variable | np.ndarray) -> tf.Tensor:
        return tf.reduce_sum(AffineSampler()(smooth, at) * images)

    with tf.GradientTape() as tape:
        loss = total(matrices)
    gradient = tape.gradient(loss, matrices).numpy()
    step = np.zeros((2, 6), np.float32)
    step[:, 2] = 1e-3
    slope = (total(matrices.numpy() + step) - total(matrices.numpy() - step)) / 2e-3
    assert gradient[:, 2].sum() == pytest.approx(float(slope), rel=0.05)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_samples_the_same_pixels(policy: str) -> None:
    random = np.random.default_rng(4)
    maps = random.integers(0, 9, (2, 64, 64, 3)).astype(np.float32)
    matrices = (np.array(IDENTITY) + random.normal(0, 0.1, (2, 6))).astype(np.float32)
    sampled = AffineSampler(dtype=policy)(maps, matrices)
    assert sampled.dtype == policy.removeprefix("mixed_")
    expected = keras.ops.convert_to_numpy(AffineSampler()(maps, matrices))
    np.testing.assert_allclose(np.asarray(keras.ops.cast(sampled, "float32")), expected, atol=0.03)


def test_local_contrast_forgets_light_and_contrast(images: np.ndarray) -> None:
    layer = LocalContrast(window=5)
    plain, changed = (keras.ops.convert_to_numpy(layer(x)) for x in (images, 3 * images + 7))
    np.testing.assert_allclose(plain, changed, atol=1e-3)


def test_local_contrast_is_flat_where_the_image_is() -> None:
    image = np.zeros((1, 20, 20, 3), np.float32)
    image[:, :, 14:] = np.random.default_rng(1).normal(size=(1, 20, 6, 3))
    found = keras.ops.convert_to_numpy(LocalContrast(window=5)(image))
    assert np.abs(found[:, :, :10]).max() < 1e-6
    assert 0.3 < found[:, :, 15:].std() < 3


def test_layers_keep_their_settings() -> None:
    layer = LocalContrast.from_config(LocalContrast(window=7).get_config())
    assert layer.window == 7
