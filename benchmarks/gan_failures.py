"""The four failures of `gan.health`, each provoked on purpose, and the same training with a cure.

    python -m benchmarks.gan_failures --extractor EXTRACTOR.keras --classifier CLASSIFIER.keras

For each failure two trainings on the same images that differ in a few choices. Recall, coverage, duplicates and the
classes of samples are measured 20 times in each. Trainings are kept in --work, so that an interrupted run goes on. One
seed takes about an hour on two cores; with --seeds 3 those of the first are kept, and the table counts in how many a
failure was found. Writes results/gan_failures.json, .md and, of the first seed, .png.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from benchmarks.gan_runs import (
    NEIGHBOURS,
    PAPER,
    Course,
    Images,
    Jury,
    Unit,
    digest,
    evenly,
    make,
    markdown,
    open_jury,
    options,
)
from benchmarks.record import RESULTS, Target, write_result, write_whole
from gan.health import (
    DIVERGED,
    FEWEST_REPORTS,
    UNEVEN,
    WINDOW,
    WON,
    Record,
    Samples,
    class_entropy,
    diagnose,
    duplicate_share,
    first_counted,
    gone_below,
    trailing_median,
)
from gan.recipes import GAN_RECIPES, GanRecipe
from gan.scores import precision_recall_density_coverage
from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK, MUTED, WRONG, new_figure, save_png, styled
from pipelines.reports.gan import image_grid
from pipelines.signs import prepared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipelines.signs import Signs

REPORTS = 20
SHOWN = 12
COLUMN, BLOCK = 3.75, 2.75
"""Width and height in inches of one training in the figure."""
COLUMNS = {"failure": "provoked", "training": "training", "times": "found in", "found": "all that was found"}


@dataclass(frozen=True)
class Panel:
    """What shows a failure: fields of records or of samples, each with its label and colour, and the rule's bound."""

    title: str
    curves: Mapping[str, tuple[str, str]]
    bound: float | None
    logarithmic: bool = False


PANELS = {
    "vanishing_gradient": Panel(
        "norm of the generator's gradient", {"generator_gradient": ("generator", CURVE)}, None, logarithmic=True
    ),
    "discriminator_wins": Panel(
        "share of images taken for what they are",
        {"real_accuracy": ("real", CURVE), "fake_accuracy": ("generated", FAILS)},
        WON,
    ),
    "diverged": Panel(
        "size of both losses",
        {"generator_loss": ("generator", CURVE), "discriminator_loss": ("discriminator", FAILS)},
        DIVERGED,
        logarithmic=True,
    ),
    "mode_collapse": Panel(
        "what samples show",
        {
            "entropy": ("entropy of classes", INK),
            "recall": ("recall", CURVE),
            "coverage": ("coverage", BEGINS),
            "duplicate_share": ("duplicates", FAILS),
        },
        UNEVEN,
    ),
}
"""By failure."""

BARE: dict[str, Any] = PAPER | {"ema": 0.998, "augmentation": "none", "r1": 0.0}
STRONG: dict[str, Any] = BARE | {"discriminator_rate": 1e-3, "generator_rate": 1e-4}
SURE: dict[str, Any] = BARE | {"discriminator_rate": 1e-3, "generator_rate": 1e-5}
CAREFUL: dict[str, Any] = {"augmentation": "color+translation+cutout", "r1": 1.0}


@dataclass(frozen=True)
class Provocation:
    """A failure, and two trainings.

    Attributes:
        provoked: Changes of the recipe `dcgan` that bring the failure about.
        cured: Changes that keep it away.
        said: The difference of the two, in words.
        classes: Signs that are learned.
        limit: How many of them; 0: all.
    """

    provoked: Mapping[str, Any]
    cured: Mapping[str, Any]
    said: tuple[str, str]
    classes: tuple[int, ...] = (14,)
    limit: int = 0

    @property
    def pair(self) -> list[tuple[str, Mapping[str, Any], str]]:
        """Both trainings: how each is called, its changes, and these in words."""
        return [("provoked", self.provoked, self.said[0]), ("cured", self.cured, self.said[1])]


PROVOCATIONS = {
    "vanishing_gradient": Provocation(
        SURE | {"loss": "minimax"},
        SURE | {"loss": "non_saturating"},
        ("minimax loss, a discriminator that learns 100 times as fast", "non-saturating loss, the same discriminator"),
    ),
    "discriminator_wins": Provocation(
        STRONG,
        STRONG | CAREFUL,
        ("60 images, no augmentation, a fast discriminator", "the same with augmentation and R1 penalty"),
        limit=60,
    ),
    "diverged": Provocation(
        BARE | {"loss": "wasserstein_gp", "generator_rate": 0.05, "discriminator_rate": 0.05},
        BARE | {"loss": "wasserstein_gp"},
        ("Wasserstein loss with gradient penalty, learning rates of 0.05", "learning rates of 0.0002"),
    ),
    "mode_collapse": Provocation(
        BARE | {"generator_rate": 5e-3, "ema": 0.0},
        PAPER | CAREFUL | {"minibatch_deviation": True, "ema": 0.0},
        ("a generator that learns 25 times as fast", "equal rates, minibatch deviation, augmentation, R1 penalty"),
        classes=(1, 12, 13, 14, 17, 25, 35, 38),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """One of the two trainings, and what the rules say of it."""

    said: str
    course: Course
    watched: Sequence[Samples]
    samples: Images = field(repr=False)

    @property
    def detected(self) -> dict[str, int]:
        """First steps of failures."""
        return diagnose(self.course.records, self.watched)


Found = dict[str, list[tuple[Outcome, Outcome]]]
"""By failure, of each seed: the training that provokes it, and the one with the cure."""


@click.command()
@options(steps=3000, seeds=1)
@click.option("--samples", default=256, show_default=True, help="Generated images of each report.")
@click.option("--work", default=Path("output/gan_failures"), show_default=True, type=Path)
@click.option("--output", default=RESULTS / "gan_failures.json", show_default=True, type=Path)
def main(
    data: str,
    extractor: str,
    classifier: Path,
    samples: int,
    work: Path,
    output: Path,
    seeds: int,
    width: int,
    **changes: int,
) -> None:
    """Train what is not trained yet, and see what the rules find."""
    dataset = prepared(data)
    signs = {split: dataset.read(split) for split in ("train", "validation")}
    jury = open_jury(extractor, classifier, signs["train"])
    base = GAN_RECIPES["dcgan"].updated(width=width, discriminator_width=width, **changes)
    found: Found = {failure: [] for failure in PROVOCATIONS}
    for seed in range(seeds):
        for failure, provocation in PROVOCATIONS.items():
            train = chosen(signs["train"], provocation.classes, provocation.limit)
            real = jury.extractor.features(chosen(signs["validation"], provocation.classes, samples).image)
            watch = Watch(jury, real, provocation.classes, samples)
            pair = [
                watch.outcome(unit(f"{failure}-{kind}", base.updated(**given), train, seed), said, work)
                for kind, given, said in provocation.pair
            ]
            found[failure].append((pair[0], pair[1]))
            click.echo(f"{failure}: provoked {pair[0].detected}, cured {pair[1].detected}")
    rows = [row for failure, pairs in found.items() for row in rows_of(failure, pairs)]
    about = {"data": dataset.name, "digest": dataset.digest, "samples": samples, "seeds": seeds, "width": width}
    about |= {**changes, **jury.about()}
    write_result(output, about | {"trainings": rows}, targets=targets(found), packages=("keras", "tensorflow"))
    named = [row | {"failure": row["failure"].replace("_", " ")} for row in rows]
    write_whole(output.with_suffix(".md"), markdown(named, COLUMNS))
    first = {failure: pairs[0] for failure, pairs in found.items()}
    save_png(failures_figure(first), output.with_suffix(".png"))


def chosen(signs: Signs, classes: Sequence[int], limit: int) -> Signs:
    """The signs of these classes, or at most `limit` of them, evenly from all."""
    some = signs.take(np.isin(signs.label, classes))
    return some.take(evenly(np.arange(len(some)), limit))


def unit(name: str, recipe: GanRecipe, signs: Signs, seed: int) -> Unit:
    """A training with `REPORTS` reports."""
    every = max(1, recipe.steps // REPORTS)
    return Unit(name, recipe, signs.image, signs.label, int(signs.label.max()) + 1, seed, report_every=every)


@dataclass(frozen=True)
class Watch:
    """What looks at samples in the course of a training: recall, coverage, duplicates, classes.

    Attributes:
        jury: Who looks at them.
        real: The extractor's features of held-out signs.
        classes: Those that are learned.
        count: Samples in a report.
    """

    jury: Jury
    real: NDArray[np.float32]
    classes: Sequence[int]
    count: int

    def outcome(self, trained: Unit, said: str, work: Path) -> Outcome:
        """Train, or read what is done."""
        judged_by = self.jury.about() | {"real": digest(self.real), "count": self.count, "classes": list(self.classes)}
        trained = replace(trained, judged_by=judged_by)
        course = trained.run(work, lambda generator: self.numbers(make(trained, generator, self.count)))
        samples = make(trained, course.generator, SHOWN)
        return Outcome(said, course, [self.watched(report) for report in course.reports], samples)

    def numbers(self, images: Images) -> dict[str, float]:
        """Of a report."""
        features, called = self.jury.extractor.features(images), self.jury.called(images)
        near = precision_recall_density_coverage(self.real, features, k=NEIGHBOURS)
        found = {"recall": near.recall, "coverage": near.coverage, "duplicate_share": duplicate_share(images)}
        return found | {_called(label): float(np.sum(called == label)) for label in self.classes}

    def watched(self, report: Mapping[str, float]) -> Samples:
        """The same for the rules; one class has no entropy."""
        counts = [int(report[_called(label)]) for label in self.classes] if len(self.classes) > 1 else []
        shares = {name: report[name] for name in ("recall", "coverage", "duplicate_share")}
        return Samples(int(report["step"]), tuple(counts), **shares)


def _called(label: int) -> str:
    return f"called/{label:02d}"


def series(outcome: Outcome) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records by step, and reports on samples, with the `entropy` of their classes."""
    records, samples = (
        pd.DataFrame([asdict(entry) for entry in entries], columns=[field.name for field in fields(kind)])
        for kind, entries in ((Record, outcome.course.records), (Samples, outcome.watched))
    )
    records, samples = records.set_index("step"), samples.set_index("step")
    counts = samples.pop("classes")
    return records, samples.assign(entropy=[_entropy(each) for each in counts])


def _entropy(counts: Sequence[int]) -> float:
    """As a share of its maximum; NaN where nothing is known."""
    return class_entropy(np.repeat(np.arange(len(counts)), counts), len(counts)) if sum(counts) else np.nan


def rows_of(failure: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> list[dict[str, Any]]:
    """Both trainings as rows of the table, with what was found with each seed."""
    rows = []
    for provoked, outcomes in zip((True, False), zip(*pairs, strict=True), strict=True):
        count = sum(failure in outcome.detected for outcome in outcomes)
        seeds = [{"detected": each.detected, "stopped": each.course.stopped} for each in outcomes]
        rows.append(
            {
                "failure": failure,
                "training": outcomes[0].said,
                "provoked": provoked,
                "times": f"{count} of {len(outcomes)}",
                "found": "; ".join(words(outcome.detected) for outcome in outcomes),
                "seeds": seeds,
            }
        )
    return rows


def targets(found: Found) -> list[Target]:
    """Each failure is found where it is provoked, and not where it is cured, with each seed."""
    both = []
    for failure, pairs in found.items():
        name, shares = (
            failure.replace("_", " "),
            np.mean([[failure in one.detected for one in pair] for pair in pairs], 0),
        )
        both.append(Target(f"{name}, share of seeds with which it is found where provoked", shares[0], at_least=1))
        both.append(Target(f"{name}, share of seeds with which it is found with its cure", shares[1], at_most=0))
    return both


def words(detected: Mapping[str, int]) -> str:
    """What was found, and when."""
    in_order = sorted(detected, key=detected.__getitem__)
    return ", ".join(f"{name.replace('_', ' ')} at step {detected[name]}" for name in in_order) or "nothing"


def failures_figure(found: Mapping[str, tuple[Outcome, Outcome]]) -> Figure:
    """Draw for each failure the curves and samples of both trainings; a line marks the step at which it was found."""
    height = BLOCK * len(found)
    with styled():
        figure = new_figure(2 * COLUMN + 0.1, height)
        for row, (failure, pair) in enumerate(found.items()):
            curves = []
            for column, outcome in enumerate(pair):
                left, top = 0.5 + COLUMN * column, height - BLOCK * row
                curves.append(_axes(figure, left, top - 2.0, COLUMN - 0.55, 1.3))
                _curves(curves[-1], failure, outcome)
                strip = _axes(figure, left, top - 2.55, COLUMN - 0.55, 0.29)
                strip.imshow(image_grid(outcome.samples, SHOWN), interpolation="nearest")
                strip.set_axis_off()
            ends = np.array([axes.get_ylim() for axes in curves])
            for axes in curves:
                axes.set_ylim(ends[:, 0].min(), ends[:, 1].max())
            title = f"{failure.replace('_', ' ').capitalize()}: {PANELS[failure].title}"
            curves[0].text(0, 1.37, title, transform=curves[0].transAxes, weight="bold", size=9.5)
            if len(PANELS[failure].curves) > 1:
                curves[1].legend(loc="lower right", bbox_to_anchor=(1.02, 1.31), ncols=4, fontsize=7)
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _curves(axes: Axes, failure: str, outcome: Outcome) -> None:
    """One training: what was measured and its medians as the rule sees them, its bound, the step at which it held."""
    panel, (records, samples) = PANELS[failure], series(outcome)
    of_samples = failure == "mode_collapse"
    frame = (samples if of_samples else records)[list(panel.curves)]
    start, fewest = (first_counted(outcome.watched), FEWEST_REPORTS) if of_samples else (0, WINDOW)
    for name, (label, colour) in panel.curves.items():
        if frame[name].notna().any():
            axes.plot(frame.index, frame[name].abs(), color=colour, linewidth=0.5, alpha=0.3)
            medians = trailing_median(frame[name].to_numpy()[start:], fewest)
            axes.plot(frame.index[start:], np.abs(medians), color=colour, linewidth=1.3, label=label)
    bound = gone_below(outcome.course.records) if panel.bound is None else np.full(len(frame), panel.bound)
    axes.plot(frame.index, bound, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    if failure in outcome.detected:
        axes.axvline(outcome.detected[failure], color=WRONG, linewidth=1.2, linestyle=(0, (4, 2)))
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(-0.03, 1.03)
    axes.tick_params(which="both", length=0)
    axes.grid(axis="y")
    axes.text(0, 1.21, outcome.said, transform=axes.transAxes, color=INK, size=7)
    colour = WRONG if failure in outcome.detected else MUTED
    found = words(outcome.detected).replace(" at step ", " at ")
    axes.text(0, 1.07, f"found: {found}", transform=axes.transAxes, color=colour, size=6)


if __name__ == "__main__":
    main()
