"""How the recipe `best` was chosen: each candidate learns a quarter of the training tracks and is asked for the others.

    python -m benchmarks.recipe_selection [CANDIDATE...] --data ../shared/gtsrb --seeds 3

The usual validation holds 261 tracks, of which a good recipe gets one or two wrong: too few to tell recipes apart. Here
each candidate is judged on about 980 tracks that it has not seen, every third frame of them. The official test images
are never looked at. What is done is not trained again, so that a candidate can be given more seeds. Writes
results/recipe_selection.json: a row a training, a row for each two seeds that answer together (what two columns would
give), and a table of what each candidate gains, with intervals.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
from sklearn.metrics import f1_score

from benchmarks.record import RESULTS, write_result
from models.fit import predict_logits
from models.recipes import Recipe
from pipelines.intervals import accuracy_gain, accuracy_interval
from pipelines.signs import concatenate, prepared
from pipelines.training import examples, train_network
from pipelines.trials import track_subset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from models.fit import Precision
    from pipelines.signs import SignDataset, Signs

SHARE = 0.25
EVERY = 3
STEPS = 980
"""Training steps of each candidate, whatever the number of its images."""
BASE = Recipe("residual", {"depth": 2}, ema=0.98, rendered=200, all_tracks=True)
"""What `best` was before; its average of the weights is as long a part of the steps here as there."""
BASE_NAME = "as it was"
CANDIDATES: dict[str, dict[str, Any]] = {
    BASE_NAME: {},
    "two columns": {"columns": 2, "batch_size": 256},
    "width 0.8": {"width": 0.8},
    "width 1.5": {"width": 1.5},
    "depth 1": {"depth": 1},
    "a spatial transformer": {"transformers": 1},
    "no drawn signs": {"rendered": 0},
    "drawn signs, 600 a class": {"rendered": 600},
    "no average of the weights": {"ema": 0.0},
    "label smoothing 0.05": {"label_smoothing": 0.05},
    "rare classes drawn more often": {"balance": "sampling"},
    "rare classes weigh more": {"balance": "weights"},
    "faults of the sensor": {"augmentation": "signs+sensor"},
    "erasing": {"augmentation": "signs+erasing"},
    "mixup": {"augmentation": "signs+mixup"},
    "cutmix": {"augmentation": "signs+cutmix"},
    "gridmask": {"augmentation": "signs+gridmask"},
    "randaugment": {"augmentation": "signs+randaugment"},
    "no augmentation": {"augmentation": "none"},
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(CANDIDATES)))
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of each; the tracks are always the same.")
@click.option("--precision", default="float32", type=click.Choice(["float32", "bfloat16"]), show_default=True)
@click.option("--work", default=Path("output/recipe_selection"), show_default=True, type=click.Path(path_type=Path))
@click.option("--output", default=RESULTS / "recipe_selection.json", show_default=True, type=click.Path(path_type=Path))
def main(names: tuple[str, ...], data: str, seeds: int, precision: Precision, work: Path, output: Path) -> None:
    """Train and judge these candidates, or all, as far as they are not in the result file yet."""
    dataset = prepared(data)
    known, unknown = quarter(dataset)
    rows: list[dict[str, Any]] = json.loads(output.read_text())["candidates"] if output.exists() else []
    done = {(row["candidate"], row["seed"], row["precision"]) for row in rows}
    for seed in range(seeds):  # all candidates have a first seed before any has a second
        for name in names or CANDIDATES:
            if (name, seed, precision) not in done:
                started = time.perf_counter()
                logits, about = learn(CANDIDATES[name], known, unknown, dataset, seed, precision)
                keep(logits, work, name, seed, precision)
                row = {"candidate": name, "seed": seed, "precision": precision, **judged(logits, unknown), **about}
                rows.append(row | noted(time.perf_counter() - started))
                rows += together(rows, work, name, unknown, precision)
                write(output, rows, unknown)
                click.echo(json.dumps({key: value for key, value in row.items() if key != "wrong"}))


def quarter(dataset: SignDataset) -> tuple[Signs, Signs]:
    """A share of the tracks of each class, and every third frame of the others."""
    signs = concatenate([dataset.read("train"), dataset.read("validation")])
    rows = track_subset(signs, SHARE, seed=100)
    others = np.setdiff1d(np.arange(len(signs)), rows)
    return signs.take(rows), signs.take(others[::EVERY])


def learn(
    changes: Mapping[str, Any], known: Signs, unknown: Signs, dataset: SignDataset, seed: int, precision: Precision
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Train a candidate for the same number of steps as all; its logits of tracks never seen, and its size."""
    recipe = BASE.updated(**changes)
    train, _ = examples(recipe, {"train": known, "validation": known.take(np.arange(0))}, dataset)
    recipe = recipe.updated(epochs=max(1, round(STEPS * recipe.batch_size / len(train.labels))))
    model = train_network(recipe, train, None, classes=len(dataset.class_names), seed=seed, precision=precision).model
    return predict_logits(model, unknown.image), {"parameters": model.count_params(), "epochs": recipe.epochs}


def keep(logits: NDArray[np.floating[Any]], work: Path, name: str, seed: int, precision: str) -> None:
    """Keep what a training said of the unknown images."""
    work.mkdir(parents=True, exist_ok=True)
    np.save(_logits(work, name, seed, precision), logits.astype(np.float16))


def _logits(work: Path, name: str, seed: int, precision: str) -> Path:
    return work / f"{name.replace(' ', '_')}-{seed}-{precision}.npy"


def together(
    rows: Sequence[Mapping[str, Any]], work: Path, name: str, unknown: Signs, precision: str
) -> list[dict[str, Any]]:
    """Rows of what the mean logits of seeds 0 and 1, of 2 and 3, and so on say, as far as there are none yet."""
    pair = f"{name}, two together"
    done = {row["seed"] for row in rows if (row["candidate"], row["precision"]) == (pair, precision)}
    found = []
    for number in set(range(len(rows))) - done:
        files = [_logits(work, name, seed, precision) for seed in (2 * number, 2 * number + 1)]
        if all(file.exists() for file in files):
            logits = np.mean([np.load(file).astype(np.float32) for file in files], axis=0)
            found.append({"candidate": pair, "seed": number, "precision": precision, **judged(logits, unknown)})
    return found


def judged(logits: NDArray[np.floating[Any]], unknown: Signs) -> dict[str, Any]:
    """Scores, and by track the number of frames that are wrong."""
    predicted = logits.argmax(axis=1)
    wrong = predicted != unknown.label
    names, images = np.unique(unknown.track, return_counts=True)
    counts = np.bincount(np.searchsorted(names, unknown.track), wrong).astype(int)
    return {
        "accuracy": round(float(1 - wrong.mean()), 5),
        "f1_macro": round(float(f1_score(unknown.label, predicted, average="macro")), 4),
        "tracks": len(names),
        "tracks_mostly_wrong": int((counts > images / 2).sum()),
        "wrong": {str(names[track]): int(counts[track]) for track in np.flatnonzero(counts)},
    }


def noted(seconds: float) -> dict[str, Any]:
    """When a training ended, how long it took, and what else the machine did."""
    now = datetime.now(UTC).isoformat(timespec="minutes")
    return {"date": now, "seconds": round(seconds), "load_average": round(os.getloadavg()[0], 1)}


def write(output: Path, rows: Sequence[Mapping[str, Any]], unknown: Signs) -> None:
    """The result file: all rows, and what they say together."""
    about = {"steps": STEPS, "share_of_tracks": SHARE, "base": BASE_NAME, "table": table(rows, unknown.track)}
    write_result(output, {**about, "candidates": rows}, packages=("keras", "tensorflow"))


def table(rows: Sequence[Mapping[str, Any]], track: NDArray[np.str_]) -> list[dict[str, Any]]:
    """A row a candidate: accuracy and gain over the base with 95% intervals over seeds and tracks, best first.

    Args:
        rows: Of one precision or several, each compared with the base of its own.
        track: (N,) of the images that were asked.
    """
    tracks = np.sort(track)
    _, first = np.unique(tracks, return_index=True)
    place = np.arange(len(tracks)) - np.repeat(first, np.diff([*first, len(tracks)]))
    answers: dict[tuple[str, str], list[NDArray[np.bool_]]] = {}
    for row in rows:
        wrong = np.array([row["wrong"].get(str(name), 0) for name in tracks])
        answers.setdefault((row["precision"], row["candidate"]), []).append(place >= wrong)
    found = []
    for (precision, candidate), right in answers.items():
        mean, low, high = accuracy_interval(right, groups=tracks)
        numbers = {"accuracy": mean, "low": low, "high": high}
        base = answers.get((precision, BASE_NAME))
        if base and candidate != BASE_NAME:
            numbers |= dict(
                zip(("gain", "gain_low", "gain_high"), accuracy_gain(right, base, groups=tracks), strict=True)
            )
        kept = {name: round(value, 5) if np.isfinite(value) else None for name, value in numbers.items()}
        found.append({"candidate": candidate, "precision": precision, "seeds": len(right), **kept})
    return sorted(found, key=lambda entry: -entry["accuracy"])


if __name__ == "__main__":
    main()
