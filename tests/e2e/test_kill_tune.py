"""A search whose trial, then all workers of Ray, then whose driver are killed: --resume ends with all trials.

Takes about three minutes of CPU: TensorFlow is imported ten times.
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
TRIALS, EPOCHS, GAN_EPOCHS = 3, 5, 12
LIMIT = 280
"""Seconds for each of the steps, on a machine that does other things too."""
TRIAL, IDLE = "ray::ImplicitFunc", "ray::IDLE"
"""Titles of Ray's workers: one that runs a trial, and one that waits for work."""
NETWORKS = "parameters: {network: {choice: [lenet]}, learning_rate: {log_uniform: [1.0e-3, 1.0e-2]}}"
GANS = (
    "parameters: {width: {choice: [4]}, discriminator_width: {choice: [4]}, batch_size: {choice: [4]}, "
    "generator_rate: {log_uniform: [1.0e-4, 1.0e-3]}}"
)

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def searching(tracked: Path, write_signs: Callable[..., Path]) -> Callable[..., Start]:
    data = write_signs(tracked / "signs", counts=COUNTS)

    def search(space: str, **options: object) -> Start:
        (tracked / "tiny.yaml").write_text(space)
        given = {"data": data, "size": 16, "space": tracked / "tiny.yaml", "output": tracked / "out", "trials": TRIALS}
        given |= {"workers": 1, "scheduler": "none", "champion": "false", **options}
        words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]

        def start(*more: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-m", "pipelines.tune", *words, *more], start_new_session=True)

        return start

    return search


def trial_runs(parent: str | None = None) -> list[mlflow.entities.Run]:
    """The runs of trials, or those under one parent."""
    client = mlflow.MlflowClient()
    query = f"tags.mlflow.parentRunId = '{parent}'" if parent else "tags.entry_point = 'tune/trial'"
    return list(client.search_runs([found.experiment_id for found in client.search_experiments()], filter_string=query))


def epochs(run: mlflow.entities.Run, objective: str = "f1_macro") -> list[int]:
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, f"validation/{objective}")
    return sorted(point.step for point in history)


def finished() -> set[str]:
    return {run.info.run_id for run in trial_runs() if run.info.status == "FINISHED"}


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


def ends_with_all_trials(start: Start, driver: subprocess.Popen[bytes], folder: Path, last: int) -> None:
    """Kill the driver when a trial is done, resume, and find that trial beside all others, with `last` epochs each."""
    wait_until(lambda: bool(finished()), driver)
    done = finished()
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert len(done) < TRIALS

    assert start("--resume").wait(timeout=LIMIT) == 0
    table = pd.read_csv(folder / "trials.csv")
    assert table["status"].tolist() == ["finished"] * TRIALS
    assert table["epochs"].tolist() == [last] * TRIALS
    runs = trial_runs()
    assert len(runs) == TRIALS
    assert done <= {run.info.run_id for run in runs}
    assert {run.data.tags["ray_trial_id"] for run in runs} == set(table["trial_id"])
    assert [run.info.status for run in runs] == ["FINISHED"] * TRIALS
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in runs}
    assert mlflow.get_run(parent).info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.timeout(3 * LIMIT)
def test_a_killed_search_resumes_to_all_its_trials(searching, tracked):
    start = searching(NETWORKS, epochs=EPOCHS)
    driver = start()
    wait_until(lambda: epochs_told() > 0, driver)
    assert kill(driver, TRIAL)
    told = epochs_told()
    wait_until(lambda: epochs_told() > told, driver)
    assert kill(driver, TRIAL, IDLE) > 1
    ends_with_all_trials(start, driver, tracked / "out", EPOCHS)
    assert [epochs(run) for run in trial_runs()] == [list(range(EPOCHS))] * TRIALS


@pytest.mark.slow
@pytest.mark.timeout(3 * LIMIT)
def test_a_killed_search_of_gans_resumes_to_all_its_trials(searching, tracked):
    start = searching(GANS, family="dcgan", epochs=GAN_EPOCHS, scores_every=20, **{"class": "red"})
    ends_with_all_trials(start, start(), tracked / "out", GAN_EPOCHS)
    assert [epochs(run, "distance") for run in trial_runs()] == [list(range(GAN_EPOCHS))] * TRIALS
