"""How a grid's levels are measured: all at once, or round by round where the thresholds turn out to be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from noise.levels import NoiseLevels, by_name, by_step, make_grid
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
        folder: for predictions.
        units: for units of work, which several searches may share.
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
    units: Path
    seed: int
    repeats: int
    limit: int | None
    batch_size: int
    plugin: Plugin | None

    def measure(self, levels: Sequence[NoiseLevels], refine: bool | None) -> Measured:
        """Predict a grid.

        Args:
            levels: of the grid.
            refine: None: all of its levels, and more around thresholds that lie between wide ones, but not of noises
                whose levels were given; True: only a few of its levels first; False: its levels and no others.
        """
        if refine:
            coarse = [replace(part, levels=first_levels(part.levels)) for part in levels]
            return self._refined(self._sweep(coarse), given=True)
        measured = self._sweep(levels)
        return measured if refine is False else self._refined(measured, given=False)

    def _sweep(self, levels: Sequence[NoiseLevels]) -> Measured:
        units = self._run(levels)
        return Measured(tuple(levels), units, self._compact(units, levels))

    def _refined(self, measured: Measured, *, given: bool) -> Measured:
        """The grid with levels added around the thresholds, until more levels would not help."""
        images = len(measured.predictions[grid.CLEAN])
        for number in range(1, ROUNDS + 1):
            more = self._more(measured, given)
            if not more:
                break
            count = sum(len(part.levels) - 1 for part in more)
            log.info(
                "round %d around the thresholds: %d more levels of %d noises, %d predictions",
                number, count, len(more), count * images * self.repeats,
            )  # fmt: skip
            together = _joined(measured.levels, more)
            units = [*measured.units, *(unit for unit in self._run(more) if unit.noise != grid.CLEAN)]
            measured = Measured(together, units, self._compact(units, together), measured.added + count)
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
        grid.run(work, self.classifier, self.workers, folder=self.units, batch_size=self.batch_size, actor=BisectUnit)
        exact = collect(work, self.units).assign(repeat=0).set_index(keys)
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
        grid.run(units, self.classifier, self.workers, folder=self.units, batch_size=self.batch_size)
        return units

    def _compact(self, units: Sequence[Unit], levels: Sequence[NoiseLevels]) -> Predictions:
        return grid.compact(units, self.units, self.folder / "predictions", by_name(levels))

    def _more(self, measured: Measured, given: bool) -> list[NoiseLevels]:
        open_ = [part for part in measured.levels if given or not part.given]
        steps = by_step(open_, self.signs.size)
        found = {
            name: next_levels(sample, tuple(CRITERIA.values()), chance=chance, step=steps[name])
            for name, sample, chance in samples(measured.predictions, by_name(open_), seed=self.seed)
        }
        return list(make_grid([(name, more) for name, more in found.items() if more])) if any(found.values()) else []


@dataclass(frozen=True)
class Measured:
    """A grid that has been run.

    Attributes:
        levels: of each noise, from clean up, those added by refinement included.
        units: of work that it was cut into.
        predictions: their rows.
        added: levels that were added around thresholds.
    """

    levels: tuple[NoiseLevels, ...]
    units: list[Unit]
    predictions: Predictions
    added: int = 0


def _joined(levels: Sequence[NoiseLevels], more: Sequence[NoiseLevels]) -> tuple[NoiseLevels, ...]:
    added = by_name(more)
    return tuple(replace(part, levels=tuple(sorted({*part.levels, *added.get(part.kind.name, ())}))) for part in levels)
