import json
import re
from pathlib import Path

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
