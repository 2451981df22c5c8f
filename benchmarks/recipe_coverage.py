"""How often the 95% intervals of a recipe's threshold cover it, and how often two equal recipes are told apart.

    python -m benchmarks.recipe_coverage

A simulated recipe gives networks whose thresholds differ by a factor that is drawn anew in each training. Each image
has a tolerance, which the networks share in part: an image that is hard for one is hard for the others. The truth is
the recipe's, so an interval has to hold the trainings as well as the images. Two recipes see the same images.
"""

from __future__ import annotations

import itertools
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import binomtest

from benchmarks.record import RESULTS, Target, write_result
from noise.trainings import compare_recipes, recipe_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Networks = list[tuple[Floats, NDArray[np.bool_]]]

LEVELS = np.linspace(0.0, 1.0, 11)
SHARES = (0.9, 0.5)
REPLICATES = 200
APART = 1.25
"""Ratio of the two recipes in every second simulation; in the others they are equal."""


@dataclass(frozen=True)
class Scenario:
    """A population of recipes."""

    trainings: int
    images: int
    spread: float
    """Standard deviation between trainings, as a multiple of the sampling error by the images."""
    sudden: bool = False
    """Whether most of the fall lies between two levels; nothing tells where, and the interval is mostly that doubt."""


SCENARIOS = [Scenario(*each) for each in itertools.product((3, 5), (300, 1000), (0.0, 1.0, 3.0))]
SCENARIOS += [Scenario(3, 1000, spread, sudden=True) for spread in (1.0, 3.0, 30.0)]


@dataclass(frozen=True)
class Recipe:
    """Tolerances are log-normal about `centre` with `width`; shares of `lapses` and `guesses` ignore the noise."""

    centre: float
    width: float
    lapses: float
    guesses: float

    def accuracy(self, level: float) -> float:
        """Of a network in the middle of the recipe."""
        kept = float(ndtr(np.log(self.centre / max(level, 1e-300)) / self.width))
        return (1 - self.lapses) * kept + self.guesses * (1 - kept)

    def threshold(self, share: float) -> float:
        """The truth."""
        return float(brentq(lambda level: self.accuracy(level) - share * self.accuracy(0.0), 1e-9, 9.0))

    def sampling_error(self, share: float, images: int) -> float:
        """Standard error of the logarithm of one network's threshold, by the choice of images."""
        level, step = self.threshold(share), 1.001
        slope = (self.accuracy(level / step) - self.accuracy(level * step)) / (2 * np.log(step))
        return float(np.sqrt(share * (1 - share) / images) / slope)

    def train(
        self, count: int, spread: float, shared: Floats, correlation: float, random: np.random.Generator
    ) -> Networks:
        """So many networks, and their answers to images whose shared difficulty is given as normal scores (N,)."""
        networks = []
        for factor in np.exp(spread * random.normal(size=count)):
            scores = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * random.normal(size=len(shared))
            right = factor * self.centre * np.exp(self.width * scores)[:, None] > LEVELS
            fixed = random.random((2, len(shared), 1)) < np.array([self.lapses, self.guesses])[:, None, None]
            networks.append((LEVELS, np.where(right, ~fixed[0], fixed[1])))
        return networks


def simulate(scenario: Scenario, share: float, number: int) -> dict[str, float]:
    """One recipe against its truth, and against another one."""
    random = np.random.default_rng([number, scenario.trainings, scenario.images, int(10 * scenario.spread)])
    rates = random.uniform(0.005, 0.04), random.uniform(0.0, 0.06)
    one = Recipe(random.uniform(0.4, 0.55), random.uniform(0.25, 0.45) / (10 if scenario.sudden else 1), *rates)
    ratio = APART if number % 2 else 1.0
    other = Recipe(one.centre / ratio, one.width, *rates)
    spread = scenario.spread * one.sampling_error(share, scenario.images)
    shared, correlation = random.normal(size=scenario.images), random.uniform(0.4, 0.9)
    first, second = (each.train(scenario.trainings, spread, shared, correlation, random) for each in (one, other))
    found = recipe_threshold(first, share=share, seed=number, replicates=REPLICATES)
    compared = compare_recipes(first, second, share=share, seed=number, replicates=REPLICATES)
    truth = one.threshold(share)
    return {
        "covered": found.low <= truth <= found.high,
        "missed_below": truth < found.low,
        "width": (found.high - found.low) / found.value,
        "width_of_images": float(np.mean([(each.high - each.low) / each.value for each in found.each])),
        "covered_by_single": float(np.mean([each.low <= truth <= each.high for each in found.each])),
        "ratio_covered": compared.low <= ratio <= compared.high,
        "ratio_width": compared.high - compared.low,
        "told_apart": compared.p < 0.05,
        "equal": ratio == 1.0,
    }


def measure(scenario: Scenario, share: float, simulations: int) -> dict[str, Any]:
    """A row of the table."""
    began = time.perf_counter()
    runs = [simulate(scenario, share, number) for number in range(simulations)]
    of = {key: np.array([run[key] for run in runs]) for key in runs[0]}
    equal = of["equal"]
    return asdict(scenario) | {
        "share": share,
        "simulations": simulations,
        **_rate("coverage", of["covered"]),
        "missed_below": float(of["missed_below"].mean()),
        "median_width": float(np.median(of["width"])),
        "median_width_of_one_network": float(np.median(of["width_of_images"])),
        "coverage_by_one_network": float(of["covered_by_single"].mean()),
        **_rate("ratio_coverage", of["ratio_covered"]),
        "ratio_median_width": float(np.median(of["ratio_width"])),
        **_rate("false_alarms", of["told_apart"][equal]),
        "told_apart_at_1.25": float(of["told_apart"][~equal].mean()),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _rate(name: str, hits: NDArray[np.bool_]) -> dict[str, float]:
    wilson = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return {name: float(hits.mean()), f"{name}_low": float(wilson.low), f"{name}_high": float(wilson.high)}


@click.command()
@click.option("--simulations", default=1000, show_default=True, help="Of each scenario and share.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--output", default=RESULTS / "recipe_coverage.json", type=click.Path(path_type=Path))
def main(simulations: int, workers: int, output: Path) -> None:
    """Measure the coverage of recipes' thresholds and ratios."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(measure, *each, simulations) for each in itertools.product(SCENARIOS, SHARES)]
        rows = [job.result() for job in jobs]
    gentle = [row for row in rows if not row["sudden"]]
    end = "at the end of its own interval that is nearest to the bound"
    targets = [
        Target(f"smallest coverage of recipes, {end}", min(row["coverage_high"] for row in rows), at_least=0.93),
        Target(f"largest where falls are gentle, {end}", max(row["coverage_low"] for row in gentle), at_most=0.975),
        Target(f"smallest coverage of ratios, {end}", min(row["ratio_coverage_high"] for row in rows), at_least=0.93),
        Target(f"most false alarms, {end}", max(row["false_alarms_low"] for row in rows), at_most=0.05),
    ]
    content = {"levels": LEVELS.tolist(), "replicates": REPLICATES, "ratio_apart": APART, "scenarios": rows}
    write_result(output, content, targets=targets, packages=("numpy", "scipy"))
    for row in rows:
        where = f"{row['trainings']} trainings, {row['images']} images, spread {row['spread']:g}, share {row['share']}"
        print(
            f"{where}{', sudden' * row['sudden']}: {row['coverage']:.3f}, ratio {row['ratio_coverage']:.3f}, "
            f"false alarms {row['false_alarms']:.3f}"
        )


if __name__ == "__main__":
    main()
