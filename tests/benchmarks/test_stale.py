import json
import subprocess

import pytest

from benchmarks import stale
from benchmarks.digest import code_digest
from benchmarks.stale import judge, results

COMMAND = "python -m benchmarks.speed"
SLOW, FAST = "def main():\n    return 1\n", "def main():\n    return 2\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose first commit has the slow code, with the folder of results that the module looks into."""
    monkeypatch.setattr(stale, "ROOT", tmp_path)
    monkeypatch.setattr(stale, "RESULTS", tmp_path / "results")
    for folder in ("benchmarks", "results/gtsrb/train"):
        (tmp_path / folder).mkdir(parents=True)
    git(tmp_path, "init", "-q")
    return tmp_path


def git(root, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root, code, **written):
    (root / "benchmarks" / "speed.py").write_text(code)
    for name, content in written.items():
        (root / "results" / f"{name}.json").write_text(json.dumps(content))
    git(root, "add", ".")
    git(root, "commit", "-qm", "one")
    return git(root, "rev-parse", "--short", "HEAD")


def judged(root, code, name="speed"):
    path = root / "results" / f"{name}.json"
    return judge(path, json.loads(path.read_text()), stale.Code({"benchmarks/speed.py": code}))


def test_a_file_from_before_digests_is_judged_by_the_commit_that_wrote_it(project):
    written = commit(project, SLOW, speed={"date": "2026-11-22T23:29+00:00", "command": COMMAND})
    commit(project, FAST)
    fresh, old = judged(project, SLOW), judged(project, FAST)
    assert (fresh.verdict, fresh.names, fresh.when, fresh.commit) == ("fresh", (), "2026-11-22", f"{written}?")
    assert (old.verdict, old.names) == ("stale: 1 of 1 changed", ("main",))
    assert old.row().endswith(f"\n    main\n    {COMMAND}")


def test_a_digest_is_believed_whatever_commit_brought_the_file(project):
    about = {"date": "2026-11-30T10:00+00:00", "command": COMMAND}
    own = code_digest(COMMAND, {"benchmarks/speed.py": FAST})
    written = commit(project, SLOW, speed={**about, "commit": "0123456", "code_digest": own})
    assert judged(project, FAST).verdict == "fresh"
    assert judged(project, FAST).commit == f"{written}?"  # no commit 0123456 is here
    assert judged(project, SLOW).verdict == "stale: made by code that no commit has"


def test_an_unknown_digest_is_none(project):
    commit(project, SLOW, speed={"command": COMMAND, "code_digest": "unknown"})
    assert judged(project, SLOW).verdict == "fresh"


def test_the_commit_that_a_file_names_goes_before_the_one_that_brought_it(project):
    made = commit(project, SLOW)
    commit(project, FAST, speed={"command": COMMAND, "commit": f"{made}+"})
    old = judged(project, FAST)
    assert (old.commit, old.names) == (f"{made}+", ("main",))


def test_what_cannot_be_known_is_said(project):
    commit(project, SLOW, speed={"command": "python -m benchmarks.gone"}, new={"command": "python -m benchmarks.new"})
    assert judged(project, SLOW).verdict == "its command is gone"
    path = project / "results" / "new.json"
    today = stale.Code({"benchmarks/new.py": SLOW})
    assert judge(path, json.loads(path.read_text()), today).verdict == "unknown: by code that no commit here has"
    assert judge(path, json.loads(path.read_text()), today).when.endswith("?")


def test_the_files_that_stand_for_results_are_found(project):
    kept = {"speed.json": {"command": COMMAND}, "gtsrb/train/results.json": {"entry_point": "train"}}
    kept |= {"gtsrb/train/reference.json": {"command": "python -m pipelines.train", "machine": {}}}
    for name, said in {**kept, "gtsrb/train/scores.json": {"accuracy": 1}, "rows.json": []}.items():
        (project / "results" / name).write_text(json.dumps(said))
    (project / "results" / "noise_gallery.png").touch()
    found = {path.relative_to(stale.RESULTS).as_posix() for path, _ in results()}
    assert found == {*kept, "noise_gallery.png"}


def test_the_table_names_what_is_stale_and_fails_nothing(project, monkeypatch, capsys):
    commit(project, SLOW, speed={"command": COMMAND})
    monkeypatch.setattr(stale, "sources", lambda: {"benchmarks/speed.py": FAST})
    assert stale.main() is None
    said = capsys.readouterr().out
    assert "speed.json" in said
    assert "stale: 1 of 1 changed" in said
