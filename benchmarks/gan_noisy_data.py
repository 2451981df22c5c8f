r"""The same GAN learns clean signs of one class, randomly noised ones and ones with structured noise: what comes of it?

    python -m pipelines.noise_grid --model CLASSIFIER.keras --noise gaussian,checkerboard \
        --refine true --output GRID --results GRID/results.json
    python -m benchmarks.gan_noisy_data --extractor EXTRACTOR.keras --classifier CLASSIFIER.keras --grid GRID

Levels are those at which the classifier begins to fail and fails, from the thresholds.csv of its `noise_grid`. Asked is
whether samples keep the class, whether they are nearer to clean or to noisy test signs, and how much of the noise's
power they have: in the band of the noise, the frequencies at which it multiplies the power of clean training images by
at least half as much as where it does so most. All is trained with several seeds, which draw the noise too, and a claim
holds in the whole 95% interval of the mean by Student's t. Trainings are kept in --work, so that an interrupted
comparison goes on. With the defaults it takes about an hour on two cores. Writes results/gan_noisy_data.json, .md and
.png.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import noise
from benchmarks.gan_runs import Images, Jury, Unit, intervals, make, markdown, of_classes, open_jury, options
from benchmarks.record import RESULTS, write_result, write_whole
from gan.recipes import GAN_RECIPES
from pipelines.reports.figures import save_png
from pipelines.reports.gan import samples_figure
from pipelines.signs import Signs, prepared

CRITERIA = {"begins": "begins to fail", "fails": "fails"}
SHOWN_REAL, SHOWN = 7, 10
MOST, LEAST = 2 / 3, 1 / 3
"""Shares of the noise's power from which, and up to which, a GAN is said to reproduce the noise, and to remove it."""
COLUMNS = {
    "noise": "training signs",
    "criterion": "the classifier",
    "level": "level",
    "called": "samples called the class",
    "learned_called": "training signs called so",
    "to_clean": "kernel distance to clean signs",
    "to_noisy": "to signs with the noise",
    "floor": "of training signs to these",
    "power": "power in the noise's band, of samples",
    "plain_power": "of the GAN of clean signs",
    "clean_power": "of clean signs",
    "learned_power": "of training signs",
    "reproduced": "noise reproduced",
}


@dataclass(frozen=True)
class Disturbance:
    """A noise at a level; without a criterion there is none."""

    noise: str = "clean"
    criterion: str = ""
    level: float = 0.0

    @property
    def name(self) -> str:
        """As a training of it is called."""
        return f"{self.noise}-{self.criterion}" if self.criterion else self.noise

    def of(self, signs: Signs, seed: int) -> Images:
        """The images with the noise; each image has one draw of it."""
        if not self.criterion:
            return signs.image
        ids = signs.image_id.tolist()
        made: Images = noise.apply(self.noise, signs.image, self.level, image_ids=ids, seed=seed)
        return made


@click.command()
@options(steps=1000, seeds=3)
@click.option("--class", "label", default=14, show_default=True, help="The class that is generated, by number.")
@click.option("--noise", "noises", multiple=True, default=("gaussian", "checkerboard"), show_default=True)
@click.option("--grid", required=True, type=Path, help="What noise_grid has written of the classifier.")
@click.option("--samples", default=600, show_default=True, help="Generated images of each GAN.")
@click.option("--work", default=Path("output/gan_noisy_data"), show_default=True, type=Path)
@click.option("--output", default=RESULTS / "gan_noisy_data.json", show_default=True, type=Path)
def main(
    data: str,
    extractor: str,
    classifier: Path,
    label: int,
    noises: tuple[str, ...],
    grid: Path,
    samples: int,
    work: Path,
    output: Path,
    seeds: int,
    width: int,
    **changes: int,
) -> None:
    """Train what is not trained yet, and compare."""
    dataset = prepared(data)
    train, test = (of_classes(dataset, split, [label]) for split in ("train", "test"))
    jury = open_jury(extractor, classifier, train)
    recipe = GAN_RECIPES["dcgan"].updated(width=width, discriminator_width=width, **changes)
    disturbances = [Disturbance(), *levels(thresholds_of(classifier, grid), noises)]
    trained: list[list[dict[str, Any]]] = [[] for _ in disturbances]
    shown: list[Sets] = []
    for seed in range(seeds):
        compared: list[Sets] = []
        for rows, disturbance in zip(trained, disturbances, strict=True):
            learned = disturbance.of(train, seed)
            unit = Unit(disturbance.name, recipe, learned, train.label, len(dataset.class_names), seed)
            made = make(unit, unit.run(work).generator, samples)
            compared.append(Sets(train.image, learned, made, compared[0].made if compared else made, test))
            rows.append(row(disturbance, jury, compared[-1], label, seed))
        shown = shown or compared
    found = [intervals(rows, digits=6) for rows in trained]
    about = {"data": dataset.name, "digest": dataset.digest, "class": label, "samples": samples, "real": len(test)}
    about |= {"width": width, **changes, "seeds": seeds, **jury.about()}
    write_result(output, about | {"findings": findings(found), "trained_on": found}, packages=("keras", "tensorflow"))
    write_whole(output.with_suffix(".md"), f"{markdown(found, COLUMNS)}\n")
    save_png(sheet(found, shown), output.with_suffix(".png"))
    click.echo("\n".join(findings(found)))


def thresholds_of(classifier: Path, grid: Path) -> pd.DataFrame:
    """The thresholds of this classifier that are in the folder of a grid.

    Raises:
        click.BadParameter: there is no grid, or it is of another model.
    """
    if not (grid / "results.json").is_file():
        run = f"noise_grid --model {classifier} --refine true --output {grid} --results {grid}/results.json"
        raise click.BadParameter(f"--grid {grid}: no results.json; run {run}")
    model = json.loads((grid / "results.json").read_text(encoding="utf-8"))["params"]["model"]
    if Path(model) != classifier:
        raise click.BadParameter(f"--grid {grid}: of the model {model}; run noise_grid --model {classifier}")
    return pd.read_csv(grid / "thresholds.csv")


def levels(thresholds: pd.DataFrame, noises: Sequence[str]) -> list[Disturbance]:
    """Each noise at the level where the classifier begins to fail, and where it fails.

    Raises:
        click.BadParameter: a noise has no such threshold.
    """
    found = thresholds.set_index(["noise", "criterion"])["threshold"]
    chosen = []
    for name in noises:
        for criterion in CRITERIA:
            level = float(found.get((name, criterion), np.nan))
            if not np.isfinite(level):
                raise click.BadParameter(f"--noise {name}: the grid has no level where it {CRITERIA[criterion]}")
            chosen.append(Disturbance(name, criterion, level))
    return chosen


@dataclass(frozen=True)
class Sets:
    """The images that are compared.

    Attributes:
        clean: Training signs.
        learned: The same as the GAN saw them, with the noise.
        made: What it makes.
        plain: What the GAN of clean signs makes.
        test: Signs that none has seen.
    """

    clean: Images
    learned: Images
    made: Images
    plain: Images
    test: Signs


def sheet(rows: Sequence[Mapping[str, Any]], compared: Sequence[Sets]) -> Any:
    """A figure with a row for each GAN: training signs, a gap, and samples."""
    pictures = []
    for sets in compared:
        some = np.linspace(0, len(sets.learned) - 1, SHOWN_REAL).astype(int)
        pictures += [sets.learned[some], np.full_like(sets.made[:1], 255), sets.made[:SHOWN]]
    names = [f"{found['noise']} {found['level']}".replace("_", " ").removesuffix(" 0") for found in rows]
    title = "Training signs | what the GAN of the first seed makes of them"
    return samples_figure(np.concatenate(pictures), names, title, columns=SHOWN_REAL + 1 + SHOWN)


def row(disturbance: Disturbance, jury: Jury, sets: Sets, label: int, seed: int) -> dict[str, Any]:
    """What is said of one GAN; the level, the same for all seeds, is a text."""
    clean, noisy = (jury.extractor.features(real) for real in (sets.test.image, disturbance.of(sets.test, seed)))
    called, learned_called = (float(np.mean(jury.called(images) == label)) for images in (sets.made, sets.learned))
    to_clean, to_noisy = (jury.distance(real, sets.made) for real in (clean, noisy))
    found = {
        "noise": disturbance.noise,
        "criterion": CRITERIA.get(disturbance.criterion),
        "level": f"{disturbance.level:.3g}",
        "called": called,
        "learned_called": learned_called,
        "more_called": called - learned_called,
        "to_clean": to_clean,
        "to_noisy": to_noisy,
        "nearer_to_noisy": to_clean - to_noisy,
        "floor": jury.distance(noisy, sets.learned),
    }
    return found | noise_power(sets) if disturbance.criterion else found


def noise_power(sets: Sets) -> dict[str, float]:
    """Power in the noise's band: what it adds to the variance of an image's pixels, in 0..255.

    `reproduced` is the samples' part of what the noise adds to training signs, beyond what the GAN of clean signs has
    there: 1 is all of it, 0 none.
    """
    clean, learned, made, plain = (spectrum(images) for images in (sets.clean, sets.learned, sets.made, sets.plain))
    chosen = band(clean, learned)
    powers = {"power": made, "clean_power": clean, "learned_power": learned, "plain_power": plain}
    found = {name: float(power[chosen].sum()) for name, power in powers.items()}
    reproduced = (found["power"] - found["plain_power"]) / (found["learned_power"] - found["clean_power"])
    return found | {"reproduced": reproduced}


def spectrum(images: Images) -> NDArray[np.float64]:
    """Mean power (H, W) of the frequencies of images (N, H, W, C), over images and channels."""
    waves = np.fft.fft2(images.astype(np.float64), axes=(1, 2), norm="forward")
    power: NDArray[np.float64] = np.square(np.abs(waves)).mean(axis=(0, 3))
    return power


def band(clean: NDArray[np.float64], noisy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Frequencies (H, W) that the noise strengthens by at least half as much as the one that it strengthens most."""
    ratio = noisy / clean
    ratio[0, 0] = 0  # brightness is no frequency
    chosen: NDArray[np.bool_] = ratio >= ratio.max() / 2
    return chosen


def findings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the table says, a sentence a row, first of clean signs; a claim is one that holds in the whole interval."""
    return [_finding(found) for found in rows]


def _finding(found: Mapping[str, Any]) -> str:
    if found["criterion"] is None:
        called = _share(found["called"])
        return f"The classifier calls {called} of the samples of the GAN of clean signs by their class."
    called, learned = _share(found["called"]), _share(found["learned_called"])
    return (
        f"Trained on {found['noise'].replace('_', ' ')} of {found['level']}, where the classifier "
        f"{found['criterion']}, the GAN {_does(found['reproduced'])} ({_share(found['reproduced'])} of its power); "
        f"samples are {_nearer(found['nearer_to_noisy'])}, and {called} of them are called by their class, as are "
        f"{learned} of what it learned{_why(found['more_called'])}."
    )


def _does(part: Mapping[str, Any]) -> str:
    low, high = _ends(part)
    if low >= MOST:
        return "reproduces the noise"
    if high <= LEAST:
        return "removes the noise"
    if low > 0:
        return "reproduces a part of the noise" if high < 1 else "reproduces a part of the noise, or all"
    return "does not show, with these seeds, what it does"


def _nearer(difference: Mapping[str, Any]) -> str:
    low, high = _ends(difference)
    if low > 0:
        return "nearer to signs with that noise than to clean ones"
    if high < 0:
        return "nearer to clean signs than to those with the noise"
    return "nearer, with these seeds, to neither clean nor noisy signs for sure"


def _why(more: Mapping[str, Any]) -> str:
    """What samples that are recognised more, or less, often than what they were learned from say of the classifier."""
    low, high = _ends(more)
    if low > 0:
        return ": what tells the class is still in noisy signs, and the classifier does not find it there"
    return ": learning them again loses what the classifier finds in them" if high < 0 else ""


def _ends(value: Mapping[str, Any]) -> tuple[float, float]:
    """Of the interval; those of the mean where one seed has none."""
    return (value["mean"], value["mean"]) if value["low"] is None else (value["low"], value["high"])


def _share(value: Mapping[str, Any]) -> str:
    """As 90% [85%, 95%]."""
    mean, low, high = (
        "" if value[name] is None else f"{round(value[name], 2) + 0.0:.0%}"  # never -0%
        for name in ("mean", "low", "high")
    )
    return f"{mean} [{low}, {high}]" if low else mean


if __name__ == "__main__":
    main()
