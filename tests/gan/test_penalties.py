import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.penalties import clip_weights, gradient_penalty, r1

SEED = tf.constant([3, 4], tf.int32)
SLOPE = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32)


def images(count, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (count, 4, 4, 3)), tf.float32)


def linear(batch, slope=SLOPE):
    """A discriminator whose gradient is `slope` everywhere."""
    return tf.reduce_sum(batch * slope, axis=[1, 2, 3])[:, None]


def quadratic(batch):
    """A discriminator whose gradient is the image itself."""
    return tf.reduce_sum(tf.square(batch), axis=[1, 2, 3])[:, None] / 2


@pytest.mark.parametrize("length", [0.25, 1.0, 3.0])
def test_penalties_of_a_plane_follow_from_its_slope(length):
    def plane(batch):
        return linear(batch, SLOPE * length / np.linalg.norm(SLOPE))

    assert gradient_penalty(plane, images(5), images(5, 1), SEED).numpy() == pytest.approx((length - 1) ** 2, abs=1e-6)
    assert r1(plane, images(5)).numpy() == pytest.approx(length**2 / 2, rel=1e-6)


def test_r1_of_a_bowl_is_half_the_mean_square():
    real = images(6)
    assert r1(quadratic, real).numpy() == pytest.approx((real.numpy() ** 2).sum(axis=(1, 2, 3)).mean() / 2, rel=1e-6)


def test_gradient_penalty_is_taken_between_real_and_generated_images():
    """On a bowl the slope is the length of the image, which here tells its place between 0 and 2."""
    real, fake = tf.zeros((400, 2, 2, 1)), tf.ones((400, 2, 2, 1))
    between = gradient_penalty(quadratic, real, fake, SEED)
    assert between.numpy() == pytest.approx(1 / 3, rel=0.1)  # the mean of (2 u - 1)^2 over u in [0, 1]
    assert gradient_penalty(quadratic, real, fake, SEED) == between
    assert gradient_penalty(quadratic, real, fake, SEED + 1) != between
    assert gradient_penalty(quadratic, real, real, SEED).numpy() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("penalty", [lambda d, x: gradient_penalty(d, x, x + 0.1, SEED), r1])
def test_the_mean_of_patches_is_what_counts(penalty):
    def patches(batch):
        return tf.tile(linear(batch)[:, :, None, None], (1, 3, 3, 1))

    assert penalty(patches, images(4)).numpy() == pytest.approx(penalty(linear, images(4)).numpy(), rel=1e-5)


def test_flat_discriminators_have_finite_gradients():
    slope = tf.Variable(tf.zeros((4, 4, 3)))
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(lambda batch: linear(batch, slope), images(3), images(3, 1), SEED)
    assert penalty.numpy() == pytest.approx(1, abs=1e-4)
    assert np.isfinite(tape.gradient(penalty, slope)).all()


@pytest.mark.parametrize("name", ["gradient_penalty", "r1"])
def test_penalties_train_a_network_in_a_compiled_step(name):
    """The second derivative, by nested tapes in a graph, agrees with finite differences."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3, strides=2, activation="tanh"), keras.layers.Flatten(), keras.layers.Dense(1)]
    network = keras.Sequential([keras.Input((4, 4, 3)), *layers])
    weight = network.trainable_variables[0]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = r1(network, images(5)) if name == "r1" else gradient_penalty(network, images(5), images(5, 1), SEED)
        return value, tape.gradient(value, weight)

    start, gradient = weight.numpy(), step()[1].numpy()
    direction = np.random.default_rng(1).normal(size=start.shape).astype(np.float32)
    sides = []
    for sign in (-1, 1):
        weight.assign(start + sign * 1e-2 * direction)
        sides.append(step()[0].numpy())
    assert np.abs(gradient).max() > 0
    assert (sides[1] - sides[0]) / 2e-2 == pytest.approx((gradient * direction).sum(), rel=0.02)


def test_clipping_moves_far_weights_to_the_limit_alone():
    weights = [tf.Variable([-3.0, -0.005, 0.0, 0.02]), tf.Variable([[0.01]])]
    clip_weights(weights, 0.01)
    np.testing.assert_allclose(weights[0].numpy(), [-0.01, -0.005, 0.0, 0.01])
    assert weights[1].numpy() == pytest.approx(0.01)
