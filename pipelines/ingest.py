"""From a source to the prepared form: decoded and resized on Ray Data, written as Parquet, all or nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import uuid
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cluster import connect
from pipelines.errors import InputError
from pipelines.findings import FOUND, IDENTITY, Findings, content_digest, image_digest
from pipelines.output_folder import OutputFolder, adopt, bookkeeping, claim, written_beside
from pipelines.sources.detect import open_source
from pipelines.sources.download import cache_folder
from pipelines.sources.plan import SIZES, SPLITS, TRAIN, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.sources.plan import Load, Plan, Row, Source

DATASET_FILE = "dataset.json"
FORM = 2
"""Counts up when the same source would give other files, so that caches are not mistaken for the new form."""
SAMPLES = "samples.png"
"""Some of its images, which `prepare` draws."""
PREPARED = r"dataset\.json|samples\.png|(train|validation|test)-\d{5}\.parquet"
"""Names of a prepared data set's files."""
ROWS_A_GROUP = 512
ROWS_A_FILE = 4096
BYTES_A_GROUP = 64 * 2**20

logger = logging.getLogger(__name__)


def ingest(data: str, *, size: int, crop: bool, seed: int, output: Path | None = None) -> Path:
    """Prepare a source, unless that is done already, and return the prepared folder.

    Args:
        data: a source folder or archive, `gtsrb`, `rendered` or `rendered:N`.
        size: side of the images in pixels.
        crop: cut each image to its region of interest, where the source gives one.
        seed: of the splits that are set aside, and of what is rendered.
        output: where to write; the files of a data set there are replaced. By default a place in the cache.

    Raises:
        InputError: the source is not one or is damaged, or the output cannot be written.
    """
    _require_size(size, SIZES)
    source = open_source(data)
    options = {"form": FORM, "source": source.stamp, "size": size, "crop": crop, "seed": seed}
    key = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
    folder = output or cache_folder() / "prepared" / f"{source.name}-{size}-{key[:12]}"
    if _key_of(folder) == key:
        logger.info("%s is prepared already: %s", source.origin, folder)
        return folder
    with _written_beside(folder, key) as beside:
        plan = source.plan(seed)
        _require_one_of_each(plan, source.origin)
        _require_size(size, plan.sizes)
        digest, notes = _write_images(plan, beside, size=size, crop=crop, origin=source.origin)
        plan = replace(plan, notes=(*plan.notes, *notes))
        description = _describe(source, plan, digest=digest, size=size, crop=crop, seed=seed, key=key)
        (beside / DATASET_FILE).write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    return folder


def _require_size(size: int, sizes: tuple[int, int]) -> None:
    if not sizes[0] <= size <= sizes[1]:
        raise InputError(f"--size {size}: out of range for this source: give {sizes[0]} to {sizes[1]} pixels")


def copy_prepared(folder: Path, output: Path) -> Path:
    """Copy a prepared folder, unless `output` is that folder or such a copy already, and return `output`.

    Raises:
        InputError: the output cannot be written.
    """
    key = _key_of(folder)
    if key is None or _key_of(output) != key:
        with _written_beside(output, key or "") as beside, _writing_to(output):
            for path in [*sorted(folder.glob("*.parquet")), folder / DATASET_FILE]:
                shutil.copyfile(path, beside / path.name)
    return output


def _require_one_of_each(plan: Plan, origin: str) -> None:
    name, times = Counter(str(row["image_id"]) for row in plan.rows).most_common(1)[0]
    if times > 1:
        raise InputError(f"{origin}: image {name} is listed {times} times: take the others out")


def _key_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / DATASET_FILE).read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _written_beside(folder: Path, key: str) -> Iterator[Path]:
    """A new folder beside whose files take the place of those in `folder` when the block ends well, or vanish."""
    _require_ours(folder)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        with _writing_to(folder):
            beside.mkdir(parents=True)
        yield beside
        with _writing_to(folder):
            _put_in_place(beside, folder, key)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _require_ours(folder: Path) -> None:
    """Refuse a folder that holds other things, unless runs of ours have left them or a data set is in it already.

    Raises:
        InputError: it does, or it holds files of a data set's names that are not ours.
    """
    if folder.is_dir():
        prepared = _key_of(folder) is not None
        if prepared:
            adopt(*prepared_files(folder))
        others = any(not bookkeeping(path) for path in folder.iterdir())
        known = prepared or not others or bool(OutputFolder(folder).names)
    else:
        known = not folder.exists()
    if not known:
        raise InputError(f"{folder}: not empty, and not a prepared data set: name a new folder with --output")
    claim(*prepared_files(folder))


def prepared_files(folder: Path) -> list[Path]:
    """The files of a folder that have the names of a prepared data set's."""
    return sorted(path for path in folder.iterdir() if re.fullmatch(PREPARED, path.name)) if folder.is_dir() else []


def withdraw(folder: Path) -> None:
    """Make what a folder of ours holds no data set, so that it is prepared again; nothing else is deleted."""
    adopt(folder / DATASET_FILE)
    with written_beside(folder / DATASET_FILE) as beside:
        beside.write_text(json.dumps({"key": ""}) + "\n")


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{folder}: cannot be written ({reason}): choose another folder with --output") from error


def _put_in_place(beside: Path, folder: Path, key: str) -> None:
    """Rename; a process that did the same work at the same time may have been first: then its result stays."""
    try:
        beside.replace(folder)
    except OSError:
        if key and _key_of(folder) == key:
            return
        if not folder.is_dir():
            raise
        if sorted(folder.iterdir()) == prepared_files(folder):
            _swap(beside, folder)
        else:
            _replace_files(beside, folder)


def _swap(beside: Path, folder: Path) -> None:
    """In place of a folder that holds a data set and nothing else."""
    old = beside.with_name(f"{beside.name}.old")
    folder.replace(old)
    beside.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _replace_files(beside: Path, folder: Path) -> None:
    """In place of a data set's files in a folder that holds others too; half of it is no data set."""
    adopt(*(folder / path.name for path in beside.iterdir()))
    withdraw(folder)
    for path in prepared_files(folder):
        if path.name != DATASET_FILE:
            path.unlink()
    for path in sorted(beside.iterdir(), key=lambda path: path.name == DATASET_FILE):
        path.replace(folder / path.name)


def _write_images(plan: Plan, folder: Path, *, size: int, crop: bool, origin: str) -> tuple[str, list[str]]:
    """Write the Parquet files; return the digest of the content and what a person should know of the files.

    Which value is white in 16-bit and float files is told by the largest of the whole set: where files differ in
    it, they are read once more.

    Raises:
        InputError: images are damaged; the first is named.
    """
    findings = _write_once(plan, folder, size=size, crop=crop, origin=origin)
    if len(findings.whites) > len(findings.white()):
        for path in folder.glob("*.parquet"):
            path.unlink()
        rows = [{**row, "white": findings.white()} for row in plan.rows]
        findings = _write_once(replace(plan, rows=rows), folder, size=size, crop=crop, origin=origin)
    return content_digest(findings.digests), findings.notes(origin)


def _write_once(plan: Plan, folder: Path, *, size: int, crop: bool, origin: str) -> Findings:
    from tqdm import tqdm

    findings = Findings()
    quiet = None if logger.isEnabledFor(logging.INFO) else True  # None: no bar where the output is not a terminal
    bar = tqdm(total=len(plan.rows), desc=f"prepare {origin}", unit=" images", disable=quiet)
    with bar, closing(ShardWriter(folder)) as shards:
        for block in _decoded(plan, size=size, crop=crop):
            bar.update(block.num_rows)
            findings.add(block)
            if not findings.damaged:
                with _writing_to(folder):
                    shards.write(block.drop_columns(FOUND))
    if damaged := findings.damaged:
        more = f" (and {len(damaged) - 1} more)" if damaged[1:] else ""
        raise InputError(f"{damaged[0]}{more}: replace the image, or remove it")
    if len(findings.digests) != len(plan.rows):
        raise RuntimeError(f"{origin}: {len(plan.rows)} images went in, {len(findings.digests)} came out")
    return findings


def _decoded(plan: Plan, *, size: int, crop: bool) -> Iterator[pa.Table]:
    """Stream the decoded blocks in the order of the plan, none of them across two splits."""
    import ray

    connect()
    context = ray.data.DataContext.get_current()
    before, context.execution_options.preserve_order = context.execution_options.preserve_order, True
    try:
        work = partial(decode_block, load=plan.load, size=size, crop=crop)
        decoded = ray.data.from_arrow(list(_blocks(plan.rows, size))).map_batches(
            work, batch_size=None, batch_format="pyarrow", num_cpus=1
        )
        yield from decoded.iter_batches(batch_size=None, batch_format="pyarrow")
    finally:
        context.execution_options.preserve_order = before


def _blocks(rows: Sequence[Row], size: int) -> Iterator[pa.Table]:
    """Cut the rows into the blocks that become row groups; JSON, since each source has fields of its own."""
    import pyarrow as pa

    group = max(1, min(ROWS_A_GROUP, BYTES_A_GROUP // (size * size * 3)))
    for _, members in groupby(rows, key=lambda row: str(row["split"])):
        same = [json.dumps(row) for row in members]
        for start in range(0, len(same), group):
            yield pa.table({"row": same[start : start + group]})


def decode_block(block: pa.Table, *, load: Load, size: int, crop: bool) -> pa.Table:
    """Load the images of one block (in a Ray task): the columns of the prepared form, an error text and a digest."""
    import numpy as np
    import pyarrow as pa

    rows = [json.loads(text) for text in block["row"].to_pylist()]
    loaded = list(load(rows, size=size, crop=crop))
    blank = np.zeros((size, size, 3), np.uint8)
    images = np.stack([blank if one.image is None else one.image for one in loaded])
    columns = {name: [row[name] for row in rows] for name in IDENTITY}
    digests = [
        image_digest(row["image_id"], row["split"], row["label"], row["track"], image)
        for row, image in zip(rows, images, strict=True)
    ]
    return pa.table(
        {
            "image_id": pa.array(columns["image_id"], pa.string()),
            "split": pa.array(columns["split"], pa.string()),
            "label": pa.array(columns["label"], pa.int64()),
            "track": pa.array(columns["track"], pa.string()),
            "width": pa.array([one.width for one in loaded], pa.int32()),
            "height": pa.array([one.height for one in loaded], pa.int32()),
            "image": pa.FixedShapeTensorArray.from_numpy_ndarray(images),
            "error": pa.array([one.error for one in loaded], pa.string()),
            "digest": pa.array(digests, pa.binary()),
            "white": pa.array([json.dumps(one.white) for one in loaded], pa.string()),
            "content": pa.array([one.content for one in loaded], pa.binary()),
        }
    )


class ShardWriter:
    """Writes blocks as row groups of `<split>-00000.parquet`, `<split>-00001.parquet`..."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: Counter[str] = Counter()
        self._writer: pq.ParquetWriter | None = None
        self._split, self._rows = "", 0

    def write(self, block: pa.Table) -> None:
        """Append a block of one split; a file that is full, or of another split, is closed first."""
        split = block["split"][0].as_py()
        if split != self._split or self._rows + block.num_rows > ROWS_A_FILE:
            self.close()
            self._open(split, block.schema)
        if self._writer is not None:
            self._writer.write_table(block, row_group_size=ROWS_A_GROUP)
        self._rows += block.num_rows

    def close(self) -> None:
        """Finish the file that is open, if there is one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, split: str, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        path = self._folder / f"{split}-{self._files[split]:05d}.parquet"
        self._files[split] += 1
        self._writer, self._split, self._rows = pq.ParquetWriter(path, schema), split, 0


def _describe(source: Source, plan: Plan, *, digest: str, size: int, crop: bool, seed: int, key: str) -> dict[str, Any]:
    """What `dataset.json` holds; notes and differences from the published counts are logged as well."""
    counts = plan.counts()
    differences = _differences(plan.official, counts)
    notes = [*plan.notes, *_sentences(differences, plan.official)]
    for note in notes:
        logger.warning("%s", note)
    return {
        "name": source.name,
        "source": source.origin,
        "size": size,
        "crop": crop,
        "seed": seed,
        "validation_share": plan.validation_share,
        "digest": digest,
        "key": key,
        "notes": notes,
        "counts": {split: list(counts[split]) for split in SPLITS},
        "class_names": list(plan.class_names),
        "official_differences": differences,
    }


def _differences(
    official: dict[str, tuple[int, ...]], counts: dict[str, tuple[int, ...]]
) -> dict[str, dict[str, list[int]]]:
    """For each published split the classes whose number of images differs: [here, published]."""
    here = {
        split: [a + b for a, b in zip(counts[split], counts[VALIDATION], strict=True)]
        if split == TRAIN
        else list(counts[split])
        for split in official
    }
    return {
        split: {
            str(label): [found, expected]
            for label, (found, expected) in enumerate(zip(here[split], official[split], strict=True))
            if found != expected
        }
        for split in official
    }


def _sentences(differences: dict[str, dict[str, list[int]]], official: dict[str, tuple[int, ...]]) -> list[str]:
    return [
        f"{split}: {sum(official[split]) + sum(found - expected for found, expected in classes.values())} images "
        f"where the published set has {sum(official[split])} ({len(classes)} classes differ)"
        for split, classes in differences.items()
        if classes
    ]
