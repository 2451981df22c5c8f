"""A search whose trial, then all workers of Ray, then whose driver are killed: --resume ends with all trials.

Takes about two minutes of CPU: TensorFlow is imported six times.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest

COUNTS = {"train": 900, "validation": 30, "test": 30}
TRIALS, EPOCHS = 3, 5
LIMIT = 280
"""Seconds for each of the steps, on a machine that does other things too."""
TRIAL, IDLE = "ray::ImplicitFunc", "ray::IDLE"
"""Titles of Ray's workers: one that runs a trial, and one that waits for work."""
SPACE = "parameters: {network: {choice: [lenet]}, learning_rate: {log_uniform: [1.0e-3, 1.0e-2]}}"


@pytest.fixture
def start(tracked: Path, write_signs: Callable[..., Path]) -> Callable[..., subprocess.Popen[bytes]]:
    data = write_signs(tracked / "signs", counts=COUNTS)
    (tracked / "tiny.yaml").write_text(SPACE)
    given = {"--data": data, "--size": 16, "--space": tracked / "tiny.yaml", "--output": tracked / "out"}
    given |= {"--trials": TRIALS, "--epochs": EPOCHS, "--workers": 1, "--scheduler": "none", "--champion": "false"}
    words = [str(word) for pair in given.items() for word in pair]

    def run(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pipelines.tune", *words, *options]
        return subprocess.Popen(command, start_new_session=True)

    return run


def trial_runs(parent: str | None = None) -> list[mlflow.entities.Run]:
    """The runs of trials, or those under one parent."""
    client = mlflow.MlflowClient()
    query = f"tags.mlflow.parentRunId = '{parent}'" if parent else "tags.entry_point = 'tune/trial'"
    return list(client.search_runs([found.experiment_id for found in client.search_experiments()], filter_string=query))


def epochs(run: mlflow.entities.Run) -> list[int]:
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "validation/f1_macro")
    return sorted(point.step for point in history)


def wait_until(said: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LIMIT
    while not said():
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill(driver: subprocess.Popen[bytes], *titles: str) -> int:
    """Kill the processes below the driver whose title begins with one of these; says how many."""
    killed = 0
    for process in psutil.Process(driver.pid).children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(titles):
                process.kill()
                killed += 1
        except psutil.Error:
            continue
    return killed


def epochs_told() -> int:
    return sum(len(epochs(run)) for run in trial_runs())


@pytest.mark.slow
@pytest.mark.timeout(3 * LIMIT)
def test_a_killed_search_resumes_to_all_its_trials(start, tracked):
    driver = start()
    wait_until(lambda: epochs_told() > 0, driver)
    assert kill(driver, TRIAL)
    told = epochs_told()
    wait_until(lambda: epochs_told() > told, driver)
    assert kill(driver, TRIAL, IDLE) > 1
    wait_until(lambda: any(run.info.status == "FINISHED" for run in trial_runs()), driver)
    done = {run.info.run_id for run in trial_runs() if run.info.status == "FINISHED"}
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert len(done) < TRIALS

    resumed = start("--resume")
    assert resumed.wait(timeout=LIMIT) == 0
    table = pd.read_csv(tracked / "out" / "trials.csv")
    assert table["status"].tolist() == ["finished"] * TRIALS
    assert table["epochs"].tolist() == [EPOCHS] * TRIALS
    runs = trial_runs()
    assert len(runs) == TRIALS
    assert done <= {run.info.run_id for run in runs}
    assert {run.data.tags["ray_trial_id"] for run in runs} == set(table["trial_id"])
    assert [run.info.status for run in runs] == ["FINISHED"] * TRIALS
    assert [epochs(run) for run in runs] == [list(range(EPOCHS))] * TRIALS
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in runs}
    assert mlflow.get_run(parent).info.status == "FINISHED"
