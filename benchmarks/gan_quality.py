"""Whether the GANs are good enough: signs of one class after ten minutes, and of all classes after an hour.

    python -m benchmarks.gan_quality --extractor EXTRACTOR.keras --classifier CLASSIFIER.keras

Stop signs by the recipe `dcgan`, and all classes by `conditional`, each with several seeds. The generator that is kept
has the least kernel distance to validation signs; every number here is against test signs: how often the classifier
calls a sample by the class that was asked for, and distances and coverage by the features of the extractor. Beside the
samples stand real training signs (the floor); for one class a plain DCGAN with the first seed, after as many steps;
for all classes the generator after the first epoch, and class means with Gaussian jitter, whose strength is chosen in
their favour. The classification accuracy score is the accuracy on test signs of a network that has learned from samples
alone; beside it, from as many real signs.

Both networks' trainings and all scores that take long are kept in --work, so that an interrupted run goes on. On one
core a seed takes 8 minutes and 46, the plain DCGAN 15, and each accuracy score some 9. Writes
results/gan_quality.json, .md, .png (all classes) and gan_quality_one_class.png, and samples of four generators for
`score_disturbances` to --work/samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.gan_runs import (
    JUDGED,
    PAPER,
    Course,
    Images,
    Jury,
    Unit,
    digest,
    interval,
    intervals,
    make,
    markdown,
    of_classes,
    open_jury,
    seeds_option,
    together,
)
from benchmarks.record import RESULTS, Target, write_result, write_whole
from gan.recipes import GAN_RECIPES, GanRecipe
from gan.scores.accuracy import classification_accuracy_score
from models.fit import Examples, predict_logits
from models.recipes import RECIPES
from pipelines.reports.figures import save_png
from pipelines.reports.gan import samples_figure
from pipelines.signs import Signs, prepared
from pipelines.training import train_network

if TYPE_CHECKING:
    import keras

    from pipelines.signs import SignDataset

CHOOSING, SCORED, ONE_CLASS = 1000, 5000, 1000
"""Samples by which a generator is chosen, and that are scored: of all classes, of one."""
DISTINCT = 500
"""Images of all classes of which the scores of neighbours are, evenly from all: on average about one of each track of
the test set. Of 5,000 the nearest neighbours of a sign are other frames of its track, which no other sign is as near
to, so that other real signs cover no more than 0.63 of them."""
REPORTS = 16
"""Of a training on one class."""
BESIDE = (1, 3, 10)
"""Reports, one an epoch, whose generators `score_disturbances` gets besides the best one."""
JITTERS = (0.02, 0.05, 0.1, 0.2)
"""Sigma on the [0, 1] scale of the noise on class means."""
STUDENT = RECIPES["default"].updated(epochs=8)
"""The network of the classification accuracy score."""
COLUMNS, ROWS, A_CLASS = 12, 3, 5
"""Samples across and down in the picture of one class, and of each class in that of all."""
OURS, PLAIN, REAL = "generated", "by a plain DCGAN", "real training signs"
AS_PAPER = PAPER | {"dropout": 0.0}
"""What the plain DCGAN has of the paper; with their own, the networks of TensorFlow's tutorial make no sign yet from as
many images, and with their dropout only one."""
THIRD, CLEARLY = 1 / 3, 1 / 2
"""Of another's distance: the bar for all classes, and what is called clearly better."""


@click.command()
@together(*JUDGED, seeds_option(3))
@click.option("--class", "label", default=14, show_default=True, help="The one class, by number.")
@click.option(
    "--class-steps", default=GAN_RECIPES["dcgan"].steps, show_default=True, help="Of the training on one class."
)
@click.option("--steps", default=GAN_RECIPES["conditional"].steps, show_default=True, help="Of that on all classes.")
@click.option("--work", default=Path("output/gan_quality"), show_default=True, type=Path)
@click.option("--output", default=RESULTS / "gan_quality.json", show_default=True, type=Path)
def main(
    data: str,
    extractor: str,
    classifier: Path,
    seeds: int,
    label: int,
    class_steps: int,
    steps: int,
    work: Path,
    output: Path,
) -> None:
    """Train what is not trained yet, and score it."""
    dataset = prepared(data)
    jury = open_jury(extractor, classifier, dataset.read("train"))
    one = OneClass(dataset, jury, label, class_steps, work)
    every = AllClasses(dataset, jury, steps, work)
    of_one = [[one.row(OURS, seed) for seed in range(seeds)], [one.row(PLAIN, 0)], [one.floor()]]
    of_all = [*zip(*(every.rows(seed) for seed in range(seeds)), strict=True), [every.floor()]]
    found = {"one_class": of_one, "all_classes": of_all}
    tables = {name: [intervals(of_seeds) for of_seeds in rows] for name, rows in found.items()}
    about = {"data": dataset.name, "digest": dataset.digest, "class": dataset.class_names[label], "seeds": seeds}
    about |= {"steps": {"one_class": class_steps, "all_classes": steps}, **jury.about()}
    about |= {"class_accuracy": every.per_class(seeds)}
    goals = [*one_class_targets(tables["one_class"], jury), *all_classes_targets(tables["all_classes"], jury)]
    write_result(output, about | tables, targets=goals, packages=("keras", "tensorflow"))
    write_whole(output.with_suffix(".md"), report(tables, jury))
    save_png(one.sheet(), output.with_name(f"{output.stem}_one_class.png"))
    save_png(every.sheet(), output.with_suffix(".png"))
    every.leave_samples(work / "samples")


@dataclass(frozen=True)
class OneClass:
    """The GAN of one class, and all that judges it."""

    dataset: SignDataset
    jury: Jury
    label: int
    steps: int
    work: Path

    @cached_property
    def signs(self) -> dict[str, Signs]:
        """Of this class, by split."""
        return {split: of_classes(self.dataset, split, [self.label]) for split in ("train", "validation", "test")}

    @cached_property
    def real(self) -> NDArray[np.float32]:
        """The extractor's features of test signs."""
        return self.jury.extractor.features(self.signs["test"].image)

    @cached_property
    def recipes(self) -> dict[str, GanRecipe]:
        """By the name of their row: ours, and the networks of TensorFlow's tutorial with the Adam of the paper."""
        ours = GAN_RECIPES["dcgan"].updated(steps=self.steps)
        return {
            OURS: ours,
            PLAIN: GAN_RECIPES["tutorial"].updated(steps=ours.steps, batch_size=ours.batch_size, **AS_PAPER),
        }

    def course(self, seed: int, recipe: GanRecipe) -> tuple[Unit, Course]:
        """The training by a recipe with a seed."""
        train, every = self.signs["train"], max(1, recipe.steps // REPORTS)
        unit = Unit("one-class", recipe, train.image, train.label, len(self.dataset.class_names), seed, every)
        return learned(unit, self.jury, self.signs["validation"], self.work)

    def row(self, name: str, seed: int) -> dict[str, Any]:
        """What a seed makes of the recipe of this name."""
        unit, course = self.course(seed, self.recipes[name])
        found = {"name": name, **self._scored(make(unit, course.generator, ONE_CLASS)), **took(course)}
        click.echo(f"seed {seed}, {name}: {found['called']:.1%} are called the class, {found['minutes']:.1f} min")
        return found

    def floor(self) -> dict[str, Any]:
        """Real training signs in the samples' place."""
        return {"name": REAL, **self._scored(some(self.signs["train"], ONE_CLASS).image)}

    def _scored(self, images: Images) -> dict[str, float]:
        called = float(np.mean(self.jury.called(images) == self.label))
        return {"called": called, **self.jury.scores(self.real, images)}

    def sheet(self) -> Any:
        """Real signs, and samples of the first seed, none of them chosen."""
        shown = {REAL: some(self.signs["train"], COLUMNS * ROWS).image}
        for name, recipe in self.recipes.items():
            unit, course = self.course(0, recipe)
            shown[name] = make(unit, course.generator, COLUMNS * ROWS)
        labels = [label for name in shown for label in (name, *[""] * (ROWS - 1))]
        title = f"One class: {self.dataset.class_names[self.label]}"
        return samples_figure(np.concatenate([*shown.values()]), labels, title, columns=COLUMNS)


@dataclass(frozen=True)
class AllClasses:
    """The GAN of all classes, and all that judges it."""

    dataset: SignDataset
    jury: Jury
    steps: int
    work: Path

    @cached_property
    def train(self) -> Signs:
        """What it learns."""
        return self.dataset.read("train")

    @cached_property
    def test(self) -> Signs:
        """What its samples are compared with; as many are generated, of the same classes."""
        return self.dataset.read("test", limit=SCORED)

    @cached_property
    def real(self) -> NDArray[np.float32]:
        """The extractor's features of these."""
        return self.jury.extractor.features(self.test.image)

    def course(self, seed: int) -> tuple[Unit, Course]:
        """The training with a seed, a report an epoch."""
        recipe = GAN_RECIPES["conditional"].updated(steps=self.steps)
        unit = Unit("all-classes", recipe, self.train.image, self.train.label, len(self.dataset.class_names), seed)
        unit = replace(unit, report_every=max(1, len(self.train) // recipe.batch_size), beside=BESIDE)
        return learned(unit, self.jury, self.dataset.read("validation", limit=CHOOSING), self.work)

    def rows(self, seed: int) -> list[dict[str, Any]]:
        """The table of a seed: the generator, that of the first epoch, and jittered class means."""
        unit, course = self.course(seed)
        samples = {OURS: self._generate(unit, course.generator, self.test.label)}
        samples["after the first epoch"] = self._generate(unit, unit.at(self.work, 1), self.test.label)
        found = [{"name": name, **self._scored(images)} for name, images in samples.items()]
        found[0] |= {"accuracy_score": self._accuracy_score(unit, course, seed), **took(course)}
        click.echo(f"seed {seed}: {found[0]['called']:.1%} of the samples are called by their class")
        return [*found, {"name": "class means, jittered", **self._jittered(seed)}]

    def floor(self) -> dict[str, Any]:
        """Real training signs in the samples' place."""
        images = some(self.train, SCORED)
        found = {"name": REAL, **self._scored(images.image, images.label)}
        return found | {"accuracy_score": self._student(self.train.image, 0)}

    def per_class(self, seeds: int) -> dict[str, Any]:
        """By class: the share of its samples that are called by it."""
        called = []
        for seed in range(seeds):
            unit, course = self.course(seed)
            called.append(self.jury.called(self._generate(unit, course.generator, self.test.label)) == self.test.label)
        return {
            self.dataset.class_names[label]: interval(
                [float(right[self.test.label == label].mean()) for right in called], share=True
            )
            for label in np.unique(self.test.label).tolist()
        }

    def sheet(self) -> Any:
        """A row a class: its first test sign, a gap, and samples of the first seed; none is chosen."""
        unit, course = self.course(0)
        labels, first = np.unique(self.test.label, return_index=True)
        real, names = self.test.image[first], [self.dataset.class_names[label] for label in labels]
        samples = self._generate(unit, course.generator, np.repeat(labels, A_CLASS))
        rows = zip(real, np.full_like(real, 255), samples.reshape(len(names), A_CLASS, *real.shape[1:]), strict=True)
        pictures = np.concatenate([np.stack([sign, gap, *made]) for sign, gap, made in rows])
        return samples_figure(pictures, names, "A real sign | generated ones", columns=2 + A_CLASS)

    def leave_samples(self, folder: Path) -> None:
        """Write samples of generators of several ages, each to NAME.npy."""
        unit, course = self.course(0)
        count = len(course.reports)
        generators = {f"epoch_{number}": unit.at(self.work, number) for number in BESIDE if number < count}
        folder.mkdir(parents=True, exist_ok=True)
        labels = np.random.default_rng(0).permutation(self.test.label)  # score_disturbances takes the first ones
        for name, generator in (generators | {"best": course.generator}).items():
            np.save(folder / f"{name}.npy", self._generate(unit, generator, labels))

    def _generate(self, unit: Unit, generator: keras.Model, labels: NDArray[np.int64]) -> Images:
        return make(unit, generator, len(labels), labels=labels)

    def _scored(self, images: Images, labels: NDArray[np.int64] | None = None) -> dict[str, float]:
        asked = self.test.label if labels is None else labels
        called = float(np.mean(self.jury.called(images) == asked))
        return {"called": called, **self.jury.scores(self.real, images, near=DISTINCT)}

    def _jittered(self, seed: int) -> dict[str, float]:
        """Scores of class means, each at the jitter at which it is best."""
        tried = [self._scored(jittered(self.train, self.test.label, sigma, seed)) for sigma in JITTERS]
        least = {self.jury.named(name) for name in ("kd", "kd_spread", "fd", "duplicate_share")}
        return {name: (min if name in least else max)(each[name] for each in tried) for name in tried[0]}

    def _accuracy_score(self, unit: Unit, course: Course, seed: int) -> float:
        """Of a network that has learned from as many samples as there are training signs, of their classes."""
        return self._student(self._generate(unit, course.generator, self.train.label), seed)

    def _student(self, images: Images, seed: int) -> float:
        """Accuracy on all test signs of a network that has learned these images, of the training signs' classes."""
        test, classes = self.dataset.read("test"), len(self.dataset.class_names)

        def answers(images: Images, labels: NDArray[np.integer[Any]], asked: Images) -> NDArray[np.int64]:
            student = train_network(STUDENT, Examples(images, labels), None, classes=classes, seed=seed).model
            found: NDArray[np.int64] = predict_logits(student, asked).argmax(axis=1)
            return found

        def score() -> float:
            return classification_accuracy_score(answers, images, self.train.label, test.image, test.label).accuracy

        key = digest(asdict(STUDENT), seed, images, self.train.label, test.image, test.label)
        return kept(self.work / f"accuracy-{key}.json", score)


def learned(unit: Unit, jury: Jury, validation: Signs, work: Path) -> tuple[Unit, Course]:
    """A training whose generator is chosen by the kernel distance of as many samples to validation signs."""
    real = jury.extractor.features(validation.image)
    labels = validation.label if unit.recipe.conditional else None
    unit = replace(unit, judged_by=jury.about_scores() | {"real": digest(real, validation.label)}, objective="kd")

    def score(generator: keras.Model) -> dict[str, float]:
        return {"kd": jury.distance(real, make(unit, generator, len(validation), labels=labels))}

    return unit, unit.run(work, score)


def took(course: Course) -> dict[str, Any]:
    """What a training cost."""
    return {"minutes": course.seconds / 60, "cores": course.cores}


def some(signs: Signs, count: int) -> Signs:
    """As many at random, or all."""
    return signs.take(np.random.default_rng(0).permutation(len(signs))[:count])


def jittered(signs: Signs, labels: NDArray[np.int64], sigma: float, seed: int) -> Images:
    """The mean image of each of these classes (N,), with Gaussian noise of this deviation on the [0, 1] scale."""
    means = {label: signs.image[signs.label == label].mean(axis=0) for label in np.unique(labels).tolist()}
    noisy = np.stack([means[label] for label in labels.tolist()]).astype(np.float32)
    noisy += 255 * sigma * np.random.default_rng((seed, 3)).standard_normal(noisy.shape, np.float32)
    made: Images = np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
    return made


def kept(path: Path, compute: Callable[[], float]) -> float:
    """A number that is computed once."""
    if not path.exists():
        write_whole(path, json.dumps(compute()) + "\n")
    return float(json.loads(path.read_text(encoding="utf-8")))


def one_class_targets(rows: Sequence[Mapping[str, Any]], jury: Jury) -> list[Target]:
    """Of the worst seed."""
    made, plain, _ = rows
    distance = jury.named("kd")
    better = max(made[distance]["seeds"]) / plain[distance]["mean"]
    return [
        Target("one class: minutes of training, most of the seeds", max(made["minutes"]["seeds"]), at_most=10),
        Target("one class: share called the class, least of the seeds", min(made["called"]["seeds"]), at_least=0.95),
        Target("one class: kd over that of a plain DCGAN, most of the seeds", better, at_most=CLEARLY),
    ]


def all_classes_targets(rows: Sequence[Mapping[str, Any]], jury: Jury) -> list[Target]:
    """Of the worst seed."""
    made, first, means, _ = rows
    coverage, of_all = (made[jury.named(name)]["seeds"] for name in ("coverage", "coverage_of_all"))
    found = [
        Target("all classes: minutes of training, most of the seeds", max(made["minutes"]["seeds"]), at_most=60),
        Target("all classes: share called the class asked for, least", min(made["called"]["seeds"]), at_least=0.9),
        Target(f"all classes: coverage of {DISTINCT} signs, least of the seeds", min(coverage), at_least=0.6),
        Target(f"all classes: coverage of {SCORED} signs, least of the seeds", min(of_all), at_least=0.6),
        Target("all classes: classification accuracy score, least", min(made["accuracy_score"]["seeds"]), at_least=0.9),
    ]
    for name in ("kd", "fd"):
        for other in (first, means):
            what = f"all classes: {name} over that of {other['name']}, most of the seeds"
            found.append(Target(what, worst_ratio(made, other, jury.named(name)), at_most=THIRD))
    return found


def worst_ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any], score: str) -> float:
    """The greatest ratio of a score in two rows with the same seeds."""
    pairs = zip(ours[score]["seeds"], theirs[score]["seeds"], strict=True)
    return float(max(one / other for one, other in pairs))


def report(tables: Mapping[str, Sequence[Mapping[str, Any]]], jury: Jury) -> str:
    """Both tables."""
    columns = {"name": "", "called": "called the class", "accuracy_score": "classification accuracy score"}
    columns |= {jury.named("kd"): "kernel distance", jury.named("fd"): "Frechet distance"}
    columns |= {jury.named(name): name for name in ("precision", "recall", "density", "coverage")}
    columns |= {jury.named("coverage_of_all"): "coverage of all", jury.named("duplicate_share"): "duplicates"}
    columns |= {"minutes": "minutes", "cores": "on cores"}
    about = (
        f"Scores by the features of {jury.extractor.name} ({jury.extractor.dimension} dimensions). Of all classes the "
        f"scores of neighbours (precision to coverage) are of {DISTINCT} signs, on average about one of each track: "
        f"among {SCORED:,} the nearest neighbours of a sign are other frames of its track. "
    )
    about += (
        "The plain DCGAN has the networks of TensorFlow's tutorial, Adam and no dropout as in the paper, and as many "
        "steps. "
    )
    parts = []
    for name, rows in tables.items():
        filled = {key: heading for key, heading in columns.items() if any(key in row for row in rows)}
        parts.append(f"### {name.capitalize().replace('_', ' ')}\n\n{markdown(rows, filled)}")
    return "\n".join([*parts, f"{about}Mean of the seeds and its 95% interval.\n"])


if __name__ == "__main__":
    main()
