import os
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(("said", "taken"), [(None, "1"), ("0", "0")])
def test_tensorflow_computes_with_onednn_unless_told_otherwise(monkeypatch, said, taken):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if said:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", said)
    code = "from pipelines.quiet import load_tensorflow; load_tensorflow()\n"
    code += "from tensorflow.python.framework.test_util import IsMklEnabled\n"
    code += "from pipelines.cluster import _runtime_environment\n"
    code += "print(IsMklEnabled(), _runtime_environment(shipped=True)['env_vars']['TF_ENABLE_ONEDNN_OPTS'])"
    said_by = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said_by.split()[-2:] == [str(taken == "1"), taken]
