"""Simulated observers: sets of images whose answers at any level, and whose true accuracy, are known.

Each image has its own tolerance: it is right at a level below that and wrong from there on, as an image is whose noise
field is drawn once and scaled. Some images are wrong at every level (lapses), some are right even far out because the
network's answer to noise happens to be theirs (guesses), some are right again at a larger level. Images of a group
share a part of all that.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Groups = NDArray[np.int64] | None

SHAPES = ("logistic", "gaussian", "log-gaussian", "square-root-gaussian", "weibull")
END = 1.0
"""The last level of every grid."""


@dataclass(frozen=True)
class Population:
    """What observers are drawn from; ranges are drawn from evenly, widths on a logarithmic scale.

    Attributes:
        width: levels between 90% and 10% of the fall.
        centre: level of the middle of the fall.
        lapses: images wrong at every level.
        guesses: images right at every level.
        again: images that are right again beyond a gap after their tolerance.
        gap: that gap.
        flips: answers that are the other way round by chance, anew at each level.
        step: of the noise: images change at (k - 1/2) steps only.
        repeats: fields of each image; half the variance of a tolerance is the field's.
        groups: sizes of the groups of so many images, or None for images alone.
        correlation: of the tolerances within a group; that of lapses and guesses is 0.6 times it.
    """

    width: tuple[float, float] = (0.3, 0.6)
    centre: tuple[float, float] = (0.4, 0.6)
    lapses: tuple[float, float] = (0.005, 0.04)
    guesses: tuple[float, float] = (0.0, 0.06)
    again: tuple[float, float] = (0.0, 0.0)
    gap: tuple[float, float] = (0.05, 0.25)
    flips: float = 0.0
    step: float = 0.0
    repeats: int = 1
    groups: Callable[[int, np.random.Generator], NDArray[np.int64]] | None = None
    correlation: float = 0.5


@dataclass(frozen=True)
class Law:
    """A law of tolerances: which normal score has which tolerance, and which share survives a level."""

    tolerance: Callable[[Floats], Floats]
    survival: Callable[[float], float]


def law(shape: str, centre: float, width: float) -> Law:
    """The law of a shape whose median is `centre` and whose 10% to 90% range is about `width` wide."""
    if shape == "logistic":
        scale = width / (2 * np.log(9))
        return Law(lambda z: centre + scale * logit(ndtr(z)), lambda x: float(expit((centre - x) / scale)))
    if shape == "gaussian":
        scale = width / 2.5631
        return Law(lambda z: centre + scale * z, lambda x: float(ndtr((centre - x) / scale)))
    if shape == "log-gaussian":
        scale = np.arcsinh(width / 2 / centre) / 1.28155
        return Law(lambda z: centre * np.exp(scale * z), lambda x: float(ndtr(np.log(centre / max(x, 1e-300)) / scale)))
    if shape == "square-root-gaussian":
        scale, root = width / 2.5631 / (2 * np.sqrt(centre)), np.sqrt(centre)
        return Law(lambda z: np.maximum(root + scale * z, 0.0) ** 2, lambda x: float(ndtr((root - np.sqrt(x)) / scale)))
    power = brentq(lambda k: _weibull(0.1, centre, k) - _weibull(0.9, centre, k) - width, 0.3, 900.0)
    return Law(
        lambda z: _weibull(ndtr(-z), centre, power),
        lambda x: float(np.exp(-np.exp(min(np.log(np.log(2)) + power * np.log(max(x, 1e-300) / centre), 7.0)))),
    )


def _weibull(survival: Any, median: float, power: float) -> Any:
    return median * (-np.log(survival) / np.log(2)) ** (1 / power)


class Observer:
    """Images drawn from a population, and the true accuracy of all of their kind.

    Args:
        population: what they are drawn from.
        images: how many.
        shape: of the law of tolerances.
        random: draws them.
    """

    def __init__(self, population: Population, images: int, shape: str, random: np.random.Generator) -> None:
        self.population, self.random = population, random
        self.groups: Groups = population.groups(images, random) if population.groups else None
        self.law = law(
            shape, random.uniform(*population.centre), float(np.exp(random.uniform(*np.log(population.width))))
        )
        self.lapse, self.guess, self.back, self.gap = (
            random.uniform(*ends) for ends in (population.lapses, population.guesses, population.again, population.gap)
        )
        self.hardness = self._scores(images, population.correlation)
        self._draw()

    def twin(self, ease: float) -> Observer:
        """Another network on the same images: it stands `ease` times the levels, and finds half of them as hard."""
        other = copy(self)
        other.law = Law(lambda z: ease * self.law.tolerance(z), lambda x: self.law.survival(x / ease))
        own = other._scores(len(self.hardness), self.population.correlation)
        other.hardness = np.sqrt(0.5) * self.hardness + np.sqrt(0.5) * own
        other._draw()
        return other

    def _draw(self) -> None:
        images, repeats = len(self.hardness), self.population.repeats
        share = 0.5 if repeats > 1 else 1.0
        field = self.random.normal(size=(images, repeats))
        self.tolerances = self.law.tolerance(np.sqrt(share) * self.hardness[:, None] + np.sqrt(1 - share) * field)
        weak = 0.6 * self.population.correlation
        self.lapsed, self.lucky, self.returning = (
            (ndtr(self._scores(images, weak)) < rate)[:, None] for rate in (self.lapse, self.guess, self.back)
        )

    def correct(self, levels: Floats) -> NDArray[np.bool_]:
        """Answers (N, R, L)."""
        made = self._made(levels)
        failed = self.tolerances[..., None] <= made
        right = np.where(failed, self.lucky[..., None], ~self.lapsed[..., None])
        again = self.returning[..., None] & (self.tolerances[..., None] + self.gap <= made)
        right = np.where(again, ~self.lapsed[..., None], right)
        if self.population.flips:
            right ^= self.random.random(right.shape) < self.population.flips
        return right

    def accuracy(self, level: float) -> float:
        """The true accuracy at a level."""
        made = float(self._made(np.array(level)))
        alive = self.law.survival(made)
        returned = 1 - self.law.survival(made - self.gap) if made > self.gap else 0.0
        plain = (1 - self.lapse) * alive + self.guess * (1 - alive)
        back = (1 - self.lapse) * (alive + returned) + self.guess * (1 - alive - returned)
        kept = (1 - self.back) * plain + self.back * back
        flips = self.population.flips
        return kept * (1 - flips) + (1 - kept) * flips

    def first_crossing(self, share: float) -> float:
        """Where the true accuracy first falls to `share` of clean accuracy; infinity if beyond the last level."""
        target = share * self.accuracy(0.0)
        level, step = 0.0, END / 400
        while self.accuracy(level + step) > target:
            level += step
            if level >= END:
                return np.inf
        high = level + step
        while high - level > 1e-12:
            middle = (level + high) / 2
            level, high = (middle, high) if self.accuracy(middle) > target else (level, middle)
        return high if high <= END else np.inf

    def _made(self, levels: Floats) -> Floats:
        """The levels that the images really have."""
        step = self.population.step
        return np.asarray(np.floor(levels / step + 0.5) * step if step else levels)

    def _scores(self, images: int, correlation: float) -> Floats:
        """Normal scores of the images, correlated within a group."""
        own = self.random.normal(size=images)
        if self.groups is None:
            return own
        shared = self.random.normal(size=int(self.groups.max()) + 1)[self.groups]
        return np.asarray(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)


def of_sizes(sizes: Any, images: int) -> NDArray[np.int64]:
    """A group for each of the images, of these relative sizes."""
    ends = np.cumsum(sizes) / np.sum(sizes) * images
    return np.unique(np.searchsorted(ends, np.arange(images) + 0.5), return_inverse=True)[1]


def of_frames(frames: int, images: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Ragged tracks of 1 to 2 * frames - 1 images."""
    return np.repeat(np.arange(images), random.integers(1, 2 * frames, size=images))[:images]
