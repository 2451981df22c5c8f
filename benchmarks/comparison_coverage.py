"""How often the 95% interval of a ratio of thresholds covers, and how often equal networks are called apart.

    python -m benchmarks.comparison_coverage

Pairs of simulated networks on the same images, half of what each finds hard being what the other finds hard too: equal
ones (a ratio of 1: any p under 0.05 is a false alarm), and some of which one stands 1.2 times the levels of the other.
The scenarios are those of `benchmarks.threshold_coverage`, at fixed levels.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.stats import binomtest

from benchmarks.observers import SHAPES, Observer
from benchmarks.record import RESULTS, Target, write_result
from benchmarks.threshold_coverage import LEAST, SCENARIOS
from noise.thresholds import compare_thresholds
from pipelines.analysis import CRITERIA

ALPHA = 0.05
EASES = (1.0, 1.2)
COMPARED = (
    "gentle falls",
    "falls of 0.08",
    "falls of 0.02 to 0.05",
    "uneven levels, all falls",
    "usual levels",
    "15 to 30% right again",
    "three fields an image",
    "tracks of 30",
    "ragged tracks of about 4",
    "50 groups of Pareto sizes",
)


def measure(name: str, images: int, ease: float, simulations: int) -> list[dict[str, Any]]:
    """A row for each criterion."""
    place = [one.name for one in SCENARIOS].index(name)
    scenario = SCENARIOS[place]
    found: dict[str, list[tuple[float, ...]]] = {criterion: [] for criterion in CRITERIA}
    for number in range(simulations):
        random = np.random.default_rng([place, images, number, 2])
        one = Observer(scenario.population, images, SHAPES[number % len(SHAPES)], random)
        other = one.twin(ease)
        levels = scenario.levels(random)
        answers = [observer.correct(levels) for observer in (other, one)]
        for criterion, share in CRITERIA.items():
            truths = [observer.first_crossing(share) for observer in (other, one)]
            if not np.all(np.isfinite(truths)):
                continue
            ratio = truths[0] / truths[1]
            told = compare_thresholds(levels, *answers, share=share, groups=one.groups, seed=number)
            honest = "no honest interval" not in told.method
            found[criterion].append((told.low <= ratio <= told.high, told.p < ALPHA, told.high, told.low, honest))
    about = {"scenario": name, "images": images, "ratio": ease}
    return [about | {"share": CRITERIA[one]} | _row(one, rows) for one, rows in found.items()]


def _row(criterion: str, found: list[tuple[float, ...]]) -> dict[str, Any]:
    covered, apart, high, low, honest = np.array(found, dtype=float).T
    given = honest > 0
    if not given.any():
        return {"criterion": criterion, "simulations": len(found), "infinite": len(found)}
    shares = {}
    for name, values in (("coverage", covered[given]), ("apart", apart[given])):
        ends = binomtest(int(values.sum()), len(values)).proportion_ci(0.95, method="wilson")
        shares |= {
            name: round(float(values.mean()), 4),
            f"{name}_low": round(float(ends.low), 4),
            f"{name}_high": round(float(ends.high), 4),
        }
    with np.errstate(divide="ignore"):
        factor = float(np.median(high[given] / low[given]))
    more = {"factor": float(f"{factor:.4g}"), "simulations": len(found), "infinite": int((~given).sum())}
    return {"criterion": criterion} | shares | more


@click.command()
@click.option("--simulations", default=500, show_default=True, help="Of each row.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--output", default=RESULTS / "comparison_coverage.json", type=click.Path(path_type=Path))
def main(simulations: int, workers: int, output: Path) -> None:
    """Measure coverage and false alarms of comparisons."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    rows: list[dict[str, Any]] = []
    scenarios = {one.name: one for one in SCENARIOS}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(measure, name, images, ease, simulations)
            for name in COMPARED
            for images in scenarios[name].images
            for ease in EASES
        ]
        for job in as_completed(jobs):
            rows += job.result()
            for row in job.result():
                click.echo(row)
    rows.sort(key=lambda row: (COMPARED.index(row["scenario"]), row["images"], row["ratio"], row["criterion"]))
    told = [row for row in rows if "coverage" in row]
    alarms = [row["apart_low"] for row in told if row["ratio"] == 1]
    targets = [
        Target("coverage of the lowest row, upper end", min(row["coverage_high"] for row in told), at_least=LEAST),
        Target("false alarms of the highest row, lower end", max(alarms), at_most=ALPHA),
    ]
    write_result(output, {"rows": rows}, targets=targets, packages=("numpy", "scipy"))


if __name__ == "__main__":
    main()
