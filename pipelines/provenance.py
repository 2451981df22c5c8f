"""What stands beside results: which command made them, when, by the code of which commit, on what machine."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.masking import masked

ROOT = Path(__file__).resolve().parent.parent
UNKNOWN = "unknown"
CHANGED = "+"
"""After a commit: the working tree was not as it has it; what runs write (results/, README.md) does not count."""


def provenance() -> dict[str, Any]:
    """What is known at the start of a run; taken at its end, the code on disk may be another by then."""
    return {
        "command": command(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": commit(),
        "machine": machine(),
    }


def command() -> str:
    """The command line that is running, as one would type it in the root of the repository."""
    script = Path(sys.argv[0])
    return masked(shlex.join(["python", "-m", f"{script.parent.name}.{script.stem}", *sys.argv[1:]]))


def commit(root: Path = ROOT) -> str:
    """The short hash of the commit whose code runs, with a mark if the code was changed; `unknown` without git."""
    head = _git(root, "rev-parse", "--short", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", ".", ":(exclude)results", ":(exclude)README.md")
    return f"{head}{CHANGED if changes else ''}" if head else UNKNOWN


def machine() -> dict[str, Any]:
    """The processor, its cores, and the load: with other work far above 0, times say little."""
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "load_average_at_start": round(os.getloadavg()[0], 2)}


def _git(root: Path, *words: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        ).stdout.strip()
    except FileNotFoundError:
        return ""


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
