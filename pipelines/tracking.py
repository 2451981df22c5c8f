"""Every rule about MLflow: where runs are kept, how they are opened, closed, named and tagged."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipelines.errors import InputError
from pipelines.masking import masked, without_login

if TYPE_CHECKING:
    from pipelines.entry import Settings

METRICS_A_REQUEST = 1000
"""The most metrics that one MLflow request may carry."""
NOTE_LENGTH = 7900
"""Characters of a description; MLflow takes tags of 8,000."""
NAMED_BY_CHANCE = r"[a-z]+-[a-z]+-\d+"
"""Names such as traveling-cow-593, which MLflow gives to runs that nobody has named."""
PROBE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""How long to wait for a server that may not be there; MLflow itself tries for many minutes."""
REFUSED = (401, 403)
KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"
"""Makes MLflow's UI open an experiment at its runs; one without a kind is opened at a language model's traces."""


@dataclass(frozen=True)
class TrackedRun:
    """An open MLflow run; all writes name it, so that nested runs cannot be mixed up."""

    run_id: str
    experiment_id: str
    name: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log resolved settings as `cfg/<key>`: `mlflow run` has logged the bare keys as raw strings."""
        import mlflow

        known = mlflow.get_run(self.run_id).data.params
        fresh = {f"cfg/{key}": masked(str(value))[:6000] for key, value in params.items() if f"cfg/{key}" not in known}
        mlflow.MlflowClient().log_batch(
            self.run_id, params=[mlflow.entities.Param(key, value) for key, value in fresh.items()]
        )

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None, model_id: str | None = None) -> None:
        """Log numbers at an integer step; `model_id` ties them to the logged model they speak of."""
        import mlflow

        items = list(metrics.items())
        for start in range(0, len(items), METRICS_A_REQUEST):
            part = dict(items[start : start + METRICS_A_REQUEST])
            mlflow.log_metrics(part, step=step, run_id=self.run_id, model_id=model_id)

    def log_files(self, paths: list[Path] | Path, artifact_path: str | None = None) -> None:
        """Log files, or whole folders, as artifacts."""
        import mlflow

        client = mlflow.MlflowClient()
        for path in [paths] if isinstance(paths, Path) else paths:
            log = client.log_artifacts if path.is_dir() else client.log_artifact
            log(self.run_id, str(path), artifact_path)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tag the run."""
        import mlflow

        client = mlflow.MlflowClient()
        for key, value in tags.items():
            client.set_tag(self.run_id, key, masked(value))

    def identify(self, tags: Mapping[str, str]) -> None:
        """Tag the run with what it is about, and name it after its model, or data, unless somebody has named it."""
        import mlflow

        self.set_tags(tags)
        name = str(mlflow.get_run(self.run_id).info.run_name)
        if name == self.name.split("/")[0] or re.fullmatch(NAMED_BY_CHANCE, name):
            self.set_tags({"mlflow.runName": f"{self.name} {tags.get('model') or tags['data']}"})

    def conclude(self, metrics: Mapping[str, float], summary: str) -> None:
        """Log the numbers at the end of a run, and its summary as the description that the UI shows first."""
        self.log_metrics(metrics)
        if summary:
            self.set_tags({"mlflow.note.content": f"```text\n{summary.strip()[:NOTE_LENGTH]}\n```"})

    @contextmanager
    def child(self, name: str, settings: Settings) -> Iterator[TrackedRun]:
        """Open a run nested in this one, in its experiment; it is marked FAILED when its block raises.

        It measures the system as this one does: what a step of the way needs is known of that step.
        """
        import mlflow

        started = mlflow.start_run(
            run_name=name,
            nested=True,
            parent_run_id=self.run_id,
            experiment_id=self.experiment_id,
            log_system_metrics=True,
        )
        with started as active:
            run = TrackedRun(active.info.run_id, active.info.experiment_id, name)
            run.describe(settings)
            yield run

    def describe(self, settings: Settings) -> None:
        """Tag the run with what it comes from, and log the settings."""
        self.set_tags(
            {
                "entry_point": self.name,
                "seed": str(settings.seed),
                "git_commit": git_commit(),
                "output": str(settings.output.absolute()),
                "process/host": os.uname().nodename,
                "process/pid": str(os.getpid()),
            }
        )
        self.log_params(settings.model_dump(exclude={"verbose", "quiet"}))

    def where_to_look(self) -> str:
        """The address of the run in the MLflow UI, and how to start that, for the end of the terminal output."""
        import mlflow

        uri = mlflow.get_tracking_uri()
        served = uri.startswith(("http://", "https://"))
        server = without_login(uri).rstrip("/") if served else "http://127.0.0.1:5000"
        page = f"{server}/#/experiments/{self.experiment_id}/runs/{self.run_id}?workflowType=machine_learning"
        shown = uri if masked(uri) == uri else "$MLFLOW_TRACKING_URI"
        start = "" if served else f'MLflow UI   mlflow ui --backend-store-uri "{shown}"   (or: make ui), then open\n'
        return f"{start}MLflow run  {page}"


def curve_name(name: str) -> str:
    """What MLflow calls a number of an epoch: `train/loss`, `validation/f1_macro`."""
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}"


@contextmanager
def open_run(name: str, settings: Settings) -> Iterator[TrackedRun]:
    """Open the run of an entry point: the one that `mlflow run` made, or a new one.

    Takes MLFLOW_RUN_ID and MLFLOW_EXPERIMENT_ID out of the environment, because Ray workers inherit it
    and would write into this run. The run is marked FAILED when the block raises.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # ours stands at the end
    run_id = os.environ.pop("MLFLOW_RUN_ID", None)
    experiment_id = os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    import mlflow

    mlflow.set_tracking_uri(_tracking_uri())
    if run_id is None and experiment_id is None:
        mlflow.set_experiment(settings.experiment)
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)  # set_experiment leaves it there
    if getattr(settings, "resume", False):
        _mark_killed_runs()
    started = mlflow.start_run(
        run_id=run_id, run_name=None if run_id else name, experiment_id=experiment_id, log_system_metrics=True
    )
    with started as active:
        run = TrackedRun(active.info.run_id, active.info.experiment_id, name)
        _show_runs_first(run.experiment_id)
        run.set_tags({key: value for key, value in active.data.tags.items() if masked(value) != value})
        run.describe(settings)
        yield run


def _show_runs_first(experiment_id: str) -> None:
    import mlflow

    client = mlflow.MlflowClient()
    if KIND_TAG not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, KIND_TAG, KIND)


def _tracking_uri() -> str:
    """The tracking URI, made absolute (workers run in other folders) and, for a server, shown to answer."""
    import mlflow

    uri = os.environ.get("MLFLOW_TRACKING_URI") or str(mlflow.get_tracking_uri())
    if uri.startswith("sqlite:///"):
        path = Path(uri.removeprefix("sqlite:///")).absolute()
        if not os.access(path.parent, os.W_OK):
            raise InputError(f"MLFLOW_TRACKING_URI {uri}: {path.parent} cannot be written; choose another place")
        return f"sqlite:///{path}"
    if uri.startswith(("http://", "https://")):
        uri = _log_in(uri)
        _require_answer(uri)
    return uri


def _log_in(uri: str) -> str:
    """Hand the user and password of a server's address to MLflow apart, whose messages and links then have none."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    os.environ |= {"MLFLOW_TRACKING_USERNAME": unquote(user), "MLFLOW_TRACKING_PASSWORD": unquote(password)}
    os.environ["MLFLOW_TRACKING_URI"] = clean = parts._replace(netloc=host).geturl()
    return clean


def _require_answer(uri: str) -> None:
    """Ask the server for an experiment as MLflow will, with whatever logs it in, but without its minutes of patience.

    Raises:
        InputError: no MLflow server answers, or it refuses the login.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    kept = {name: os.environ.get(name) for name in PROBE}
    os.environ |= PROBE
    try:
        mlflow.MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        said = " ".join(str(error).split())
        if error.get_http_status_code() in REFUSED:
            raise InputError(
                f"MLFLOW_TRACKING_URI {uri}: the server refuses the login; give user and password in it, or as "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a MLFLOW_TRACKING_TOKEN"
            ) from None
        raise InputError(
            f"MLFLOW_TRACKING_URI {uri}: no MLflow server answers there ({said[:200]}); start one, or unset it"
        ) from None
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def git_commit() -> str:
    """The commit of the working tree; a Ray job has no .git and is told by the variable GIT_COMMIT."""
    if given := os.environ.get("GIT_COMMIT"):
        return given
    root = Path(__file__).resolve().parent.parent
    asked = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def _mark_killed_runs() -> None:
    """Mark FAILED the runs of ours, nested ones too, that are RUNNING though their process on this host is gone."""
    import mlflow
    import psutil

    experiments = [found.experiment_id for found in mlflow.search_experiments()]
    running = mlflow.search_runs(experiments, filter_string="attributes.status = 'RUNNING'", output_format="list")
    for run in running:
        host, pid = run.data.tags.get("process/host"), run.data.tags.get("process/pid", "0")
        if host == os.uname().nodename and not psutil.pid_exists(int(pid)):
            mlflow.MlflowClient().set_terminated(run.info.run_id, "FAILED")
