"""What MLflow stores beside a generator's graph and runs to load it: it needs no part of this repository, nor Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BATCH = 256


def _load_pyfunc(path: str) -> ServedGenerator:
    """Called by `mlflow.pyfunc.load_model` with the folder of the graph."""
    return ServedGenerator(tf.saved_model.load(path))


class ServedGenerator:
    """From what enters a generator to its images.

    Args:
        graph: What `keras.Model.export` has written.
    """

    def __init__(self, graph: Any) -> None:
        self.graph = graph  # it owns the weights, the signature does not
        self.generate = graph.signatures["serving_default"]

    def predict(self, given: NDArray[Any] | Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """Images uint8 (N, size, size, 3), `BATCH` at a time.

        Args:
            given: Latents float32 (N, ...), or for a generator of all classes `latent` and classes int32 (N,), `label`.
        """
        names = list(self.generate.structured_input_signature[1])
        inputs = {names[0]: given} if isinstance(given, np.ndarray) else given
        parts = []
        for start in range(0, max(1, len(inputs[names[0]])), BATCH):
            rows = {name: tf.constant(inputs[name][start : start + BATCH]) for name in names}
            parts += [images.numpy() for images in self.generate(**rows).values()]
        return np.concatenate(parts)
