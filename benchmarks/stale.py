"""Say which result files were made by other code than today's, and how to make them anew; it fails nothing.

    python -m benchmarks.stale

A file that says by which digest it was made is asked for that; of any other the code of the commit that it names, or
else of the one that last wrote it, is compared with today's.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

from benchmarks.digest import CODE_DIGEST, ROOT, Code, Figure, changed, digest, is_code, sources
from pipelines.provenance import CHANGED, UNKNOWN

RESULTS = ROOT / "results"
SHOWN = 6
"""Names in a row of the table."""
TRAIN, GRID = "pipelines.train --data output/gtsrb", "pipelines.noise_grid --data output/gtsrb"
UNTOLD = {
    "gtsrb/prepare/results.json": "pipelines.prepare --data ../shared/gtsrb --output output/gtsrb",
    "gtsrb/noise_grid/results.json": f"{GRID} --preset all --model output/train/model.keras",
    "gtsrb/cifar_c/results.json": f"{GRID} --preset cifar-c --model output/train/model.keras",
    "gtsrb/networks/best/results.json": f"{TRAIN} --network best --repeats 3 --views 5",
    "gtsrb/networks/mobilenet_v2/results.json": f"{TRAIN} --network mobilenet_v2 --weights imagenet",
    "gtsrb/networks/robustness.png": "benchmarks.network_robustness",
    "noise_gallery.png": "benchmarks.noise_gallery",
    "rendered_contact_sheet.png": "benchmarks.rendered_contact_sheet",
}
"""What made the files that do not say it; tables and pictures beside a file that does are covered by it."""
LEGEND = f"""
?: the file does not say it, or a commit that is not here: taken from the commit that last wrote it.
{CHANGED}: the code was changed beyond that commit."""


@dataclass(frozen=True)
class Made:
    """A file of results: by which command, when, by the code of which commit, and what has changed since."""

    file: str
    command: str
    when: str
    commit: str
    verdict: str
    names: tuple[str, ...] = ()

    def row(self) -> str:
        """For the table: a line, and where something has changed what, and how the file is made anew."""
        line = f"{self.file:58} {self.when:11} {self.commit:9} {self.verdict}"
        more = f" and {len(self.names) - SHOWN} more" if len(self.names) > SHOWN else ""
        return f"{line}\n    {', '.join(self.names[:SHOWN])}{more}\n    {self.command}" if self.names else line


def results() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The files that stand for what was measured, and what they say; pictures say nothing."""
    for path in sorted(RESULTS.rglob("*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(said, dict) and (path.parent == RESULTS or {"machine", "entry_point"} & said.keys()):
            yield path, said
    for path in (RESULTS / name for name in UNTOLD if name.endswith(".png")):
        if path.exists():
            yield path, {}


def judge(path: Path, said: dict[str, Any], today: Code) -> Made:
    """Compare the code that made a file with today's."""
    file = path.relative_to(RESULTS).as_posix()
    command = str(said.get("command") or f"python -m {UNTOLD.get(file, f'benchmarks.{path.stem}')}")
    wrote, _, day = _git("log", "-1", "--follow", "--diff-filter=AM", "--format=%h %as", "--", file).partition(" ")
    told, own = (str(said.get(name, UNKNOWN)) for name in ("commit", CODE_DIGEST))
    known = bool(_git("rev-parse", "--verify", "--quiet", f"{told.rstrip(CHANGED)}^{{commit}}"))
    commit = told.rstrip(CHANGED) if known else wrote
    when = str(said["date"])[:10] if "date" in said else f"{day}?"
    about = file, command, when, told if known else f"{wrote}?"
    now, then = (_figure(code, command) for code in (today, code_of(commit) if commit else Code({})))
    if now is None:
        return Made(*about, "its command is gone")
    if own == digest(now):
        return Made(*about, "fresh")
    if then is None:
        return Made(*about, "unknown: by code that no commit here has")
    names = tuple(changed(then, now))
    if own != UNKNOWN and not names:
        return Made(*about, "stale: made by code that no commit has")
    return Made(*about, f"stale: {len(names)} of {len(now)} changed" if names else "fresh", names)


def _figure(code: Code, command: str) -> Figure | None:
    try:
        return code.figure(command)
    except LookupError:
        return None


@cache
def code_of(commit: str) -> Code:
    """The code as a commit has it."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = {file.name: archive.extractfile(file) for file in archive if is_code(file.name)}
        return Code({name: file.read().decode() for name, file in files.items() if file})


def _git(*words: str) -> str:
    """What git says in the folder of results, where paths of files begin."""
    return subprocess.run(["git", *words], cwd=RESULTS, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    """Print the table."""
    today = Code(sources())
    click.echo(
        f"{'file in results/':58} {'made':11} {'by':9} its code against today's: what changed, what makes it anew"
    )
    for path, said in results():
        click.echo(judge(path, said, today).row())
    click.echo(LEGEND)


if __name__ == "__main__":
    main()
