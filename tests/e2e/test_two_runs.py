"""Real runs that meet in one output folder, or come after others, and a folder that is somebody's own."""

import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest

COUNTS = {"train": 3, "validation": 3, "test": 90}
LIMIT = 240
OWN = """
import time
from noise import noise

@noise(family="own", unit="share", high=1.0, source="this test")
def cover(images, level, random):
    time.sleep(SECONDS)
    covered = images.copy()
    covered[random.uniform(images.shape[1:3]) < level] = 0.5
    return covered
"""


@pytest.fixture
def start(tracked, write_signs, colour_model):
    """Start a grid of one noise, each of whose levels takes so many seconds."""
    data = write_signs(tracked / "signs", counts=COUNTS, group=45)

    def run(output, *options, seconds=0.0, plugin=None):
        if plugin is None:
            plugin = tracked / f"own-{seconds}.py"
            plugin.write_text(OWN.replace("SECONDS", str(seconds)))
        given = {"--data": data, "--size": 16, "--model": colour_model, "--plugin": plugin, "--workers": 1}
        given |= {"--noise": "cover:0:0.9:4", "--output": output, "--saliency": "none"}
        words = [str(word) for pair in given.items() for word in pair]
        command = [sys.executable, "-m", "pipelines.noise_grid", *words, *options]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)

    return run


def ended(process):
    _, said = process.communicate(timeout=LIMIT)
    return process.returncode, said


def wait_for(process, found):
    deadline = time.monotonic() + LIMIT
    while not found():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def units(output):
    return sorted((output / "units").glob("*.parquet"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_output_belongs_to_one_run_and_a_dead_one_leaves_it_to_the_next(start, tracked):
    """A second grid is refused while the first lives, takes over when it is killed, and does again what is spoilt."""
    output = tracked / "out"
    first = start(output, seconds=2.0)
    wait_for(first, lambda: (output / ".run-lock").exists())
    code, said = ended(start(output, "--resume", "--results", str(tracked / "refused.json")))
    assert code == 2
    assert re.fullmatch(rf"error: --output \S+: noise_grid \(pid {first.pid} on .*\) is at work there; wait .*\n", said)
    assert not (tracked / "refused.json").exists()

    wait_for(first, lambda: len(units(output)) >= 2)
    os.killpg(first.pid, signal.SIGKILL)  # its lock stays
    first.wait()
    time.sleep(2)  # for actors that end with their driver
    assert (output / ".run-lock").exists()
    code, said = ended(start(output))  # without --resume, and with a noise of other code
    assert code == 0, said
    assert f"taken over from noise_grid (pid {first.pid} on" in said
    assert not (output / ".run-lock").exists()
    assert not list(output.rglob(".*.part.*"))
    thresholds = (output / "thresholds.csv").read_text()

    made = units(output)
    assert len(made) == 4  # nothing of the first run's is left
    torn, empty, half, altered = made
    torn.write_bytes(torn.read_bytes()[:-20])
    empty.write_bytes(b"")
    table = pq.read_table(half)
    pq.write_table(table.slice(0, len(table) // 2), half)
    rows = pd.read_parquet(altered)
    rows.assign(predicted=(rows["predicted"] + 1) % 3).to_parquet(altered)
    code, said = ended(start(output, "--resume"))
    assert code == 0, said
    assert "4 of 4 units are torn, cut short or altered" in said
    assert (output / "thresholds.csv").read_text() == thresholds


@pytest.mark.parametrize("name", ["units", "report", "predictions"])
def test_a_grid_leaves_a_folder_of_somebodys_own_alone(start, tracked, name):
    own = tracked / "out" / name / "thesis.txt"
    own.parent.mkdir(parents=True)
    own.write_text("dear")
    code, said = ended(start(tracked / "out"))
    assert code == 2
    assert re.fullmatch(rf"error: \S+/{name}: no run of this program has left it .*another --output\n", said)
    assert [path.name for path in (tracked / "out").rglob("*")] == [name, "thesis.txt"]
    assert own.read_text() == "dear"


@pytest.mark.slow
def test_a_plugin_that_exits_is_a_wrong_input(start, tracked):
    """At once, or in the noise that it registers: before anything is measured."""
    later = OWN.replace("time.sleep(SECONDS)", "__import__('os')._exit(0)")
    for text, where in {"import sys\nsys.exit(0)\n": ", line 2", later: ", noise cover at level"}.items():
        (tracked / "leaves.py").write_text(text)
        code, said = ended(start(tracked / "out", plugin=tracked / "leaves.py"))
        assert code == 2
        assert re.fullmatch(rf"error: --plugin \S+leaves\.py{where}.*ends the process \(exit code 0\).*\n", said)
        assert not (tracked / "out" / "units").exists()
