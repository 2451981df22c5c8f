"""What a person may name as --data, and the source that it turns out to be."""

from __future__ import annotations

import hashlib
import json
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
    "a prepared folder, the official GTSRB archives or folders, the Kaggle layout, class folders, "
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
    path = Path(data)
    if not path.exists():
        raise InputError(f"{data}: no such folder or file: --data takes {KINDS}")
    if path.is_file() and path.suffix.lower() != ".zip":
        raise InputError(f"{data}: a file that is neither a folder nor a zip archive: --data takes {KINDS}")
    return Source(
        path.resolve().name.removesuffix(".zip"), str(path), stamp(path), lambda seed: _plan_files(path, seed)
    )


def _plan_download(seed: int) -> Plan:
    return _plan_files(download(cache_folder() / "gtsrb"), seed)


def _plan_files(path: Path, seed: int) -> Plan:
    from pipelines.sources import folders, kaggle, official

    trees = _trees(path)
    names = [name for tree in trees for name in tree.names]
    if official.matches(names):
        return official.plan_official(trees, str(path), seed=seed)
    if kaggle.matches(names):
        return kaggle.plan_kaggle(trees[0], str(path), seed=seed)
    return folders.plan_folders(trees[0], str(path), seed=seed)


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
