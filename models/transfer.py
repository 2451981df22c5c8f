"""Networks pretrained on ImageNet, made into classifiers of signs: first their head, then their upper layers."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.fit import Examples, FitHistory, fit, predict_logits, read_history

HEAD_LEARNING_RATE = 2e-3
FEATURES = "features"


@dataclass(frozen=True)
class Backbone:
    """A network of keras.applications: how it is made, and the pixels that its ImageNet weights expect.

    Attributes:
        make: Its constructor.
        scale: Factor on pixels in 0..255.
        offset: Added then: one number, or one a channel in the order red, green, blue.
        blue_first: Its weights take channels in the order blue, green, red.
        smallest: Side in pixels of the smallest images that it takes.
    """

    make: Callable[..., keras.Model]
    scale: float
    offset: float | tuple[float, float, float]
    blue_first: bool = False
    smallest: int = 32


BACKBONES = {
    "mobilenet_v2": Backbone(keras.applications.MobileNetV2, 1 / 127.5, -1.0),
    "mobilenet": Backbone(keras.applications.MobileNet, 1 / 127.5, -1.0),
    "resnet50": Backbone(keras.applications.ResNet50, 1.0, (-123.68, -116.779, -103.939), blue_first=True),
    "inception_v3": Backbone(keras.applications.InceptionV3, 1 / 127.5, -1.0, smallest=75),
    "efficientnet_v2_b0": Backbone(keras.applications.EfficientNetV2B0, 1.0, 0.0),  # it rescales by itself
}
"""Pretrained networks by the name that `--network` takes."""


class WeightsError(ValueError):
    """Pretrained weights that cannot be had, or are another network's."""


def build_transfer(
    name: str, classes: int, size: int, *, weights: str | None = None, image_size: int = 96, dropout: float = 0.2
) -> keras.Model:
    """A pretrained network with a new head, its resizing and preprocessing inside, all in one flat graph.

    With weights given, the statistics of batch normalisation are kept, as is usual when fine-tuning: it is then an
    affine map, and is folded into the convolution before it (Jacob et al. 2018, section 3.2). The function is the
    same, and a training step takes about three quarters of the time. With random weights normalisation stays.

    Args:
        name: Of `BACKBONES`.
        classes: Number of classes C.
        size: Side of the images in pixels.
        weights: A file of the network's weights without its top, `imagenet` to have Keras download them, or None.
        image_size: Side in pixels to which images are resized (bilinear) for the network.
        dropout: Share of the pooled features dropped before the head.

    Returns:
        A Keras model from float32 images (N, size, size, 3) in 0..255 to float32 logits (N, C).

    Raises:
        ValueError: an unknown name, or an image_size that is too small.
        WeightsError: the weights cannot be had, or do not fit.
    """
    backbone = _known(name)
    if image_size < backbone.smallest:
        raise ValueError(f"image_size {image_size}: {name} needs {backbone.smallest} or more")
    images = keras.Input((size, size, 3), name="images")
    x = images
    if image_size != size:
        # Its default of training=True would be inherited by the normalisation above wherever the caller says nothing.
        x = layers.Resizing(image_size, image_size, antialias=image_size < size, name="resize")(x, training=False)
    offset = list(backbone.offset) if isinstance(backbone.offset, tuple) else backbone.offset
    x = layers.Rescaling(backbone.scale, offset, name="preprocess")(x)
    base = backbone.make(weights=None, include_top=False, input_tensor=x)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D(name=FEATURES)(base.output))
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    model = keras.Model(images, logits, name=name)
    if weights is None:
        return _with_quick_statistics(model)
    base.set_weights(_pretrained(name, weights, image_size))
    return fold_normalisation(model)


def fit_transfer(
    model: keras.Model,
    train: Examples,
    validation: Examples | None,
    *,
    head_epochs: int,
    trainable: float,
    **arguments: Any,
) -> FitHistory:
    """Train a network of `build_transfer`: its head on frozen features, then its upper layers and the head together.

    A head that fits the features first keeps the second phase from spoiling them (Kumar et al. 2022). The features
    are computed once, from the images as they are, so an epoch of the head takes seconds.

    Args:
        model: Of `build_transfer`; left with the weights that the second phase keeps.
        train: Examples to learn from.
        validation: As for `models.fit.fit`.
        head_epochs: Epochs of the head alone, at a learning rate of `HEAD_LEARNING_RATE`; 0 leaves them out.
        trainable: Share of the layers with weights, from the top, that the second phase trains; the head always is.
        arguments: Of `models.fit.fit`: `epochs`, `learning_rate`, `augment`, ... are the second phase's. The head has
            a checkpoint of its own beside `checkpoint`; `forget` removes both.

    Returns:
        Epochs of both phases, one after the other, as `on_epoch` is told of them.

    Raises:
        ValueError: a share outside 0..1, and as `models.fit.fit`.
        FloatingPointError: the loss is no longer finite.
    """
    if not 0 <= trainable <= 1:
        raise ValueError(f"trainable {trainable}: give a share of the layers, from 0 to 1")
    told, checkpoint = arguments.get("on_epoch"), arguments.get("checkpoint")
    if not head_epochs:
        first = FitHistory()
    elif checkpoint and checkpoint.exists() and _head_checkpoint(checkpoint).exists():
        first = _told(read_history(_head_checkpoint(checkpoint)), told)  # its weights are in the later checkpoint
    else:
        first = _fit_head(model, train, validation, head_epochs, arguments)
    if told:
        arguments["on_epoch"] = lambda epoch, numbers: told(len(first.epochs) + epoch, numbers)
    freeze(model, trainable)
    try:
        second = fit(model, train, validation, **arguments)
    finally:
        freeze(model, 1.0)
    return FitHistory([*first.epochs, *second.epochs], len(first.epochs) + second.best_epoch)


def forget(checkpoint: Path) -> None:
    """Remove all files of a training with this checkpoint, so that the next one begins anew."""
    for path in checkpoint_files(checkpoint):
        path.unlink(missing_ok=True)


def checkpoint_files(checkpoint: Path) -> tuple[Path, Path]:
    """The files of a training with this checkpoint: its own, and that of the training of the head before it."""
    return checkpoint, _head_checkpoint(checkpoint)


def freeze(model: keras.Model, trainable: float) -> None:
    """Make this share of the layers with weights below the head trainable, from the top, and freeze the others."""
    weighted = [layer for layer in model.layers if layer.weights and layer.name != "logits"]
    frozen = len(weighted) - round(len(weighted) * trainable)
    for place, layer in enumerate(weighted):
        layer.trainable = place >= frozen


def fold_normalisation(model: keras.Model) -> keras.Model:
    """The same function without batch normalisation, which goes into the convolutions before it.

    A convolution with kernel K and bias b, normalised by mean m, variance v, scale g and offset o, becomes one with
    kernel K s and bias (b - m) s + o, where s = g / sqrt(v + epsilon).
    """
    norms = {_producer(layer): layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)}
    gone = {norm.name for norm in norms.values()}

    def with_bias(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        return type(layer).from_config(config | {"use_bias": True} if layer.name in norms else config)

    def skipping(layer: keras.layers.Layer, x: Any, **options: Any) -> Any:
        return x if layer.name in gone else layer(x, **options)

    folded = keras.models.clone_model(model, clone_function=with_bias, call_function=skipping)
    for layer in folded.layers:
        if layer.weights:
            source = model.get_layer(layer.name)
            layer.set_weights(_folded(source, norms[layer.name]) if layer.name in norms else source.get_weights())
    return folded


def _known(name: str) -> Backbone:
    if name not in BACKBONES:
        raise ValueError(f"there is no pretrained network {name}; choose one of {', '.join(BACKBONES)}")
    return BACKBONES[name]


def _producer(norm: keras.layers.Layer) -> str:
    """The convolution whose output is normalised."""
    return str(norm.input._keras_history.operation.name)


def _folded(convolution: keras.layers.Layer, norm: keras.layers.Layer) -> list[NDArray[np.float32]]:
    kernel, *bias = convolution.get_weights()
    mean, variance = (np.asarray(x, np.float64) for x in (norm.moving_mean, norm.moving_variance))
    scale = (np.asarray(norm.gamma) if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    offset = ((bias[0] if bias else 0.0) - mean) * scale + (np.asarray(norm.beta) if norm.center else 0.0)
    each = scale[:, None] if isinstance(convolution, layers.DepthwiseConv2D) else scale
    return [(kernel * each).astype(np.float32), offset.astype(np.float32)]


def _with_quick_statistics(model: keras.Model) -> keras.Model:
    """Let normalisation follow within hundreds of steps: ImageNet's momentum of 0.999 takes thousands."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 0.95)
    return model


def _head_checkpoint(checkpoint: Path) -> Path:
    return checkpoint.with_stem(f"{checkpoint.stem}-head")


def _told(history: FitHistory, on_epoch: Callable[[int, dict[str, float]], None] | None) -> FitHistory:
    for epoch, numbers in enumerate(history.epochs):
        if on_epoch:
            on_epoch(epoch, numbers)
    return history


def _fit_head(
    model: keras.Model,
    train: Examples,
    validation: Examples | None,
    epochs: int,
    arguments: dict[str, Any],
) -> FitHistory:
    features = keras.Model(model.input, model.get_layer(FEATURES).output)
    pooled = keras.Input((1, 1, features.output_shape[-1]))
    x = layers.Flatten()(pooled)
    for layer in model.layers[model.layers.index(model.get_layer(FEATURES)) + 1 :]:
        x = layer(x)
    checkpoint = arguments.get("checkpoint")
    changed = {
        "augment": None,
        "epochs": epochs,
        "learning_rate": HEAD_LEARNING_RATE,
        "checkpoint": checkpoint and _head_checkpoint(checkpoint),
    }

    def pooled_features(examples: Examples) -> Examples:
        return Examples(predict_logits(features, examples.images)[:, None, None], examples.labels)  # type: ignore[arg-type]

    return fit(
        keras.Model(pooled, x),
        pooled_features(train),
        pooled_features(validation) if validation else None,
        **{**arguments, **changed},
    )


def _pretrained(name: str, weights: str, side: int) -> list[NDArray[np.float32]]:
    """The weights of a network without its top, its first kernel taking channels in the order red, green, blue.

    Raises:
        WeightsError: they cannot be had, or are another network's.
    """
    backbone = BACKBONES[name]
    if weights == "imagenet":
        values = _download(name, side)
    else:
        base = backbone.make(weights=None, include_top=False, input_shape=(side, side, 3))
        _load(base, name, Path(weights))
        values = base.get_weights()
    if not all(np.isfinite(value).all() for value in values):
        raise WeightsError(f"{weights}: some weights are not finite; get the file again")
    if backbone.blue_first:
        values[0] = values[0][:, :, ::-1]
    return values


def _download(name: str, side: int) -> list[NDArray[np.float32]]:
    try:
        base = BACKBONES[name].make(weights="imagenet", include_top=False, input_shape=(side, side, 3))
    except Exception as error:  # Keras raises bare exceptions for whatever the network did
        reason = _gist(error)
        raise WeightsError(
            f"imagenet: the weights of {name} cannot be downloaded ({reason}); give --weights PATH"
        ) from error
    return list(base.get_weights())


def _load(base: keras.Model, name: str, path: Path) -> None:
    remedy = f"give a file of {name}'s weights made with include_top=False"
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; {remedy}")
    try:
        arrays = _count_arrays(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of groups that Keras skips: the count tells
            base.load_weights(path)
    except Exception as error:  # Keras and HDF5 raise what they will on files that do not fit
        reason = _gist(error)
        raise WeightsError(f"{path}: not the weights of {name} ({reason}); {remedy}") from error
    if arrays not in (None, len(base.weights)):  # Keras leaves unread what it does not know
        raise WeightsError(f"{path}: holds {arrays} arrays, {name} has {len(base.weights)}; {remedy}")


def _gist(error: Exception) -> str:
    """The first two lines of a message: Keras says in the second what is wrong with the object of the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__


def _count_arrays(path: Path) -> int | None:
    """Arrays in a file of Keras 3 (0: not its form); None for the older form, whose layers Keras counts by itself."""
    found: list[str] = []
    with h5py.File(path) as file:
        if not path.name.endswith(".weights.h5"):
            return None
        if "layers" in file:
            file.visititems(lambda place, item: found.append(place) if isinstance(item, h5py.Dataset) else None)
    return len(found)
