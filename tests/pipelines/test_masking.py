"""No login is left in what is shown, logged, tagged or written."""

import base64
import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest

from pipelines import tracking
from pipelines.entry import Settings
from pipelines.errors import InputError
from pipelines.masking import mask_logs, masked, without_login


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:hunter2@host:5000/x", "http://***@host:5000/x"),
        ("https://hunter2@host", "https://***@host"),
        ("postgresql+psycopg2://user:hun/ter2@host/db", "postgresql+psycopg2://***@host/db"),
        ("mysql://user:hun@ter2@host:3306/db?ssl=1", "mysql://***@host:3306/db?ssl=1"),
        ("at 'http://u:p@a' and \"http://u:p@b\"", "at 'http://***@a' and \"http://***@b\""),
        ("http://host/x?page=2&access_token=hunter2&n=1", "http://host/x?page=2&access_token=***&n=1"),
        ("postgresql://host/db?user=me&password=hunter2", "postgresql://host/db?user=***&password=***"),
        ("s3://bucket/a?X-Amz-Signature=hunter2", "s3://bucket/a?X-Amz-Signature=***"),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: Basic ***"),
        ("http://user:hun'ter2@host", "http://***@host"),
        ("https://host/#access_token=hunter2", "https://host/#access_token=***"),
        ("s3://bucket/a?AWSAccessKeyId=hunter2&n=1", "s3://bucket/a?AWSAccessKeyId=***&n=1"),
        ("could not connect: password=hunter2 host=x", "could not connect: password=*** host=x"),
        (
            "mssql://?odbc_connect=UID%3Dme%3BPWD%3Dhunter2%3BX%3D1",
            "mssql://?odbc_connect=UID%3Dme%3BPWD%3D***%3BX%3D1",
        ),
        ("models:/signs@champion", "models:/signs@champion"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("file:///data/a@b?keys=3", "file:///data/a@b?keys=3"),
        ("mail me@here.org, see https://here.org/@me", "mail me@here.org, see https://here.org/@me"),
    ],
)
def test_logins_are_masked_and_nothing_else(text, shown):
    assert masked(text) == shown
    assert masked(shown) == shown


def test_a_link_has_no_login_at_all():
    assert without_login("https://user:hunter2@host:5000/mlflow") == "https://host:5000/mlflow"


def test_errors_of_ours_and_logs_of_anybody_are_masked(caplog):
    assert str(InputError("--model http://u:hunter2@host: no")) == "--model http://***@host: no"
    mask_logs()
    try:
        raise RuntimeError("postgresql://u:hunter2@host/db is gone")
    except RuntimeError:
        logging.getLogger("sqlalchemy").exception("connecting %s", "postgresql://u:hunter2@host/db")
    assert "connecting postgresql://***@host/db" in caplog.text
    assert "hunter2" not in caplog.text


def test_what_mlflow_keeps_of_a_run_is_masked(tracked, monkeypatch):
    monkeypatch.chdir(tracked)
    with tracking.open_run("demo", Settings(output=tracked, experiment="http://u:hunter2@host/x")) as run:
        run.log_params({"data": "https://u:hunter2@host/signs"})
        run.set_tags({"data": "https://u:hunter2@host/signs"})
        run.conclude({}, "see https://u:hunter2@host/signs")
    kept = mlflow.get_run(run.run_id)
    assert kept.data.params["cfg/data"] == "https://***@host/signs"
    assert kept.data.tags["data"] == "https://***@host/signs"
    assert "hunter2" not in str(kept.to_dictionary())


def test_a_database_is_not_printed_with_its_password(monkeypatch):
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "postgresql://u:hunter2@host/db")
    said = tracking.TrackedRun("r", "1", "demo").where_to_look()
    assert said.startswith('MLflow UI   mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"')


class Server(BaseHTTPRequestHandler):
    """As little of MLflow's server as the beginning of a run needs, behind a login."""

    logins = ("Basic " + base64.b64encode(b"user:hunter2@x").decode(), "Bearer hunter2token")

    def do_GET(self):
        self.answer()

    do_POST = do_GET  # noqa: N815

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        known = self.headers.get("Authorization") in self.logins
        path = self.path.partition("?")[0].removeprefix("/api/2.0/mlflow/")
        told = {"experiment_id": "7", "name": "sign-to-noise", "lifecycle_stage": "active"}
        answers = {"experiments/search": {"experiments": [told]}, "experiments/get-by-name": {"experiment": told}}
        status = 401 if not known else 200 if path in answers else 400
        body = json.dumps(
            answers.get(path, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no further"})
        ).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body if status != 401 else b"who are you?")

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def server():
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()


VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


@pytest.mark.parametrize(
    ("login", "variables", "known"),
    [
        ("user:hunter2%40x@", {}, True),
        ("", {"MLFLOW_TRACKING_USERNAME": "user", "MLFLOW_TRACKING_PASSWORD": "hunter2@x"}, True),
        ("", {"MLFLOW_TRACKING_TOKEN": "hunter2token"}, True),
        ("user:hunter2@", {}, False),
        ("", {}, False),
    ],
)
def test_a_server_is_asked_as_mlflow_logs_in(server, login, variables, known, monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in {"MLFLOW_TRACKING_URI": f"http://{login}{server}", **variables}.items():
        monkeypatch.setenv(name, value)
    if known:
        assert tracking._tracking_uri() == f"http://{server}"
        assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ
        return
    with pytest.raises(InputError, match=f"MLFLOW_TRACKING_URI http://{server}: the server refuses the login") as said:
        tracking._tracking_uri()
    assert "hunter2" not in str(said.value)


def test_a_real_run_at_a_server_with_a_login_shows_no_password(server, tmp_path):
    """The server lets it in, and then fails: even the traceback of that has no password."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"http://user:hunter2%40x@{server}"}
    environment |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    command = [sys.executable, "-m", "pipelines.prepare", "--output", "out", "--results", "results.json"]
    done = subprocess.run(
        [*command, "--data", "http://me:hunter2@host/signs"], env=environment, cwd=tmp_path, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "no further" in done.stderr
    written = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "pipelines.prepare --output out" in written
    assert "http://***@host/signs" in written
    assert "hunter2" not in done.stdout + done.stderr + written
