"""The callback in the driver, told by hand what Ray Tune would tell it."""

import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest

from pipelines.tracking import git_commit
from pipelines.trial_log import RECORDS, SearchRecord, TrialLog
from pipelines.tuning import read_records

ALIKE = {"family": "cnn"}


class Driver:
    """A search of a few trials in one MLflow experiment."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "search.json"
        self.experiment = mlflow.create_experiment("searches")
        self.parent = self.describe()
        self.log = TrialLog(self.file, "cnn", ("f1_macro",))

    def describe(self) -> str:
        """A parent of the day for the search."""
        parent = mlflow.MlflowClient().create_run(self.experiment).info.run_id
        SearchRecord("s1", parent, self.experiment, {"seed": "0", "data": "colours", "model": "cnn"}, ALIKE).write(
            self.file
        )
        return str(parent)

    def trial(self, number: int, **config: Any) -> SimpleNamespace:
        return SimpleNamespace(trial_id=f"t{number}", config=config, last_result={}, error_file=None)

    def start(self, trial: SimpleNamespace) -> None:
        self.log.on_step_begin(0, [trial])
        self.log.on_trial_start(0, [trial], trial)

    def report(self, trial: SimpleNamespace, epoch: int, f1: float, status: str = "", reason: str = "") -> None:
        numbers = {"loss": 1.0, "val_f1_macro": f1, "val_accuracy": f1, "learning_rate": 0.1, "seconds": 2.0}
        result = {"epoch": epoch, "best_epoch": epoch, "f1_macro": f1, "numbers": numbers if epoch else {},
                  "status": status, "reason": reason, "measured": {"load/dead": 0.25} if status else {}}  # fmt: skip
        trial.last_result = result
        self.log.on_trial_result(0, [trial], trial, result)

    def complete(self, trial: SimpleNamespace) -> None:
        self.log.on_trial_complete(0, [trial], trial)

    def die(self) -> None:
        """The driver is killed and the search resumed under another parent, from what was saved."""
        state = pickle.dumps(self.log.get_state())
        self.parent = self.describe()
        self.log = pickle.loads(pickle.dumps(self.log))  # noqa: S301
        self.log.set_state(pickle.loads(state))  # noqa: S301

    def runs(self) -> dict[str, mlflow.entities.Run]:
        query = f"tags.mlflow.parentRunId = '{self.parent}'"
        found = mlflow.MlflowClient().search_runs([self.experiment], filter_string=query)
        return {run.info.run_name: run for run in found}

    def curve(self, name: str) -> list[tuple[int, float]]:
        run_id = self.runs()[name].info.run_id
        history = mlflow.MlflowClient().get_metric_history(run_id, "validation/f1_macro")
        return sorted((point.step, point.value) for point in history)


@pytest.fixture
def driver(tracked: Path) -> Driver:
    return Driver(tracked)


def test_a_finished_trial_is_a_finished_run_under_the_parent(driver):
    trial = driver.trial(0, dropout=0.3, seed=4)
    driver.start(trial)
    assert driver.runs()["tune/cnn-000"].info.status == "RUNNING"
    driver.report(trial, 1, 0.5)
    driver.report(trial, 2, 0.75, "finished")
    driver.complete(trial)
    run = driver.runs()["tune/cnn-000"]
    assert run.info.status == "FINISHED"
    assert run.data.params == {"dropout": "0.3", "seed": "4"}
    expected = {"ray_trial_id": "t0", "status": "finished", "data": "colours", "seed": "4", "search_id": "s1"}
    assert expected.items() <= run.data.tags.items()
    assert run.data.metrics["f1_macro"] == 0.75
    assert driver.curve("tune/cnn-000") == [(0, 0.5), (1, 0.75)]


@pytest.mark.parametrize(
    ("config", "model"),
    [({"network": "lenet"}, "lenet"), ({"architecture": "separable"}, "separable"), ({"dropout": 0.1}, "default")],
)
def test_a_run_says_what_network_and_which_code_it_is_of(config, model, driver):
    driver.start(driver.trial(0, **config))
    tags = driver.runs()["tune/cnn-000"].data.tags
    assert tags["model"] == model
    assert tags["git_commit"] == git_commit()


def test_a_resumed_run_is_of_the_process_that_continues_it(driver, monkeypatch):
    trial = driver.trial(0)
    monkeypatch.setattr("os.getpid", lambda: 1)
    driver.start(trial)
    monkeypatch.undo()
    driver.die()
    driver.start(trial)
    assert driver.runs()["tune/cnn-000"].data.tags["process/pid"] == str(os.getpid())


def test_a_trial_that_never_began_is_in_the_account(driver):
    driver.log.on_trial_error(0, [], driver.trial(0))
    assert driver.runs()["tune/cnn-000"].info.status == "FAILED"


def test_how_a_trial_ended_is_told(driver):
    stopped, diverged, failed, dead = (driver.trial(number) for number in range(4))
    for trial in (stopped, diverged, failed, dead):
        driver.start(trial)
    driver.report(stopped, 1, 0.4)
    driver.complete(stopped)
    driver.report(diverged, 1, 0.4)
    driver.report(diverged, 1, 0.0, "diverged", "the loss is nan")
    driver.complete(diverged)
    driver.report(failed, 0, 0.0, "failed", "no such network")
    driver.complete(failed)
    driver.log.on_trial_error(0, [], dead)
    runs = driver.runs()
    status = {name: (run.info.status, run.data.tags["status"]) for name, run in runs.items()}
    assert status == {
        "tune/cnn-000": ("FINISHED", "stopped"),
        "tune/cnn-001": ("FAILED", "diverged"),
        "tune/cnn-002": ("FAILED", "failed"),
        "tune/cnn-003": ("FAILED", "failed"),
    }
    assert runs["tune/cnn-001"].data.tags["reason"] == "the loss is nan"
    assert "f1_macro" not in runs["tune/cnn-001"].data.metrics
    assert driver.curve("tune/cnn-001") == [(0, 0.4)]


def test_the_death_of_a_process_is_told_and_no_end(driver, caplog):
    trial = driver.trial(0)
    driver.start(trial)
    driver.report(trial, 1, 0.5)
    driver.log.on_trial_recover(0, [trial], trial)
    assert "tune/cnn-000: its process died; it goes on after epoch 1" in caplog.text
    driver.start(trial)
    assert driver.runs()["tune/cnn-000"].info.status == "RUNNING"


def test_a_resumed_search_continues_its_runs_under_the_new_parent(driver):
    done, cut = driver.trial(0), driver.trial(1)
    for trial in (done, cut):
        driver.start(trial)
        driver.report(trial, 1, 0.5)
    driver.report(done, 2, 0.6, "finished")
    driver.complete(done)
    before = {name: run.info.run_id for name, run in driver.runs().items()}
    state = driver.log.get_state()["trials"]["t1"]
    assert state.logged == 1
    driver.die()
    mlflow.MlflowClient().set_terminated(before["tune/cnn-001"], "FAILED")  # what a look for dead runs does
    driver.start(cut)
    driver.report(cut, 2, 0.7, "finished")
    driver.complete(cut)
    assert {name: run.info.run_id for name, run in driver.runs().items()} == before
    assert {run.info.status for run in driver.runs().values()} == {"FINISHED"}
    assert driver.curve("tune/cnn-001") == [(0, 0.5), (1, 0.7)]


def test_an_epoch_that_was_logged_but_not_saved_is_not_logged_twice(driver):
    trial = driver.trial(0)
    driver.start(trial)
    driver.report(trial, 1, 0.5)
    saved = pickle.dumps(driver.log.get_state())
    driver.report(trial, 2, 0.6)
    driver.die()
    driver.log.set_state(pickle.loads(saved))  # noqa: S301
    driver.start(trial)
    driver.report(trial, 2, 0.6)
    driver.report(trial, 3, 0.7, "finished")
    assert driver.curve("tune/cnn-000") == [(0, 0.5), (1, 0.6), (2, 0.7)]


def test_the_run_of_a_trial_that_ray_has_forgotten_is_deleted(driver):
    kept, forgotten, fresh = driver.trial(0), driver.trial(1), driver.trial(2)
    driver.start(kept)
    saved = pickle.dumps(driver.log.get_state())
    driver.start(forgotten)
    driver.die()
    driver.log.set_state(pickle.loads(saved))  # noqa: S301
    driver.start(kept)
    driver.start(fresh)
    tags = {name: run.data.tags["ray_trial_id"] for name, run in driver.runs().items()}
    assert tags == {"tune/cnn-000": "t0", "tune/cnn-001": "t2"}


def test_an_interrupted_search_marks_what_it_leaves_and_writes_its_account(driver):
    done, cut = driver.trial(0, dropout=0.1), driver.trial(1, dropout=0.2)
    for trial in (done, cut):
        driver.start(trial)
        driver.report(trial, 1, 0.5)
    driver.report(done, 2, 0.6, "finished")
    driver.complete(done)
    driver.log.on_experiment_end([done, cut])
    assert driver.runs()["tune/cnn-001"].info.status == "KILLED"
    records = read_records(driver.file.with_name(RECORDS))
    assert [(record.name, record.status) for record in records] == [
        ("tune/cnn-000", "finished"),
        ("tune/cnn-001", "interrupted"),
    ]
    assert list(records[0].epochs) == [1, 2]
    assert records[1].config == {"dropout": 0.2}
