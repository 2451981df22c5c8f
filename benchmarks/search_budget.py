"""What a search saves: Optuna with ASHA against random search that trains every trial to the end.

    python -m benchmarks.search_budget --data ../shared/gtsrb

Both are `python -m pipelines.tune` over the space of the family cnn and on the same images, a subset of GTSRB, once for
each seed. Compared are the best validation macro-F1, the epochs that all trials took, and those that Optuna with ASHA
had taken when one of its trials was first as good as the best of the random search, in the order in which MLflow was
told of them. What is finished is kept in --work, so that an interrupted comparison goes on; MLflow's store must then be
the same, too. Writes results/search_budget.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import mlflow
import numpy as np
import pandas as pd

from benchmarks.record import RESULTS, Target, write_result
from pipelines.tracking import curve_name
from pipelines.tuning import read_records

ROOT = Path(__file__).resolve().parent.parent
SEARCHES = {"random": ("--algorithm", "random", "--scheduler", "none"), "asha": ("--algorithm", "optuna")}


@click.command()
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--trials", default=12, show_default=True, help="Trials of the random search.")
@click.option("--more", default=2.0, show_default=True, help="So many times as many trials of Optuna with ASHA.")
@click.option("--epochs", default=32, show_default=True, help="Epochs of a trial that is not stopped.")
@click.option("--limit", default=860, show_default=True, help="Images a split.")
@click.option("--repetitions", default=3, show_default=True, help="Seeds of the two searches.")
@click.option("--work", default=Path("output/search_budget"), show_default=True, type=click.Path(path_type=Path))
@click.option("--output", default=RESULTS / "search_budget.json", show_default=True, type=click.Path(path_type=Path))
def main(
    data: str, trials: int, more: float, epochs: int, limit: int, repetitions: int, work: Path, output: Path
) -> None:
    """Run both searches once for each seed."""
    counts = {"random": trials, "asha": round(trials * more)}
    rows: list[dict[str, Any]] = []
    for seed in range(repetitions):
        row: dict[str, Any] = {"seed": seed}
        for name, options in SEARCHES.items():
            folder = work / f"{name}-{seed}"
            settings = {"data": data, "trials": counts[name], "epochs": epochs, "limit": limit, "seed": seed}
            best, spent = search(folder, options, settings)
            row |= {f"{name}_f1_macro": best, f"{name}_epochs": spent}
        row["asha_epochs_to_match"] = epochs_to_match(work / f"asha-{seed}", row["random_f1_macro"])
        rows.append(row)
        click.echo(json.dumps(row))
    table = pd.DataFrame(rows)
    matched = table["asha_epochs_to_match"].notna()
    until = table["asha_epochs_to_match"].fillna(table["asha_epochs"])
    to_match, share = (float(epochs.sum() / table["random_epochs"].sum()) for epochs in (until, table["asha_epochs"]))
    gain = float((table["asha_f1_macro"] - table["random_f1_macro"]).mean())
    result = {
        "trials": counts,
        "epochs_of_a_trial": epochs,
        "images": limit,
        "repetitions": rows,
        "share_of_epochs_to_match": round(to_match, 4),
        "share_of_all_epochs": round(share, 4),
        "mean_gain_in_f1_macro": round(gain, 5),
    }
    targets = [
        Target("epochs until Optuna with ASHA matches a random search, over that one's", to_match, at_most=1 / 3),
        Target("repetitions in which it does, of all", float(matched.mean()), at_least=1.0),
        Target("its best validation macro-F1 over that of the random search, mean difference", gain, at_least=0.0),
    ]
    write_result(output, result, targets=targets, packages=("ray", "optuna", "keras"))


def search(folder: Path, options: tuple[str, ...], settings: dict[str, Any]) -> tuple[float, int]:
    """Run one search, unless it is done; returns its best validation macro-F1 and all the epochs that it took."""
    if not (folder / "best.json").exists():
        given = {**settings, "champion": "false", "resume": "true", "output": folder}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        subprocess.run(
            [sys.executable, "-m", "pipelines.tune", *words, *options],
            cwd=ROOT,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            check=True,
        )
    trials = pd.read_csv(folder / "trials.csv")
    return float(trials["f1_macro"].max()), int(trials["epochs"].sum())


def epochs_to_match(folder: Path, target: float) -> int | None:
    """Epochs of all trials of a search until one had this validation macro-F1; None if none ever had."""
    client = mlflow.MlflowClient()
    told = [
        (point.timestamp, point.value)
        for record in read_records(folder / "ray" / "trials.json")
        for point in client.get_metric_history(record.run_id, curve_name("val_f1_macro"))
    ]
    best = np.maximum.accumulate([score for _, score in sorted(told)])
    return int(np.argmax(best >= target)) + 1 if best[-1] >= target else None


if __name__ == "__main__":
    main()
