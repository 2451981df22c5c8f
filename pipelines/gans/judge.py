"""The networks that judge the samples of a GAN: one by the features that it sees, one by the classes that it names."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError
from pipelines.preprocessing import AUTO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gan.scores.extractors import Extractor
    from pipelines.gan import GanSettings
    from pipelines.signs import Signs

COMPONENTS, PIXEL_IMAGES = 64, 2000
"""Of pixels, and the images that they are found in."""
ROUNDING = 1e-6
"""Components shorter than this share of the longest are rounding."""
logger = logging.getLogger("pipelines.gan")


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


def open_jury(settings: GanSettings, train: Signs, classes: int, probes: Signs | None = None) -> Jury:
    """The networks of `--extractor` and `--classifier`; without the latter the extractor names the samples, if it can.

    Args:
        settings: of the run.
        train: training images.
        classes: of the data set.
        probes: labelled images of all classes that find out how a classifier reads them (`probes_of`); None: `train`.

    Raises:
        InputError: there are no such networks, or they do not fit the images or their classes.
    """
    probes = train if probes is None or not len(probes) else probes
    extractor = _open_network("--extractor", settings.extractor, probes, classes) if settings.extractor else None
    extractor = extractor or _principal_components(train.image)
    if settings.classifier:
        classifier = _open_network("--classifier", settings.classifier, probes, classes)
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
        given: a classifier's file, or NAME:WEIGHTS, such as `mobilenet_v2:imagenet`, or empty.
        train: training images of all classes.

    Raises:
        InputError: there are no such weights, or they do not fit.
    """
    if not given:
        return _principal_components(train.image)
    return _open_network("--extractor", given, train, int(train.label.max(initial=0)) + 1)


def _open_network(option: str, given: str, probes: Signs, classes: int) -> Extractor:
    from gan.scores.extractors import IMAGENET, load_extractor

    name, _, weights = given.rpartition(":")
    if name not in IMAGENET:
        return _open_classifier(option, given, probes, classes)
    try:
        return load_extractor(name, weights)
    except ValueError as error:
        raise InputError(f"{option} {given}: {error}") from None


def _open_classifier(option: str, given: str, probes: Signs, classes: int) -> Extractor:
    """A classifier, opened as that of `noise_grid`: how it reads images and orders classes is found out."""
    from gan.scores.extractors import extractor_of
    from pipelines.networks import KerasNetwork, by, content_of, find_network, load_network
    from pipelines.preprocessing import usual_readings
    from pipelines.trying import try_network

    label = f"{option} {given}"
    name, colon, file = given.rpartition(":")
    named = (
        bool(colon)
        and re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None
        and not given.startswith(("models:/", "runs:/"))
    )
    path = find_network(file if named else given, label)
    if path.suffix == ".py":
        raise InputError(f"{label}: features come from within a network, and a function shows none; give a Keras file")
    network, have = load_network(content_of(path), path, "", label), probes.image.shape[1:]
    if not isinstance(network, KerasNetwork):
        raise InputError(f"{label}: a SavedModel does not show its features; give a .keras or .h5 file")
    if any(side not in (None, own) for side, own in zip(network.shape[:2], have[:2], strict=True)):
        raise InputError(
            f"{label}: it takes images of {by(network.shape)}, the data set has {by(have)}; "
            "give another network, or prepare the data at its --size"
        )
    if classes in network.classes:
        use = try_network(network, probes, tuple(map(str, range(classes))), label=label).use
    else:  # an extractor may have learned other classes, and then no label says how it reads images
        grey = network.shape[2] == 1
        reading = usual_readings(probes.image, AUTO, grey=grey, channels_first=network.channels_first)[0]
        use = {"reading": reading, "order": (), "output": network.names[0]}
        logger.warning("%s: its classes are not those of the data, so it is taken to read %s", label, reading)
    reading, places = use["reading"], np.argsort(np.asarray(use["order"], np.int64)).tolist()
    name = name if named else re.sub(r"[^a-z0-9]+", "_", Path(given).stem.lower()).strip("_") or "classifier"
    try:
        return extractor_of(name, network.single(use["output"]), None if reading.plain else reading.layer, places)
    except ValueError as error:
        raise InputError(f"{label}: {error}") from None


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
