"""What the benchmarks of the grid run on: a few test images in a prepared folder, and a model, made on the spot."""

from __future__ import annotations

import json
import logging
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.classifier import Classifier
from pipelines.ingest import DATASET_FILE, ROWS_A_GROUP, ShardWriter
from pipelines.integrity import digest_of
from pipelines.signs import open_signs, prepared
from pipelines.sources.plan import SPLITS

if TYPE_CHECKING:
    from pipelines.signs import SignDataset

REAL = Path(__file__).resolve().parent.parent.parent / "shared" / "gtsrb"


def source(data: str | None) -> SignDataset:
    """The data set of this name; without one the real signs if they lie beside the repository, else rendered ones."""
    import ray

    logging.basicConfig(level=logging.WARNING)
    signs = prepared(data or (str(REAL) if REAL.is_dir() else "rendered"))
    ray.shutdown()  # if it had to be prepared: what is measured next starts from nothing
    return signs


def copy_test(signs: SignDataset, folder: Path, *, images: int, times: int = 1) -> SignDataset:
    """A prepared folder with the first test images alone, each of them `times` times under names of its own."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    table = pa.concat_tables(pq.read_table(path) for path in signs.files("test")).slice(0, images).combine_chunks()
    place = table.schema.get_field_index("image_id")
    writer = ShardWriter(folder)
    for copy in range(times):
        names = pa.array([f"{name}/copy{copy}" for name in table["image_id"].to_pylist()], pa.string())
        renamed = table.set_column(place, "image_id", names)
        for start in range(0, len(renamed), ROWS_A_GROUP):
            writer.write(renamed.slice(start, ROWS_A_GROUP))
    writer.close()
    counts = dict.fromkeys(SPLITS, [0] * len(signs.class_names))
    counts["test"] = (times * np.bincount(table["label"].to_numpy(), minlength=len(signs.class_names))).tolist()
    described = json.loads((signs.folder / DATASET_FILE).read_text(encoding="utf-8"))
    described |= {"counts": counts, "digest": digest_of(sorted(folder.glob("*.parquet")))}
    (folder / DATASET_FILE).write_text(json.dumps(described), encoding="utf-8")
    return open_signs(folder)


def make_classifier(signs: SignDataset, path: Path, *, epochs: int = 0) -> Classifier:
    """The default network in a file, as it is at the start or taught these very test images for some epochs.

    TensorFlow runs in a process of its own, so that it is not in the memory of the one that is measured.
    """
    process = get_context("spawn").Process(target=_save_network, args=(signs.folder, path, epochs))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"making {path.name} ended with exit code {process.exitcode}")
    return Classifier(path.name, path, digest="untaught")


def _save_network(folder: Path, path: Path, epochs: int) -> None:
    import keras
    import numpy as np

    from models.recipes import RECIPES

    keras.utils.set_random_seed(0)
    signs = open_signs(folder)
    network = RECIPES["default"].build(len(signs.class_names), signs.size)
    if epochs:
        test = signs.read("test")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.Adam(2e-3), loss)
        network.fit(test.image.astype(np.float32), test.label, batch_size=64, epochs=epochs, verbose=0)
    network.save(path)
