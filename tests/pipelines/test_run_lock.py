"""Who holds an output folder, when it is given up, and that only one of many gets it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from pipelines import run_lock
from pipelines.run_lock import LOCK_FILE, SILENT_SECONDS, HeldError, Holder, exclusive, read_holder

HOLD = """
import sys, time
from pathlib import Path
from pipelines.run_lock import exclusive
with exclusive(Path(sys.argv[1]), "noise_grid"):
    print("held", flush=True)
    time.sleep(600)
"""
ONE_AFTER_ANOTHER = """
import sys, time
from pathlib import Path
from pipelines.run_lock import HeldError, exclusive
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    try:
        with exclusive(folder, "train"):
            (folder / "inside").touch(exist_ok=False)
            time.sleep(0.01)
            (folder / "inside").unlink()
            print("got it")
    except HeldError:
        time.sleep(0.005)
"""


@pytest.fixture
def holding(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def write_lock(folder, **changes):
    holder = replace(Holder.here("train"), **changes)
    (folder / LOCK_FILE).write_text(json.dumps(asdict(holder)))
    return holder


def silent_for(folder, seconds):
    now = time.time()
    os.utime(folder / LOCK_FILE, (now, now - seconds))


def test_a_folder_is_given_back(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path, "train"):
            holder = read_holder(tmp_path / LOCK_FILE)
            assert (holder.pid, holder.host, holder.entry_point) == (os.getpid(), os.uname().nodename, "train")
        assert not list(tmp_path.iterdir())


def test_another_run_is_refused_with_who_holds_it(tmp_path, holding):
    said = (
        rf"--output {re.escape(str(tmp_path))}: noise_grid \(pid {holding.pid} on {os.uname().nodename}, since 20.*\)"
    )
    with pytest.raises(HeldError, match=said), exclusive(tmp_path, "train"):
        pass
    assert read_holder(tmp_path / LOCK_FILE).pid == holding.pid
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_run_does_not_hold_it(tmp_path, holding, reaped, caplog):
    """Nor does one that is dead, but whose parent has not asked for its exit code yet."""
    holding.send_signal(signal.SIGKILL)
    if reaped:
        holding.wait()
    else:
        time.sleep(0.5)
    with exclusive(tmp_path, "train"):
        assert read_holder(tmp_path / LOCK_FILE).pid == os.getpid()
    assert f"taken over from noise_grid (pid {holding.pid} on" in caplog.text
    assert not list(tmp_path.iterdir())


def test_a_stopped_run_still_holds_it(tmp_path, holding):
    holding.send_signal(signal.SIGSTOP)
    silent_for(tmp_path, 10 * SILENT_SECONDS)
    with pytest.raises(HeldError), exclusive(tmp_path, "train"):
        pass


def test_a_process_with_the_pid_of_a_dead_one_is_not_taken_for_it(tmp_path):
    write_lock(tmp_path, started=Holder.here("train").started - 3600)
    with exclusive(tmp_path, "train"):
        pass


@pytest.mark.parametrize("machine", ["elsewhere", "same name, another boot or container"])
def test_of_another_machine_the_heartbeat_tells(tmp_path, machine):
    """Its pids mean nothing here, even where its name is the same."""
    for pid in (os.getpid(), 2**22 - 1):
        write_lock(tmp_path, machine=machine, pid=pid)
        silent_for(tmp_path, SILENT_SECONDS - 60)
        with pytest.raises(HeldError, match=r"last heard of 1\d\d s ago"), exclusive(tmp_path, "train"):
            pass
        silent_for(tmp_path, SILENT_SECONDS + 1)
        with exclusive(tmp_path, "train"):
            assert read_holder(tmp_path / LOCK_FILE).pid == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_holds_until_it_is_silent(tmp_path, content):
    (tmp_path / LOCK_FILE).write_text(content)
    with pytest.raises(HeldError, match=r"a run .* on an unknown machine"), exclusive(tmp_path, "train"):
        pass
    silent_for(tmp_path, SILENT_SECONDS + 1)
    with exclusive(tmp_path, "train"):
        pass


def test_the_lock_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "HEARTBEAT_SECONDS", 0.02)
    with exclusive(tmp_path, "train"):
        silent_for(tmp_path, 1000)
        time.sleep(0.3)
        assert time.time() - (tmp_path / LOCK_FILE).stat().st_mtime < 100


def test_a_run_whose_lock_is_anothers_ends_and_leaves_that_alone(tmp_path, monkeypatch, caplog, request):
    monkeypatch.setattr(run_lock, "HEARTBEAT_SECONDS", 0.02)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt), exclusive(tmp_path, "train"):  # noqa: PT012  (the second line is ended)
        write_lock(tmp_path, pid=1)
        time.sleep(60)
    assert read_holder(tmp_path / LOCK_FILE).pid == 1
    assert "this run ends" in caplog.text


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("dead", [False, True])
def test_of_many_one_gets_it(tmp_path, monkeypatch, links, dead):
    """However they meet: over no lock, or over that of a dead run; with hard links or without."""
    from concurrent.futures import ThreadPoolExecutor

    def refused(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    for _ in range(20):
        if dead:
            write_lock(tmp_path, started=0.0)

        def take(number):
            own = replace(Holder.here("train"), token=f"run-{number}")
            try:
                run_lock._take(tmp_path / LOCK_FILE, own)
            except HeldError:
                return None
            return own

        with ThreadPoolExecutor(8) as pool:
            got = [own for own in pool.map(take, range(8)) if own]
        assert len(got) == 1
        assert read_holder(tmp_path / LOCK_FILE) == got[0]
        (tmp_path / LOCK_FILE).unlink()
        assert not list(tmp_path.iterdir())


def test_processes_are_inside_one_after_another(tmp_path):
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(3)]
    assert [process.stdout.readline() for process in started] == ["ready\n"] * 3
    said = [process.communicate("go\n", timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * 3, said
    assert sum(out.count("got it") for out, _ in said) >= 10
    assert not list(tmp_path.iterdir())
