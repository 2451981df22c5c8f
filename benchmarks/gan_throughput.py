"""Images a second of our GAN training against TensorFlow's DCGAN tutorial, and what of the time the networks take.

    python -m benchmarks.gan_throughput --threads 2

The tutorial's loop is written as it stands there: a shuffled, batched `tf.data.Dataset` of float images, one
`tf.function` a step with two tapes, binary cross-entropy, Keras's Adam, latents drawn in the step. It and ours train
the networks of the recipe `tutorial` on the same images and take turns, so that a slow moment of the machine hits both.
The ratio is that of all images in all the time, as a tf.data iterator sometimes takes long over the first batch of an
epoch, which is a part of that loop; the median of turns, which leaves such turns out, stands beside it.
Other recipes do more in a step and are timed by themselves. The networks' own passes, forward and backward, are timed
on one fixed batch in the same turns; the rest of our step is optimisers, augmentation, averaging, measuring, drawing
and feeding. Writes results/gan_throughput.json.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.record import RESULTS, Target, write_result
from gan.recipes import GAN_RECIPES, GanRecipe
from gan.sampling import to_unit
from gan.training import R1_EVERY, Batch, Feed, Gan

IMAGES, SIZE, CLASSES = 4096, 32, 43


@click.command()
@click.option("--recipes", default="tutorial,dcgan,conditional", show_default=True, help="Of GAN_RECIPES.")
@click.option("--rounds", default=7, show_default=True, help="Turns of each.")
@click.option("--steps", default=16, show_default=True, help="Steps a turn.")
@click.option("--threads", default=0, show_default=True, help="Of TensorFlow; 0: as it likes.")
@click.option("--output", default=RESULTS / "gan_throughput.json", show_default=True, type=click.Path(path_type=Path))
def main(recipes: str, rounds: int, steps: int, threads: int, output: Path) -> None:
    """Time loops in turns, and compare their medians."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, IMAGES)
    measured = {name: compared(GAN_RECIPES[name], images, labels, rounds, steps) for name in recipes.split(",")}
    targets = []
    for name, found in measured.items():
        targets.append(Target(f"{name}: share of the time outside the networks' passes", found["outside"], at_most=0.1))
        if "ratio" in found:
            targets.append(Target(f"{name}: images a second, over the tutorial's loop", found["ratio"], at_least=1.0))
    result = {"threads": threads or os.cpu_count(), "recipes": measured}
    write_result(output, result, targets=targets, packages=("tensorflow", "keras", "numpy"))
    click.echo(json.dumps(measured, indent=1))


def compared(
    recipe: GanRecipe, images: NDArray[np.uint8], labels: NDArray[np.int64], rounds: int, steps: int
) -> dict[str, Any]:
    """Median milliseconds of a step of each loop, images a second, and the share of ours outside the passes."""
    loops = {"ours": our_loop(recipe, images, labels), "passes": network_passes(recipe, images, labels)}
    if recipe == GAN_RECIPES["tutorial"]:
        loops["tutorial_loop"] = tutorial_loop(recipe, images)
    for step in loops.values():
        timed(step, R1_EVERY + 1 if recipe.r1 else 2)  # compiles a step with the penalty and one without
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, step in loops.items():
            taken[name].append(timed(step, steps) / steps)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    seen = recipe.batch_size * recipe.discriminator_steps
    found: dict[str, Any] = {
        "milliseconds_a_step": {name: round(1000 * median, 2) for name, median in medians.items()},
        "images_a_second": {name: round(seen / median, 1) for name, median in medians.items() if name != "passes"},
        "outside": round(1 - medians["passes"] / medians["ours"], 4),
    }
    if "tutorial_loop" in medians:
        ratios = [theirs / ours for theirs, ours in zip(taken["tutorial_loop"], taken["ours"], strict=True)]
        overall = sum(taken["tutorial_loop"]) / sum(taken["ours"])
        found |= {"ratio": round(overall, 4), "median_of_turns": round(statistics.median(ratios), 4)}
        found["turns"] = [round(ratio, 4) for ratio in ratios]
    return found


def timed(step: Callable[[], Any], steps: int) -> float:
    """Seconds of so many steps."""
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - started


def our_loop(recipe: GanRecipe, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Callable[[], Any]:
    """One step of `train_gan`, its batch drawn beside it."""
    gan = Gan(recipe, size=SIZE, classes=CLASSES, seed=0)
    batches = Feed(recipe, images, labels, 0).batches(range(10**9))
    return lambda: gan.step(next(batches))


def network_passes(recipe: GanRecipe, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Callable[[], Any]:
    """What no step can do without, on one batch: losses, and their gradients by both networks' weights."""
    bare = recipe.updated(augmentation="none", adaptive=False, instance_noise=0.0)
    gan = Gan(bare, size=SIZE, classes=CLASSES, seed=0)
    batch = Batch._make(tf.constant(values[0]) for values in Feed(bare, images, labels, 0).batch(0))

    @tf.function(jit_compile=False)
    def passes(penalised: bool) -> Any:
        with tf.GradientTape() as of_generator, tf.GradientTape() as of_discriminator:
            found = gan._compare(batch, penalised)
        made = of_generator.gradient(found["generator_loss"], gan.generator.trainable_variables)
        judged = of_discriminator.gradient(found["discriminator_loss"], gan.discriminator.trainable_variables)
        return tf.linalg.global_norm(made), tf.linalg.global_norm(judged)  # else all gradients would be handed over

    turns = iter(range(10**9))
    return lambda: passes(bool(recipe.r1) and next(turns) % R1_EVERY == 0)


def tutorial_loop(recipe: GanRecipe, images: NDArray[np.uint8]) -> Callable[[], Any]:
    """One step of the tutorial on the recipe's networks."""
    generator, discriminator = recipe.build(SIZE, CLASSES)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    rates = (recipe.generator_rate, recipe.discriminator_rate)
    generator_optimizer, discriminator_optimizer = (keras.optimizers.Adam(rate, beta_1=recipe.beta_1) for rate in rates)
    noise = (recipe.batch_size, *recipe.source.shape(SIZE))
    unit = np.asarray(to_unit(images))
    data = tf.data.Dataset.from_tensor_slices(unit).shuffle(len(unit)).batch(recipe.batch_size, drop_remainder=True)
    generator_optimizer.build(generator.trainable_variables)
    discriminator_optimizer.build(discriminator.trainable_variables)

    @tf.function(jit_compile=False)
    def train_step(real: tf.Tensor) -> None:
        with tf.GradientTape() as of_generator, tf.GradientTape() as of_discriminator:
            fake = generator([tf.random.normal(noise)], training=True)
            on_real = discriminator([real], training=True)["real"]
            on_fake = discriminator([fake], training=True)["real"]
            generator_loss = cross_entropy(tf.ones_like(on_fake), on_fake)
            discriminator_loss = cross_entropy(tf.ones_like(on_real), on_real)
            discriminator_loss += cross_entropy(tf.zeros_like(on_fake), on_fake)
        made = of_generator.gradient(generator_loss, generator.trainable_variables)
        judged = of_discriminator.gradient(discriminator_loss, discriminator.trainable_variables)
        generator_optimizer.apply_gradients(zip(made, generator.trainable_variables, strict=True))
        discriminator_optimizer.apply_gradients(zip(judged, discriminator.trainable_variables, strict=True))

    def epochs() -> Iterator[tf.Tensor]:
        while True:
            yield from data

    batches = epochs()
    return lambda: train_step(next(batches))


if __name__ == "__main__":
    main()
