"""The trainings, searches and grids of GTSRB that README.md quotes, each by the command that a user would type.

    python -m benchmarks.training_experiments NAME... --data ../shared/gtsrb --weights FILE

Each goes on where it was interrupted, and is not run again when it is done. Its small files are copied to
results/gtsrb, with its command and the seconds of the last run (NAME.json) beside them. The seeds of a recipe are an
experiment each, NETWORK_seeds/seed-N, since all of them take longer than a machine is lent: from the predictions that
lie in results/gtsrb, of whatever day, follow repeats.csv and accuracy.json of the recipe.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import click
import pandas as pd

from benchmarks.digest import sources
from benchmarks.record import RESULTS, made_by, write_whole
from pipelines.provenance import provenance
from pipelines.repeats import recipe_accuracy

ROOT = Path(__file__).resolve().parent.parent
TRAINED = ("scores.json", "history.csv", "per_class.csv", "report.txt", "mistakes.csv", "confusion.png")
SEEDS = {"best": range(6), "default": range(6)}
SEED_FILES = ("scores.json", "history.csv", "mistakes.csv", "predictions.parquet")
SEARCHED = ("trials.csv", "epochs.csv", "best.json", "importance.png", "learning_curves.png")
EFFECTS = ("trials.csv", "effects.png")
THRESHOLDS = ("thresholds.csv", "curves.csv")


@dataclass(frozen=True)
class Experiment:
    """A command, and what is kept of it.

    Attributes:
        entry_point: Of the project.
        options: Its options; {data}, {weights} and {work} stand for what this script is given.
        files: Those of its folder that are kept.
        folder: In results/gtsrb, where they are kept.
    """

    entry_point: str
    options: str
    files: tuple[str, ...] = ()
    folder: str = ""

    def command(self, name: str, data: str, weights: str, work: Path) -> list[str]:
        """Its words, from the entry point on."""
        words = shlex.split(self.options.format(data=data, weights=weights, work=work))
        return [f"pipelines.{self.entry_point}", "--data", data, *words, "--output", str(work / name)]


def _seed(network: str, seed: int) -> Experiment:
    options = f"--network {network} --seed {seed} --register-model false"
    return Experiment("train", options, SEED_FILES, f"networks/{network}/seed-{seed}")


def _grid(network: str) -> Experiment:
    options = f"--model {{work}}/{network}/model.keras --preset standard --limit 1000 --saliency none"
    return Experiment("noise_grid", options, THRESHOLDS, f"networks/{network}/noise_grid")


def _recipe_grid(network: str) -> Experiment:
    """Of three trainings, which `train --network NAME --repeats` has left in WORK/NAME_seeds."""
    models = ",".join(f"{{work}}/{network}_seeds/seed-{seed}/model.keras" for seed in range(3))
    options = f"--model {models} --preset standard --limit 1000 --saliency none"
    files = ("recipe_thresholds.csv", "thresholds.csv", "networks.csv")
    return Experiment("noise_grid", options, files, f"networks/{network}/recipe_grid")


def _held_out(what: str) -> Experiment:
    options = f"--holdout {what} --epochs 5 --register-model false"
    return Experiment("train", options, ("scores.json", "history.csv"), f"holdout/{what}")


def _fine_tuning(weights: str) -> Experiment:
    options = f"--family transfer --space fine_tuning --algorithm grid --epochs 14 --limit 2150 --weights {weights}"
    return Experiment("tune", options, EFFECTS, f"fine_tuning/{'random' if weights == 'random' else 'imagenet'}")


def _on_limit(space: str, epochs: int, limit: int, measure: str) -> Experiment:
    options = f"--space {space} --algorithm grid --epochs {epochs} --limit {limit} --measure {measure}"
    return Experiment("tune", options, EFFECTS, space)


EXPERIMENTS = {
    **{f"{network}_seeds/seed-{seed}": _seed(network, seed) for network, seeds in SEEDS.items() for seed in seeds},
    "reference": Experiment("train", "--network reference --register-model false", TRAINED, "networks/reference"),
    "best": Experiment(  # half the epochs of the recipe: for the grid, not for the table of accuracies
        "train", "--network best --epochs 15 --register-model false", ("scores.json",), "networks/best/noise_grid"
    ),
    "mobilenet_v2": Experiment(
        "train",
        "--network mobilenet_v2 --epochs 4 --weights {weights} --register-model false",
        ("scores.json",),
        "networks/mobilenet_v2/noise_grid",
    ),
    "grid_reference": _grid("reference"),
    "grid_best": _grid("best"),
    "grid_mobilenet_v2": _grid("mobilenet_v2"),
    "grid_recipe_best": _recipe_grid("best"),
    "grid_recipe_default": _recipe_grid("default"),
    "holdout_tracks": _held_out("tracks"),
    "holdout_frames": _held_out("frames"),
    "fine_tuning": _fine_tuning("{weights}"),
    "fine_tuning_random": _fine_tuning("random"),
    "learning_curve": _on_limit("learning_curve", 8, 10750, "threshold"),
    "dropout": _on_limit("dropout", 60, 8600, "threshold,load"),
    "search": Experiment(
        "tune", "--family cnn --trials 16 --epochs 6 --limit 4300", (*SEARCHED, "champion/scores.json"), "search"
    ),
    "gan_search": Experiment(
        "tune",
        "--family dcgan --class Stop --trials 16 --epochs 6 --scores-every 250 --extractor mobilenet_v2:{weights}",
        SEARCHED,
        "gan_search",
    ),
}


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice(list(EXPERIMENTS)))
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--weights", default="imagenet", show_default=True, help="Of MobileNetV2: a file, or imagenet.")
@click.option("--work", default=Path("output/experiments"), show_default=True, type=click.Path(path_type=Path))
def main(names: tuple[str, ...], data: str, weights: str, work: Path) -> None:
    """Run these experiments, one after the other."""
    for name in names:
        experiment = EXPERIMENTS[name]
        words = experiment.command(name, data, weights, work)
        done = work / f"{name}.json"
        if not done.exists():
            click.echo(f"{name}: python -m {shlex.join(words)}")
            run(words, done)
        if experiment.files:
            copy(experiment, name, work)
        network, _, seed = name.partition("_seeds/")
        if seed:
            join(network)


def run(words: list[str], done: Path) -> None:
    """Run a command to its end, and note what it was and how long it took."""
    about, started = made_by(f"python -m {shlex.join(words)}", provenance(), sources()), time.perf_counter()
    subprocess.run([sys.executable, "-m", *words, "--resume", "true"], cwd=ROOT, check=True)
    about["seconds"] = round(time.perf_counter() - started)
    write_whole(done, json.dumps(about, indent=1) + "\n")


def copy(experiment: Experiment, name: str, work: Path) -> None:
    """Copy what is kept of an experiment to results/gtsrb, and what is noted of its command."""
    folder = RESULTS / "gtsrb" / experiment.folder
    for file in experiment.files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / name / file, folder / file)
    shutil.copy(work / f"{name}.json", folder / Path(f"{name}.json").name)


def join(network: str) -> None:
    """Write what the seeds of a recipe that lie in results/gtsrb say together: a row a seed, and the accuracy."""
    folder = RESULTS / "gtsrb" / "networks" / network
    rows, predictions = [], []
    for seed in SEEDS[network]:
        place = folder / f"seed-{seed}"
        if (place / "predictions.parquet").exists():
            scores = json.loads((place / "scores.json").read_text())
            kept = {name: scores[name] for name in ("accuracy", "f1_macro", "wrong", "validation_f1_macro")}
            rows.append({"seed": seed, **kept, "seconds": scores["training_seconds"]})
            predictions.append(pd.read_parquet(place / "predictions.parquet"))
    found = {name: value if isfinite(value) else None for name, value in recipe_accuracy(predictions).items()}
    about = {"network": network, "seeds": [row["seed"] for row in rows], "images": len(predictions[0]), **found}
    write_whole(folder / "repeats.csv", pd.DataFrame(rows).to_csv(index=False))
    write_whole(folder / "accuracy.json", json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
