import os
import subprocess
import sys

from pipelines.quiet import _native_errors_discarded


def test_tensorflow_starts_without_a_word():
    code = "from pipelines.quiet import load_tensorflow; load_tensorflow(); import tensorflow as tf; tf.constant(1); "
    code += "tf.get_logger().warning('5 out of the last 22 calls')"
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cudart" not in started.stderr
    assert "oneDNN" not in started.stderr
    assert "calls" not in started.stderr


def test_errors_are_heard_again_afterwards(capfd):
    with _native_errors_discarded():
        os.write(2, b"lost")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
