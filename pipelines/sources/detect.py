"""What a person may name as --data, and the source that it turns out to be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.download import MD5, cache_folder, download
from pipelines.sources.plan import Source
from pipelines.sources.synthetic import NAME as RENDERED
from pipelines.sources.synthetic import rendered_source
from pipelines.sources.trees import open_archive, open_folder, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources.plan import Plan
    from pipelines.sources.trees import Tree

DOWNLOAD = "gtsrb"
KINDS = (
    "a prepared folder, the official GTSRB archives or folders, the Kaggle layout, CURE-TSR, class folders, "
    f"{DOWNLOAD} or {RENDERED}"
)


def open_source(data: str) -> Source:
    """Recognise a source by its name or by the files in it.

    Raises:
        InputError: it does not exist, is empty, or is a file of another kind.
    """
    if data == DOWNLOAD:
        return Source("gtsrb", DOWNLOAD, _digest(MD5), _plan_download)
    if data.partition(":")[0] == RENDERED:
        return rendered_source(data)
    place, challenge = _place(data)
    path = Path(place)
    if not path.exists():
        raise InputError(f"{place}: no such folder or file: --data takes {KINDS}")
    if path.is_file() and path.suffix.lower() != ".zip":
        raise InputError(f"{place}: a file that is neither a folder nor a zip archive: --data takes {KINDS}")
    name = path.resolve().name.removesuffix(".zip")
    if not challenge:
        return Source(name, str(path), stamp(path), lambda seed: _plan_files(path, seed))
    key = _digest([stamp(path), challenge])
    return Source(f"{name}-{challenge}", data, key, lambda seed: _plan_files(path, seed, challenge))


def _place(data: str) -> tuple[str, str]:
    """The path, and what `#` names within it; a folder may have a `#` in its own name."""
    place, mark, within = data.rpartition("#")
    return (place, within) if mark and not Path(data).exists() else (data, "")


def _plan_download(seed: int) -> Plan:
    return _plan_files(download(cache_folder() / "gtsrb"), seed)


def _plan_files(path: Path, seed: int, challenge: str = "") -> Plan:
    trees = _trees(path)
    plan = _plan_trees(trees, str(path), seed, challenge)
    return replace(plan, notes=(*(note for tree in trees for note in tree.notes), *plan.notes))


def _plan_trees(trees: Sequence[Tree], origin: str, seed: int, challenge: str) -> Plan:
    from pipelines.sources import cure_tsr, folders, kaggle, official

    names = [name for tree in trees for name in tree.names]
    if cure_tsr.matches(names):
        return cure_tsr.plan_cure_tsr(trees[0], origin, challenge=challenge, seed=seed)
    if challenge:
        raise InputError(f"{origin}#{challenge}: only the challenges of CURE-TSR are named by #: leave it out")
    if official.matches(names):
        return official.plan_official(trees, origin, seed=seed)
    if kaggle.matches(trees[0]):
        return kaggle.plan_kaggle(trees[0], origin, seed=seed)
    return folders.plan_folders(trees[0], origin, seed=seed)


def _trees(path: Path) -> Sequence[Tree]:
    """The folder or the archive itself, and the official archives in a folder."""
    from pipelines.sources.official import ARCHIVES

    if path.is_file():
        return [open_archive(path)]
    folder = open_folder(path)
    inside = [path / name for name in folder.names if name.rpartition("/")[2] in ARCHIVES]
    return [folder, *(open_archive(archive) for archive in inside)]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
