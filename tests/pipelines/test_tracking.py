import os
import subprocess
import sys
import time

import mlflow
import pytest

from pipelines import tracking
from pipelines.entry import Settings


class ResumableSettings(Settings):
    resume: bool = False


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tracked, monkeypatch):
    monkeypatch.chdir(tracked)


def test_the_run_of_mlflow_run_is_continued_and_hidden_from_workers(tracked, monkeypatch):
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    experiment = mlflow.create_experiment("by-mlflow-run")
    made = mlflow.MlflowClient().create_run(experiment)
    mlflow.MlflowClient().log_param(made.info.run_id, "seed", "'0'")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    with tracking.open_run("demo", Settings(output=tracked)) as run:
        assert run.run_id == made.info.run_id
        assert "MLFLOW_RUN_ID" not in os.environ
        assert "MLFLOW_EXPERIMENT_ID" not in os.environ
        run.log_params({"seed": 0})
    logged = mlflow.get_run(made.info.run_id)
    assert logged.info.status == "FINISHED"
    assert logged.data.params["seed"] == "'0'"
    assert logged.data.params["cfg/seed"] == "0"


def test_the_ui_shows_runs_by_what_they_are_about(tracked, monkeypatch):
    """Not as GenAI traces, nor under names made by chance; what somebody chose stays."""
    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.create_experiment("by-mlflow-run", tags={"mlflow.experimentKind": "genai_development"})
    by_chance, chosen = (client.create_run(experiment, run_name=name) for name in (None, "before-the-fix"))
    names = []
    for made in (by_chance, chosen, None):
        if made:
            monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
        with tracking.open_run("train", Settings(output=tracked)) as run:
            run.identify({"data": "gtsrb", "model": "best"})
            run.conclude({"accuracy": 0.5}, "half right\n")
            with run.child("train/seed-5", Settings(output=tracked)) as child:
                child.identify({"data": "gtsrb", "model": "best"})
        names.append(client.get_run(run.run_id).info.run_name)
    assert names == ["train best", "before-the-fix", "train best"]
    assert client.get_run(child.run_id).info.run_name == "train/seed-5"
    found = client.get_run(run.run_id)
    assert found.data.tags["mlflow.note.content"] == "```text\nhalf right\n```"
    assert found.data.metrics["accuracy"] == 0.5
    assert client.get_experiment(found.info.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"
    assert client.get_experiment(experiment).tags["mlflow.experimentKind"] == "genai_development"
    assert f"/#/experiments/{found.info.experiment_id}/runs/{run.run_id}?" in run.where_to_look()


def test_a_child_run_is_nested_and_fails_alone(tracked):
    with tracking.open_run("parent", Settings(output=tracked)) as run:
        with run.child("good", Settings(output=tracked)) as good:
            good.log_metrics({"x": 1.0}, step=0)
        with pytest.raises(RuntimeError), run.child("bad", Settings(output=tracked)) as bad:
            raise RuntimeError
    statuses = {child.name: mlflow.get_run(child.run_id) for child in (run, good, bad)}
    assert [found.info.status for found in statuses.values()] == ["FINISHED", "FINISHED", "FAILED"]
    assert statuses["good"].data.tags["mlflow.parentRunId"] == run.run_id
    assert statuses["good"].data.tags["entry_point"] == "good"


def test_more_metrics_than_one_request_holds_are_all_logged(tracked, monkeypatch):
    monkeypatch.setattr(tracking, "METRICS_A_REQUEST", 7)
    with tracking.open_run("many", Settings(output=tracked)) as run:
        run.log_metrics({f"metric/{number}": float(number) for number in range(30)}, step=2)
    assert len(mlflow.get_run(run.run_id).data.metrics) == 30


def test_resume_marks_the_run_of_a_killed_process(tracked):
    code = (
        "import os; from pathlib import Path; from pipelines.entry import Settings; from pipelines import tracking\n"
        "with tracking.open_run('job', Settings(output=Path('out'))) as run:\n"
        "    print(run.run_id, flush=True); os._exit(9)"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    run_id = killed.stdout.strip()
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    assert mlflow.get_run(run_id).info.status == "RUNNING"
    with tracking.open_run("job", ResumableSettings(output=tracked / "out", resume=True)) as again:
        assert mlflow.get_run(run_id).info.status == "FAILED"
        assert mlflow.get_run(again.run_id).info.status == "RUNNING"


def test_a_relative_database_is_made_absolute(tracked, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with tracking.open_run("demo", Settings(output=tracked)):
        assert mlflow.get_tracking_uri() == f"sqlite:///{tracked}/mlflow.db"


def test_a_child_run_is_in_its_parents_experiment_and_measures_the_system(tracked, monkeypatch):
    """Under `mlflow run` too, which names the experiment by variables alone that are taken away."""
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    experiment = mlflow.create_experiment("by-mlflow-run")
    made = mlflow.MlflowClient().create_run(experiment)
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    with (
        tracking.open_run("main", Settings(output=tracked)) as run,
        run.child("prepare", Settings(output=tracked)) as child,
        child.child("seed-0", Settings()) as grandchild,
    ):
        time.sleep(1.5)
    for opened in (run, child, grandchild):
        found = mlflow.get_run(opened.run_id)
        assert found.info.experiment_id == experiment
        assert "system/cpu_utilization_percentage" in found.data.metrics
    default = mlflow.get_experiment_by_name("Default").experiment_id
    assert mlflow.search_runs([default], output_format="list") == []
