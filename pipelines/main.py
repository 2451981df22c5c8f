"""Entry point: the whole way from signs to thresholds in one process, since importing TensorFlow takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.entry import EntryPoint, Results, Settings, entry_point
from pipelines.noise_grid import NoiseGridSettings, noise_grid
from pipelines.prepare import PrepareSettings, prepare
from pipelines.train import TrainSettings, train

if TYPE_CHECKING:
    from pipelines.tracking import TrackedRun


class MainSettings(Settings):
    """Options of `main`."""

    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=8, description="Side of the images in pixels.")
    epochs: int = Field(8, ge=1, description="Epochs of training.")
    preset: str = Field("quick", description="A named grid: quick or standard; --noise takes its place.")
    noise: str = Field("", description="NAME:LOW:HIGH:COUNT[,...], such as gaussian:0:0.5:11,black_rows:0:1:11.")
    limit: int | None = Field(None, ge=1, description="Use only so many images of each split.")
    workers: int | None = Field(None, ge=1, description="Model actors of the grid.")
    resume: bool = Field(False, description="Keep what an interrupted call with the same --output has done.")
    smoke_test: bool = Field(False, description="Seconds instead of minutes: few images, one epoch, a small grid.")


@entry_point("main", MainSettings)
def main(settings: MainSettings, run: TrackedRun) -> Results:
    """Prepare signs, train a classifier on them, and find how much noise it stands."""
    folder = settings.output
    passed = {name: getattr(settings, name) for name in ("seed", "size", "experiment")}
    steps: list[tuple[EntryPoint[Settings], Settings]] = []
    prepared = folder / "data"
    steps.append((prepare, PrepareSettings(**passed, data=settings.data, output=prepared)))
    passed |= {name: getattr(settings, name) for name in ("limit", "resume", "smoke_test")}
    trained = folder / "train"
    steps.append((train, TrainSettings(**passed, data=str(prepared), output=trained, epochs=settings.epochs)))
    grid = {name: getattr(settings, name) for name in ("preset", "noise", "workers")}
    model = str(trained / "model.keras")
    measured = folder / "noise_grid"
    steps.append((noise_grid, NoiseGridSettings(**passed, **grid, data=str(prepared), model=model, output=measured)))

    params, metrics, artifacts, summaries = {}, {}, {}, []
    for step, step_settings in steps:
        with run.child(step.name, step_settings) as child:
            results = step(step_settings, child)
            child.log_metrics(results.metrics)
        params[step.name] = results.params
        metrics |= results.metrics
        artifacts |= results.artifacts
        summaries.append(results.summary)
    return Results(params, metrics, artifacts, "\n\n".join(summaries))


if __name__ == "__main__":
    main.command()
