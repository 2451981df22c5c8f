"""Entry point: train a classifier of road signs, score it on the test images, and log all of it."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError
from pipelines.options import read_options, reason
from pipelines.tracking import curve_name

if TYPE_CHECKING:
    from pathlib import Path

    from models.recipes import Recipe
    from pipelines.outcome import Outcome
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

logger = logging.getLogger("pipelines.train")  # __name__ is __main__ under `python -m`

SMOKE_LIMIT = 1290
SMOKE_EPOCHS = 4
SMOKE = {"limit": SMOKE_LIMIT, "epochs": SMOKE_EPOCHS, "rendered": 0, "register_model": False, "champion": None}
RANDOM = "random"
LEAVES = (
    *("model.keras", "scores.json", "report.txt", "per_class.csv", "history.csv", "mistakes.csv", "confusion.png"),
    *("predictions.parquet", "mistakes.png", "neuron_load.csv", "neuron_load.png", "together.csv", "repeats.csv"),
    *("ensemble.keras", "seed-*"),
)
"""What it writes right below --output, checkpoints besides, whose names no other file can have."""


class TrainSettings(Settings):
    """Options of `train`; what is not given is as the network's recipe has it."""

    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=16, description="Side of the images in pixels.")
    network: str = Field(
        "default",
        description="A recipe: default, best, reference, lenet, separable, mobilenet_v2, mobilenet, resnet50, "
        "inception_v3 or efficientnet_v2_b0. The options below change it.",
    )
    options: str = Field("", description="Of its architecture: NAME=VALUE[,...], such as width=1.5,dropout=0.3.")
    weights: str = Field("", description="Of a pretrained network: a file, imagenet (its default) or random.")
    epochs: int | None = Field(None, ge=1, description="Most passes over the training images.")
    batch_size: int | None = Field(None, ge=2, description="Images a training step.")
    learning_rate: float | None = Field(None, gt=0, description="Largest learning rate; it warms up, then falls.")
    weight_decay: float | None = Field(None, ge=0, description="AdamW's weight decay.")
    label_smoothing: float | None = Field(None, ge=0, lt=1, description="Share of each label spread over all classes.")
    augmentation: str | None = Field(
        None, description="none, or some of signs, sensor, randaugment, erasing, mixup, cutmix, gridmask joined by +."
    )
    balance: Literal["none", "weights", "sampling"] | None = Field(None, description="Against unequal classes.")
    ema: float | None = Field(None, ge=0, lt=1, description="Decay of the moving average of the weights; 0: none.")
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without a better macro-F1.")
    rendered: int | None = Field(None, ge=0, description="Drawn signs a class beside the training images.")
    holdout: Literal["tracks", "frames"] | None = Field(
        None, description="What validation holds out; frames of the same tracks flatter."
    )
    all_tracks: bool | None = Field(None, description="Train on the validation tracks too; keeps the last epoch.")
    head_epochs: int | None = Field(None, ge=0, description="Of a pretrained network: epochs of its head alone.")
    trainable: float | None = Field(
        None, ge=0, le=1, description="Of a pretrained network: share of its layers, from the top, that is tuned."
    )
    repeats: int = Field(1, ge=1, description="Train so many times, with seeds from --seed on, and join them too.")
    views: int = Field(
        1, ge=1, le=9, description="With more than 1: score the mean over so many views of an image, too."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Of the convolutions while training; auto: float16 on a GPU with tensor cores, else float32.",
    )
    strategy: Literal["none", "mirrored"] = Field("none", description="mirrored: one model on all GPUs at once.")
    limit: int | None = Field(None, ge=1, description="Use only so many images of each split, stratified by class.")
    register_model: bool = Field(
        True, description="Register it as `signs`; alias `champion` where it is the better by validation, or first."
    )
    champion: bool | None = Field(
        None, description="true: make it the champion, false: do not, whatever its validation says."
    )
    resume: bool = Field(False, description="Continue the interrupted training that --output holds.")
    smoke_test: bool = Field(False, description=f"{SMOKE_EPOCHS} epochs on {SMOKE_LIMIT} images, nothing registered.")

    def recipe(self) -> Recipe:
        """The network's recipe with the changes of these settings.

        Raises:
            InputError: an unknown network or option, or a value that it cannot have.
        """
        from models.recipes import RECIPES, Recipe

        if self.network not in RECIPES:
            raise InputError(f"--network {self.network}: no such network; choose one of {', '.join(RECIPES)}")
        changes = self.model_dump(include=set(Recipe.__dataclass_fields__) - {"options"}, exclude_none=True)
        try:
            options = read_options(self.options, own=Recipe.__dataclass_fields__)
            recipe = RECIPES[self.network].updated(**changes, **options)
        except ValueError as error:
            raise InputError(f"--network {self.network}, --options {self.options!r}: {reason(error)}") from None
        self._require_pretrained(recipe)
        for name in ("patience", "holdout") if recipe.all_tracks else ():
            if self.given(name):
                raise InputError(
                    f"--{name} {getattr(self, name)}: with --all-tracks true, which --network {self.network} may have "
                    "of itself, no image is held out to choose an epoch by; leave it out, or give --all-tracks false"
                )
        return recipe

    def require_effect(self) -> None:
        """Refuse to make a champion of what is not registered."""
        super().require_effect()
        if self.champion and not self.register_model:
            raise InputError("--champion true: --register-model false registers nothing; leave one of them out")

    def _require_pretrained(self, recipe: Recipe) -> None:
        """Refuse what decides nothing in the training of a network of our own.

        Raises:
            InputError: of the first such option.
        """
        from models.transfer import BACKBONES
        from pipelines.spaces import OF_PRETRAINED

        for name in ("weights", *OF_PRETRAINED):
            value = getattr(self, name)
            if value not in (None, "", RANDOM) and not recipe.pretrained:
                raise InputError(
                    f"--{name.replace('_', '-')} {value}: --network {self.network} starts from random weights, all of "
                    f"it trained at once; leave it out, or choose one of {', '.join(BACKBONES)}"
                )

    def initial_weights(self, recipe: Recipe) -> str | None:
        """What the network starts from: None for random weights."""
        asked = self.weights or ("imagenet" if recipe.pretrained else RANDOM)
        return None if asked == RANDOM else asked


@entry_point("train", TrainSettings, leaves=LEAVES)
def train(settings: TrainSettings, run: TrackedRun) -> Results:
    """Train a classifier of road signs and score it on the test images."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    from pipelines.quiet import load_tensorflow
    from pipelines.signs import prepared
    from pipelines.training import drawable, read_splits

    load_tensorflow()
    recipe = settings.recipe()
    if settings.smoke_test:
        recipe = recipe.updated(epochs=SMOKE_EPOCHS, rendered=0, head_epochs=min(1, recipe.head_epochs))
        settings = settings.replaced("--smoke-test", SMOKE | {"head_epochs": recipe.head_epochs})
    dataset = prepared(settings.data, size=settings.size, seed=settings.seed)
    splits = read_splits(dataset, settings.limit)
    if settings.rendered is None and not drawable(dataset):
        recipe = recipe.updated(rendered=0)  # a recipe for GTSRB, and signs of other classes
    if settings.repeats > 1:
        return _train_repeatedly(settings, recipe, dataset, splits, run)
    found, results = _train_once(settings, recipe, dataset, splits, run)
    return results if settings.views == 1 else _with_views(found, results, settings, run)


def _train_once(
    settings: TrainSettings, recipe: Recipe, dataset: SignDataset, splits: dict[str, Signs], run: TrackedRun
) -> tuple[Outcome, Results]:
    from pipelines import outcome

    found = _fit(settings, recipe, dataset, splits, run)
    files = outcome.write_files(found, dataset.class_names, settings.output)
    crowned = outcome.log_outcome(
        run,
        found,
        dataset,
        splits,
        files,
        register=settings.register_model,
        champion=settings.champion,
        tracks_held_out=recipe.holdout == "tracks",
    )
    return found, Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": found.model.count_params()},
        metrics=found.metrics(),
        artifacts={path.name: str(path) for path in files},
        summary=outcome.summarise(found, settings.output, crowned),
    )


def _with_views(found: Outcome, results: Results, settings: TrainSettings, run: TrackedRun) -> Results:
    """The results, and what several views of each image add to them."""
    from pipelines.repeats import together_lines, together_table
    from pipelines.tables import write_tables

    together = together_table([found], settings.views)
    files = write_tables({"together.csv": together}, settings.output)
    run.log_files(files)
    artifacts = results.artifacts | {path.name: str(path) for path in files}
    return replace(results, artifacts=artifacts, summary=f"{results.summary}\n\n{together_lines(together)}")


def _train_repeatedly(
    settings: TrainSettings, recipe: Recipe, dataset: SignDataset, splits: dict[str, Signs], run: TrackedRun
) -> Results:
    """Train with one seed after the other, each in a nested run, and compare and join the networks."""
    from pipelines.repeats import join

    _describe(run, settings, recipe, dataset)
    outcomes = {}
    folders = {
        seed: settings.output / f"seed-{seed}" for seed in range(settings.seed, settings.seed + settings.repeats)
    }
    with ExitStack() as held:
        for folder in folders.values():  # all of them before the first training
            held.enter_context(train.holding(folder))
        for seed, folder in folders.items():
            own = settings.model_copy(update={"seed": seed, "output": folder, "register_model": False})
            with run.child(f"train/seed-{seed}", own) as child:
                outcomes[seed], results = _train_once(own, recipe, dataset, splits, child)
                child.conclude(results.metrics, results.summary)
    return join(
        outcomes,
        dataset,
        splits,
        run,
        settings.output,
        views=settings.views,
        register=settings.register_model,
        champion=settings.champion,
        tracks_held_out=recipe.holdout == "tracks",
    )


def _fit(
    settings: TrainSettings, recipe: Recipe, dataset: SignDataset, splits: dict[str, Signs], run: TrackedRun
) -> Outcome:
    import tensorflow as tf

    from pipelines.outcome import score
    from pipelines.training import examples, resolve_precision, train_network

    precision = resolve_precision(settings.precision)
    devices = [device.name for device in tf.config.list_logical_devices("GPU")] or ["CPU"]
    logger.info("training %s on %s in %s", settings.network, ", ".join(devices), precision)
    run.log_params({"resolved_precision": precision, "devices": ", ".join(devices)})
    _describe(run, settings, recipe, dataset)
    train_examples, validation = examples(recipe, splits, dataset)
    try:
        trained = train_network(
            recipe,
            train_examples,
            validation,
            classes=len(dataset.class_names),
            seed=settings.seed,
            precision=precision,
            weights=settings.initial_weights(recipe),
            strategy=_strategy(settings.strategy),
            checkpoint=_checkpoint(settings, recipe, dataset, precision),
            on_epoch=lambda epoch, numbers: _on_epoch(run, epoch, recipe.all_epochs, numbers),
        )
    except FloatingPointError as error:
        raise InputError(f"--learning-rate {recipe.learning_rate}: training diverged, {error}") from None
    return score(trained, splits["test"], dataset.class_names)


def _describe(run: TrackedRun, settings: TrainSettings, recipe: Recipe, dataset: SignDataset) -> None:
    run.log_params({"recipe": recipe, "data_digest": dataset.digest})
    run.identify({"data": dataset.name, "model": settings.network})


def _on_epoch(run: TrackedRun, epoch: int, epochs: int, numbers: dict[str, float]) -> None:
    validation = ""
    if "val_accuracy" in numbers:
        validation = f"; validation accuracy {numbers['val_accuracy']:.4f}, macro-F1 {numbers['val_f1_macro']:.4f}"
    logger.info(
        "epoch %2d of %d: loss %.4f, accuracy %.4f%s (%.0f s)",
        epoch + 1, epochs, numbers["loss"], numbers["accuracy"], validation, numbers["seconds"],
    )  # fmt: skip
    run.log_metrics({curve_name(name): value for name, value in numbers.items()}, step=epoch)


def _strategy(name: str) -> Any:
    import tensorflow as tf

    if name == "none":
        return None
    if not tf.config.list_physical_devices("GPU"):
        raise InputError("--strategy mirrored: no GPU is visible here; leave it at none")
    return tf.distribute.MirroredStrategy()


def _checkpoint(settings: TrainSettings, recipe: Recipe, dataset: SignDataset, precision: str) -> Path:
    """The file of this very training under --output; without --resume what it holds is forgotten."""
    from pipelines.training import checkpoint_in

    given = (settings.seed, settings.size, settings.limit, settings.weights, dataset.digest, precision)
    return checkpoint_in(settings.output, recipe, *given, resume=settings.resume)


if __name__ == "__main__":
    train.command()
