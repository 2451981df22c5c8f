"""Searches on Ray Tune whose trials take no time: the trainable reports a macro-F1 that its point decides."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipelines import tuning
from pipelines.cluster import Workers
from pipelines.errors import InputError
from pipelines.signs import Signs
from pipelines.spaces import Parameter, Space
from pipelines.trial_log import SearchRecord, TrialRecord
from pipelines.trials import Plan, SearchData
from pipelines.tuning import (
    Search,
    epochs_table,
    mutations,
    pareto_front,
    ranked,
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


def test_the_best_come_first_and_failures_do_not_count():
    table = trials_table(
        [record(0, "finished", f1=0.5), record(1, "diverged"), record(2, "stopped", f1=0.7)], OBJECTIVES
    )
    assert ranked(table, ["f1_macro"])["name"].tolist() == ["tune/cnn-002", "tune/cnn-000"]
    assert ranked(table, ["parameters"])["name"].tolist() == ["tune/cnn-000", "tune/cnn-002"]


def test_a_search_whose_trials_all_failed_is_an_error():
    failed = record(0, "failed")
    failed.reason = "no memory"
    with pytest.raises(InputError, match="all 1 trials failed; the first: no memory"):
        ranked(trials_table([failed], OBJECTIVES), OBJECTIVES)


def test_the_front_is_what_no_trial_beats():
    random = np.random.default_rng(0)
    points = random.integers(0, 8, (40, 2)).astype(float)
    table = pd.DataFrame({"f1_macro": points[:, 0], "parameters": points[:, 1], "reason": ""})
    front = pareto_front(table, ["f1_macro", "parameters"])
    expected = {
        i
        for i, (f1, size) in enumerate(points)
        if not any(a >= f1 and b <= size and (a > f1 or b < size) for a, b in points)
    }
    assert set(front.index) == expected
    assert front["f1_macro"].is_monotonic_decreasing


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


def test_another_search_is_not_continued():
    with pytest.raises(InputError, match="the search of out has epochs 3, not 4; give it as it was"):
        require_alike({"epochs": 3, "seed": 0}, {"seed": 0, "epochs": 4}, Path("out"))


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
