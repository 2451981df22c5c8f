import subprocess

from pipelines.provenance import commit, provenance


def test_a_changed_tree_is_marked_and_what_runs_write_is_no_change(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)

    git("init", "-q")
    (tmp_path / "code.py").touch()
    (tmp_path / "results").mkdir()
    git("add", ".")
    git("commit", "-qm", "one")
    head = git("rev-parse", "--short", "HEAD").stdout.strip()
    (tmp_path / "results" / "speed.json").touch()
    (tmp_path / "README.md").touch()
    assert commit(tmp_path) == head
    (tmp_path / "more.py").touch()
    assert commit(tmp_path) == f"{head}+"


def test_no_commit_is_made_up(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == "unknown"
    monkeypatch.setenv("PATH", "")
    assert commit(tmp_path) == "unknown"


def test_a_run_says_by_which_command_when_and_where_it_was_made(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/pipelines/train.py", "--data", "two words"])
    about = provenance()
    assert about["command"] == "python -m pipelines.train --data 'two words'"
    assert about["date"].endswith("+00:00")
    assert about["machine"]["cores"] >= 1
    assert about["machine"]["cpu"]
