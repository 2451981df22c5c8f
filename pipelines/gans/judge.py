"""The networks that judge the samples of a GAN: one by the features that it sees, one by the classes that it names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gan.scores.extractors import Extractor
    from pipelines.gan import GanSettings
    from pipelines.signs import Signs

COMPONENTS, PIXEL_IMAGES = 64, 2000
"""Of pixels, and the images that they are found in."""
ROUNDING = 1e-6
"""Components shorter than this share of the longest are rounding."""


@dataclass(frozen=True)
class Jury:
    """The networks that look at images.

    Attributes:
        extractor: Gives the features of distances.
        classifier: Names the classes of samples; None: nobody does.
    """

    extractor: Extractor
    classifier: Extractor | None

    def with_extractor(self, extractor: Extractor) -> Jury:
        """The same, with another form of the extractor."""
        return Jury(extractor, extractor if self.classifier is self.extractor else self.classifier)

    def called(self, images: NDArray[np.uint8], features: NDArray[Any]) -> NDArray[np.int64]:
        """The classes (N,) that the classifier takes images for, of which the extractor has seen these features."""
        if self.classifier is None:
            raise ValueError("there is no classifier; give one")
        seen = features if self.classifier is self.extractor else self.classifier.features(images)
        found: NDArray[np.int64] = self.classifier.logits(seen).argmax(axis=1)
        return found


def open_jury(settings: GanSettings, train: Signs, classes: int) -> Jury:
    """The networks of `--extractor` and `--classifier`; without the latter the extractor names the samples, if it can.

    Raises:
        InputError: there are no such networks, or they do not fit the images or their classes.
    """
    extractor = open_extractor(settings.extractor, train)
    if settings.classifier:
        classifier = _open_network("--classifier", settings.classifier, train)
        if (known := _classes(classifier)) != classes:
            raise InputError(
                f"--classifier {settings.classifier}: it tells {known} classes, the data set has {classes}; "
                "give one that was trained on these classes"
            )
        return Jury(extractor, classifier)
    from gan.scores.extractors import IMAGENET

    known = _classes(extractor)
    if not known or extractor.name in IMAGENET:
        return Jury(extractor, None)
    if known != classes:
        raise InputError(
            f"--extractor {settings.extractor}: it tells {known} classes, the data set has {classes}; "
            "give a --classifier of these beside it, or another extractor"
        )
    return Jury(extractor, extractor)


def open_extractor(given: str, train: Signs) -> Extractor:
    """The network that judges; without one given, principal components of the training images' pixels.

    Args:
        given: a `.keras` classifier, or NAME:WEIGHTS, such as `mobilenet_v2:imagenet`, or empty.
        train: training images.

    Raises:
        InputError: there are no such weights, or they do not fit.
    """
    return _open_network("--extractor", given, train) if given else _principal_components(train.image)


def _open_network(option: str, given: str, train: Signs) -> Extractor:
    import models.layers  # noqa: F401 - registers the layers of ours that a file may hold
    from gan.scores.extractors import load_extractor

    name, colon, weights = given.rpartition(":")
    if not colon:
        name = re.sub(r"[^a-z0-9]+", "_", Path(given).stem.lower()).strip("_") or "classifier"
    try:
        network = load_extractor(name, weights)
    except ValueError as error:
        raise InputError(f"{option} {given}: {error}") from None
    wanted, have = network.network.input_shape[1:], train.image.shape[1:]
    if len(wanted) != len(have) or any(side not in (None, own) for side, own in zip(wanted, have, strict=True)):
        raise InputError(
            f"{option} {given}: it takes images of {_by(wanted)}, the data set has {_by(have)}; "
            "give another network, or prepare the data at its --size"
        )
    return network


def _by(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape)


def _classes(network: Extractor) -> int:
    """How many it tells apart; 0 without a last layer."""
    return len(network.head[1]) if network.head else 0


def _principal_components(images: NDArray[np.uint8]) -> Extractor:
    import keras

    from gan.scores.extractors import Extractor

    some = images[np.linspace(0, len(images) - 1, min(len(images), PIXEL_IMAGES)).astype(int)]
    flat = some.reshape(len(some), -1) / 255
    mean = flat.mean(axis=0)
    _, lengths, found = np.linalg.svd(flat - mean, full_matrices=False)
    count = min(COMPONENTS, int(np.sum(lengths > ROUNDING * lengths[0])))
    if not count:
        raise InputError("--extractor: all training images are the same; give a classifier, or other images")
    axes = found[:count].T / lengths[:count] * np.sqrt(len(flat))  # each component has variance 1
    project = keras.layers.Dense(count)
    layers = [keras.Input(images.shape[1:]), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), project]
    network = keras.Sequential(layers)
    project.set_weights([axes, -mean @ axes])
    digest = hashlib.sha256(some.tobytes()).hexdigest()[:12]  # the axes' last bits may differ from call to call
    return Extractor(f"pca{count}", count, digest, images.shape[1], network, None)
