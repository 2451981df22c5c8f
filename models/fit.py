"""The fit loop: images and labels in, a trained Keras model out. Knows nothing of Ray, MLflow or files' names."""

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import f1_score

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16"]
Augment = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float32]]


class Examples(NamedTuple):
    """Images (N, H, W, 3) uint8 and their labels (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass
class FitHistory:
    """What each epoch gave (`epochs[e]`: loss, accuracy, val_accuracy, val_f1_macro, ...) and which was kept."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1

    @property
    def best_f1_macro(self) -> float:
        """Validation macro-F1 of the weights that were kept."""
        return self.epochs[self.best_epoch]["val_f1_macro"] if self.epochs else float("-inf")


def fit(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    *,
    augment: Augment | None = None,
    epochs: int = 30,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.1,
    patience: int = 12,
    seed: int = 0,
    precision: Precision = "float32",
    strategy: tf.distribute.Strategy | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> FitHistory:
    """Train a classifier and leave in it the weights of its best epoch by validation macro-F1.

    AdamW (Loshchilov and Hutter 2019) with a linear warm-up of one epoch and a cosine to zero, label smoothing
    (Szegedy et al. 2016). Order and augmentation depend on seed and epoch alone.

    Args:
        model: Takes float32 images in 0..255 and gives logits; its weights are changed in place.
        train: Examples to learn from.
        validation: Examples to choose the epoch by; no image of a track seen in training.
        augment: Makes float32 images of uint8 images; None trains on the images as they are.
        epochs: Passes over `train`; the cosine ends with the last of them.
        batch_size: Images a step, over all devices; the rest of an epoch that fills no batch is left out.
        learning_rate: Largest learning rate, at the end of the warm-up.
        weight_decay: Decoupled weight decay, of kernels alone.
        label_smoothing: Share of each label spread over all classes.
        patience: Epochs without a better macro-F1 after which training stops.
        seed: Seed of order and augmentation.
        precision: What convolutions compute in; the weights of `model` stay float32.
        strategy: A `tf.distribute` strategy, to train one model on several devices.
        checkpoint: File that keeps the state after each epoch; training continues from it where it exists.
        on_epoch: Told of each epoch's numbers as soon as they are known.

    Raises:
        ValueError: Fewer images than one batch of two, or no validation images.
        FloatingPointError: The loss is no longer finite.
    """
    batch_size = min(batch_size, len(train.labels))
    if batch_size < 2 or not len(validation.labels):
        raise ValueError("training needs two training images and one validation image, or more")
    steps = len(train.labels) // batch_size
    with (strategy or tf.distribute.get_strategy()).scope():
        twin = training_twin(model, precision, seed)
        optimizer = _optimizer(steps, epochs, learning_rate, weight_decay, precision)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
        # XLA is several times slower than oneDNN for these networks on a CPU.
        twin.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
        optimizer.build(twin.trainable_variables)
    keeper = _BestEpoch(validation, patience=patience, checkpoint=checkpoint, on_epoch=on_epoch)
    first_epoch = keeper.restore(twin)
    if first_epoch < epochs and not keeper.stopped:
        twin.fit(
            _batches(train, model.output_shape[-1], batch_size, augment, seed, range(first_epoch, epochs)),
            initial_epoch=first_epoch,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[keeper],
            shuffle=False,
            verbose=0,
        )
    model.set_weights(keeper.best_weights)
    return keeper.history


def predict_logits(model: keras.Model, images: NDArray[Any], *, batch_size: int = 256) -> NDArray[np.float32]:
    """Logits (N, C) of images (N, H, W, 3) in 0..255 of any type, in batches of one size, the last one padded."""
    if not len(images):
        return np.empty((0, model.output_shape[-1]), np.float32)
    parts = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size].astype(np.float32)
        missing = batch_size - len(batch)
        padded = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else batch
        parts.append(np.asarray(model.predict_on_batch(padded))[: len(batch)])
    return np.concatenate(parts).astype(np.float32)


class _BestEpoch(keras.callbacks.Callback):
    """Scores the validation images after each epoch, keeps the best weights, stops, and saves the state."""

    def __init__(
        self,
        validation: Examples,
        *,
        patience: int,
        checkpoint: Path | None,
        on_epoch: Callable[[int, dict[str, float]], None] | None,
    ) -> None:
        super().__init__()
        self.validation, self.patience = validation, patience
        self.checkpoint, self.on_epoch = checkpoint, on_epoch
        self.history = FitHistory()
        self.best_weights: list[NDArray[Any]] = []
        self.stopped = False
        self.started = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(numbers["loss"]):
            raise FloatingPointError(f"the loss is {numbers['loss']} in epoch {epoch}: try a lower learning rate")
        labels = self.validation.labels
        predicted = predict_logits(self.model, self.validation.images).argmax(axis=1)
        numbers["val_accuracy"] = float(np.mean(predicted == labels))
        numbers["val_f1_macro"] = float(f1_score(labels, predicted, average="macro", labels=np.unique(labels)))
        numbers["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        numbers["seconds"] = time.perf_counter() - self.started
        better = numbers["val_f1_macro"] > self.history.best_f1_macro
        self.history.epochs.append(numbers)
        if better:
            self.history.best_epoch, self.best_weights = epoch, self.model.get_weights()
        self.stopped = epoch - self.history.best_epoch >= self.patience
        self.model.stop_training = self.stopped
        self.save()
        if self.on_epoch:
            self.on_epoch(epoch, numbers)

    def save(self) -> None:
        """Write weights, optimiser, best weights and history to one file, whole or not at all."""
        if self.checkpoint is None:
            return
        now = [keras.ops.convert_to_numpy(variable) for variable in _state(self.model)]
        arrays = {f"now_{i}": value for i, value in enumerate(now)}
        arrays |= {f"best_{i}": value for i, value in enumerate(self.best_weights)}
        history = json.dumps({"epochs": self.history.epochs, "best_epoch": self.history.best_epoch})
        beside = self.checkpoint.with_name(self.checkpoint.name + ".part")
        with beside.open("wb") as file:
            np.savez(file, history=np.array(history), stopped=np.array(self.stopped), **arrays)
        beside.replace(self.checkpoint)

    def restore(self, model: keras.Model) -> int:
        """Continue from the checkpoint where there is one; returns the epoch to begin with."""
        self.best_weights = model.get_weights()
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        with np.load(self.checkpoint) as saved:
            variables = _state(model)
            if [v.shape for v in variables] != [saved[f"now_{i}"].shape for i in range(len(variables))]:
                raise ValueError(f"{self.checkpoint}: the checkpoint of another network; remove it")
            for i, variable in enumerate(variables):
                variable.assign(saved[f"now_{i}"])
            self.best_weights = [saved[f"best_{i}"] for i in range(len(self.best_weights))]
            self.history = FitHistory(**json.loads(str(saved["history"])))
            self.stopped = bool(saved["stopped"])
        for epoch, numbers in enumerate(self.history.epochs):
            if self.on_epoch:
                self.on_epoch(epoch, numbers)
        return len(self.history.epochs)


def _state(model: keras.Model) -> list[Any]:
    return [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]


def _optimizer(
    steps: int, epochs: int, learning_rate: float, weight_decay: float, precision: Precision
) -> keras.optimizers.Optimizer:
    total, warm_up = steps * epochs, min(steps, steps * epochs // 5)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 100, total - warm_up, warmup_target=learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


def _batches(
    train: Examples, classes: int, batch_size: int, augment: Augment | None, seed: int, epochs: range
) -> tf.data.Dataset:
    """Batches of float32 images and one-hot labels, made in a thread beside the training step."""

    def generate() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for epoch in epochs:
            random = np.random.default_rng((seed, epoch))
            order = random.permutation(len(train.labels))
            for start in range(0, len(order) - batch_size + 1, batch_size):
                chosen = np.sort(order[start : start + batch_size])
                images = train.images[chosen]
                yield augment(images, random) if augment else images.astype(np.float32), one_hot[train.labels[chosen]]

    one_hot = np.eye(classes, dtype=np.float32)
    shapes = (
        tf.TensorSpec((batch_size, *train.images.shape[1:]), tf.float32),
        tf.TensorSpec((batch_size, classes), tf.float32),
    )
    return tf.data.Dataset.from_generator(generate, output_signature=shapes).prefetch(4)


def training_twin(model: keras.Model, precision: Precision, seed: int = 0) -> keras.Model:
    """A copy with the same weights that trains faster: fused batch normalisation, the precision asked for."""
    seeds = itertools.count(seed * 1000)

    def twin_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if precision != "float32" and layer.dtype_policy.name == "float32" and layer.name != "logits":
            config["dtype"] = f"mixed_{precision}"
        if "seed" in config:
            config["seed"] = next(seeds)
        fused = type(layer) is keras.layers.BatchNormalization and layer.center and layer.scale
        return (_FusedBatchNormalization if fused else type(layer)).from_config(config)

    twin = keras.models.clone_model(model, clone_function=twin_of)
    twin.set_weights(model.get_weights())
    return twin


class _FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation by TensorFlow's fused kernel: about four times faster to train on a CPU than Keras 3's."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (training and self.trainable) or mask is not None or len(inputs.shape) != 4 or self.axis not in (-1, 3):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, tf.cast(self.gamma, "float32"), tf.cast(self.beta, "float32"), epsilon=self.epsilon
        )
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs
