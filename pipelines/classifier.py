"""Any classifier of images: found, told how to be read by labelled images, and run in batches of one size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.analysis import CRITERIA
from pipelines.errors import InputError
from pipelines.intervals import wilson_interval
from pipelines.networks import (
    LOGITS,
    FunctionNetwork,
    Network,
    as_logits,
    by,
    content_of,
    digest_of,
    find_network,
    in_batches,
    load_network,
    split_function,
)
from pipelines.preprocessing import AUTO, Preprocessing
from pipelines.signs import Signs
from pipelines.trying import CAUSES, try_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipelines.signs import SignDataset

PROBES = 512
"""Clean images on which it is found out how a network is to be used: half to choose by, half to confirm."""
TAG = "tag:"


@dataclass(frozen=True)
class Classifier:
    """A network's file and what must be known to use it.

    Attributes:
        name: the URI or path as it was given.
        path: the file, or the folder of a SavedModel.
        digest: sha256 of it.
        reading: how it reads images.
        outputs: what its scores are: logits; probabilities, normalised or not; or sigmoids, whose log-odds are logits.
        order: the class of each of its outputs; empty: as in the data set.
        output: the name of the output that has the classes.
        function: the name, where the file is Python.
        said: what was found out, for a person to read.
        right: share of right answers to the images it was tried on that did not choose how it is used.
        tried: how many these are.
    """

    name: str
    path: Path
    digest: str
    reading: Preprocessing = field(default_factory=Preprocessing)
    outputs: str = LOGITS
    order: tuple[int, ...] = ()
    output: str = ""
    function: str = ""
    said: dict[str, str] = field(default_factory=dict, compare=False)
    right: float = field(default=float("nan"), compare=False)
    tried: int = field(default=0, compare=False)

    @property
    def use(self) -> str:
        """All that decides its answers beside its file."""
        return f"{self.reading}/{self.reading.mean}/{self.reading.deviation}/{self.outputs}/{self.order}/{self.output}"

    @property
    def places(self) -> NDArray[np.int64]:
        """The output of each class, or no places where both have one order."""
        return np.argsort(np.asarray(self.order, np.int64))

    def content(self) -> bytes:
        """What workers load it from."""
        return content_of(self.path)

    def load(self, content: bytes | None = None) -> Network:
        """The network, in this process.

        Raises:
            InputError: it cannot be loaded.
        """
        return load_network(content or self.content(), self.path, self.function, f"--model {self.name}")


def probes_of(signs: SignDataset) -> Signs:
    """Labelled images on which networks are tried: of validation, else of training, and never those that are measured.

    None where the data set has neither.
    """
    for split in ("validation", "train"):
        if sum(signs.counts[split]):
            return signs.read(split, limit=PROBES)
    none = np.zeros(0, np.str_)
    return Signs(none, np.zeros(0, np.int64), none, np.zeros((0, signs.size, signs.size, 3), np.uint8))


def open_classifier(
    name: str,
    signs: Signs,
    class_names: tuple[str, ...],
    *,
    pixel_range: str = AUTO,
    class_order: str = AUTO,
    option: str = "--model",
) -> Classifier:
    """Find a network, check that it fits the data, and find out how it is to be used.

    Args:
        name: `models:/signs@champion`, `runs:/<run id>/<name>`, a `.keras` or `.h5` file, a SavedModel, a folder that
            holds one of these, or `my.py:predict`.
        signs: labelled clean images that are not measured (`probes_of`).
        class_names: of the data set.
        pixel_range: how it reads images (`pipelines.preprocessing`), or auto.
        class_order: the order of its outputs (`pipelines.trying`), or auto.
        option: that names it, for errors.

    Raises:
        InputError: there is no such network, or its input or its number of classes does not fit.
    """
    return _open(name, signs, class_names, pixel_range, class_order, option)[0]


def open_classifiers(
    text: str, signs: Signs, class_names: tuple[str, ...], *, pixel_range: str = AUTO, class_order: str = AUTO
) -> list[Classifier]:
    """Find one model, or the networks that several trainings of one recipe left.

    Args:
        text: names as for `open_classifier` with commas between; or the folder of `train --repeats`; or
            `tag:NAME=VALUE`, the networks of all runs of `train` in MLflow with this tag.
        signs: as for `open_classifier`.
        class_names: of the data set.
        pixel_range: as for `open_classifier`.
        class_order: as for `open_classifier`.

    Raises:
        InputError: one of them is no such model, is there twice, or is of another architecture than the first.
    """
    names = _model_names(text)
    opened = [_open(name, signs, class_names, pixel_range, class_order, "--model") for name in names]
    first, known = opened[0], dict[str, str]()
    for classifier, weights in opened:
        name, shapes = classifier.name, [part.shape for part in weights]
        if shapes != [part.shape for part in first[1]]:
            raise InputError(
                f"--model {text}: {name} and {first[0].name} differ in their layers, so they are no trainings of one "
                "recipe; measure each recipe in a run of its own"
            )
        content = hashlib.sha256(b"".join(part.tobytes() for part in weights)).hexdigest() if weights else name
        if content in known:
            raise InputError(f"--model {text}: {name} is the same network as {known[content]}; name each training once")
        known[content] = name
    return [classifier for classifier, _ in opened]


def _open(
    name: str, signs: Signs, class_names: tuple[str, ...], pixel_range: str, class_order: str, option: str
) -> tuple[Classifier, list[NDArray[np.float32]]]:
    label = f"{option} {name}"
    path, function = find_network(name, label), split_function(name)[1]
    content = content_of(path)
    network = load_network(content, path, function, label)
    _check_size(network, label, signs.image.shape[1:])
    found = try_network(network, signs, class_names, pixel_range=pixel_range, class_order=class_order, label=label)
    answered = found.answered if isinstance(network, FunctionNetwork) else None
    classifier = Classifier(
        name, path.absolute() if function else path, digest_of(content, answered), function=function, **found.use
    )
    return classifier, network.weights


def _check_size(network: Network, label: str, image: tuple[int, ...]) -> None:
    if all(size in (None, have) for size, have in zip(network.shape[:2], image, strict=False)):
        return
    height, width, _ = network.shape
    remedy = f"prepare the data at its --size {height}"
    if height != width:
        remedy = "data are square; put a resizing layer before it, or give --model my.py:predict (docs/networks.md)"
    raise InputError(f"{label}: it takes images of {by(network.shape)}, the data set has {by(image)}; {remedy}")


def _model_names(text: str) -> list[str]:
    if text.startswith(TAG):
        return _tagged(text)
    if Path(text).exists():  # one name, whatever commas are in it
        repeats = sorted(Path(text).glob("seed-*/model.keras"))
        return [str(path) for path in repeats] if len(repeats) > 1 else [text]
    return [part.strip() for part in text.split(",") if part.strip()] or [text]


def _tagged(text: str) -> list[str]:
    """The networks of the trainings with a tag; the run around repeated ones has one of theirs, and is left out."""
    import mlflow

    name, _, value = text.removeprefix(TAG).partition("=")
    wanted = f"tags.`{name}` = '{value}' and tags.entry_point LIKE 'train%' and attributes.status = 'FINISHED'"
    try:
        order = ["attributes.start_time"]
        runs = mlflow.search_runs(
            search_all_experiments=True, filter_string=wanted, order_by=order, output_format="list"
        )
    except mlflow.exceptions.MlflowException:
        raise InputError(f"--model {text}: not {TAG}NAME=VALUE of a tag of MLflow runs") from None
    parents = {run.data.tags.get("mlflow.parentRunId") for run in runs}
    names = [f"runs:/{run.info.run_id}/model" for run in runs if run.info.run_id not in parents]
    if not names:
        raise InputError(f"--model {text}: no finished run of train has this tag; `train` leaves model, data and seed")
    return names


def require_recognising(classifier: Classifier, counts: Sequence[int]) -> None:
    """Find out before a grid that a network has no thresholds, as the analysis would after it.

    Args:
        classifier: an opened one.
        counts: images a class that are to be measured.

    Raises:
        InputError: it recognises no more than a constant answer would, in whichever way it was tried.
    """
    if not classifier.tried:
        return
    high, constant = wilson_interval(classifier.right, classifier.tried)[1], max(counts) / max(sum(counts), 1)
    if CRITERIA["begins"] * high <= constant:
        raise InputError(
            f"--model {classifier.name}: it names {classifier.said['right']} right in the best of all ways that were "
            f"tried, a constant answer {constant:.1%}, so it has no thresholds; {CAUSES}"
        )


class Predictor:
    """A loaded network: uint8 images in, one row of scores an image out.

    All batches have one size, the last one padded: a prediction does not depend on how images are divided up.
    """

    def __init__(self, network: Network, classifier: Classifier, batch_size: int) -> None:
        self._network, self._classifier = network, classifier
        self._batch_size = network.batch or batch_size

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores (N, classes) of images (N, H, W, C): logits, or logarithms of the model's probabilities."""
        use = self._classifier
        found = in_batches(self._network, images, use.reading, self._batch_size)
        raw = found[use.output] if use.output in found else next(iter(found.values()))
        scores = as_logits(raw.reshape(len(images), -1), use.outputs)
        return scores[:, use.places] if use.order else scores


def answers(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """What a network says of each image: its class, the softmax of it, and the margin of the label over the rest.

    Args:
        scores: (N, classes), logits or logarithms of probabilities.
        labels: (N,).

    Returns:
        predicted, confidence and margin, (N,) each.
    """
    rows = np.arange(len(scores))
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    others = scores.copy()
    others[rows, labels] = -np.inf
    return {
        "predicted": scores.argmax(axis=1),
        "confidence": (shifted.max(axis=1) / shifted.sum(axis=1)).astype(np.float32),
        "margin": scores[rows, labels] - others.max(axis=1),
    }


def load_predictor(model_file: bytes, classifier: Classifier, *, batch_size: int, threads: int) -> Predictor:
    """Make a predictor in a worker from the bytes of the model file.

    Args:
        model_file: of `Classifier.content` (a worker on another node cannot read its path).
        classifier: how to use it.
        batch_size: images in one forward pass.
        threads: CPU threads that TensorFlow may use; it must not have been started yet.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return Predictor(classifier.load(model_file), classifier, batch_size)
