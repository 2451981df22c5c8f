"""Files by their names below a folder or inside a zip archive, without unpacking it."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pipelines.errors import InputError

ENCRYPTED = 0x1
UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError)
"""What damaged files and archives raise."""


@dataclass(frozen=True)
class Tree:
    """A folder or an archive with the names of all files in it, `/`-separated and sorted.

    `notes` are sentences that a person should read.
    """

    root: Path
    is_archive: bool
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def place(self, name: str) -> tuple[str, str]:
        """The archive (or nothing) and the path in which the bytes of a file are found."""
        return (str(self.root), name) if self.is_archive else ("", str(self.root / name))

    def label(self, name: str) -> str:
        """How an error names a file."""
        return f"{self.root}:{name}" if self.is_archive else str(self.root / name)

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: they cannot be read.
        """
        try:
            return read_bytes(*self.place(name))
        except UNREADABLE as error:
            raise InputError(f"{self.label(name)}: cannot be read ({error}): fetch it again") from error

    def read_csv(self, name: str, delimiter: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        """The rows of a CSV file.

        Raises:
            InputError: it is not text, is empty, or lacks one of the columns.
        """
        try:
            text = self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.label(name)}: not a text file ({error.reason}): fetch it again") from error
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            wanted = delimiter.join(columns)
            raise InputError(f"{self.label(name)}: no column {missing[0]}: its first line must hold {wanted}")
        return list(reader)


def open_folder(folder: Path) -> Tree:
    """List a folder with everything below it, hidden files left out.

    Raises:
        InputError: it is empty or cannot be read.
    """
    found, repeated = _walk(folder)
    names = [(Path(where) / file).relative_to(folder).as_posix() for where, file, _ in found]
    if not names:
        raise InputError(f"{folder}: an empty folder: put the images or the archives of a data set in it")
    notes = tuple(f"{link}: a link to a folder that is read already, so it is left out" for link in repeated)
    return Tree(folder, is_archive=False, names=tuple(sorted(names)), notes=notes)


def open_archive(path: Path) -> Tree:
    """List a zip archive.

    Raises:
        InputError: it is not one, is cut short or encrypted, or holds links or names that point outside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise InputError(f"{path}: not a zip archive, or cut short ({error}): fetch it again") from error
    for entry in entries:
        if problem := _problem(entry):
            raise InputError(f"{path}: entry {entry.filename!r} {problem}: do not use this archive")
    names = [entry.filename for entry in entries if not entry.is_dir() and not _is_hidden(entry.filename)]
    if not names:
        raise InputError(f"{path}: an archive without files: fetch it again")
    return Tree(path, is_archive=True, names=tuple(sorted(names)))


def read_bytes(archive: str, path: str) -> bytes:
    """The bytes of a member of an archive, or of a file where `archive` is empty.

    Raises:
        one of UNREADABLE: they cannot be read.
    """
    if not archive:
        return Path(path).read_bytes()
    status = Path(archive).stat()
    return _opened(archive, status.st_size, status.st_mtime_ns).read(path)


@lru_cache(maxsize=3)
def _opened(archive: str, _size: int, _time: int) -> zipfile.ZipFile:
    """An archive stays open in its process: listing 39,000 entries costs half a second."""
    return zipfile.ZipFile(archive)


def stamp(path: Path) -> str:
    """A digest of the names, sizes and times of a file or of everything below a folder, without reading any."""
    digest = hashlib.sha256()
    files = [(".", path.name, path.stat())] if path.is_file() else _walk(path)[0]
    for where, name, status in files:
        inside = os.path.relpath(where, path) if path.is_dir() else ""
        digest.update(f"{inside}/{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _walk(folder: Path) -> tuple[list[tuple[str, str, os.stat_result]], list[str]]:
    """All files below a folder in a stable order (folder, name and status), and the links left out.

    Links are followed to each folder once, and the folder itself is preferred to a link: a link to its own folder
    would give copies without end.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}): allow it, or name another folder")

    found, repeated = [], []
    waiting, links, read = [str(folder)], list[str](), set[tuple[int, int]]()
    while waiting or links:
        where = waiting.pop() if waiting else links.pop(0)
        status = os.stat(where)
        if (status.st_dev, status.st_ino) in read:
            repeated.append(where)
            continue
        read.add((status.st_dev, status.st_ino))
        _, folders, files = next(os.walk(where, onerror=refuse))
        inside = [os.path.join(where, name) for name in sorted(folders) if not _is_hidden(name)]
        links += [path for path in inside if os.path.islink(path)]
        waiting += reversed([path for path in inside if not os.path.islink(path)])
        for name in sorted(files):
            path = os.path.join(where, name)
            if not _is_hidden(name) and os.path.exists(path):
                found.append((where, name, os.stat(path)))
    return found, repeated


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def _problem(entry: zipfile.ZipInfo) -> str:
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        return "points outside of the archive"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    return ""
