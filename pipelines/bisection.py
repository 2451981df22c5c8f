"""The smallest failing level of each image, and how far the image has changed there.

An image's random field does not depend on the level, so its answers along the level are those to one growing noise,
and the level at which they turn wrong can be bisected. The bracket is the first that the grid's levels show, and each
halving is one prediction an image. An image may be right again at larger levels, so what is found is a smallest failing
level as far as the grid's levels can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.classifier import Classifier
from pipelines.grid import Unit, load_shared_predictor, unpack
from pipelines.unit_files import Columns, Shelf, keep, read_unit

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from pipelines.signs import Signs

    Floats = NDArray[np.float64]

MEASURES = ("l2", "psnr", "ssim", "csf_psnr")


@dataclass(frozen=True)
class Bracket:
    """The failing images of a unit, and between which levels each of them fails first.

    Attributes:
        unit: of the grid; its `rows` are the images that fail.
        below: the largest level before that, at which the image is still recognised.
        above: the smallest measured level at which it is not.
        predicted: the answer there.
        halvings: how often each bracket is halved.
        key: a hash of all that.
    """

    unit: Unit
    below: tuple[float, ...]
    above: tuple[float, ...]
    predicted: tuple[int, ...]
    halvings: int
    key: str

    @property
    def size(self) -> int:
        """Rows that come of it: one an image."""
        return len(self.unit.rows)


def brackets(units: Sequence[Unit], failing: Mapping[str, pd.DataFrame], halvings: int) -> list[Bracket]:
    """The units whose images fail somewhere, with the brackets that the grid gives.

    Args:
        units: of the first repeat of a grid, each noise and shard in any number of units.
        failing: of each noise a row a failing image: image_id, level_below, level, predicted.
        halvings: of each bracket.
    """
    shards = {(unit.noise, unit.shard, unit.rows): unit for unit in units if unit.noise in failing and unit.repeat == 0}
    found = (_bracket(unit, failing[unit.noise].set_index("image_id"), halvings) for unit in shards.values())
    return [bracket for bracket in found if bracket.size]


def _bracket(unit: Unit, failing: pd.DataFrame, halvings: int) -> Bracket:
    names = unit.images().image_id
    inside = np.isin(names, failing.index.to_numpy(dtype=names.dtype))
    rows = failing.loc[names[inside].tolist()]
    chosen = tuple(int(row) for row in np.asarray(unit.rows)[inside])
    below, above, predicted = (tuple(rows[name].tolist()) for name in ("level_below", "level", "predicted"))
    content = f"{unit.key}/{chosen}/{below}/{above}/{halvings}"
    key = blake2b(content.encode(), digest_size=12).hexdigest()
    return Bracket(replace(unit, rows=chosen), below, above, predicted, halvings, key)


class BisectUnit:
    """An actor that halves the brackets of a unit's images together, each image at a level of its own."""

    def __init__(
        self, model_file: Any, classifier: Classifier, batch_size: int, threads: int, shelf: Shelf | None = None
    ) -> None:
        self._predict = load_shared_predictor(model_file, classifier, batch_size, threads)
        self._shelf = shelf

    def __call__(self, batch: Columns) -> Columns:
        """Rows of one bracket: noise, image_id, level_below, level, predicted and the distortion there."""
        from noise.distortion import measure

        bracket: Bracket = unpack(batch)
        signs = bracket.unit.images()
        below, above = np.array(bracket.below), np.array(bracket.above)
        predicted = np.array(bracket.predicted)
        for _ in range(bracket.halvings):
            middle = (below + above) / 2
            answer = self._predict(_noisy(bracket.unit, signs, middle)).argmax(axis=1)
            wrong = answer != signs.label
            below, above = np.where(wrong, below, middle), np.where(wrong, middle, above)
            predicted = np.where(wrong, answer, predicted)
        distortion = measure(signs.image, _noisy(bracket.unit, signs, above))
        rows = {
            "unit": np.full(bracket.size, bracket.key),
            "noise": np.full(bracket.size, bracket.unit.noise),
            "image_id": signs.image_id,
            "level_below": below,
            "level": above,
            "predicted": predicted,
            **{name: distortion[name] for name in MEASURES},
        }
        return keep(self._shelf, rows)


def _noisy(unit: Unit, signs: Signs, levels: Floats) -> NDArray[np.uint8]:
    """Images (N, H, W, C), each at its own level (N,); those of one level are made together."""
    from noise import disturb

    kind = unit.kind()
    noisy = np.empty_like(signs.image)
    for level, members in _by_level(levels):
        part = signs.take(members)
        noisy[members] = disturb(kind, part.image, [level], image_ids=part.image_id.tolist(), seed=unit.seed)[0]
    return noisy


def _by_level(levels: Floats) -> Iterator[tuple[float, NDArray[np.intp]]]:
    values, place = np.unique(levels, return_inverse=True)
    for index, level in enumerate(values.tolist()):
        yield level, np.flatnonzero(place == index)


def collect(found: Sequence[Bracket], folder: Path) -> pd.DataFrame:
    """The rows of all brackets, in the order of noise and image."""
    import pandas as pd

    columns = ["noise", "image_id", "level_below", "level", "predicted", *MEASURES]
    tables = [pd.DataFrame(columns=columns), *(read_unit(folder, bracket).to_pandas() for bracket in found)]
    together: pd.DataFrame = pd.concat(tables[1:] or tables, ignore_index=True)
    return together.sort_values(["noise", "image_id"], ignore_index=True)
