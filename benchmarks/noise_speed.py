"""Images a second of every noise on one core, beside imagecorruptions and albumentations doing the same thing.

    python -m benchmarks.noise_speed

All contenders take the same uint8 images in turn, round after round, and a ratio is taken within each round, so that
a slow moment of the machine hits both. Ours takes a batch in one call; the peers take an image a call, which is the
interface that they have. Times are processor time of the one process, whose libraries are held to one thread.

Writes results/noise_speed.json and the same as a table in results/noise_speed.md.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1", NO_ALBUMENTATIONS_UPDATE="1")

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import albumentations
import click
import cv2
import numpy as np
from imagecorruptions import corrupt
from numpy.typing import NDArray

import noise
from benchmarks.record import RESULTS, Target, write_result, write_whole
from pipelines.sources.rendered import render

Images = NDArray[np.uint8]
OneImage = Callable[[Images], Any]

BATCH = 256
GRID_LEVELS = 10
SIZES, JUDGED_SIZE = (32, 64), 32
ROUND_IMAGES = {32: 256, 64: 64}
"""Images that a peer is given in a round: enough to time, few enough to be quick."""
PACKAGES = ("numpy", "numba", "opencv-python-headless", "imagecorruptions-imaug", "albumentations")


@dataclass(frozen=True)
class Contest:
    """A noise at one level, and what its peers call the same at a strength near that.

    `severity` names imagecorruptions' function and its step of 1 to 5; `albumentations` holds transforms by the text
    that stands in the table. A transform whose effect is another one has a `*` in its text and is not judged.
    """

    level: float
    severity: tuple[str, int] | None = None
    albumentations: Mapping[str, albumentations.ImageOnlyTransform] = field(default_factory=dict)


def contests() -> dict[str, Contest]:
    """The strengths: the constants of an imagecorruptions severity, to which the other two are set."""
    a = albumentations
    full_range = {"ranges": [(-0.3, 0.3)]}
    hole = {"hole_height_range": (0.5, 0.5), "hole_width_range": (0.5, 0.5)}
    patch = {"hole_height_range": (0.18, 0.18), "hole_width_range": (0.18, 0.18)}
    return {
        "gaussian": Contest(
            0.18, ("gaussian_noise", 3), {"GaussNoise": a.GaussNoise(std_range=(0.18, 0.18), per_channel=True, p=1)}
        ),
        "uniform": Contest(
            0.3,
            None,
            {"AdditiveNoise": a.AdditiveNoise("uniform", spatial_mode="per_pixel", noise_params=full_range, p=1)},
        ),
        "salt_pepper": Contest(
            0.17,
            ("impulse_noise", 4),
            {"SaltAndPepper": a.SaltAndPepper(amount=(0.17, 0.17), salt_vs_pepper=(0.5, 0.5), p=1)},
        ),
        "speckle": Contest(
            0.35,
            ("speckle_noise", 3),
            {"MultiplicativeNoise": a.MultiplicativeNoise((0.4, 1.6), per_channel=True, elementwise=True, p=1)},
        ),
        "colour_patches": Contest(
            0.25,
            None,
            {"CoarseDropout, 8 holes": a.CoarseDropout(num_holes_range=(8, 8), fill="random_uniform", p=1, **patch)},
        ),
        "black_rows": Contest(0.25, None, {"XYMasking": a.XYMasking(num_masks_y=8, mask_y_length=1, p=1)}),
        "black_columns": Contest(0.25, None, {"XYMasking": a.XYMasking(num_masks_x=8, mask_x_length=1, p=1)}),
        "occlusion": Contest(
            0.25,
            None,
            {"CoarseDropout, 1 hole": a.CoarseDropout(num_holes_range=(1, 1), fill=128, p=1, **hole)},
        ),
        "gaussian_blur": Contest(2.0, ("gaussian_blur", 2), {"GaussianBlur": a.GaussianBlur(0, (2.0, 2.0), p=1)}),
        "brightness": Contest(
            0.3,
            ("brightness", 3),
            {
                "HueSaturationValue": a.HueSaturationValue(0, 0, (76, 76), p=1),
                "RandomBrightnessContrast*": a.RandomBrightnessContrast((0.3, 0.3), (0, 0), p=1),
            },
        ),
    }


def measure(name: str, contest: Contest | None, images: Images, rounds: int) -> dict[str, Any]:
    """Images a second of ours and of each peer, and the ratios within each round."""
    kind = noise.catalogue()[name]
    level = contest.level if contest else (kind.low + kind.high) / 2
    ids = [f"test/{index:05d}" for index in range(len(images))]
    levels = np.linspace(kind.low, kind.high, GRID_LEVELS + 1)[1:].tolist()
    few = images[: ROUND_IMAGES[images.shape[1]]]
    ours = {
        "ours": partial(_seconds, lambda: noise.apply(name, images, level, image_ids=ids), len(images), 3),
        "grid": partial(
            _seconds, lambda: noise.disturb(kind, images, levels, image_ids=ids), len(images) * GRID_LEVELS, 1
        ),
    }
    peers = {text: partial(_seconds_one_by_one, call, few) for text, call in _peers(contest).items()}
    taken = _rounds(ours | peers, rounds)
    row: dict[str, Any] = {
        "level": level,
        "unit": kind.unit,
        "images_per_s": round(1 / statistics.median(taken["ours"])),
        "us_an_image": _spread([1e6 * seconds for seconds in taken["ours"]]),
        "us_an_image_and_level_in_a_grid": _spread([1e6 * seconds for seconds in taken["grid"]]),
    }
    for text in peers:
        row[text] = {
            "images_per_s": round(1 / statistics.median(taken[text])),
            "us_an_image": _spread([1e6 * seconds for seconds in taken[text]]),
            "ratio": _spread([peer / own for peer, own in zip(taken[text], taken["ours"], strict=True)]),
        }
    return row


def _peers(contest: Contest | None) -> dict[str, OneImage]:
    found: dict[str, OneImage] = {}
    if contest and contest.severity:
        name, severity = contest.severity
        found[f"imagecorruptions {name}"] = partial(corrupt, corruption_name=name, severity=severity)
    for text, transform in contest.albumentations.items() if contest else ():
        found[f"albumentations {text}"] = partial(_transformed, transform)
    return found


def _transformed(transform: albumentations.ImageOnlyTransform, image: Images) -> Images:
    changed: Images = transform(image=image)["image"]
    return changed


def _rounds(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds an image of each contender in each round; the first round warms up and is left out."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, seconds in contenders.items():
            taken[name].append(seconds())
    return {name: each[1:] for name, each in taken.items()}


def _seconds(call: Callable[[], Any], images: int, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / (times * images)


def _seconds_one_by_one(call: OneImage, images: Images) -> float:
    start = time.process_time()
    for image in images:
        call(image)
    return (time.process_time() - start) / len(images)


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": round(median, 2), "quartiles": [round(low, 2), round(high, 2)]}


def summary(rows: Mapping[str, Mapping[str, Any]], peer: str) -> dict[str, Any]:
    """Median and worst of the ratios to a peer, over the noises that both have."""
    judged = [text for row in rows.values() for text in row if text.startswith(peer) and "*" not in text]
    ratios = [row[text]["ratio"]["median"] for row in rows.values() for text in row if text in judged]
    return {"noises": len(ratios), "median_ratio": statistics.median(ratios), "worst_ratio": min(ratios)}


def targets(corruptions: Mapping[str, Any], others: Mapping[str, Any]) -> list[Target]:
    """What the issue asks for: against imagecorruptions 4 in the median and 1.5 at least, albumentations 1."""
    size = f"at {JUDGED_SIZE} x {JUDGED_SIZE}"
    return [
        Target(f"noises over imagecorruptions {size}, median ratio", corruptions["median_ratio"], at_least=4),
        Target(f"noises over imagecorruptions {size}, worst ratio", corruptions["worst_ratio"], at_least=1.5),
        Target(f"noises over albumentations {size}, worst ratio", others["worst_ratio"], at_least=1),
    ]


def table(sizes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The result for people: a Markdown table a size."""
    lines = []
    for size, rows in sizes.items():
        lines += [
            f"### {size} x {size} pixels, one core, uint8, images a second",
            "",
            "| noise | level | ours | imagecorruptions | ratio | albumentations | ratio | us an image in a grid |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
            *(_line(name, row) for name, row in rows.items()),
            "",
        ]
    ending = [
        f"Ours in batches of {BATCH}, the peers an image a call, which is their interface; medians, ratios within the",
        "same round with their quartiles. In a grid: microseconds an image and level, 10 levels of one random field.",
        "`*`: RandomBrightnessContrast adds to all three channels alike; ours, imagecorruptions and",
        "HueSaturationValue raise the HSV value, so it is shown and not judged.",
    ]
    return "\n".join([*lines, *ending, ""])


def _line(name: str, row: Mapping[str, Any]) -> str:
    cells = [name, f"{row['level']:g}", f"{row['images_per_s']:,}"]
    for peer in ("imagecorruptions", "albumentations"):
        found = {text.removeprefix(f"{peer} "): row[text] for text in row if text.startswith(peer)}
        cells.append("<br>".join(f"{one['images_per_s']:,} ({text})" for text, one in found.items()))
        cells.append("<br>".join(_ratio(one["ratio"]) for one in found.values()))
    cells.append(f"{row['us_an_image_and_level_in_a_grid']['median']:.1f}")
    return f"| {' | '.join(cells)} |"


def _ratio(spread: Mapping[str, Any]) -> str:
    low, high = spread["quartiles"]
    return f"{spread['median']:.1f} ({low:.1f} to {high:.1f})"


@click.command()
@click.option("--rounds", default=15, show_default=True, help="Repetitions of each contender.")
@click.option("--output", default=RESULTS / "noise_speed.json", type=click.Path(path_type=Path))
def main(rounds: int, output: Path) -> None:
    """Measure every noise of the catalogue."""
    cv2.setNumThreads(1)
    np.random.seed(0)  # noqa: NPY002  (imagecorruptions draws from the global generator)
    known = contests()
    result: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        images = render(np.arange(BATCH) % 43, keys=[f"bench/{index}" for index in range(BATCH)], size=size)
        result[str(size)] = {name: measure(name, known.get(name), images, rounds) for name in noise.catalogue()}
    peers = {peer: summary(result[str(JUDGED_SIZE)], peer) for peer in ("imagecorruptions", "albumentations")}
    measured = peers | {"batch": BATCH, "rounds": rounds, "grid_levels": GRID_LEVELS, "sizes": result}
    write_result(output, measured, targets=targets(*peers.values()), packages=PACKAGES)
    write_whole(output.with_suffix(".md"), table(result))


if __name__ == "__main__":
    main()
