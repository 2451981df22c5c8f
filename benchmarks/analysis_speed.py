"""How long all tables of the standard grid take: 10 noises x 11 levels x 6,315 images of 43 classes.

python -m benchmarks.analysis_speed
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.record import RESULTS, Target, write_result
from pipelines.analysis import analyse

NOISES, CLASSES, IMAGES = 10, 43, 6315
LEVELS = tuple(np.linspace(0.0, 0.5, 11).tolist())
LIMIT_SECONDS = 30


def standard_grid(*, tracks: bool, seed: int = 0) -> pd.DataFrame:
    """Prediction rows of simulated images with the class sizes of a long-tailed set, in shuffled order."""
    random = np.random.default_rng(seed)
    label = random.choice(CLASSES, IMAGES, p=random.dirichlet(np.full(CLASSES, 3.0)))
    wrong, lapsed = random.integers(0, CLASSES, IMAGES), random.random(IMAGES) < 0.01
    fixed = {
        "image_id": [f"test/{image:05d}" for image in range(IMAGES)],
        "track": [f"{image // 30}" if tracks else "" for image in range(IMAGES)],
        "label": label,
        "repeat": 0,
    }
    clean = {"noise": "clean", "level": 0.0, "level_index": 0, "predicted": np.where(lapsed, wrong, label)}
    tables = [pd.DataFrame(fixed | clean)]
    for number in range(NOISES):
        tolerance = random.normal(0.15 + 0.03 * number, 0.07, IMAGES)
        for index, level in enumerate(LEVELS[1:], start=1):
            predicted = np.where(lapsed | (tolerance <= level), wrong, label)
            row = {"noise": f"noise_{number}", "level": level, "level_index": index, "predicted": predicted}
            tables.append(pd.DataFrame(fixed | row))
    return pd.concat(tables, ignore_index=True).sample(frac=1, random_state=seed)


def measure(*, tracks: bool) -> dict[str, float]:
    """Seconds to analyse the grid once."""
    rows = standard_grid(tracks=tracks)
    predictions = dict(iter(rows.groupby("noise")))
    names = [f"noise_{number}" for number in range(NOISES)]
    wall, cpu = time.perf_counter(), time.process_time()
    analysis = analyse(
        predictions, dict.fromkeys(names, LEVELS), dict.fromkeys(names, "sigma"), [str(c) for c in range(CLASSES)]
    )
    return {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "prediction_rows": len(rows),
        "thresholds": len(analysis.thresholds) + len(analysis.per_class),
    }


@click.command()
@click.option("--output", default=RESULTS / "analysis_speed.json", type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Time the analysis of the standard grid, with images and with tracks as groups."""
    content = {"images_as_groups": measure(tracks=False), "tracks_as_groups": measure(tracks=True)}
    targets = [
        Target(
            f"seconds of analysing the standard grid, {name.replace('_', ' ')}", each["seconds"], at_most=LIMIT_SECONDS
        )
        for name, each in content.items()
    ]
    write_result(output, content, targets=targets, packages=("numpy", "pandas", "scipy"))
    print(json.dumps(content))


if __name__ == "__main__":
    main()
