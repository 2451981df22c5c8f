"""Any Keras classifier of images: found by MLflow URI or file, checked against the data, and run in fixed batches."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.signs import Signs

PIXEL_RANGES = ("auto", "255", "1")
PROBES = 256
"""Clean images on which the pixel range and the kind of output are detected."""
TAG = "tag:"


@dataclass(frozen=True)
class Classifier:
    """A model file and what must be known to use it.

    Attributes:
        name: the URI or path as it was given.
        path: the `.keras` file.
        digest: sha256 of the file.
        pixel_max: what white is in the model's input, 255 or 1.
        probabilities: the model's last layer gives probabilities, not logits.
    """

    name: str
    path: Path
    digest: str
    pixel_max: float = 255.0
    probabilities: bool = False


def open_classifier(name: str, signs: Signs, class_names: tuple[str, ...], *, pixel_range: str = "auto") -> Classifier:
    """Find a model, and check that it fits the data.

    Args:
        name: `models:/signs@champion`, `runs:/<run id>/<name>`, a `.keras` file or a folder that holds one.
        signs: labelled clean images, on which the pixel range is detected.
        class_names: of the data set.
        pixel_range: 255, 1 or auto: what white is in the model's input.

    Raises:
        InputError: there is no such model, or its input or its number of classes does not fit.
    """
    return _open(name, signs, class_names, pixel_range)[0]


def open_classifiers(
    text: str, signs: Signs, class_names: tuple[str, ...], *, pixel_range: str = "auto"
) -> list[Classifier]:
    """Find one model, or the networks that several trainings of one recipe left.

    Args:
        text: names as for `open_classifier` with commas between; or the folder of `train --repeats`; or
            `tag:NAME=VALUE`, the networks of all runs of `train` in MLflow with this tag.
        signs: as for `open_classifier`.
        class_names: of the data set.
        pixel_range: as for `open_classifier`.

    Raises:
        InputError: one of them is no such model, is there twice, or is of another architecture than the first.
    """
    opened = [_open(name, signs, class_names, pixel_range) for name in _model_names(text)]
    first, known = opened[0], dict[str, str]()
    for classifier, weights in opened:
        name, shapes = classifier.name, [part.shape for part in weights]
        if shapes != [part.shape for part in first[1]]:
            raise InputError(
                f"--model {text}: {name} and {first[0].name} differ in their layers, so they are no trainings of one "
                "recipe; measure each recipe in a run of its own"
            )
        content = hashlib.sha256(b"".join(part.tobytes() for part in weights)).hexdigest()
        if content in known:
            raise InputError(f"--model {text}: {name} is the same network as {known[content]}; name each training once")
        known[content] = name
    return [classifier for classifier, _ in opened]


def _open(
    name: str, signs: Signs, class_names: tuple[str, ...], pixel_range: str
) -> tuple[Classifier, list[NDArray[np.float32]]]:
    path = _find_model(name)
    model = _load(path, name)
    _check_shapes(model, name, signs.image.shape[1:], len(class_names))
    classifier = Classifier(name, path, hashlib.sha256(path.read_bytes()).hexdigest())
    return _detect(classifier, model, signs, pixel_range), model.get_weights()


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


class Predictor:
    """A loaded model: uint8 images in, one row of scores an image out.

    All batches have one size, the last one padded: a prediction does not depend on how images are divided up.
    """

    def __init__(self, model: Any, classifier: Classifier, batch_size: int) -> None:
        import tensorflow as tf

        self._batch_size = batch_size
        self._probabilities = classifier.probabilities
        scale = classifier.pixel_max / 255.0

        @tf.function(jit_compile=False, reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
        def forward(images: Any) -> Any:
            return tf.cast(model(tf.cast(images, tf.float32) * scale, training=False), tf.float32)

        self._forward = forward

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores (N, classes) of images (N, H, W, C): logits, or logarithms of the model's probabilities."""
        size = self._batch_size
        scores = [self._forward(_padded(images[start : start + size], size)) for start in range(0, len(images), size)]
        outputs: NDArray[np.float32] = np.concatenate([part.numpy() for part in scores])[: len(images)]
        return np.log(np.maximum(outputs, 1e-30)) if self._probabilities else outputs


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
        model_file: content of the `.keras` file (a worker on another node cannot read its path).
        classifier: how to use it.
        batch_size: images in one forward pass.
        threads: CPU threads that TensorFlow may use; it must not have been started yet.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(model_file)
        return Predictor(_load(path, classifier.name), classifier, batch_size)


def _find_model(name: str) -> Path:
    path = Path(name)
    if name.startswith(("models:/", "runs:/", "mlflow-artifacts:/")):
        import mlflow

        try:
            path = Path(mlflow.artifacts.download_artifacts(artifact_uri=name))
        except (mlflow.exceptions.MlflowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"--model {name}: MLflow has no such model ({reason}); train one first") from None
    if not path.exists():
        raise InputError(f"--model {name}: no such file; give a .keras file or an MLflow model URI")
    files = [path] if path.is_file() else sorted(path.rglob("*.keras"))
    if len(files) != 1:
        raise InputError(f"--model {name}: holds {len(files)} .keras files; point to one")
    return files[0]


def _load(path: Path, name: str) -> Any:
    import keras

    import models.layers  # noqa: F401 - registers the layers of ours that a file may hold

    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"--model {name}: Keras cannot load it ({reason}); save it as a .keras file") from None


def _check_shapes(model: Any, name: str, image: tuple[int, ...], classes: int) -> None:
    wanted, given = model.input_shape, model.output_shape
    if not isinstance(wanted, tuple) or len(wanted) != 4:
        raise InputError(
            f"--model {name}: its input is {wanted}; a model of one batch of images (N, H, W, C) is needed"
        )
    if any(size not in (None, have) for size, have in zip(wanted[1:], image, strict=True)):
        raise InputError(
            f"--model {name}: it takes images of {_by(wanted[1:])}, the data set has {_by(image)}; "
            "prepare the data at its --size"
        )
    if not isinstance(given, tuple) or len(given) != 2 or given[-1] != classes:
        raise InputError(
            f"--model {name}: it gives {given[-1]} classes, the data set has {classes}; train it on this data"
        )


def _by(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)


def _detect(classifier: Classifier, model: Any, signs: Signs, pixel_range: str) -> Classifier:
    """Take the pixel range under which the model is right more often, and see whether it gives probabilities."""
    images, labels = signs.image[:PROBES], signs.label[:PROBES]
    best, most_right = classifier, -1
    for white in (255.0, 1.0) if pixel_range == "auto" else (float(pixel_range),):
        candidate = replace(classifier, pixel_max=white)
        outputs = Predictor(model, candidate, PROBES)(images)
        sums_to_one = bool(np.allclose(outputs.sum(axis=1), 1.0, atol=1e-3) and outputs.min() >= 0)
        right = int((outputs.argmax(axis=1) == labels).sum())
        if right > most_right:
            best, most_right = replace(candidate, probabilities=sums_to_one), right
    return best


def _padded(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if len(images) == size:
        return images
    return np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), images.dtype)])
