"""Networks trained alike but for their seeds: how much they differ, and what they are worth together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.entry import Results
from pipelines.intervals import accuracy_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import keras
    import pandas as pd

    from pipelines.outcome import Outcome
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

TIMED_IMAGES = 512
TIMINGS = 3


def join(
    outcomes: Mapping[int, Outcome],
    dataset: SignDataset,
    splits: dict[str, Signs],
    run: TrackedRun,
    folder: Path,
    *,
    views: int,
    register: bool,
    champion: bool | None = None,
    tracks_held_out: bool = True,
) -> Results:
    """Compare the networks of several seeds, score them together, and log the one that validation likes best.

    Without validation images (`--all-tracks`) it is the first: the test images never choose. Writes `repeats.csv`, a
    row a seed; `together.csv`, what ensembles and views gain and cost; `ensemble.keras`; and the files of one training.
    Each seed's network and predictions stay in the folder of its own run.
    """
    from models.ensemble import ensemble
    from pipelines import outcome
    from pipelines.tables import write_tables

    seeds = repeats_table(outcomes)
    joined = ensemble([found.model for found in outcomes.values()])
    together = together_table(list(outcomes.values()), views, joined)
    accuracy = recipe_accuracy([found.predictions for found in outcomes.values()])
    kept = max(outcomes.values(), key=lambda found: found.history.best_f1_macro)
    metrics = kept.metrics() | {f"repeats/{name}": value for name, value in accuracy.items()}
    files = outcome.write_files(kept, dataset.class_names, folder)
    files += write_tables({"repeats.csv": seeds, "together.csv": together}, folder)
    files.append(outcome.save_model(joined, folder / "ensemble.keras"))
    crowned = outcome.log_outcome(
        run, kept, dataset, splits, files, register=register, champion=champion, tracks_held_out=tracks_held_out
    )
    return Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": kept.model.count_params()},
        metrics=metrics,
        artifacts={path.name: str(path) for path in files},
        summary=f"{_lines(seeds, accuracy)}\n{together_lines(together)}\n\n{outcome.summarise(kept, folder, crowned)}",
    )


def recipe_accuracy(predictions: Sequence[pd.DataFrame]) -> dict[str, float]:
    """Mean test accuracy of a recipe, its 95% interval over other seeds and other images, and the worst seed's.

    Args:
        predictions: Of each network (`predictions.parquet`), all of the same images.

    Returns:
        accuracy, accuracy_low, accuracy_high (NaN of one network), accuracy_worst.

    Raises:
        ValueError: the networks answered other images.
    """
    first, *others = tables = [table.sort_values("image_id") for table in predictions]
    if any(other["image_id"].tolist() != first["image_id"].tolist() for other in others):
        raise ValueError("predictions of different images: networks are compared on the same ones")
    right = np.stack([table["predicted"].to_numpy() == table["label"].to_numpy() for table in tables])
    groups = np.where(first["track"] == "", first["image_id"], first["track"])
    mean, low, high = accuracy_interval(right, groups=groups)
    worst = float(right.mean(axis=1).min())
    return {"accuracy": mean, "accuracy_low": low, "accuracy_high": high, "accuracy_worst": worst}


def repeats_table(outcomes: Mapping[int, Outcome]) -> pd.DataFrame:
    """A row a seed."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "seed": seed,
                "accuracy": found.scores.accuracy,
                "f1_macro": found.scores.f1_macro,
                "wrong": found.wrong,
                "validation_f1_macro": found.validation_f1_macro,
                "seconds": found.training_seconds,
            }
            for seed, found in outcomes.items()
        ]
    )


def together_table(outcomes: Sequence[Outcome], views: int, joined: keras.Model | None = None) -> pd.DataFrame:
    """Accuracy of one network and of their ensemble, on an image and on several views of it, and the time of each.

    `joined` is the ensemble, if there is one.
    Columns: networks, views, accuracy (of single networks: their mean), parameters, ms_per_image.
    """
    import pandas as pd

    from models.ensemble import predict_views

    test = outcomes[0].test
    groups = {1: [found.model for found in outcomes]}
    if joined is not None:
        groups[len(outcomes)] = [joined]
    rows = []
    for count in sorted({1, views}):
        for networks, models in groups.items():
            accuracy = np.mean(
                [np.mean(predict_views(model, test.image, count).argmax(axis=1) == test.label) for model in models]
            )
            some = test.image[:TIMED_IMAGES]
            rows.append(
                {
                    "networks": networks,
                    "views": count,
                    "accuracy": float(accuracy),
                    "parameters": models[0].count_params(),
                    "ms_per_image": 1000 * _seconds(predict_views, models[0], some, count) / len(some),
                }
            )
    return pd.DataFrame(rows)


def _seconds(call: Callable[..., Any], *arguments: Any) -> float:
    """The least of a few timings."""
    taken = []
    for _ in range(TIMINGS):
        started = time.perf_counter()
        call(*arguments)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _lines(seeds: pd.DataFrame, accuracy: Mapping[str, float]) -> str:
    each = ", ".join(f"{seed}: {value:.2%}" for seed, value in zip(seeds["seed"], seeds["accuracy"], strict=True))
    return (
        f"{len(seeds)} seeds: test accuracy {accuracy['accuracy']:.2%} (95% interval over other seeds and images "
        f"{accuracy['accuracy_low']:.2%} to {accuracy['accuracy_high']:.2%}), worst {accuracy['accuracy_worst']:.2%}; "
        f"seed {each}"
    )


def together_lines(together: pd.DataFrame) -> str:
    """`together_table` for a person."""
    lines = []
    for networks, views, accuracy, _, milliseconds in together.itertuples(index=False):
        who = "one network" if networks == 1 else f"{networks} networks together"
        lines.append(f"{who}, {views} view{'s' * (views > 1)}: {accuracy:.2%}, {milliseconds:.3f} ms an image")
    return "\n".join(lines)
