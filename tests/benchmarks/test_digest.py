"""What changes the digest of a figure, and what does not, on a small project."""

import re

import pytest

from benchmarks.digest import Code, changed, code_digest, digest, sources

COMMAND = "python -m benchmarks.speed --preset few"
PROJECT = {
    "benchmarks/speed.py": '''
from noise import registry
from noise.levels import read, UNIT as unit
import numpy as np

SIDES = (32, 48)


def main():
    """Measure."""
    write_result(OUTPUT, {side: timed(side) * unit for side in SIDES})


def timed(side):
    return np.mean([registry.apply(name, side) for name in read()])


def not_called(side):
    return side
''',
    "noise/levels.py": """
UNIT = 1.0
PLACE = Path(__file__).parent


def read():
    from noise.tables import Table

    if not PLACE:
        raise ValueError("there is no place")
    return Table().rows()
""",
    "noise/tables.py": """
class Table:
    kind: str

    def rows(self):
        return [1, 2]
""",
    "noise/registry.py": """
_CATALOGUE = {}
KINDS = {"few": count_few, "many": count_many}


def noise(high):
    def register(function):
        _CATALOGUE[function.__name__] = function
        return function

    return register


def apply(name, side):
    return _CATALOGUE[name](side) + KINDS["few"]


def count_few():
    return 1


def count_many():
    return 2
""",
    "noise/lens.py": """
from noise.registry import noise


@noise(high=1.0)
def blur(side):
    return side + strength()


@noise(high=2.0)
def glare(side):
    return side


def strength():
    return 0.5
""",
    "pipelines/presets/few.yaml": "blur: [0.1, 0.2]  # one",
    "pipelines/presets/other.yaml": "glare: [1]",
}


def with_changes(*changes: tuple[str, str, str]) -> dict[str, str]:
    files = dict(PROJECT)
    for path, old, new in changes:
        assert old in files[path]
        files[path] = files[path].replace(old, new)
    return files


def names_changed(files: dict[str, str]) -> list[str]:
    before, after = Code(PROJECT).figure(COMMAND), Code(files).figure(COMMAND)
    names = changed(before, after)
    assert (digest(before) == digest(after)) == (not names)
    return names


SAME = {
    "a comment": ("noise/levels.py", "    return Table", "    # all of them\n    return Table"),
    "a docstring": ("noise/levels.py", "def read():", 'def read():\n    """Of the table."""'),
    "none any more": ("benchmarks/speed.py", '    """Measure."""\n', ""),
    "an annotation": ("benchmarks/speed.py", "def timed(side):", "def timed(side: int) -> float:"),
    "another name of an import": ("benchmarks/speed.py", "read, UNIT as unit", "read, UNIT as unit, UNIT"),
    "a message": ("noise/levels.py", "there is no place", "give a place"),
    "what a person is told": ("noise/levels.py", "    return Table", "    logger.info('reading')\n    return Table"),
    "which errors are said in other words": (
        "noise/levels.py",
        "    return Table().rows()",
        "    try:\n        return Table().rows()\n    except OSError:\n        raise ValueError('read') from None",
    ),
    "a function that is not reached": ("benchmarks/speed.py", "    return side\n", "    return side + 1\n"),
    "a noise that the command does not name": ("noise/lens.py", "    return side\n", "    return side + 1\n"),
    "a kind that it does not name": ("noise/registry.py", '"many": count_many', '"many": count_all'),
    "what is called only for that kind": ("noise/registry.py", "return 2", "return 3"),
    "a comment in a preset": ("pipelines/presets/few.yaml", "# one", "# a noise"),
    "another preset": ("pipelines/presets/other.yaml", "[1]", "[2]"),
    "the place of a file": ("noise/levels.py", "Path(__file__).parent", "Path(__file__).parent.parent"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_decides_no_figure_leaves_the_digest(change):
    assert names_changed(with_changes(change)) == []


CHANGED = {
    "a constant": ("benchmarks/speed.py", "(32, 48)", "(32, 64)", ["SIDES"]),
    "an imported constant": ("noise/levels.py", "UNIT = 1.0", "UNIT = 2.0", ["UNIT"]),
    "a line": ("benchmarks/speed.py", "np.mean", "np.median", ["timed"]),
    "a line behind an import of a function": ("noise/tables.py", "[1, 2]", "[1, 3]", ["Table"]),
    "a default": ("noise/tables.py", "kind: str", 'kind: str = "even"', ["Table"]),
    "a noise": ("noise/lens.py", "side + strength()", "side - strength()", ["blur"]),
    "the range of a noise": ("noise/lens.py", "high=1.0", "high=1.5", ["blur"]),
    "what a noise calls": ("noise/lens.py", "0.5", "0.6", ["strength"]),
    "what reads the registry": ("noise/registry.py", "(side) + ", "(side) - ", ["apply"]),
    "a kind": ("noise/registry.py", "return 1", "return 0", ["count_few"]),
    "a level of a preset": ("pipelines/presets/few.yaml", "0.2", "0.3", ["few"]),
    "another function of another library": (
        "benchmarks/speed.py", "import numpy as np", "import scipy as np", ["timed"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_what_decides_the_figure_changes_the_digest_and_is_named(change):
    *one, names = change
    assert names_changed(with_changes(tuple(one))) == names


def test_a_module_may_be_renamed():
    files = with_changes(
        ("benchmarks/speed.py", "from noise import registry", "from noise.core import catalogue"),
        ("benchmarks/speed.py", "registry.apply", "catalogue.apply"),
        ("noise/lens.py", "from noise.registry", "from noise.core.catalogue"),
    )
    files["noise/core/catalogue.py"] = files.pop("noise/registry.py")
    assert names_changed(files) == []


def test_a_function_may_be_moved():
    moved, imported = "def strength():\n    return 0.5\n", "from noise.force import strength\n"
    files = with_changes(("noise/lens.py", moved, ""), ("noise/lens.py", "from noise", f"{imported}from noise"))
    files["noise/force.py"] = moved
    assert names_changed(files) == []


def test_imports_may_be_written_in_another_way():
    files = with_changes(
        ("benchmarks/speed.py", "import numpy as np", "from numpy import mean"),
        ("benchmarks/speed.py", "np.mean", "mean"),
        ("benchmarks/speed.py", "from noise import registry", "import noise.registry"),
        ("benchmarks/speed.py", "registry.apply", "noise.registry.apply"),
        ("noise/levels.py", "    from noise.tables import Table\n", ""),
        ("noise/levels.py", "UNIT =", "from noise.tables import Table\n\nUNIT ="),
    )
    assert names_changed(files) == []


def test_without_a_preset_all_noises_count():
    command = COMMAND.removesuffix(" --preset few")
    one, other = PROJECT, with_changes(("noise/lens.py", "    return side\n", "    return side + 1\n"))
    assert changed(Code(one).figure(command), Code(other).figure(command)) == ["glare"]


def test_an_entry_point_that_is_run_as_a_process_counts():
    run = {"benchmarks/cost.py": 'def main():\n    subprocess.run(["python", "-m", "pipelines.grid"])\n'}
    one, other = (
        Code({**run, "pipelines/grid.py": f"def grid():\n    return {value}\n"}).figure("python -m benchmarks.cost")
        for value in (1, 2)
    )
    assert changed(one, other) == ["grid"]


def test_drawing_and_bookkeeping_do_not_count():
    source = """
def main():
    write_result(draw(figure()))
def figure():
    return 1
def draw(figure):
    with styled():
        return figure + WIDTH
def styled(): ...
def write_result(found):
    logged(found)
def logged(found): ...
WIDTH = 1
"""
    assert Code({"benchmarks/one.py": source}).figure("python -m benchmarks.one").keys() == {"main", "figure"}


def test_defaults_of_an_entry_point_choose_as_its_options_do():
    source = """
class Settings:
    network: str = Field("plain", description="A network.")
def train():
    return NETWORKS[Settings().network]
NETWORKS = {"plain": 1, "deep": 2}
"""
    files = {"pipelines/train.py": source}
    deeper = {"pipelines/train.py": source.replace('"deep": 2', '"deep": 3')}
    by_default, deep = "python -m pipelines.train", "python -m pipelines.train --network deep"
    assert code_digest(by_default, files) == code_digest(by_default, deeper) != code_digest(deep, files)
    assert code_digest(deep, files) != code_digest(deep, deeper)


@pytest.mark.parametrize("command", ["python -m benchmarks.gone", "make bench", "python -m noise.levels"])
def test_a_command_that_is_none_of_ours_has_no_digest(command):
    assert code_digest(command, PROJECT) == "unknown"


def test_a_module_that_cannot_be_read_costs_the_digest_and_not_the_result():
    assert code_digest(COMMAND, PROJECT | {"noise/levels.py": "def read("}) == "unknown"


def test_a_module_that_is_named_and_not_run_is_no_entry_point():
    files = with_changes(("noise/tables.py", "[1, 2]", '[1, "noise.levels"]'))
    assert names_changed(files) == ["Table"]


def test_the_thresholds_of_this_project_rest_on_their_estimator_and_not_on_gans():
    figure = Code(sources()).figure("python -m pipelines.noise_grid --preset standard --saliency none")
    assert {"find_threshold", "resample", "salt_pepper", "KeyedRandom", "standard"} <= figure.keys()
    assert not {"marble", "build_generator", "train_network", "draw_sign"} & figure.keys()


def test_all_modules_of_pipelines_may_move_into_a_folder():
    files, entry_points = sources(), "(?:main|prepare|train|tune|noise_grid|gan)"
    named = re.compile(rf"\bpipelines(\.| import )(?!{entry_points}\b)(?=[a-z_])")
    moved = {
        re.sub(rf"^pipelines/(?!{entry_points}\b)", "pipelines/house/", path): re.sub(
            named, lambda found: f"pipelines.house{found[1]}", text
        )
        for path, text in files.items()
    }
    assert {"pipelines/house/training.py", "pipelines/house/gans/trials.py", "pipelines/train.py"} <= moved.keys()
    for command in (
        "pipelines.noise_grid --preset standard",
        "pipelines.tune --family dcgan",
        "benchmarks.gan_quality",
    ):
        before, after = (Code(each).figure(f"python -m {command}") for each in (files, moved))
        assert changed(before, after) == []
