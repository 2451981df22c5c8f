"""How a grid of noises runs on Ray Data: units of work, a pool of model actors, and resume.

A unit is a shard of images under one noise, all its levels in one pass. Its rows are written to a file of their own, by
the worker itself where it sees the folder (so that a run that dies loses no more than what its workers are at),
named by a hash of model, data, noise and its code, levels, seed and shard, so that work once done is never redone.
"""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.classifier import Classifier, Predictor, answers, load_predictor
from pipelines.cluster import TASK_CPUS, Workers
from pipelines.output_folder import discard
from pipelines.unit_files import (
    Columns,
    Shelf,
    Work,
    keep,
    missing,
    read_rows,
    read_unit,
    unit_file,
    write_rows,
    write_unit,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from noise import Noise
    from noise.levels import NoiseLevels
    from noise.plugins import Plugin
    from pipelines.signs import Shard, SignDataset, Signs

CLEAN = "clean"
"""The name under which the clean images are predicted, once for the whole grid."""
FILE = "predictions.parquet"
SLICE_BYTES = 1 << 26
"""Noisy images that a worker holds at a time."""
BATCHES_A_CALL = 8
"""Forward passes for which a GPU worker is handed images at a time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unit:
    """A shard of images under one noise at some levels (the clean level excepted: it has units of its own)."""

    noise: str
    levels: tuple[float, ...]
    repeat: int
    seed: int
    shard: Shard
    rows: tuple[int, ...]
    plugin: Plugin | None
    key: str

    @property
    def size(self) -> int:
        """Rows that this unit makes: one a prediction."""
        return len(self.rows) * len(self.levels)

    def kind(self) -> Noise:
        """The noise, which may be a plug-in's."""
        from noise import find
        from noise.plugins import install

        if self.plugin:
            install(self.plugin)
        return find(self.noise)

    def images(self) -> Signs:
        """The clean images of this unit."""
        return self.shard.read().take(np.asarray(self.rows))


def plan(
    classifier: Classifier,
    signs: SignDataset,
    grid: Sequence[NoiseLevels],
    *,
    seed: int,
    repeats: int = 1,
    limit: int | None = None,
    split: str = "test",
    plugin: Plugin | None = None,
) -> list[Unit]:
    """Cut a grid into units: the clean images first, then shard by shard, noise by noise."""
    from noise.plugins import code_version

    base = f"{classifier.digest}/{classifier.use}/{signs.digest}/{seed}/{code_version(plugin)}"
    parts = [(CLEAN, (0.0,), 0)] + [
        (part.kind.name, part.levels[1:], repeat) for repeat in range(repeats) for part in grid
    ]
    units = []
    for shard, rows in _shards(signs, split, limit):
        for noise, levels, repeat in parts:
            content = f"{base}/{noise}/{levels}/{repeat}/{shard.path.name}/{shard.row_group}/{rows}"
            key = blake2b(content.encode(), digest_size=12).hexdigest()
            units.append(Unit(noise, levels, repeat, seed, shard, rows, plugin, key))
    return sorted(units, key=lambda unit: unit.noise != CLEAN)


def run(
    units: Sequence[Work],
    classifier: Classifier,
    workers: Workers,
    *,
    folder: Path,
    batch_size: int,
    actor: type | None = None,
) -> None:
    """Do the work that is not done yet, and leave one Parquet file a unit in `folder`.

    Args:
        units: what is to be done.
        classifier: whose actors do it.
        workers: how many, with which resources.
        folder: of the files, `<key>.parquet`.
        batch_size: images in one forward pass.
        actor: takes a whole unit of another kind; by default units are predicted.

    Raises:
        RuntimeError: a unit gave another number of rows than it should.
    """
    import ray

    todo = missing(units, folder)
    if len(todo) < len(units):
        log.info("%d of %d units are done already", len(units) - len(todo), len(units))
    if not todo:
        return
    items = ray.data.from_items([{"unit": pickle.dumps(unit)} for unit in todo.values()], override_num_blocks=len(todo))
    settings = {"model_file": ray.put(classifier.content()), "classifier": classifier}
    settings |= {"batch_size": batch_size, "threads": workers.threads}
    pool: dict[str, Any] = {
        "compute": ray.data.ActorPoolStrategy(size=workers.count),
        "num_cpus": workers.cpus,
        "num_gpus": workers.gpus or None,
        "fn_constructor_kwargs": settings,
    }
    if workers.gpus and actor is None:  # CPU tasks make the next noisy images while the GPU predicts
        noisy = items.map_batches(disturbed, batch_size=1, num_cpus=TASK_CPUS)
        rows = noisy.map_batches(PredictImages, **pool, batch_size=batch_size * BATCHES_A_CALL)
    else:
        settings["shelf"] = Shelf.put_up(folder)
        rows = items.map_batches(actor or PredictUnit, **pool, batch_size=1)
    blocks = rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)  # none waits for the next
    _collect(blocks, todo, folder)


@dataclass(frozen=True)
class Predictions(Mapping[str, "pd.DataFrame"]):
    """The prediction rows of a grid, in a Parquet file a noise, of which one is in memory at a time.

    A file is read by its content: one that other rows took the place of is made anew from the units.

    Attributes:
        folder: of the files.
        noises: how each is made.
    """

    folder: Path
    noises: Mapping[str, Joined]

    def __getitem__(self, noise: str) -> pd.DataFrame:
        table: pd.DataFrame = self.noises[noise].read(self.folder / f"noise={noise}" / FILE).to_pandas()
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self.noises)

    def __len__(self) -> int:
        return len(self.noises)


@dataclass(frozen=True)
class Joined:
    """The rows of all units of one noise, in a stable order, with their level's place among all `levels`."""

    units: tuple[Unit, ...]
    units_folder: Path
    levels: tuple[float, ...]

    @property
    def key(self) -> str:
        """A hash of all that decides the rows."""
        content = "/".join([*(unit.key for unit in self.units), str(self.levels)])
        return blake2b(content.encode(), digest_size=12).hexdigest()

    def write(self, path: Path) -> pa.Table:
        """Join the units' files into one.

        Raises:
            InputError: one of them was lost or changed since it was written.
        """
        import pyarrow as pa

        table = pa.concat_tables(read_unit(self.units_folder, unit) for unit in self.units)
        places = np.searchsorted(self.levels, table["level"].to_numpy())
        table = table.add_column(2, "level_index", pa.array(places.astype(np.int16)))
        order = [("repeat", "ascending"), ("level_index", "ascending"), ("image_id", "ascending")]
        table = table.sort_by(order)
        write_rows(path, self.key, table, use_dictionary=["image_id", "track"])
        return table

    def read(self, path: Path) -> pa.Table:
        """The rows of the file, if it still is the one that `write` wrote; else they are joined again."""
        table = read_rows(path, self.key)
        if table is None:
            log.warning("%s is not what this run wrote there: it is made anew", path)
            table = self.write(path)
        return table


def compact(
    units: Sequence[Unit], units_folder: Path, folder: Path, levels: Mapping[str, Sequence[float]]
) -> Predictions:
    """Join the units' files into one Parquet file a noise, `noise=<name>/predictions.parquet`, in a stable order.

    Rows get their level's place among all `levels` of their noise, whichever unit measured it. A file that holds these
    very rows already, as most do in a round of refinement, is kept. Files of noises that an earlier grid has left in
    `folder` are deleted.
    """
    noises = {
        noise: Joined(
            tuple(unit for unit in units if unit.noise == noise), units_folder, tuple(levels.get(noise, (0.0,)))
        )
        for noise in dict.fromkeys(unit.noise for unit in units)
    }
    for left in folder.glob("noise=*"):
        if left.name.removeprefix("noise=") not in noises:
            discard(left)
    for noise, joined in noises.items():
        path = folder / f"noise={noise}" / FILE
        if read_rows(path, joined.key) is None:
            joined.write(path)
    return Predictions(folder, noises)


class PredictUnit:
    """An actor that makes the noise and predicts, where the model runs on CPU: images never leave the process."""

    def __init__(
        self, model_file: Any, classifier: Classifier, batch_size: int, threads: int, shelf: Shelf | None = None
    ) -> None:
        self._predict = load_shared_predictor(model_file, classifier, batch_size, threads)
        self._shelf = shelf

    def __call__(self, batch: Columns) -> Columns:
        """Rows of one unit."""
        parts = [part | answers(self._predict(part.pop("image")), part["label"]) for part in _disturb(unpack(batch))]
        return keep(self._shelf, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


class PredictImages:
    """An actor that only predicts, where the model runs on GPU: tasks on CPUs make its images."""

    def __init__(self, model_file: Any, classifier: Classifier, batch_size: int, threads: int) -> None:
        self._predict = load_shared_predictor(model_file, classifier, batch_size, threads)

    def __call__(self, batch: Columns) -> Columns:
        """Rows of a block of noisy images."""
        columns = dict(batch)
        return columns | answers(self._predict(columns.pop("image")), columns["label"])


def disturbed(batch: Columns) -> Iterator[Columns]:
    """The noisy images of one unit, a slice at a time, with the columns of their rows."""
    yield from _disturb(unpack(batch))


def unpack(batch: Columns) -> Any:
    """The one piece of work of a batch."""
    return pickle.loads(batch["unit"][0])  # noqa: S301  (made by `run`)


def load_shared_predictor(model_file: Any, classifier: Classifier, batch_size: int, threads: int) -> Predictor:
    """The predictor of an actor, whose model file is in Ray's object store or at hand."""
    import ray

    content = ray.get(model_file) if isinstance(model_file, ray.ObjectRef) else model_file
    return load_predictor(content, classifier, batch_size=batch_size, threads=threads)


def _shards(signs: SignDataset, split: str, limit: int | None) -> Iterator[tuple[Shard, tuple[int, ...]]]:
    chosen = None if limit is None else set(signs.subset(split, limit).tolist())
    for shard in signs.shards(split):
        if chosen is None:
            yield shard, tuple(range(shard.rows))
        elif rows := tuple(row for row, name in enumerate(shard.read().image_id) if name in chosen):
            yield shard, rows


def _disturb(unit: Unit) -> Iterator[Columns]:
    """Columns of a unit's rows with their images, in slices that fit in memory."""
    from noise import disturb

    signs = unit.images()
    step = max(1, SLICE_BYTES // (signs.image[0].nbytes * len(unit.levels)))
    for start in range(0, len(signs), step):
        part = signs.take(np.arange(start, min(start + step, len(signs))))
        if unit.noise == CLEAN:
            levels = part.image[None]
        else:
            names = part.image_id.tolist()
            levels = disturb(unit.kind(), part.image, unit.levels, image_ids=names, seed=unit.seed, repeat=unit.repeat)
        yield _columns(unit, part, levels)


def _columns(unit: Unit, signs: Signs, images: NDArray[np.uint8]) -> Columns:
    count, levels = len(signs), len(unit.levels)
    return {
        "unit": np.full(count * levels, unit.key),
        "noise": np.full(count * levels, unit.noise),
        "level": np.repeat(np.asarray(unit.levels, np.float64), count),
        "repeat": np.full(count * levels, unit.repeat, np.int16),
        "image_id": np.tile(signs.image_id, levels),
        "track": np.tile(signs.track, levels),
        "label": np.tile(signs.label, levels),
        "image": images.reshape(count * levels, *images.shape[2:]),
    }


def _collect(blocks: Iterable[pa.Table], todo: Mapping[str, Work], folder: Path) -> None:
    """Write each unit when all its rows have come: beside its place first, so that a file is always whole."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    waiting: dict[str, list[pa.Table]] = {}
    total = sum(unit.size for unit in todo.values())
    with tqdm(total=total, unit=" predictions", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        for block in blocks:
            bar.update(len(block))
            for key in pc.unique(block["unit"]).to_pylist():
                parts = waiting.setdefault(key, [])
                parts.append(block.filter(pc.equal(block["unit"], key)).drop_columns(["unit"]))
                if (have := sum(len(part) for part in parts)) < todo[key].size:
                    continue
                if have > todo[key].size:
                    raise RuntimeError(f"unit {key} gave {have} rows instead of {todo[key].size}")
                parts = waiting.pop(key)
                if not unit_file(folder, key).exists():  # its worker does not see the folder
                    write_unit(folder, key, pa.concat_tables(parts))
    if lost := [key for key in todo if not unit_file(folder, key).exists()]:
        raise RuntimeError(f"{len(lost)} of {len(todo)} units gave too few rows, the first is {lost[0]}")
