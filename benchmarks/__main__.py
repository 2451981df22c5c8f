"""Run benchmarks, each in a process of its own, and show what every result file says against its targets.

    python -m benchmarks [NAME...]

Without names: those that take minutes. The others need a trained model or an hour; they are named in the last line, and
their results are shown as they lie in results/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.record import RESULTS

FOLDER = Path(__file__).resolve().parent
MINUTES = ("noise_speed", "noise_agreement", "render_speed", "analysis_speed", "grid_throughput", "grid_memory")
"""What runs without being named, in this order."""
LONGER = (
    "refinement",
    "epoch_speed",
    "tune_overhead",
    "search_budget",
    "recipe_selection",
    "gan_throughput",
    "precision",
    "rendered_to_real",
    "threshold_coverage",
    "comparison_coverage",
    "recipe_coverage",
    "mutation",
)


def run(name: str) -> bool:
    """Run one benchmark; what it says is shown only if it fails."""
    click.echo(f"{name:20}", nl=False)
    began = time.perf_counter()
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        cwd=FOLDER.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    click.echo(f"{'done' if done.returncode == 0 else 'FAILED'} in {time.perf_counter() - began:.0f} s")
    if done.returncode:
        click.echo(done.stdout[-3000:], err=True)
    return done.returncode == 0


def rows() -> list[tuple[str, dict[str, Any], str]]:
    """Every target in every result file: the file's name, the target, and the day on which it was measured."""
    found = []
    for path in sorted(RESULTS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        targets = document.get("targets", []) if isinstance(document, dict) else []
        found += [(path.name, target, document["date"][:10]) for target in targets]
    return found


def show() -> None:
    """The table of results against targets."""
    for name, target, date in rows():
        bound = f"at least {target['at_least']:g}" if "at_least" in target else f"at most {target['at_most']:g}"
        verdict = "met" if target["met"] else "MISSED"
        click.echo(f"{verdict:8}{target['measured']:<10g}{bound:16}{target['what']}  ({name}, {date})")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def main(names: tuple[str, ...]) -> None:
    """Run the benchmarks of these names, or the quick ones."""
    if unknown := [name for name in names if name not in MINUTES + LONGER]:
        raise click.BadParameter(f"{unknown[0]}: choose from {', '.join(MINUTES + LONGER)}")
    failed = [name for name in names or MINUTES if not run(name)]
    click.echo()
    show()
    click.echo(f"\nNot run unless named: {', '.join(name for name in LONGER if name not in names)}")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
