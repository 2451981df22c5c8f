from pathlib import Path

import mlflow
import pytest

import pipelines.main as steps
from pipelines.entry import EntryPoint, Results
from pipelines.main import MainSettings, main

ROOT = Path(__file__).resolve().parents[2]


def test_a_wrong_grid_is_told_before_anything_is_drawn_or_trained(capsys, tracked):
    with pytest.raises(SystemExit) as ended:
        main.command(["--noise", "gausian", "--output", str(tracked / "out")])
    assert ended.value.code == 2
    assert "did you mean gaussian?" in capsys.readouterr().err
    assert not list((tracked / "out").iterdir())


def test_a_demo_leaves_its_runs_in_one_experiment(tracked, monkeypatch):
    """As `make demo` starts it: `mlflow run` has made the run, and names the experiment by a variable alone."""
    given = []
    for name in ("prepare", "train", "noise_grid"):
        step = getattr(steps, name)

        def work(settings, run, name=name):
            given.append(settings)
            return Results(metrics={f"{name}/done": 1.0}, summary=name)

        monkeypatch.setattr(f"pipelines.main.{name}", EntryPoint(name, step.settings, work, step.answer))
    experiment = mlflow.create_experiment("sign-to-noise")
    made = mlflow.MlflowClient().create_run(experiment)
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    assert main.execute(MainSettings(output=tracked / "out")) == 0
    runs = mlflow.search_runs([experiment], output_format="list")
    assert {run.data.tags["entry_point"] for run in runs} == {"main", "prepare", "train", "noise_grid"}
    children = [run for run in runs if run.info.run_id != made.info.run_id]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {made.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    default = mlflow.get_experiment_by_name("Default").experiment_id
    assert mlflow.search_runs([default], output_format="list") == []
    assert (given[1].epochs, given[2].preset) == (10, "quick")


def test_make_demo_names_the_experiment():
    [recipe] = [line for line in (ROOT / "Makefile").read_text().splitlines() if "mlflow run ." in line]
    assert recipe.endswith("mlflow run . --env-manager local --experiment-name sign-to-noise")
