"""What Ray Tune costs: a search of a few trials against the same trainings one after the other in one process.

    python -m benchmarks.tune_overhead --data ../shared/gtsrb

Both are whole processes, from start to exit, with all CPUs for each training; the search also keeps its state, logs to
MLflow, into a store that is there already, and draws its pictures. They take turns. Writes results/tune_overhead.json,
with the seconds that the search spent in epochs, so that one sees what its start, its end and the time between cost.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import mlflow
import pandas as pd
import yaml

from benchmarks.record import RESULTS, Target, write_result

ROOT = Path(__file__).resolve().parent.parent
PLAIN = """
import sys
import tensorflow as tf
from models.fit import Examples
from models.recipes import RECIPES
from pipelines.signs import prepared
from pipelines.training import examples, read_splits, train_network
dataset = prepared(sys.argv[1])
recipe = RECIPES["default"].updated(epochs=int(sys.argv[3]))
train, validation = examples(recipe, read_splits(dataset, int(sys.argv[4])), dataset)
for seed in range(int(sys.argv[2])):
    train_network(recipe, train, validation, classes=len(dataset.class_names), seed=seed)
"""


@click.command()
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--trials", default=4, show_default=True, help="Trainings.")
@click.option("--epochs", default=8, show_default=True, help="Of each.")
@click.option("--limit", default=8600, show_default=True, help="Images a split.")
@click.option("--rounds", default=2, show_default=True, help="Of both, in turns.")
@click.option("--output", default=RESULTS / "tune_overhead.json", show_default=True, type=click.Path(path_type=Path))
def main(data: str, trials: int, epochs: int, limit: int, rounds: int, output: Path) -> None:
    """Time both, and compare their medians."""
    seconds: dict[str, list[float]] = {"plain": [], "tune": [], "epochs_of_tune": []}
    with tempfile.TemporaryDirectory() as work:
        store = f"sqlite:///{work}/mlflow.db"
        mlflow.MlflowClient(store).search_experiments()
        space = Path(work) / "seeds.yaml"
        space.write_text(yaml.safe_dump({"parameters": {"seed": {"choice": list(range(trials))}}}))
        for number in range(rounds):
            seconds["plain"].append(timed(["-c", PLAIN, data, str(trials), str(epochs), str(limit)]))
            folder = Path(work) / str(number)
            given = {"data": data, "space": space, "epochs": epochs, "limit": limit, "output": folder}
            options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
            options += ["--algorithm", "grid", "--champion", "false", "--cpus-per-worker", str(os.cpu_count())]
            seconds["tune"].append(timed(["-m", "pipelines.tune", *options], {"MLFLOW_TRACKING_URI": store}))
            seconds["epochs_of_tune"].append(float(pd.read_csv(folder / "trials.csv")["seconds"].sum()))
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    overhead = medians["tune"] / medians["plain"] - 1
    result = {"trials": trials, "epochs": epochs, "images": limit, "seconds": seconds}
    target = Target("overhead of Ray Tune over the same trainings one after the other", overhead, at_most=0.1)
    write_result(output, result, targets=[target], packages=("ray", "tensorflow", "mlflow"))
    click.echo(json.dumps({**medians, "overhead": round(overhead, 3)}))


def timed(arguments: list[str], variables: dict[str, str] | None = None) -> float:
    """Seconds of a Python process."""
    started = time.perf_counter()
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)} | (variables or {})
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
