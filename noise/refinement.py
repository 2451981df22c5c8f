"""Search, not sweep: which levels to measure next, until more levels could not make a threshold more certain.

A threshold has two errors: the images are a sample (no number of levels mends that), and nothing is known between
levels but that the curve falls. Levels are added around each crossing until the second error is small beside the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noise.crossing import TINY
from noise.thresholds import find_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noise.resampling import Resampled

TOLERANCE = 0.25
"""An interpolation error of this part of the sampling error widens an interval by 3%."""
FIRST_LEVELS = 4
_CLOSEST = 0.25  # standard errors between levels below which a level tells nothing new


def first_levels(levels: Sequence[float], count: int = FIRST_LEVELS) -> tuple[float, ...]:
    """At most `count` of the levels above the clean one, evenly by place, the last one among them.

    Args:
        levels: from the clean level up.
        count: of the levels kept beside the clean one.
    """
    above = list(levels[1:])
    places = np.unique(np.ceil(np.linspace(0, len(above), count + 1)[1:]).astype(int) - 1)
    return (levels[0], *(above[place] for place in places))


def next_levels(
    sample: Resampled, shares: Sequence[float], *, chance: float = 0.0, step: float = 0.0
) -> tuple[float, ...]:
    """Levels to add so that the thresholds at these shares of clean accuracy gain precision; none when they are done.

    Args:
        sample: the curve measured so far, resampled.
        shares: of clean accuracy, each between 0 and 1; one that is not above chance has no threshold and is passed.
        chance: accuracy of a constant answer.
        step: between levels of the noise that make different images; 0: all do.

    Returns:
        New levels within the range measured so far, in rising order.
    """
    made = sample.on_steps(step)
    wanted: set[float] = set()
    for share in shares:
        if share * made.accuracy[0] > chance and len(made.replicates):
            wanted |= set(_around(made, share, chance, step))
    return tuple(sorted(wanted))


def _around(sample: Resampled, share: float, chance: float, step: float) -> list[float]:
    """The level at which the curve seems to cross, or some below the first where it has already crossed there."""
    found = find_threshold(sample, share=share, chance=chance)
    if found.censored == "above":
        return []
    start, first = sample.levels[:2]
    if found.censored == "below":
        return _new(sample, [start + part * (first - start) for part in (0.25, 0.5)], step)
    if found.interpolation_error <= TOLERANCE * found.sampling_error:
        return []
    near = np.abs(sample.levels - found.value).min() <= _CLOSEST * found.sampling_error
    return [] if near else _new(sample, [found.value], step)


def _new(sample: Resampled, levels: Sequence[float], step: float) -> list[float]:
    """Those of the levels that were not measured, in few digits, on steps where there are any."""
    made = [round(level / step) * step if step else level for level in levels]
    least = step / 2 or TINY
    return [float(f"{level:.4g}") for level in made if np.abs(sample.levels - level).min() > least]
