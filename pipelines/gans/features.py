"""Features of large sets of images by the workers of a Ray cluster; they are those of a single process."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gan.scores.extractors import BATCH, Extractor
from gan.scores.features import blocks
from pipelines.cluster import Workers, connect, share_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

NETWORK = "network.keras"


@dataclass(frozen=True)
class RayExtractor(Extractor):
    """An extractor whose batches are shared out among Ray workers; each is the batch that one process would make."""

    workers: Workers

    def batches(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        """As those of `Extractor`."""
        import ray

        self.require_fitting(images)
        parts = [images[rows] for rows in blocks(len(images), BATCH)]
        items = [{"place": place, "images": pickle.dumps(part)} for place, part in enumerate(parts)]
        with tempfile.TemporaryDirectory() as folder:
            self.network.save(Path(folder) / NETWORK)
            content = ray.put((Path(folder) / NETWORK).read_bytes())
        found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            ExtractBatch,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(self.workers.count, len(items))),
            num_cpus=self.workers.cpus,
            fn_constructor_kwargs={"network": content, "threads": self.workers.threads},
        )
        made = {int(row["place"]): row["features"] for row in found.iter_rows()}
        yield from (pickle.loads(made[place]) for place in range(len(parts)))  # noqa: S301  (made by ExtractBatch)


class ExtractBatch:
    """An actor that holds the network."""

    def __init__(self, network: Any, threads: int) -> None:
        import keras
        import ray

        import models.layers  # noqa: F401 - registers the layers of ours that a file may hold
        from pipelines.trials import limit_threads

        limit_threads(threads)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / NETWORK
            path.write_bytes(ray.get(network))
            self._network = keras.saving.load_model(path, compile=False)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The features of one batch of images."""
        images = pickle.loads(batch["images"][0])  # noqa: S301  (made by RayExtractor)
        features = np.asarray(self._network.predict_on_batch(images.astype(np.float32)))
        return {"place": batch["place"], "features": [pickle.dumps(features)]}


def shared_out(extractor: Extractor, workers: int) -> RayExtractor:
    """The same extractor at work in so many processes.

    Raises:
        InputError: the cluster has no room for them, or none answers.
    """
    connect()
    own = {field.name: getattr(extractor, field.name) for field in fields(Extractor)}
    return RayExtractor(**own, workers=share_out(workers, 1, 0.0))
