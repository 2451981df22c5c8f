"""A search over GANs: each point of its space as options of the entry point `gan`, and the training inside a trial."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.classifier import probes_of
from pipelines.errors import InputError
from pipelines.gan import CHECKPOINT, OWN_OPTIONS, GanSettings, fit
from pipelines.gans.judge import open_jury
from pipelines.gans.scoring import CALLED, choosing_judge
from pipelines.gans.signs import find_class, read_signs
from pipelines.spaces import FAMILIES, require_buildable, require_known
from pipelines.trials import SearchData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gan.recipes import GanRecipe
    from pipelines.signs import SignDataset
    from pipelines.spaces import Space
    from pipelines.trials import Reporter


@dataclass(frozen=True)
class GanTask:
    """What all trials of a search over GANs have in common.

    Attributes:
        settings: Options of `gan` that are the same for all points.
        dataset: Of signs.
        label: The one class, or None.
        networks: Those that judge, as they were given.
    """

    settings: GanSettings
    dataset: SignDataset
    label: int | None
    networks: Mapping[str, str]

    @staticmethod
    def of(settings: GanSettings, dataset: SignDataset) -> GanTask:
        """The task of options whose networks are found from any folder, since trials run in folders of their own.

        Raises:
            InputError: there is no such class.
        """
        given = {name: getattr(settings, name) for name in ("extractor", "classifier")}
        found = {name: _from_anywhere(network) for name, network in given.items()}
        label = find_class(settings.class_, dataset.class_names)
        return GanTask(settings.model_copy(update=found), dataset, label, given)

    def at(self, point: Mapping[str, Any]) -> GanSettings:
        """The options of `gan` that train at a point of a space."""
        own = {name: point[name] for name in ("network", "seed", *OWN_OPTIONS) if name in point}
        options = ",".join(f"{name}={value}" for name, value in point.items() if name not in own)
        return self.settings.model_copy(update={**own, "options": options})

    def recipe_at(self, point: Mapping[str, Any]) -> GanRecipe:
        """The recipe of a point.

        Raises:
            InputError: a recipe, option or value that cannot be, or one that needs all classes.
        """
        recipe = self.at(point).recipe()
        if self.label is not None and recipe.conditional:
            raise InputError(f"--class {self.settings.class_}: {recipe.conditioning} needs all classes")
        return recipe

    def command(self, point: Mapping[str, Any]) -> str:
        """The command line that trains at a point, for the folder in which the search was started."""
        settings = self.at(point).model_copy(update=self.networks)
        chosen = settings.model_dump(
            mode="json",
            by_alias=True,
            exclude_defaults=True,
            exclude={"results", "register_model", "resume", "smoke_test"},
        )
        words = [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in chosen.items()]
        return " ".join(["python -m pipelines.gan", *words])

    def require_valid_point(self, space: Space) -> None:
        """Build the networks of up to 16 points of the space, until both can be built.

        Raises:
            InputError: a parameter that no GAN has, or no point that is valid.
        """
        from gan.recipes import GanRecipe

        require_known(space, {part.name for part in fields(GanRecipe)} - {"steps"} | {"network", "seed"})
        size, classes = self.dataset.size, len(self.dataset.class_names)
        require_buildable(space, lambda point: self.recipe_at(point).build(size, classes))

    def read(self) -> SearchData:
        """The images that trials learn from, and those that they are scored against.

        Raises:
            InputError: there are too few, or no such networks to judge.
        """
        splits = ("train", "validation")
        train, validation = (read_signs(self.settings, self.dataset, split, self.label) for split in splits)
        if self.settings.extractor or self.settings.classifier:
            open_jury(self.settings, train, len(self.dataset.class_names), probes_of(self.dataset))
        return SearchData(train, validation, len(self.dataset.class_names))

    def train(self, config: Mapping[str, Any], data: SearchData, reporter: Reporter) -> None:
        """Train at a point, and report each scoring as an epoch.

        Each report carries the checkpoint of its own step, since `train_gan` saves before it reports: a trial that is
        continued trains nothing anew, and the past reports that `train_gan` then tells are only remembered.

        Raises:
            FloatingPointError: the training diverged.
            ValueError: a recipe that cannot be built.
        """
        settings, recipe = self.at(config), self.recipe_at(config)
        jury = open_jury(settings, data.train, data.classes, probes_of(self.dataset))
        judge = choosing_judge(settings, recipe, self.dataset, jury, data.validation, self.label)
        checkpoint = reporter.folder / CHECKPOINT
        adopt(checkpoint, recipe)

        def on_report(numbers: dict[str, float], _: object) -> None:
            epoch = int(numbers["step"]) // settings.scores_every - 1
            reporter.on_epoch(epoch, epoch_numbers(numbers, judge.objective))

        fit(settings, recipe, self.dataset, data.train, judge, checkpoint=checkpoint, on_report=on_report)
        reporter.finish()


def _from_anywhere(network: str) -> str:
    """A network, given as a file or NAME:WEIGHTS, by its file's absolute path."""
    name, colon, weights = network.rpartition(":")
    return f"{name}{colon}{Path(weights).absolute() if Path(weights).is_file() else weights}"


def epoch_numbers(report: Mapping[str, float], objective: str) -> dict[str, float]:
    """The numbers of an epoch from those of a report: scores begin with `val_`, the objective is `val_distance`, too.

    The share of each class and what is not finite, such as the accuracies of a critic, are left out.
    """
    from gan.training import MEASURED

    kept = {name: value for name, value in report.items() if np.isfinite(value) and not name.startswith(CALLED)}
    named = {name if name in MEASURED else f"val_{name}": value for name, value in kept.items()}
    return {**named, "val_distance": report[objective]}


def adopt(checkpoint: Path, recipe: GanRecipe) -> None:
    """Make a checkpoint that of a recipe which differs in what population based training changes, and in nothing else.

    Population based training continues the state of a good trial with other rates, losses or augmentations.

    Args:
        checkpoint: File of `gan.checkpoint`; without one, there is nothing to do.
        recipe: By which the training continues; other differences remain for `train_gan` to refuse.
    """
    from gan.checkpoint import load_checkpoint, save_checkpoint

    if not checkpoint.exists():
        return
    with np.load(checkpoint) as saved:
        before = json.loads(str(saved["about"]))["settings"]
    now = before | {name: getattr(recipe, name) for name in FAMILIES["dcgan"].mutable}
    if now != before:
        save_checkpoint(checkpoint, now, *load_checkpoint(checkpoint, before))
