"""A GAN whose process is killed in the middle goes on with --resume to the very same generator."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import mlflow
import numpy as np
import pytest

import gan.sampling  # noqa: F401 - registers the last layer of a generator's file
from pipelines.signs import prepared

STEPS, EVERY = 200, 10
LIMIT = 240
"""Seconds for each training, on a machine that does other things too."""


@pytest.fixture
def start(tracked: Path, ray_session: None) -> Callable[..., subprocess.Popen[bytes]]:
    data = prepared("rendered:60", size=16, output=tracked / "signs").folder
    given = {"--data": data, "--size": 16, "--class": "Stop", "--steps": STEPS, "--scores-every": EVERY}
    given |= {"--samples": 32, "--batch-size": 8, "--options": "width=8,discriminator_width=8"}
    given |= {"--register-model": "false"}
    words = [str(word) for pair in given.items() for word in pair]

    def run(output: Path, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pipelines.gan", *words, "--output", str(output), *options]
        return subprocess.Popen(command, cwd=tracked, start_new_session=True)

    return run


def steps_saved(output: Path) -> int:
    """Of the checkpoint; 0 where there is none."""
    if not (output / "checkpoint.npz").exists():
        return 0
    with np.load(output / "checkpoint.npz") as saved:
        return int(json.loads(str(saved["about"]))["state"]["reports"][-1]["step"])


@pytest.mark.slow
@pytest.mark.timeout(3 * LIMIT)
def test_a_killed_gan_resumes_to_the_same_generator(start, tracked):
    whole, output = tracked / "whole", tracked / "killed"
    assert start(whole).wait(timeout=LIMIT) == 0

    killed = start(output)
    deadline = time.monotonic() + LIMIT
    while steps_saved(output) < 2 * EVERY:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = steps_saved(output)
    assert 2 * EVERY <= kept < STEPS
    assert not (output / "generator.keras").exists()

    assert start(output, "--resume").wait(timeout=LIMIT) == 0
    one, other = (keras.saving.load_model(folder / "generator.keras", compile=False) for folder in (whole, output))
    for expected, found in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    first, last = (json.loads((folder / "scores.json").read_text()) for folder in (whole, output))
    assert last["scores"] == first["scores"]
    assert last["best_step"] == first["best_step"]
    runs = mlflow.search_runs(search_all_experiments=True, order_by=["start_time"], output_format="list")
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED", "FINISHED"]
    curve = mlflow.MlflowClient().get_metric_history(runs[-1].info.run_id, "train/generator_loss")
    assert [point.step for point in curve] == list(range(EVERY, STEPS + 1, EVERY))
