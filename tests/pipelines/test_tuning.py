"""Searches on Ray Tune whose trials take no time: the trainable reports a macro-F1 that its point decides."""

import contextlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from pipelines import tuning
from pipelines.cluster import Workers
from pipelines.errors import InputError
from pipelines.ranking import pareto_front
from pipelines.signs import Signs
from pipelines.spaces import Parameter, Space
from pipelines.trial_log import RECORDS, SearchRecord, TrialRecord
from pipelines.trials import Plan, SearchData
from pipelines.tuning import (
    Search,
    epochs_table,
    mutations,
    require_alike,
    resolve_scheduler,
    trials_table,
)

RATE = Parameter("learning_rate", "uniform", (0.0, 1.0))
EPOCHS = 4


def record(number: int, status: str, *, f1: float = 0.5, size: float = 100.0, threshold: float = 0.1) -> TrialRecord:
    numbers = {"val_f1_macro": f1, "val_accuracy": f1, "loss": 1.0, "learning_rate": 0.1, "seconds": 1.5}
    objectives = {"f1_macro": f1, "parameters": size, "threshold": threshold}
    return TrialRecord(
        f"t{number}", f"tune/cnn-{number:03d}", {"dropout": number / 10}, "run", status, "", 2, objectives,
        {"load/dead": 0.1}, {1: numbers, 2: numbers},
    )  # fmt: skip


OBJECTIVES = ("f1_macro", "parameters", "threshold")


def test_a_row_a_trial_has_what_was_measured_of_it():
    records = [record(0, "finished"), record(1, "stopped"), record(2, "diverged")]
    table = trials_table(records, OBJECTIVES)
    assert table["epochs"].tolist() == [2, 2, 2]
    assert table["seconds"].tolist() == [3.0, 3.0, 3.0]
    assert table["param/dropout"].tolist() == [0.0, 0.1, 0.2]
    known = table[list(OBJECTIVES)].notna().to_numpy().tolist()
    assert known == [[True, True, True], [True, True, False], [False, False, False]]
    assert table["load/dead"].notna().tolist() == [True, False, False]
    assert len(epochs_table(records)) == 6


@pytest.mark.parametrize(
    ("asked", "algorithm", "objectives", "expected"),
    [
        ("auto", "optuna", ("f1_macro",), "asha"),
        ("auto", "random", ("f1_macro",), "asha"),
        ("auto", "grid", ("f1_macro",), "none"),
        ("auto", "optuna", ("f1_macro", "parameters"), "none"),
        ("auto", "optuna", ("threshold",), "none"),
        ("asha", "grid", ("f1_macro", "latency"), "asha"),
        ("auto", "pbt", ("f1_macro",), "none"),
        ("auto", "optuna", ("distance",), "asha"),
        ("auto", "pbt", ("distance",), "none"),
    ],
)
def test_which_scheduler_a_search_has(asked, algorithm, objectives, expected):
    assert resolve_scheduler(asked, algorithm, objectives) == expected


@pytest.mark.parametrize(("asked", "algorithm"), [("asha", "optuna"), ("auto", "pbt")])
def test_epochs_are_compared_by_macro_f1_alone(asked, algorithm):
    with pytest.raises(InputError, match="put f1_macro first"):
        resolve_scheduler(asked, algorithm, ("parameters",))


def test_population_based_training_needs_something_to_change():
    with pytest.raises(InputError, match="pbt changes learning_rate"):
        mutations(Space("own.yaml", (Parameter("dropout", "uniform", (0.0, 0.5)),)))


def test_what_of_a_gan_a_population_changes():
    space = Space("own.yaml", (Parameter("width", "choice", (4, 8)), Parameter("loss", "choice", ("hinge", "minimax"))))
    assert mutations(space, "dcgan") == {"loss": ["hinge", "minimax"]}


def test_epochs_of_gans_have_columns_of_their_own():
    numbers = {"val_distance": 0.5, "generator_loss": 1.0, "discriminator_loss": 2.0, "seconds": 3.0}
    found = TrialRecord("t0", "tune/dcgan-000", {}, epochs={2: numbers, 1: numbers})
    table = epochs_table([found], "dcgan")
    assert list(table) == ["trial_id", "epoch", "distance", "generator_loss", "discriminator_loss", "seconds"]
    assert table.iloc[0].tolist() == ["t0", 1, 0.5, 1.0, 2.0, 3.0]


def test_another_search_is_not_continued():
    with pytest.raises(InputError, match="the search of out has epochs 3, not 4; give it as it was"):
        require_alike({"epochs": 3, "seed": 0}, {"seed": 0, "epochs": 4}, Path("out"))
    before = {"space": {"depth": {"choice": [1]}, "width": {"choice": [1]}}}
    with pytest.raises(InputError, match=r"out has space, width: \{'choice': \[1\]\}, not None; give"):
        require_alike(before, {"space": {"depth": {"choice": [1]}}}, Path("out"))


@pytest.mark.parametrize(("left", "ends"), [(2, True), (3, False)])
def test_a_search_with_trials_that_never_began_is_not_a_finished_one(left, ends, tmp_path, monkeypatch):
    class Tuner:
        """Ends as Ray Tune does when it is interrupted between two trials."""

        def fit(self) -> None:
            rows = [{**record(number, "finished").__dict__} for number in range(left)]
            (tmp_path / "ray" / RECORDS).write_text(json.dumps(rows))

    monkeypatch.setattr(Search, "_tuner", lambda search, trainable: Tuner())
    made = Search(tmp_path, Space("own.yaml", (RATE,)), Plan("cnn", EPOCHS, ("f1_macro",)), "random", "none", 3, 1,
                  Workers(2, 1, 0, 1), 0)  # fmt: skip
    with pytest.raises(KeyboardInterrupt) if ends else contextlib.nullcontext():
        assert (
            len(made.run(SearchData(nothing(), nothing(), 2), SearchRecord("s", "p", "0", {}, {}), resume=False)) == 3
        )


def nothing() -> Signs:
    return Signs(np.array(["a"]), np.array([0]), np.array(["t"]), np.zeros((1, 16, 16, 3), np.uint8))


@pytest.fixture
def search(tracked: Path, ray_session: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a search; each trial's macro-F1 rises with the epochs to its learning rate, above 0.9 it diverges."""

    def trial(config: dict[str, Any], *, plan: Plan, data: SearchData) -> None:
        from ray import tune

        rate = config["learning_rate"]
        for epoch in range(1, plan.epochs + 1):
            lost = rate > 0.9
            f1 = 0.0 if lost else rate * epoch / plan.epochs
            numbers = {"val_f1_macro": f1, "val_accuracy": f1, "loss": 1.0, "learning_rate": rate, "seconds": 1.0}
            status = "diverged" if lost else "finished" if epoch == plan.epochs else ""
            tune.report({"f1_macro": f1, "parameters": 1e3 * rate, "epoch": epoch, "best_epoch": epoch,
                         "numbers": numbers, "status": status, "reason": "nan" if lost else "",
                         "measured": {}})  # fmt: skip
            if lost:
                return

    monkeypatch.setattr(tuning, "run_trial", trial)
    counter = itertools.count()

    def run(*, algorithm="optuna", scheduler="none", trials=6, objectives=("f1_macro",), space=(RATE,), **more: Any):
        resume, folder = more.get("resume", False), tracked / "out"
        parent = mlflow.MlflowClient().create_run("0").info.run_id
        plan = Plan("cnn", EPOCHS, objectives)
        made = Search(folder, Space("own.yaml", space), plan, algorithm, scheduler, trials, 1, Workers(2, 1, 0, 1), 0)
        about = SearchRecord(f"s{next(counter)}", parent, "0", {"seed": "0"}, {"trials": trials})
        records = made.run(SearchData(nothing(), nothing(), 2), about, resume=resume)
        query = f"tags.mlflow.parentRunId = '{parent}'"
        return records, mlflow.MlflowClient().search_runs(["0"], filter_string=query)

    return run


def test_a_search_runs_all_its_trials_and_a_diverged_one_is_no_end(search):
    records, runs = search(trials=12)
    assert len(records) == len(runs) == 12
    assert {record.status for record in records} == {"finished", "diverged"}
    assert {run.info.run_name for run in runs} == {f"tune/cnn-{number:03d}" for number in range(12)}
    for found in records:
        assert len(found.epochs) == (EPOCHS if found.status == "finished" else 0)


def test_asha_spares_epochs(search):
    records, _ = search(trials=12, scheduler="asha", algorithm="random")
    ends = [record.status for record in records]
    assert len(records) == 12
    assert "stopped" in ends
    best = max(records, key=lambda record: record.objectives["f1_macro"])
    assert best.status == "finished"


def test_a_grid_is_every_combination_once(search):
    space = (Parameter("learning_rate", "choice", (0.1, 0.2)), Parameter("seed", "integer", (0, 2)))
    records, _ = search(algorithm="grid", space=space)
    points = {(record.config["learning_rate"], record.config["seed"]) for record in records}
    assert points == set(itertools.product((0.1, 0.2), range(3)))
    assert len(records) == 6


def test_two_objectives_are_searched_at_once(search):
    records, _ = search(objectives=("f1_macro", "parameters"), scheduler="asha", trials=5)
    front = pareto_front(trials_table(records, ("f1_macro", "parameters")), ("f1_macro", "parameters"))
    assert len(records) == 5
    assert len(front) >= 1


def test_population_based_training_runs(search):
    records, _ = search(algorithm="pbt", trials=4, space=(Parameter("learning_rate", "uniform", (0.1, 0.7)),))
    assert {record.status for record in records} <= {"finished", "diverged"}
    assert len(records) == 4


def test_a_finished_search_is_not_run_again(search):
    first, runs = search(trials=3)
    again, same = search(trials=3, resume=True)
    assert [record.trial_id for record in again] == [record.trial_id for record in first]
    assert {run.info.run_id for run in same} == {run.info.run_id for run in runs}


def test_a_changed_search_is_not_resumed(search):
    search(trials=2)
    with pytest.raises(InputError, match="has trials 2, not 3"):
        search(trials=3, resume=True)


def test_a_damaged_state_is_named(search, tracked):
    search(trials=2)
    newest = max((tracked / "out" / "ray" / "search").glob("experiment_state-*.json"))
    newest.write_text(newest.read_text()[:100])
    with pytest.raises(InputError, match="the state of the search is damaged"):
        search(trials=2, resume=True)
