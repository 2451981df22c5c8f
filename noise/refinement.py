"""Search, not sweep: which levels to measure next, until more levels could not make a threshold more certain.

A threshold has two errors: the images are a sample (no number of levels mends that), and nothing is known between
levels but that the curve falls. Levels are added around each crossing until the second error is small beside the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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


def next_levels(sample: Resampled, shares: Sequence[float], *, chance: float = 0.0) -> tuple[float, ...]:
    """Levels to add so that the thresholds at these shares of clean accuracy gain precision; none when they are done.

    Args:
        sample: the curve measured so far, resampled.
        shares: of clean accuracy, each between 0 and 1; one that is not above chance has no threshold and is passed.
        chance: accuracy of a constant answer.

    Returns:
        New levels within the range measured so far, in rising order.
    """
    wanted: set[float] = set()
    for share in shares:
        if share * sample.accuracy[0] > chance and len(sample.replicates):
            wanted |= set(_around(sample, share, chance))
    return tuple(sorted(wanted))


def _around(sample: Resampled, share: float, chance: float) -> list[float]:
    """The level at which the curve seems to cross, or some below the first where it has already crossed there."""
    levels = sample.levels
    found = find_threshold(sample, share=share, chance=chance)
    if found.censored == "above":
        return []
    if found.censored == "below":
        return [float(f"{levels[0] + part * (levels[1] - levels[0]):.4g}") for part in (0.25, 0.5)]
    if found.interpolation_error <= TOLERANCE * found.sampling_error:
        return []
    level = float(f"{found.value:.4g}")
    return [level] if np.abs(levels - level).min() > _CLOSEST * found.sampling_error else []
