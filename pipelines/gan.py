"""Entry point: train a GAN of road signs, of one class or of all, score its samples and log all of it."""

from __future__ import annotations

import difflib
import logging
import os
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError
from pipelines.options import read_options, reason

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gan.recipes import GanRecipe
    from gan.training import OnReport, TrainedGan
    from pipelines.gan_judge import Judge
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

logger = logging.getLogger("pipelines.gan")  # __name__ is __main__ under `python -m`

FEWEST = {"train": 32, "validation": 8}
"""Images of each split that a GAN is trained on and scored against, at least."""
SMOKE_RECIPE = {"width": 8, "discriminator_width": 8}
SMOKE = {"steps": 20, "batch_size": 16, "samples": 48, "scores_every": 10, "register_model": False}
CHECKPOINT = "checkpoint.npz"
OWN_OPTIONS = ("latent", "loss", "steps", "batch_size")
"""Choices of a recipe that have an option of their own."""


class GanSettings(Settings):
    """Options of `gan`; what is not given is as the recipe has it."""

    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=16, description="Side of the images in pixels, a multiple of 16.")
    network: str = Field(
        "",
        description="A recipe: tutorial, dcgan (default with --class), conditional (default without), style or "
        "image_to_image. The options below change it.",
    )
    class_: str = Field("", alias="class", description="Generate this class alone, by name or number; empty: all.")
    latent: str | None = Field(
        None,
        description="What enters the generator: uniform, gaussian, truncated_gaussian, spherical, mixture, perlin, "
        "gabor, band_limited, edges, blurred, noisy or pictogram.",
    )
    loss: str | None = Field(
        None,
        description="minimax, non_saturating, least_squares, hinge, wasserstein or wasserstein_gp.",
    )
    options: str = Field("", description="Others of the recipe: NAME=VALUE[,...], such as r1=1,ema=0.999.")
    steps: int | None = Field(None, ge=1, description="Updates of the generator.")
    batch_size: int | None = Field(None, ge=2, description="Images a step.")
    extractor: str = Field(
        "",
        description="What judges the samples: a .keras classifier of the same classes, or NAME:WEIGHTS, such as "
        "mobilenet_v2:imagenet; empty: principal components of pixels.",
    )
    scores_every: int = Field(500, ge=1, description="Steps from one scoring to the next; the best generator is kept.")
    samples: int = Field(1000, ge=16, description="Generated images in each scoring.")
    limit: int | None = Field(None, ge=1, description="Use only so many images of each split, stratified by class.")
    register_model: bool = Field(True, description="Register the generator as `sign-generator`.")
    resume: bool = Field(False, description="Continue the interrupted training that --output holds.")
    smoke_test: bool = Field(False, description=f"{SMOKE['steps']} steps of a tiny GAN, nothing registered.")

    @property
    def recipe_name(self) -> str:
        """The recipe asked for, or that of one class or of all."""
        return self.network or ("dcgan" if self.class_ else "conditional")

    def recipe(self) -> GanRecipe:
        """The recipe with the changes of these settings.

        Raises:
            InputError: an unknown recipe or option, or a value that it cannot have.
        """
        from gan.recipes import GAN_RECIPES

        name = self.recipe_name
        if name not in GAN_RECIPES:
            raise InputError(f"--network {name}: no such recipe; choose one of {', '.join(GAN_RECIPES)}")
        given = self.model_dump(include=set(OWN_OPTIONS), exclude_none=True)
        try:
            changes = (SMOKE_RECIPE if self.smoke_test else {}) | read_options(self.options, own=OWN_OPTIONS) | given
            return GAN_RECIPES[name].updated(**changes)
        except ValueError as error:
            raise InputError(f"--network {name}, --options {self.options!r}: {reason(error)}") from None


@entry_point("gan", GanSettings)
def gan(settings: GanSettings, run: TrackedRun) -> Results:
    """Train a GAN of road signs, of one class or of all, and score what it generates."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    from pipelines.gan_outcome import conclude, publish
    from pipelines.quiet import load_tensorflow
    from pipelines.signs import prepared

    load_tensorflow()
    import tensorflow as tf

    if settings.smoke_test:
        settings = settings.model_copy(update=SMOKE)
    recipe = settings.recipe()
    dataset = prepared(settings.data, size=settings.size, seed=settings.seed)
    label = find_class(settings.class_, dataset.class_names)
    if label is not None and recipe.conditional:
        raise InputError(f"--class {settings.class_}: {recipe.conditioning} needs all classes; choose --network dcgan")
    train, real = (read_signs(settings, dataset, split, label) for split in FEWEST)
    judge = open_judge(settings, recipe, dataset, train, real, label)
    devices = ", ".join(device.name for device in tf.config.list_logical_devices("GPU")) or "CPU"
    logger.info("training %s on %d images on %s: %d steps", settings.recipe_name, len(train), devices, recipe.steps)
    run.log_params({"recipe": recipe, "data_digest": dataset.digest, "devices": devices})
    run.set_tags({"data": dataset.name, "model": settings.recipe_name, "class": settings.class_ or "all"})
    outcome = conclude(_train(settings, recipe, dataset, train, judge, run), judge)
    return publish(outcome, dataset, run, settings.output, register=settings.register_model)


def find_class(asked: str, class_names: tuple[str, ...]) -> int | None:
    """The number of a class given by name or number; None for all.

    Raises:
        InputError: there is no such class.
    """
    if not asked:
        return None
    folded = [name.casefold() for name in class_names]
    if asked.casefold() in folded:
        return folded.index(asked.casefold())
    if asked.isdecimal() and int(asked) < len(class_names):
        return int(asked)
    near = [class_names[folded.index(name)] for name in difflib.get_close_matches(asked.casefold(), folded, cutoff=0.5)]
    names = ", ".join(near or class_names[:3])
    raise InputError(
        f"--class {asked}: there is no such class; give a number from 0 to {len(class_names) - 1} or a name, as {names}"
    )


def read_signs(settings: GanSettings, dataset: SignDataset, split: str, label: int | None) -> Signs:
    """The images of a split, of one class or all; to compare with, of all no more than there are samples.

    Raises:
        InputError: there are too few.
    """
    limits = [settings.limit, settings.samples if split == "validation" and label is None else None]
    signs = dataset.read(split, limit=min([limit for limit in limits if limit], default=None))
    if label is not None:
        signs = signs.take(signs.label == label)
    if len(signs) < FEWEST[split]:
        of = "" if label is None else f" of class {label}, {dataset.class_names[label]}"
        raise InputError(
            f"{dataset.folder}: {len(signs)} {split} images{of}; a GAN needs {FEWEST[split]} or more: "
            "choose another class, more data or a larger --limit"
        )
    return signs


def _given(recipe: GanRecipe, dataset: SignDataset, signs: Signs) -> NDArray[np.uint8] | None:
    """What enters a generator that translates pictograms: a drawn sign of each sign's class; None for all others.

    Raises:
        InputError: classes that cannot be drawn.
    """
    if recipe.latent != "pictogram":
        return None
    from pipelines.sources.rendered import render
    from pipelines.training import drawable

    if not drawable(dataset):
        raise InputError(
            f"--latent pictogram: the classes of {dataset.folder} are not those of GTSRB; choose edges or blurred"
        )
    return render(signs.label, keys=signs.image_id.tolist(), size=dataset.size)


def open_judge(
    settings: GanSettings, recipe: GanRecipe, dataset: SignDataset, train: Signs, real: Signs, label: int | None
) -> Judge:
    """Who scores the generators of a training.

    Raises:
        InputError: there is no such extractor, or classes that cannot be drawn.
    """
    from pipelines.gan_judge import Judge, open_extractor

    return Judge(
        recipe,
        open_extractor(settings.extractor, train),
        train,
        real,
        count=settings.samples,
        classes=len(dataset.class_names),
        label=label,
        seed=settings.seed,
        given=_given(recipe, dataset, real),
    )


def fit(
    settings: GanSettings,
    recipe: GanRecipe,
    dataset: SignDataset,
    train: Signs,
    judge: Judge,
    *,
    checkpoint: Path,
    on_report: OnReport,
) -> TrainedGan:
    """Train from the checkpoint on, where there is one, and keep the generator that the judge likes best.

    Raises:
        FloatingPointError: the training diverged.
        ValueError: choices that do not fit each other, or a checkpoint of other ones.
    """
    from gan.training import train_gan

    return train_gan(
        recipe,
        train.image,
        train.label,
        classes=judge.classes,
        seed=settings.seed,
        report_every=settings.scores_every,
        score=judge,
        objective=judge.objective,
        checkpoint=checkpoint,
        on_report=on_report,
        given=_given(recipe, dataset, train),
    )


def _train(
    settings: GanSettings, recipe: GanRecipe, dataset: SignDataset, train: Signs, judge: Judge, run: TrackedRun
) -> TrainedGan:
    import keras

    from pipelines.gan_outcome import Progress

    keras.config.disable_interactive_logging()  # else MLflow's check of an example prints a progress bar
    checkpoint = settings.output / CHECKPOINT
    if not settings.resume:
        checkpoint.unlink(missing_ok=True)
    progress = Progress(run, judge, recipe.steps, settings.output)
    try:
        return fit(settings, recipe, dataset, train, judge, checkpoint=checkpoint, on_report=progress)
    except FloatingPointError as error:
        run.set_tags({"failure/diverged": str(error)})
        rates = f"generator_rate={recipe.generator_rate:g},discriminator_rate={recipe.discriminator_rate:g}"
        raise InputError(f"--options {rates}: training diverged, {error}") from None
    except ValueError as error:
        raise InputError(str(error)) from None


if __name__ == "__main__":
    gan.command()
