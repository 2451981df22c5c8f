from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gan.discriminators import CONDITIONING, DISCRIMINATORS, build_discriminator

KINDS = [(name, conditioning) for name in DISCRIMINATORS for conditioning in CONDITIONING]
LABELS = np.array([0, 1, 2], np.int32)


@cache
def discriminator(name: str, conditioning: str = "none", size: int = 16, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_discriminator(name, size=size, classes=3, conditioning=conditioning, width=4, **options)


def images(n: int = 3, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(n).uniform(-1, 1, (n, 16, 16, channels)).astype(np.float32)


def judged(model: keras.Model, *entering: np.ndarray, training: bool = False) -> dict[str, np.ndarray]:
    return {name: logits.numpy() for name, logits in model(list(entering), training=training).items()}


@pytest.mark.parametrize("size", [32, 48, 64])
@pytest.mark.parametrize(("name", "conditioning"), KINDS)
def test_each_conditioning_has_its_logits(name: str, conditioning: str, size: int) -> None:
    model = discriminator(name, conditioning, size)
    real = {"real": (None, 1) if name == "convolutional" else (None, size // 4, size // 4, 1)}
    expected = {
        "none": real,
        "projection": real,
        "auxiliary": {**real, "classes": (None, 3)},
        "k_plus_one": {"classes": (None, 4)},
    }
    assert {name: logits.shape for name, logits in model.output.items()} == expected[conditioning]
    assert [entrance.name for entrance in model.inputs] == ["image", "label"][: 1 + (conditioning == "projection")]


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_projection_judges_an_image_as_one_of_the_asked_class(name: str) -> None:
    model, same = discriminator(name, "projection"), np.repeat(images(1), 3, axis=0)
    logits = judged(model, same, LABELS)["real"].reshape(3, -1)
    assert (np.abs(np.diff(logits, axis=0)).max(axis=1) > 1e-4).all()


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_the_condition_image_changes_the_judgement(name: str) -> None:
    model = discriminator(name, condition_channels=1)
    image = images()
    one, other = (judged(model, image, edges)["real"] for edges in (images(3, 1), -images(3, 1)))
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_an_image_is_judged_by_itself(name: str, spectral: bool) -> None:
    model = discriminator(name, spectral=spectral)
    batch = images(5)
    alone = judged(model, batch[:1], training=False)["real"]
    np.testing.assert_allclose(judged(model, batch)["real"][:1], alone, atol=1e-5)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_minibatch_deviation_lets_it_see_collapse(name: str) -> None:
    model, batch = discriminator(name, minibatch_deviation=True), images(3)
    varied, collapsed = judged(model, batch)["real"][0], judged(model, np.repeat(batch[:1], 3, axis=0))["real"][0]
    assert np.abs(varied - collapsed).max() > 1e-4


def test_dropout_acts_in_training_alone() -> None:
    model = discriminator("convolutional", dropout=0.5)
    first, second = (judged(model, images(), training=True)["real"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-4
    np.testing.assert_array_equal(judged(model, images())["real"], judged(model, images())["real"])


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize(("name", "conditioning"), KINDS)
def test_the_gradient_reaches_every_variable(name: str, conditioning: str, spectral: bool) -> None:
    import tensorflow as tf

    model = discriminator(name, conditioning, spectral=spectral)
    with tf.GradientTape() as tape:
        logits = model([images(), LABELS][: len(model.inputs)], training=True)
        loss = sum(tf.reduce_sum(each * np.random.default_rng(0).normal(size=each.shape)) for each in logits.values())
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_a_penalty_on_the_gradient_has_a_gradient() -> None:
    import tensorflow as tf

    model = discriminator("convolutional", "projection", spectral=True, minibatch_deviation=True)
    batch = tf.constant(images())
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(batch)
            logits = model([batch, tf.constant(LABELS)], training=True)["real"]
        penalty = tf.reduce_sum(inner.gradient(logits, batch) ** 2)
    kernels = [variable for variable in model.trainable_variables if variable.name == "kernel"]
    for gradient in outer.gradient(penalty, kernels):
        assert 0 < np.abs(gradient).max() < np.inf


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_saved_and_cloned_discriminators_are_equal(name: str, tmp_path: Path) -> None:
    model = discriminator(name, "projection", spectral=True, minibatch_deviation=True, condition_channels=1)
    entering = [images(), LABELS, images(3, 1)]
    model(entering, training=True)
    model.save(tmp_path / "x.keras")
    cloned = keras.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    for other in (keras.models.load_model(tmp_path / "x.keras"), cloned):
        np.testing.assert_array_equal(other(entering)["real"], model(entering)["real"])


@pytest.mark.parametrize("conditioning", ["projection", "auxiliary"])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_half_precision_gives_float32_logits(name: str, conditioning: str) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        options = {"width": 4, "spectral": True, "minibatch_deviation": True}
        model = build_discriminator(name, size=16, classes=3, conditioning=conditioning, **options)
    finally:
        keras.config.set_dtype_policy("float32")
    for logits in judged(model, *[images(), LABELS][: len(model.inputs)], training=True).values():
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "unet"}, "no discriminator unet; choose one of convolutional, patch"),
        ({"conditioning": "concat"}, "no conditioning concat; choose one of none, projection, auxiliary, k_plus_one"),
        ({"conditioning": "auxiliary", "classes": 0}, "auxiliary needs 2 classes or more, not 0; choose none"),
        ({"size": 40}, "40 pixels; choose a multiple of 16"),
    ],
)
def test_options_that_do_not_fit(wrong: dict[str, Any], message: str) -> None:
    options = {"name": "convolutional", "size": 32, "classes": 3} | wrong
    with pytest.raises(ValueError, match=message):
        build_discriminator(options.pop("name"), **options)
