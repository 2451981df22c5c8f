"""Predictions a second of the grid of noises, end to end, against the bare forward pass of the same model.

    python -m benchmarks.grid_throughput

The bare forward pass is taken at its best: one process with two threads, or two processes with one thread each at the
same time, at the best of four batch sizes, and the better way again after the grid; the largest rate counts. The grid
is `pipelines.grid.run` itself: reading, noise, prediction, writing. It leaves a file a unit of work, and the times at
which these appear are the measurement. Start-up is not counted: the clock starts when a tenth of the predictions is
written, and units then in flight count as nothing.

Writes results/grid_throughput.json.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np

from benchmarks.processes import Watch
from benchmarks.record import RESULTS, Target, write_result
from benchmarks.sample import copy_test, make_classifier, source
from pipelines import grid
from pipelines.classifier import Classifier, load_predictor
from pipelines.cluster import connect, share_out
from pipelines.noise_grid import NoiseGridSettings, read_levels

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

BATCH_SIZES = (64, 128, 256, 512)
CORES = 2
WARM_SHARE = 0.1
PACKAGES = ("tensorflow", "keras", "ray", "numpy", "pyarrow")


WAYS = {f"1 process x {CORES} threads": (1, CORES), f"{CORES} processes x 1 thread": (CORES, 1)}
"""How the cores may be used: processes, and threads of each."""

Rates = dict[str, dict[str, float]]


def bare_forward(
    model: Path, shape: tuple[int, ...], seconds: float, ways: Sequence[str], batch_sizes: Sequence[int]
) -> Rates:
    """Images a second on all cores, by how they are used and by batch size."""
    rates = {}
    for way in ways:
        processes, threads = WAYS[way]
        context = get_context("spawn")
        barrier, answers = context.Barrier(processes), context.Queue()
        task = (model, shape, threads, tuple(batch_sizes), seconds, barrier, answers)
        started = [context.Process(target=_forward_rates, args=task) for _ in range(processes)]
        for process in started:
            process.start()
        found = [answers.get(timeout=600) for _ in started]
        for process in started:
            process.join()
        rates[way] = {str(size): round(sum(each[size] for each in found)) for size in batch_sizes}
    return rates


def _forward_rates(
    model: Path,
    shape: tuple[int, ...],
    threads: int,
    batch_sizes: Sequence[int],
    seconds: float,
    barrier: Barrier,
    answers: Queue[dict[int, float]],
) -> None:
    """Rates of one process; where there are several, they measure each batch size at the same time."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    network = keras.saving.load_model(model, compile=False)
    forward = tf.function(lambda images: network(images, training=False), jit_compile=False)
    rates = {}
    for size in batch_sizes:
        images = tf.constant(np.random.default_rng(0).uniform(0, 255, (size, *shape)), tf.float32)
        for _ in range(3):
            forward(images).numpy()
        barrier.wait(600)
        start, batches = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            forward(images).numpy()
            batches += 1
        rates[size] = batches * size / (time.perf_counter() - start)
    answers.put(rates)


def best(rates: Rates) -> tuple[str, float]:
    """The way that reached the largest rate, and that rate."""
    return max(((way, max(by_size.values())) for way, by_size in rates.items()), key=lambda found: found[1])


def run_grid(units: Sequence[grid.Unit], classifier: Classifier, folder: Path, batch_size: int) -> dict[str, Any]:
    """Run all units on `CORES` actors of one thread each, and read off the files when each was done."""
    connect()
    workers = share_out(CORES, 1, 0.0)
    began = time.time()
    with Watch(os.getpid(), memory=False, interval=0.5) as watch:
        grid.run(units, classifier, workers, folder=folder, batch_size=batch_size)
    ended = time.time()
    done = sorted(((folder / f"{unit.key}.parquet").stat().st_mtime_ns / 1e9, unit.size) for unit in units)
    total = sum(rows for _, rows in done)
    warm = int(np.searchsorted(np.cumsum([rows for _, rows in done]), WARM_SHARE * total))
    steady = sum(rows for _, rows in done[warm + CORES :])
    return {
        "units": len(units),
        "predictions": total,
        "seconds_until_first_unit": round(done[0][0] - began, 1),
        "seconds_in_all": round(ended - began, 1),
        "steady_predictions": steady,
        "steady_seconds": round(done[-1][0] - done[warm][0], 2),
        "predictions_per_second": round(steady / (done[-1][0] - done[warm][0])),
        "processor_seconds": watch.seconds,
    }


def profile(units: Sequence[grid.Unit], classifier: Classifier, batch_size: int) -> dict[str, Any]:
    """What the work of an actor is made of: one unit of each noise, divided over as many processes as there are actors.

    No Ray here: what the grid needs beyond this sum is Ray, the driver, and the writing.
    """
    context = get_context("spawn")
    answers = context.Queue()
    parts = [list(units)[start::CORES] for start in range(CORES)]
    started = [context.Process(target=_time_units, args=(part, classifier, batch_size, answers)) for part in parts]
    for process in started:
        process.start()
    rows = [row for _ in started for row in answers.get(timeout=900)]
    for process in started:
        process.join()
    total = sum(row["read"] + row["noise"] + row["predict"] for row in rows)
    shares = {stage: round(sum(row[stage] for row in rows) / total, 4) for stage in ("read", "noise", "predict")}
    predictions = sum(row["predictions"] for row in rows)
    costs = {row["name"]: round(1e6 * row["noise"] / row["predictions"], 1) for row in rows}
    return {
        "shares": shares,
        "predictions_per_second_without_ray": round(CORES * predictions / total),
        "noise_us_a_prediction": costs,
    }


def _time_units(
    units: Sequence[grid.Unit], classifier: Classifier, batch_size: int, answers: Queue[list[dict[str, Any]]]
) -> None:
    import noise

    predict = load_predictor(classifier.path.read_bytes(), classifier, batch_size=batch_size, threads=1)
    rows = []
    for number, unit in enumerate([units[0], *units]):  # the first once more, to warm up
        marks = [time.perf_counter()]
        signs = unit.images()
        marks.append(time.perf_counter())
        kind, ids = noise.find(unit.noise), signs.image_id.tolist()
        noisy = noise.disturb(kind, signs.image, unit.levels, image_ids=ids, seed=unit.seed)
        marks.append(time.perf_counter())
        predict(noisy.reshape(-1, *noisy.shape[2:]))
        marks.append(time.perf_counter())
        if number:
            taken = dict(zip(("read", "noise", "predict"), np.diff(marks).tolist(), strict=True))
            rows.append({"name": unit.noise, "predictions": unit.size} | taken)
    answers.put(rows)


@click.command()
@click.option("--data", default=None, help="A prepared folder or any source; by default real signs if they are there.")
@click.option("--images", default=6315, show_default=True, help="Test images.")
@click.option("--preset", default="standard", show_default=True, help="The grid.")
@click.option("--seconds", default=3.0, show_default=True, help="Of each measurement of the bare forward pass.")
@click.option("--output", default=RESULTS / "grid_throughput.json", type=click.Path(path_type=Path))
def main(data: str | None, images: int, preset: str, seconds: float, output: Path) -> None:
    """Measure the grid between two measurements of the bare forward pass."""
    settings = NoiseGridSettings.model_validate({"preset": preset})
    batch_size = settings.images_a_batch
    with tempfile.TemporaryDirectory() as scratch:
        signs = copy_test(source(data), Path(scratch) / "signs", images=images)
        classifier = make_classifier(signs, Path(scratch) / "model.keras")
        shape = (signs.size, signs.size, 3)
        units = grid.plan(classifier, signs, read_levels(settings), seed=0)
        before = bare_forward(classifier.path, shape, seconds, list(WAYS), BATCH_SIZES)
        ran = run_grid(units, classifier, Path(scratch) / "units", batch_size)
        best_way, _ = best(before)
        after = bare_forward(classifier.path, shape, seconds, [best_way], BATCH_SIZES)
        first = {unit.noise: unit for unit in reversed(units) if unit.noise != grid.CLEAN}
        profiled = profile(list(first.values()), classifier, batch_size)
    bare = max(best(before)[1], best(after)[1])
    ratio = ran["predictions_per_second"] / bare
    result = {
        "data": signs.name,
        "images": sum(signs.counts["test"]),
        "preset": preset,
        "batch_size": batch_size,
        "ratio": round(ratio, 3),
        "grid_predictions_per_second": ran["predictions_per_second"],
        "bare_predictions_per_second": bare,
        "grid": ran,
        "bare_before": before,
        "bare_after": after,
        "profile": profiled,
    }
    targets = [Target("time of the grid end to end over that of the bare forward passes", 1 / ratio, at_most=1.2)]
    write_result(output, result, targets=targets, packages=PACKAGES)


if __name__ == "__main__":
    main()
