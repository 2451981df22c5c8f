import json
import re
import sys

import pytest
from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError


class DemoSettings(Settings):
    count: int = Field(1, ge=1, description="How many.")
    resume: bool = Field(False, description="Go on.")
    limit: int | None = Field(None, description="At most so many.")


@entry_point("demo", DemoSettings, answer=lambda settings: "answered" if settings.count == 7 else None)
def demo(settings, run):
    """Do as the count says."""
    run.log_metrics({"count": settings.count}, step=0)
    if settings.count == 2:
        raise InputError("--count 2: is\n  unlucky; choose 3")
    if settings.count == 3:
        raise RuntimeError("a fault of ours")
    if settings.count == 5:
        sys.exit(0)
    return Results({"count": settings.count}, {"demo/value": 0.5}, {"file": "x"}, "all done")


def run(capsys, *argv):
    with pytest.raises(SystemExit) as ended:
        demo.command(list(argv))
    return ended.value.code, capsys.readouterr()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tracked, monkeypatch):
    monkeypatch.chdir(tracked)


def runs():
    import mlflow

    return mlflow.search_runs(search_all_experiments=True, output_format="list")


def test_a_run_that_ends_well_prints_logs_and_writes_its_results(capsys):
    code, said = run(capsys, "--count", "4", "--results", "out/results.json", "--limit", "")
    assert code == 0
    (logged,) = runs()
    assert logged.info.status == "FINISHED"
    assert logged.info.run_id in said.out
    assert said.out.startswith("all done")
    assert logged.data.metrics == {"count": 4, "demo/value": 0.5}
    assert logged.data.params["cfg/count"] == "4"
    assert logged.data.tags["entry_point"] == "demo"
    with open("out/results.json") as file:
        results = json.load(file)
    assert results["entry_point"] == "demo"
    assert results["status"] == "finished"
    assert results["run_id"] == logged.info.run_id
    assert results["metrics"] == {"demo/value": 0.5}
    assert results["seconds"] >= 0
    assert {"command", "date", "commit", "machine"} <= results.keys()


def test_a_wrong_input_ends_with_one_line_and_code_2(capsys):
    code, said = run(capsys, "--count", "2", "--results", "results.json")
    assert code == 2
    assert said.err == "error: --count 2: is unlucky; choose 3\n"
    assert runs()[0].info.status == "FAILED"
    with open("results.json") as file:
        assert json.load(file)["status"] == "failed"


def test_a_fault_of_ours_shows_its_traceback_and_ends_with_code_1(capsys):
    code, said = run(capsys, "--count", "3")
    assert code == 1
    assert "RuntimeError: a fault of ours" in said.err
    assert runs()[0].info.status == "FAILED"


def test_work_that_ends_the_process_has_failed(capsys):
    code, said = run(capsys, "--count", "5", "--results", "results.json")
    assert code == 1
    assert re.fullmatch(r"error: demo, .*, line \d+: the work was ended by an exit \(code 0\)\n", said.err)
    assert runs()[0].info.status == "FAILED"
    with open("results.json") as file:
        assert json.load(file)["status"] == "failed"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--count", "0"], "--count '0'"),
        (["--count", "many"], "--count 'many'"),
        (["--resume", "perhaps"], "--resume 'perhaps'"),
    ],
)
def test_an_option_of_the_wrong_kind_names_itself_and_opens_no_run(capsys, argv, message):
    code, said = run(capsys, *argv)
    assert code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not runs()


def test_an_unknown_option_is_refused(capsys):
    code, said = run(capsys, "--cuont", "2")
    assert code == 2
    assert "--cuont" in said.err


def test_a_stray_word_is_shown_without_its_login(capsys):
    code, said = run(capsys, "http://user:hunter2@host")
    assert code == 2
    assert said.err == "error: Got unexpected extra argument (http://***@host)\n"


def test_an_output_folder_that_cannot_be_written_is_named(capsys):
    code, said = run(capsys, "--output", "/proc/nowhere")
    assert code == 2
    assert "--output /proc/nowhere: cannot write there" in said.err


def test_a_results_file_that_cannot_be_written_is_named_before_the_work(capsys):
    code, said = run(capsys, "--results", "/proc/nowhere/results.json")
    assert code == 2
    assert "--results /proc/nowhere: cannot write there" in said.err
    assert not runs()


@pytest.mark.parametrize("argv", [["--resume"], ["--resume", "true"]])
def test_a_switch_stands_alone_or_with_its_value(capsys, argv):
    assert run(capsys, *argv)[0] == 0
    assert runs()[0].data.params["cfg/resume"] == "True"


def test_an_answer_needs_no_run(capsys):
    code, said = run(capsys, "--count", "7")
    assert (code, said.out) == (0, "answered\n")
    assert not runs()


def test_a_server_that_does_not_answer_is_named(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, said = run(capsys)
    assert code == 2
    assert "MLFLOW_TRACKING_URI http://127.0.0.1:9: no MLflow server answers" in said.err


def test_a_database_that_cannot_be_written_is_named(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db")
    code, said = run(capsys)
    assert code == 2
    assert "cannot be written" in said.err


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--count", "--resume"], "error: --count: its value is missing (--resume follows)"),
        (["--limit", "--count", "4"], "error: --limit: its value is missing (--count follows)"),
        (["--limit", "-v"], "error: --limit: its value is missing (-v follows)"),
        (["--results"], "error: --results: its value is missing (the line ends)"),
        (["--count", ""], "error: --count '': the value is empty"),
        (["--count="], "error: --count '': the value is empty"),
        (["--output", " "], "error: --output ' ': the value is empty"),
        (["--experiment", ""], "error: --experiment '': the value is empty"),
        (["--count", "-5"], "error: --count '-5': Input should be greater than or equal to 1"),
        (["--count=-5"], "error: --count '-5': Input should be greater than or equal to 1"),
        (["--seed", "-1"], "error: --seed '-1': Input should be greater than or equal to 0"),
        (["--seed", "-.5"], "error: --seed '-.5': Input should be a valid integer"),
        (["--seed", "1", "--seed", "2"], "error: --seed 2: is 1 as well"),
        (["-v", "-q"], "error: --quiet true: --verbose asks for the opposite"),
    ],
)
def test_a_value_that_was_forgotten_is_never_the_default(capsys, argv, line):
    code, said = run(capsys, *argv)
    assert code == 2
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1
    assert not runs()


@pytest.mark.parametrize(
    ("argv", "limit"),
    [
        (["--limit", ""], "None"),  # as `mlflow run` passes what nobody gave
        (["--limit", "-3"], "-3"),
        (["--resume", "--limit", "5"], "5"),
        (["--resume", "false", "--limit=5", "-v"], "5"),
        (["--limit", "5", "--limit", "5"], "5"),
    ],
)
def test_values_that_are_there_are_taken(capsys, argv, limit):
    assert run(capsys, *argv)[0] == 0
    assert runs()[0].data.params["cfg/limit"] == limit


def test_an_experiment_beside_the_one_of_mlflow_run_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    code, said = run(capsys, "--experiment", "mine")
    assert code == 2
    assert "--experiment mine: `mlflow run` has opened the run already; give it --experiment-name mine" in said.err
