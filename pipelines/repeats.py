"""Networks trained alike but for their seeds: how much they differ, and what they are worth together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.entry import Results
from pipelines.intervals import t_interval

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
) -> Results:
    """Compare the networks of several seeds, score them together, and log the one that validation likes best.

    Without validation images (`--all-tracks`) it is the first: the test images never choose. Writes `repeats.csv`, a
    row a seed; `together.csv`, what ensembles and views gain and cost; `ensemble.keras`; and the files of one training.
    """
    from models.ensemble import ensemble
    from pipelines import outcome
    from pipelines.tables import write_tables

    seeds = repeats_table(outcomes)
    joined = ensemble([found.model for found in outcomes.values()])
    together = together_table(list(outcomes.values()), views, joined)
    mean, low, high = t_interval(seeds["accuracy"])
    kept = max(outcomes.values(), key=lambda found: found.history.best_f1_macro)
    metrics = {
        **kept.metrics(),
        "repeats/accuracy": mean,
        "repeats/accuracy_low": max(low, 0.0),
        "repeats/accuracy_high": min(high, 1.0),
    }
    files = outcome.write_files(kept, dataset.class_names, folder)
    files += write_tables({"repeats.csv": seeds, "together.csv": together}, folder)
    files.append(outcome.save_model(joined, folder / "ensemble.keras"))
    outcome.log_outcome(run, kept, dataset, splits, files, register=register)
    return Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": kept.model.count_params()},
        metrics=metrics,
        artifacts={path.name: str(path) for path in files},
        summary=f"{_lines(seeds, together, mean, low, high)}\n\n{outcome.summarise(kept, folder)}",
    )


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


def _lines(seeds: pd.DataFrame, together: pd.DataFrame, mean: float, low: float, high: float) -> str:
    each = ", ".join(f"{value:.2%}" for value in seeds["accuracy"])
    interval = f"{max(low, 0):.2%} to {min(high, 1):.2%}"
    first = f"{len(seeds)} seeds: test accuracy {mean:.2%} (95% interval of the mean {interval}); {each}"
    return f"{first}\n{together_lines(together)}"


def together_lines(together: pd.DataFrame) -> str:
    """`together_table` for a person."""
    lines = []
    for networks, views, accuracy, _, milliseconds in together.itertuples(index=False):
        who = "one network" if networks == 1 else f"{networks} networks together"
        lines.append(f"{who}, {views} view{'s' * (views > 1)}: {accuracy:.2%}, {milliseconds:.3f} ms an image")
    return "\n".join(lines)
