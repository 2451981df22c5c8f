"""From a recipe and images to a trained network: what `train`, the trials of `tune` and its last training share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras

    from models.fit import Examples, FitHistory, Precision
    from models.recipes import Recipe
    from pipelines.signs import SignDataset, Signs

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Trained:
    """A network with its best weights, and how it came to them."""

    model: keras.Model
    history: FitHistory


def train_network(
    recipe: Recipe,
    train: Examples,
    validation: Examples | None,
    *,
    classes: int,
    seed: int,
    precision: Precision = "float32",
    weights: str | None = None,
    strategy: Any = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> Trained:
    """Build the recipe's network and train it.

    Args:
        recipe: All choices.
        train: Examples to learn from, all of one size.
        validation: Examples to choose the epoch by; None trains for all epochs and keeps the last.
        classes: Number of classes.
        seed: Of initial weights, order and augmentation.
        precision: What convolutions compute in.
        weights: Of a pretrained network: a file, `imagenet`, or None for random ones.
        strategy: A `tf.distribute` strategy, to train on several devices.
        checkpoint: File that keeps the state after each epoch; training continues from it where it exists.
        on_epoch: Told of each epoch's numbers as soon as they are known.

    Raises:
        InputError: a recipe that cannot be built, or weights that do not fit.
        FloatingPointError: the loss is no longer finite.
    """
    import keras

    from models.fit import fit
    from models.policies import policy
    from models.transfer import WeightsError, fit_transfer

    keras.config.disable_interactive_logging()  # else MLflow's check of an example prints a progress bar
    keras.utils.set_random_seed(seed)
    try:
        model = recipe.build(classes, train.images.shape[1], weights=weights)
    except WeightsError as error:
        raise InputError(f"--weights {error}") from None
    except ValueError as error:
        raise InputError(f"{recipe.architecture}: {error}") from None
    common: dict[str, Any] = {
        "augment": policy(recipe.augmentation),
        "seed": seed,
        "precision": precision,
        "strategy": strategy,
        "checkpoint": checkpoint,
        "on_epoch": on_epoch,
        **{name: getattr(recipe, name) for name in _FIT_OPTIONS},
    }
    if recipe.pretrained:
        common |= {"head_epochs": recipe.head_epochs, "trainable": recipe.trainable}
        return Trained(model, fit_transfer(model, train, validation, **common))
    return Trained(model, fit(model, train, validation, **common))


_FIT_OPTIONS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "label_smoothing",
    "balance",
    "ema",
    "patience",
)


def read_splits(dataset: SignDataset, limit: int | None) -> dict[str, Signs]:
    """The images of all splits, or a stratified subset of each.

    Raises:
        InputError: a split is empty.
    """
    for split in SPLITS:
        if not sum(dataset.counts[split]):
            raise InputError(f"{dataset.folder}: no {split} images; training needs all of {', '.join(SPLITS)}")
    return {split: dataset.read(split, limit=limit) for split in SPLITS}


def examples(recipe: Recipe, splits: dict[str, Signs], dataset: SignDataset) -> tuple[Examples, Examples | None]:
    """What the recipe trains on, and what it chooses the epoch by: None where all tracks are trained on.

    Raises:
        InputError: drawn signs are asked for, and the classes are not those that can be drawn; too few images.
    """
    from models.fit import Examples

    train, validation = (Examples(splits[name].image, splits[name].label) for name in ("train", "validation"))
    if len(train.labels) < 2:
        raise InputError(f"{dataset.folder}: {len(train.labels)} training images; training needs two or more")
    if recipe.holdout == "frames":
        train, validation = _frames_apart(train, validation)
    parts = [train, validation] if recipe.all_tracks else [train]
    if recipe.rendered:
        parts.append(_drawn(recipe.rendered, dataset))
    return _joined(*parts), None if recipe.all_tracks else validation


def _frames_apart(train: Examples, validation: Examples) -> tuple[Examples, Examples]:
    """As many frames in each as before, but drawn from all: validation then knows the signs that it is asked for."""
    both = _joined(train, validation)
    order = np.random.default_rng(0).permutation(len(both.labels))
    first, rest = np.split(order, [len(train.labels)])
    return both.take(first), both.take(rest)


def _joined(*parts: Examples) -> Examples:
    return type(parts[0])(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def drawable(dataset: SignDataset) -> bool:
    """Whether its classes are those that the renderer can draw."""
    from pipelines.sources.gtsrb_classes import CLASS_NAMES

    return dataset.class_names == CLASS_NAMES


def _drawn(count: int, dataset: SignDataset) -> Examples:
    """So many drawn signs of each class."""
    from models.fit import Examples
    from pipelines.sources.gtsrb_classes import CLASS_NAMES
    from pipelines.sources.rendered import render

    if not drawable(dataset):
        raise InputError(f"--rendered {count}: the classes of {dataset.folder} are not those of GTSRB; give 0")
    labels = np.repeat(np.arange(len(CLASS_NAMES)), count)
    keys = [f"train/{label}/{number}" for label in range(len(CLASS_NAMES)) for number in range(count)]
    return Examples(render(labels, keys=keys, size=dataset.size), labels)


def resolve_precision(asked: str) -> Precision:
    """The precision asked for; auto takes half precision on GPUs with tensor cores alone."""
    import tensorflow as tf

    if asked != "auto":
        return asked  # type: ignore[return-value]
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    cores = [detail.get("compute_capability", (0, 0)) >= (7, 0) for detail in details]
    return "float16" if cores and all(cores) else "float32"


def checkpoint_name(recipe: Recipe, *more: Any) -> str:
    """The file name of this very training: other choices or other data have another one, and are never continued."""
    key = json.dumps([asdict(recipe), *more], sort_keys=True, default=str)
    return f"checkpoint-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"


def checkpoint_in(folder: Path, recipe: Recipe, *more: Any, resume: bool) -> Path:
    """The file of this very training in an output folder; unless it is resumed, what is there is forgotten.

    Raises:
        InputError: a file of this name is there that no run of ours has left.
    """
    from models.transfer import checkpoint_files, forget
    from pipelines.output_folder import claim

    path = folder / checkpoint_name(recipe, *more)
    claim(*checkpoint_files(path))
    if not resume:
        forget(path)
    return path
