import keras
import numpy as np
import tensorflow as tf

from gan.adam import Adam


def test_equals_the_adam_of_keras() -> None:
    random = np.random.default_rng(0)
    start = [random.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,), ())]
    ours, theirs = ([keras.Variable(value) for value in start] for _ in range(2))
    adam = Adam(ours, 0.01, beta_1=0.5, beta_2=0.99)
    reference = keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.99)
    for _ in range(5):
        gradients = [tf.constant(random.normal(size=value.shape), tf.float32) for value in start]
        adam.apply(gradients)
        reference.apply(gradients, theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


def test_continues_from_its_variables() -> None:
    gradients = [tf.constant([1.0, -2.0]), tf.constant([0.5, 3.0])]
    whole, broken = keras.Variable([1.0, 1.0]), keras.Variable([1.0, 1.0])
    adam, first = (Adam([weight], 0.1, beta_1=0.5, beta_2=0.9) for weight in (whole, broken))
    for gradient in gradients:
        adam.apply([gradient])
    first.apply(gradients[:1])
    second = Adam([broken], 0.1, beta_1=0.5, beta_2=0.9)
    for variable, value in zip(second.variables, first.variables, strict=True):
        variable.assign(value)
    second.apply(gradients[1:])
    np.testing.assert_array_equal(whole.numpy(), broken.numpy())
