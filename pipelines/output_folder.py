"""What runs may write over and delete in an output folder: the files that a manifest of ours names, and no others.

The manifest is a line a file, written before the file is, so that a run that is killed leaves no file unnamed. Files
of our names that it does not name are somebody else's: the folder is refused.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pipelines.errors import InputError
from pipelines.run_lock import LOCK_FILE, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MANIFEST_FILE = "sign-to-noise.files"
BESIDE = re.compile(r"\.[0-9a-f]{32}\.part\.(.+)")
"""What a file is called while it is written, see `written_beside`."""
_held: dict[Path, OutputFolder] = {}
"""The folders that this process holds: a file belongs to the nearest of them above it."""


class OutputFolder:
    """A folder and the files in it that are ours, by their paths below it; a whole folder's path ends with /."""

    def __init__(self, folder: Path) -> None:
        self.folder = _plain(folder)
        self.manifest = self.folder / MANIFEST_FILE
        text = self.manifest.read_text() if self.manifest.is_file() else ""
        self.names = set(text.split("\n")[:-1])  # the last line may be torn
        self.whole = text.endswith("\n") or not text

    def owns(self, path: Path) -> bool:
        """Whether the manifest names a file, or the whole of a folder that it lies in."""
        name = self._name(path)
        return name in self.names or any(f"{above}/" in self.names for above in (name, *map(str, Path(name).parents)))

    def require(self, names: Sequence[str]) -> None:
        """Refuse the folder where it holds what a run would write (names or patterns) and no run of ours has left.

        Raises:
            InputError: of the first such file or folder.
        """
        for path in sorted(self.folder.iterdir()):
            if any(fnmatchcase(path.name, name) for name in names) and not self._is_ours(path):
                raise _foreign(path)

    def claim(self, paths: Iterable[Path]) -> None:
        """Name files that are about to be written.

        Raises:
            InputError: one is there already, and not ours.
        """
        paths = list(paths)
        for path in paths:
            if os.path.lexists(path) and not self.owns(path):
                raise _foreign(path)
        self.adopt(paths)

    def adopt(self, paths: Iterable[Path]) -> None:
        """Name files that are ours by another sign."""
        fresh = dict.fromkeys(self._name(path) for path in paths if not self.owns(path))
        self._add(fresh)

    def claim_folder(self, path: Path) -> None:
        """Name a whole folder that somebody else's code is going to fill, and which is not there yet."""
        if path.is_dir() and any(path.iterdir()) and not self.owns(path):
            raise _foreign(path)
        self._add([f"{self._name(path)}/"])

    def discard(self, path: Path) -> None:
        """Delete a file, or the files below a folder, that are ours; what else lies there stays."""
        name = self._name(path)
        if f"{name}/" in self.names and path.is_dir():
            shutil.rmtree(path)
        mine = {part for part in self.names if part.rstrip("/") == name or part.startswith(f"{name}/")}
        for part in mine:
            if not part.endswith("/"):
                (self.folder / part).unlink(missing_ok=True)
        self._remove_empty({(self.folder / part).parent for part in mine})
        self._keep(self.names - mine)

    def settle(self) -> None:
        """Forget files that are gone, and sweep up what a run that was killed had begun to write."""
        parents = {(self.folder / name).parent for name in self.names}
        for left in (path for parent in parents for path in parent.glob(".*.part.*")):
            if (found := BESIDE.fullmatch(left.name)) and self.owns(left.with_name(found[1])):
                left.unlink(missing_ok=True)
        self._remove_empty(parents)
        self._keep({name for name in self.names if os.path.lexists(self.folder / name)})

    def _remove_empty(self, folders: set[Path]) -> None:
        for folder in sorted({above for start in folders for above in (start, *start.parents)}, reverse=True):
            if self.folder in folder.parents:
                with suppress(OSError):  # it is not empty, or not there
                    folder.rmdir()

    def _keep(self, names: set[str]) -> None:
        if names != self.names or not self.whole:
            self.names = names
            self._rewrite()

    def _is_ours(self, path: Path) -> bool:
        if not path.is_dir():
            return self.owns(path)
        inside = any(name.startswith(f"{path.name}/") for name in self.names)
        return inside or (path / MANIFEST_FILE).is_file() or not any(path.iterdir())

    def _add(self, names: Iterable[str]) -> None:
        fresh = [name for name in names if name not in self.names]
        if not fresh:
            return
        self.names.update(fresh)
        if not self.whole:
            self._rewrite()
            return
        with self.manifest.open("a") as file:
            file.write("".join(f"{name}\n" for name in fresh))

    def _rewrite(self) -> None:
        self.whole = True
        if not self.names:
            self.manifest.unlink(missing_ok=True)
            return
        beside = self.manifest.with_name(f"{MANIFEST_FILE}.new")
        beside.write_text("".join(f"{name}\n" for name in sorted(self.names)))
        beside.replace(self.manifest)

    def _name(self, path: Path) -> str:
        return _plain(path).relative_to(self.folder).as_posix()


@contextmanager
def output_folder(folder: Path, entry_point: str, names: Sequence[str], *, shared: bool = False) -> Iterator[None]:
    """Hold a folder while a run works in it.

    Args:
        folder: that exists.
        entry_point: who holds it.
        names: what a run leaves there: names or patterns of files and folders.
        shared: pass where this process holds the folder already.

    Raises:
        HeldError: another run is at work there.
        InputError: it holds files of these names that no run of ours has left.
    """
    place = _plain(folder)
    if shared and place in _held:
        yield
        return
    with exclusive(folder, entry_point):
        own = OutputFolder(folder)
        own.require(names)
        own.settle()
        _held[place] = own
        try:
            yield
        finally:
            del _held[place]
            own.settle()


def claim(*paths: Path) -> None:
    """Name files that are about to be written, in the held folder above each, if there is one.

    Raises:
        InputError: one is there already, and not ours.
    """
    for path in paths:
        if owner := _owner(path):
            owner.claim([path])


def claim_folder(path: Path) -> None:
    """Name a whole folder that other code fills, and which is not there yet."""
    if owner := _owner(path):
        owner.claim_folder(path)


def adopt(*paths: Path) -> None:
    """Name files that are ours by another sign than the manifest."""
    for path in paths:
        if owner := _owner(path):
            owner.adopt([path])


def discard(path: Path) -> None:
    """Delete a file, or the files below a folder, as far as they are ours: none where no folder is held."""
    if owner := _owner(path):
        owner.discard(path)


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A place beside `path` for its new content, which takes its name when the block ends well.

    Raises:
        InputError: a file is there already, and not ours; the folder cannot be written.
    """
    claim(path)
    beside = path.with_name(f".{uuid4().hex}.part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be written ({error.strerror}); choose another --output") from error
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> Path:
    """Write `content` to `path` so that the final name never holds half of it.

    Raises:
        InputError: a file is there already, and not ours; the folder cannot be written.
    """
    with written_beside(path) as beside:
        beside.write_bytes(content)
    return path


def bookkeeping(path: Path) -> bool:
    """Whether a file is the lock or the manifest, which are none of a folder's content."""
    return path.name.startswith((LOCK_FILE, MANIFEST_FILE))


def _owner(path: Path) -> OutputFolder | None:
    return next((_held[above] for above in (_plain(path), *_plain(path).parents) if above in _held), None)


def _plain(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _foreign(path: Path) -> InputError:
    return InputError(
        f"{path}: no run of this program has left it (none that {MANIFEST_FILE} names), so it is not written over; "
        "move it away, or give another --output"
    )
