"""The way a person takes: `mlflow run .` in a clean folder, from signs to thresholds."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
[DEMO] = [shlex.split(line)[6:] for line in (ROOT / "Makefile").read_text().splitlines() if "mlflow run ." in line]
"""The options of `make demo`, behind `. .venv/bin/activate && mlflow run .`"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mlflow_run_goes_the_whole_way(tracked):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SIGN_TO_NOISE_CACHE": str(tracked / "cache"),
    }
    given = {"data": "rendered:40", "smoke_test": "true"}
    given |= {"output": tracked / "out", "results": tracked / "results.json"}
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), *DEMO]
    options = [word for name, value in given.items() for word in ("-P", f"{name}={value}")]
    done = subprocess.run(
        [*command, *options], env=environment, cwd=tracked, capture_output=True, text=True, check=False, timeout=880
    )
    assert done.returncode == 0, done.stderr

    results = json.loads((tracked / "results.json").read_text())
    assert results["status"] == "finished"
    parent = mlflow.get_run(results["run_id"])
    assert parent.info.status == "FINISHED"
    assert mlflow.get_experiment(parent.info.experiment_id).name == "sign-to-noise"
    assert mlflow.search_runs([mlflow.get_experiment_by_name("Default").experiment_id], output_format="list") == []
    query = f"tags.mlflow.parentRunId = '{results['run_id']}'"
    children = mlflow.search_runs([parent.info.experiment_id], filter_string=query, output_format="list")
    assert {child.data.tags["entry_point"] for child in children} == {"prepare", "train", "noise_grid"}
    assert {child.info.status for child in children} == {"FINISHED"}
    thresholds = pd.read_csv(tracked / "out" / "noise_grid" / "thresholds.csv")
    assert set(thresholds["criterion"]) == {"begins", "fails", "significant"}
    assert "report.html" in done.stdout
