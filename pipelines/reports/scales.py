"""Where values stand along an axis from 0 to 1: numbers evenly or by their logarithm, words side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SCORES = {"f1_macro": "macro-F1", "accuracy": "accuracy", "threshold": "noise threshold"}
"""Measures of which 1 is the best, and how they are spoken of."""
NEAR_ONE = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
LEAST_ERROR = 2e-4
FEW = 5
"""Round numbers up to which each has a tick of its own."""
EDGE = 0.06
"""Room at both ends of an axis."""


@dataclass(frozen=True)
class Scale:
    """Where the values of one column stand, and which of them are written on the axis.

    Attributes:
        place: Gives the places (N,), about 0 to 1, of values (N,); NaN for those missing.
        ticks: Labels by their place, from bottom to top.
        numeric: Whether places between the values mean something.
        discrete: Whether all values stand at the ticks.
    """

    place: Callable[[pd.Series], Floats]
    ticks: dict[float, str]
    numeric: bool
    discrete: bool = False


def scale_of(values: pd.Series, *, score: bool = False) -> Scale:
    """Choose a scale for a column: numbers that span more than a decade by their logarithm.

    Args:
        values: numbers, or words and truth values, some of them missing.
        score: 1 is the best possible; the distance to it is what counts, by its logarithm.
    """
    known = values.dropna()
    if not is_numeric(values):
        return _words(sorted({str(value) for value in known}))
    numbers = known.to_numpy(float)
    if not len(numbers):
        return _numbers(np.array([0.0, 1.0]), np.asarray, [])
    if score and numbers.min() >= 0 and numbers.max() <= 1:
        inside = [value for value in NEAR_ONE if numbers.min() <= value <= numbers.max()]
        evenly = [value for value in MaxNLocator(4).tick_values(*_ends(numbers)) if value < 1]
        return _numbers(numbers, _nines, list(NEAR_ONE) if len(inside) > 1 else evenly)
    if spans_decades(numbers):
        return _numbers(numbers, np.log10, _chosen(numbers, _log_ticks(numbers)))
    return _numbers(numbers, np.asarray, _chosen(numbers, list(MaxNLocator(5).tick_values(*_ends(numbers)))))


def is_numeric(values: pd.Series) -> bool:
    """Whether all values that are not missing are numbers; truth values are words."""
    known = list(values.dropna())
    return all(isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_) for value in known)


def spans_decades(numbers: Floats) -> bool:
    """Whether positive numbers span more than one decade."""
    return bool(numbers.min() > 0 and numbers.max() > 10 * numbers.min())


def spoken_name(column: str) -> str:
    """How a column is spoken of: `param/learning_rate` as "learning rate", `load/dead` as "load: dead"."""
    name = column.removeprefix("param/")
    return SCORES.get(name, name.replace("/", ": ").replace("_", " ").replace("gini", "Gini"))


def short_number(value: float) -> str:
    """A number as an axis shows it: 0.0003, 1.2M, 64."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= unit:
            unit = min(unit, 1e3) if letter == "k" else unit
            return f"{value / unit:.3g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}".replace("e-0", "e-")


def _words(words: list[str]) -> Scale:
    places = dict(zip(words, (np.arange(len(words)) + 0.5) / max(1, len(words)), strict=True))

    def place(values: pd.Series) -> Floats:
        return np.array([np.nan if pd.isna(value) else places[str(value)] for value in values], float)

    return Scale(place, {float(place): word for word, place in places.items()}, numeric=False, discrete=True)


def _numbers(numbers: Floats, transform: Callable[[Any], Any], candidates: list[float]) -> Scale:
    low, high = transform(_ends(numbers))
    room = high - low or 1.0
    first, length = (low - EDGE * room, room * (1 + 2 * EDGE)) if high > low else (low - 0.5, 1.0)

    def place(values: pd.Series) -> Floats:
        return np.asarray((transform(values.to_numpy(float, na_value=np.nan)) - first) / length, float)

    places = place(pd.Series(candidates, dtype=float))
    inside = {float(at): short_number(value) for value, at in zip(candidates, places, strict=True) if 0 <= at <= 1}
    discrete = set(numbers) <= set(candidates)
    return Scale(place, inside, numeric=True, discrete=discrete)


def _ends(numbers: Floats) -> Floats:
    return np.array([numbers.min(), numbers.max()])


def _chosen(numbers: Floats, otherwise: list[float]) -> list[float]:
    distinct = np.unique(numbers)
    round_numbers = all(float(f"{value:.3g}") == value for value in distinct)
    return list(distinct) if len(distinct) <= FEW and round_numbers else otherwise


def _log_ticks(numbers: Floats) -> list[float]:
    low, high = _ends(numbers)
    subs = (1.0,) if high > 1e3 * low else (1.0, 3.0)
    return list(LogLocator(subs=subs).tick_values(low, high))


def _nines(values: Any) -> Floats:
    """-log10 of the distance to 1: 0.9 is one, 0.99 is two."""
    return np.asarray(-np.log10(np.maximum(1 - np.asarray(values, float), LEAST_ERROR)))
