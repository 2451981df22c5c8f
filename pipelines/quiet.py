"""TensorFlow without its start-up messages, which no setting silences (tensorflow/tensorflow issue 100442)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow() -> None:
    """Import TensorFlow with standard error closed to its native code; errors of the import are raised as ever."""
    with _native_errors_discarded():
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().setLevel("ERROR")  # it warns of many traced functions: each layer that is measured has its own


@contextmanager
def _native_errors_discarded() -> Iterator[None]:
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
