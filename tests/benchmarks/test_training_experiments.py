import json
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import training_experiments
from benchmarks.training_experiments import EXPERIMENTS, main
from pipelines.noise_grid import NoiseGridSettings
from pipelines.train import TrainSettings
from pipelines.tune import TuneSettings

SETTINGS = {"train": TrainSettings, "noise_grid": NoiseGridSettings, "tune": TuneSettings}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_command_has_options_that_its_entry_point_takes(name):
    experiment = EXPERIMENTS[name]
    module, *words = experiment.command(name, "signs", "imagenet", Path("work"))
    assert module == f"pipelines.{experiment.entry_point}"
    given = {
        option.removeprefix("--").replace("-", "_"): value for option, value in zip(*[iter(words)] * 2, strict=True)
    }
    known = {field.alias or name for name, field in SETTINGS[experiment.entry_point].model_fields.items()}
    assert set(given) <= known
    SETTINGS[experiment.entry_point].model_validate(given)
    assert given["output"] == f"work/{name}"


def test_an_experiment_that_is_done_is_copied_and_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(training_experiments, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(training_experiments, "run", lambda words, done: pytest.fail("was run again"))
    (tmp_path / "holdout_tracks").mkdir()
    for file in EXPERIMENTS["holdout_tracks"].files:
        (tmp_path / "holdout_tracks" / file).write_text(file)
    (tmp_path / "holdout_tracks.json").write_text(json.dumps({"command": "python"}))
    done = CliRunner().invoke(main, ["holdout_tracks", "--work", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    kept = {path.name for path in (tmp_path / "results/gtsrb/holdout/tracks").iterdir()}
    assert kept == {*EXPERIMENTS["holdout_tracks"].files, "holdout_tracks.json"}


def test_seeds_of_several_days_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(training_experiments, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(training_experiments, "run", lambda words, done: pytest.fail("was run again"))
    rows = pd.DataFrame({"image_id": [f"test/{i}" for i in range(40)], "track": "", "label": 1, "predicted": 1})
    for seed, wrong in ((0, 1), (3, 4)):
        work = tmp_path / f"machine-{seed}"
        name = f"best_seeds/seed-{seed}"
        (work / name).mkdir(parents=True)
        (work / f"{name}.json").write_text(json.dumps({"command": "python"}))
        for file in EXPERIMENTS[name].files:
            (work / name / file).write_text(file)
        about = {"accuracy": 1 - wrong / 40, "f1_macro": 0.9, "wrong": wrong, "validation_f1_macro": None}
        (work / name / "scores.json").write_text(json.dumps(about | {"training_seconds": 60.0}))
        predictions = rows.assign(predicted=[0] * wrong + [1] * (40 - wrong))
        predictions.to_parquet(work / name / "predictions.parquet")
        CliRunner().invoke(main, [name, "--work", str(work)], catch_exceptions=False)
    folder = tmp_path / "results/gtsrb/networks/best"
    assert (folder / "seed-3" / "seed-3.json").exists()
    repeats = pd.read_csv(folder / "repeats.csv")
    assert repeats["wrong"].tolist() == [1, 4]
    found = json.loads((folder / "accuracy.json").read_text())
    assert found["seeds"] == [0, 3]
    assert found["accuracy"] == pytest.approx(1 - 2.5 / 40)
    assert found["accuracy_worst"] == 0.9
    assert found["accuracy_low"] < 0.9 < found["accuracy_high"]


def test_a_command_that_fails_leaves_nothing_that_says_it_is_done(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise training_experiments.subprocess.CalledProcessError(2, "python")

    monkeypatch.setattr(training_experiments.subprocess, "run", fails)
    done = CliRunner().invoke(main, ["reference", "--work", str(tmp_path)])
    assert done.exit_code != 0
    assert not (tmp_path / "reference.json").exists()


def test_what_is_noted_of_a_command_says_what_made_it_and_by_which_code(tmp_path, monkeypatch):
    monkeypatch.setattr(training_experiments.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(training_experiments, "provenance", lambda: {"command": "", "commit": "0123456+"})
    words = ["pipelines.train", "--data", "two words"]
    training_experiments.run(words, tmp_path / "reference.json")
    noted = json.loads((tmp_path / "reference.json").read_text())
    assert noted["command"] == "python -m pipelines.train --data 'two words'"
    assert noted["commit"] == "0123456+"
    assert re.fullmatch("[0-9a-f]{12}", noted["code_digest"])
    assert noted["seconds"] == 0
