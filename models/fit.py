"""The fit loop: images and labels in, a trained Keras model out. Knows nothing of Ray, MLflow or files' names."""

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from models.cnn import COLUMN
from models.policies import Augment

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16"]
Balance = Literal["none", "weights", "sampling"]


class Examples(NamedTuple):
    """Images (N, H, W, 3) uint8 and their labels (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> "Examples":
        """These of them, in this order."""
        return Examples(self.images[rows], self.labels[rows])


@dataclass
class FitHistory:
    """What each epoch gave, and which was kept.

    Attributes:
        epochs: By name: loss, accuracy, learning_rate, seconds; with validation val_accuracy and val_f1_macro.
        best_epoch: The one whose weights were kept.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1

    @property
    def best_f1_macro(self) -> float:
        """Validation macro-F1 of the weights that were kept; -inf without validation."""
        return self.epochs[self.best_epoch].get("val_f1_macro", float("-inf")) if self.epochs else float("-inf")


def fit(
    model: keras.Model,
    train: Examples,
    validation: Examples | None,
    *,
    augment: Augment | None = None,
    epochs: int = 30,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.1,
    balance: Balance = "none",
    ema: float = 0.0,
    patience: int = 12,
    seed: int = 0,
    precision: Precision = "float32",
    strategy: tf.distribute.Strategy | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> FitHistory:
    """Train a classifier and leave in it the weights of its best epoch by validation macro-F1.

    AdamW (Loshchilov and Hutter 2019) with a linear warm-up of one epoch, or of a fifth of all steps if that is
    less, and a cosine to zero; label smoothing (Szegedy et al. 2016). Order and augmentation depend on seed and epoch
    alone.

    Args:
        model: Takes float32 images in 0..255 and gives logits; its weights are changed in place.
        train: Examples to learn from.
        validation: Examples to choose the epoch by, none of a track seen in training; None keeps the last epoch.
        augment: Disturbs images and mixes labels; None trains on the images as they are.
        epochs: Passes over `train`; the cosine ends with the last of them.
        batch_size: Images a step, over all devices; the rest of an epoch that fills no batch is left out.
        learning_rate: Largest learning rate, at the end of the warm-up.
        weight_decay: Decoupled weight decay, of kernels alone.
        label_smoothing: Share of each label spread over all classes.
        balance: Against unequal classes: weigh their loss, or draw their images, by one over the root of their share.
        ema: Decay of a moving average of the weights and of the statistics of normalisation, which is what is scored
            and kept; 0: the weights themselves.
        patience: Epochs without a better macro-F1 after which training stops.
        seed: Seed of order and augmentation.
        precision: What convolutions compute in; the weights of `model` stay float32.
        strategy: A `tf.distribute` strategy, to train one model on several devices.
        checkpoint: File that keeps the state after each epoch; training continues from it where it exists.
        on_epoch: Told of each epoch's numbers as soon as they are known.

    Raises:
        ValueError: Fewer images than one batch of two, validation without images, or an average out of [0, 1).
        FloatingPointError: The loss is no longer finite.
    """
    batch_size = min(batch_size, len(train.labels))
    if batch_size < 2 or (validation and not len(validation.labels)):
        raise ValueError("training needs two training images and one validation image, or more")
    if not 0 <= ema < 1:
        raise ValueError(f"ema {ema}: the decay of an average is 0 or more and less than 1")
    steps = len(train.labels) // batch_size
    with (strategy or tf.distribute.get_strategy()).scope():
        twin = training_twin(model, precision, seed)
        optimizer = _optimizer(_schedule(learning_rate, steps, epochs), weight_decay, ema, precision)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
        # XLA is several times slower than oneDNN for these networks on a CPU.
        twin.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
        optimizer.build(twin.trainable_variables)
    average = _Average(ema) if ema else None
    keeper = _BestEpoch(validation, average, patience=patience, checkpoint=checkpoint, on_epoch=on_epoch)
    first_epoch = keeper.restore(twin)
    if first_epoch < epochs and not keeper.stopped:
        twin.fit(
            _batches(train, model.output_shape[-1], batch_size, augment, balance, seed, range(first_epoch, epochs)),
            initial_epoch=first_epoch,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[average, keeper] if average else [keeper],
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


def read_history(checkpoint: Path) -> FitHistory:
    """The epochs that a checkpoint of `fit` has."""
    with np.load(checkpoint) as saved:
        return FitHistory(**json.loads(str(saved["history"])))


class _Average(keras.callbacks.Callback):
    """Has moving averages stand in for all weights: the optimiser's for those it trains, its own for the statistics.

    Averaged kernels beside the statistics of other kernels would be scored too low.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.averages: list[NDArray[np.float32]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        now = _values(_statistics(self.model))
        for average, value in zip(self.averages, now, strict=False):
            average += (1 - self.decay) * (value - average)
        self.averages = self.averages or now

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Averages for weights, as long as it lasts."""
        swap = keras.callbacks.SwapEMAWeights()
        swap.set_model(self.model)
        statistics = _statistics(self.model)
        now = _values(statistics)
        swap.on_test_begin()
        _assign(statistics, self.averages)
        yield
        swap.on_test_end()
        _assign(statistics, now)


class _BestEpoch(keras.callbacks.Callback):
    """Scores the validation images after each epoch, keeps the best weights, stops, and saves the state."""

    def __init__(
        self,
        validation: Examples | None,
        average: _Average | None,
        *,
        patience: int,
        checkpoint: Path | None,
        on_epoch: Callable[[int, dict[str, float]], None] | None,
    ) -> None:
        super().__init__()
        self.validation, self.average, self.patience = validation, average, patience
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
        numbers["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        with self.average.in_place() if self.average else nullcontext():
            numbers |= self._validate()
            if numbers.get("val_f1_macro", np.inf) > self.history.best_f1_macro:
                self.history.best_epoch, self.best_weights = epoch, self.model.get_weights()
        numbers["seconds"] = time.perf_counter() - self.started
        self.history.epochs.append(numbers)
        self.stopped = epoch - self.history.best_epoch >= self.patience
        self.model.stop_training = self.stopped
        self.save()
        if self.on_epoch:
            self.on_epoch(epoch, numbers)

    def _validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        labels = self.validation.labels
        predicted = predict_logits(self.model, self.validation.images).argmax(axis=1)
        f1 = f1_score(labels, predicted, average="macro", labels=np.unique(labels))
        return {"val_accuracy": float(np.mean(predicted == labels)), "val_f1_macro": float(f1)}

    def save(self) -> None:
        """Write weights, optimiser, best weights and history to one file, whole or not at all."""
        if self.checkpoint is None:
            return
        arrays: dict[str, Any] = {f"now_{i}": value for i, value in enumerate(_values(_state(self.model)))}
        arrays |= {f"average_{i}": value for i, value in enumerate(self.average.averages if self.average else [])}
        arrays |= {f"best_{i}": value for i, value in enumerate(self.best_weights)}
        history = json.dumps({"epochs": self.history.epochs, "best_epoch": self.history.best_epoch})
        beside = self.checkpoint.with_name(f".{uuid4().hex}.part.{self.checkpoint.name}")
        with beside.open("wb") as file:
            np.savez(file, history=np.array(history), stopped=np.array(self.stopped), **arrays)
        beside.replace(self.checkpoint)

    def restore(self, model: keras.Model) -> int:
        """Continue from the checkpoint where there is one; returns the epoch to begin with."""
        self.best_weights = model.get_weights()
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        with np.load(self.checkpoint) as saved:
            now, averages, best = ([saved[name] for name in saved.files if name.startswith(kind)] for kind in _ARRAYS)
            variables, averaged = _state(model), _statistics(model) if self.average else []
            if [v.shape for v in variables + averaged] != [value.shape for value in now + averages]:
                raise ValueError(f"{self.checkpoint}: the checkpoint of another network; remove it")
            _assign(variables, now)
            if self.average:
                self.average.averages = averages
            self.best_weights = best
            self.stopped = bool(saved["stopped"])
        self.history = read_history(self.checkpoint)
        for epoch, numbers in enumerate(self.history.epochs):
            if self.on_epoch:
                self.on_epoch(epoch, numbers)
        return len(self.history.epochs)


_ARRAYS = ("now_", "average_", "best_")


def _state(model: keras.Model) -> list[Any]:
    return [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]


def _statistics(model: keras.Model) -> list[Any]:
    """Means and variances that batch normalisation follows."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
    return [statistic for norm in norms for statistic in (norm.moving_mean, norm.moving_variance)]


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list[Any], values: list[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _schedule(learning_rate: float, steps: int, epochs: int) -> keras.optimizers.schedules.LearningRateSchedule:
    total, warm_up = steps * epochs, min(steps, steps * epochs // 5)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 100, total - warm_up, warmup_target=learning_rate, warmup_steps=warm_up
    )


def _optimizer(
    schedule: keras.optimizers.schedules.LearningRateSchedule, weight_decay: float, ema: float, precision: Precision
) -> keras.optimizers.Optimizer:
    average = {"use_ema": True, "ema_momentum": ema} if ema else {}
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, **average)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


def _batches(
    train: Examples,
    classes: int,
    batch_size: int,
    augment: Augment | None,
    balance: Balance,
    seed: int,
    epochs: range,
) -> tf.data.Dataset:
    """Batches of float32 images, one-hot labels and, where they differ, weights, made beside the training step."""
    rarity = _rarity(train.labels)

    def generate() -> Iterator[tuple[NDArray[np.float32], ...]]:
        for epoch in epochs:
            random = np.random.default_rng((seed, epoch))
            order = _order(rarity, balance, random)
            for start in range(0, len(order) - batch_size + 1, batch_size):
                chosen = np.sort(order[start : start + batch_size])
                images, labels = train.images[chosen], one_hot[train.labels[chosen]]
                batch = augment(images, labels, random) if augment else (images.astype(np.float32), labels)
                yield (*batch, rarity[chosen]) if balance == "weights" else batch

    one_hot = np.eye(classes, dtype=np.float32)
    shapes = [(batch_size, *train.images.shape[1:]), (batch_size, classes), (batch_size,)]
    specs = tuple(tf.TensorSpec(shape, tf.float32) for shape in (shapes if balance == "weights" else shapes[:2]))
    return tf.data.Dataset.from_generator(generate, output_signature=specs).prefetch(4)


def _rarity(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """One over the root of the share of each image's class, of mean 1."""
    _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[place])
    return np.asarray(weights / weights.mean(), np.float32)


def _order(rarity: NDArray[np.float32], balance: Balance, random: np.random.Generator) -> NDArray[np.int64]:
    """Places of the images of one epoch: each once, or as often as it is rare."""
    if balance != "sampling":
        return random.permutation(len(rarity))
    return random.choice(len(rarity), len(rarity), p=rarity / rarity.sum(dtype=np.float64))


def training_twin(model: keras.Model, precision: Precision, seed: int = 0) -> keras.Model:
    """A copy with the same weights for training: fused batch normalisation, columns apart, the precision asked for."""
    seeds = itertools.count(seed * 1000)
    columns = sum(_is_column(layer) for layer in model.layers)

    def twin_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if precision != "float32" and layer.dtype_policy.name == "float32" and not layer.name.startswith("logits"):
            config["dtype"] = f"mixed_{precision}"
        if "seed" in config:
            config["seed"] = next(seeds)
        if _is_column(layer):
            return _Share(int(layer.name.removeprefix(f"{COLUMN}_")), columns, **config)
        if columns and layer.name == "logits":
            return _Shares(**config)
        fused = type(layer) is keras.layers.BatchNormalization and layer.center and layer.scale
        return (_FusedBatchNormalization if fused else type(layer)).from_config(config)

    twin = keras.models.clone_model(model, clone_function=twin_of)
    twin.set_weights(model.get_weights())
    return twin


def _is_column(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Identity) and layer.name.startswith(f"{COLUMN}_")


class _Share(keras.layers.Identity):
    """The images that one of several columns learns from: every so many of a batch; all, where nothing is learnt."""

    def __init__(self, number: int, columns: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number, self.columns = number, columns

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return inputs[self.number :: self.columns] if training else inputs


class _Shares(keras.layers.Average):
    """The logits of all shares, in the order of the batch; the mean over columns, where nothing is learnt."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training:
            return super().call(inputs)
        joined = keras.ops.concatenate(inputs, axis=0)
        images = keras.ops.arange(keras.ops.shape(joined)[0])
        shares = [images[number :: len(inputs)] for number in range(len(inputs))]
        return keras.ops.take(joined, keras.ops.argsort(keras.ops.concatenate(shares)), axis=0)


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
