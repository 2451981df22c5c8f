"""Frozen networks that turn images into features, each with the name that scores made with it carry."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gan.scores.features import Features, blocks

if TYPE_CHECKING:
    import keras

INCEPTION = "inception_v3"
IMAGENET = {INCEPTION: ("InceptionV3", 299), "mobilenet_v2": ("MobileNetV2", 96)}
"""Networks with ImageNet weights: their constructor in keras.applications, and the side to which images are resized."""

BARE = {"fd": "fid", "kd": "kid", "is": "is"}
"""What the scores of InceptionV3 features are called, and no others."""

BATCH = 256


@dataclass(frozen=True)
class Extractor:
    """A frozen network without its last layer.

    Attributes:
        name: Part of the name of every score.
        dimension: Of its features, D.
        hash: First 12 digits of the SHA-256 of its weights.
        size: Side in pixels at which it sees images; those of ImageNet resize by themselves (bilinear, antialiased).
        network: From float32 images in 0..255 to features.
        head: Kernel and bias of the last layer, where there is one.
    """

    name: str
    dimension: int
    hash: str
    size: int
    network: keras.Model = field(repr=False)
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = field(repr=False)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, D) of uint8 images (N, H, W, 3).

        Raises:
            ValueError: the images are of another kind or size.
        """
        return np.concatenate([*self.batches(images)])

    def batches(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        """The same, a batch at a time, for statistics of more images than features fit into memory.

        Raises:
            ValueError: the images are of another kind or size.
        """
        self.require_fitting(images)
        for rows in blocks(len(images), BATCH):
            yield np.asarray(self.network.predict_on_batch(images[rows].astype(np.float32)))

    def require_fitting(self, images: NDArray[np.uint8]) -> None:
        """Raise a ValueError if the images are of another kind or size than the network takes."""
        side = self.network.input_shape[1]
        fits = images.ndim == 4 and images.shape[3] == 3 and (side is None or images.shape[1:3] == (side, side))
        if not fits or images.dtype != np.uint8 or not len(images):
            want = f"(N, {side or 'H'}, {side or 'W'}, 3)"
            raise ValueError(
                f"{self.name}: images {images.dtype} {images.shape}; give uint8 images {want}, N at least 1"
            )

    def logits(self, features: NDArray[Any]) -> Features:
        """Logits (N, K) of features (N, D).

        Raises:
            ValueError: the weights came without the last layer.
        """
        if self.head is None:
            raise ValueError(f"{self.name}: these weights have no last layer, so no logits; give weights with the top")
        kernel, bias = self.head
        return features.astype(np.float64) @ kernel.astype(np.float64) + bias


def load_extractor(name: str, weights: str | Path) -> Extractor:
    """The frozen network of this name.

    Args:
        name: `inception_v3`, `mobilenet_v2`, or any other for a classifier of ours, as in `gtsrb_cnn64`.
        weights: `imagenet` (Keras downloads them) or a file of ImageNet weights, with or without the top; for a
            classifier its `.keras` file, whose last layer is dense. The caller has imported its custom layers.

    Raises:
        ValueError: a name that cannot be part of a score's, weights that are missing or do not fit.
    """
    _require_name(name)
    if str(weights) != "imagenet" and not Path(weights).is_file():
        remedy = "the path of its weights, or imagenet" if name in IMAGENET else "the path of a .keras classifier"
        raise ValueError(f"{weights}: there are no such weights; for {name} give {remedy}")
    network, last = _imagenet(name, str(weights)) if name in IMAGENET else _classifier(name, Path(weights))
    head = tuple(last.get_weights()) if last is not None else None
    size = IMAGENET[name][1] if name in IMAGENET else network.input_shape[1]
    dimension, digest = network.output_shape[-1], weights_hash([*network.get_weights(), *(head or ())])
    return Extractor(name, dimension, digest, size, network, head)


def _require_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"extractor name {name!r}: give lower-case letters, digits and underscores, as in gtsrb_cnn64")


def score_name(score: str, extractor: str) -> str:
    """What a score is called: `fid`, `kid` and `is` by InceptionV3 alone, else `fd_gtsrb_cnn64` and so on.

    The InceptionV3 of Keras is not the one of 2015 that published values are made with: do not compare with those.

    Args:
        score: `fd`, `kd`, `is`, with or without an ending as in `fd_infinity`; or another, as `precision`.
        extractor: Name of the extractor.
    """
    family, *rest = score.split("_")
    if extractor == INCEPTION and family in BARE:
        return "_".join([BARE[family], *rest])
    return f"{score}_{extractor}"


def _imagenet(name: str, weights: str) -> tuple[keras.Model, keras.layers.Layer | None]:
    """The network from images of any size to pooled features, and its last layer where the weights have it."""
    import keras

    constructor, size = IMAGENET[name]
    make = getattr(keras.applications, constructor)
    failure: Exception | None = None
    for top in (True, False):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of groups in the file that Keras skips
                options = {"input_shape": (size, size, 3), "classifier_activation": None, "pooling": "avg"}
                base = make(weights=weights, include_top=top, **options)
        except Exception as error:  # Keras and HDF5 raise what they will
            failure = failure or error
            continue
        images = keras.Input((None, None, 3))
        resized = keras.layers.Resizing(size, size, antialias=True)(images)
        features = keras.Model(base.input, base.layers[-1].input) if top else base
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(resized)
        return keras.Model(images, features(scaled, training=False)), base.layers[-1] if top else None
    reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    raise ValueError(f"{weights}: no weights of {name} ({reason}); give the path of a file of them") from failure


def _classifier(name: str, path: Path) -> tuple[keras.Model, keras.layers.Layer]:
    """The network up to the features that its last layer sees, and that layer."""
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # as above
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: no classifier for {name} ({reason}); give a .keras file") from error
    try:
        return _cut(model)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _cut(model: keras.Model) -> tuple[keras.Model, keras.layers.Layer]:
    """A model of one output up to what its last dense layer sees, and that layer; a softmax behind it does no harm."""
    import keras

    last = model.outputs[0]._keras_history.operation
    while isinstance(last, keras.layers.Activation | keras.layers.Softmax):
        last = last.input._keras_history.operation
    if not isinstance(last, keras.layers.Dense) or not last.use_bias or len(last.input.shape) != 2:
        raise ValueError(f"its last layer, {last.name}, is not dense; give a classifier that ends in one")
    return keras.Model(model.inputs[0], last.input), last


def extractor_of(
    name: str, model: keras.Model, reads: keras.layers.Layer | None = None, places: Sequence[int] = ()
) -> Extractor:
    """The frozen network of a loaded classifier that may read images in a way of its own.

    Args:
        name: As in `load_extractor`.
        model: Of one output, which a dense layer makes.
        reads: From float32 images (N, H, W, 3) in 0..255 to what it takes; None: it takes these.
        places: The output of each class; empty: it has the order of the classes.

    Raises:
        ValueError: a name that cannot be part of a score's, or another last layer.
    """
    import keras

    _require_name(name)
    network, last = _cut(model)
    kernel, bias = (part[..., list(places)] if len(places) else part for part in last.get_weights())
    known, size = [*network.get_weights(), kernel, bias], network.input_shape[1]
    if reads is not None:
        side = network.input_shape[2]  # of (N, H, W, C) and (N, C, H, W) alike
        images = keras.Input((side, side, 3))
        network, size = keras.Model(images, network(reads(images), training=False)), side
        config = {name: value for name, value in reads.get_config().items() if name != "name"}
        known.append(np.frombuffer(repr(sorted(config.items())).encode(), np.uint8))
    return Extractor(name, network.output_shape[-1], weights_hash(known), size, network, (kernel, bias))


def weights_hash(weights: list[NDArray[Any]]) -> str:
    """The first 12 digits of the SHA-256 of weights, shapes included."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()[:12]
