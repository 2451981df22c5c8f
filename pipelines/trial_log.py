"""The driver's account of a search: a row a trial, a row an epoch, and a live MLflow run a trial under one parent."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Callback

from pipelines.output_folder import write_whole
from pipelines.spaces import FAMILIES
from pipelines.tracking import curve_name, git_commit
from pipelines.trials import DIVERGED, FAILED, FINISHED, STOPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import mlflow
    from ray.tune.experiment import Trial

RUNNING, INTERRUPTED = "running", "interrupted"
RUN_STATUS = {FINISHED: "FINISHED", STOPPED: "FINISHED", FAILED: "FAILED", DIVERGED: "FAILED", INTERRUPTED: "KILLED"}
"""MLflow's status of a trial's run; its tag `status` says more."""
RECORDS = "trials.json"
"""Beside the search's file: what `TrialLog` leaves when the search ends."""
SEARCH_TAG, TRIAL_TAG, PARENT_TAG = "search_id", "ray_trial_id", "mlflow.parentRunId"
logger = logging.getLogger("pipelines.tune")


@dataclass(frozen=True)
class SearchRecord:
    """What a search is, in the file beside it: which runs are its own, and what a resumed search must have alike."""

    search_id: str
    parent_run_id: str
    experiment_id: str
    tags: dict[str, str]
    alike: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_whole(path, json.dumps(self.__dict__, indent=2).encode())

    @staticmethod
    def read(path: Path) -> SearchRecord:
        """Read what `write` wrote."""
        return SearchRecord(**json.loads(path.read_text()))


@dataclass
class TrialRecord:
    """What is known of one trial; `epochs` has the numbers of each by its number from 1."""

    trial_id: str
    name: str
    config: dict[str, Any]
    run_id: str = ""
    status: str = RUNNING
    reason: str = ""
    best_epoch: int = 0
    objectives: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    logged: int = 0
    """The last epoch that MLflow has."""


class TrialLog(Callback):
    """Ray Tune's callback in the driver, the one process that writes to MLflow.

    It is saved with the search and restored with it. A resumed search continues the runs of its trials, moves them
    under the parent of the day, and deletes the run of a trial that was begun but not saved before the driver died:
    Ray has forgotten that trial and draws another in its place.
    """

    def __init__(self, path: Path, family: str, objectives: Sequence[str]) -> None:
        """Keep the account of the search whose `SearchRecord` is at `path`."""
        self.path, self.family, self.objectives = path, family, tuple(objectives)
        self.trials: dict[str, TrialRecord] = {}
        self.ready = False

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores the callback itself when a search begins: it is restored as one that has seen nothing."""
        return {**self.__dict__, "trials": {}, "ready": False}

    def get_state(self) -> dict[str, Any]:
        """What Tune saves, together with the state of the trials."""
        return {"trials": self.trials}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what Tune saved."""
        self.trials = state["trials"]

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ARG002
        """Once: take up the runs of a resumed search."""
        self._take_up()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ARG002
        """Open the trial's run, or continue it."""
        self._take_up()
        record = self.trials.setdefault(trial.trial_id, TrialRecord(trial.trial_id, self._next_name(), {}))
        record.config, record.status, record.reason = dict(trial.config), RUNNING, ""
        if not record.run_id:
            record.run_id = self._create_run(record)
        self._client().update_run(record.run_id, status="RUNNING")
        self._tag(record, "process/host", os.uname().nodename)  # of a resumed search: no longer those of the one before
        self._tag(record, "process/pid", str(os.getpid()))
        self._tag(record, "status", RUNNING)

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Trial],  # noqa: ARG002
        trial: Trial,
        result: dict[str, Any],
        **info: Any,  # noqa: ARG002
    ) -> None:
        """Take the numbers of an epoch."""
        record = self.trials[trial.trial_id]
        record.config = dict(trial.config)  # population based training changes it
        record.objectives = {name: float(result[name]) for name in self.objectives}
        record.measured = dict(result["measured"])
        record.best_epoch, record.reason = int(result["best_epoch"]), result["reason"]
        epoch, numbers = int(result["epoch"]), result["numbers"]
        if numbers and result["status"] not in (FAILED, DIVERGED):
            record.epochs[epoch] = dict(numbers)
            if epoch > record.logged:
                record.logged = epoch
                self._log(record, {curve_name(name): value for name, value in numbers.items()}, step=epoch - 1)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ARG002
        """Close the run of a trial that ended, or was stopped by the scheduler."""
        self._close(self.trials[trial.trial_id], (trial.last_result or {}).get("status") or STOPPED)

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ARG002
        """Say that a trial's process died."""
        record = self.trials[trial.trial_id]
        logger.warning("%s: its process died; it goes on after epoch %d", record.name, record.logged)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Close the run of a trial whose process died more often than it is tried again, or never began."""
        if trial.trial_id not in self.trials:
            self.on_trial_start(iteration, trials, trial, **info)
        record = self.trials[trial.trial_id]
        record.reason = record.reason or _last_line(trial)
        self._close(record, FAILED)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:  # noqa: ARG002
        """Mark what an interrupted search leaves unfinished."""
        self._take_up()
        for record in self.trials.values():
            if record.status == RUNNING:
                self._close(record, INTERRUPTED)
        rows = [record.__dict__ for record in sorted(self.trials.values(), key=lambda record: record.name)]
        write_whole(self.path.with_name(RECORDS), json.dumps(rows, indent=1).encode())

    def _take_up(self) -> None:
        if self.ready:
            return
        self.ready = True
        search, client = SearchRecord.read(self.path), self._client()
        query = f"tags.{SEARCH_TAG} = '{search.search_id}'"
        for run in client.search_runs([search.experiment_id], filter_string=query, max_results=10_000):
            record = self.trials.get(run.data.tags[TRIAL_TAG])
            if record is None:
                client.delete_run(run.info.run_id)
                continue
            record.run_id = run.info.run_id
            client.set_tag(record.run_id, PARENT_TAG, search.parent_run_id)
            curve = curve_name(f"val_{FAMILIES[self.family].objectives[0]}")
            history = client.get_metric_history(record.run_id, curve)
            record.logged = max((point.step + 1 for point in history), default=0)
            if record.status != RUNNING:  # a driver that looked for dead runs may have marked it
                client.set_terminated(record.run_id, RUN_STATUS[record.status])

    def _next_name(self) -> str:
        return f"tune/{self.family}-{len(self.trials):03d}"

    def _create_run(self, record: TrialRecord) -> str:
        from mlflow.entities import Param

        search, client, config = SearchRecord.read(self.path), self._client(), record.config
        network = FAMILIES[self.family].network or search.tags["model"]
        tags = {
            **search.tags,
            SEARCH_TAG: search.search_id,
            TRIAL_TAG: record.trial_id,
            PARENT_TAG: search.parent_run_id,
            "seed": str(config.get("seed", search.tags["seed"])),
            "model": str(config.get("network") or config.get("architecture") or network),
            "entry_point": "tune/trial",
            "git_commit": git_commit(),
        }
        run_id = str(client.create_run(search.experiment_id, tags=tags, run_name=record.name).info.run_id)
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in config.items()])
        return run_id

    def _close(self, record: TrialRecord, status: str) -> None:
        record.status = status
        if status in (FINISHED, STOPPED):
            self._log(record, {**record.objectives, **record.measured, "best_epoch": float(record.best_epoch)}, step=0)
        self._tag(record, "status", status)
        if record.reason:
            self._tag(record, "reason", record.reason)
        self._client().set_terminated(record.run_id, RUN_STATUS[status])
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in record.objectives.items())
        said = record.reason or numbers
        logger.info("%s %s after epoch %d: %s", record.name, status, max(record.epochs, default=0), said)

    def _log(self, record: TrialRecord, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entities = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        self._client().log_batch(record.run_id, metrics=entities)

    def _tag(self, record: TrialRecord, key: str, value: str) -> None:
        self._client().set_tag(record.run_id, key, value)

    @staticmethod
    def _client() -> mlflow.MlflowClient:
        import mlflow

        return mlflow.MlflowClient()


def _last_line(trial: Trial) -> str:
    """Why a process died, in Ray's words."""
    path = trial.error_file
    lines = Path(path).read_text().split("\n") if path and Path(path).is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "its process died")[:500]
