"""Entry point: train a GAN of road signs, of one class or of all, score its samples and log all of it."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError
from pipelines.gans.signs import FEWEST, entering, find_class, read_signs
from pipelines.options import read_options, reason

if TYPE_CHECKING:
    from pathlib import Path

    from gan.recipes import GanRecipe
    from gan.training import DivergenceError, OnReport, TrainedGan
    from pipelines.gans.scoring import Judge
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

logger = logging.getLogger("pipelines.gan")  # __name__ is __main__ under `python -m`

SMOKE_RECIPE = {"width": 8, "discriminator_width": 8}
SMOKE = {"steps": 20, "batch_size": 16, "samples": 48, "scores_every": 10, "register_model": False}
CHECKPOINT = "checkpoint.npz"
LEAVES = (
    *("generator.keras", "scores.json", "samples.png", "per_class.csv", "training.png", "history.csv", "training.gif"),
    *("previews", CHECKPOINT),
)
"""What it writes right below --output."""
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
        description="What measures distances of samples: a .keras classifier, or NAME:WEIGHTS, such as "
        "mobilenet_v2:imagenet; empty: principal components of pixels.",
    )
    classifier: str = Field(
        "", description="What names the classes of samples: a .keras classifier; empty: the extractor, if it is one."
    )
    scores_every: int = Field(500, ge=1, description="Steps from one scoring to the next; the best generator is kept.")
    samples: int = Field(
        1000, ge=16, description="Generated images in the final scoring; in the course of training 1000 at most."
    )
    cas: bool = Field(
        False,
        description="Classification accuracy score: train a classifier on samples alone and test it on real signs; "
        "two trainings more.",
    )
    workers: int | None = Field(
        None, ge=1, description="Ray workers that extract the features of the final scores; by default none."
    )
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


@entry_point("gan", GanSettings, leaves=LEAVES)
def gan(settings: GanSettings, run: TrackedRun) -> Results:
    """Train a GAN of road signs, of one class or of all, and score what it generates."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    from pipelines.quiet import load_tensorflow
    from pipelines.signs import prepared

    load_tensorflow()
    import tensorflow as tf

    from gan.training import DivergenceError
    from pipelines.gans.outcome import conclude, publish, with_accuracy

    if settings.smoke_test:
        settings = settings.replaced("--smoke-test", SMOKE)
    recipe = settings.recipe()
    dataset = prepared(settings.data, size=settings.size, seed=settings.seed)
    label = find_class(settings.class_, dataset.class_names)
    require_fitting(settings, recipe, dataset, label)
    signs = {split: read_signs(settings, dataset, split, label) for split in FEWEST}
    chooser, final = open_judges(settings, recipe, dataset, signs, label)
    devices = ", ".join(device.name for device in tf.config.list_logical_devices("GPU")) or "CPU"
    logger.info(
        "training %s on %d images on %s: %d steps", settings.recipe_name, len(signs["train"]), devices, recipe.steps
    )
    chosen = {f"recipe/{name}": value for name, value in asdict(recipe).items()}
    run.log_params({**chosen, "data_digest": dataset.digest, "devices": devices})
    run.identify({"data": dataset.name, "model": settings.recipe_name, "class": settings.class_ or "all"})
    try:
        trained = _train(settings, recipe, dataset, signs["train"], chooser, run)
    except DivergenceError as error:
        left = _publish_diverged(error, settings, dataset, signs["train"], chooser, final, run)
        rates = f"generator_rate={recipe.generator_rate:g},discriminator_rate={recipe.discriminator_rate:g}"
        raise InputError(f"--options {rates}: training diverged, {error}; {left}") from None
    outcome = conclude(trained, chooser, final, dataset, signs["train"])
    if settings.cas:
        every = {**signs, "test": dataset.read("test", limit=settings.limit)}
        outcome = with_accuracy(outcome, dataset, every, settings.output)
    return publish(outcome, dataset, run, settings.output, register=settings.register_model)


def require_fitting(settings: GanSettings, recipe: GanRecipe, dataset: SignDataset, label: int | None) -> None:
    """Find out that choices do not fit each other before anything of an earlier training is removed.

    Raises:
        InputError: they do not.
    """
    if label is not None and recipe.conditional:
        raise InputError(f"--class {settings.class_}: {recipe.conditioning} needs all classes; choose --network dcgan")
    if settings.cas and not recipe.conditional:
        raise InputError(f"--cas: {settings.recipe_name} is asked for no class; choose --network conditional")
    try:
        recipe.build(dataset.size, len(dataset.class_names))
    except ValueError as error:
        raise InputError(f"--network {settings.recipe_name}: {error}") from None


def open_judges(
    settings: GanSettings, recipe: GanRecipe, dataset: SignDataset, signs: dict[str, Signs], label: int | None
) -> tuple[Judge, Judge]:
    """Who chooses the best generator, by validation images, and who judges it in the end, by test images.

    Raises:
        InputError: there are no such networks or too few images, or they do not fit each other.
    """
    from pipelines.classifier import probes_of
    from pipelines.gans.judge import open_jury
    from pipelines.gans.scoring import choosing_judge, final_judge

    jury = open_jury(settings, signs["train"], len(dataset.class_names), probes_of(dataset))
    chooser = choosing_judge(settings, recipe, dataset, jury, signs["validation"], label)
    return chooser, final_judge(settings, recipe, dataset, jury, signs, label)


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
        DivergenceError: a loss or a gradient is no longer finite.
        ValueError: choices that do not fit each other, or a checkpoint of other ones.
    """
    from gan.training import train_gan

    given = entering(recipe, dataset, train)
    return train_gan(
        recipe,
        train.image,
        train.label,
        classes=len(dataset.class_names),
        seed=settings.seed,
        report_every=settings.scores_every,
        score=judge,
        objective=judge.order,
        checkpoint=checkpoint,
        on_report=on_report,
        given=None if given is train else given.image,
        alike=judge.alike(),
    )


def _train(
    settings: GanSettings, recipe: GanRecipe, dataset: SignDataset, train: Signs, judge: Judge, run: TrackedRun
) -> TrainedGan:
    import keras

    from pipelines.gans.course import Progress
    from pipelines.output_folder import claim

    keras.config.disable_interactive_logging()  # else MLflow's check of an example prints a progress bar
    checkpoint = settings.output / CHECKPOINT
    claim(checkpoint)
    if not settings.resume:
        checkpoint.unlink(missing_ok=True)
    progress = Progress(run, judge, recipe.steps, settings.output)
    try:
        return fit(settings, recipe, dataset, train, judge, checkpoint=checkpoint, on_report=progress)
    except ValueError as error:
        raise InputError(str(error)) from None


def _publish_diverged(
    error: DivergenceError,
    settings: GanSettings,
    dataset: SignDataset,
    train: Signs,
    chooser: Judge,
    final: Judge,
    run: TrackedRun,
) -> str:
    """Keep and log what there was before, registering nothing; returns in words what that is."""
    from pipelines.gans.course import publish_course
    from pipelines.gans.outcome import conclude, publish

    if not error.trained.reports:
        publish_course(error.trained, chooser, run, settings.output)
        return f"no generator was scored before, its curves are in {settings.output}"
    outcome = conclude(error.trained, chooser, final, dataset, train)
    publish(outcome, dataset, run, settings.output, register=False)
    return f"the generator of step {outcome.best_step} and its scores are in {settings.output}"


if __name__ == "__main__":
    gan.command()
