"""How a grid's levels are measured: all at once, or round by round where the thresholds turn out to be."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noise.levels import NoiseLevels, by_name, make_grid
from noise.refinement import first_levels, next_levels
from pipelines import grid
from pipelines.analysis import CRITERIA, samples
from pipelines.bisection import BisectUnit, brackets, collect
from pipelines.failures.margins import image_thresholds

if TYPE_CHECKING:
    import pandas as pd

    from noise.plugins import Plugin
    from pipelines.classifier import Classifier
    from pipelines.cluster import Workers
    from pipelines.grid import Predictions, Unit
    from pipelines.signs import SignDataset

ROUNDS = 5
"""Rounds of refinement at most; a curve whose crossing still jumps about then keeps its wider interval."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """What is measured, on what, and where its rows go.

    Attributes:
        classifier: the network.
        signs: the data set, whose test images are used.
        workers: that do the work.
        folder: for units of work and predictions.
        seed: of all noise.
        repeats: independent draws of each noise.
        limit: test images used, all if None.
        batch_size: images in one forward pass.
        plugin: a file with noises of the user's own.
    """

    classifier: Classifier
    signs: SignDataset
    workers: Workers
    folder: Path
    seed: int
    repeats: int
    limit: int | None
    batch_size: int
    plugin: Plugin | None

    def sweep(self, levels: Sequence[NoiseLevels]) -> Measured:
        """Predict all levels of a grid."""
        units = self._run(levels)
        return Measured(tuple(levels), units, self._compact(units, levels))

    def refine(self, levels: Sequence[NoiseLevels]) -> Measured:
        """Predict a few of the levels, then more around the thresholds, until more levels would not help."""
        coarse = [NoiseLevels(part.kind, first_levels(part.levels)) for part in levels]
        measured = self.sweep(coarse)
        for number in range(1, ROUNDS + 1):
            more = self._more(measured)
            if not more:
                break
            log.info("round %d: %d more levels of %d noises", number, _count(more), len(more))
            together = _joined(measured.levels, more)
            units = [*measured.units, *(unit for unit in self._run(more) if unit.noise != grid.CLEAN)]
            measured = Measured(together, units, self._compact(units, together))
        return measured

    def image_thresholds(self, measured: Measured, halvings: int) -> pd.DataFrame:
        """The smallest failing level of each image that was recognised when clean, and its distortion there.

        Args:
            measured: a grid, whose levels give each image's bracket.
            halvings: of each bracket: predictions an image and noise.

        Returns:
            The rows of `pipelines.failures.margins.image_thresholds`, in whose first repeat level_below and level are
            bisected, with l2, psnr, ssim and csf_psnr at that level.
        """
        keys = ["noise", "repeat", "image_id"]
        found = image_thresholds(measured.predictions)
        failing = found[(found["level"] < float("inf")) & (found["repeat"] == 0)]
        work = brackets(measured.units, {str(name): rows for name, rows in failing.groupby("noise")}, halvings)
        folder = self.folder / "units"
        grid.run(work, self.classifier, self.workers, folder=folder, batch_size=self.batch_size, actor=BisectUnit)
        exact = collect(work, folder).assign(repeat=0).set_index(keys)
        found = found.set_index(keys)
        found = found.reindex(columns=found.columns.union(exact.columns, sort=False))
        found.loc[exact.index, exact.columns] = exact
        return found.reset_index()

    def _run(self, levels: Sequence[NoiseLevels]) -> list[Unit]:
        units = grid.plan(
            self.classifier,
            self.signs,
            levels,
            seed=self.seed,
            repeats=self.repeats,
            limit=self.limit,
            plugin=self.plugin,
        )
        folder = self.folder / "units"
        grid.run(units, self.classifier, self.workers, folder=folder, batch_size=self.batch_size)
        return units

    def _compact(self, units: Sequence[Unit], levels: Sequence[NoiseLevels]) -> Predictions:
        return grid.compact(units, self.folder / "units", self.folder / "predictions", by_name(levels))

    def _more(self, measured: Measured) -> list[NoiseLevels]:
        levels = by_name(measured.levels)
        found = {
            name: next_levels(sample, tuple(CRITERIA.values()), chance=chance)
            for name, sample, chance in samples(measured.predictions, levels, seed=self.seed)
        }
        return list(make_grid([(name, more) for name, more in found.items() if more])) if any(found.values()) else []

    def clear(self) -> None:
        """Forget the work of an earlier call."""
        shutil.rmtree(self.folder / "units", ignore_errors=True)


@dataclass(frozen=True)
class Measured:
    """A grid that has been run.

    Attributes:
        levels: of each noise, from clean up, those added by refinement included.
        units: of work that it was cut into.
        predictions: their rows.
    """

    levels: tuple[NoiseLevels, ...]
    units: list[Unit]
    predictions: Predictions


def _joined(levels: Sequence[NoiseLevels], more: Sequence[NoiseLevels]) -> tuple[NoiseLevels, ...]:
    added = by_name(more)
    return make_grid([(part.kind.name, [*part.levels, *added.get(part.kind.name, ())]) for part in levels])


def _count(levels: Sequence[NoiseLevels]) -> int:
    return sum(len(part.levels) - 1 for part in levels)
