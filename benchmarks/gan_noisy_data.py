"""The same GAN learns clean signs of one class, randomly noised ones and ones with structured noise: what does it make?

    python -m benchmarks.gan_noisy_data --extractor EXTRACTOR.keras --classifier CLASSIFIER.keras

Levels are those at which the classifier of `noise_grid` begins to fail and fails, from its thresholds.csv. Asked is
whether samples keep the class, whether they are nearer to clean or to noisy test signs, and how much of the noise's
power they have: in the band of the noise, the frequencies at which it multiplies the power of clean training images by
at least half as much as where it does so most. Trainings are kept in --work, so that an interrupted comparison goes on.
Writes results/gan_noisy_data.json, .md and .png.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import noise
from benchmarks.gan_runs import Images, Jury, Unit, make, markdown, of_classes, open_jury, options, rounded
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

    def of(self, signs: Signs) -> Images:
        """The images with the noise; each image has one draw of it."""
        if not self.criterion:
            return signs.image
        made: Images = noise.apply(self.noise, signs.image, self.level, image_ids=signs.image_id.tolist())
        return made


@click.command()
@options(steps=4000)
@click.option("--class", "label", default=14, show_default=True, help="The class that is generated, by number.")
@click.option("--noise", "noises", multiple=True, default=("gaussian", "checkerboard", "black_rows"), show_default=True)
@click.option("--thresholds", default=RESULTS / "gtsrb/noise_grid/thresholds.csv", show_default=True, type=Path)
@click.option("--samples", default=600, show_default=True, help="Generated images of each GAN.")
@click.option("--work", default=Path("output/gan_noisy_data"), show_default=True, type=Path)
@click.option("--output", default=RESULTS / "gan_noisy_data.json", show_default=True, type=Path)
def main(
    data: str,
    extractor: str,
    classifier: Path,
    label: int,
    noises: tuple[str, ...],
    thresholds: Path,
    samples: int,
    work: Path,
    output: Path,
    seed: int,
    width: int,
    **changes: int,
) -> None:
    """Train what is not trained yet, and compare."""
    dataset = prepared(data)
    train, test = (of_classes(dataset, split, [label]) for split in ("train", "test"))
    jury = open_jury(extractor, classifier, train)
    recipe = GAN_RECIPES["dcgan"].updated(width=width, discriminator_width=width, **changes)
    rows: list[dict[str, Any]] = []
    compared: list[Sets] = []
    for disturbance in [Disturbance(), *levels(pd.read_csv(thresholds), noises)]:
        learned = disturbance.of(train)
        unit = Unit(disturbance.name, recipe, learned, train.label, len(dataset.class_names), seed)
        made = make(unit, unit.run(work).generator, samples)
        compared.append(Sets(train.image, learned, made, compared[0].made if compared else made, test))
        rows.append(row(disturbance, jury, compared[-1], label))
        click.echo(findings(rows[-1:]))
    about = {"class": label, "samples": samples, "real": len(test), "seed": seed, "width": width, **changes}
    result = about | jury.about() | {"findings": findings(rows), "trained_on": [rounded(found) for found in rows]}
    write_result(output, result, packages=("keras", "tensorflow"))
    write_whole(output.with_suffix(".md"), f"{markdown(rows, COLUMNS)}\n{findings(rows)}\n")
    save_png(sheet(rows, compared), output.with_suffix(".png"))


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
                raise click.BadParameter(f"--noise {name}: --thresholds has no level where it {CRITERIA[criterion]}")
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
    names = [f"{found['noise']} {found['level']:.3g}".replace("_", " ").removesuffix(" 0") for found in rows]
    title = "Training signs | what the GAN makes of them"
    return samples_figure(np.concatenate(pictures), names, title, columns=SHOWN_REAL + 1 + SHOWN)


def row(disturbance: Disturbance, jury: Jury, sets: Sets, label: int) -> dict[str, Any]:
    """What is said of one GAN."""
    clean, noisy = (jury.extractor.features(real) for real in (sets.test.image, disturbance.of(sets.test)))
    found = {
        "noise": disturbance.noise,
        "criterion": CRITERIA.get(disturbance.criterion),
        "level": disturbance.level,
        "called": float(np.mean(jury.called(sets.made) == label)),
        "learned_called": float(np.mean(jury.called(sets.learned) == label)),
        "to_clean": jury.distance(clean, sets.made),
        "to_noisy": jury.distance(noisy, sets.made),
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


def findings(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the table says, in sentences."""
    return " ".join(_finding(found) for found in rows)


def _finding(found: Mapping[str, Any]) -> str:
    if found["criterion"] is None:
        return f"The classifier calls {found['called']:.0%} of the samples of the GAN of clean signs by their class."
    part = round(found["reproduced"], 2) + 0.0  # never -0%
    does = "reproduces" if part >= MOST else "removes" if part <= LEAST else "reproduces a part of"
    nearer = "clean signs" if found["to_clean"] < found["to_noisy"] else "signs with that noise"
    return (
        f"Trained on {found['noise'].replace('_', ' ')} of {found['level']:.3g}, where the classifier "
        f"{found['criterion']}, the GAN {does} the noise ({part:.0%} of its power); samples are nearer to {nearer}, "
        f"and {found['called']:.0%} of them are called by their class, as are {found['learned_called']:.0%} of what it "
        "learned."
    )


if __name__ == "__main__":
    main()
