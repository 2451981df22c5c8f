import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LIMIT_BYTES = 700_000
RUN = """
import json, sys

with open(sys.argv[1], encoding="utf-8") as file:
    cells = json.load(file)["cells"]
names = {"__name__": "__main__"}
for number, cell in enumerate(cells):
    source = "".join(cell["source"])
    if cell["cell_type"] == "code":
        try:
            exec(compile(source, f"cell {number}", "exec"), names)
        except BaseException:
            print(f"cell {number} fails:\\n{source}\\n", file=sys.stderr)
            raise
"""


def run(notebook):
    """Run the code of a notebook in a process of its own, in its own folder, with nothing added to the path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"MPLBACKEND": "agg"}
    return subprocess.run(
        [sys.executable, "-c", RUN, notebook.name],
        cwd=notebook.parent, env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_own_folder(notebook):
    done = run(notebook)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_executed_and_small(notebook):
    assert notebook.stat().st_size < LIMIT_BYTES
    document = json.loads(notebook.read_text(encoding="utf-8"))
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert not [output for cell in code for output in cell["outputs"] if output.get("name") == "stderr"]


def test_a_failing_cell_is_named_with_its_source(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# not code"]},
        {"cell_type": "code", "source": ["x = 1\n", "y = x"]},
        {"cell_type": "code", "source": ["z = y\n", "z / 0"]},
    ]
    notebook = tmp_path / "broken.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    done = run(notebook)
    assert done.returncode == 1
    assert "cell 2 fails:\nz = y\nz / 0" in done.stderr
    assert "ZeroDivisionError" in done.stderr
