import functools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models.fit import Examples, FitHistory, training_twin
from models.transfer import (
    BACKBONES,
    Backbone,
    WeightsError,
    build_transfer,
    fit_transfer,
    fold_normalisation,
    forget,
    freeze,
)

ROOT = Path(__file__).resolve().parents[2]
MODULES = {name: name for name in BACKBONES} | {"resnet50": "resnet", "efficientnet_v2_b0": "efficientnet_v2"}
LARGE = ("resnet50", "inception_v3", "efficientnet_v2_b0")
ALL = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in BACKBONES]
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


def norms(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def stir(model: keras.Model) -> keras.Model:
    """Give normalisation statistics that differ from channel to channel, as those of ImageNet do."""
    random = np.random.default_rng(1)
    for norm in norms(model):
        shape = norm.moving_mean.shape
        norm.moving_mean.assign(random.normal(0, 0.1, shape))
        norm.moving_variance.assign(random.uniform(0.5, 1.5, shape))
        if norm.center:
            norm.beta.assign(random.normal(0, 0.1, shape))
        if norm.scale:
            norm.gamma.assign(random.uniform(0.5, 1.5, shape))
    return model


def make_tiny(*, weights: None, include_top: bool, input_tensor: Any = None, input_shape: Any = None) -> keras.Model:
    """A network of two convolutions and one depthwise one, called as those of keras.applications are."""
    inputs = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999)(layers.Conv2D(8, 3, strides=2)(inputs)))
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999)(layers.DepthwiseConv2D(3, use_bias=False)(x)))
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999, scale=False)(layers.Conv2D(16, 1)(x)))
    return keras.Model(inputs if input_tensor is None else keras.utils.get_source_inputs(input_tensor), x)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., keras.Model]:
    """Build the tiny network, pretrained or not, always with the same initial weights."""
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(make_tiny, 1 / 127.5, -1.0, smallest=8))
    keras.utils.set_random_seed(1)
    file = tmp_path / "tiny.weights.h5"
    stir(make_tiny(weights=None, include_top=False, input_shape=(24, 24, 3))).save_weights(file)

    def build(*, pretrained: bool = True) -> keras.Model:
        keras.utils.set_random_seed(2)
        return build_transfer("tiny", 3, 16, weights=str(file) if pretrained else None, image_size=24)

    return build


def coloured(count: int, seed: int) -> Examples:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 3)
    images = random.integers(0, 80, (count, 16, 16, 3))
    images[np.arange(count), :, :, labels] += 120
    return Examples(images.astype(np.uint8), labels)


TRAIN, VALIDATION = coloured(240, 1), coloured(60, 2)


def noisy(images: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return (images + random.normal(0, 5, images.shape)).astype(np.float32), labels


def fit_tiny(model: keras.Model, **options: Any) -> FitHistory:
    settled: dict[str, Any] = {
        "head_epochs": 2, "trainable": 1.0, "epochs": 3, "batch_size": 32, "learning_rate": 0.01, "augment": noisy,
    }  # fmt: skip
    return fit_transfer(model, TRAIN, VALIDATION, **{**settled, **options})


def weights_of(model: keras.Model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def assert_same_features(model: keras.Model, reference: keras.Model, name: str) -> None:
    """The model's features are those of Keras's network after Keras's preprocessing of the resized images."""
    size = reference.input_shape[1]
    large = np.array(tf.image.resize(IMAGES, (size, size), method="bilinear"))
    preprocess = getattr(keras.applications, MODULES[name]).preprocess_input
    expected = np.asarray(reference(preprocess(large), training=False))
    features = keras.Model(model.input, model.get_layer("features").output)
    np.testing.assert_allclose(features(IMAGES), expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ALL)
def test_is_the_network_of_keras_after_its_own_preprocessing(name: str, tmp_path: Path) -> None:
    reference = BACKBONES[name].make(weights=None, include_top=False, input_shape=(75, 75, 3), pooling="avg")
    stir(reference).save_weights(tmp_path / "w.weights.h5")
    model = build_transfer(name, 5, 32, weights=str(tmp_path / "w.weights.h5"), image_size=75)
    assert_same_features(model, reference, name)
    assert not norms(model)
    assert model.output_shape == (None, 5)
    assert model.layers[-1].name == "logits"
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))


RELOAD = """
import keras, numpy
model, images, logits = keras.saving.load_model("model.keras"), numpy.load("images.npy"), numpy.load("logits.npy")
for _ in range(2):  # were it in training mode, the first call would change what the second gives
    numpy.testing.assert_allclose(model(images), logits, rtol=1e-4, atol=1e-5)
"""


def test_reloads_in_a_process_that_does_not_know_this_package(tiny: Callable[..., keras.Model], tmp_path: Path) -> None:
    model = stir(tiny(pretrained=False))
    images = np.random.default_rng(3).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "logits.npy", model.predict_on_batch(images))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RELOAD], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_call_that_does_not_say_so_is_no_training(tiny: Callable[..., keras.Model]) -> None:
    model = stir(tiny(pretrained=False))
    images = np.random.default_rng(3).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    before = weights_of(model)
    np.testing.assert_allclose(model(images), model(images, training=False), rtol=1e-6)
    assert all(same(values, before[name]) for name, values in weights_of(model).items())
    model(images, training=True)
    moved = {name for name, values in weights_of(model).items() if not same(values, before[name])}
    assert moved == {norm.name for norm in norms(model)}


def test_the_gradient_reaches_every_weight_and_the_image(tiny: Callable[..., keras.Model]) -> None:
    model = tiny(pretrained=False)
    images = tf.constant(IMAGES[:, :16, :16])
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(model(images, training=True)[:, 2])
    gradients = tape.gradient(loss, [images, *model.trainable_variables])
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)
    assert np.abs(gradients[0]).max() > 0


def test_the_training_twin_computes_the_same_and_keeps_what_is_frozen(tiny: Callable[..., keras.Model]) -> None:
    model = stir(tiny(pretrained=False))
    freeze(model, 0.5)
    twin = training_twin(model, "float32")
    images = IMAGES[:, :16, :16]
    np.testing.assert_allclose(twin(images), model(images), rtol=1e-3, atol=1e-3)
    assert [layer.trainable for layer in twin.layers] == [layer.trainable for layer in model.layers]
    before = weights_of(twin)
    twin(images, training=True)  # statistics move where layers are trained alone
    moved = {name for name, values in weights_of(twin).items() if not same(values, before[name])}
    assert moved == {norm.name for norm in norms(model) if norm.trainable}


def test_folding_changes_no_answer(tiny: Callable[..., keras.Model]) -> None:
    model = stir(tiny(pretrained=False))
    folded = fold_normalisation(model)
    assert len(norms(model)) == 3
    assert not norms(folded)
    images = np.random.default_rng(3).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(images), model(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.34, 1), (1.0, 3)])
def test_a_share_of_the_layers_is_trained_from_the_top(
    tiny: Callable[..., keras.Model], share: float, count: int
) -> None:
    model = tiny()
    before = weights_of(model)
    fit_tiny(model, trainable=share, head_epochs=0, epochs=1)
    moved = [name for name, values in weights_of(model).items() if not same(values, before[name])]
    assert moved == list(before)[3 - count :]
    assert all(layer.trainable for layer in model.layers)


def test_the_head_comes_first_and_alone(tiny: Callable[..., keras.Model]) -> None:
    model = tiny()
    before = weights_of(model)
    seen: list[tuple[int, float]] = []

    def look(epoch: int, numbers: dict[str, float]) -> None:
        seen.append((epoch, numbers["val_f1_macro"]))
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_tiny(model, on_epoch=look, epochs=1)
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert all(same(values, before[name]) for name, values in weights_of(model).items() if name != "logits")


def test_both_phases_learn_and_are_told_of_in_one_history(tiny: Callable[..., keras.Model]) -> None:
    told: list[int] = []
    model = tiny()
    history = fit_tiny(model, on_epoch=lambda epoch, _: told.append(epoch))
    assert told == [0, 1, 2, 3, 4]
    assert len(history.epochs) == 5
    assert history.best_epoch >= 2
    assert history.best_f1_macro == max(epoch["val_f1_macro"] for epoch in history.epochs[2:]) > 0.9


def test_from_random_weights_normalisation_learns_its_statistics(tiny: Callable[..., keras.Model]) -> None:
    model = tiny(pretrained=False)
    assert len(norms(model)) == 3
    before = [norm.moving_mean.numpy() for norm in norms(model)]
    assert fit_tiny(model, head_epochs=0, epochs=5).best_f1_macro > 0.9
    assert all(np.abs(norm.moving_mean - was).max() > 0.01 for norm, was in zip(norms(model), before, strict=True))


def test_an_interrupted_training_continues_in_either_phase(tiny: Callable[..., keras.Model], tmp_path: Path) -> None:
    whole, continued = tiny(), tiny()
    expected = fit_tiny(whole)
    file, told = tmp_path / "checkpoint.npz", []

    def interrupt(last: int, epoch: int, _: dict[str, float]) -> None:
        if epoch == last:
            raise KeyboardInterrupt

    for last in (0, 3):  # one of the head, one of all
        with pytest.raises(KeyboardInterrupt):
            fit_tiny(tiny(), checkpoint=file, on_epoch=functools.partial(interrupt, last))
    history = fit_tiny(continued, checkpoint=file, on_epoch=lambda epoch, _: told.append(epoch))
    assert told == [0, 1, 2, 3, 4]
    assert history.best_epoch == expected.best_epoch
    for one, other in zip(whole.get_weights(), continued.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_the_second_phase_continues_without_computing_the_features_again(
    tiny: Callable[..., keras.Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint.npz"
    first = fit_tiny(tiny(), checkpoint=file)
    monkeypatch.setattr("models.transfer.predict_logits", None)
    model, told = tiny(), []
    again = fit_tiny(model, checkpoint=file, on_epoch=lambda epoch, numbers: told.append((epoch, numbers)))
    assert again == first
    assert told == list(enumerate(first.epochs))


def test_a_training_that_is_forgotten_begins_anew(tiny: Callable[..., keras.Model], tmp_path: Path) -> None:
    file, other = tmp_path / "checkpoint.npz", tmp_path / "checkpoint-other.npz"
    other.touch()
    fit_tiny(tiny(), epochs=1, head_epochs=1, checkpoint=file)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    for _ in range(2):  # of what is not there nothing is to be forgotten
        forget(file)
        assert list(tmp_path.glob("*.npz")) == [other]


def test_without_validation_the_last_epoch_is_kept(tiny: Callable[..., keras.Model]) -> None:
    history = fit_transfer(
        tiny(), TRAIN, None, head_epochs=1, trainable=1.0, epochs=2, batch_size=32, learning_rate=0.01
    )
    assert history.best_epoch == 2


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_an_impossible_share_is_refused(tiny: Callable[..., keras.Model], share: float) -> None:
    with pytest.raises(ValueError, match=r"trainable .*from 0 to 1"):
        fit_tiny(tiny(), trainable=share)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vgg", {}, r"there is no pretrained network vgg; choose one of mobilenet_v2, .*"),
        ("inception_v3", {"image_size": 64}, r"image_size 64: inception_v3 needs 75 or more"),
        ("mobilenet_v2", {"weights": "nowhere.weights.h5"}, r"nowhere\.weights\.h5: there is no such file; .*"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        build_transfer(name, 5, 32, **options)


def test_no_network_for_imagenet_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**_: Any) -> keras.Model:
        raise Exception("URL fetch failure on https://weights:\nno route")

    monkeypatch.setitem(BACKBONES, "far", Backbone(make_tiny, 1.0, 0.0))
    monkeypatch.setattr("models.transfer.BACKBONES", {"far": _split(BACKBONES["far"], unreachable)})
    with pytest.raises(ValueError, match=r"^imagenet: .*far cannot be downloaded \(URL.*\); give --weights PATH$"):
        build_transfer("far", 5, 32, weights="imagenet", image_size=32)


def test_an_error_without_a_message_is_called_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(**_: Any) -> keras.Model:
        raise TimeoutError

    monkeypatch.setitem(BACKBONES, "far", _split(Backbone(make_tiny, 1.0, 0.0), silent))
    with pytest.raises(ValueError, match=r"cannot be downloaded \(TimeoutError\); give --weights PATH$"):
        build_transfer("far", 5, 32, weights="imagenet", image_size=32)


def _split(backbone: Backbone, download: Callable[..., keras.Model]) -> Backbone:
    def make(*, weights: str | None, **options: Any) -> keras.Model:
        return download(**options) if weights == "imagenet" else backbone.make(weights=weights, **options)

    return replace(backbone, make=make)


def _damage(file: Path, how: str) -> Path:
    """A copy of the tiny network's weights that is wrong in one way."""
    bad = file.with_name(f"{how}.weights.h5")
    if how == "other":
        inputs = keras.Input((24, 24, 3))
        keras.Model(inputs, layers.Conv2D(8, 5)(inputs)).save_weights(bad)
        return bad
    if how == "renamed":
        with h5py.File(file) as good, h5py.File(bad, "w") as opened:
            good.copy("layers", opened, name="model")
        return bad
    if how == "deeper":
        base = make_tiny(weights=None, include_top=False, input_shape=(24, 24, 3))
        keras.Model(base.input, layers.Conv2D(4, 1)(base.output)).save_weights(bad)
        return bad
    content = file.read_bytes()
    bad.write_bytes({"truncated": content[: len(content) // 2], "text": b"version https://git-lfs"}.get(how, content))
    if how == "shape" or how == "nan":
        with h5py.File(bad, "r+") as opened:
            variables = opened["layers/conv2d_1/vars"]
            kernel = np.asarray(variables["0"])
            del variables["0"]
            variables["0"] = kernel[..., :-1] if how == "shape" else kernel * np.nan
    return bad


@pytest.mark.parametrize("how", ["other", "renamed", "deeper", "truncated", "text", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused_in_one_line(
    tiny: Callable[..., keras.Model], tmp_path: Path, how: str
) -> None:
    bad = _damage(tmp_path / "tiny.weights.h5", how)
    with pytest.raises(WeightsError, match=rf"{bad.name}: ") as raised:
        build_transfer("tiny", 3, 16, weights=str(bad), image_size=24)
    assert "\n" not in str(raised.value)
    assert not str(raised.value).count(":)")  # what Keras says goes on after its first line
    assert "include_top=False" in str(raised.value) or "get the file again" in str(raised.value)


V1, V2 = "mobilenet_v1_1.0_224_imagenet_float_no_top.weights.h5", "mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"


@pytest.mark.parametrize(("name", "file"), [("mobilenet", V1), ("mobilenet_v2", V2)])
def test_real_weights_give_the_features_that_keras_gives(shared: Path, name: str, file: str) -> None:
    path = str(shared / "weights" / file)
    reference = BACKBONES[name].make(weights=path, include_top=False, input_shape=(96, 96, 3), pooling="avg")
    assert_same_features(build_transfer(name, 43, 32, weights=path), reference, name)


@pytest.mark.parametrize(("name", "file"), [("mobilenet", V2), ("mobilenet_v2", V1)])
def test_the_weights_of_the_other_mobilenet_are_refused(shared: Path, name: str, file: str) -> None:
    with pytest.raises(ValueError, match=rf"{file}: not the weights of {name} .*include_top=False"):
        build_transfer(name, 43, 32, weights=str(shared / "weights" / file))
