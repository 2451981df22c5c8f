"""What comes of training a GAN: samples, scores, and the generator, logged and registered."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.entry import Results
from pipelines.gans.classes import classification_accuracy, distances_per_class
from pipelines.gans.course import find_failures, publish_course
from pipelines.gans.scoring import CALLED, collapsed
from pipelines.gans.signs import entering
from pipelines.output_folder import write_whole
from pipelines.reports.figures import save_png

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from gan.scores.extractors import Extractor
    from gan.training import TrainedGan
    from pipelines.gans.scoring import Judge
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

REGISTERED_GENERATOR = "sign-generator"
GENERATOR_FILE = "generator.keras"
SERVED = Path(__file__).with_name("served_generator.py")
COLUMNS = 10
ACCURACY = "cas"
"""What the classification accuracy score is called: it is of no extractor."""


@dataclass(frozen=True)
class Scored:
    """Images and what they are worth.

    Attributes:
        images: (N, H, W, 3).
        labels: Their classes, of samples those asked for, (N,).
        features: What the extractor sees in them, (N, D).
        scores: By full name.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    features: NDArray[Any]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """A trained GAN and what it was found to be worth.

    Attributes:
        trained: Networks and history.
        chooser: Who chose the generator that was kept.
        final: Who judged it, by images that did not choose it.
        samples: What it makes of latents that did not choose it.
        floor: As many training images, of the same classes as far as there are enough.
        classes: A row a class, of samples of several classes.
    """

    trained: TrainedGan
    chooser: Judge
    final: Judge
    samples: Scored
    floor: Scored
    classes: pd.DataFrame | None

    @property
    def best_step(self) -> int:
        """Steps after which the generator that was kept was trained."""
        return int(self.trained.reports[self.trained.best]["step"])

    def of(self, dataset: SignDataset) -> dict[str, str]:
        """What the generator makes of what, in words."""
        label, source = self.final.sampler.label, self.final.sampler.recipe.source
        return {
            "data": dataset.name,
            "class": "all" if label is None else dataset.class_names[label],
            "latent": f"{source.name}, a {source.kind}",
        }

    def as_json(self, dataset: SignDataset) -> str:
        """Scores, and all that they depend on."""
        jury, real = self.final.jury, self.final.real
        named = {"extractor": jury.extractor, "classifier": jury.classifier}
        failures = find_failures(self.trained, self.chooser)
        about: dict[str, Any] = {
            **self.of(dataset),
            "recipe": asdict(self.final.sampler.recipe),
            "scores": self.samples.scores,
            "floor": self.floor.scores,
            "left_out": self.final.left_out,
            "n_real": len(real),
            "n_fake": len(self.samples.images),
            "n_floor": len(self.floor.images),
            "compared_with": "test images",
            "chosen_by": "validation images",
            "in_the_floor": "training images",
            "extractor": None,
            "classifier": None,
            **{kind: _described(network) for kind, network in named.items() if network},
            **asdict(self.final.protocol),
            "objective": self.chooser.objective,
            "best_step": self.best_step,
            "steps": int(self.trained.reports[-1]["step"]),
            "training_seconds": round(sum(report["seconds"] for report in self.trained.reports), 1),
            "failures": failures.found,
            "not_enough_reports_for": failures.untold,
        }
        if jury.classifier:
            right = jury.called(real.image, self.final.features) == real.label
            about["classifier"]["accuracy_on_real"] = float(np.mean(right))
        if self.final.sampler.translates:
            about["made_of"] = "validation images"
        return json.dumps(about, indent=2) + "\n"

    def summary(self, folder: Path) -> str:
        """What a person reads at the end."""
        shown = {
            name: (value, self.floor.scores[name])
            for name, value in self.samples.scores.items()
            if not name.startswith(CALLED)
        }
        width = max(map(len, [*shown, *self.final.left_out]))
        alike = collapsed(self.samples.scores) and not collapsed(self.floor.scores)
        return "\n".join(
            [
                f"{'score':{width}}  generated  training images (floor)",
                *(f"{name:{width}}  {_cell(value)}  {_cell(real)}" for name, (value, real) in shown.items()),
                *(f"{name:{width}}  left out: {reason}" for name, reason in self.final.left_out.items()),
                "",
                f"{len(self.samples.images)} of either beside {len(self.final.real)} test images",
                f"best of {len(self.trained.reports)} scorings by validation images: step {self.best_step}",
                f"failures: {find_failures(self.trained, self.chooser)}",
                *(["most samples are near-duplicates: train for longer, or see the failures"] if alike else []),
                f"samples       {folder / 'samples.png'}",
                f"generator     {folder / GENERATOR_FILE}",
            ]
        )


def _cell(score: float) -> str:
    return f"{score:9.4g}" if math.isfinite(score) else f"{'-':>9}"


def _described(network: Extractor) -> dict[str, Any]:
    return {"name": network.name, "dimension": network.dimension, "hash": network.hash, "image_size": network.size}


def conclude(trained: TrainedGan, chooser: Judge, final: Judge, dataset: SignDataset, train: Signs) -> Outcome:
    """Score the generator that was kept by fresh samples, and as many training images in their place."""
    asked, images = final.sampler.samples(trained.generator, draw=1)
    features = final.jury.extractor.features(images)
    samples = Scored(images, asked, features, final.scores(images, asked, features))
    real = train.take(alike_rows(train.label, asked, seed=final.sampler.seed))
    features = final.of_real(real)
    floor = Scored(real.image, real.label, features, final.scores(real.image, real.label, features))
    classes = None
    if final.sampler.by_class:
        classes = distances_per_class(
            (final.features, final.real.label),
            (samples.features, samples.labels),
            (floor.features, floor.labels),
            dataset.class_names,
        )
    return Outcome(trained, chooser, final, samples, floor, classes)


def alike_rows(labels: NDArray[np.int64], asked: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Rows of as many labels as are asked for, of each class the same number; others stand in where one has fewer."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rows = np.concatenate([order[labels[order] == label][: np.sum(asked == label)] for label in np.unique(asked)])
    others = order[~np.isin(order, rows)]
    return np.concatenate([rows, others[: len(asked) - len(rows)]])


def with_accuracy(outcome: Outcome, dataset: SignDataset, signs: Mapping[str, Signs], folder: Path) -> Outcome:
    """The same with the classification accuracy score, of the samples and of training images.

    Args:
        outcome: Of a generator of several classes.
        dataset: Of the signs.
        signs: `train`, and `test` for the accuracy.
        folder: Keeps the state of both trainings.
    """
    sampler, recipe = outcome.final.sampler, outcome.final.sampler.recipe
    given = replace(sampler, inputs=entering(recipe, dataset, signs["train"]))
    of_samples, of_signs = classification_accuracy(given, outcome.trained.generator, dataset, signs, folder)
    if (table := outcome.classes) is not None:
        both = {"accuracy": of_samples, "accuracy_floor": of_signs}
        table = table.assign(**{name: table["class"].map(dict(found.per_class)) for name, found in both.items()})
    samples, floor = (
        replace(scored, scores={**scored.scores, ACCURACY: found.accuracy})
        for scored, found in ((outcome.samples, of_samples), (outcome.floor, of_signs))
    )
    return replace(outcome, samples=samples, floor=floor, classes=table)


def publish(outcome: Outcome, dataset: SignDataset, run: TrackedRun, folder: Path, *, register: bool) -> Results:
    """Write all files, and log and register the generator."""
    course = publish_course(outcome.trained, outcome.chooser, run, folder)
    files = _write_files(outcome, dataset, folder)
    model_id = _log_generator(outcome, dataset, register=register)
    metrics = {f"gan/{name}": value for name, value in outcome.samples.scores.items()}
    run.log_metrics(metrics, step=0, model_id=model_id)
    run.log_files([path for path in files if path.suffix != ".keras"])
    parameters = outcome.trained.generator.count_params()
    return Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": parameters},
        metrics=metrics,
        artifacts={path.name: str(path) for path in [*course, *files]},
        summary=outcome.summary(folder),
    )


def _write_files(outcome: Outcome, dataset: SignDataset, folder: Path) -> list[Path]:
    """Write the generator, what it makes and what that is worth under `folder`, each file whole or not at all."""
    from gan.sampling import with_pixels
    from pipelines.outcome import save_model
    from pipelines.reports.gan import samples_figure

    trained, sampler = outcome.trained, outcome.final.sampler
    names = dataset.class_names if sampler.by_class else ()
    of = "all classes" if sampler.label is None else dataset.class_names[sampler.label]
    sheet = samples_figure(sampler.sheet(trained.generator, COLUMNS), names, f"Generated: {of}", columns=COLUMNS)
    files = [
        save_model(with_pixels(trained.generator), folder / GENERATOR_FILE),
        write_whole(folder / "scores.json", outcome.as_json(dataset).encode()),
        save_png(sheet, folder / "samples.png", dpi=120),
    ]
    if outcome.classes is not None:
        files.append(write_whole(folder / "per_class.csv", outcome.classes.to_csv(index=False).encode()))
    return files


def _log_generator(outcome: Outcome, dataset: SignDataset, *, register: bool) -> str:
    """Log the generator as a graph that loads anywhere and says what enters it; returns its MLflow id."""
    import tempfile

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
    example = outcome.final.sampler.example()
    with tempfile.TemporaryDirectory() as folder:
        graph = f"{folder}/graph"
        model.export(graph, verbose=False)
        info = mlflow.pyfunc.log_model(
            name="generator",
            loader_module=SERVED.stem,
            data_path=graph,
            code_paths=[str(SERVED)],
            signature=signature,
            input_example=example if len(inputs) > 1 else example["latent"],
            metadata=outcome.of(dataset) | {"classes": list(dataset.class_names)},
            pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "numpy", "tensorflow")],
            registered_model_name=REGISTERED_GENERATOR if register else None,
        )
    return str(info.model_id)
