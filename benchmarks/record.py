"""How every benchmark leaves its result: a JSON file that says what made it, on what machine, against which target."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"
LOAD_AT_START = round(os.getloadavg()[0], 2)
"""Other work on the machine when the benchmark began: far above 0, its times say little."""


@dataclass(frozen=True)
class Target:
    """A number that was measured and the bound that it must keep."""

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        above = self.at_least is None or self.measured >= self.at_least
        return bool(above and (self.at_most is None or self.measured <= self.at_most))

    def as_dict(self) -> dict[str, Any]:
        """For the result file."""
        bounds = {"at_least": self.at_least, "at_most": self.at_most}
        return (
            {"what": self.what, "measured": round(float(self.measured), 3)}
            | {name: bound for name, bound in bounds.items() if bound is not None}
            | {"met": self.met}
        )


def write_result(
    path: Path, result: Mapping[str, Any], *, targets: Sequence[Target] = (), packages: Iterable[str] = ()
) -> None:
    """Write a result file, whole or not at all.

    Args:
        path: the JSON file.
        result: what was measured.
        targets: what it had to reach.
        packages: distributions whose versions matter to the numbers.
    """
    document = {
        "command": command(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "targets": [target.as_dict() for target in targets],
    } | dict(result)
    write_whole(path, json.dumps(document, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def command() -> str:
    """The command line that is running, as one would type it in the root of the repository."""
    return shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "load_average_at_start": LOAD_AT_START}


def usable_cores() -> int:
    """Those that this process may run on, where the system tells (`taskset` takes some away); else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
