"""What comes of training a GAN: its course in MLflow, samples, scores, and the generator, logged and registered."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from pipelines.entry import Results
from pipelines.reports.figures import save_png, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from gan.training import TrainedGan
    from pipelines.gan_judge import Judge
    from pipelines.signs import SignDataset
    from pipelines.tracking import TrackedRun

REGISTERED_GENERATOR = "sign-generator"
GENERATOR_FILE = "generator.keras"
COLUMNS, PREVIEW_COLUMNS = 10, 8
logger = logging.getLogger("pipelines.gan")


class Progress:
    """Logs each report: numbers as curves, and what the same latents give as a picture with a step."""

    def __init__(self, run: TrackedRun, judge: Judge, steps: int, folder: Path) -> None:
        self.run, self.judge, self.steps, self.folder = run, judge, steps, folder

    def __call__(self, numbers: dict[str, float], generator: keras.Model | None) -> None:
        """Log one report; a past one, of a training that is continued, has its picture on disk."""
        import mlflow

        from pipelines.reports.gan import image_grid

        step = int(numbers["step"])
        if generator is not None:
            content = io.BytesIO()
            np.save(content, self.judge.preview(generator))
            write_whole(_preview(self.folder, step), content.getvalue())
            logger.info(_line(numbers, self.steps, self.judge.objective))
        known = {_curve(name): value for name, value in numbers.items() if np.isfinite(value)}
        self.run.log_metrics(known, step=step)
        picture = image_grid(np.load(_preview(self.folder, step)), PREVIEW_COLUMNS)
        mlflow.MlflowClient().log_image(self.run.run_id, picture, key="samples", step=step, synchronous=True)


def _preview(folder: Path, step: int) -> Path:
    """Where the images of a report are kept, for the animation of a training that was continued."""
    return folder / "previews" / f"{step:07d}.npy"


def _line(numbers: dict[str, float], steps: int, objective: str) -> str:
    return (
        f"step {numbers['step']:.0f} of {steps}: loss of the discriminator {numbers['discriminator_loss']:.3f}, "
        f"of the generator {numbers['generator_loss']:.3f}; right about {numbers['real_accuracy']:.0%} of the real "
        f"and {numbers['fake_accuracy']:.0%} of the generated; {objective} {numbers[objective]:.4g} "
        f"({numbers['seconds']:.0f} s)"
    )


def _curve(name: str) -> str:
    """What MLflow calls a number of a report: `train/...`, or `validation/...` of a score that may choose."""
    from gan.training import MEASURED

    return f"train/{name}" if name in MEASURED else f"validation/{name}"


@dataclass(frozen=True)
class Outcome:
    """A trained GAN and what it was found to be worth.

    Attributes:
        trained: Networks and history.
        judge: Who scored it.
        asked: Classes of the samples (N,).
        images: Samples (N, H, W, 3) of the generator that was kept, of latents that did not choose it.
        scores: Of these.
        floor: Of as many training images.
        failures: First step of each failure that was detected.
    """

    trained: TrainedGan
    judge: Judge
    asked: NDArray[np.int64]
    images: NDArray[np.uint8]
    scores: dict[str, float]
    floor: dict[str, float]
    failures: dict[str, int]

    @property
    def best_step(self) -> int:
        """Steps after which the generator that was kept was trained."""
        return int(self.trained.reports[self.trained.best]["step"])

    def as_json(self) -> str:
        """Scores, and all that they depend on."""
        extractor, judge = self.judge.extractor, self.judge
        about = {
            "scores": self.scores,
            "floor": self.floor,
            "extractor": {
                "name": extractor.name,
                "dimension": extractor.dimension,
                "hash": extractor.hash,
            },
            "real_images": len(judge.real),
            "samples": len(self.images),
            "objective": judge.objective,
            "best_step": self.best_step,
            "steps": int(self.trained.reports[-1]["step"]),
            "training_seconds": round(sum(report["seconds"] for report in self.trained.reports), 1),
            "failures": self.failures,
        }
        return json.dumps(about, indent=2) + "\n"

    def summary(self, folder: Path) -> str:
        """What a person reads at the end."""
        shown = {
            name: (value, self.floor[name]) for name, value in self.scores.items() if not name.startswith("called/")
        }
        width = max(map(len, shown))
        failures = ", ".join(f"{name} from step {step}" for name, step in self.failures.items()) or "none detected"
        return "\n".join(
            [
                f"{'score':{width}}  generated  training images (floor)",
                *(f"{name:{width}}  {value:9.4g}  {real:9.4g}" for name, (value, real) in shown.items()),
                "",
                f"best of {len(self.trained.reports)} scorings: step {self.best_step}; failures: {failures}",
                f"samples       {folder / 'samples.png'}",
                f"generator     {folder / GENERATOR_FILE}",
            ]
        )


def conclude(trained: TrainedGan, judge: Judge) -> Outcome:
    """Score the generator that was kept, by fresh samples, and look for failures in its training."""
    from gan.health import diagnose

    asked, images = judge.samples(trained.generator, draw=1)
    failures = diagnose(trained.records, [judge.watched(report) for report in trained.reports])
    return Outcome(trained, judge, asked, images, judge.scores(images, asked), judge.floor(), failures)


def publish(outcome: Outcome, dataset: SignDataset, run: TrackedRun, folder: Path, *, register: bool) -> Results:
    """Write all files, and log and register the generator."""
    files = _write_files(outcome, dataset, folder)
    model_id = _log_generator(outcome, register=register)
    metrics = {f"gan/{name}": value for name, value in outcome.scores.items()}
    run.log_metrics(metrics, step=0, model_id=model_id)
    run.set_tags({f"failure/{name}": f"step {step}" for name, step in outcome.failures.items()})
    run.log_files([path for path in files if path.suffix != ".keras"])
    parameters = outcome.trained.generator.count_params()
    return Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": parameters},
        metrics=metrics,
        artifacts={path.name: str(path) for path in files},
        summary=outcome.summary(folder),
    )


def _write_files(outcome: Outcome, dataset: SignDataset, folder: Path) -> list[Path]:
    """Write everything under `folder`, each file whole or not at all."""
    import pandas as pd

    from gan.sampling import with_pixels
    from pipelines.outcome import save_model
    from pipelines.reports.gan import animated_gif, animation_frames, samples_figure, training_figure

    trained, judge = outcome.trained, outcome.judge
    steps = [int(report["step"]) for report in trained.reports]
    frames = animation_frames([np.load(_preview(folder, step)) for step in steps], steps, columns=PREVIEW_COLUMNS)
    names = dataset.class_names if judge.recipe.conditional else ()
    of = "all classes" if judge.label is None else dataset.class_names[judge.label]
    sheet = samples_figure(judge.rows(trained.generator, COLUMNS), names, f"Generated: {of}", columns=COLUMNS)
    watched = [judge.watched(report) for report in trained.reports]
    return [
        save_model(with_pixels(trained.generator), folder / GENERATOR_FILE),
        write_whole(folder / "scores.json", outcome.as_json().encode()),
        write_whole(folder / "history.csv", pd.DataFrame(trained.reports).to_csv(index=False).encode()),
        save_png(sheet, folder / "samples.png", dpi=120),
        save_png(training_figure(trained.records, watched), folder / "training.png"),
        write_whole(folder / "training.gif", animated_gif(frames)),
    ]


def _log_generator(outcome: Outcome, *, register: bool) -> str:
    """Log the generator, whose signature gives uint8 images; returns its MLflow id."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from gan.sampling import with_pixels

    model = with_pixels(outcome.trained.generator)
    inputs = [TensorSpec(np.dtype(part.dtype), (-1, *part.shape[1:]), part.name) for part in model.inputs]
    signature = ModelSignature(
        Schema(inputs if len(inputs) > 1 else [TensorSpec(inputs[0].type, inputs[0].shape)]),
        Schema([TensorSpec(np.dtype(np.uint8), (-1, *model.output_shape[1:]))]),
    )
    info = mlflow.tensorflow.log_model(
        model,
        name="generator",
        signature=signature,
        pip_requirements=[f"{package}=={version(package)}" for package in ("keras", "numpy", "tensorflow")],
        registered_model_name=REGISTERED_GENERATOR if register else None,
    )
    return str(info.model_id)
