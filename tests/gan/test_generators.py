from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from gan.generators import GENERATORS, build_generator
from gan.latents import DIMENSIONS, latent

SPATIAL = [(name, "perlin") for name in GENERATORS]
FITTING = [*SPATIAL, *((name, "gaussian") for name in GENERATORS if name != "unet")]


@cache
def generator(name: str, entrance: str, size: int = 16, classes: int = 3) -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_generator(name, latent(entrance), size=size, classes=classes, width=4)


def inputs(model: keras.Model, entrance: str, labels: list[int]) -> list[np.ndarray]:
    size = model.output_shape[1]
    z = latent(entrance).sample(1, size, np.random.default_rng(0), images=np.zeros((1, size, size, 3), np.uint8))
    repeated = np.repeat(z, len(labels), axis=0)
    return [repeated, np.array(labels, np.int32)][: len(model.inputs)]


@pytest.mark.parametrize("size", [32, 48, 64])
@pytest.mark.parametrize(("name", "entrance"), [*FITTING, ("unet", "edges")])
def test_images_have_the_asked_size_whatever_enters(name: str, entrance: str, size: int) -> None:
    model = generator(name, entrance, size, classes=0)
    assert [entering.shape for entering in model.inputs] == [(None, *latent(entrance).shape(size))]
    assert model.output_shape == (None, size, size, 3)


@pytest.mark.parametrize(("name", "entrance"), FITTING)
def test_images_lie_in_the_range_and_depend_on_the_class(name: str, entrance: str) -> None:
    model = generator(name, entrance)
    images = model(inputs(model, entrance, [0, 0, 2])).numpy()
    assert images.shape == (3, 16, 16, 3)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)
    assert np.abs(images[0] - images[2]).max() > 1e-7


@pytest.mark.parametrize("name", ["transposed", "resize", "style"])
def test_a_map_enters_as_a_vector_of_mean_0_and_variance_1_and_is_heard(name: str) -> None:
    model, source = generator(name, "perlin", 32, classes=0), latent("perlin")
    normalised = next(
        layer for layer in model.layers if layer.output.shape == (None, DIMENSIONS) and not layer.trainable_weights
    )
    maps = source.sample(64, 32, np.random.default_rng(1))
    vectors = keras.Model(model.inputs, normalised.output)([maps], training=True).numpy()
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(vectors.var(axis=0), 1, atol=0.05)
    images = model([maps], training=True).numpy()
    assert np.median(images.std(axis=0)) > 1e-3
    assert np.median(images.std(axis=0)) > 0.3 * images.std()


@pytest.mark.parametrize("name", GENERATORS)
def test_initial_weights_follow_from_the_seed_and_no_layer_repeats_another(name: str) -> None:
    def drawn(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        made = build_generator(name, latent("perlin"), size=64, width=4)
        return [np.asarray(weight).ravel()[:16] for weight in made.get_weights() if np.std(weight)]

    first, again, other = drawn(0), drawn(0), drawn(1)
    np.testing.assert_array_equal(first, again)
    standardised = np.array([(values - values.mean()) / values.std() for values in [*first, *other]])
    alike = np.abs(standardised @ standardised.T / 16) - np.eye(len(standardised))
    assert alike.max() < 0.95


@pytest.mark.parametrize(("name", "entrance"), FITTING)
def test_the_gradient_reaches_every_variable(name: str, entrance: str) -> None:
    import tensorflow as tf

    model, random = generator(name, entrance), np.random.default_rng(0)
    z = latent(entrance).sample(6, 16, random)
    with tf.GradientTape() as tape:
        images = model([z, np.array([0, 1, 2, 0, 1, 2])], training=True)
        loss = tf.reduce_sum(images * random.normal(size=images.shape))
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


@pytest.mark.parametrize(("name", "entrance"), SPATIAL)
def test_saved_and_cloned_generators_are_equal(name: str, entrance: str, tmp_path: Path) -> None:
    model = generator(name, entrance)
    model.save(tmp_path / "x.keras")
    cloned = keras.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    entering = inputs(model, entrance, [0, 1])
    for other in (keras.models.load_model(tmp_path / "x.keras"), cloned):
        np.testing.assert_array_equal(other(entering), model(entering))


@pytest.mark.parametrize("name", GENERATORS)
def test_half_precision_gives_float32_images(name: str) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_generator(name, latent("perlin"), size=16, classes=3, width=4)
    finally:
        keras.config.set_dtype_policy("float32")
    images = model(inputs(model, "perlin", [0, 1])).numpy()
    assert images.dtype == np.float32
    assert np.isfinite(images).all()


def test_a_vector_has_nothing_that_a_unet_could_translate() -> None:
    with pytest.raises(ValueError, match=r"latent gaussian is a vector; choose one of perlin, .*pictogram"):
        build_generator("unet", latent("gaussian"), size=32)


@pytest.mark.parametrize("size", [8, 40])
def test_sizes_that_do_not_fit(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} pixels; choose a multiple of 16"):
        build_generator("resize", latent("gaussian"), size=size)


def test_an_unknown_name_names_the_choices() -> None:
    with pytest.raises(ValueError, match="no generator dcgan; choose one of transposed, resize, style, unet"):
        build_generator("dcgan", latent("gaussian"), size=32)
