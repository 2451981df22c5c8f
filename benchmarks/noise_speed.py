"""Microseconds an image of every noise on one core, beside imagecorruptions, albumentations, keras-cv and Keras.

    python -m benchmarks.noise_speed

All contenders take uint8 images in turn, round after round, and a ratio is taken within each round, so that a slow
moment of the machine hits both. Ours and the layers of keras-cv and Keras take a batch in one call; imagecorruptions
and albumentations an image a call, which is the interface that they have. Times are processor time of the one process,
whose libraries are held to one thread.

Writes results/noise_speed.json and the same as a table in results/noise_speed.md.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1", NO_ALBUMENTATIONS_UPDATE="1")

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

import noise
from benchmarks.contests import LIBRARIES, Contest, Images, contests
from benchmarks.record import RESULTS, Target, write_result, write_whole
from pipelines.sources.rendered import render

BATCH = 256
GRID_IMAGES, GRID_LEVELS = 64, 10
SIZES = (32, 64)
TURN = 0.02
"""Seconds that a peer which takes an image a call gets in a round: enough to time, few enough to be quick."""
FEWEST = 8
PACKAGES = (
    "numpy",
    "numba",
    "opencv-python-headless",
    "imagecorruptions-imaug",
    "albumentations",
    "keras-cv",
    "keras",
    "tensorflow",
)


def measure(name: str, contest: Contest | None, images: Images, rounds: int) -> dict[str, Any]:
    """Microseconds an image of ours and of each peer, and the ratios within each round."""
    kind = noise.catalogue()[name]
    level = contest.level if contest else (kind.low + kind.high) / 2
    ids = [f"test/{index:05d}" for index in range(len(images))]
    levels = np.linspace(kind.low, kind.high, GRID_LEVELS + 1)[1:].tolist()
    few, few_ids = images[:GRID_IMAGES], ids[:GRID_IMAGES]
    calls = {
        "ours": partial(_seconds, lambda: noise.apply(name, images, level, image_ids=ids), len(images)),
        "grid": partial(_seconds, lambda: noise.disturb(kind, few, levels, image_ids=few_ids), len(few) * GRID_LEVELS),
    }
    peers = contest.peers if contest else {}
    for text, peer in peers.items():
        given = images if peer.batched else images[: _enough(peer.change, images)]
        calls[text] = partial(_seconds, partial(peer.change, given), len(given))
    taken = _rounds(calls, rounds)
    row: dict[str, Any] = {
        "family": kind.family,
        "level": level,
        "unit": kind.unit,
        "us_an_image": _spread([1e6 * seconds for seconds in taken["ours"]]),
        "us_an_image_and_level_in_a_grid": _spread([1e6 * seconds for seconds in taken["grid"]]),
        "peers": {},
    }
    for text, peer in peers.items():
        row["peers"][text] = {
            "us_an_image": _spread([1e6 * seconds for seconds in taken[text]]),
            "ratio": _spread([other / own for other, own in zip(taken[text], taken["ours"], strict=True)]),
        } | ({"not_judged": peer.differs} if peer.differs else {})
    return row


def _enough(change: Callable[[Images], Any], images: Images) -> int:
    """How many images take a turn."""
    change(images[:FEWEST])
    return int(np.clip(TURN / _seconds(partial(change, images[:FEWEST]), FEWEST), FEWEST, len(images)))


def _rounds(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds an image of each contender in each round; the first round warms up and is left out."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, seconds in contenders.items():
            taken[name].append(seconds())
    return {name: each[1:] for name, each in taken.items()}


def _seconds(call: Callable[[], Any], images: int) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) / images


def _spread(values: Sequence[float]) -> dict[str, Any]:
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": round(median, 2), "quartiles": [round(low, 2), round(high, 2)]}


Rows = Mapping[str, Mapping[str, Any]]


def summary(sizes: Mapping[str, Rows], library: str) -> dict[str, Any]:
    """Median (of the size where it is smaller) and worst of the ratios to a library, over the noises that both have."""
    ratios = {
        size: {
            f"{name}, {text} at {size} x {size}": one["ratio"]["median"]
            for name, row in rows.items()
            for text, one in row["peers"].items()
            if text.split()[0] == library and "not_judged" not in one
        }
        for size, rows in sizes.items()
    }
    everywhere = {text: ratio for found in ratios.values() for text, ratio in found.items()}
    worst = min(everywhere, key=everywhere.__getitem__)
    return {
        "contests": min(map(len, ratios.values())),
        "median_ratio": min(statistics.median(found.values()) for found in ratios.values()),
        "worst_ratio": everywhere[worst],
        "worst": worst,
    }


def catalogue_cost(rows: Rows) -> dict[str, Any]:
    """Mean and largest cost of a noise."""
    costs = {name: row["us_an_image"]["median"] for name, row in rows.items()}
    slowest = max(costs, key=costs.__getitem__)
    return {
        "noises": len(costs),
        "mean_us": round(statistics.mean(costs.values()), 1),
        "largest_us": costs[slowest],
        "slowest": slowest,
    }


def targets(found: Mapping[str, Mapping[str, Any]], cost: Mapping[str, Any]) -> list[Target]:
    """What the issue asks for."""
    corruptions, others = found["imagecorruptions"], found["albumentations"]
    both = "at 32 and 64"
    layers = min(found["keras-cv"]["worst_ratio"], found["keras"]["worst_ratio"])
    return [
        Target("noises in the catalogue", cost["noises"], at_least=50),
        Target("corruptions of imagecorruptions compared", corruptions["contests"], at_least=19),
        Target(f"noises over imagecorruptions {both}, median ratio", corruptions["median_ratio"], at_least=6),
        Target(f"noises over imagecorruptions {both}, worst ratio", corruptions["worst_ratio"], at_least=1.5),
        Target(f"noises over albumentations {both}, median ratio", others["median_ratio"], at_least=1.5),
        Target(f"noises over albumentations {both}, worst ratio", others["worst_ratio"], at_least=0.8),
        Target(f"noises over keras-cv and Keras {both}, worst ratio", layers, at_least=1),
        Target("mean microseconds of a noise at 32 x 32", cost["mean_us"], at_most=45),
        Target("microseconds of the slowest noise at 32 x 32", cost["largest_us"], at_most=200),
    ]


def table(sizes: Mapping[str, Rows]) -> str:
    """The result for people: a Markdown table a size."""
    lines = []
    for size, rows in sizes.items():
        lines += [
            f"### {size} x {size} pixels: microseconds an image on one core, uint8 to uint8",
            "",
            f"| noise | level | ours | in a grid | {' | '.join(LIBRARIES)} |",
            f"|---|---:|---:|---:|{'---|' * len(LIBRARIES)}",
            *(_line(name, row) for name, row in rows.items()),
            "",
        ]
    return "\n".join([*lines, *_notes(sizes), ""])


def _line(name: str, row: Mapping[str, Any]) -> str:
    cells = [name, f"{row['level']:.3g}", f"{row['us_an_image']['median']:.1f}"]
    cells.append(f"{row['us_an_image_and_level_in_a_grid']['median']:.1f}")
    for library in LIBRARIES:
        found = {text.split(" ", 1)[1]: one for text, one in row["peers"].items() if text.split()[0] == library}
        cells.append("<br>".join(_cell(what, one) for what, one in found.items()))
    return f"| {' | '.join(cells)} |"


def _cell(what: str, one: Mapping[str, Any]) -> str:
    low, high = one["ratio"]["quartiles"]
    ratio = f"{one['ratio']['median']:.1f} x ({low:.1f} to {high:.1f})"
    return f"{what}{'*' if 'not_judged' in one else ''} {one['us_an_image']['median']:.0f}: {ratio}"


def _notes(sizes: Mapping[str, Rows]) -> list[str]:
    """How to read the table, what is not judged and why, and every judged row in which a peer is faster."""
    rows = next(iter(sizes.values()))
    others = {
        f"`{text}*` {one['not_judged']}: shown, not judged."
        for row in rows.values()
        for text, one in row["peers"].items()
        if "not_judged" in one
    }
    return [
        "A peer's cell: its function, its microseconds, and how many times as fast ours is (quartiles over rounds). "
        f"Ours, keras-cv and Keras in batches of {BATCH}; imagecorruptions and albumentations an image a call, their "
        f"interface. In a grid: microseconds an image and level, {GRID_LEVELS} levels of one random field.",
        "",
        *(f"- {one}" for one in sorted(others)),
        "- Left out: RandomElasticTransform of Keras, which tf.function compiles for more than a minute; "
        "RandomGaussianBlur of Keras, whose sigma is 1 at most.",
        "",
        "Slower than a peer:",
        "",
        *(f"- {one}" for one in _below(sizes) or ["none."]),
    ]


WHY_BELOW = {
    "jpeg": "both spend their time in libjpeg; ours turns floats into bytes and back around it, and codes red as red "
    "(albumentations codes RGB as if it were BGR, and so saves two swaps)",
    "gaussian_blur": "both are bound by the same sums; albumentations' are of bytes with 8-bit weights",
    "quantisation": "albumentations looks bytes up in a table",
    "saturation": "albumentations mixes bytes with their grey value, ours scales the HSV saturation of floats",
    "desaturation": "albumentations mixes bytes with their grey value, ours scales the HSV saturation of floats",
}
"""Noises that come out near a peer, and why they need not be faster."""


def _below(sizes: Mapping[str, Rows]) -> list[str]:
    return [
        f"{name} at {size} x {size}, {one['ratio']['median']:.2f} x {text}: {WHY_BELOW.get(name, 'not explained yet')}."
        for size, rows in sizes.items()
        for name, row in rows.items()
        for text, one in row["peers"].items()
        if one["ratio"]["median"] < 1 and "not_judged" not in one
    ]


@click.command()
@click.option("--rounds", default=15, show_default=True, help="Repetitions of each contender.")
@click.option("--output", default=RESULTS / "noise_speed.json", type=click.Path(path_type=Path))
def main(rounds: int, output: Path) -> None:
    """Measure every noise of the catalogue."""
    cv2.setNumThreads(1)
    np.random.seed(0)  # noqa: NPY002  (imagecorruptions draws from the global generator)
    sizes: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        images = render(np.arange(BATCH) % 43, keys=[f"bench/{index}" for index in range(BATCH)], size=size)
        known = contests(size)
        sizes[str(size)] = {name: measure(name, known.get(name), images, rounds) for name in noise.catalogue()}
    found: dict[str, Any] = {library: summary(sizes, library) for library in LIBRARIES}
    cost = catalogue_cost(sizes[str(SIZES[0])])
    measured = found | {"catalogue": cost, "batch": BATCH, "rounds": rounds, "sizes": sizes}
    write_result(output, measured, targets=targets(found, cost), packages=PACKAGES)
    write_whole(output.with_suffix(".md"), table(sizes))


if __name__ == "__main__":
    main()
