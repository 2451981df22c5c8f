"""Grids: which noises, each at which levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from noise.registry import Noise, catalogue, find

USUAL = (0.003, 0.01, 0.03, 0.06, 0.1, 0.16, 0.24, 0.35, 0.5, 0.65, 0.82, 1.0)
"""Shares of its range at which a noise is measured where no levels are given."""


@dataclass(frozen=True)
class NoiseLevels:
    """One noise of a grid.

    Attributes:
        kind: the noise.
        levels: rising; the first is always the noise's `low`, the clean image.
        given: whether a person or a standard chose the levels, to which none are added unasked.
    """

    kind: Noise
    levels: tuple[float, ...]
    given: bool = False


def read_grid(text: str) -> tuple[NoiseLevels, ...]:
    """Read a grid from a line such as `gaussian:0:0.5:11,black_rows`: NAME[:LOW:HIGH:COUNT], comma-separated.

    A name alone means 11 levels over the noise's whole range.

    Raises:
        ValueError: the grid is empty, a part is not of this form, a noise is unknown or named twice, or a level is
            out of range.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    grid = make_grid([_read_part(part) for part in parts])
    return tuple(replace(one, given=":" in part) for one, part in zip(grid, parts, strict=True))


def make_grid(wanted: Sequence[tuple[str, Sequence[float]]]) -> tuple[NoiseLevels, ...]:
    """Check names and levels, and put the clean level first.

    Args:
        wanted: pairs of a noise's name and its levels, in the noise's unit and any order.
    """
    if not wanted:
        raise ValueError("the grid is empty; name a noise, such as gaussian:0:0.5:11, or a preset")
    names = [name for name, _ in wanted]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"noise {min(twice)} is named twice in the grid; name each noise once")
    return tuple(_levels_of(find(name), levels) for name, levels in wanted)


def every_noise() -> tuple[NoiseLevels, ...]:
    """Each noise of the catalogue at its usual levels."""
    return make_grid([(kind.name, usual_levels(kind)) for kind in _known()])


def usual_levels(kind: Noise) -> tuple[float, ...]:
    """Levels over the whole range, closer together towards the clean image."""
    return tuple(_short(kind.low + share * (kind.high - kind.low)) for share in USUAL)


def at_severities() -> tuple[NoiseLevels, ...]:
    """Each noise that stands for a CIFAR-10-C corruption, at the levels of its severities."""
    grid = make_grid([(kind.name, list(kind.severities.values())) for kind in _known() if kind.severities])
    return tuple(replace(one, given=True) for one in grid)


def by_name(grid: Sequence[NoiseLevels]) -> Mapping[str, tuple[float, ...]]:
    """The levels of each noise."""
    return {part.kind.name: part.levels for part in grid}


def by_unit(grid: Sequence[NoiseLevels]) -> Mapping[str, str]:
    """The unit of each noise's levels."""
    return {part.kind.name: part.kind.unit for part in grid}


def by_step(grid: Sequence[NoiseLevels], size: int) -> Mapping[str, float]:
    """How far apart the levels of each noise are that make different images of this size; 0 where all do."""
    return {part.kind.name: part.kind.step(size, size) for part in grid}


def evenly(low: float, high: float, count: int) -> tuple[float, ...]:
    """`count` levels from low to high at equal distances."""
    return tuple(_short(level) for level in np.linspace(low, high, count))


def _short(level: float) -> float:
    """Without the last digits of binary fractions."""
    return float(f"{level:.12g}")


def _known() -> list[Noise]:
    return list(catalogue().values())


def _levels_of(kind: Noise, levels: Sequence[float]) -> NoiseLevels:
    for level in levels:
        kind.check(level)
    stronger = sorted({float(level) for level in levels} - {kind.low})
    if not stronger:
        raise ValueError(f"noise {kind.name}: no level above {kind.low:g}, the clean image; add one")
    return NoiseLevels(kind, (kind.low, *stronger))


def _read_part(part: str) -> tuple[str, tuple[float, ...]]:
    name, *numbers = part.split(":")
    kind = find(name)
    if not numbers:
        return name, evenly(kind.low, kind.high, 11)
    try:
        low, high, count = float(numbers[0]), float(numbers[1]), int(numbers[2])
        if len(numbers) != 3 or count < 1 or not low <= high:
            raise ValueError
    except (ValueError, IndexError):
        raise ValueError(f"{part!r} is not NAME:LOW:HIGH:COUNT; write for example gaussian:0:0.5:11") from None
    return name, evenly(low, high, count)
