"""The files of a grid's units of work: who writes them, and whether they still hold what was written.

Each file carries the key of what it holds and a checksum of its rows, so that one that is torn, empty, cut short,
altered or another's is found out, and its work done again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import numpy as np

from pipelines.errors import InputError
from pipelines.output_folder import adopt, written_beside

if TYPE_CHECKING:
    import pyarrow as pa

MARKER = ".units-of-this-run"
KEY, CHECKSUM = b"sign-to-noise.key", b"sign-to-noise.checksum"
"""In the metadata of a file's schema."""
Columns = dict[str, Any]
log = logging.getLogger(__name__)


class Work(Protocol):
    """A piece of work that an actor does whole, and whose rows go to a file of their own."""

    @property
    def key(self) -> str:
        """A hash of all that decides the rows."""

    @property
    def size(self) -> int:
        """Rows that come of it."""


@dataclass(frozen=True)
class Shelf:
    """The folder of the units' files, which a worker on another machine may not see.

    Attributes:
        folder: where the driver has it.
        token: what the driver left there, so that another folder of this name is not taken for it.
    """

    folder: Path
    token: str

    @classmethod
    def put_up(cls, folder: Path) -> Shelf:
        """Make the folder and leave the token in it."""
        token = uuid4().hex
        with written_beside(folder / MARKER) as beside:
            beside.write_text(token)
        return cls(folder.resolve(), token)

    def seen(self) -> bool:
        """Whether this process sees the folder."""
        marker = self.folder / MARKER
        return marker.is_file() and marker.read_text() == self.token


def unit_file(folder: Path, key: str) -> Path:
    """Where the rows of a unit are."""
    return folder / f"{key}.parquet"


def missing(units: Sequence[Work], folder: Path) -> dict[str, Work]:
    """The units that are still to be done, by key; files that do not hold their rows are deleted, and said."""
    files = {unit.key: unit_file(folder, unit.key) for unit in units}
    adopt(*files.values())  # no other file has the name of such a key
    todo = {unit.key: unit for unit in units if _rows_of(files[unit.key], unit) is None}
    spoilt = [files[key] for key in todo if files[key].exists()]
    for path in spoilt:
        path.unlink()
    if spoilt:
        log.warning(
            "%d of %d units are torn, cut short or altered, the first is %s: they are done again",
            len(spoilt), len(units), spoilt[0],
        )  # fmt: skip
    return todo


def read_unit(folder: Path, unit: Work) -> pa.Table:
    """The rows of a unit that is done.

    Raises:
        InputError: its file was lost or changed since.
    """
    path = unit_file(folder, unit.key)
    table = _rows_of(path, unit)
    if table is None:
        raise InputError(f"{path}: lost or altered while the grid ran; --resume does this unit again")
    return table


def write_unit(folder: Path, key: str, table: pa.Table) -> None:
    """Write the rows of a unit."""
    write_rows(unit_file(folder, key), key, table)


def keep(shelf: Shelf | None, rows: Columns) -> Columns:
    """Write the rows of one whole unit where its worker sees the shelf; they are returned in any case."""
    import pyarrow as pa

    if shelf is not None and shelf.seen():
        columns = dict(rows)
        key = str(columns.pop("unit")[0])
        write_unit(shelf.folder, key, pa.table(columns))
    return rows


def write_rows(path: Path, key: str, table: pa.Table, **options: Any) -> None:
    """Write rows with their key and checksum, beside their place first, so that a file is always whole."""
    import pyarrow.parquet as pq

    about: Mapping[bytes, bytes] = {KEY: key.encode(), CHECKSUM: checksum(table)}
    with written_beside(path) as beside:
        pq.write_table(table.replace_schema_metadata(about), beside, **options)


def read_rows(path: Path, key: str) -> pa.Table | None:
    """The rows of a file; None where it is not there, is damaged, or holds other rows than were written for `key`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        about = table.schema.metadata or {}
        fits = about.get(KEY) == key.encode() and about.get(CHECKSUM) == checksum(table)
    except (OSError, ValueError, MemoryError, pa.ArrowException):  # whatever damaged bytes make the reader say
        return None
    return table.replace_schema_metadata(None) if fits else None


def checksum(table: pa.Table) -> bytes:
    """A hash of names, types and values of all columns, which no file layout changes."""
    digest = blake2b(digest_size=16)
    for name in table.column_names:
        values = table[name].to_numpy()
        texts = values.dtype == object
        digest.update(f"{name}/{'text' if texts else values.dtype.str}/{len(values)}/".encode())
        digest.update("\0".join(map(str, values)).encode() if texts else np.ascontiguousarray(values).data)
    return digest.hexdigest().encode()


def _rows_of(path: Path, unit: Work) -> pa.Table | None:
    table = read_rows(path, unit.key)
    return table if table is not None and len(table) == unit.size else None
