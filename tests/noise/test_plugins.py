import os
import posix

import numpy as np
import pytest

import noise
from noise import plugins, registry

OWN = '''
from noise import noise

@noise(family="own", unit="share of the height", high=1.0, source="this test")
def waterline(images, level, random):
    """Black out the lower `level` of the image."""
    sunk = images.copy()
    sunk[:, round((1 - level) * images.shape[1]):] = 0
    return sunk
'''


@pytest.fixture(autouse=True)
def _catalogue_of_its_own(monkeypatch):
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))
    plugins.install.cache_clear()


def test_a_file_adds_its_noises_once(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    plugin = plugins.read(path)
    assert noise.find("waterline").summary == "Black out the lower `level` of the image."
    assert plugins.read(path) == plugin
    plugins.install(plugin)


def test_another_process_needs_only_the_text(tmp_path):
    plugins.install(plugins.Plugin("elsewhere.py", OWN))
    assert "waterline" in noise.catalogue()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = (", r"own\.py, line 1: SyntaxError"),
        ("import noise\n\nnoise.nothing()", r"own\.py, line 3: AttributeError"),
        ("raise ValueError('no')", r"own\.py, line 1: ValueError: no; mend the plug-in"),
        ("import sys\n\nsys.exit(0)", r"own\.py, line 3: ValueError: the plug-in: ends the process \(exit code 0\)"),
        ("def leave():\n    raise SystemExit\n\nleave()", r"own\.py, line 4: .*ends the process \(exit code None\)"),
        ("import os\nos._exit(0)", r"own\.py, line 2: .*ends the process \(exit code 0\); take the exit out"),
        (OWN.replace("waterline", "gaussian"), r"own\.py, line 4: ValueError: noise gaussian is registered already"),
    ],
)
def test_a_plugin_that_fails_is_named_with_its_line(tmp_path, source, message):
    path = tmp_path / "own.py"
    path.write_text(source)
    with pytest.raises(ValueError, match=message):
        plugins.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.py: not a readable Python file"):
        plugins.read(tmp_path / "none.py")


def test_the_version_changes_with_the_plugin():
    first = plugins.code_version(plugins.Plugin("own.py", OWN))
    assert first == plugins.code_version(plugins.Plugin("moved.py", OWN))
    assert first != plugins.code_version(plugins.Plugin("own.py", OWN + "#"))
    assert first != plugins.code_version(None)


def test_an_installed_package_adds_its_noises(monkeypatch):
    class Point:
        name, value = "own", "installed"

        def load(self):
            plugins.install(plugins.Plugin("installed.py", OWN))

    asked = []
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or [Point()])
    registry._load_installed.cache_clear()
    assert noise.find("waterline").family == "own"
    assert asked == ["sign_to_noise.noises"]
    monkeypatch.undo()
    registry._load_installed.cache_clear()


def test_an_installed_package_that_ends_the_process_is_named(monkeypatch):
    class Point:
        name, value = "own", "package.module"

        def load(self):
            raise SystemExit(0)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()])
    registry._load_installed.cache_clear()
    with pytest.raises(ValueError, match=r"the installed plug-in own = package\.module: ends the process"):
        noise.find("gaussian")
    monkeypatch.undo()
    registry._load_installed.cache_clear()


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)", "raise SystemExit"])
def test_a_noise_that_ends_the_process_is_named_where_it_is_made(leave):
    body = f"    import os, sys\n    {leave}\n"
    plugins.install(plugins.Plugin("own.py", OWN.replace("    sunk = images.copy()\n", body)))
    with pytest.raises(ValueError, match="noise waterline: ends the process"):
        noise.apply("waterline", np.zeros((1, 8, 8, 3), np.uint8), 0.5, image_ids=["a"])
    assert os._exit is posix._exit
