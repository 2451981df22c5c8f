"""The same grid on clusters of several sizes: it ends, and its rows are equal to the last bit."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).parent
COUNTS = {"train": 3, "validation": 3, "test": 60}
LIMIT = 240
"""Seconds after which a grid counts as hung: actors that hold every CPU starve the tasks that feed them."""


@pytest.fixture(scope="module")
def grid_rows(tmp_path_factory, write_signs, colour_model):
    """Run the grid on so many CPUs, GPUs (logical ones) and workers; returns the rows and the units' folder."""
    folder = tmp_path_factory.mktemp("e2e")
    data = write_signs(folder / "signs", counts=COUNTS, group=16)
    shuffled = write_signs(folder / "shuffled", counts=COUNTS, group=25, shuffled=True)

    def run(name: str, cpus: int, gpus: int, workers: int, *, mixed: bool = False) -> tuple[pd.DataFrame, Path]:
        source = shuffled if mixed else data
        sizes = [str(number) for number in (cpus, gpus, workers)]
        command = [
            sys.executable,
            str(HERE / "run_grid.py"),
            str(folder / name),
            str(source),
            str(colour_model),
            *sizes,
        ]
        subprocess.run(command, check=True, timeout=LIMIT)
        files = sorted((folder / name / "predictions").glob("*/predictions.parquet"))
        return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True), folder / name / "units"

    return run


@pytest.fixture(scope="module")
def two_workers(grid_rows):
    return grid_rows("two-workers", 2, 0, 2)


def test_two_workers_on_two_cpus_do_not_starve_the_tasks(two_workers):
    rows, _ = two_workers
    assert len(rows) == 60 * (1 + 3 + 2 + 2 + 2)
    assert not rows.duplicated(["noise", "level_index", "repeat", "image_id"]).any()


def test_one_worker_on_one_cpu_and_a_shuffled_data_set_gives_equal_rows(grid_rows, two_workers):
    rows, _ = grid_rows("one-worker", 1, 0, 1, mixed=True)
    pd.testing.assert_frame_equal(rows, two_workers[0], check_exact=True)


def test_noise_made_by_tasks_beside_a_gpu_worker_gives_equal_rows(grid_rows, two_workers):
    rows, _ = grid_rows("gpu-worker", 2, 1, 1)
    pd.testing.assert_frame_equal(rows, two_workers[0], check_exact=True)


def test_resume_redoes_only_the_units_that_are_missing(grid_rows, two_workers):
    rows, units = two_workers
    files = sorted(units.glob("*.parquet"))
    made = {path: path.stat().st_mtime_ns for path in files}
    files[3].unlink()
    again, _ = grid_rows("two-workers", 2, 0, 2)
    pd.testing.assert_frame_equal(again, rows, check_exact=True)
    assert [path for path in files if path.stat().st_mtime_ns != made[path]] == [files[3]]
