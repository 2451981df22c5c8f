"""Peak memory of a whole noise_grid on some images, and on the same images ten times over: it should not grow.

    python -m benchmarks.grid_memory

Each run is `python -m pipelines.noise_grid` in processes of its own: reading, noise, prediction, tables, report,
MLflow. The memory of the driver, its Ray processes and its model actors is summed every 0.2 s (PSS, so that pages
which several share, such as the object store's, count once). The model is taught the images first, so that there are
thresholds to find.

Writes results/grid_memory.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click

from benchmarks.processes import Watch
from benchmarks.record import RESULTS, Target, write_result
from benchmarks.sample import copy_test, make_classifier, source

if TYPE_CHECKING:
    from pipelines.classifier import Classifier
    from pipelines.signs import SignDataset

TIMES = 10
ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ray", "tensorflow", "pandas", "pyarrow", "mlflow", "psutil")


def peak_memory(signs: SignDataset, classifier: Classifier, noises: str, scratch: Path) -> dict[str, Any]:
    """Run the entry point on these images and watch it.

    Raises:
        RuntimeError: it failed.
    """
    options = {"--model": classifier.path, "--data": signs.folder, "--size": signs.size, "--noise": noises}
    options |= {"--workers": 2, "--output": scratch / "output"}
    command = [sys.executable, "-m", "pipelines.noise_grid", *(str(word) for pair in options.items() for word in pair)]
    scratch.mkdir()
    log = scratch / "log.txt"
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{scratch / 'mlflow.db'}"}
    began = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT)
        with Watch(process.pid, memory=True) as watch:
            code = process.wait()
    if code:
        raise RuntimeError(f"noise_grid ended with exit code {code}:\n{log.read_text(encoding='utf-8')[-3000:]}")
    return {
        "images": sum(signs.counts["test"]),
        "peak_mb": round(sum(watch.peak.values()), 1),
        "seconds": round(time.perf_counter() - began, 1),
        "samples": watch.samples,
        "mb_at_the_peak": watch.peak,
        "largest_mb": watch.largest,
    }


@click.command()
@click.option("--data", default=None, help="A prepared folder or any source; by default real signs if they are there.")
@click.option("--images", default=1024, show_default=True, help="Test images of the small run.")
@click.option("--noise", default="gaussian:0:0.5:5,black_rows:0:1:5", show_default=True, help="The grid.")
@click.option("--epochs", default=15, show_default=True, help="Of teaching the model these images.")
@click.option("--output", default=RESULTS / "grid_memory.json", type=click.Path(path_type=Path))
def main(data: str | None, images: int, noise: str, epochs: int, output: Path) -> None:
    """Measure the small run and the large one."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        signs = source(data)
        small = copy_test(signs, scratch / "small", images=images)
        large = copy_test(signs, scratch / "large", images=images, times=TIMES)
        classifier = make_classifier(small, scratch / "model.keras", epochs=epochs)
        runs = [peak_memory(each, classifier, noise, scratch / f"run-{each.folder.name}") for each in (small, large)]
    once, repeated = runs
    ratio = repeated["peak_mb"] / once["peak_mb"]
    grown = {kind: round(size - once["largest_mb"].get(kind, 0.0), 1) for kind, size in repeated["largest_mb"].items()}
    result = {
        "data": signs.name,
        "noise": noise,
        "ratio": round(ratio, 3),
        "grown_mb": grown,
        "once": once,
        f"times_{TIMES}": repeated,
    }
    targets = [Target(f"peak memory of noise_grid, images x {TIMES} over x 1", ratio, at_most=1.15)]
    write_result(output, result, targets=targets, packages=PACKAGES)


if __name__ == "__main__":
    main()
