"""How every benchmark leaves its result: a JSON file that says what made it, on what machine, against which target."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.digest import CODE_DIGEST, ROOT, code_digest, sources
from pipelines.provenance import provenance

RESULTS = ROOT / "results"
STARTED, SOURCES = provenance(), sources()
"""As they were when the benchmark began: an hour later the code on disk may be another."""


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
        **made_by(STARTED["command"], STARTED, SOURCES),
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


def made_by(command: str, started: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """What made a result: a command, when, by which commit and code, on what machine; as all was when it started."""
    return {**started, "command": command, CODE_DIGEST: code_digest(command, files)}


def usable_cores() -> int:
    """Those that this process may run on, where the system tells (`taskset` takes some away); else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
