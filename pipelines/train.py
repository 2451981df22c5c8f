"""Entry point: train a classifier of road signs, score it on the test images, and log all of it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from models.fit import FitHistory, Precision
    from models.scores import ClassificationScores
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

logger = logging.getLogger("pipelines.train")  # __name__ is __main__ under `python -m`

REGISTERED_MODEL = "signs"
CHAMPION = "champion"
MODEL_FILE = "model.keras"
SMOKE_LIMIT = 1290
SMOKE_EPOCHS = 4
SPLITS = ("train", "validation", "test")


class TrainSettings(Settings):
    """Options of `train`."""

    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=16, description="Side of the images in pixels.")
    network: str = Field("default", description="The network to train.")
    epochs: int = Field(30, ge=1, description="Most passes over the training images.")
    batch_size: int = Field(128, ge=2, description="Images a training step.")
    learning_rate: float = Field(2e-3, gt=0, description="Largest learning rate; it warms up, then falls as a cosine.")
    weight_decay: float = Field(0.05, ge=0, description="AdamW's weight decay.")
    dropout: float = Field(0.4, ge=0, lt=1, description="Share of features dropped while training.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of each label spread over all classes.")
    augment: bool = Field(True, description="Disturb view and light of the training images.")
    patience: int = Field(12, ge=1, description="Stop after so many epochs without a better validation macro-F1.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Of the convolutions while training; auto: float16 on a GPU with tensor cores, else float32.",
    )
    strategy: Literal["none", "mirrored"] = Field("none", description="mirrored: one model on all GPUs at once.")
    limit: int | None = Field(None, ge=1, description="Use only so many images of each split, stratified by class.")
    register_model: bool = Field(True, description=f"Register it as `{REGISTERED_MODEL}`, alias `{CHAMPION}`.")
    resume: bool = Field(False, description="Continue the interrupted training that --output holds.")
    smoke_test: bool = Field(False, description=f"{SMOKE_EPOCHS} epochs on {SMOKE_LIMIT} images, nothing registered.")


@entry_point("train", TrainSettings)
def train(settings: TrainSettings, run: TrackedRun) -> Results:
    """Train a classifier of road signs and score it on the test images."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    from pipelines.quiet import load_tensorflow
    from pipelines.signs import prepared

    load_tensorflow()
    from models.fit import predict_logits
    from models.scores import classification_scores

    if settings.smoke_test:
        settings = settings.model_copy(update={"limit": SMOKE_LIMIT, "epochs": SMOKE_EPOCHS, "register_model": False})
    dataset = prepared(settings.data, size=settings.size, seed=settings.seed)
    splits = _read_splits(dataset, settings.limit)
    model = _build(settings, dataset)
    history = _fit(model, settings, dataset, splits, run)
    test = splits["test"]
    logits = predict_logits(model, test.image)
    outcome = Outcome(model, history, test, logits, classification_scores(test.label, logits, dataset.class_names))
    files = _write_files(outcome, dataset.class_names, settings.output)
    _log(run, outcome, dataset, splits, files, register=settings.register_model)
    return Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": model.count_params()},
        metrics={f"clean/{name}": value for name, value in outcome.scores.metrics().items()},
        artifacts={path.name: str(path) for path in files},
        summary=_summary(outcome, settings.output),
    )


@dataclass(frozen=True)
class Outcome:
    """A trained model and what it made of the test images."""

    model: keras.Model
    history: FitHistory
    test: Signs
    logits: NDArray[np.float32]
    scores: ClassificationScores


def _read_splits(dataset: SignDataset, limit: int | None) -> dict[str, Signs]:
    for split in SPLITS:
        if not sum(dataset.counts[split]):
            raise InputError(f"{dataset.folder}: no {split} images; training needs all of {', '.join(SPLITS)}")
    return {split: dataset.read(split, limit=limit) for split in SPLITS}


def _build(settings: TrainSettings, dataset: SignDataset) -> keras.Model:
    import keras

    from models.cnn import NETWORKS

    if settings.network not in NETWORKS:
        raise InputError(f"--network {settings.network}: no such network; choose one of {', '.join(NETWORKS)}")
    keras.config.disable_interactive_logging()  # else MLflow's check of the example prints a progress bar
    keras.utils.set_random_seed(settings.seed)
    try:
        return NETWORKS[settings.network](len(dataset.class_names), dataset.size, dropout=settings.dropout)
    except ValueError as error:
        raise InputError(f"--network {settings.network}: {error}") from None


def _fit(
    model: keras.Model, settings: TrainSettings, dataset: SignDataset, splits: dict[str, Signs], run: TrackedRun
) -> FitHistory:
    import tensorflow as tf

    from models.augment import SignAugmentation
    from models.fit import Examples, fit

    precision = _precision(settings.precision)
    devices = [device.name for device in tf.config.list_logical_devices("GPU")] or ["CPU"]
    logger.info("training %s on %s in %s", settings.network, ", ".join(devices), precision)
    run.log_params(
        {
            "resolved_precision": precision,
            "devices": ", ".join(devices),
            "parameters": model.count_params(),
            "augmentation": SignAugmentation() if settings.augment else "none",
            "data_digest": dataset.digest,
        }
    )
    run.set_tags({"data": dataset.name, "model": settings.network})

    def on_epoch(epoch: int, numbers: dict[str, float]) -> None:
        logger.info(
            "epoch %2d of %d: loss %.4f, accuracy %.4f; validation accuracy %.4f, macro-F1 %.4f (%.0f s)",
            epoch + 1, settings.epochs, numbers["loss"], numbers["accuracy"],
            numbers["val_accuracy"], numbers["val_f1_macro"], numbers["seconds"],
        )  # fmt: skip
        run.log_metrics({_curve(name): value for name, value in numbers.items()}, step=epoch)

    train_signs, validation = splits["train"], splits["validation"]
    try:
        return fit(
            model,
            Examples(train_signs.image, train_signs.label),
            Examples(validation.image, validation.label),
            augment=SignAugmentation() if settings.augment else None,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            label_smoothing=settings.label_smoothing,
            patience=settings.patience,
            seed=settings.seed,
            precision=precision,
            strategy=tf.distribute.MirroredStrategy() if settings.strategy == "mirrored" else None,
            checkpoint=_checkpoint(settings, dataset, precision),
            on_epoch=on_epoch,
        )
    except FloatingPointError as error:
        raise InputError(f"--learning-rate {settings.learning_rate}: training diverged, {error}") from None
    except ValueError as error:
        raise InputError(f"{dataset.folder}, --limit {settings.limit}: {error}") from None


def _precision(asked: str) -> Precision:
    """The precision asked for; auto takes half precision on GPUs with tensor cores alone."""
    import tensorflow as tf

    if asked != "auto":
        return asked  # type: ignore[return-value]
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    cores = [detail.get("compute_capability", (0, 0)) >= (7, 0) for detail in details]
    return "float16" if cores and all(cores) else "float32"


def _checkpoint(settings: TrainSettings, dataset: SignDataset, precision: str) -> Path:
    """The file of this very training: other options or other data have another one, and are never continued."""
    free = {"data", "output", "results", "experiment", "verbose", "quiet", "resume", "register_model", "strategy"}
    key = json.dumps([settings.model_dump(mode="json", exclude=free), dataset.digest, precision], sort_keys=True)
    path = settings.output / f"checkpoint-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if not settings.resume:
        path.unlink(missing_ok=True)
    return path


def _curve(name: str) -> str:
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}"


def _write_files(outcome: Outcome, class_names: tuple[str, ...], folder: Path) -> list[Path]:
    """Write model, scores and pictures under `folder`, each whole or not at all."""
    import pandas as pd
    from scipy.special import softmax

    from pipelines.reports.classification import confusion_figure, mistakes_sheet
    from pipelines.reports.figures import save_png, write_whole

    scores, test = outcome.scores, outcome.test
    predicted, confidence = outcome.logits.argmax(axis=1), softmax(outcome.logits, axis=1).max(axis=1)
    wrong = predicted != test.label
    mistakes = pd.DataFrame(
        {"image_id": test.image_id, "label": test.label, "predicted": predicted, "confidence": confidence}
    )
    history = pd.DataFrame(outcome.history.epochs).rename_axis("epoch")
    texts = {
        "scores.json": json.dumps(scores.metrics() | _about(outcome), indent=2) + "\n",
        "report.txt": scores.report,
        "per_class.csv": scores.per_class.to_csv(index=False),
        "history.csv": history.to_csv(),
        "mistakes.csv": mistakes[wrong].to_csv(index=False),
    }
    pictures = {
        "confusion.png": confusion_figure(scores.confusion, class_names),
        "mistakes.png": mistakes_sheet(test.image, test.label, predicted, confidence, class_names),
    }
    written = [write_whole(folder / name, text.encode()) for name, text in texts.items()]
    written += [save_png(figure, folder / name, dpi=100) for name, figure in pictures.items()]
    return [_save_model(outcome.model, folder / MODEL_FILE), *written]


def _about(outcome: Outcome) -> dict[str, Any]:
    return {
        "test_images": len(outcome.test),
        "wrong": int((outcome.logits.argmax(axis=1) != outcome.test.label).sum()),
        "parameters": outcome.model.count_params(),
        "epochs": len(outcome.history.epochs),
        "best_epoch": outcome.history.best_epoch,
        "validation_f1_macro": outcome.history.best_f1_macro,
        "training_seconds": round(sum(epoch["seconds"] for epoch in outcome.history.epochs), 1),
    }


def _save_model(model: keras.Model, path: Path) -> Path:
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    model.save(beside)
    beside.replace(path)
    return path


def _log(
    run: TrackedRun,
    outcome: Outcome,
    dataset: SignDataset,
    splits: dict[str, Signs],
    files: list[Path],
    *,
    register: bool,
) -> None:
    import mlflow
    from mlflow.data.sources import LocalArtifactDatasetSource

    source = LocalArtifactDatasetSource(str(dataset.folder.absolute()))
    for split, signs in splits.items():
        name = f"{dataset.name}-{split}"
        logged = mlflow.data.from_numpy(signs.image, targets=signs.label, source=source, name=name)
        mlflow.log_input(logged, context=split)
    model_id = _log_model(outcome.model, outcome.test.image[:4], register=register)
    metrics = {f"clean/{name}": value for name, value in outcome.scores.metrics().items()}
    for name in ("precision", "recall", "fpr", "f1"):
        values = outcome.scores.per_class[name].tolist()
        metrics |= {f"clean/class/{label:02d}/{name}": float(value) for label, value in enumerate(values)}
    run.log_metrics(metrics, step=0, model_id=model_id)
    run.log_files([path for path in files if path.suffix != ".keras"])


def _log_model(model: keras.Model, example: NDArray[np.uint8], *, register: bool) -> str:
    """Log the model with uint8 images in its signature; returns its MLflow id."""
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        Schema([TensorSpec(np.dtype(np.uint8), (-1, *example.shape[1:]))]),
        Schema([TensorSpec(np.dtype(np.float32), (-1, model.output_shape[-1]))]),
    )
    # Not mlflow.keras, whose log_model of MLflow 3.17 fails on an input example; the same .keras file is stored.
    info = mlflow.tensorflow.log_model(
        model,
        name="model",
        signature=signature,
        input_example=example,
        pip_requirements=[f"{package}=={version(package)}" for package in ("keras", "numpy", "tensorflow")],
        registered_model_name=REGISTERED_MODEL if register else None,
    )
    if register:
        client = mlflow.MlflowClient()
        client.set_registered_model_alias(REGISTERED_MODEL, CHAMPION, str(info.registered_model_version))
    return str(info.model_id)


def _summary(outcome: Outcome, folder: Path) -> str:
    scores, about = outcome.scores, _about(outcome)
    weakest = scores.per_class[scores.per_class["support"] > 0].nsmallest(3, "f1")
    lines = [
        f"test accuracy {scores.accuracy:.2%} ({about['wrong']} of {about['test_images']} wrong), "
        f"macro-F1 {scores.f1_macro:.4f}, calibration error {scores.calibration_error:.4f}",
        "weakest classes: " + ", ".join(f"{row.class_name} (F1 {row.f1:.3f})" for row in weakest.itertuples()),
        f"{about['parameters']:,} parameters, best of {about['epochs']} epochs: {about['best_epoch'] + 1}, "
        f"{about['training_seconds']:.0f} s of training",
        f"model         {folder / MODEL_FILE}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    train.command()
