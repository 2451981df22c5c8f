"""What the report says of each noise: its thresholds with their place in the tested range, most harmful first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from noise.levels import NoiseLevels
    from pipelines.analysis import Analysis

SPOKEN = {"salt_pepper": "salt and pepper"}
NO_INTERVAL = "[no honest interval]"
"""Stands where an interval would, if the data bound the value on neither side; the method says why."""


@dataclass(frozen=True)
class Crossing:
    """Where one criterion is met, in the noise's unit; `first` and `last` are the tested levels after the clean one.

    `low` and `high` bound the 95% interval (NaN where none is meant, infinite on a side without a bound); `censored` is
    "above" where the criterion is not met up to `last`, "below" where it is met before `first`.
    """

    value: float
    low: float
    high: float
    censored: str
    clean: float
    first: float
    last: float

    def text(self) -> str:
        """The threshold with its interval, in words where it lies outside the tested levels."""
        return " ".join(part for part in self.parts() if part)

    def parts(self) -> tuple[str, str]:
        """The two halves of `text`: the threshold, and its interval ("" where it says nothing more)."""
        if self.censored == "above":
            bound = "" if math.isnan(self.last) else f" up to {number(self.last)}"
            return f"not reached{bound}", "" if _absent(self.low) or self.low >= self.last else self._interval()
        if self.censored == "below":
            first = self._first()
            return f"at or below {number(first)}", "" if _absent(self.high) or self.high <= first else self._interval()
        if self.has_interval():
            return self.short(), self._interval()
        return self.short(), "" if math.isnan(self.low) or math.isnan(self.value) else NO_INTERVAL

    def short(self) -> str:
        """The bare value, with as many decimals as its interval supports."""
        if self.censored == "above":
            return "not reached"
        if self.censored == "below":
            return f"≤ {number(self._first())}"
        if _absent(self.value):
            return "-"
        return f"{self.value:.{self._decimals()}f}" if self.has_interval() else number(self.value)

    def place(self, value: float | None = None) -> float:
        """The share of the tested range at `value` (the threshold itself by default): 0 clean, 1 the last level."""
        if value is None:
            value = {"above": math.inf, "below": self.first}.get(self.censored, self.value)
        if math.isnan(value):
            return math.nan
        return min(max((value - self.clean) / (self.last - self.clean), 0.0), 1.0)

    def places(self) -> tuple[float, float]:
        """Both ends of the interval as shares of the tested range."""
        return self.place(self.low), self.place(self.high)

    def has_interval(self) -> bool:
        """Whether an interval was estimated that bounds the threshold at all."""
        known = not math.isnan(self.low) and not math.isnan(self.high)
        return known and (math.isfinite(self.low) or math.isfinite(self.high))

    def _first(self) -> float:
        return self.value if math.isnan(self.first) else self.first

    def _interval(self) -> str:
        digits = self._decimals()
        under = self.censored == "below" and self.low <= self._first()
        low = "clean" if _absent(self.low) else f"{self.low:.{digits}f}"
        low = f"≤ {number(self._first())}" if under else low
        beyond = "not reached" if math.isnan(self.last) else f"> {number(self.last)}"
        return f"[{low}, {beyond if _absent(self.high) else f'{self.high:.{digits}f}'}]"

    def _decimals(self) -> int:
        """As many decimals as half the width of the interval has up to its first digit."""
        high = self.last if math.isinf(self.high) else self.high
        ends = [end for end in (self.low, self.value, high) if not _absent(end)]
        half = (max(ends) - min(ends)) / 2
        scale = half if half > 0 else abs(ends[0]) / 50
        return min(max(-math.floor(math.log10(scale)), 0), 5) if scale > 0 else 2


@dataclass(frozen=True)
class NoiseSummary:
    """One noise of the report: its levels from clean up, its curve (rows of `Analysis.curves`) and thresholds.

    `severities` are the levels of the CIFAR-10-C corruption that it stands for, empty for others.
    """

    name: str
    family: str
    unit: str
    levels: tuple[float, ...]
    curve: pd.DataFrame
    begins: Crossing
    fails: Crossing
    significant: Crossing
    severities: Mapping[int, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name as a person says it."""
        return spoken(self.name)


def spoken(name: str) -> str:
    """Return a noise's identifier as words: "salt_pepper" is "salt and pepper", "a__b" is "a + b"."""
    return " + ".join(SPOKEN.get(part, part.replace("_", " ")) for part in name.split("__"))


def number(value: float) -> str:
    """Return `value` with three significant digits and no trailing zeros."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.{digits}f}%"


def ends(low: float, high: float, show: Callable[[float], str] = "{:.2f}".format, beyond: str = "not reached") -> str:
    """Return an interval in brackets after a space, to stand behind its value; nothing where an end is unknown.

    An end without a bound lies beyond the tested levels: a low one of what is less the more a noise shows, else a high
    one, but for the PSNR of no change (`beyond`).
    """
    if math.isnan(low) or math.isnan(high):
        return ""
    if math.isinf(low) and math.isinf(high):
        return f" {NO_INTERVAL}"
    return f" [{'not reached' if math.isinf(low) else show(low)}, {beyond if math.isinf(high) else show(high)}]"


def rank_text(row: Mapping[Any, Any], column: str = "rank") -> str:
    """Return a noise's rank with its interval, "-" where it has none."""
    if pd.isna(row[column]):
        return "-"
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    return f"{row[column]:.0f}" + ("" if pd.isna(low) or pd.isna(high) else f" [{low:.0f}, {high:.0f}]")


def crossing(row: Mapping[Any, Any] | None, levels: Sequence[float] = ()) -> Crossing:
    """Return one row of a table of thresholds as a `Crossing`; no row is a criterion that was not examined."""
    clean, first, last = (levels[0], levels[1], levels[-1]) if len(levels) > 1 else (math.nan,) * 3
    if row is None:
        return Crossing(math.nan, math.nan, math.nan, "", clean, first, last)
    censored = row["censored"] if isinstance(row["censored"], str) else ""
    value, low, high = (math.nan if row[key] is None else float(row[key]) for key in ("threshold", "low", "high"))
    return Crossing(value, low, high, censored, clean, first, last)


def criteria(thresholds: pd.DataFrame, levels: Sequence[float] = ()) -> dict[str, Crossing]:
    """Return the crossings of one noise (its rows of the table) by criterion."""
    found = {str(row["criterion"]): row for row in thresholds.to_dict("records")}
    return {key: crossing(found.get(key), levels) for key in ("begins", "fails", "significant")}


def summarise(analysis: Analysis, grid: Sequence[NoiseLevels]) -> list[NoiseSummary]:
    """Return the noises of `analysis`, the one that fails at the smallest share of its tested range first."""
    tested = {part.kind.name: part for part in grid}
    curves = dict(list(analysis.curves.groupby("noise", sort=False)))
    summaries = []
    for name, rows in analysis.thresholds.groupby("noise", sort=False):
        part = tested[str(name)]
        curve = curves[name].sort_values("level").reset_index(drop=True)
        kind, found = part.kind, criteria(rows, part.levels)
        summary = NoiseSummary(
            kind.name, kind.family, kind.unit, part.levels, curve, **found, severities=kind.severities
        )
        summaries.append(summary)
    return sorted(summaries, key=lambda noise: (_rank(noise.fails), _rank(noise.begins)))


def by_family(noises: Sequence[NoiseSummary]) -> dict[str, list[NoiseSummary]]:
    """Return the noises of each family, families in alphabetical order, noises in the order given."""
    families = sorted({noise.family for noise in noises})
    return {family: [noise for noise in noises if noise.family == family] for family in families}


def per_class_crossings(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> dict[tuple[int, str], Crossing]:
    """Return the `fails` threshold of each (class, noise)."""
    levels = {noise.name: noise.levels for noise in noises}
    rows = per_class.to_dict("records")
    return {(int(row["class"]), str(row["noise"])): crossing(row, levels[str(row["noise"])]) for row in rows}


def classes_of(per_class: pd.DataFrame) -> dict[int, tuple[str, int]]:
    """Return the name and the number of images of each class."""
    rows = per_class.drop_duplicates("class").to_dict("records")
    return {int(row["class"]): (str(row["class_name"]), int(row["support"])) for row in rows}


def _rank(found: Crossing) -> float:
    place = found.place()
    # A noise that never fails sorts behind one that fails at its very last level.
    return 2.0 if math.isnan(place) or found.censored == "above" else place


def _absent(value: float) -> bool:
    return not np.isfinite(value)
