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
        def load(self):
            plugins.install(plugins.Plugin("installed.py", OWN))

    asked = []
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or [Point()])
    registry._load_installed.cache_clear()
    assert noise.find("waterline").family == "own"
    assert asked == ["sign_to_noise.noises"]
    monkeypatch.undo()
    registry._load_installed.cache_clear()
