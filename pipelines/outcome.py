"""A trained classifier and what it makes of the test images: scored, written to files, logged and registered."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pipelines.champion import REGISTERED_MODEL, Candidate, crown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import keras
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models.fit import FitHistory
    from models.scores import ClassificationScores
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun
    from pipelines.training import Trained

MODEL_FILE, PREDICTIONS_FILE = "model.keras", "predictions.parquet"
NEEDED = ("cloudpickle", "keras", "numpy", "tensorflow")
"""Packages that a logged model needs to load."""
LOAD_IMAGES, ABLATED_IMAGES, ABLATED_UNITS = 256, 64, 64
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A trained model and what it made of the test images.

    Attributes:
        model: The network.
        history: How it was trained.
        test: The test images.
        logits: (N, C) of them.
        scores: Of these.
        loads: How its neurons share the work, a row a unit (`models.neuron_load.unit_loads`).
    """

    model: keras.Model
    history: FitHistory
    test: Signs
    logits: NDArray[np.float32]
    scores: ClassificationScores
    loads: pd.DataFrame

    @property
    def validation_f1_macro(self) -> float | None:
        """Of the weights that were kept; None where there was no validation."""
        best = self.history.best_f1_macro
        return best if best > float("-inf") else None

    @property
    def wrong(self) -> int:
        """Test images that it gets wrong."""
        return int((self.logits.argmax(axis=1) != self.test.label).sum())

    @property
    def training_seconds(self) -> float:
        """Time of all epochs."""
        return round(sum(epoch["seconds"] for epoch in self.history.epochs), 1)

    @property
    def predictions(self) -> pd.DataFrame:
        """A row a test image, for comparisons by image: image_id, track, label, predicted, confidence, margin."""
        import pandas as pd

        from pipelines.classifier import answers

        test = self.test
        known = {"image_id": test.image_id, "track": test.track, "label": test.label}
        return pd.DataFrame(known | answers(self.logits, test.label))

    def metrics(self) -> dict[str, float]:
        """The single figures as MLflow names them."""
        from models.neuron_load import layer_loads, load_metrics

        figures = {f"clean/{name}": value for name, value in self.scores.metrics().items()}
        if self.validation_f1_macro is not None:
            figures["clean/validation_f1_macro"] = self.validation_f1_macro
        return figures | (load_metrics(layer_loads(self.loads)) if len(self.loads) else {})


def score(trained: Trained, test: Signs, class_names: tuple[str, ...]) -> Outcome:
    """Predict the test images, once."""
    from models.fit import predict_logits
    from models.scores import classification_scores

    logits = predict_logits(trained.model, test.image)
    scores = classification_scores(test.label, logits, class_names)
    return Outcome(trained.model, trained.history, test, logits, scores, measure_load(trained.model, test))


def measure_load(model: keras.Model, signs: Signs) -> pd.DataFrame:
    """A row a unit; the number of images and of units a layer is always the same, so that networks can be compared.

    Empty for a network whose activations stand inside other layers.
    """
    import numpy as np
    import pandas as pd

    from models.neuron_load import unit_loads

    some = signs.take(np.linspace(0, len(signs) - 1, min(LOAD_IMAGES, len(signs))).astype(int))
    try:
        return unit_loads(
            model, some.image, some.label, images_for_ablation=ABLATED_IMAGES, units_for_ablation=ABLATED_UNITS
        )
    except ValueError as error:
        logger.debug("no neuron load: %s", error)
        return pd.DataFrame(columns=["layer", "unit", "activation", "importance"])


def write_files(outcome: Outcome, class_names: tuple[str, ...], folder: Path) -> list[Path]:
    """Write model, scores and pictures under `folder`, each whole or not at all."""
    import pandas as pd

    from models.neuron_load import layer_loads
    from pipelines.output_folder import write_whole
    from pipelines.reports.classification import confusion_figure, mistakes_sheet
    from pipelines.reports.figures import save_png
    from pipelines.reports.neuron_load import neuron_load_figure
    from pipelines.tables import write_tables

    scores, test, predictions = outcome.scores, outcome.test, outcome.predictions
    predicted, confidence = predictions["predicted"].to_numpy(), predictions["confidence"].to_numpy()
    mistakes = predictions.loc[predicted != test.label, ["image_id", "label", "predicted", "confidence"]]
    history = pd.DataFrame(outcome.history.epochs).rename_axis("epoch")
    texts = {
        "scores.json": json.dumps(scores.metrics() | _about(outcome), indent=2) + "\n",
        "report.txt": scores.report,
        "per_class.csv": scores.per_class.to_csv(index=False),
        "history.csv": history.to_csv(),
        "mistakes.csv": mistakes.to_csv(index=False),
    }
    pictures = {
        "confusion.png": confusion_figure(scores.confusion, class_names),
        "mistakes.png": mistakes_sheet(test.image, test.label, predicted, confidence, class_names),
    }
    if len(outcome.loads):
        texts["neuron_load.csv"] = layer_loads(outcome.loads).to_csv(index=False)
        pictures["neuron_load.png"] = neuron_load_figure(outcome.loads)
    written = [write_whole(folder / name, text.encode()) for name, text in texts.items()]
    written += [save_png(figure, folder / name, dpi=100) for name, figure in pictures.items()]
    written += write_tables({PREDICTIONS_FILE: predictions}, folder)
    return [save_model(outcome.model, folder / MODEL_FILE), *written]


def _about(outcome: Outcome) -> dict[str, Any]:
    return {
        "test_images": len(outcome.test),
        "wrong": outcome.wrong,
        "parameters": outcome.model.count_params(),
        "epochs": len(outcome.history.epochs),
        "best_epoch": outcome.history.best_epoch,
        "validation_f1_macro": outcome.validation_f1_macro,
        "training_seconds": outcome.training_seconds,
    }


def save_model(model: keras.Model, path: Path) -> Path:
    """Write a .keras file, whole or not at all."""
    from pipelines.output_folder import written_beside

    with written_beside(path) as beside:
        model.save(beside)
    return path


def log_outcome(
    run: TrackedRun,
    outcome: Outcome,
    dataset: SignDataset,
    splits: dict[str, Signs],
    files: list[Path],
    *,
    register: bool,
    champion: bool | None = None,
    tracks_held_out: bool = True,
) -> str:
    """Log data, model, scores and files to the run.

    Args:
        run: to which all is logged.
        outcome: of the training.
        dataset: that was learned.
        splits: its images.
        files: that were written.
        register: whether the model is registered.
        champion: whether that makes it the champion; None: if it should be (`pipelines.champion`).
        tracks_held_out: whether validation is of tracks that it has not learned.

    Returns:
        What became of the champion, in a line; empty where nothing is registered.
    """
    import mlflow
    from mlflow.data.sources import LocalArtifactDatasetSource

    source = LocalArtifactDatasetSource(str(dataset.folder.absolute()))
    for split, signs in splits.items():
        name = f"{dataset.name}-{split}"
        logged = mlflow.data.from_numpy(signs.image, targets=signs.label, source=source, name=name)
        mlflow.log_input(logged, context=split)
    model_id, registered = _log_model(outcome.model, outcome.test.image[:4], register=register)
    crowned = ""
    if registered:
        mlflow.MlflowClient().update_model_version(REGISTERED_MODEL, registered, _scored(outcome))
        score = outcome.validation_f1_macro if tracks_held_out else None
        candidate = Candidate(dataset.name, dataset.digest, score, len(splits["validation"]))
        crowned = crown(registered, candidate, champion)
    metrics = outcome.metrics()
    for name in ("precision", "recall", "fpr", "f1"):
        values = outcome.scores.per_class[name].tolist()
        metrics |= {f"clean/class/{name}/{label:02d}": float(value) for label, value in enumerate(values)}
    run.log_metrics(metrics, step=0, model_id=model_id)
    run.log_files([path for path in files if path.suffix != ".keras"])
    return crowned


def _log_model(model: keras.Model, example: NDArray[np.uint8], *, register: bool) -> tuple[str, str]:
    """Log the model with uint8 images in its signature; returns its MLflow id, and the version if it is registered.

    Our own layers are stored with it, so that it loads where this repository is not.
    """
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        Schema([TensorSpec(np.dtype(np.uint8), (-1, *example.shape[1:]))]),
        Schema([TensorSpec(np.dtype(np.float32), (-1, model.output_shape[-1]))]),
    )
    with _only_our_layers_registered():
        # Not mlflow.keras, whose log_model of MLflow 3.17 fails on an input example; the same .keras file is stored.
        info = mlflow.tensorflow.log_model(
            model,
            name="model",
            signature=signature,
            input_example=example,
            pip_requirements=[f"{package}=={version(package)}" for package in NEEDED],
            registered_model_name=REGISTERED_MODEL if register else None,
        )
    return str(info.model_id), str(info.registered_model_version or "")


@contextmanager
def _only_our_layers_registered() -> Iterator[None]:
    """Within, Keras knows of no custom objects but our classifiers' layers, and those are pickled by value.

    MLflow pickles all custom objects that Keras has registered, those of imported GANs and libraries too, by
    reference: the model would then load only where all of these can be imported.
    """
    import cloudpickle
    import keras

    from models import layers

    registered = keras.saving.get_custom_objects()
    everything = dict(registered)
    cloudpickle.register_pickle_by_value(layers)
    try:
        for name, value in everything.items():
            if getattr(value, "__module__", "") != layers.__name__:
                del registered[name]
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(layers)
        registered.update(everything)


def _scored(outcome: Outcome) -> str:
    scores, wrong, images = outcome.scores, outcome.wrong, len(outcome.test)
    return f"test accuracy {scores.accuracy:.2%} ({wrong} of {images} wrong), macro-F1 {scores.f1_macro:.4f}"


def summarise(outcome: Outcome, folder: Path, crowned: str = "") -> str:
    """What a person reads at the end of a training; `crowned`: what became of the champion."""
    scores, about = outcome.scores, _about(outcome)
    weakest = scores.per_class[scores.per_class["support"] > 0].nsmallest(3, "f1")
    seen = outcome.validation_f1_macro
    validation = f"; on validation {seen:.4f}" if seen is not None else ""
    kept = f"best of {about['epochs']} epochs: {about['best_epoch'] + 1}" if seen is not None else "the last epoch"
    lines = [
        f"{_scored(outcome)}{validation}, calibration error {scores.calibration_error:.4f}",
        "weakest classes: " + ", ".join(f"{row.class_name} (F1 {row.f1:.3f})" for row in weakest.itertuples()),
        f"{about['parameters']:,} parameters, {kept}, {about['training_seconds']:.0f} s of training",
        f"model         {folder / MODEL_FILE}",
        *([crowned] if crowned else []),
    ]
    return "\n".join(lines)
