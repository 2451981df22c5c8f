"""Whether bfloat16 gains on this machine: images/s in training and inference, and the labels that change.

    python -m benchmarks.precision --model output/train/model.keras --data ../shared/gtsrb

Writes results/precision.json.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np
import tensorflow as tf

from benchmarks.record import RESULTS, write_result
from models.fit import Examples, Precision, fit, training_twin
from models.policies import policy
from models.recipes import RECIPES
from pipelines.signs import prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.signs import Signs

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
BATCH = 256
ROUNDS = 3
TRAINING_IMAGES = 1920


@click.command()
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path), help="A trained .keras file.")
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--output", default=RESULTS / "precision.json", show_default=True, type=click.Path(path_type=Path))
def main(model: Path, data: str, output: Path) -> None:
    """Measure each precision in turn, round by round, so that a slow moment of the machine hits both."""
    logging.basicConfig(level=logging.WARNING)
    network = keras.saving.load_model(model, compile=False)
    dataset = prepared(data, size=network.input_shape[1])
    test, train = dataset.read("test"), dataset.read("train", limit=TRAINING_IMAGES)
    rates = {precision: training_rate(train, len(dataset.class_names), precision) for precision in PRECISIONS}
    inference, logits = inference_rates(network, test.image)
    predicted = {precision: found.argmax(axis=1) for precision, found in logits.items()}
    result: dict[str, Any] = {
        "network_parameters": network.count_params(),
        "training_images_per_s": rates,
        "inference_images_per_s": inference,
        "bfloat16_over_float32": {
            "training": round(rates["bfloat16"] / rates["float32"], 3),
            "inference": round(inference["bfloat16"] / inference["float32"], 3),
        },
        "test_images": len(test),
        "test_accuracy": {name: round(float(np.mean(found == test.label)), 5) for name, found in predicted.items()},
        "equal_labels": round(float(np.mean(predicted["float32"] == predicted["bfloat16"])), 5),
    }
    write_result(output, result, packages=("tensorflow", "keras"))
    click.echo(json.dumps(result, indent=2))


def training_rate(train: Signs, classes: int, precision: Precision) -> int:
    """Images a second of the fit loop with augmentation, in its best epoch."""
    examples = Examples(train.image, train.label)
    network = RECIPES["default"].build(classes, train.image.shape[1])
    few = Examples(train.image[:BATCH], train.label[:BATCH])
    history = fit(network, examples, few, augment=policy("signs"), epochs=1 + ROUNDS, precision=precision)
    return round(len(train) / min(epoch["seconds"] for epoch in history.epochs))


def inference_rates(
    network: keras.Model, images: NDArray[np.uint8]
) -> tuple[dict[str, int], dict[str, NDArray[np.float32]]]:
    """Median images a second of the forward pass over whole batches, and the logits."""
    forwards = {precision: _forward(training_twin(network, precision)) for precision in PRECISIONS}
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    logits: dict[str, NDArray[np.float32]] = {}
    for turn in range(1 + ROUNDS):
        for precision, forward in forwards.items():
            start = time.perf_counter()
            parts = [forward(batch).numpy() for batch in _batches(images)]
            if turn:
                seconds[precision].append(time.perf_counter() - start)
            logits[precision] = np.concatenate(parts)[: len(images)]
    padded = -(-len(images) // BATCH) * BATCH
    return {name: round(padded / statistics.median(taken)) for name, taken in seconds.items()}, logits


def _forward(model: keras.Model) -> Any:
    return tf.function(lambda batch: model(tf.cast(batch, tf.float32), training=False), jit_compile=False)


def _batches(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    missing = -len(images) % BATCH
    padded = np.concatenate([images, images[:missing]])
    return [padded[start : start + BATCH] for start in range(0, len(padded), BATCH)]


if __name__ == "__main__":
    main()
