"""How the training of a GAN goes: its numbers and pictures in MLflow and on disk, and the failures in it."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipelines.output_folder import write_whole
from pipelines.reports.figures import save_png

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from gan.training import TrainedGan
    from pipelines.gans.scoring import Judge
    from pipelines.tracking import TrackedRun

PREVIEW_COLUMNS = 8
UNTOLD = "not enough reports to tell"
logger = logging.getLogger("pipelines.gan")


class Progress:
    """Logs each report: numbers as curves, and what the same latents give as a picture with a step."""

    def __init__(self, run: TrackedRun, judge: Judge, steps: int, folder: Path) -> None:
        self.run, self.judge, self.steps, self.folder = run, judge, steps, folder

    def __call__(self, numbers: dict[str, float], generator: keras.Model | None) -> None:
        """Log one report; a past one, of a training that is continued, has its picture on disk."""
        import mlflow

        from pipelines.reports.gan import image_grid

        step = int(numbers["step"])
        if generator is not None:
            content = io.BytesIO()
            np.save(content, self.judge.sampler.preview(generator))
            write_whole(_preview(self.folder, step), content.getvalue())
            logger.info(_line(numbers, self.steps, self.judge.objective))
        known = {_curve(name): value for name, value in numbers.items() if np.isfinite(value)}
        self.run.log_metrics(known, step=step)
        picture = image_grid(np.load(_preview(self.folder, step)), PREVIEW_COLUMNS)
        mlflow.MlflowClient().log_image(self.run.run_id, picture, key="samples", step=step, synchronous=True)


def _preview(folder: Path, step: int) -> Path:
    """Where the images of a report are kept, for the animation of a training that was continued."""
    return folder / "previews" / f"{step:07d}.npy"


def _line(numbers: dict[str, float], steps: int, objective: str) -> str:
    return (
        f"step {numbers['step']:.0f} of {steps}: loss of the discriminator {numbers['discriminator_loss']:.3f}, "
        f"of the generator {numbers['generator_loss']:.3f}; right about {numbers['real_accuracy']:.0%} of the real "
        f"and {numbers['fake_accuracy']:.0%} of the generated; {objective} {numbers[objective]:.4g} "
        f"({numbers['seconds']:.0f} s)"
    )


def _curve(name: str) -> str:
    """What MLflow calls a number of a report: `train/...`, or `validation/...` of a score that may choose."""
    from gan.training import MEASURED

    return f"train/{name}" if name in MEASURED else f"validation/{name}"


class Failures(NamedTuple):
    """What went wrong in a training.

    Attributes:
        found: The first step of each failure that was detected.
        untold: Those of which there are too few reports to tell.
    """

    found: dict[str, int]
    untold: tuple[str, ...]

    def __str__(self) -> str:
        found = [f"{name} from step {step}" for name, step in self.found.items()]
        return "; ".join([*found, *([f"{UNTOLD}: {', '.join(self.untold)}"] if self.untold else [])]) or "none detected"


def find_failures(trained: TrainedGan, judge: Judge) -> Failures:
    """Look at a training that this judge has scored."""
    from gan.health import diagnose, untold

    watched = [judge.watched(report) for report in trained.reports]
    return Failures(diagnose(trained.records, watched), untold(trained.records, watched))


def publish_course(trained: TrainedGan, judge: Judge, run: TrackedRun, folder: Path) -> list[Path]:
    """Write and log curves, table and animation of a training, and tag the run with its failures."""
    import pandas as pd

    from pipelines.reports.gan import animated_gif, animation_frames, training_figure

    failures = find_failures(trained, judge)
    tags = dict.fromkeys(failures.untold, UNTOLD) | {name: f"step {step}" for name, step in failures.found.items()}
    run.set_tags({f"failure/{name}": said for name, said in tags.items()})
    watched = [judge.watched(report) for report in trained.reports]
    files = [save_png(training_figure(trained.records, watched), folder / "training.png")]
    if trained.reports:
        steps = [int(report["step"]) for report in trained.reports]
        frames = animation_frames([np.load(_preview(folder, step)) for step in steps], steps, columns=PREVIEW_COLUMNS)
        files.append(write_whole(folder / "history.csv", pd.DataFrame(trained.reports).to_csv(index=False).encode()))
        files.append(write_whole(folder / "training.gif", animated_gif(frames)))
    run.log_files(files)
    return files
