"""What runs inside a trial of a search: one training that reports each epoch, and is never the end of the search."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.signs import Signs
from pipelines.spaces import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import keras
    from numpy.typing import NDArray

    from pipelines.gans.trials import GanTask

    Report = Callable[[dict[str, Any], Path | None], None]

OBJECTIVES = {"f1_macro": "max", "parameters": "min", "latency": "min", "threshold": "max", "distance": "min"}
"""What a search may seek, and which way."""
WORST = {"f1_macro": 0.0, "parameters": 1e9, "latency": 1e6, "threshold": 0.0, "distance": 1e9}
"""What a searcher is told of a trial that failed, and of a threshold that is not measured yet."""
MEASURES = ("load", "threshold", "parameters", "latency")
"""What may be measured of each finished trial besides."""
FINISHED, STOPPED, FAILED, DIVERGED = "finished", "stopped", "failed", "diverged"
"""How a trial ends; `stopped` is the scheduler's doing."""
THRESHOLD_IMAGES = 300
FAILS = 0.5
"""Share of clean accuracy at which a noise is said to make a classifier fail."""
TIMED_BATCHES, TIMED_IMAGES = 7, 64
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchData:
    """What all trials learn from and are compared on; the test images never come near a search."""

    train: Signs
    validation: Signs
    classes: int


@dataclass(frozen=True)
class Plan:
    """What all trials of a search have in common; `gan` is None for those of classifiers."""

    family: str
    epochs: int
    objectives: tuple[str, ...]
    measures: tuple[str, ...] = ()
    seed: int = 0
    weights: str | None = None
    threads: int = 1
    gan: GanTask | None = None


def run_trial(config: Mapping[str, Any], *, plan: Plan, data: SearchData) -> None:
    """The function that Ray Tune runs: a trial that fails or diverges says so and ends without an error.

    Args:
        config: a point of the search space.
        plan: of the search.
        data: of the search, read from the object store.
    """
    os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "60"  # a step may take longer than Ray's 2 s before it is left
    limit_threads(plan.threads)
    with tempfile.TemporaryDirectory() as folder:
        restored = _restore(Path(folder))
        train_and_report(config, plan, data, folder=Path(folder), reported=restored, report=_report_to_tune)


def _report_to_tune(metrics: dict[str, Any], folder: Path | None) -> None:
    from ray import tune

    tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(str(folder)) if folder else None)


def _restore(folder: Path) -> int:
    """Copy the checkpoint that Tune holds, if any, into `folder`; returns how many epochs it has."""
    from ray import tune

    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        return 0
    try:
        with checkpoint.as_directory() as source:
            shutil.copytree(source, folder, dirs_exist_ok=True)
        return int((folder / "epochs").read_text())
    except (FileNotFoundError, ValueError):  # lost with the driver that was killed: the trial begins anew
        shutil.rmtree(folder)
        folder.mkdir()
        return 0


def limit_threads(threads: int) -> None:
    """Keep TensorFlow and OpenCV to a trial's CPUs; a process that has run a trial has done so already."""
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(threads)
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def train_and_report(
    config: Mapping[str, Any], plan: Plan, data: SearchData, *, folder: Path, reported: int, report: Report
) -> None:
    """Train at one point of the space and report after each epoch.

    Args:
        config: the point.
        plan: of the search.
        data: of the search.
        folder: holds the training's state; each report carries it.
        reported: epochs that were reported before the trial was interrupted.
        report: takes the numbers, and the folder of the state.
    """
    import keras

    keras.backend.clear_session()
    gc.collect()  # of the trial before, where a process is used again
    reporter = Reporter(plan, folder, reported, report)
    try:
        if plan.gan:
            plan.gan.train(config, data, reporter)
        else:
            _train(config, plan, data, reporter)
    except FloatingPointError as error:
        reporter.fail(DIVERGED, error)
    except Exception as error:
        logger.exception("a trial failed")
        reporter.fail(FAILED, error)


def _train(config: Mapping[str, Any], plan: Plan, data: SearchData, reporter: Reporter) -> None:
    from models.fit import Examples
    from pipelines.spaces import recipe_at
    from pipelines.training import resolve_precision, train_network

    recipe = recipe_at(dict(config), plan.family, plan.epochs)
    seed = int(config.get("seed", plan.seed))
    weights = plan.weights if recipe.pretrained else None
    train, share = data.train, float(config.get("tracks", 1.0))
    if share < 1:
        rows = track_subset(train, share, seed=seed)
        train = train.take(np.resize(rows, len(train)))  # an epoch of as many steps as on all tracks
    reporter.epochs = recipe.all_epochs
    if {"parameters", "latency"} & set(plan.objectives):
        network = recipe.build(data.classes, train.image.shape[1], weights=weights)
        reporter.known = measure_network(network, plan.objectives)
    trained = train_network(
        recipe,
        Examples(train.image, train.label),
        Examples(data.validation.image, data.validation.label),
        classes=data.classes,
        seed=seed,
        precision=resolve_precision("auto"),
        weights=weights,
        checkpoint=reporter.folder / "training.npz",
        on_epoch=reporter.on_epoch,
    )
    reporter.measured = measure_trained(trained.model, plan, data.validation)
    if "threshold" in plan.objectives:
        reporter.known["threshold"] = reporter.measured.pop("threshold")
    reporter.best, reporter.best_epoch = trained.history.best_f1_macro, trained.history.best_epoch + 1
    reporter.finish()


def measure_trained(model: keras.Model, plan: Plan, validation: Signs) -> dict[str, float]:
    """What the plan asks for of a network whose training is over, on validation images.

    Returns:
        `threshold` and `threshold/<noise>` (`noise_thresholds`), `load/<measure>` (`models.neuron_load.load_metrics`),
        `parameters` and `latency`, as far as they are asked for.
    """
    from models.neuron_load import layer_loads, load_metrics
    from pipelines.outcome import measure_load

    measured = measure_network(model, plan.measures)
    if "threshold" in (*plan.objectives, *plan.measures):
        thresholds = noise_thresholds(model, validation, seed=plan.seed)
        measured["threshold"] = float(np.mean(list(thresholds.values())))
        if "threshold" in plan.measures:
            measured |= {f"threshold/{noise}": share for noise, share in thresholds.items()}
    if "load" in plan.measures:
        loads = load_metrics(layer_loads(measure_load(model, validation)))
        measured |= {name: value for name, value in loads.items() if name.count("/") == 1}
    return measured


class Reporter:
    """Tells Tune of each epoch, but of the last only together with what is measured after it.

    Tune may stop a trial at any report, so what is reported later than the last epoch could be lost.

    Args:
        plan: of the search.
        folder: holds the training's state; each report carries it.
        reported: epochs that were reported before the trial was interrupted.
        report: takes the numbers, and the folder of the state.
    """

    def __init__(self, plan: Plan, folder: Path, reported: int, report: Report) -> None:
        self.plan, self.folder, self.reported, self.report = plan, folder, reported, report
        self.objective = FAMILIES[plan.family].objectives[0]
        self.known: dict[str, float] = {}
        self.measured: dict[str, float] = {}
        self.best, self.best_epoch = WORST[self.objective], 0
        self.curve: list[float] = []
        self.epoch, self.numbers = 0, dict[str, float]()
        self.epochs = plan.epochs

    def on_epoch(self, epoch: int, numbers: dict[str, float]) -> None:
        """Take the numbers of an epoch, counted from 0; one that was reported before is only remembered."""
        self.epoch, self.numbers = epoch + 1, dict(numbers)
        value = numbers[f"val_{self.objective}"]
        better = value > self.best if OBJECTIVES[self.objective] == "max" else value < self.best
        if not self.best_epoch or better:
            self.best, self.best_epoch = value, self.epoch
        self.curve.append(self.best)
        if self.reported < self.epoch < self.epochs:
            self._send("")

    def finish(self) -> None:
        """Report the end of a training, with all objectives."""
        self._send(FINISHED)

    def fail(self, status: str, error: Exception) -> None:
        """Report the worst of everything, so that a searcher learns to keep away."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        self.known, self.measured, self.best = dict(WORST), {}, WORST[self.objective]
        self._send(status, reason, state=False)

    def _send(self, status: str, reason: str = "", *, state: bool = True) -> None:
        objectives = {name: self.known.get(name, WORST[name]) for name in self.plan.objectives}
        if state:
            (self.folder / "epochs").write_text(str(self.epoch))
        self.report(
            {
                **objectives,
                self.objective: self.best,  # of the weights that are kept: those of the best epoch so far
                "epoch": self.epoch,
                "best_epoch": self.best_epoch,
                "curve": list(self.curve),
                "measured": self.measured,
                "numbers": self.numbers,
                "status": status,
                "reason": reason,
            },
            self.folder if state else None,
        )


def track_subset(signs: Signs, share: float, *, seed: int) -> NDArray[np.int64]:
    """Rows of a share of each class's tracks, one track at least; a smaller share is a part of every larger one.

    Images without a track are a track each.
    """
    tracks = np.where(signs.track == "", signs.image_id, signs.track)
    kept: list[NDArray[np.int64]] = []
    for label in np.unique(signs.label):
        rows = np.flatnonzero(signs.label == label)
        names = np.unique(tracks[rows])
        order = np.random.default_rng((seed, int(label))).permutation(names)
        kept.append(rows[np.isin(tracks[rows], order[: max(1, round(share * len(names)))])])
    return np.sort(np.concatenate(kept))


def measure_network(model: keras.Model, objectives: Sequence[str]) -> dict[str, float]:
    """Those of the objectives that no training changes: parameters, and latency in milliseconds an image."""
    measured: dict[str, float] = {}
    if "parameters" in objectives:
        measured["parameters"] = float(model.count_params())
    if "latency" in objectives:
        measured["latency"] = latency(model)
    return measured


def latency(model: keras.Model) -> float:
    """Milliseconds an image, the median of several batches after one that is not timed."""
    images = np.full((TIMED_IMAGES, *model.input_shape[1:]), 127.0, np.float32)
    model.predict_on_batch(images)
    seconds = []
    for _ in range(TIMED_BATCHES):
        started = time.perf_counter()
        model.predict_on_batch(images)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)) * 1000 / TIMED_IMAGES


def noise_thresholds(model: keras.Model, validation: Signs, *, seed: int) -> dict[str, float]:
    """How much noise a classifier stands: for each noise of the preset `quick` the level that fails it.

    Each level is a share of its noise's range, and is the last one measured where accuracy never falls to half of
    clean accuracy. 0 where a half of clean accuracy is no more than a constant answer scores.
    """
    from models.fit import predict_logits
    from noise.crossing import crossings
    from noise.registry import disturb
    from pipelines.noise_grid import read_preset
    from pipelines.signs import stratified

    chosen = stratified(validation.image_id, validation.label, THRESHOLD_IMAGES)
    signs = validation.take(np.isin(validation.image_id, chosen))
    constant = np.bincount(signs.label).max() / len(signs)
    shares: dict[str, float] = {}
    for part in read_preset("quick"):
        noisy = disturb(part.kind, signs.image, part.levels, image_ids=signs.image_id.tolist(), seed=seed)
        right = [np.mean(predict_logits(model, images).argmax(axis=1) == signs.label) for images in noisy]
        hopeless = FAILS * right[0] <= constant
        level = part.kind.low if hopeless else crossings(np.array(part.levels), np.array([right]), FAILS)[0]
        shares[part.kind.name] = float((min(level, part.levels[-1]) - part.kind.low) / (part.kind.high - part.kind.low))
    return shares
