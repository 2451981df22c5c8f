"""How a search runs on Ray Tune: schedulers, searchers, the resumption of a search, and its tables."""

from __future__ import annotations

import json
import logging
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import InputError
from pipelines.output_folder import claim_folder, discard
from pipelines.spaces import FAMILIES
from pipelines.trial_log import INTERRUPTED, RECORDS, SearchRecord, TrialLog, TrialRecord
from pipelines.trials import FINISHED, OBJECTIVES, STOPPED, Plan, SearchData, run_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from ray.tune import Tuner

    from pipelines.cluster import Workers
    from pipelines.spaces import Space

NAME = "search"
SEARCH_FILE = "search.json"
COMPARED = {family.objectives[0] for family in FAMILIES.values()}
"""Objectives that each epoch gives."""
MAX_FAILURES = 2
"""How often a trial goes on after its process died; errors of the training itself never end the process."""
logger = logging.getLogger("pipelines.tune")


@dataclass(frozen=True)
class Search:
    """A search over a space; `folder` holds its state, absolute since trials run in folders of their own."""

    folder: Path
    space: Space
    plan: Plan
    algorithm: str
    scheduler: str
    trials: int
    grace: int
    workers: Workers
    seed: int

    @property
    def state(self) -> Path:
        """Where Ray Tune keeps the search."""
        return self.folder / "ray" / NAME

    @property
    def file(self) -> Path:
        """The description beside it."""
        return self.folder / "ray" / SEARCH_FILE

    def run(self, data: SearchData, record: SearchRecord, *, resume: bool) -> list[TrialRecord]:
        """Run all trials, or those that an interrupted search of the same folder has left.

        Raises:
            InputError: the search to resume is another one, or its state cannot be read.
            KeyboardInterrupt: it was interrupted, and can be resumed.
        """
        from ray import tune

        _quiet()
        previous = self._previous() if resume else None
        if previous is None:
            discard(self.folder / "ray")
            claim_folder(self.folder / "ray")
            self.file.parent.mkdir(parents=True)
        else:
            require_alike(previous.alike, record.alike, self.folder)
            record = SearchRecord(**{**record.__dict__, "search_id": previous.search_id})
        record.write(self.file)
        trainable = tune.with_resources(
            tune.with_parameters(run_trial, plan=self.plan, data=data),
            {"cpu": self.workers.cpus, "gpu": self.workers.gpus},
        )
        tuner = self._restored(trainable) if previous and self._has_state() else self._tuner(trainable)
        tuner.fit()
        records = read_records(self.file.with_name(RECORDS))
        if len(records) < self.trials or any(found.status == INTERRUPTED for found in records):
            raise KeyboardInterrupt  # between two trials it leaves none interrupted
        return records

    def _previous(self) -> SearchRecord | None:
        return SearchRecord.read(self.file) if self.file.is_file() else None

    def _has_state(self) -> bool:
        """Whether Ray Tune has saved anything to go on from.

        Raises:
            InputError: it has, and it cannot be read.
        """
        states = sorted(self.state.glob("experiment_state-*.json"))
        try:
            if states:
                json.loads(states[-1].read_text())
            for path in self.state.glob("callback-states-*.pkl"):
                pickle.loads(path.read_bytes())  # noqa: S301
        except (ValueError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{self.state}: the state of the search is damaged ({error}); start without --resume"
            ) from (None)
        return bool(states) and (self.state / "tuner.pkl").is_file()

    def _restored(self, trainable: Any) -> Tuner:
        from ray import tune

        return tune.Tuner.restore(
            str(self.state), trainable, resume_unfinished=True, resume_errored=True, param_space=self._param_space()
        )

    def _tuner(self, trainable: Any) -> Tuner:
        from ray import tune

        single = len(self.plan.objectives) == 1 or self.algorithm != "optuna"
        metric = self.plan.objectives[0]
        return tune.Tuner(
            trainable,
            param_space=self._param_space(),
            tune_config=tune.TuneConfig(
                # With two objectives Optuna is told both, and Tune itself must be told none.
                metric=metric if single else None,
                mode=OBJECTIVES[metric] if single else None,
                search_alg=self._searcher(),
                scheduler=self._scheduler(single=single),
                num_samples=1 if self.algorithm == "grid" else self.trials,
                max_concurrent_trials=self.workers.count if self.algorithm == "optuna" else None,
                reuse_actors=True,  # TensorFlow is imported once a worker, not once a trial
                trial_dirname_creator=_short_name,
            ),
            run_config=tune.RunConfig(
                name=NAME,
                storage_path=str(self.folder / "ray"),
                callbacks=[TrialLog(self.file, self.plan.family, self.plan.objectives)],
                checkpoint_config=tune.CheckpointConfig(num_to_keep=4 if self.algorithm == "pbt" else 1),
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                verbose=0,
            ),
        )

    def _param_space(self) -> dict[str, Any]:
        return self.space.grid() if self.algorithm == "grid" else self.space.domains()

    def _searcher(self) -> Any:
        from ray.tune.search.basic_variant import BasicVariantGenerator
        from ray.tune.search.optuna import OptunaSearch

        if self.algorithm != "optuna":
            most = 0 if self.algorithm == "pbt" else self.workers.count
            return BasicVariantGenerator(max_concurrent=most, random_state=self.seed)
        if len(self.plan.objectives) == 1:
            return OptunaSearch(seed=self.seed)
        modes = [OBJECTIVES[name] for name in self.plan.objectives]
        return OptunaSearch(metric=list(self.plan.objectives), mode=modes, seed=self.seed)

    def _scheduler(self, *, single: bool) -> Any:
        from ray.tune.schedulers import FIFOScheduler, PopulationBasedTraining

        from pipelines.halving import ResumableHalving

        first = self.plan.objectives[0]
        named = {} if single else {"metric": first, "mode": OBJECTIVES[first]}
        if self.algorithm == "pbt":
            return PopulationBasedTraining(
                time_attr="epoch",
                perturbation_interval=self.grace,
                hyperparam_mutations=mutations(self.space, self.plan.family),
            )
        if self.scheduler == "none":
            return FIFOScheduler()
        return ResumableHalving(
            time_attr="epoch", max_t=self.plan.epochs, grace_period=min(self.grace, self.plan.epochs), **named
        )


def resolve_scheduler(asked: str, algorithm: str, objectives: Sequence[str]) -> str:
    """The scheduler of a search: ASHA where none is asked for and it makes sense.

    ASHA compares trials at equal epochs by one number that each epoch gives. A grid is asked to run whole; with a
    second objective it would stop the small and quick networks that the front is searched for.

    Raises:
        InputError: ASHA or population based training by an objective that the epochs do not give.
    """
    if asked == "auto":
        usual = algorithm in ("optuna", "random") and set(objectives) <= COMPARED
        asked = "asha" if usual else "none"
    if (asked == "asha" or algorithm == "pbt") and objectives[0] not in COMPARED:
        what = "--algorithm pbt" if algorithm == "pbt" else "--scheduler asha"
        raise InputError(f"{what}: epochs are compared by macro-F1; put f1_macro first in --objective {objectives[0]}")
    return "none" if algorithm == "pbt" else asked


def mutations(space: Space, family: str = "cnn") -> dict[str, Any]:
    """The parameters that population based training changes, as Ray takes them.

    Raises:
        InputError: there is none.
    """
    mutable = FAMILIES[family].mutable
    found = {
        part.name: list(part.values) if part.distribution == "choice" else part.domain()
        for part in space.parameters
        if part.name in mutable
    }
    if not found:
        raise InputError(f"{space.source}: pbt changes {', '.join(mutable)} while it trains; add one, or search else")
    return found


def require_alike(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Refuse to continue a search as another one.

    Raises:
        InputError: of the first difference.
    """
    for key, value in now.items():
        if before.get(key) != value:
            was, what = before.get(key), key
            if isinstance(was, dict) and isinstance(value, dict):
                part = next(name for name in sorted(was | value) if was.get(name) != value.get(name))
                was, value, what = was.get(part), value.get(part), f"{key}, {part}:"
            raise InputError(
                f"--resume: the search of {folder} has {what} {was!r}, not {value!r}; "
                "give it as it was, or start without --resume"
            )


def read_records(path: Path) -> list[TrialRecord]:
    """The trials that the callback has written when the search ended, in the order in which they began."""
    return [
        TrialRecord(**{**row, "epochs": {int(epoch): numbers for epoch, numbers in row["epochs"].items()}})
        for row in json.loads(path.read_text())
    ]


def trials_table(records: Sequence[TrialRecord], objectives: Sequence[str]) -> pd.DataFrame:
    """A row a trial: trial_id, name, status, epochs, best_epoch, seconds, its objectives, measures, parameters, reason.

    Parameters are in columns `param/<name>`. What was not measured is missing: all of failed trials, and what is
    measured at the end of those stopped early.
    """
    import pandas as pd

    rows = []
    for record in records:
        known = {
            name: value
            for name, value in record.objectives.items()
            if record.status == FINISHED or (record.status == STOPPED and name != "threshold")
        }
        rows.append(
            {
                "trial_id": record.trial_id,
                "name": record.name,
                "status": record.status,
                "epochs": len(record.epochs),
                "best_epoch": record.best_epoch,
                "seconds": round(sum(numbers["seconds"] for numbers in record.epochs.values()), 2),
                **{name: known.get(name) for name in objectives},
                **(record.measured if record.status == FINISHED else {}),
                **{f"param/{key}": value for key, value in record.config.items()},
                "reason": record.reason,
            }
        )
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(objectives, float))


def epochs_table(records: Sequence[TrialRecord], family: str = "cnn") -> pd.DataFrame:
    """A row an epoch of a trial, epochs counted from 1: the family's columns, whose scores are those of validation."""
    import pandas as pd

    columns = {**dict(FAMILIES[family].columns), "seconds": "seconds"}
    rows = [
        (record.trial_id, epoch, *(numbers[name] for name in columns.values()))
        for record in records
        for epoch, numbers in sorted(record.epochs.items())
    ]
    return pd.DataFrame(rows, columns=["trial_id", "epoch", *columns])


def _short_name(trial: Any) -> str:
    """A trial's folder: the parameters, which Ray would write into the name, can make it too long."""
    return str(trial.trial_id)


def _quiet() -> None:
    """Keep Ray Tune and Optuna from printing what the log of the search says in its own words."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
