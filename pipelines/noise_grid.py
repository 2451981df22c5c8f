"""Entry point: a model, a data set and a grid of noises in; curves, thresholds and a report out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError

if TYPE_CHECKING:
    from noise.levels import NoiseLevels
    from pipelines.tracking import TrackedRun

PRESETS = Path(__file__).with_name("presets")
SMOKE_LIMIT = 200


class NoiseGridSettings(Settings):
    """Options of `noise_grid`."""

    model: str = Field("models:/signs@champion", description="MLflow model URI, or a .keras file, of any classifier.")
    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=8, description="Side of the images in pixels: noise is added at this size.")
    noise: str = Field("", description="NAME:LOW:HIGH:COUNT[,...], such as gaussian:0:0.5:11,black_rows:0:1:11.")
    preset: str = Field("standard", description="A named grid: quick or standard; --noise takes its place.")
    repeats: int = Field(1, ge=1, description="Independent draws of each noise for each image.")
    limit: int | None = Field(None, ge=1, description="Use only so many test images, stratified by class.")
    pixel_range: Literal["auto", "255", "1"] = Field("auto", description="What white is in the model's input.")
    batch_size: int = Field(256, ge=1, description="Images in one forward pass.")
    workers: int | None = Field(None, ge=1, description="Model actors; by default as many as the cluster holds.")
    cpus_per_worker: int = Field(1, ge=1, description="CPU threads of each.")
    gpus_per_worker: float = Field(0.0, ge=0, description="GPUs, or a share of one, of each.")
    resume: bool = Field(False, description="Keep the units of work that --output already holds.")
    smoke_test: bool = Field(False, description=f"The quick grid on {SMOKE_LIMIT} images.")
    list: bool = Field(False, description="Print the noises and exit.")
    json_: bool = Field(False, alias="json", description="With --list: as JSON.")


def list_noises(settings: NoiseGridSettings) -> str | None:
    """The catalogue as text or JSON, if it was asked for."""
    if not settings.list:
        return None
    from noise import catalogue

    rows = [
        {name: getattr(kind, name) for name in ("name", "family", "unit", "low", "high", "source", "summary")}
        for kind in catalogue().values()
    ]
    if settings.json_:
        return json.dumps(rows, indent=2)
    columns = [(row["name"], row["family"], f"{row['low']:g} to {row['high']:g}", row["unit"]) for row in rows]
    widths = [max(len(cells[place]) for cells in columns) + 2 for place in range(4)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + row["summary"]
        for cells, row in zip(columns, rows, strict=True)
    )


@entry_point("noise_grid", NoiseGridSettings, answer=list_noises)
def noise_grid(settings: NoiseGridSettings, run: TrackedRun) -> Results:
    """Find how much of each noise a classifier stands: the levels at which it begins to fail, and fails."""
    from noise.levels import by_name, by_unit
    from pipelines import grid
    from pipelines.analysis import analyse
    from pipelines.classifier import open_classifier
    from pipelines.cluster import connect, share_out
    from pipelines.publish import Grid, publish
    from pipelines.quiet import load_tensorflow
    from pipelines.signs import prepared

    levels = read_levels(settings)
    limit = SMOKE_LIMIT if settings.smoke_test else settings.limit
    signs = prepared(settings.data, size=settings.size, seed=settings.seed)
    probes = signs.read("test", limit=256)
    load_tensorflow()
    classifier = open_classifier(settings.model, probes, signs.class_names, pixel_range=settings.pixel_range)
    connect()
    workers = share_out(settings.workers, settings.cpus_per_worker, settings.gpus_per_worker)

    units = grid.plan(classifier, signs, levels, seed=settings.seed, repeats=settings.repeats, limit=limit)
    units_folder = settings.output / "units"
    if not settings.resume:
        shutil.rmtree(units_folder, ignore_errors=True)
    grid.run(units, classifier, workers, folder=units_folder, batch_size=settings.batch_size)
    predictions = grid.compact(units, units_folder, settings.output / "predictions")
    analysis = analyse(predictions, by_name(levels), by_unit(levels), signs.class_names, seed=settings.seed)
    measured = Grid(signs, classifier, levels, predictions, analysis, settings.seed)
    return publish(measured, run, settings.output)


def read_levels(settings: NoiseGridSettings) -> tuple[NoiseLevels, ...]:
    """The grid of the settings: --noise if given, else the preset.

    Raises:
        InputError: an unknown preset or noise, a level out of range, an empty grid.
    """
    from noise.levels import make_grid, read_grid

    try:
        if settings.noise and not settings.smoke_test:
            return read_grid(settings.noise)
        path = PRESETS / f"{'quick' if settings.smoke_test else settings.preset}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(found.stem for found in PRESETS.glob("*.yaml")))
            raise InputError(f"--preset {settings.preset}: there is no such grid; choose one of {known}")
        import yaml

        return make_grid(list(yaml.safe_load(path.read_text()).items()))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"--noise: {error}") from None


if __name__ == "__main__":
    noise_grid.command()
