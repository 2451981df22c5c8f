"""Predictions that a threshold costs by search and by sweep, at the same precision.

    python -m benchmarks.refinement --model MODEL

For a few noises of different kinds the answers of a trained network are taken at 128 even levels over each noise's
whole range; the thresholds of these curves are the truth for these images. A sweep is an even subset of them, a search
is `noise_grid --refine`: few levels first, then those that `noise.refinement` asks for. The error of a threshold is
its distance from the truth in units of its sampling error, which no number of levels beats; the precision of a method
is the root mean square of such errors. The sweep that counts is, noise by noise, the smallest that is as precise as the
search is over all noises.

Writes results/refinement.json.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import noise
from benchmarks.record import RESULTS, Target, write_result
from benchmarks.sample import source
from noise.levels import evenly
from noise.refinement import first_levels, next_levels
from noise.resampling import Resampled, resample
from noise.thresholds import find_threshold
from pipelines.analysis import CRITERIA
from pipelines.classifier import Predictor, open_classifier
from pipelines.search import ROUNDS

NOISES = ("gaussian", "salt_pepper", "occlusion", "gaussian_blur", "fog", "rotation", "perlin")
FINE = 128
SWEEPS = (4, 8, 16, 32, 64)
PACKAGES = ("tensorflow", "keras", "numpy", "scipy")

Correct = Callable[[Sequence[float]], NDArray[np.bool_]]
Found = dict[str, float]
Groups = NDArray[Any] | None


def thresholds(sample: Resampled) -> Found:
    """The thresholds of a curve that are neither out of range nor below the first level, by criterion."""
    found = {name: find_threshold(sample, share=share) for name, share in CRITERIA.items()}
    return {name: one.value for name, one in found.items() if not one.censored}


def search(correct: Correct, levels: Sequence[float], groups: Groups) -> tuple[Found, int]:
    """The thresholds that `--refine` finds, and the levels that it takes."""
    known = first_levels(levels)
    for _ in range(ROUNDS + 1):
        sample = resample(known, correct(known), groups=groups)
        more = next_levels(sample, tuple(CRITERIA.values()))
        if not more:
            break
        known = tuple(sorted({*known, *more}))
    return thresholds(sample), len(sample.levels) - 1


def contest(correct: Correct, levels: Sequence[float], groups: Groups) -> dict[str, Any]:
    """Of one noise: true thresholds, sampling errors, and what each method finds."""
    fine = resample(levels, correct(levels), groups=groups)
    truth = thresholds(fine)
    floor = {name: find_threshold(fine, share=CRITERIA[name]).sampling_error for name in truth}
    found, taken = search(correct, evenly(levels[0], levels[-1], 11), groups)
    row: dict[str, Any] = {"threshold": truth, "sampling_error": floor, "search_levels": taken}
    row["search_error"] = _errors(found, truth, floor)
    for count in SWEEPS:
        part = levels[:: FINE // count]
        row[f"sweep_{count}_error"] = _errors(thresholds(resample(part, correct(part), groups=groups)), truth, floor)
    return row


def _errors(found: Found, truth: Found, floor: Found) -> Found:
    """Distances from the truth in sampling errors; a threshold that was not found is missed by its whole self."""
    return {name: round(abs(found.get(name, 0.0) - truth[name]) / floor[name], 3) for name in truth}


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Levels and precision of the search, and of the sweeps that are as precise."""
    own = _root_mean_square(error for row in rows.values() for error in row["search_error"].values())
    search_levels = {name: row["search_levels"] for name, row in rows.items()}
    sweep_levels = {
        name: next((n for n in SWEEPS if _root_mean_square(row[f"sweep_{n}_error"].values()) <= own), FINE)
        for name, row in rows.items()
    }
    return {
        "search_precision": round(own, 3),
        "search_levels": search_levels,
        "sweep_levels_as_precise": sweep_levels,
        "share": round(sum(search_levels.values()) / sum(sweep_levels.values()), 3),
        "median_share": round(float(np.median([search_levels[name] / sweep_levels[name] for name in rows])), 3),
    }


def _root_mean_square(errors: Iterable[float]) -> float:
    return float(np.sqrt(np.mean(np.square(list(errors)))))


@click.command()
@click.option("--model", required=True, help="A trained model: a .keras file or an MLflow URI.")
@click.option("--data", default=None, help="By default the real signs beside the repository, else rendered ones.")
@click.option("--images", default=2000, show_default=True)
@click.option("--output", default=RESULTS / "refinement.json", type=click.Path(path_type=Path))
def main(model: str, data: str | None, images: int, output: Path) -> None:
    """Measure both ways on real curves."""
    signs = source(data)
    test = signs.read("test", limit=images)
    classifier = open_classifier(model, test, signs.class_names)
    predict = Predictor(classifier.load(), classifier, batch_size=256)
    ids, groups = test.image_id.tolist(), test.track if (test.track != "").all() else None
    rows = {}
    for name in NOISES:
        kind = noise.find(name)
        known: dict[float, NDArray[np.bool_]] = {}

        def correct(levels: Sequence[float], kind: noise.Noise = kind, known: Any = known) -> NDArray[np.bool_]:
            for level in levels:
                if level not in known:
                    noisy = noise.disturb(kind, test.image, [level], image_ids=ids)[0]
                    known[level] = predict(noisy).argmax(axis=1) == test.label
            return np.column_stack([known[level] for level in levels])

        rows[name] = contest(correct, evenly(kind.low, kind.high, FINE + 1), groups)
        click.echo(f"{name}: {rows[name]}")
    found = summary(rows)
    share = found["share"]
    targets = [Target("predictions of searches over those of sweeps as precise, all noises", share, at_most=1 / 3)]
    measured = {"data": signs.name, "model": Path(model).name, "images": len(test), "fine_levels": FINE}
    write_result(output, measured | found | {"noises": rows}, targets=targets, packages=PACKAGES)


if __name__ == "__main__":
    main()
