"""A grid that dies without a word goes on where it was: the same tables, and hardly any work done twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

COUNTS = {"train": 3, "validation": 3, "test": 90}
WORKERS, NOISES = 2, 8
LIMIT = 240
OWN = """
import os, time
from noise import noise

def slow(name):
    def cover(images, level, random):
        with open(os.environ["NOISE_LOG"], "a") as log:
            log.write(f"{name}\\n")
        time.sleep(0.5)
        covered = images.copy()
        covered[random.uniform(images.shape[1:3]) < level] = 0.5
        return covered
    cover.__name__ = name
    return noise(family="own", unit="share", high=1.0, source="this test")(cover)

for number in range(NOISES):
    slow(f"own_{number}")
""".replace("NOISES", str(NOISES))


@pytest.fixture
def start(tracked, write_signs, colour_model):
    """Start `noise_grid` with a plug-in whose noises log their calls; one call is one unit of work."""
    data = write_signs(tracked / "signs", counts=COUNTS)
    (tracked / "own.py").write_text(OWN)
    grid = ",".join(f"own_{number}:0:0.9:2" for number in range(NOISES))

    def run(output: Path, *options: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = output.with_suffix(f".{len(options)}.log")
        log.touch()
        given = {"--data": data, "--size": 16, "--model": colour_model, "--plugin": tracked / "own.py"}
        given |= {"--noise": grid, "--workers": WORKERS, "--output": output, "--saliency": "none"}
        words = [str(word) for pair in given.items() for word in pair]
        command = [sys.executable, "-m", "pipelines.noise_grid", *words, *options]
        environment = os.environ | {"NOISE_LOG": str(log)}
        return subprocess.Popen(command, env=environment, start_new_session=True), log

    return run


def done(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(timeout=LIMIT) == 0


def predicted(log: Path) -> Counter[str]:
    """How often each noise made the images of a unit; the noises are called again, later, for measures and pictures."""
    return Counter(log.read_text().split())


def tables(output: Path) -> dict[str, pd.DataFrame]:
    found = {path.name: pd.read_csv(path) for path in sorted(output.glob("*.csv"))}
    return found | {path.name: pd.read_parquet(path) for path in sorted(output.glob("*.parquet"))}


def units(output: Path) -> set[str]:
    return {path.name for path in (output / "units").glob("*.parquet")}


@pytest.mark.slow
def test_a_killed_grid_resumes_to_the_same_tables(start, tracked):
    whole, _ = start(tracked / "whole")
    done(whole)

    killed, log = start(tracked / "killed")
    deadline = time.monotonic() + LIMIT
    while len(units(tracked / "killed")) < 4:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    time.sleep(2)  # for actors that end with their driver
    kept = units(tracked / "killed")
    begun = [noise for noise, calls in predicted(log).items() if calls > 1]  # each is tried once before the grid
    assert len(kept) < 1 + NOISES
    assert len(begun) - (len(kept) - 1) <= WORKERS  # the clean images are a unit too, and make no noise

    resumed, _ = start(tracked / "killed", "--resume")
    done(resumed)
    assert units(tracked / "killed") == units(tracked / "whole")
    expected, found = tables(tracked / "whole"), tables(tracked / "killed")
    assert list(found) == list(expected)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)
