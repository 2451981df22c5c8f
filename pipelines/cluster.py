"""Every rule about Ray: how a cluster is joined or started, and how its CPUs are shared out."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import InputError
from pipelines.quiet import fast_kernels

ROOT = Path(__file__).resolve().parent.parent
LEFT_FOR_TASKS = 0.5
"""CPUs that a pool of actors never takes: reading and driver tasks would starve and the grid would hang."""
ATTEMPTS = 3
TASK_CPUS = 0.5
"""CPUs that a light task beside a pool asks for."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workers:
    """A pool of model actors: how many, and what each asks Ray for."""

    count: int
    cpus: float
    gpus: float
    threads: int


def connect() -> None:
    """Join the cluster of RAY_ADDRESS, or start Ray on this machine; nothing happens where Ray already runs.

    Raises:
        InputError: RAY_ADDRESS names a cluster that does not answer.
    """
    import ray

    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    try:
        _start(address, {"include_dashboard": False} if not address else {})
    except ConnectionError as error:
        raise InputError(
            f"RAY_ADDRESS {address}: no Ray cluster answers there ({error}); start it, or unset it"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # a grid and `prepare` each have one of their own
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _start(address: str | None, options: dict[str, Any]) -> None:
    """Call `ray.init`, once more where a busy machine did not start Ray within Ray's own limit of 30 s."""
    import psutil
    import ray

    for attempt in range(ATTEMPTS):
        before = set(psutil.Process().children(recursive=True))
        try:
            ray.init(
                address=address,
                runtime_env=_runtime_environment(shipped=bool(address)),
                logging_level=logging.ERROR,
                log_to_driver=log.isEnabledFor(logging.DEBUG),
                **options,
            )
            return
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt + 1 == ATTEMPTS:
                raise
            ray.shutdown()
            for left in set(psutil.Process().children(recursive=True)) - before:
                left.kill()


def _runtime_environment(*, shipped: bool) -> dict[str, Any]:
    """Variables for the workers; on a cluster, also the code, unless `ray job submit` has shipped it.

    Only the driver writes to MLflow: MLFLOW_RUN_ID, which `mlflow run` sets, never reaches a worker.
    """
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    variables = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "3", **fast_kernels()}
    if not shipped:
        return {"env_vars": {**variables, "PYTHONPATH": search}}
    if os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR"):
        return {"env_vars": variables}
    packages = [str(ROOT / folder) for folder in ("pipelines", "models", "noise", "gan")]
    return {"env_vars": variables, "py_modules": packages}


def share_out(workers: int | None, cpus_per_worker: int, gpus_per_worker: float) -> Workers:
    """Decide how many model actors run, and what each asks for, so that light tasks always find a CPU.

    Args:
        workers: actors wanted; None = as many as the cluster holds.
        cpus_per_worker: CPU threads of each.
        gpus_per_worker: GPUs, or a fraction of one, of each.

    Raises:
        InputError: more is asked for than the cluster has (Ray would wait for ever).
    """
    cpus, most = _room(cpus_per_worker, gpus_per_worker)
    count = _wanted(workers, most)
    asked = min(float(cpus_per_worker), (cpus - LEFT_FOR_TASKS) / count)
    whole = asked if asked < 1 else math.floor(asked)  # Ray refuses fractions above one
    return Workers(count=count, cpus=whole, gpus=gpus_per_worker, threads=cpus_per_worker)


def share_out_trials(workers: int | None, cpus_per_worker: int, gpus_per_worker: float) -> Workers:
    """Decide how many trials of a search run at once; no tasks run beside them, so they may take every CPU.

    Arguments and errors are those of `share_out`.
    """
    count = _wanted(workers, _room(cpus_per_worker, gpus_per_worker)[1])
    return Workers(count=count, cpus=float(cpus_per_worker), gpus=gpus_per_worker, threads=cpus_per_worker)


def _room(cpus_per_worker: int, gpus_per_worker: float) -> tuple[float, int]:
    """The cluster's CPUs, and the workers of this size that its machines hold: one or more."""
    import ray

    if gpus_per_worker > 1 and gpus_per_worker % 1:
        raise InputError(f"--gpus-per-worker {gpus_per_worker:g}: give a share of one GPU, or a whole number of them")
    nodes = [(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)) for node in _alive(ray.nodes())]
    cpus, gpus = (max((node[place] for node in nodes), default=0.0) for place in (0, 1))
    if gpus_per_worker > gpus:
        raise InputError(f"--gpus-per-worker {gpus_per_worker:g}: no machine has more than {gpus:g} GPUs; ask for less")
    if cpus_per_worker > cpus:
        raise InputError(f"--cpus-per-worker {cpus_per_worker}: no machine has more than {cpus:g} CPUs; ask for less")
    most = sum(_held(*node, cpus_per_worker, gpus_per_worker) for node in nodes)
    if not most:
        raise InputError(
            f"--gpus-per-worker {gpus_per_worker:g}: no machine with so many has {cpus_per_worker} CPUs; ask for fewer"
        )
    return sum(node[0] for node in nodes), most


def _alive(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [node for node in nodes if node["Alive"]]


def _held(cpus: float, gpus: float, cpus_per_worker: int, gpus_per_worker: float) -> int:
    """Workers that one machine holds; a share of a GPU is never made of parts of two."""
    most = int(cpus // cpus_per_worker)
    if not gpus_per_worker:
        return most
    shares = int(1 / gpus_per_worker + 1e-9) if gpus_per_worker < 1 else 1 / gpus_per_worker
    return min(most, int(gpus * shares + 1e-9))


def _wanted(workers: int | None, most: int) -> int:
    if workers is not None and workers > most:
        raise InputError(f"--workers {workers}: the cluster has room for {most} of this size; ask for fewer")
    return workers or most
