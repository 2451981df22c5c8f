"""How TensorFlow is started: without messages that no setting silences (its issue 100442), with its fast kernels."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow() -> None:
    """Import TensorFlow with standard error closed to its native code; errors of the import are raised as ever."""
    os.environ.update(fast_kernels())
    with _native_errors_discarded():
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().setLevel("ERROR")  # it warns of many traced functions: each layer that is measured has its own


def fast_kernels() -> dict[str, str]:
    """The variable that has TensorFlow compute with oneDNN on every CPU, unless the user says otherwise.

    Left alone it does so only where a CPU has AVX512-VNNI or better: with AVX2 the default network trains half as fast.
    """
    return {"TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")}


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
