"""How often the 95% intervals of thresholds cover the truth, on simulated observers whose thresholds are known.

    python -m benchmarks.threshold_coverage

Two tables: at fixed levels, and with levels added by the rule of `noise_grid`, which is run inside the simulation. The
truth is the first level at which the true accuracy falls to a share of clean accuracy; each simulation draws its own
shape, width, place and rates, so that crossings lie anywhere between levels. Rows without an honest interval (-inf to
inf, the reason in `method`) are counted apart. Rows that are done are kept in the result file and not run again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from scipy.stats import binomtest

from benchmarks.observers import END, SHAPES, Observer, Population, of_frames, of_sizes
from benchmarks.record import RESULTS, Target, write_result
from noise.levels import USUAL
from noise.refinement import next_levels
from noise.resampling import Resampled, resample
from noise.thresholds import find_threshold
from pipelines.analysis import CRITERIA
from pipelines.search import ROUNDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REPLICATES = 1000
ROUNDING = 1e-9
"""Of truths that are found by bisection."""
LEAST, MOST = 0.93, 0.97
"""Coverage asked of each row; above MOST is allowed at fixed levels where an interval is at most the cell, and the
sampling error beside it."""


def evenly(count: int) -> Callable[[np.random.Generator], Floats]:
    """So many levels above the clean one."""
    return lambda random: np.linspace(0.0, END, count + 1)  # noqa: ARG005


def anywhere(random: np.random.Generator) -> Floats:
    """Ten levels above the clean one, all but the last at random places."""
    return np.concatenate([[0.0], np.sort(random.uniform(0.03, 0.99, 9)), [END]])


def usual(random: np.random.Generator) -> Floats:  # noqa: ARG001
    """The levels of a noise for which none are given."""
    return np.array([0.0, *USUAL])


GENTLE, TENTHS, SUDDEN = Population(), evenly(10), (0.25, 0.75)


@dataclass(frozen=True)
class Scenario:
    """A kind of observers, and the levels at which they are asked."""

    name: str
    population: Population = GENTLE
    levels: Callable[[np.random.Generator], Floats] = TENTHS
    images: tuple[int, ...] = (300, 6000)


SCENARIOS = (
    Scenario("gentle falls"),
    Scenario("falls of 0.15 to 0.3", Population((0.15, 0.3), (0.3, 0.7))),
    Scenario("falls of 0.1 to 0.15", Population((0.1, 0.15), SUDDEN)),
    Scenario("falls of 0.08", Population((0.08, 0.0801), SUDDEN)),
    Scenario("falls of 0.02 to 0.05", Population((0.02, 0.05), SUDDEN)),
    Scenario("falls near the first levels", Population((0.25, 0.35), (0.2, 0.3))),
    Scenario("uneven levels, all falls", Population((0.02, 0.6), SUDDEN), anywhere),
    Scenario("uneven levels, gentle falls", GENTLE, anywhere),
    Scenario("usual levels", Population((0.1, 0.6), (0.1, 0.75)), usual),
    Scenario("four levels", Population((0.2, 0.6), (0.4, 0.7)), evenly(4)),
    Scenario("32 levels", Population((0.1, 0.5), (0.3, 0.7)), evenly(32)),
    Scenario("32 levels, falls of 0.02 to 0.1", Population((0.02, 0.1), (0.3, 0.7)), evenly(32)),
    Scenario("15 to 30% right again", Population((0.1, 0.5), (0.3, 0.6), again=(0.15, 0.3))),
    Scenario("1% of answers flipped anew", Population(flips=0.01)),
    Scenario("steps of 1/32", Population((0.2, 0.5), step=1 / 32)),
    Scenario("steps of 1/32, usual levels", Population((0.2, 0.5), (0.1, 0.6), step=1 / 32), usual),
    Scenario("three fields an image", Population(repeats=3)),
    Scenario("clean accuracy of 60%", Population(lapses=(0.38, 0.42))),
    Scenario("30 images", images=(30,)),
    Scenario("tracks of 30", Population(groups=lambda images, _: np.arange(images) // 30)),
    Scenario("ragged tracks of about 4", Population(groups=partial(of_frames, 4))),
    Scenario("12 equal groups", Population(groups=lambda images, _: np.arange(images) * 12 // images)),
    Scenario(
        "a third in one group, the others of 30",
        Population(groups=lambda images, _: of_sizes([images / 3, *[30] * (images // 45)], images)),
    ),
    Scenario(
        "50 groups of Pareto sizes",
        Population(groups=lambda images, random: of_sizes(random.pareto(1.5, 50) + 1, images)),
    ),
    Scenario(
        "43 groups of log-normal sizes",
        Population(groups=lambda images, random: of_sizes(np.exp(random.normal(size=43)), images)),
    ),
)


def added(observer: Observer, levels: Floats, number: int) -> Resampled:
    """The sample after the rule of `noise_grid` has added its levels."""
    for rounds in range(ROUNDS + 1):
        sample = _sample(observer, levels, number)
        if rounds == ROUNDS:
            break
        more = next_levels(sample, tuple(CRITERIA.values()), step=observer.population.step)
        if not more:
            break
        levels = np.union1d(levels, more)
    return sample


def _sample(observer: Observer, levels: Floats, number: int) -> Resampled:
    return resample(levels, observer.correct(levels), groups=observer.groups, seed=number, replicates=REPLICATES)


def measure(place: int, images: int, refined: bool, simulations: int) -> list[dict[str, Any]]:
    """Coverage of both thresholds of one scenario: a row for each criterion."""
    scenario, began = SCENARIOS[place], time.process_time()
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in CRITERIA}
    for number in range(simulations):
        random = np.random.default_rng([place, images, number])
        observer = Observer(scenario.population, images, SHAPES[number % len(SHAPES)], random)
        levels = scenario.levels(random)
        sample = added(observer, levels, number) if refined else _sample(observer, levels, number)
        for name, share in CRITERIA.items():
            truth = observer.first_crossing(share)
            one = find_threshold(sample, share=share, step=scenario.population.step)
            cell = np.diff(sample.levels)[np.clip(np.searchsorted(sample.levels, truth) - 1, 0, len(sample.levels) - 2)]
            asked = images * scenario.population.repeats * (len(sample.levels) - 1)
            found[name].append((truth, one.low, one.high, cell, one.sampling_error, asked))
    seconds = round(time.process_time() - began, 1)
    about = {"scenario": scenario.name, "images": images}
    return [about | {"share": CRITERIA[name]} | _row(name, found[name]) | {"cpu_seconds": seconds} for name in CRITERIA]


def _row(criterion: str, found: list[tuple[float, ...]]) -> dict[str, Any]:
    table = np.array(found)
    honest = ~np.isneginf(table[:, 1])
    truth, low, high, cell, error, asked = table[honest].T if honest.any() else table.T
    covered = (low - ROUNDING <= truth) & (truth <= high + ROUNDING)
    ends = binomtest(int(covered.sum()), len(covered)).proportion_ci(0.95, method="wilson")
    return {
        "criterion": criterion,
        "coverage": round(float(covered.mean()), 4),
        "low": round(float(ends.low), 4),
        "high": round(float(ends.high), 4),
        "missed_below": round(float((~covered & (truth < low)).mean()), 4),
        "missed_above": round(float((~covered & (truth > high)).mean()), 4),
        "width": _short(np.median(high - low)),
        "cell": _short(np.median(cell)),
        "sampling_error": _short(np.nanmedian(error)) if np.isfinite(error).any() else None,
        "open": int(np.isinf(high).sum()),
        "infinite": int((~honest).sum()),
        "simulations": len(table),
        "predictions": round(float(asked.mean())),
    }


def _short(value: Any) -> float:
    return float(f"{value:.4g}")


def kept_bounds(row: dict[str, Any], refined: bool) -> bool:
    """Whether a row's coverage keeps its bounds within the error of the simulation, or has no interval at all."""
    if row["infinite"] == row["simulations"]:
        return True
    wide = row["sampling_error"] is None or row["width"] > row["cell"] + 2 * 1.96 * row["sampling_error"]
    return row["high"] >= LEAST and (row["low"] <= MOST or not (refined or wide))


def _write(path: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    def order(row: dict[str, Any]) -> tuple[int, int, str]:
        return [one.name for one in SCENARIOS].index(row["scenario"]), row["images"], row["criterion"]

    ordered = {name: sorted(rows, key=order) for name, rows in tables.items()}
    targets = [
        Target(
            f"{name}: share of rows that keep their bounds",
            np.mean([kept_bounds(row, name == "refined") for row in rows]),
            at_least=1.0,
        )
        for name, rows in ordered.items()
        if rows
    ]
    write_result(path, {"replicates": REPLICATES, **ordered}, targets=targets, packages=("numpy", "scipy"))


@click.command()
@click.option("--simulations", default=1000, show_default=True, help="Of each row.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--output", default=RESULTS / "threshold_coverage.json", type=click.Path(path_type=Path))
def main(simulations: int, workers: int, output: Path) -> None:
    """Measure the coverage of threshold intervals; rows already in OUTPUT are kept."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    kept = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
    tables = {
        name: [row for row in kept.get(name, []) if row["simulations"] == simulations] for name in ("fixed", "refined")
    }
    done = {(name, row["scenario"], row["images"]) for name, rows in tables.items() for row in rows}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = {
            pool.submit(measure, place, images, name == "refined", simulations): name
            for name in tables
            for place, scenario in enumerate(SCENARIOS)
            for images in scenario.images
            if (name, scenario.name, images) not in done
        }
        for job in as_completed(jobs):
            tables[jobs[job]] += job.result()
            _write(output, tables)
            for row in job.result():
                click.echo(
                    f"{jobs[job]:8} {row['scenario']:40} {row['images']:5} {row['criterion']:6} {row['coverage']:.3f} "
                    f"[{row['low']:.3f}, {row['high']:.3f}] width {row['width']:.4f}, {row['infinite']} without"
                )


if __name__ == "__main__":
    main()
