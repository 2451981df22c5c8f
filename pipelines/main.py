"""Entry point: the whole way from signs to thresholds in one process, since importing TensorFlow takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.entry import EntryPoint, Results, S, Settings, entry_point
from pipelines.noise_grid import NoiseGridSettings, noise_grid, read_levels, require_one_grid
from pipelines.outcome import MODEL_FILE
from pipelines.prepare import PrepareSettings, prepare
from pipelines.train import TrainSettings, train

if TYPE_CHECKING:
    from pipelines.tracking import TrackedRun


EPOCHS, PRESET = 10, "quick"


class MainSettings(Settings):
    """Options of `main`."""

    data: str = Field("rendered:300", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=16, description="Side of the images in pixels.")
    epochs: int | None = Field(None, ge=1, description=f"Epochs of training, {EPOCHS} by default.")
    preset: str = Field("", description="A named grid: quick (the default), standard, ...; not beside --noise.")
    noise: str = Field("", description="NAME:LOW:HIGH:COUNT[,...], such as gaussian:0:0.5:11,black_rows:0:1:11.")
    limit: int | None = Field(None, ge=1, description="Use only so many images of each split.")
    workers: int | None = Field(None, ge=1, description="Model actors of the grid.")
    resume: bool = Field(False, description="Keep what an interrupted call with the same --output has done.")
    smoke_test: bool = Field(False, description="A quick look that all works: few images and epochs, a small grid.")

    def require_effect(self) -> None:
        """Refuse a preset beside a grid of one's own."""
        super().require_effect()
        require_one_grid(self.noise, self.preset)


@entry_point("main", MainSettings)
def main(settings: MainSettings, run: TrackedRun) -> Results:
    """Prepare signs, train a classifier on them, and find how much noise it stands."""
    data, trained, measured = (settings.output / name for name in ("data", "train", "noise_grid"))
    common = settings.model_dump(include={"seed", "size", "experiment"})
    subset = settings.model_dump(include={"limit", "resume", "smoke_test"})
    grid = settings.model_dump(include={"preset", "noise", "workers"})
    epochs = settings.epochs
    if not settings.smoke_test:  # which has a grid and a length of its own
        grid["preset"] = settings.preset or ("" if settings.noise else PRESET)
        epochs = epochs or EPOCHS
    subset |= {"data": str(data)}
    grid |= {"model": str(trained / MODEL_FILE)}
    prepare_settings = PrepareSettings(**common, data=settings.data, output=data)
    train_settings = TrainSettings(**common, **subset, output=trained, epochs=epochs)
    grid_settings = NoiseGridSettings(**common, **subset, **grid, output=measured)
    read_levels(grid_settings)  # a wrong grid is told before the training, not after it
    run.identify({"model": train_settings.network})
    with prepare.holding(data), train.holding(trained), noise_grid.holding(measured):  # all before the first begins
        return _joined(
            _step(run, prepare, prepare_settings),
            _step(run, train, train_settings),
            _step(run, noise_grid, grid_settings),
        )


def _step(run: TrackedRun, entry: EntryPoint[S], settings: S) -> Results:
    """Do one entry point's work in a run nested in this one."""
    with run.child(entry.name, settings) as child:
        results = entry(settings, child)
        child.conclude(results.metrics, results.summary)
    return results


def _joined(*steps: Results) -> Results:
    joined = Results(summary="\n\n".join(step.summary for step in steps))
    for step in steps:
        joined.params.update(step.params)
        joined.metrics.update(step.metrics)
        joined.artifacts.update(step.artifacts)
    return joined


if __name__ == "__main__":
    main.command()
