"""The entry point around a search: its options, what it refuses, and what it leaves; the search itself is made up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from pydantic import ValidationError

from pipelines import tuning
from pipelines.cluster import Workers
from pipelines.entry import Results
from pipelines.gan import GanSettings
from pipelines.signs import open_signs
from pipelines.trial_log import SearchRecord, TrialRecord
from pipelines.trials import SearchData
from pipelines.tune import TuneSettings, search_summary, tune

COUNTS = {"train": 90, "validation": 30, "test": 30}
SPACE = "parameters: {network: {choice: [lenet]}, learning_rate: {log_uniform: [1.0e-3, 1.0e-2]}}"

GANS = {"family": "dcgan", "yaml": "parameters: {width: {choice: [4]}, generator_rate: {log_uniform: [1.0e-4, 1.0]}}"}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> Path:
    return write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """No Ray: a search ends at once, with a finished, a stopped and a diverged trial."""
    seen: dict[str, Any] = {"statuses": ("finished", "stopped", "diverged")}

    def run(search: tuning.Search, data: SearchData, record: SearchRecord, *, resume: bool) -> list[TrialRecord]:
        seen.update(search=search, data=data, record=record, resume=resume)
        records = []
        for number, status in enumerate(seen["statuses"]):
            f1 = 0.9 - number / 10
            numbers = {"val_f1_macro": f1, "val_accuracy": f1, "loss": 1.0, "learning_rate": 0.1, "seconds": 1.0,
                       "val_distance": 1 - f1, "generator_loss": 1.0, "discriminator_loss": 1.0}  # fmt: skip
            objectives = {"f1_macro": f1, "parameters": 5000.0 - 1000 * number, "latency": 1.0, "threshold": 0.5,
                          "distance": 1 - f1}  # fmt: skip
            config = seen.get("config", {"network": "lenet", "learning_rate": 0.001 * (number + 1)})
            kept = {name: objectives[name] for name in search.plan.objectives}
            epochs = {1: numbers, 2: numbers}
            records.append(
                TrialRecord(f"t{number}", f"tune/cnn-{number:03d}", config, "r", status, "why", 2, kept, {}, epochs)
            )
        return records

    monkeypatch.setattr(tuning.Search, "run", run)
    monkeypatch.setattr("pipelines.cluster.connect", lambda: None)
    monkeypatch.setattr("pipelines.cluster.share_out_trials", lambda *asked: Workers(2, 1, 0, 1))
    return seen


def settings(data: Path, folder: Path, **options: Any) -> TuneSettings:
    (folder / "tiny.yaml").write_text(options.pop("yaml", SPACE))
    given = {"data": str(data), "size": 16, "space": str(folder / "tiny.yaml"), "epochs": 2, "trials": 3}
    given |= {"output": folder / "tune", "results": folder / "results.json", "champion": False}
    return TuneSettings.model_validate(given | options)


def test_a_search_leaves_tables_pictures_and_the_best(colours, tracked, searched, capsys):
    assert tune.execute(settings(colours, tracked)) == 0
    output, results = tracked / "tune", json.loads((tracked / "results.json").read_text())
    table = pd.read_csv(output / "trials.csv")
    assert table["name"].tolist() == [f"tune/cnn-{number:03d}" for number in range(3)]
    assert table["f1_macro"].notna().tolist() == [True, True, False]
    assert len(pd.read_csv(output / "epochs.csv")) == 6
    best = json.loads((output / "best.json").read_text())
    assert (best["trial"], best["parameters"]["learning_rate"]) == ("tune/cnn-000", 0.001)
    assert (best["best_epoch"], best["epochs_of_the_schedule"]) == (2, 2)
    assert (output / "parallel_coordinates.png").is_file()
    assert not (output / "pareto.csv").exists()
    run = mlflow.get_run(results["run_id"])
    assert run.data.tags["best_run"] == "r"
    assert run.data.metrics["best/f1_macro"] == 0.9
    logged = {found.path for found in mlflow.MlflowClient().list_artifacts(results["run_id"])}
    assert {"trials.csv", "epochs.csv", "best.json"} <= logged
    assert "3 trials: 1 finished, 1 stopped, 1 diverged; the best:" in capsys.readouterr().out


def test_the_search_gets_what_was_asked_for(colours, tracked, searched):
    options = {"algorithm": "random", "grace": 2, "limit": 60, "seed": 5, "cpus_per_worker": 2}
    assert tune.execute(settings(colours, tracked, **options)) == 0
    search, record = searched["search"], searched["record"]
    assert (search.algorithm, search.scheduler, search.trials, search.grace, search.seed) == ("random", "asha", 3, 2, 5)
    assert (search.plan.family, search.plan.epochs, search.plan.weights) == ("cnn", 2, None)
    assert len(searched["data"].train) == 60
    assert record.alike["space"]["network"] == {"choice": ["lenet"]}
    assert record.alike["data"] == open_signs(colours).digest
    assert search.folder.is_absolute()


def test_the_best_gan_is_told_by_the_command_that_trains_it(colours, tracked, searched, monkeypatch):
    trained: list[GanSettings] = []

    def train(settings: GanSettings, run: Any) -> Results:
        trained.append(settings)
        return Results(metrics={"gan/kd_pca": 0.25}, summary="samples")

    monkeypatch.setattr("pipelines.gan.gan", train)
    searched["config"] = {"width": 4, "loss": "hinge", "generator_rate": 2e-5}
    options = {**GANS, "class": "", "champion": True, "scores_every": 5, "limit": 60}
    assert tune.execute(settings(colours, tracked, **options)) == 0
    best = json.loads((tracked / "tune" / "best.json").read_text())
    assert best["distance"] == pytest.approx(0.1)
    assert best["command"] == (
        f"python -m pipelines.gan --output {tracked / 'tune' / 'champion'} --data {colours} --size 16 --loss hinge "
        "--options width=4,generator_rate=2e-05 --steps 10 --scores-every 5 --limit 60"
    )
    assert [made.recipe().generator_rate for made in trained] == [2e-5]
    assert trained[0].output == tracked / "tune" / "champion"
    assert pd.read_csv(tracked / "tune" / "epochs.csv")["distance"].tolist()[:2] == pytest.approx([0.1, 0.1])
    assert searched["record"].alike["objective"] == "distance"
    assert searched["record"].tags["model"] == "conditional"
    assert len(searched["data"].train) == 60
    results = json.loads((tracked / "results.json").read_text())
    assert results["metrics"]["gan/kd_pca"] == 0.25


def test_two_objectives_give_a_front(colours, tracked, searched):
    assert tune.execute(settings(colours, tracked, objective="f1_macro,parameters")) == 0
    front = pd.read_csv(tracked / "tune" / "pareto.csv")
    assert front["name"].tolist() == ["tune/cnn-000", "tune/cnn-001"]


def test_the_best_is_trained_on_all_tracks_tested_and_registered(colours, tracked, searched, capsys):
    assert tune.execute(settings(colours, tracked, champion=True, epochs=3, limit=6)) == 0  # the best was that of 2
    assert "trained on all tracks for all 3 epochs of the schedule:" in capsys.readouterr().out
    assert [len(part) for part in (searched["data"].train, searched["data"].validation)] == [6, 6]
    folder = tracked / "tune" / "champion"
    assert len(pd.read_csv(folder / "history.csv")) == 3
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["test_images"] == COUNTS["test"]
    run_id = json.loads((tracked / "results.json").read_text())["run_id"]
    assert mlflow.get_run(run_id).data.metrics["clean/accuracy"] == scores["accuracy"]
    assert mlflow.MlflowClient().get_model_version_by_alias("signs", "champion").run_id == run_id


@pytest.mark.parametrize(
    ("options", "wants"),
    [({}, True), ({"champion": "false"}, False), ({"algorithm": "grid"}, False), ({"algorithm": "pbt"}, True),
     ({"algorithm": "grid", "champion": "true"}, True), ({"family": "dcgan"}, False)],
)  # fmt: skip
def test_a_grid_and_gans_leave_the_registered_model_alone_if_nothing_is_said(options, wants):
    assert TuneSettings.model_validate(options).wants_champion is wants


@pytest.mark.parametrize(("smoke", "expected"), [(False, None), (True, 6)])
def test_the_limit_is_that_of_the_search_alone(smoke, expected):
    assert TuneSettings(limit=6, smoke_test=smoke).champion_limit == expected


@pytest.mark.parametrize(
    ("objective", "message"),
    [("f1_macro", "all 2 trials failed; the first: why"), ("f1_macro,threshold", "none of 2 trials has f1_macro and")],
)
def test_a_search_whose_trials_all_failed_is_an_error_and_leaves_its_tables(
    objective, message, colours, tracked, searched, capsys
):
    searched["statuses"] = ("failed", "failed")
    assert tune.execute(settings(colours, tracked, objective=objective)) == 2
    assert message in capsys.readouterr().err
    run_id = json.loads((tracked / "results.json").read_text())["run_id"]
    logged = {found.path for found in mlflow.MlflowClient().list_artifacts(run_id)}
    assert {"trials.csv", "epochs.csv"} <= logged


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "cnm"}, "--space cnm: there is no such file"),
        ({"yaml": "parameters: {dropuot: {uniform: [0, 1]}}"}, "dropuot: there is no such parameter"),
        ({"yaml": "parameters: {dropout: {uniform: [1.5, 2]}}"}, "no valid point"),
        ({"algorithm": "grid"}, "a grid over log_uniform has no end"),
        ({"algorithm": "pbt", "yaml": "parameters: {dropout: {uniform: [0, 0.5]}}"}, "pbt changes learning_rate"),
        ({"algorithm": "pbt", "workers": 1}, "--workers: pbt shares the cluster"),
        ({"scheduler": "asha", "objective": "threshold"}, "--scheduler asha: epochs are compared by macro-F1"),
        ({"weights": "here.h5"}, "--weights here.h5: only --family transfer"),
        ({"family": "transfer", "weights": "here.h5", "yaml": "parameters: {trainable: {choice: [0.5]}}"}, "here.h5"),
        ({"classifier": "cnn.keras"}, "--classifier cnn.keras: only --family dcgan has it; leave it out"),
        ({"extractor": "cnn.keras"}, "--extractor cnn.keras: only --family dcgan has it; leave it out"),
        ({"objective": "distance"}, "--objective distance: --family cnn is searched by f1_macro or parameters"),
        ({"family": "dcgan", "objective": "f1_macro"}, "--objective f1_macro: --family dcgan is searched by distance"),
        ({"family": "dcgan", "measure": "load"}, "--measure load: classifiers alone"),
        ({"family": "dcgan", "weights": "imagenet"}, "--weights imagenet: only --family transfer"),
        ({"family": "dcgan"}, "learning_rate: there is no such parameter; choose of adaptive, augmentation"),
        ({**GANS, "class": "yellow"}, "--class yellow: there is no such class; give a number from 0 to 2"),
        ({**GANS, "yaml": "parameters: {width: {choice: [1]}}"}, "no valid point among 16; the last: --network cond"),
        ({**GANS, "class": "red", "yaml": "parameters: {network: {choice: [conditional]}}"}, "needs all classes"),
        ({**GANS, "algorithm": "pbt", "yaml": "parameters: {width: {choice: [4]}}"}, "pbt changes generator_rate"),
        ({**GANS, "class": "red"}, "30 train images of class 0, red; a GAN needs 32 or more"),
        ({**GANS, "classifier": "nowhere.keras"}, "--classifier nowhere.keras: no such file"),
        ({**GANS, "extractor": "nowhere.keras"}, "--extractor nowhere.keras: no such file"),
    ],
)
def test_what_will_not_do_is_told_before_the_first_trial(options, message, colours, tracked, searched, capsys):
    assert tune.execute(settings(colours, tracked, **options)) == 2
    assert message in capsys.readouterr().err
    assert "search" not in searched


@pytest.mark.parametrize(
    "wrong",
    [{"family": "gann"}, {"algorithm": "bayes"}, {"scheduler": "hyperband"}, {"trials": 0}, {"objective": "f1"},
     {"objective": "f1_macro,f1_macro"}, {"objective": "f1_macro,latency,threshold"},
     {"objective": "parameters"}, {"objective": "latency,f1_macro"}, {"measure": "load,weight"}],
)  # fmt: skip
def test_unknown_options_are_refused(wrong, tmp_path):
    with pytest.raises(ValidationError):
        settings(tmp_path, tmp_path, **wrong)


def test_the_table_at_the_end_shows_the_five_best():
    trials = pd.DataFrame({"name": [f"t{i}" for i in range(7)], "status": "finished", "f1_macro": 0.5, "epochs": 3,
                           "param/dropout": 0.25})  # fmt: skip
    lines = search_summary(trials, trials, ["f1_macro"]).splitlines()
    assert lines[0] == "7 trials: 7 finished; the best:"
    assert lines[1].split() == ["trial", "f1_macro", "epochs", "dropout"]
    assert len(lines) == 7
