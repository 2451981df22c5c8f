"""The prepared form of a sign data set: a folder of Parquet files and a `dataset.json`, and how it is read.

The columns are `image_id`, `split`, `label`, `track`, `width`, `height` and `image`, an Arrow tensor of
shape (size, size, 3) that plain pyarrow and Ray Data both give back as an array.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError
from pipelines.ingest import DATASET_FILE, copy_prepared, ingest, withdraw
from pipelines.integrity import require_intact
from pipelines.sources.plan import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

COLUMNS = ["image_id", "label", "track", "image"]


@dataclass(frozen=True)
class Signs:
    """One split, or a subset of it, in memory: arrays of equal length.

    `image_id` (N,) str, `label` (N,) int64, `track` (N,) str, empty where unknown, `image` (N, H, W, 3) uint8 RGB.
    """

    image_id: NDArray[np.str_]
    label: NDArray[np.int64]
    track: NDArray[np.str_]
    image: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray[Any]) -> Signs:
        """The signs at these row numbers, or where this boolean mask is true."""
        return Signs(self.image_id[rows], self.label[rows], self.track[rows], self.image[rows])


@dataclass(frozen=True)
class Shard:
    """A row group of one of the Parquet files: the unit in which images are streamed."""

    path: Path
    row_group: int
    rows: int

    def read(self) -> Signs:
        """Read this row group alone."""
        import pyarrow.parquet as pq

        return _to_signs(pq.ParquetFile(self.path).read_row_group(self.row_group, columns=COLUMNS))


@dataclass(frozen=True)
class SignDataset:
    """A prepared data set; `counts` gives for each split its number of images a class."""

    folder: Path
    name: str
    class_names: tuple[str, ...]
    size: int
    source: str
    digest: str
    seed: int
    validation_share: float
    crop: bool
    counts: dict[str, tuple[int, ...]]

    def files(self, split: str) -> list[Path]:
        """The Parquet files of a split, in order."""
        return sorted(self.folder.glob(f"{_known(split)}-*.parquet"))

    def shards(self, split: str) -> list[Shard]:
        """The row groups of a split, in order."""
        import pyarrow.parquet as pq

        metadata = [(path, pq.read_metadata(path)) for path in self.files(split)]
        return [
            Shard(path, group, footer.row_group(group).num_rows)
            for path, footer in metadata
            for group in range(footer.num_row_groups)
        ]

    def read(self, split: str, *, limit: int | None = None) -> Signs:
        """Read a split, in the order of its files.

        Args:
            split: `train`, `validation` or `test`.
            limit: read only so many images: a subset stratified by class, the first of each class in the order
                of a hash of `image_id`, so that it is always the same one and holds every smaller one.

        Raises:
            InputError: the limit is not positive.
        """
        chosen = None if limit is None else set(self.subset(split, limit).tolist())
        with ThreadPoolExecutor() as pool:
            parts = list(pool.map(lambda path: _read_file(path, chosen), self.files(split)))
        return concatenate(parts)

    def subset(self, split: str, limit: int) -> NDArray[np.str_]:
        """The image ids of the stratified subset that `read(split, limit=limit)` reads, in hash order."""
        if limit < 1:
            raise InputError(f"--limit {limit}: give the number of images to use, 1 or more")
        labels = [_read_columns(path, ["image_id", "label"]) for path in self.files(split)]
        image_id = np.concatenate([np.asarray(part["image_id"], dtype=np.str_) for part in labels])
        label = np.concatenate([part["label"].to_numpy() for part in labels])
        return stratified(image_id, label, limit)


def open_signs(folder: Path | str) -> SignDataset:
    """Open a prepared folder.

    Raises:
        InputError: it is not one, or its files do not hold what its `dataset.json` says.
    """
    folder = Path(folder).absolute()  # workers read it from folders of their own
    described = _read_description(folder)
    try:
        signs = SignDataset(
            folder=folder,
            name=described["name"],
            class_names=tuple(described["class_names"]),
            size=described["size"],
            source=described["source"],
            digest=described["digest"],
            seed=described["seed"],
            validation_share=described["validation_share"],
            crop=described["crop"],
            counts={split: tuple(described["counts"][split]) for split in SPLITS},
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / DATASET_FILE}: {error} is missing: prepare the data set again") from error
    _check_rows(signs)
    require_intact(signs, [path for split in SPLITS for path in signs.files(split)])
    return signs


def prepared(
    data: str | Path, *, size: int = 32, crop: bool = False, seed: int = 0, output: Path | None = None
) -> SignDataset:
    """Open a prepared folder as it is; prepare any other source first.

    Args:
        data: a prepared folder, a source folder or archive, `gtsrb`, `rendered` or `rendered:N`.
        size: side of the images in pixels.
        crop: cut each image to its region of interest, where the source gives one.
        seed: of the split into training and validation, and of what is rendered.
        output: where the prepared form is written (a prepared folder is copied); by default the cache.

    Raises:
        InputError: the source is not one, is damaged, or is a prepared folder of another size.
    """
    folder = Path(data)
    if not (folder / DATASET_FILE).is_file():
        return _prepared_whole(lambda: ingest(str(data), size=size, crop=crop, seed=seed, output=output))
    signs = open_signs(folder)
    if signs.size != size:
        raise InputError(
            f"{folder}: prepared at --size {signs.size}, not {size}: give that --size, or prepare it again"
        )
    if crop and not signs.crop:
        raise InputError(f"{folder}: prepared without --crop: prepare it from its source again")
    return signs if output is None else open_signs(copy_prepared(folder, output))


def _prepared_whole(prepare: Callable[[], Path]) -> SignDataset:
    """Open what was prepared; where files of an earlier call were lost since, prepare it once more."""
    folder = prepare()
    try:
        return open_signs(folder)
    except InputError:
        withdraw(folder)
        return open_signs(prepare())


def stratified(image_id: NDArray[np.str_], label: NDArray[np.int64], limit: int) -> NDArray[np.str_]:
    """The first `limit` image ids in an order in which every prefix is stratified by class.

    The first image of each class comes first, in hash order, then all classes fill at the same rate.
    """
    order = np.argsort([hashlib.blake2b(name.encode(), digest_size=16).hexdigest() for name in image_id])
    image_id, label = image_id[order], label[order]
    fill = np.empty(len(label))
    for members in (np.flatnonzero(label == value) for value in np.unique(label)):
        fill[members] = (np.arange(len(members)) + 0.5) / len(members)
        fill[members[0]] -= 1.0
    return image_id[np.argsort(fill, kind="stable")[:limit]]


def concatenate(parts: Iterable[Signs]) -> Signs:
    """The signs of several parts, one after the other."""
    parts = list(parts)
    return Signs(
        image_id=np.concatenate([part.image_id for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        track=np.concatenate([part.track for part in parts]),
        image=np.concatenate([part.image for part in parts]),
    )


def _known(split: str) -> str:
    if split not in SPLITS:
        raise InputError(f"split {split!r}: choose one of {', '.join(SPLITS)}")
    return split


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DATASET_FILE
    if not path.is_file():
        raise InputError(
            f"{folder}: not a prepared data set (no {DATASET_FILE}): make one with the entry point prepare"
        )
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}): prepare the data set again") from error
    if not isinstance(described, dict):
        raise InputError(f"{path}: not the description of a data set: prepare the data set again")
    return described


def _check_rows(signs: SignDataset) -> None:
    """A file that was lost, added or cut short must not pass for a smaller data set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split in SPLITS:
        try:
            rows = sum(pq.read_metadata(path).num_rows for path in signs.files(split))
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{signs.folder}: a {split} file is damaged ({reason}): prepare it again") from error
        if rows != sum(signs.counts[split]):
            expected = sum(signs.counts[split])
            raise InputError(f"{signs.folder}: {rows} {split} images instead of {expected}: prepare it again")


def _read_columns(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).read(columns=columns)


def _read_file(path: Path, chosen: set[str] | None) -> Signs:
    signs = _to_signs(_read_columns(path, COLUMNS))
    if chosen is None:
        return signs
    return signs.take(np.fromiter((name in chosen for name in signs.image_id), dtype=bool, count=len(signs)))


def _to_signs(table: pa.Table) -> Signs:
    return Signs(
        image_id=np.asarray(table["image_id"], dtype=np.str_),
        label=table["label"].to_numpy(),
        track=np.asarray(table["track"], dtype=np.str_),
        image=np.concatenate([chunk.to_numpy_ndarray() for chunk in table["image"].chunks]),
    )
