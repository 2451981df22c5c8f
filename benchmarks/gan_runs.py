"""What the experiments on GANs share: trainings that are kept on disk, and the two networks that look at samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np
from numpy.typing import NDArray

import models.layers  # noqa: F401 - registers the layers of ours that a file may hold
from benchmarks.record import usable_cores, write_whole
from gan.health import Record, duplicate_share
from gan.recipes import GanRecipe
from gan.sampling import generate
from gan.scores import frechet_distance, kernel_distance, precision_recall_density_coverage
from gan.scores.extractors import score_name, weights_hash
from gan.training import DivergenceError, Score, train_gan
from models.fit import predict_logits
from pipelines.gans.judge import open_extractor
from pipelines.intervals import t_interval
from pipelines.quiet import load_tensorflow

if TYPE_CHECKING:
    from gan.scores.extractors import Extractor
    from pipelines.signs import SignDataset, Signs

Images = NDArray[np.uint8]
GENERATOR, COURSE, CHECKPOINT = "generator.keras", "course.json", "checkpoint.npz"
NEIGHBOURS = 5
PAPER: dict[str, Any] = {"generator_rate": 2e-4, "discriminator_rate": 2e-4, "beta_1": 0.5}
"""Adam as in the paper of the DCGAN (Radford 2016)."""
SHARES = ("called", "learned_called", "accuracy_score", "precision", "recall", "coverage", "duplicate_share")
"""Beginnings of the names of numbers that are shares."""


@dataclass(frozen=True)
class Course:
    """A training that is over.

    Attributes:
        generator: The averaged one, of the best report if there is an objective, else of the last step; of the last
            report if the training stopped early.
        records: As in `gan.training.TrainedGan`.
        reports: As there.
        stopped: Why it stopped before its last step; empty if it did not.
        cores: On which it ran.
    """

    generator: keras.Model
    records: list[Record]
    reports: list[dict[str, float]]
    stopped: str = ""
    cores: int = 0

    @property
    def seconds(self) -> float:
        """Of training and of scoring in its course."""
        return sum(report["seconds"] for report in self.reports)


@dataclass(frozen=True)
class Unit:
    """One training: what is done once, and not again when a comparison is continued.

    Attributes:
        name: Begins the name of its folder, which ends in a digest of all that decides the training.
        recipe: All choices.
        images: Real ones, uint8 (N, size, size, 3).
        labels: Their classes (N,).
        classes: Number of classes.
        seed: Of all that is random.
        report_every: Steps from one checkpoint to the next.
        given: What inputs that are images are made of, like `images`; None: the real images themselves.
        judged_by: All that decides the scores in its course, such as `Jury.about`; empty where there are none.
        objective: The score that is least in the generator that is kept; empty: the last one is.
        beside: Numbers of reports, from 1, whose generators are kept beside it.
    """

    name: str
    recipe: GanRecipe
    images: Images
    labels: NDArray[np.int64]
    classes: int
    seed: int = 0
    report_every: int = 500
    given: Images | None = None
    judged_by: Mapping[str, Any] = field(default_factory=dict)
    objective: str = ""
    beside: tuple[int, ...] = ()

    def folder(self, work: Path) -> Path:
        """Where it is kept."""
        about = {"classes": self.classes, "seed": self.seed, "every": self.report_every, "objective": self.objective}
        about["beside"] = self.beside
        arrays = [self.images, self.labels.astype(np.int64), *([] if self.given is None else [self.given])]
        return work / f"{self.name}-{digest({**asdict(self.recipe), **about}, dict(self.judged_by), *arrays)}"

    def run(self, work: Path, score: Score | None = None) -> Course:
        """Train, or go on with a training that was interrupted, or read one that is done.

        Args:
            work: Where it is kept.
            score: Takes the scores that `judged_by` is about.
        """
        folder = self.folder(work)
        if not (folder / COURSE).exists():
            click.echo(f"{self.name}: {self.recipe.steps} steps")
            records, reports, stopped = self._train(folder, score)
            kept = {"records": [asdict(record) for record in records], "reports": reports, "stopped": stopped}
            write_whole(folder / COURSE, json.dumps(kept | {"cores": usable_cores()}) + "\n")
        found = json.loads((folder / COURSE).read_text(encoding="utf-8"))
        found["records"] = [Record(**record) for record in found["records"]]
        return Course(keras.saving.load_model(folder / GENERATOR, compile=False), **found)

    def at(self, work: Path, report: int) -> keras.Model:
        """The generator of a report, of `beside`, of a training that is over."""
        return keras.saving.load_model(self._beside(self.folder(work), report), compile=False)

    @staticmethod
    def _beside(folder: Path, report: int) -> Path:
        return folder / f"report-{report:03d}.keras"

    def _train(self, folder: Path, score: Score | None) -> tuple[list[Record], list[dict[str, float]], str]:
        reports: list[dict[str, float]] = []

        def keep(numbers: dict[str, float], generator: keras.Model | None) -> None:
            reports.append(numbers)
            if generator is not None:
                _save(generator, folder / GENERATOR)
                if len(reports) in self.beside:
                    _save(generator, self._beside(folder, len(reports)))

        if not (folder / CHECKPOINT).exists():
            keras.utils.set_random_seed(self.seed)
            _save(self.recipe.build(self.images.shape[1], self.classes)[0], folder / GENERATOR)
        try:
            trained = train_gan(
                self.recipe,
                self.images,
                self.labels,
                classes=self.classes,
                seed=self.seed,
                report_every=self.report_every,
                score=score,
                objective=self.objective,
                checkpoint=folder / CHECKPOINT,
                on_report=keep,
                given=self.given,
            )
        except DivergenceError as error:
            return error.trained.records, reports, str(error)
        _save(trained.generator, folder / GENERATOR)
        return trained.records, trained.reports, ""


def digest(*parts: Any) -> str:
    """Ten digits that tell apart what is kept on disk: of arrays, and of what JSON has."""
    found = hashlib.sha256()
    for part in parts:
        array = isinstance(part, np.ndarray)
        found.update(np.ascontiguousarray(part).data if array else json.dumps(part, sort_keys=True).encode())
    return found.hexdigest()[:10]


def _save(model: keras.Model, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"part-{path.name}")
    model.save(beside)
    beside.replace(path)


@dataclass(frozen=True)
class Jury:
    """Who looks at samples: one network by its features, and another, the classifier, by its answers."""

    extractor: Extractor
    classifier: keras.Model

    def scores(self, real: NDArray[np.float32], images: Images, *, near: int = 0) -> dict[str, float]:
        """Scores of images by full name.

        Args:
            real: The extractor's features of the images to be like.
            images: uint8 (N, H, W, 3).
            near: Of how many real and other images, evenly from all, the scores of neighbours are; the coverage of all
                is given besides. 0: of all.
        """
        features = self.extractor.features(images)
        fewest = min(len(real), len(features))
        kernel = kernel_distance(real, features, subsets=100, subset_size=fewest // 2)
        found = {"kd": kernel.value, "kd_spread": kernel.spread}
        found["fd"] = frechet_distance(real, features, low_rank=True)
        k = min(NEIGHBOURS, min(fewest, near or fewest) - 1)
        found |= precision_recall_density_coverage(evenly(real, near), evenly(features, near), k=k)._asdict()
        if near:
            found["coverage_of_all"] = precision_recall_density_coverage(real, features, k=k).coverage
        found["duplicate_share"] = duplicate_share(images)
        return {score_name(name, self.extractor.name): value for name, value in found.items()}

    def distance(self, real: NDArray[np.float32], images: Images) -> float:
        """The kernel distance of images from those with these features."""
        features = self.extractor.features(images)
        return kernel_distance(real, features, subsets=0, subset_size=min(len(real), len(features))).value

    def named(self, score: str) -> str:
        """The full name of a score."""
        return score_name(score, self.extractor.name)

    def called(self, images: Images) -> NDArray[np.int64]:
        """The classes (N,) that the classifier takes images for."""
        found: NDArray[np.int64] = predict_logits(self.classifier, images).argmax(axis=1)
        return found

    def about(self) -> dict[str, Any]:
        """What decides scores and classes."""
        return {**self.about_scores(), "classifier_hash": weights_hash(self.classifier.get_weights())}

    def about_scores(self) -> dict[str, Any]:
        """What decides the scores, in which the classifier has no part."""
        extractor = self.extractor
        return {"extractor": extractor.name, "dimension": extractor.dimension, "hash": extractor.hash, "k": NEIGHBOURS}


def open_jury(extractor: str, classifier: Path, train: Signs) -> Jury:
    """Open both networks; the extractor as `pipelines.gan --extractor` does.

    Raises:
        click.BadParameter: there is no such classifier, or it is the extractor.
        InputError: there is no such extractor.
    """
    load_tensorflow()  # which would warn of each network that it traces
    if not classifier.is_file():
        raise click.BadParameter(f"--classifier {classifier}: there is no such file; give a .keras classifier")
    jury = Jury(open_extractor(extractor, train), keras.saving.load_model(classifier, compile=False))
    if jury.extractor.hash == weights_hash(jury.classifier.get_weights()):
        raise click.BadParameter(
            f"--classifier {classifier}: it is the extractor {extractor}, whose scores it would only repeat; "
            "give another network"
        )
    return jury


def make(
    unit: Unit,
    generator: keras.Model,
    n: int,
    *,
    images: Images | None = None,
    labels: NDArray[np.int64] | None = None,
) -> Images:
    """Generate n images with a unit's generator, from these images where it translates, of these classes (n,)."""
    source = unit.recipe.source
    given = images if source.kind == "image" else None
    return generate(generator, source, labels, n=n, random=drawn(unit.seed), images=given)


def drawn(seed: int) -> np.random.Generator:
    """Draws the latents of samples; those of training are of (seed, step)."""
    return np.random.default_rng((seed, 0, 1))


def evenly(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """So many of the rows, or all if they are fewer or the count is 0."""
    return rows[np.linspace(0, len(rows) - 1, min(count or len(rows), len(rows))).astype(int)]


def interval(values: Sequence[float], digits: int = 4, *, share: bool = False) -> dict[str, Any]:
    """Mean over seeds, Student's t interval of the mean, and each seed's value, for a result file.

    Args:
        values: One a seed.
        digits: After the point.
        share: They are shares: the interval ends at 0 and 1.
    """
    mean, low, high = t_interval(values)
    low, high = np.clip((low, high), 0, 1).tolist() if share else (low, high)
    return {**rounded({"mean": mean, "low": low, "high": high}, digits), "seeds": [round(v, digits) for v in values]}


def intervals(rows: Sequence[Mapping[str, Any]], digits: int = 4) -> dict[str, Any]:
    """One row of the rows of all seeds: the `interval` of what is a float in them, else what the first one has."""
    return {
        name: interval([float(row[name]) for row in rows], digits, share=name.startswith(SHARES))
        if isinstance(value, float)
        else value
        for name, value in rows[0].items()
    }


def of_classes(dataset: SignDataset, split: str, labels: Sequence[int]) -> Signs:
    """The signs of some classes in a split."""
    signs = dataset.read(split)
    return signs.take(np.isin(signs.label, labels))


def rounded(values: Mapping[str, Any], digits: int = 4) -> dict[str, Any]:
    """The same with fewer digits; what is not finite becomes None, which JSON has."""
    return {
        name: value if not isinstance(value, float) else round(value, digits) if np.isfinite(value) else None
        for name, value in values.items()
    }


def markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """A table; numbers stand to the right, those not whole with three significant digits, or three decimals below 1.

    Args:
        rows: Values by key; what is missing or None is left empty.
        columns: The heading of each key; an `interval` is shown as mean [low, high], with the decimals of the mean.
    """
    numeric = [any(isinstance(row.get(key), int | float | Mapping) for row in rows) for key in columns]
    lines = [f"| {' | '.join(columns.values())} |", f"|{'|'.join('---:' if each else '---' for each in numeric)}|"]
    lines += [f"| {' | '.join(_cell(row.get(key)) for key in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, Mapping) and value["mean"] is None):
        return ""
    if isinstance(value, Mapping):
        shown = [value["mean"]] if value["low"] is None else [value["mean"], value["low"], value["high"]]
        mean, *ends = (f"{number:.{_decimals(value['mean'])}f}" for number in shown)
        return f"{mean} [{', '.join(ends)}]" if ends else mean
    return f"{value:.{_decimals(value)}f}" if isinstance(value, float) else str(value)


def _decimals(value: float) -> int:
    """For three significant digits, and three decimals up to 1, as of shares; whole from 100 on."""
    return sum(abs(float(f"{value:.3g}")) <= bound for bound in (1, 9.99, 99.9))


Command = Callable[..., None]
JUDGED = (
    click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source."),
    click.option("--extractor", required=True, help="What scores: a .keras classifier, or NAME:WEIGHTS."),
    click.option("--classifier", required=True, type=Path, help="What names the samples: another classifier."),
)


def options(*, steps: int, seeds: int) -> Callable[[Command], Command]:
    """The options of the experiments that compare trainings of an equal number of steps.

    Args:
        steps: Of each training, by default.
        seeds: By default.
    """
    budget = (
        click.option("--steps", default=steps, show_default=True, help="Of each training."),
        click.option("--width", default=32, show_default=True, help="Of both networks."),
        click.option("--batch-size", default=64, show_default=True, help="Images a step."),
        seeds_option(seeds),
    )
    return together(*JUDGED, *budget)


def seeds_option(seeds: int) -> Callable[[Command], Command]:
    """How many trainings there are of each kind."""
    text = "Trainings of each kind, of seeds 0, 1, ...; a later start with more trains only these."
    return click.option("--seeds", type=click.IntRange(1), default=seeds, show_default=True, help=text)


def together(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options of click as one decorator."""

    def decorate(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return decorate
