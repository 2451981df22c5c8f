"""Entry point: search for the best network and training of a family with Ray Tune, and train the best on all tracks."""

from __future__ import annotations

import json
import logging
import math
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from pipelines.entry import Results, Settings, entry_point
from pipelines.errors import InputError
from pipelines.spaces import FAMILIES
from pipelines.tracking import curve_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from pipelines.gan import GanSettings
    from pipelines.gans.trials import GanTask
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun
    from pipelines.trial_log import SearchRecord
    from pipelines.tuning import Search

logger = logging.getLogger("pipelines.tune")  # __name__ is __main__ under `python -m`

SMOKE: dict[str, Any] = {"limit": 430, "epochs": 2, "trials": 3}
SMOKE_SPACES = {"cnn": "smoke", "transfer": "transfer", "dcgan": "dcgan_smoke"}
SCORES_EVERY = 200
SMOKE_GAN = {"scores_every": 10}
OF_GANS = {
    "class_": "--class",
    "extractor": "--extractor",
    "classifier": "--classifier",
    "scores_every": "--scores-every",
}
"""Options that families of classifiers do not have."""
UNTRAINED = ("parameters", "latency")
"""Objectives that no training improves."""
SHOWN = 5
"""Trials in the table at the end."""
LEAVES = (
    *("trials.csv", "epochs.csv", "pareto.csv", "best.json", "parallel_coordinates.png", "importance.png"),
    *("learning_curves.png", "pareto.png", "effects.png", "ray", "champion"),
)
"""What it writes right below --output."""


class TuneSettings(Settings):
    """Options of `tune`."""

    data: str = Field("rendered", description="A prepared folder, or any source that `prepare` reads.")
    size: int = Field(32, ge=16, description="Side of the images in pixels.")
    family: Literal["cnn", "transfer", "dcgan"] = Field(
        "cnn", description="cnn: our own networks; transfer: pretrained ones; dcgan: GANs."
    )
    space: str = Field("", description="A search space by name or YAML file; by default the family's.")
    algorithm: Literal["optuna", "random", "grid", "pbt"] = Field("optuna", description="How points are drawn.")
    scheduler: Literal["auto", "asha", "none"] = Field(
        "auto", description="What stops poor trials early; auto: asha, but none for grids and other objectives."
    )
    trials: int = Field(20, ge=1, description="Trials, at most; of a grid: every combination once, whatever is said.")
    epochs: int = Field(
        30,
        ge=1,
        description="Most epochs of a trial, on a share of the tracks of as many steps; of a GAN: most scorings.",
    )
    grace: int = Field(1, ge=1, description="Epochs before asha stops a trial, and between two changes of pbt.")
    objective: str = Field(
        "",
        description="f1_macro (the default) or threshold; after a comma one more of them, parameters or latency. "
        "Of a GAN: distance, the kernel distance of its samples to validation images.",
    )
    measure: str = Field(
        "", description="Of each finished trial besides: some of load, threshold, parameters, latency."
    )
    limit: int | None = Field(None, ge=1, description="Search on so many images of each split, stratified by class.")
    workers: int | None = Field(None, ge=1, description="Trials at once; by default as many as the cluster holds.")
    cpus_per_worker: int = Field(1, ge=1, description="CPU threads of each.")
    gpus_per_worker: float = Field(0.0, ge=0, description="GPUs, or a share of one, of each.")
    class_: str = Field("", alias="class", description="GANs of this class alone, by name or number; empty: of all.")
    extractor: str = Field("", description="What measures distances of samples of GANs, as `gan` takes it.")
    classifier: str = Field("", description="What names the classes of samples of GANs, as `gan` takes it.")
    scores_every: int | None = Field(
        None, ge=1, description=f"Steps of a GAN from one scoring to the next, an epoch; {SCORES_EVERY} by default."
    )
    weights: str = Field("", description="Of pretrained networks: a file, imagenet (the default) or random.")
    champion: bool | None = Field(
        None,
        description="Train the best on all images, test it once, register it as `signs`; of a GAN: train and register "
        "it as `gan` does. A grid or GANs: only if asked.",
    )
    resume: bool = Field(False, description="Continue the interrupted search that --output holds.")
    smoke_test: bool = Field(False, description=f"A tiny search: {', '.join(f'{k} {v}' for k, v in SMOKE.items())}.")

    @field_validator("objective")
    @classmethod
    def _known(cls, text: str) -> str:
        from pipelines.trials import OBJECTIVES

        names = text.split(",") if text else ["f1_macro"]
        if len(names) > 2 or len(set(names)) < len(names) or not set(names) <= set(OBJECTIVES):
            raise ValueError(f"give one or two of {', '.join(OBJECTIVES)}, joined by a comma")
        if names[0] in UNTRAINED:
            raise ValueError(f"by {names[0]} first, the smallest network is the best; put f1_macro or threshold first")
        return text

    @field_validator("measure")
    @classmethod
    def _measurable(cls, text: str) -> str:
        from pipelines.trials import MEASURES

        if not set(filter(None, text.split(","))) <= set(MEASURES):
            raise ValueError(f"give some of {', '.join(MEASURES)}, joined by a comma")
        return text

    @property
    def measures(self) -> tuple[str, ...]:
        """What is measured of each finished trial, beside its objectives."""
        return tuple(name for name in self.measure.split(",") if name and name not in self.objectives)

    @property
    def objectives(self) -> tuple[str, ...]:
        """What is searched for, the more important first."""
        return tuple(self.objective.split(",")) if self.objective else FAMILIES[self.family].objectives[:1]

    @property
    def wants_champion(self) -> bool:
        """Whether the best is trained again; a grid is an experiment, that leaves the registered model alone."""
        usual = self.algorithm != "grid" and self.family != "dcgan"
        return usual if self.champion is None else self.champion

    @property
    def champion_limit(self) -> int | None:
        """Images of each split that the champion is trained and tested on: all, but for a smoke test."""
        return self.limit if self.smoke_test else None

    @property
    def initial_weights(self) -> str | None:
        """What pretrained networks start from, in a form that a trial in another folder finds.

        Raises:
            InputError: weights for networks that take none.
        """
        if self.family != "transfer":
            if self.weights:
                raise InputError(f"--weights {self.weights}: only --family transfer starts from weights; leave it out")
            return None
        if self.weights in ("", "imagenet"):
            return "imagenet"
        return None if self.weights == "random" else str(Path(self.weights).absolute())

    def require_own_options(self) -> None:
        """Refuse what the family does not have.

        Raises:
            InputError: of the first such option.
        """
        family = FAMILIES[self.family]
        for name in self.objectives:
            if name not in family.objectives:
                said = " or ".join(family.objectives)
                raise InputError(f"--objective {name}: --family {self.family} is searched by {said}; give one of these")
        if self.family == "dcgan" and self.measures:
            raise InputError(f"--measure {self.measure}: classifiers alone are measured so; leave it out")
        for name in self.model_fields_set & OF_GANS.keys() if self.family != "dcgan" else ():
            raise InputError(f"{OF_GANS[name]} {getattr(self, name)}: only --family dcgan has it; leave it out")

    def require_effect(self) -> None:
        """Refuse a way to stop trials beside one that does not stop any, and a grace that nothing has."""
        super().require_effect()
        self.require_own_options()
        if self.algorithm == "pbt" and self.scheduler == "asha":
            raise InputError("--scheduler asha: --algorithm pbt stops no trial, it changes them; leave one of them out")
        if not self.given("grace"):
            return
        from pipelines.tuning import resolve_scheduler

        if self.algorithm != "pbt" and resolve_scheduler(self.scheduler, self.algorithm, self.objectives) == "none":
            raise InputError(f"--grace {self.grace}: no trial of this search is stopped early; add --scheduler asha")
        if self.grace > self.epochs and not self.smoke_test:
            raise InputError(f"--grace {self.grace}: no trial has more than --epochs {self.epochs}; give less")

    def as_smoke_test(self) -> TuneSettings:
        """The options of a tiny search; of GANs of one class on all of its images, which are few."""
        changes: dict[str, Any] = {**SMOKE, "space": self.space or SMOKE_SPACES[self.family]}
        if self.family == "dcgan":
            changes |= {**SMOKE_GAN, "limit": self.limit if self.class_ else SMOKE["limit"]}
        return self.replaced("--smoke-test", changes)

    def as_gan(self) -> GanSettings:
        """The options of `gan` that all trials of a search over GANs have in common."""
        from pipelines.gan import SMOKE, GanSettings

        shared = {"data", "size", "class_", "extractor", "classifier", "limit", "seed", "resume"}
        given = self.model_dump(include=shared, by_alias=True)
        every = self.scores_every or SCORES_EVERY
        given |= {"scores_every": every, "steps": self.epochs * every, "output": self.output / "champion"}
        given |= {"register_model": not self.smoke_test}
        return GanSettings.model_validate(given | ({"samples": SMOKE["samples"]} if self.smoke_test else {}))


@entry_point("tune", TuneSettings, leaves=LEAVES)
def tune(settings: TuneSettings, run: TrackedRun) -> Results:
    """Search for the best network and training of a family, and train the best on all tracks."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    from pipelines.quiet import load_tensorflow
    from pipelines.signs import prepared
    from pipelines.train import train
    from pipelines.training import read_splits
    from pipelines.tuning import trials_table

    if settings.smoke_test:
        settings = settings.as_smoke_test()
    load_tensorflow()
    dataset = prepared(settings.data, size=settings.size, seed=settings.seed)
    task = _gan_task(settings, dataset)
    search = plan_search(settings, dataset, task)
    splits = {} if task else read_splits(dataset, settings.limit)
    data = task.read() if task else _search_data(splits, dataset)
    records = search.run(data, _describe(settings, search, dataset, run), resume=settings.resume)
    trials = trials_table(records, settings.objectives)
    results = publish_search(settings, trials, records, run, task)
    if not settings.wants_champion:
        return results
    best = next(record for record in records if record.trial_id == results.params["best_trial"])
    if task:
        return _joined(results, train_gan_again(task, best.config, run), f"{task.settings.steps} steps")
    if settings.champion_limit != settings.limit:
        splits = read_splits(dataset, settings.champion_limit)
    with train.holding(settings.output / "champion"):
        trained = retrain_champion(settings, best.config, dataset, splits, run)
    return _joined(results, trained, f"all {settings.epochs} epochs of the schedule", "on all tracks ")


def _joined(results: Results, trained: Results, length: str, where: str = "") -> Results:
    """What a search and the training of its best leave."""
    return Results(
        params={**results.params, **trained.params},
        metrics={**results.metrics, **trained.metrics},
        artifacts={**results.artifacts, **trained.artifacts},
        summary=f"{results.summary}\n\nthe best, trained {where}for {length}:\n{trained.summary}",
    )


def _gan_task(settings: TuneSettings, dataset: SignDataset) -> GanTask | None:
    if settings.family != "dcgan":
        return None
    from pipelines.gans.trials import GanTask

    return GanTask.of(settings.as_gan(), dataset)


def train_gan_again(task: GanTask, config: dict[str, Any], run: TrackedRun) -> Results:
    """Train at the best point in the way of `gan`, for all steps, and keep its best generator by the same scores.

    Raises:
        InputError: the training diverged.
    """
    from pipelines.gan import gan

    return gan(task.at(config), run)


def plan_search(settings: TuneSettings, dataset: SignDataset, task: GanTask | None = None) -> Search:
    """Check all that can be wrong with a search before its first trial.

    Raises:
        InputError: a space, weights, a scheduler or resources that will not do.
    """
    from pipelines.cluster import connect, share_out_trials
    from pipelines.spaces import read_space, require_valid_point
    from pipelines.trials import Plan
    from pipelines.tuning import Search, mutations, resolve_scheduler

    space = read_space(settings.space or settings.family)
    scheduler = resolve_scheduler(settings.scheduler, settings.algorithm, settings.objectives)
    trials = settings.trials
    if settings.algorithm == "grid":
        space.grid()
        trials = space.combinations
        if settings.given("trials") and settings.trials != trials:
            logger.warning(
                "--trials %d has no effect: --algorithm grid tries each of its %d combinations once",
                settings.trials, trials,
            )  # fmt: skip
    if settings.algorithm == "pbt":
        mutations(space, settings.family)
        if settings.workers is not None:
            raise InputError("--workers: pbt shares the cluster among all its trials; leave it out")
    weights, classes = settings.initial_weights, len(dataset.class_names)
    if task:
        task.require_valid_point(space)
    else:
        require_valid_point(
            space, settings.family, settings.epochs, classes=classes, size=dataset.size, weights=weights
        )
    connect()
    workers = share_out_trials(settings.workers, settings.cpus_per_worker, settings.gpus_per_worker)
    plan = Plan(
        settings.family,
        settings.epochs,
        settings.objectives,
        settings.measures,
        settings.seed,
        weights,
        workers.threads,
        task,
    )
    return Search(
        folder=settings.output.absolute(),
        space=space,
        plan=plan,
        algorithm=settings.algorithm,
        scheduler=scheduler,
        trials=trials,
        grace=settings.grace,
        workers=workers,
        seed=settings.seed,
    )


def _search_data(splits: dict[str, Signs], dataset: SignDataset) -> Any:
    from pipelines.trials import SearchData

    return SearchData(splits["train"], splits["validation"], len(dataset.class_names))


def _describe(settings: TuneSettings, search: Search, dataset: SignDataset, run: TrackedRun) -> SearchRecord:
    """What a search is, and what one that continues it must have alike."""
    from pipelines.trial_log import SearchRecord

    names = {"family", "algorithm", "epochs", "grace", "measure", "limit", "seed", "weights", "workers"}
    names |= {"cpus_per_worker", "gpus_per_worker"} | (OF_GANS.keys() if search.plan.gan else set())
    alike = settings.model_dump(mode="json", include=names)
    alike |= {"objective": ",".join(settings.objectives), "scheduler": search.scheduler, "trials": search.trials}
    alike |= {"space": search.space.described(), "data": dataset.digest}
    tags = {"data": dataset.name, "model": settings.family}
    if search.plan.gan:
        alike["scores_every"] = search.plan.gan.settings.scores_every
        tags |= {"model": search.plan.gan.settings.recipe_name, "class": settings.class_ or "all"}
    run.identify({**tags, "search_space": search.space.digest})
    tags |= {"family": settings.family, "seed": str(settings.seed)}
    return SearchRecord(uuid.uuid4().hex, run.run_id, run.experiment_id, tags, alike)


def publish_search(
    settings: TuneSettings,
    trials: pd.DataFrame,
    records: Sequence[Any],
    run: TrackedRun,
    task: GanTask | None = None,
) -> Results:
    """Write the tables and pictures of a search, and log them; raises InputError where all trials failed."""
    from pipelines.output_folder import write_whole
    from pipelines.ranking import pareto_front, ranked
    from pipelines.reports.figures import save_png
    from pipelines.reports.tuning import tuning_figures
    from pipelines.tables import write_tables
    from pipelines.tuning import epochs_table

    objectives, folder = settings.objectives, settings.output
    epochs = epochs_table(records, settings.family)
    tables = {"trials.csv": trials, "epochs.csv": epochs}
    files = write_tables(tables, folder)
    run.log_files(files)  # before all that a search without a result ends at
    best = pareto_front(trials, objectives) if len(objectives) > 1 else ranked(trials, objectives[0])
    if len(objectives) > 1:
        files += write_tables({"pareto.csv": best}, folder)
    first = next(record for record in records if record.trial_id == best["trial_id"].iloc[0])
    about = {
        "trial": first.name,
        "parameters": first.config,
        **first.objectives,
        "best_epoch": first.best_epoch,
        "epochs_of_the_schedule": settings.epochs,
        **({"command": task.command(first.config)} if task else {}),
    }
    files.append(write_whole(folder / "best.json", (json.dumps(about, indent=2) + "\n").encode()))
    figures = tuning_figures(trials, epochs, objectives)
    files += [save_png(figure, folder / name, dpi=100) for name, figure in figures.items()]
    metrics = {f"best/{name}": value for name, value in first.objectives.items()}
    run.set_tags({"best_run": first.run_id, "best_trial": first.name})
    run.log_files(files[len(tables) :])
    return Results(
        params={
            "best_trial": first.trial_id,
            "trials": len(trials),
            **{f"best/{k}": v for k, v in first.config.items()},
        },
        metrics={**metrics, "trials": float(len(trials)), "epochs": float(len(epochs))},
        artifacts={path.name: str(path) for path in files},
        summary=f"{search_summary(trials, best, objectives)}\n\ntables and pictures  {folder}"
        + (f"\n\nto train the best:  {task.command(first.config)}" if task else ""),
    )


def search_summary(trials: pd.DataFrame, best: pd.DataFrame, objectives: Sequence[str]) -> str:
    """What a person reads at the end of a search: how the trials ended, and the best of them."""
    ends = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
    parameters = [name for name in trials if str(name).startswith("param/")]
    headings = ["trial", *objectives, "epochs", *(str(name).removeprefix("param/") for name in parameters)]
    shown = best.head(SHOWN)[["name", *objectives, "epochs", *parameters]]
    rows = [[_shown(value) for value in row] for row in shown.itertuples(index=False)]
    what = "the front" if len(objectives) > 1 else "the best"
    return f"{len(trials)} trials: {ends}; {what}:\n{_plain_table(headings, rows)}"


def _plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (headings, *rows))
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-"  # of a trial that was stopped before it was measured
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return str(value)


def retrain_champion(
    settings: TuneSettings,
    config: dict[str, Any],
    dataset: SignDataset,
    splits: dict[str, Signs],
    run: TrackedRun,
) -> Results:
    """Train at the best point on the tracks of training and validation, test once, log and register.

    It is trained for all epochs of the schedule, whatever the epoch at which the trial was at its best or was stopped:
    the learning rate falls to the last of them, and there is no validation left to choose another by.

    Args:
        settings: of the search.
        config: the best point of the space.
        dataset: its class names and digest.
        splits: all three, of `settings.champion_limit` images.
        run: to which it is logged.

    Raises:
        InputError: the training diverged.
    """
    from pipelines import outcome
    from pipelines.spaces import recipe_at
    from pipelines.training import Trained, checkpoint_in, examples, resolve_precision, train_network

    recipe = recipe_at(config, settings.family, settings.epochs).updated(all_tracks=True)
    seed, folder = int(config.get("seed", settings.seed)), settings.output / "champion"
    folder.mkdir(parents=True, exist_ok=True)
    precision = resolve_precision("auto")
    limit, epochs = settings.champion_limit, settings.epochs
    given = (seed, limit, settings.weights, dataset.digest, precision)
    checkpoint = checkpoint_in(folder, recipe, *given, resume=settings.resume)
    run.log_params({"recipe": recipe, "data_digest": dataset.digest})
    train, validation = examples(recipe, splits, dataset)

    def on_epoch(epoch: int, numbers: dict[str, float]) -> None:
        logger.info("the best on all tracks, epoch %d of %d: loss %.4f", epoch + 1, epochs, numbers["loss"])
        run.log_metrics({curve_name(name): value for name, value in numbers.items()}, step=epoch)

    try:
        trained: Trained = train_network(
            recipe,
            train,
            validation,
            classes=len(dataset.class_names),
            seed=seed,
            precision=precision,
            weights=settings.initial_weights if recipe.pretrained else None,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
    except FloatingPointError as error:
        raise InputError(f"{settings.output}: the best trial's training diverged on all tracks, {error}") from None
    found = outcome.score(trained, splits["test"], dataset.class_names)
    files = outcome.write_files(found, dataset.class_names, folder)
    register = not settings.smoke_test
    crowned = outcome.log_outcome(run, found, dataset, splits, files, register=register, champion=register)
    return Results(
        params={"data": dataset.name, "digest": dataset.digest, "parameters": found.model.count_params()},
        metrics=found.metrics(),
        artifacts={f"champion/{path.name}": str(path) for path in files},
        summary=outcome.summarise(found, folder, crowned),
    )


if __name__ == "__main__":
    tune.command()
