"""Whether the files of a prepared data set still hold what was written: rows, labels and every pixel."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.findings import content_digest, image_digest

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.signs import SignDataset

REMEDY = "prepare the data set again"


def require_intact(signs: SignDataset, files: list[Path]) -> None:
    """Compare the files with the description: what is keyed by its digest relies on it.

    Raises:
        InputError: a label has no class, a class has another number of images, or the content is not that of the
            digest.
    """
    classes = len(signs.class_names)
    if wrong := [split for split, counts in signs.counts.items() if len(counts) != classes]:
        raise InputError(
            f"{signs.folder}: {classes} class names for {len(signs.counts[wrong[0]])} classes in {wrong[0]}: {REMEDY}"
        )
    digest, found = _read(_status(files))
    for path in files:
        if (shape := _shape(path)) != [signs.size, signs.size, 3]:
            raise InputError(f"{path}: images of {shape}, not of the size {signs.size} that is described: {REMEDY}")
    if strays := sorted({label for _, label in found if not 0 <= label < classes}):
        raise InputError(f"{signs.folder}: label {strays[0]} is out of range of the {classes} classes: {REMEDY}")
    for split, counts in signs.counts.items():
        for label, count in enumerate(counts):
            if (here := found[split, label]) != count:
                raise InputError(f"{signs.folder}: {here} {split} images of class {label} instead of {count}: {REMEDY}")
    if digest != signs.digest:
        raise InputError(
            f"{signs.folder}: its images, labels or tracks were changed since it was prepared (digest "
            f"{digest[:12]} instead of {signs.digest[:12]}): {REMEDY}"
        )


def digest_of(files: list[Path]) -> str:
    """The digest of the content of Parquet files in the prepared form."""
    return _read(_status(files))[0]


def _shape(path: Path) -> list[int]:
    """The shape of its images, which the type of the column tells."""
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).field("image").type.shape)


def _status(files: list[Path]) -> tuple[tuple[Path, int, int], ...]:
    return tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


@lru_cache(maxsize=8)
def _read(status: tuple[tuple[Path, int, int], ...]) -> tuple[str, Counter[tuple[str, int]]]:
    """The digest and the images a split and label of files; read once while their sizes and times stay."""
    digests: dict[str, bytes] = {}
    counts: Counter[tuple[str, int]] = Counter()
    with ThreadPoolExecutor() as pool:
        for part in pool.map(_read_file, [path for path, _, _ in status]):
            for name, split, label, digest in part:
                digests[name] = digest
                counts[split, label] += 1
    return content_digest(digests), counts


def _read_file(path: Path) -> list[tuple[str, str, int, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    try:
        split = path.name.partition("-")[0]  # as it is read: by the name of the file
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["image_id", "label", "track", "image"])
            images = [image for chunk in table["image"].chunks for image in chunk.to_numpy_ndarray()]
            known = (table[name].to_pylist() for name in ("image_id", "label", "track"))
            for name, label, track, image in zip(*known, images, strict=True):
                rows.append((name, split, label, image_digest(name, split, label, track, image)))
    except (OSError, KeyError, AttributeError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: damaged ({reason}): {REMEDY}") from error
    return rows
