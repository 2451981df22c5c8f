"""The files that name versions, options and layers agree with each other."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MLPROJECT = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]


def pins(path: str) -> dict[str, str]:
    text = (ROOT / path).read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.!+-]+)", text, flags=re.MULTILINE))


def direct(group: list[str]) -> dict[str, str]:
    parts = [re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.!+-]+)", requirement) for requirement in group]
    return {part[1]: part[2] for part in parts if part}


def test_every_direct_dependency_is_pinned_alike_in_all_three_files():
    wanted = PROJECT["project"]["dependencies"]
    assert len(direct(wanted)) == len(wanted), "pin each direct dependency with =="
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    assert conda[-1]["pip"] == wanted
    everything = direct(wanted) | direct(PROJECT["dependency-groups"]["dev"])
    assert everything.items() <= pins("requirements.txt").items()


def test_the_peers_of_the_benchmarks_run_beside_the_very_same_packages():
    bench = pins("benchmarks/requirements.txt")
    assert direct(PROJECT["dependency-groups"]["bench"]).items() <= bench.items()
    assert pins("requirements.txt").items() <= bench.items()


def test_python_and_the_gpu_extra_agree():
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    assert conda[0] == "python=3.11"
    assert PROJECT["project"]["requires-python"] == "==3.11.*"
    (gpu,) = PROJECT["project"]["optional-dependencies"]["gpu"]
    assert direct([gpu])["tensorflow"] == direct(PROJECT["project"]["dependencies"])["tensorflow"]


@pytest.mark.parametrize("path", ["requirements.txt", "benchmarks/requirements.txt"])
def test_every_version_has_hashes_and_no_host_is_named(path):
    text = (ROOT / path).read_text()
    blocks = re.split(r"\n(?=[\w.-]+(?:\[[\w,-]+\])?==)", "\n" + text)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


@pytest.mark.parametrize("name", sorted(MLPROJECT))
def test_mlproject_offers_the_options_of_the_entry_point_under_their_own_names(name):
    entry = getattr(import_module(f"pipelines.{name}"), name)
    parameters = MLPROJECT[name]["parameters"]
    fields = {field.alias or key: field for key, field in entry.settings.model_fields.items()}
    shown_only = {"experiment", "verbose", "quiet", "list", "json"}
    assert set(parameters) == set(fields) - shown_only
    command = MLPROJECT[name]["command"]
    assert command.startswith(f"python -m pipelines.{name} ")
    for parameter in parameters:
        assert f"--{parameter.replace('_', '-')} {{{parameter}}}" in command
    given = {key: value["default"] for key, value in parameters.items() if value["default"]}
    assert entry.settings.model_validate(given)


@pytest.mark.parametrize("name", sorted(MLPROJECT))
def test_help_answers_without_heavy_imports(name):
    check = (
        "import sys; from importlib import import_module; import_module(sys.argv[1]);"
        "heavy = {'tensorflow', 'keras', 'ray', 'mlflow', 'matplotlib', 'pandas', 'numba', 'sklearn', 'scipy', 'cv2'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", check, f"pipelines.{name}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == ""


@pytest.mark.parametrize("name", sorted(MLPROJECT))
def test_what_mlproject_leaves_empty_is_what_an_entry_point_takes_empty(name):
    """So that `-P model=` is refused rather than the champion, and nobody's value is not."""
    entry = getattr(import_module(f"pipelines.{name}"), name)
    for key, field in entry.settings.model_fields.items():
        parameter = MLPROJECT[name]["parameters"].get(field.alias or key)
        if parameter and not parameter["default"]:
            assert field.default in (None, ""), key
