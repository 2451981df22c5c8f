"""How the recipe `best` was chosen: each candidate learns a quarter of the training tracks and is asked for the others.

    python -m benchmarks.recipe_selection [CANDIDATE...] --data ../shared/gtsrb

The usual validation holds 261 tracks, of which a good recipe gets one or two wrong: too few to tell recipes apart. Here
each candidate is judged on about 980 tracks that it has not seen, every third frame of them. The official test images
are never looked at. A candidate that is done is not trained again. Writes results/recipe_selection.json.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from benchmarks.record import RESULTS, write_result
from models.fit import predict_logits
from models.recipes import RECIPES
from pipelines.signs import concatenate, prepared
from pipelines.training import examples, train_network
from pipelines.trials import track_subset

if TYPE_CHECKING:
    from pipelines.signs import SignDataset, Signs

SHARE = 0.25
EVERY = 3
STEPS = 980
"""Training steps of each candidate, whatever the number of its images."""
CANDIDATES: dict[str, dict[str, Any]] = {
    "default": {},
    "depth 2": {"depth": 2},
    "width 1.25": {"width": 1.25},
    "a spatial transformer": {"transformers": 1},
    "drawn signs, 60 a class": {"rendered": 60},
    "drawn signs, 200 a class": {"rendered": 200},
    "depth 2, drawn signs, 200 a class": {"depth": 2, "rendered": 200},
    "average of the weights": {"ema": 0.99},
    "rare classes drawn more often": {"balance": "sampling"},
    "rare classes weigh more": {"balance": "weights"},
    "faults of the sensor": {"augmentation": "signs+sensor"},
    "mixup": {"augmentation": "signs+mixup"},
    "cutmix": {"augmentation": "signs+cutmix"},
    "gridmask": {"augmentation": "signs+gridmask"},
    "randaugment": {"augmentation": "signs+randaugment"},
    "no augmentation": {"augmentation": "none"},
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(CANDIDATES)))
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--seed", default=0, show_default=True, help="Of training; the tracks are always the same.")
@click.option("--output", default=RESULTS / "recipe_selection.json", show_default=True, type=click.Path(path_type=Path))
def main(names: tuple[str, ...], data: str, seed: int, output: Path) -> None:
    """Train and judge these candidates, or all, as far as they are not in the result file yet."""
    dataset = prepared(data)
    known, unknown = quarter(dataset)
    rows = json.loads(output.read_text())["candidates"] if output.exists() else []
    done = {(row["candidate"], row["seed"]) for row in rows}
    for name in names or CANDIDATES:
        if (name, seed) not in done:
            rows.append({"candidate": name, "seed": seed, **judge(CANDIDATES[name], known, unknown, dataset, seed)})
            click.echo(json.dumps(rows[-1]))
            write_result(output, {"steps": STEPS, "share_of_tracks": SHARE, "candidates": rows}, packages=("keras",))


def quarter(dataset: SignDataset) -> tuple[Signs, Signs]:
    """A share of the tracks of each class, and every third frame of the others."""
    signs = concatenate([dataset.read("train"), dataset.read("validation")])
    rows = track_subset(signs, SHARE, seed=100)
    others = np.setdiff1d(np.arange(len(signs)), rows)
    return signs.take(rows), signs.take(others[::EVERY])


def judge(
    changes: dict[str, Any], known: Signs, unknown: Signs, dataset: SignDataset, seed: int
) -> dict[str, float | int]:
    """Train a candidate for the same number of steps as all, and score it on tracks that it has not seen."""
    started = time.perf_counter()
    recipe = RECIPES["default"].updated(all_tracks=True, **changes)
    train, _ = examples(recipe, {"train": known, "validation": known.take(np.arange(0))}, dataset)
    recipe = recipe.updated(epochs=max(1, round(STEPS * recipe.batch_size / len(train.labels))))
    model = train_network(recipe, train, None, classes=len(dataset.class_names), seed=seed).model
    predicted = predict_logits(model, unknown.image).argmax(axis=1)
    right = predicted == unknown.label
    by_track = pd.Series(right).groupby(unknown.track).mean()
    return {
        "accuracy": round(float(right.mean()), 4),
        "f1_macro": round(float(f1_score(unknown.label, predicted, average="macro")), 4),
        "tracks": len(by_track),
        "tracks_mostly_wrong": int((by_track < 0.5).sum()),
        "parameters": model.count_params(),
        "seconds": round(time.perf_counter() - started),
    }


if __name__ == "__main__":
    main()
