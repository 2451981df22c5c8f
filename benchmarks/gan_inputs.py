"""What enters a generator, what it minimises, and how it is built, compared at an equal number of steps on one class.

    python -m benchmarks.gan_inputs --extractor EXTRACTOR.keras --classifier CLASSIFIER.keras

The same GAN with every latent, with every loss and with every generator that takes vectors. Latents that are images go
through the image-to-image recipe; their inputs are made of validation signs, whose tracks no training has seen. Two
steps (arXiv 1905.13456): what the GAN of the gaussian latent makes is translated by an image-to-image GAN, that was
trained on real signs. Scores are against the test signs; the last generator is taken, none is chosen by its score.
Trainings are kept in --work, so that an interrupted comparison goes on. One seed takes about an hour on two cores and
shows no more than large differences; with --seeds 3 those of the first are kept, and each number has a 95% interval by
Student's t. Writes results/gan_inputs.json, .md, .png, and gan_losses.png and gan_generators.png beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.gan_runs import Images, Jury, Unit, drawn, intervals, make, markdown, of_classes, open_jury, options
from benchmarks.record import RESULTS, write_result, write_whole
from gan.health import DUPLICATES
from gan.latents import LATENTS, Latent
from gan.losses import LOSSES
from gan.recipes import GAN_RECIPES, GanRecipe
from gan.sampling import with_pixels
from pipelines.reports.figures import save_png
from pipelines.reports.gan import samples_figure
from pipelines.signs import Signs, prepared
from pipelines.sources.rendered import render

LATENT, LOSS, GENERATOR = "gaussian", "non_saturating", GAN_RECIPES["dcgan"].generator
"""Each is what it is where another is compared."""
GENERATORS = ("resize", "transposed", "style")
SECOND_STEPS = ("blurred", "edges")
"""Image-to-image GANs that translate the first one's samples."""
DRAWN = "pictogram"
"""The latent that is made of rendered signs instead of real ones."""
AROUND = ("gaussian", "truncated_gaussian", "spherical", "mixture")
"""Latents of nearly one length, between which one goes along a sphere (White 2016)."""
SHOWN = 8
"""Samples in a row of a figure, and images from one latent to another."""


@dataclass(frozen=True)
class Row:
    """One generator of the comparison: samples, scores, and the images beside its samples in the figure."""

    name: str
    numbers: Mapping[str, Any]
    samples: Images
    beside: Images


@click.command()
@options(steps=1000, seeds=1)
@click.option("--class", "label", default=14, show_default=True, help="The class that is generated, by number.")
@click.option("--work", default=Path("output/gan_inputs"), show_default=True, type=Path)
@click.option("--output", default=RESULTS / "gan_inputs.json", show_default=True, type=Path)
def main(
    data: str, extractor: str, classifier: Path, label: int, work: Path, output: Path, seeds: int, **changes: int
) -> None:
    """Train what is not trained yet, and compare."""
    dataset = prepared(data)
    train, given, real = (of_classes(dataset, split, [label]) for split in ("train", "validation", "test"))
    jury = open_jury(extractor, classifier, train)
    compare = Comparison(jury, jury.extractor.features(real.image), label, work, given.image, drawn_signs(given))
    learned = (train.image, train.label, len(dataset.class_names))
    rows = [compare.all_rows(units(learned, drawn_signs(train), seed, **changes)) for seed in range(seeds)]
    some = train.image[np.random.default_rng(0).permutation(len(train))[: len(given)]]
    floors = [compare.floor("real training signs", some), compare.floor("real validation signs", given.image)]
    tables = {
        table: [
            intervals([row.numbers for row in of_seeds])
            for of_seeds in zip(*(each[table] for each in rows), strict=True)
        ]
        for table in rows[0]
    }
    about = {"data": dataset.name, "digest": dataset.digest, "class": label, "samples": len(given), "real": len(real)}
    about |= {"seeds": seeds, **changes, **jury.about(), "floors": floors}
    about |= {"findings": [finding(table, compared, jury) for table, compared in tables.items()]}
    write_result(output, about | tables, packages=("keras", "tensorflow"))
    write_whole(output.with_suffix(".md"), report(tables, floors, jury))
    for table, compared in rows[0].items():
        title = "from one latent to another" + (", or what entered" if table == "inputs" else "")
        picture = sheet(compared, f"{table.capitalize()}: samples | {title}")
        save_png(picture, output.with_name(f"gan_{table}.png"))


Units = dict[str, dict[str, Unit]]
"""Trainings by table and by what is compared in it."""


def units(learned: tuple[Images, NDArray[np.int64], int], drawn: Images, seed: int, **changes: int) -> Units:
    """All trainings of a seed: on these images, labels and classes, and on drawn signs for them."""

    def unit(latent: str = LATENT, loss: str = LOSS, generator: str = GENERATOR) -> Unit:
        made = recipe(latent, loss, generator, **changes)
        given = drawn if latent == DRAWN else None
        return Unit(f"{latent}-{loss}-{made.generator}", made, *learned, seed, given=given)

    return {
        "inputs": {name: unit(latent=name) for name in LATENTS},
        "losses": {name: unit(loss=name) for name in LOSSES},
        "generators": {name: unit(generator=name) for name in GENERATORS},
    }


def drawn_signs(signs: Signs) -> Images:
    """A rendered sign for each real one, of its class."""
    return render(signs.label, keys=signs.image_id.tolist(), size=signs.image.shape[1])


def recipe(latent: str, loss: str, generator: str, *, steps: int, width: int, batch_size: int) -> GanRecipe:
    """The GAN of these; what bounds a critic stands in the place of the R1 penalty, and a U-Net translates images."""
    translates = LATENTS[latent].kind == "image"
    base = GAN_RECIPES["image_to_image" if translates else "dcgan"]
    bounded = LOSSES[loss].clip or LOSSES[loss].gradient_penalty
    return base.updated(
        generator=base.generator if translates else generator,
        latent=latent,
        loss=loss,
        r1=0.0 if bounded else base.r1,
        steps=steps,
        width=width,
        discriminator_width=width,
        batch_size=batch_size,
    )


@dataclass(frozen=True)
class Comparison:
    """What is the same for all generators.

    Attributes:
        jury: Who looks at samples.
        real: The extractor's features of test signs.
        label: The class.
        work: Where trainings are kept.
        given: Signs that inputs are made of, uint8 (N, size, size, 3); there are as many samples.
        rendered: The same for pictograms.
    """

    jury: Jury
    real: NDArray[np.float32]
    label: int
    work: Path
    given: Images
    rendered: Images

    def all_rows(self, units: Units) -> dict[str, list[Row]]:
        """All tables of a seed."""
        tables = {table: [self.row(*each) for each in compared.items()] for table, compared in units.items()}
        inputs = units["inputs"]
        tables["inputs"] += [self.two_steps(inputs[LATENT], inputs[second]) for second in SECOND_STEPS]
        return tables

    def row(self, name: str, unit: Unit) -> Row:
        """One generator."""
        source, course = unit.recipe.source, unit.run(self.work)
        given = self.given if unit.given is None else self.rendered
        samples = make(unit, course.generator, len(given), images=given)
        if source.kind == "vector":
            beside = between(course.generator, source, np.random.default_rng((unit.seed, 0, 2)))
        else:
            entered = source.sample(len(given), samples.shape[1], drawn(unit.seed), images=given)
            beside = spread(shown(entered))
        return self._row(name, source.kind, samples, beside, course.seconds)

    def two_steps(self, first: Unit, second: Unit) -> Row:
        """The second GAN translates what the first has made; beside its samples are those of the first."""
        one, other = first.run(self.work), second.run(self.work)
        raw = make(first, one.generator, len(self.given))
        samples = make(second, other.generator, len(raw), images=raw)
        name = f"{first.recipe.latent}, then {second.recipe.latent}"
        return self._row(name, "two steps", samples, spread(raw), one.seconds + other.seconds)

    def _row(self, name: str, kind: str, samples: Images, beside: Images, seconds: float) -> Row:
        numbers = {"name": name, "kind": kind, **self.numbers(samples), "seconds": seconds}
        click.echo(f"{name}: {numbers['called']:.0%} of the samples are called the class")
        return Row(name, numbers, spread(samples), beside)

    def floor(self, name: str, images: Images) -> dict[str, Any]:
        """Real images in the samples' place."""
        return intervals([{"name": name, "kind": "real", **self.numbers(images)}])

    def numbers(self, images: Images) -> dict[str, Any]:
        """Scores of images, and the share that the classifier takes for the class."""
        called = float(np.mean(self.jury.called(images) == self.label))
        return {"called": called, **self.jury.scores(self.real, images)}


def spread(images: Images) -> Images:
    """Some of them, evenly from all: neighbours may be frames of one track."""
    some: Images = images[np.linspace(0, len(images) - 1, SHOWN).astype(int)]
    return some


def between(generator: keras.Model, source: Latent, random: np.random.Generator) -> Images:
    """Images (SHOWN, size, size, 3) on the way from one latent to another."""
    start, end = source.sample(2, generator.output_shape[1], random)
    way = path(start, end, around=source.name in AROUND)
    made: Images = np.asarray(with_pixels(generator).predict_on_batch(way))
    return made


def path(start: NDArray[np.float32], end: NDArray[np.float32], *, around: bool) -> NDArray[np.float32]:
    """Latents (SHOWN, D) from one vector to another: along a great circle (Shoemake 1985), or straight."""
    t = np.linspace(0, 1, SHOWN, dtype=np.float32)[:, None]
    if not around:
        return (1 - t) * start + t * end
    angle = np.arccos(start @ end / (np.linalg.norm(start) * np.linalg.norm(end)))
    arc = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
    return arc.astype(np.float32)


def shown(inputs: NDArray[np.float32]) -> Images:
    """Maps or images (N, H, W, 1 or 3) as pictures; maps, of variance 1, between -2 and 2 deviations."""
    most = 1 if np.abs(inputs).max() <= 1 else 2
    pixels = np.rint((np.clip(inputs / most, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def sheet(rows: Sequence[Row], title: str) -> Any:
    """A figure with a row for each generator: samples, a gap, and what is beside them."""
    gap = np.full_like(rows[0].samples[:1], 255)
    pictures = np.concatenate([part for row in rows for part in (row.samples, gap, row.beside)])
    return samples_figure(pictures, [row.name.replace("_", " ") for row in rows], title, columns=2 * SHOWN + 1)


def report(tables: Mapping[str, Sequence[Mapping[str, Any]]], floors: Sequence[Mapping[str, Any]], jury: Jury) -> str:
    """All tables; real signs are their last rows."""
    columns = {"name": "", "kind": "kind", "called": "called the class"}
    columns |= {jury.named("kd"): "kernel distance", jury.named("kd_spread"): "spread"}
    columns |= {jury.named("fd"): "Frechet distance"}
    columns |= {jury.named(name): name for name in ("precision", "recall", "density", "coverage")}
    columns |= {jury.named("duplicate_share"): "duplicates", "seconds": "seconds"}
    about = f"Scores by the features of {jury.extractor.name} ({jury.extractor.dimension} dimensions)."
    parts = [f"### {name.capitalize()}\n\n{markdown([*rows, *floors], columns)}" for name, rows in tables.items()]
    return "\n".join([*parts, about + "\n"])


def finding(table: str, rows: Sequence[Mapping[str, Any]], jury: Jury) -> str:
    """Which row comes nearest to real signs, which cannot be told from it, and which has collapsed or names no sign."""
    ordered = sorted(rows, key=lambda row: row[jury.named("kd")]["mean"])
    (best, *others), worst = ordered, ordered[-1]
    alike = _listed(row for row in others if ends(row, jury)[0] <= ends(best, jury)[1])
    distances = [f"{_listed([row])} ({row[jury.named('kd')]['mean']:.3g})" for row in (best, worst)]
    said = [
        f"Of the {table}, {distances[0]} comes nearest to test signs by kernel distance, and {distances[1]} stays "
        f"furthest away. Intervals overlap with the nearest: {alike or 'none'}."
    ]
    if collapsed := _listed(row for row in ordered if row[jury.named("duplicate_share")]["mean"] > DUPLICATES):
        said.append(f"With {collapsed}, most samples are near-duplicates (mode collapse).")
    if strange := _listed(row for row in ordered if row["called"]["mean"] < 0.5):
        said.append(f"With {strange}, most samples are not called the class.")
    return " ".join(said)


def _listed(rows: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(row["name"].replace("_", " ") for row in rows)


def ends(row: Mapping[str, Any], jury: Jury) -> tuple[float, float]:
    """Of the kernel distance: its interval over seeds; for one seed, two deviations over subsets to each side."""
    distance, spread = row[jury.named("kd")], row[jury.named("kd_spread")]["mean"]
    if distance["low"] is not None:
        return distance["low"], distance["high"]
    return distance["mean"] - 2 * spread, distance["mean"] + 2 * spread


if __name__ == "__main__":
    main()
