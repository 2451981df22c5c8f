"""How often the 95% intervals of thresholds cover the truth, on simulated observers whose thresholds are known.

    python -m benchmarks.threshold_coverage

An observer is a set of images, each with its own tolerance: it is right at a level below the tolerance and wrong from
there on, as an image is whose noise field is drawn once and scaled. Some images are wrong at every level (lapses),
some are right even far out because the network's answer to noise happens to be theirs (guesses). Images of a track
share a part of their tolerance, lapses and guesses. The truth is where the true continuous curve crosses; each
simulation draws its own shape, width, position and rates, so that crossings lie anywhere between levels.

Scenarios that are done are kept in the result file and not run again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr
from scipy.stats import binomtest

from benchmarks.record import RESULTS, Target, write_result
from noise.crossing import crossings
from noise.resampling import Resampled, resample
from noise.thresholds import find_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVELS = np.linspace(0.0, 1.0, 11)
SHARES = (0.9, 0.5)
SHAPES = ("logistic", "gaussian", "log-gaussian", "square-root-gaussian", "weibull")
REPLICATES = 1000
COMPARED = 1000  # simulations in which the plainer intervals are taken too


@dataclass(frozen=True)
class Scenario:
    """A population of observers; ranges are drawn from uniformly."""

    name: str
    images: int
    track: int = 1  # frames in a track; ragged tracks are of 1 to 2 * track - 1
    ragged: bool = False
    correlation: float = 0.0  # of the tolerances within a track
    width: tuple[float, float] = (0.3, 0.6)  # levels from 90% to 10% of the fall, as a part of the range
    centre: tuple[float, float] = (0.4, 0.6)
    flips: float = 0.0  # answers that are the other way round by chance, anew at each level
    bar: bool = False  # must cover 93.5 to 96.5%


SCENARIOS = (
    Scenario("300 images", 300, bar=True),
    Scenario("6000 images", 6000, bar=True),
    Scenario("300 images in about 75 tracks", 300, track=4, ragged=True, correlation=0.5, bar=True),
    Scenario("6000 images in 200 tracks", 6000, track=30, correlation=0.5, bar=True),
    Scenario("stress: 30 images", 30),
    Scenario("stress: 300 images in 10 tracks", 300, track=30, correlation=0.5),
    Scenario("stress: 6000 images, 1% of answers flipped anew at each level", 6000, flips=0.01),
    Scenario("stress: 6000 images, fall near the first levels", 6000, width=(0.25, 0.35), centre=(0.2, 0.3)),
    Scenario("stress: 6000 images, fall within 1.5 to 2.5 levels", 6000, width=(0.15, 0.25)),
)


@dataclass(frozen=True)
class Observer:
    """A law of tolerances: which normal score has which tolerance, and which share survives a level."""

    tolerance: Callable[[Floats], Floats]
    survival: Callable[[float], float]


def observer(shape: str, centre: float, width: float) -> Observer:
    """The law of a shape whose median is `centre` and whose 10% to 90% range is about `width` wide."""
    if shape == "logistic":
        scale = width / (2 * np.log(9))
        return Observer(lambda z: centre + scale * logit(ndtr(z)), lambda x: float(expit((centre - x) / scale)))
    if shape == "gaussian":
        scale = width / 2.5631
        return Observer(lambda z: centre + scale * z, lambda x: float(ndtr((centre - x) / scale)))
    if shape == "log-gaussian":
        scale = np.arcsinh(width / 2 / centre) / 1.28155
        return Observer(
            lambda z: centre * np.exp(scale * z), lambda x: float(ndtr(np.log(centre / max(x, 1e-300)) / scale))
        )
    if shape == "square-root-gaussian":
        scale, root = width / 2.5631 / (2 * np.sqrt(centre)), np.sqrt(centre)
        return Observer(
            lambda z: np.maximum(root + scale * z, 0.0) ** 2, lambda x: float(ndtr((root - np.sqrt(x)) / scale))
        )
    power = brentq(lambda k: _weibull(0.1, centre, k) - _weibull(0.9, centre, k) - width, 0.3, 900.0)
    return Observer(
        lambda z: _weibull(ndtr(-z), centre, power), lambda x: float(np.exp(-np.log(2) * (x / centre) ** power))
    )


def _weibull(survival: Any, median: float, power: float) -> Any:
    return median * (-np.log(survival) / np.log(2)) ** (1 / power)


def simulate(
    scenario: Scenario, shape: str, random: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None, Callable[[float], float]]:
    """Answers (N, L), track of each image, and the true accuracy at any level."""
    track = _tracks(scenario, random)
    law = observer(shape, random.uniform(*scenario.centre), random.uniform(*scenario.width))
    lapse, guess, flips = random.uniform(0.005, 0.04), random.uniform(0.0, 0.06), scenario.flips
    tolerance = law.tolerance(_scores(scenario, track, scenario.correlation, random))
    lapsed = ndtr(_scores(scenario, track, 0.6 * scenario.correlation, random)) < lapse
    lucky = ndtr(_scores(scenario, track, 0.6 * scenario.correlation, random)) < guess
    correct = np.where(tolerance[:, None] <= LEVELS, lucky[:, None], ~lapsed[:, None])
    if flips:
        correct ^= random.random(correct.shape) < flips

    def accuracy(level: float) -> float:
        kept = (1 - lapse) * law.survival(level) + guess * (1 - law.survival(level))
        return kept * (1 - flips) + (1 - kept) * flips

    return correct, track, accuracy


def true_crossing(accuracy: Callable[[float], float], share: float) -> float:
    """Where a true curve falls to `share` of clean accuracy; infinity if beyond the last level."""
    target = share * accuracy(0.0)
    crossing = float(brentq(lambda level: accuracy(level) - target, 0.0, 3.0))
    return crossing if crossing <= LEVELS[-1] else np.inf


def _tracks(scenario: Scenario, random: np.random.Generator) -> NDArray[np.int64] | None:
    if scenario.track == 1:
        return None
    if not scenario.ragged:
        return np.arange(scenario.images) // scenario.track
    sizes = random.integers(1, 2 * scenario.track, size=scenario.images)
    return np.repeat(np.arange(scenario.images), sizes)[: scenario.images]


def _scores(
    scenario: Scenario, track: NDArray[np.int64] | None, correlation: float, random: np.random.Generator
) -> Floats:
    """Normal scores of the images, correlated within a track."""
    own = random.normal(size=scenario.images)
    if track is None:
        return own
    shared = random.normal(size=track[-1] + 1)[track]
    return np.asarray(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)


def measure(scenario: Scenario, simulations: int) -> list[dict[str, Any]]:
    """Coverage of both thresholds in one scenario: a row for each share."""
    began, spent = time.perf_counter(), time.process_time()
    found: dict[float, list[dict[str, float]]] = {share: [] for share in SHARES}
    ways: dict[float, list[dict[str, bool]]] = {share: [] for share in SHARES}
    for number in range(simulations):
        random = np.random.default_rng([number, scenario.images, scenario.track])
        correct, track, accuracy = simulate(scenario, SHAPES[number % len(SHAPES)], random)
        sample = resample(LEVELS, correct, groups=track, seed=number, replicates=REPLICATES)
        for share in SHARES:
            truth = true_crossing(accuracy, share)
            threshold = find_threshold(sample, share=share)
            found[share].append(
                {"truth": truth, "value": threshold.value, "low": threshold.low, "high": threshold.high}
            )
            if number < COMPARED:
                ways[share].append(_plain_ways(sample, share, truth))
    times = {"seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(time.process_time() - spent, 1)}
    return [_row(scenario, share, found[share], ways[share]) | times for share in SHARES]


def _plain_ways(sample: Resampled, share: float, truth: float) -> dict[str, bool]:
    """Whether the plain percentile and basic bootstrap intervals cover the truth."""
    low, high = np.quantile(crossings(sample.levels, sample.replicates, share), [0.025, 0.975], method="lower")
    value = float(crossings(sample.levels, sample.accuracy[None], share)[0])
    basic = bool(2 * value - high <= truth <= 2 * value - low) if np.isfinite(value + high) else True
    return {"percentile": bool(low <= truth <= high), "basic": basic}


def _row(
    scenario: Scenario, share: float, found: list[dict[str, float]], ways: list[dict[str, bool]]
) -> dict[str, Any]:
    truth, value, low, high = (np.array([one[key] for one in found]) for key in ("truth", "value", "low", "high"))
    covered = (low <= truth) & (truth <= high)
    wilson = binomtest(int(covered.sum()), len(covered)).proportion_ci(0.95, method="wilson")
    finite = np.isfinite(value) & np.isfinite(truth)
    closed = np.isfinite(high)
    return asdict(scenario) | {
        "share": share,
        "simulations": len(found),
        "replicates": REPLICATES,
        "coverage": float(covered.mean()),
        "coverage_low": float(wilson.low),
        "coverage_high": float(wilson.high),
        "missed_below": float((truth < low).mean()),
        "missed_above": float((truth > high).mean()),
        "coverage_by_shape": {shape: float(covered[k :: len(SHAPES)].mean()) for k, shape in enumerate(SHAPES)},
        "coverage_of_other_ways": {way: float(np.mean([one[way] for one in ways])) for way in ways[0]},
        "mean_width": float((high - low)[closed].mean()),
        "open_intervals": float(1 - closed.mean()),
        "bias": float((value - truth)[finite].mean()),
        "root_mean_square_error": float(np.sqrt(np.mean((value - truth)[finite] ** 2))),
    }


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    order = {scenario.name: index for index, scenario in enumerate(SCENARIOS)}
    rows = sorted(rows, key=lambda row: (order[row["name"]], -row["share"]))
    bar = [row["coverage"] for row in rows if row["bar"]]
    content = {
        "interval": "BCa over groups with Student's expansion, and the doubt of interpolation in quadrature",
        "scenarios": rows,
    }
    targets = []
    if bar:
        targets = [
            Target("smallest coverage of the 95% threshold intervals", min(bar), at_least=0.935),
            Target("largest coverage of the 95% threshold intervals", max(bar), at_most=0.965),
        ]
    write_result(path, content, targets=targets, packages=("numpy", "scipy"))


@click.command()
@click.option("--simulations", default=4000, show_default=True, help="Simulations of each scenario of the bar.")
@click.option("--stress-simulations", default=1000, show_default=True, help="Simulations of each stress scenario.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--output", default=RESULTS / "threshold_coverage.json", type=click.Path(path_type=Path))
def main(simulations: int, stress_simulations: int, workers: int, output: Path) -> None:
    """Measure the coverage of threshold intervals; scenarios already in OUTPUT are kept."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    asked = {scenario.name: simulations if scenario.bar else stress_simulations for scenario in SCENARIOS}
    kept = json.loads(output.read_text(encoding="utf-8"))["scenarios"] if output.exists() else []
    rows = [row for row in kept if row["simulations"] == asked.get(row["name"])]
    done = {row["name"] for row in rows}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(measure, each, asked[each.name]) for each in SCENARIOS if each.name not in done]
        for job in as_completed(jobs):
            rows += job.result()
            _write(output, rows)
            for row in job.result():
                print(f"{row['name']}, share {row['share']}: {row['coverage']:.3f} in {row['seconds']} s")


if __name__ == "__main__":
    main()
