"""Entry point: a model, a data set and a grid of noises in; curves, thresholds and a report out."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noise.levels import NoiseLevels
    from noise.plugins import Plugin
    from pipelines.classifier import Classifier
    from pipelines.signs import Signs
    from pipelines.tracking import TrackedRun

PRESETS = Path(__file__).with_name("presets")
PRESET, SMOKE_PRESET = "standard", "quick"
SMOKE_LIMIT = 200
LEAVES = (
    *("units", "predictions", "report", "curves.csv", "thresholds.csv", "thresholds.md", "per_class_thresholds.csv"),
    *("class_metrics.parquet", "image_thresholds.parquet", "distortions.csv", "visibility.csv", "rank_agreement.csv"),
    *("slight.csv", "slightest.csv", "corruption_errors.csv", "saliency.csv", "margins.csv"),
    *("confusion_flow.csv", "confidence.csv", "class_factors.csv"),
    *("network-*", "recipe_thresholds.csv", "recipe_thresholds.md", "recipe_visibility.csv", "networks.csv"),
)
"""What it writes right below --output."""


class NoiseGridSettings(Settings):
    """Options of `noise_grid`."""

    model: str = Field(
        "models:/signs@champion",
        description="Any classifier: MLflow URI, .keras or .h5 file, SavedModel or my.py:predict. Several trainings of "
        "one recipe: names with commas between, the folder of `train --repeats`, or tag:NAME=VALUE of their runs.",
    )
    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=8, description="Side of the images in pixels: noise is added at this size.")
    noise: str = Field("", description="NAME:LOW:HIGH:COUNT[,...], such as gaussian:0:0.5:11,black_rows:0:1:11.")
    preset: str = Field(
        "", description="A named grid: quick, standard (the default), weather, cifar-c or all; not beside --noise."
    )
    plugin: str = Field("", description="A Python file that registers noises of your own (README: Your own noise).")
    refine: bool | None = Field(
        None,
        description="Levels added around thresholds: by default where these lie between wide ones, but not to levels "
        "that --noise gives nor to cifar-c; true: start with few levels; false: none.",
    )
    bisect: int = Field(0, ge=0, le=20, description="Halvings of each image's own smallest failing level.")
    saliency: str = Field(
        "grad_cam",
        description="Ways to show what the network looks at, comma-separated: gradient, smooth_grad, "
        "integrated_gradients, grad_cam, occlusion; or none.",
    )
    repeats: int = Field(1, ge=1, description="Independent draws of each noise for each image.")
    limit: int | None = Field(None, ge=1, description="Use only so many test images, stratified by class.")
    pixel_range: str = Field(
        "auto",
        description="How the model reads images: auto, 255, 1, -1 (-1..1), -0.5, imagenet, image, caffe or data, with "
        ":bgr behind it for BGR.",
    )
    class_order: str = Field(
        "auto",
        description="The classes of the model's outputs: auto, numbers, strings (0, 1, 10, 11, ..., 2), names, kaggle, "
        "or the class of each with commas between.",
    )
    batch_size: int | None = Field(
        None, ge=1, description="Images in one forward pass; by default 64 on CPUs, 256 on GPUs."
    )
    workers: int | None = Field(None, ge=1, description="Model actors; by default as many as the cluster holds.")
    cpus_per_worker: int = Field(1, ge=1, description="CPU threads of each.")
    gpus_per_worker: float = Field(0.0, ge=0, description="GPUs, or a share of one, of each.")
    resume: bool = Field(False, description="Keep the units of work that --output already holds.")
    smoke_test: bool = Field(False, description=f"{SMOKE_LIMIT} images, and the quick grid unless --noise is given.")
    list: bool = Field(False, description="Print the noises and exit.")
    json_: bool = Field(False, alias="json", description="With --list: as JSON.")

    def require_effect(self) -> None:
        """Refuse a preset beside a grid of one's own, and JSON of nothing."""
        super().require_effect()
        require_one_grid(self.noise, self.preset)
        if self.json_ and not self.list:
            raise InputError("--json true: it is the form in which --list prints; give --list beside it")

    @property
    def images_a_batch(self) -> int:
        """Images in one forward pass: small batches stay in a CPU's cache, large ones fill a GPU."""
        return self.batch_size or (256 if self.gpus_per_worker else 64)


COLUMNS = ("name", "family", "unit", "low", "high", "source", "summary", "corruption", "severities")


def list_noises(settings: NoiseGridSettings) -> str | None:
    """The catalogue as text or JSON, if it was asked for."""
    if not settings.list:
        return None
    from noise import catalogue

    read_plugin(settings)
    rows = [{name: getattr(kind, name) for name in COLUMNS} for kind in catalogue().values()]
    if settings.json_:
        return json.dumps(rows, indent=2)
    columns = [(row["name"], row["family"], f"{row['low']:g} to {row['high']:g}", row["unit"]) for row in rows]
    widths = [max(len(cells[place]) for cells in columns) + 2 for place in range(4)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + row["summary"]
        for cells, row in zip(columns, rows, strict=True)
    )


@entry_point("noise_grid", NoiseGridSettings, leaves=LEAVES, answer=list_noises)
def noise_grid(settings: NoiseGridSettings, run: TrackedRun) -> Results:
    """Find how much of each noise a classifier stands: the levels at which it begins to fail, and fails."""
    from pipelines.classifier import open_classifiers, probes_of, require_recognising
    from pipelines.cluster import connect, share_out
    from pipelines.output_folder import discard
    from pipelines.publish import publish, publish_recipe
    from pipelines.quiet import load_tensorflow
    from pipelines.saliency import read_methods
    from pipelines.search import Search
    from pipelines.signs import prepared
    from pipelines.study import Study, study

    plugin = read_plugin(settings)
    levels = read_levels(settings)
    if settings.smoke_test:
        quick = {} if settings.noise else {"preset": SMOKE_PRESET}
        settings = settings.replaced("--smoke-test", {"limit": SMOKE_LIMIT} | quick)
    methods = read_methods(settings.saliency)
    signs = prepared(settings.data, size=settings.size, seed=settings.seed)
    load_tensorflow()
    if plugin:
        try_noises(plugin, levels, signs.read("test", limit=1))
    classifiers = open_classifiers(
        settings.model,
        probes_of(signs),
        signs.class_names,
        pixel_range=settings.pixel_range,
        class_order=settings.class_order,
    )
    for classifier in classifiers:
        require_recognising(classifier, signs.counts["test"])
    connect()
    workers = share_out(settings.workers, settings.cpus_per_worker, settings.gpus_per_worker)
    units = settings.output / "units"
    if not settings.resume:
        discard(units)

    def measure(classifier: Classifier, folder: Path) -> Study:
        search = Search(
            classifier=classifier,
            signs=signs,
            workers=workers,
            folder=folder,
            units=units,
            seed=settings.seed,
            repeats=settings.repeats,
            limit=settings.limit,
            batch_size=settings.images_a_batch,
            plugin=plugin,
        )
        return study(search, search.measure(levels, settings.refine), settings.bisect, methods)

    if len(classifiers) == 1:
        return publish(measure(classifiers[0], settings.output), run, settings.output)
    studies = {}
    networks = {f"network-{number}": classifier for number, classifier in enumerate(classifiers, start=1)}
    with ExitStack() as held:
        for name in networks:  # all of them before the first measurement
            held.enter_context(noise_grid.holding(settings.output / name))
        for name, classifier in networks.items():
            own = settings.model_copy(update={"model": classifier.name, "output": settings.output / name})
            with run.child(f"noise_grid/{name}", own) as child:
                studies[name] = measure(classifier, own.output)
                results = publish(studies[name], child, own.output)
                child.conclude(results.metrics, results.summary)
    return publish_recipe(studies, settings.model, run, settings.output)


def require_one_grid(noise: str, preset: str) -> None:
    """Refuse a grid that is given in two ways.

    Raises:
        InputError: both are given.
    """
    if noise and preset:
        raise InputError(f"--preset {preset}: --noise {noise} gives the grid; leave one of them out")


def read_plugin(settings: NoiseGridSettings) -> Plugin | None:
    """The plug-in of the settings, its noises registered.

    Raises:
        InputError: it cannot be read or run.
    """
    from noise import plugins

    try:
        return plugins.read(Path(settings.plugin)) if settings.plugin else None
    except ValueError as error:
        raise InputError(f"--plugin {error}") from None


def try_noises(plugin: Plugin, levels: Sequence[NoiseLevels], signs: Signs) -> None:
    """Make each noise once here, where its error can be told from one of the workers' own.

    Raises:
        InputError: one fails.
    """
    from noise import disturb

    one = signs.take(np.arange(1))
    for part in levels:
        try:
            disturb(part.kind, one.image, part.levels[-1:], image_ids=one.image_id.tolist())
        except Exception as error:
            where = f"--plugin {plugin.name}, noise {part.kind.name} at level {part.levels[-1]:g}"
            raise InputError(f"{where}: {type(error).__name__}: {error}; mend the plug-in") from error


def read_levels(settings: NoiseGridSettings) -> tuple[NoiseLevels, ...]:
    """The grid of the settings: --noise if given, else the preset.

    Raises:
        InputError: an unknown preset or noise, a level out of range, an empty grid.
    """
    from noise.levels import read_grid

    try:
        if settings.noise:
            return read_grid(settings.noise)
        return read_preset(SMOKE_PRESET if settings.smoke_test else settings.preset or PRESET)
    except InputError:
        raise
    except ValueError as error:
        option = "--noise" if settings.noise else f"--preset {settings.preset}"
        raise InputError(f"{option}: {error}") from None


def read_preset(name: str) -> tuple[NoiseLevels, ...]:
    """A named grid: a file of `presets/`, or one that follows from the catalogue.

    Raises:
        InputError: there is none of this name.
    """
    import yaml

    from noise import find
    from noise.levels import at_severities, every_noise, make_grid, usual_levels

    computed = {"all": every_noise, "cifar-c": at_severities}
    if name in computed:
        return computed[name]()
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted([*computed, *(found.stem for found in PRESETS.glob("*.yaml"))]))
        raise InputError(f"--preset {name}: there is no such grid; choose one of {known}")
    wanted = yaml.safe_load(path.read_text())
    return make_grid([(noise, levels or usual_levels(find(noise))) for noise, levels in wanted.items()])


if __name__ == "__main__":
    noise_grid.command()
