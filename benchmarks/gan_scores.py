"""Seconds of the scores of generated images beside torchmetrics and prdc, on the same features, and their equality.

    python -m benchmarks.gan_scores

It needs a Python of its own, whose torch is the CPU's, as torchmetrics and torchvision quarrel otherwise:

    python3.11 -m venv scores && scores/bin/pip install numpy==2.4.6 scipy==1.17.1 click==8.5.1
    scores/bin/pip install torch==2.13.0 torchmetrics==1.9.0 prdc==0.2

Random features in float64, which equality to 1e-9 asks for. The contenders take turns, round after round, after one
round that counts for neither, and a ratio is taken within each round. All use as many threads as there are cores. The
kernel distance is compared twice: as that of all samples, which is the value that we give, and as torchmetrics does by
default, as the mean of 100 subsets of 1000, where ours gives both the value of all samples and the spread over such
subsets.

Writes results/gan_scores.json.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import prdc
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from benchmarks.record import RESULTS, Target, write_result
from gan.scores import frechet_distance, inception_score, kernel_distance, precision_recall_density_coverage

NEIGHBOURS = 5
PACKAGES = ("numpy", "scipy", "torch", "torchmetrics", "prdc")

Call = Callable[[], Mapping[str, float]]


class Identity(torch.nn.Module):
    """Features are given, not extracted."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.num_features = dimension

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features as they are."""
        return features


def contests(samples: int, dimension: int) -> dict[str, tuple[Call, Call]]:
    """By name: ours and the peer's, each called without arguments, on the same random features."""
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(samples, dimension)), random.normal(0.01, 1, (samples, dimension))
    subset = min(1000, samples // 2)

    def torch_metric(metric: Any) -> Any:
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(fake), real=False)
        return metric.compute()

    def torch_frechet() -> Mapping[str, float]:
        metric = FrechetInceptionDistance(feature=Identity(dimension)).set_dtype(torch.float64)
        return {"frechet": float(torch_metric(metric))}

    def torch_kernel(subsets: int, size: int) -> Mapping[str, float]:
        metric = KernelInceptionDistance(feature=Identity(dimension), subsets=subsets, subset_size=size)
        return {"kernel": float(torch_metric(metric)[0])}

    def torch_inception() -> Mapping[str, float]:
        metric = InceptionScore(feature=Identity(dimension), splits=1).set_dtype(torch.float64)
        metric.update(torch.from_numpy(fake))
        return {"inception": float(metric.compute()[0])}

    def peer_neighbours() -> Mapping[str, float]:
        with contextlib.redirect_stdout(io.StringIO()):
            return {name: float(value) for name, value in prdc.compute_prdc(real, fake, NEIGHBOURS).items()}

    return {
        "inception_score": (lambda: {"inception": inception_score(fake, splits=1).value}, torch_inception),
        "frechet_distance": (lambda: {"frechet": frechet_distance(real, fake)}, torch_frechet),
        "kernel_distance": (
            lambda: {"kernel": kernel_distance(real, fake, subsets=0, subset_size=2).value},
            lambda: torch_kernel(1, samples),
        ),
        "kernel_distance_with_spread": (
            lambda: {"kernel": kernel_distance(real, fake, subsets=100, subset_size=subset).value},
            lambda: torch_kernel(100, subset),
        ),
        "precision_recall_density_coverage": (
            lambda: precision_recall_density_coverage(real, fake, k=NEIGHBOURS)._asdict(),
            peer_neighbours,
        ),
    }


def measure(ours: Call, peer: Call, rounds: int) -> dict[str, Any]:
    """Seconds of both, the ratio within each round, and the largest relative difference of what they say.

    A first round warms up: memory that is touched for the first time costs whoever comes first.
    """
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    found: dict[str, Mapping[str, float]] = {}
    for turn in range(1 + rounds):
        for name, call in (("ours", ours), ("peer", peer)):
            start = time.perf_counter()
            found[name] = call()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    differences = [abs(found["ours"][name] - value) / max(abs(value), 1e-300) for name, value in found["peer"].items()]
    return {
        "ours": dict(found["ours"]),
        "peer": dict(found["peer"]),
        "relative_difference": max(differences),
        "seconds": {name: round(statistics.median(taken), 3) for name, taken in seconds.items()},
        "ratios": [round(b / a, 2) for a, b in zip(seconds["ours"], seconds["peer"], strict=True)],
    }


def targets(rows: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """What the issue asks for."""
    judged = [
        Target(f"{name}: times the speed of the peer", statistics.median(row["ratios"]), at_least=2)
        for name, row in rows.items()
    ]
    equal = [row["relative_difference"] for name, row in rows.items() if name != "kernel_distance_with_spread"]
    return [*judged, Target("largest relative difference, in 1e-9", max(equal) / 1e-9, at_most=1)]


@click.command()
@click.option("--samples", default=10_000, show_default=True)
@click.option("--dimension", default=2048, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--output", default=RESULTS / "gan_scores.json", type=click.Path(path_type=Path))
def main(samples: int, dimension: int, rounds: int, output: Path) -> None:
    """Time every score."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(os.cpu_count() or 1)
    rows = {}
    for name, (ours, peer) in contests(samples, dimension).items():
        rows[name] = measure(ours, peer, rounds)
        click.echo(f"{name}: {rows[name]}")
    given = {"samples": samples, "dimension": dimension, "rounds": rounds, "threads": torch.get_num_threads()}
    write_result(output, given | {"scores": rows}, targets=targets(rows), packages=PACKAGES)


if __name__ == "__main__":
    main()
