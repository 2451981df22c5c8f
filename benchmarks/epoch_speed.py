"""Time of one training epoch of the default network against a bare Keras loop over the same arrays.

    python -m benchmarks.epoch_speed --data ../shared/gtsrb

Both train on all training images, 39,209 of GTSRB, with the same augmentation, optimiser and batch; the bare loop is
`model.fit` over a `keras.utils.PyDataset` of the arrays in memory. They take turns, epoch by epoch, so that a slow
moment of the machine hits both. Writes results/epoch_speed.json.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np

from benchmarks.record import RESULTS, Target, write_result
from models.fit import Examples, fit
from models.policies import policy
from models.recipes import RECIPES
from pipelines.signs import prepared
from pipelines.training import examples, read_splits

BATCH = 128
AUGMENT = policy("signs")


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches in random order, made by one thread beside the training step."""

    def __init__(self, train: Examples, classes: int) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self.train, self.one_hot = train, np.eye(classes, dtype=np.float32)
        self.random = np.random.default_rng(0)
        self.order = self.random.permutation(len(train.labels))

    def __len__(self) -> int:
        return math.floor(len(self.train.labels) / BATCH)

    def __getitem__(self, place: int) -> Any:
        chosen = self.order[place * BATCH : (place + 1) * BATCH]
        assert AUGMENT is not None
        return AUGMENT(self.train.images[chosen], self.one_hot[self.train.labels[chosen]], self.random)


@click.command()
@click.option("--data", default="../shared/gtsrb", show_default=True, help="A prepared folder or any source.")
@click.option("--rounds", default=3, show_default=True, help="Timed epochs of each, after one that warms up.")
@click.option("--output", default=RESULTS / "epoch_speed.json", show_default=True, type=click.Path(path_type=Path))
def main(data: str, rounds: int, output: Path) -> None:
    """Time both, and compare their medians."""
    dataset = prepared(data)
    recipe = RECIPES["default"].updated(all_tracks=True)
    train, _ = examples(recipe, read_splits(dataset, None), dataset)
    classes = len(dataset.class_names)
    bare, batches = bare_network(classes, dataset.size), Batches(train, classes)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    bare.fit(batches, epochs=1, verbose=0, shuffle=False)

    def take_turns(epoch: int, numbers: dict[str, float]) -> None:
        if epoch:  # the first one compiles
            seconds["ours"].append(numbers["seconds"])
            started = time.perf_counter()
            bare.fit(batches, epochs=1, verbose=0, shuffle=False)
            seconds["bare"].append(time.perf_counter() - started)

    fit(recipe.build(classes, dataset.size), train, None, augment=AUGMENT, epochs=rounds + 1, on_epoch=take_turns)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    ratio = medians["ours"] / medians["bare"]
    result = {"images": len(train.labels), "batch": BATCH, "seconds": seconds, "median_seconds": medians}
    target = Target("an epoch of the default network, over a bare Keras loop", ratio, at_most=1.05)
    write_result(output, result, targets=[target], packages=("tensorflow", "keras"))
    click.echo(json.dumps({**medians, "ratio": round(ratio, 3)}))


def bare_network(classes: int, size: int) -> keras.Model:
    """The default network as stock Keras trains it."""
    keras.utils.set_random_seed(0)
    network = RECIPES["default"].build(classes, size)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    network.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.05), loss, metrics=["accuracy"], jit_compile=False)
    return network


if __name__ == "__main__":
    main()
