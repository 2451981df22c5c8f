"""Thresholds of a recipe: what several networks that differ in their seeds alone say of the next one trained so.

A threshold of one network holds for that network, and its interval is over images. Another training of the same recipe
has another threshold. Here the threshold of each network is one draw of the recipe's, which is their geometric mean
over all trainings; the interval holds both what is unknown, the images and the trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from noise.crossing import crossings, interpolation_doubt
from noise.intervals import up_to_first_fall
from noise.resampling import REPLICATES, Resampled, resample_together
from noise.thresholds import Comparison, Threshold, find_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from noise.resampling import Labels

    Floats = NDArray[np.float64]
    Network = tuple[ArrayLike, ArrayLike]

_METHOD = "geometric mean of {} networks; Student's t over networks, bootstrap over {} {}, by Cochran and Cox"
_LEAST = 1e-12


@dataclass(frozen=True)
class RecipeThreshold:
    """The level at which networks trained by a recipe have fallen to a share of clean accuracy: their geometric mean.

    Attributes:
        value: in the noise's own unit; infinity where some network does not fall so far.
        low: lower end of the interval, over images and trainings.
        high: upper end; infinity where it lies beyond the last level.
        censored: "" | "above" (not reached in range by some network) | "below" (already reached at the first level
            above `low` by some network; then the truth lies at or under `value`).
        method: how value and interval were found, in words.
        spread: standard deviation between trainings of the threshold's logarithm (0.1: 10%), less what the choice of
            images makes of it; NaN where the threshold is censored.
        each: threshold of each network, with its interval over images alone.
    """

    value: float
    low: float
    high: float
    censored: str
    method: str
    spread: float
    each: tuple[Threshold, ...]


def recipe_threshold(
    networks: Sequence[Network],
    *,
    share: float,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    chance: float = 0.0,
    step: float = 0.0,
    replicates: int = REPLICATES,
) -> RecipeThreshold:
    """Find where networks trained by one recipe fall to `share` of their clean accuracy.

    Args:
        networks: two or more, each its levels (L,) and its answers (N, L) or (N, R, L), as in
            `noise.thresholds.estimate_threshold`: to the same images in the same order, under the same random fields.
            Levels between the first and the last may differ.
        share: of clean accuracy, between 0 and 1.
        groups: (N,) labels of images that belong together.
        confidence: of the interval.
        seed: of the bootstrap.
        chance: accuracy of a constant answer, which each network's target must exceed.
        step: of a noise that changes the image in steps, as in `noise.thresholds.find_threshold`. The mean of networks
            need not end at one, so half a step is part of its interval.
        replicates: of the bootstrap.

    Raises:
        ValueError: on wrong shapes or levels, fewer than two networks, or a target that is not above `chance`.
    """
    samples = _paired([networks], groups, seed, step, replicates)[0]
    start, first, last = _range(samples)
    each = tuple(
        find_threshold(sample, share=share, confidence=confidence, chance=chance, step=step) for sample in samples
    )
    recipe = _logarithms(samples, share, confidence, step)
    mean = _difference([recipe])
    value = start + float(np.exp(mean.value))
    censored = {found.censored for found in each}
    low, high, method = -np.inf, np.inf, each[0].method
    if recipe.drawn:
        half = mean.half((1 - confidence) / 2)
        low = start + float(np.exp(mean.value - np.hypot(half, recipe.early)))
        high = start + float(np.exp(mean.value + np.hypot(half, recipe.late)))
        low = _sure(samples, share, confidence, 1) if censored == {"above"} else low
        high = _sure(samples, share, confidence, -1) if censored == {"below"} else high
        low = start if low < first or "below" in censored else min(low, last)
        high = np.inf if high >= last or "above" in censored else high
        method = _METHOD.format(len(each), samples[0].groups, samples[0].unit)
    if "above" in censored:
        return RecipeThreshold(np.inf, low, np.inf, "above", method, np.nan, each)
    if "below" in censored:
        return RecipeThreshold(value, low, max(high, value), "below", method, np.nan, each)
    return RecipeThreshold(value, low, high, "", method, mean.spread, each)


def compare_recipes(
    first: Sequence[Network],
    second: Sequence[Network],
    *,
    share: float,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    step: float = 0.0,
    replicates: int = REPLICATES,
) -> Comparison:
    """Compare the thresholds of two recipes on the same images; arguments as for `recipe_threshold`.

    Trainings are drawn apart for each recipe; images are the same for all networks, so that what makes an image hard
    for both cancels.

    Returns:
        As of `noise.thresholds.compare_thresholds`, over images and trainings; censored where a network of either is,
        and then tested as far as the levels show.

    Raises:
        ValueError: on wrong shapes or levels, fewer than two networks of a recipe, or ranges that differ.
    """
    samples = _paired([first, second], groups, seed, step, replicates)
    if _range(samples[0])[::2] != _range(samples[1])[::2]:
        raise ValueError("levels: the recipes were measured over different ranges; give both the same first and last")
    example = find_threshold(samples[0][0], share=share, confidence=confidence)
    one, other = (_logarithms(networks, share, confidence, step) for networks in samples)
    mean = _difference([one, other])
    larger, smaller = one.above or other.below, one.below or other.above
    censored = "both" if larger and smaller else "above" if larger else "below" if smaller else ""
    ratio = {"": float(np.exp(mean.value)), "above": np.inf, "below": 0.0, "both": np.nan}[censored]
    if not one.drawn:
        return Comparison(ratio, 0.0, np.inf, censored, 1.0, example.method)
    half = mean.half((1 - confidence) / 2)
    before, after = float(np.hypot(one.early, other.late)), float(np.hypot(one.late, other.early))
    low, high = float(np.exp(mean.value - np.hypot(half, before))), float(np.exp(mean.value + np.hypot(half, after)))
    p = mean.p(before if mean.value > 0 else after)
    method = _METHOD.format(f"{len(first)} and {len(second)}", samples[0][0].groups, samples[0][0].unit)
    return Comparison(ratio, 0.0 if smaller else low, np.inf if larger else high, censored, p, method)


@dataclass(frozen=True)
class _Draws:
    """A number of each network of a recipe, and what it would have been with other images.

    Attributes:
        values: (M,).
        draws: (B, M), the same images in a row.
        freedom: degrees of freedom of what the draws show.
        early: how far the mean may lie before its value for want of levels.
        late: how far it may lie after it.
        above: whether some network's lies beyond the last level.
        below: whether some network's lies before the first.
    """

    values: Floats
    draws: Floats
    freedom: float
    early: float = 0.0
    late: float = 0.0
    above: bool = False
    below: bool = False

    @property
    def drawn(self) -> bool:
        """Whether the images say anything of others."""
        return len(self.draws) > 0


@dataclass(frozen=True)
class _Mean:
    """A mean over trainings, or a difference of two, and how uncertain it is.

    Attributes:
        value: the mean.
        trainings: its variance by which trainings there were.
        freedom: degrees of freedom of that.
        images: its variance by which images there were.
        freedom_images: degrees of freedom of that.
        spread: standard deviation between trainings.
    """

    value: float
    trainings: float
    freedom: float
    images: float
    freedom_images: float
    spread: float

    def half(self, tail: float) -> float:
        """Half the width of the interval that leaves out `tail` on each side.

        By Cochran and Cox (1950): the two quantiles of Student's t, weighted by their variances. One t by
        Satterthwaite's degrees of freedom, which are themselves estimated, covers 92% with three trainings.
        """
        if not self.trainings + self.images:
            return 0.0
        between = self.trainings * stdtrit(self.freedom, 1 - tail) if self.trainings else 0.0
        within = self.images * stdtrit(self.freedom_images, 1 - tail)
        return float((between + within) / np.sqrt(self.trainings + self.images))

    def p(self, doubt: float) -> float:
        """Two-sided p-value of 0: what an interval leaves out that ends there, with a doubt of its own on that side."""
        if abs(self.value) <= doubt:
            return 1.0
        reach = float(np.sqrt(self.value**2 - doubt**2))
        if self.half(_LEAST / 2) <= reach:
            return _LEAST
        return float(brentq(lambda p: self.half(p / 2) - reach, _LEAST, 1.0))


def _difference(recipes: Sequence[_Draws]) -> _Mean:
    """The mean over the trainings of a recipe, less that of a second if there is one.

    An image moves all networks' values (the part that the draws' mean shows), and each one's apart. The second part is
    in the variance between networks already, together with that of the trainings.
    """
    signs = (1, -1)[: len(recipes)]
    counts = np.array([len(each.values) for each in recipes])
    between = np.array([each.values.var(ddof=1) for each in recipes])
    draws = [each.draws if each.drawn else each.values[None] for each in recipes]
    apart = np.array([(drawn - drawn.mean(axis=0)).var(axis=1, ddof=1).mean() for drawn in draws])
    moved = sum(sign * drawn.mean(axis=1) for sign, drawn in zip(signs, draws, strict=True))
    trainings = between / counts
    weights = trainings**2 / (counts - 1)
    return _Mean(
        value=float(sum(sign * each.values.mean() for sign, each in zip(signs, recipes, strict=True))),
        trainings=float(trainings.sum()),
        freedom=float(trainings.sum() ** 2 / weights.sum()) if weights.any() else np.inf,
        images=max(0.0, float(np.var(moved) - (apart / counts).sum())),
        freedom_images=recipes[0].freedom,
        spread=float(np.sqrt(max(0.0, between[0] - apart[0]))),
    )


def _paired(
    recipes: Sequence[Sequence[Network]], groups: Labels | None, seed: int, step: float, replicates: int
) -> list[list[Resampled]]:
    """Each network's curve, recipe by recipe, with the same draws of images for all."""
    networks = [network for recipe in recipes for network in recipe]
    if any(len(recipe) < 2 for recipe in recipes):
        raise ValueError("networks: fewer than two of a recipe, which say nothing of its next training; train another")
    first, *others = (np.shape(correct) for _, correct in networks)
    for shape in others:
        if shape[:-1] != first[:-1]:
            raise ValueError(f"correct: shapes {shape} and {first}; give the same images and repeats")
    drawn = resample_together(networks, groups=groups, seed=seed, replicates=replicates)
    parts = iter([sample.on_steps(step) for sample in drawn])
    return [[next(parts) for _ in recipe] for recipe in recipes]


def _logarithms(samples: Sequence[Resampled], share: float, confidence: float, step: float) -> _Draws:
    """Of each network's threshold, counted from the clean level and kept within the levels, the logarithm."""
    falling = [up_to_first_fall(sample, share, confidence)[0] for sample in samples]
    found = [float(crossings(sample.levels, sample.accuracy[None], share)[0]) for sample in falling]
    early, late = np.mean([_doubt(*each, share, step) for each in zip(falling, found, strict=True)], axis=0)
    return _Draws(
        values=np.array([_logarithm(*each) for each in zip(falling, found, strict=True)]),
        draws=np.stack([_logarithm(each, crossings(each.levels, each.replicates, share)) for each in falling], axis=1),
        freedom=_freedom(samples[0]),
        early=float(early),
        late=float(late),
        above=bool(np.isinf(found).any()),
        below=any(value <= sample.levels[1] for value, sample in zip(found, falling, strict=True)),
    )


def _logarithm(sample: Resampled, crossing: Floats | float) -> Floats:
    return np.asarray(np.log(np.clip(crossing, sample.levels[1], sample.levels[-1]) - sample.levels[0]))


def _doubt(sample: Resampled, value: float, share: float, step: float) -> tuple[float, float]:
    """How far before and after its logarithm a threshold may lie for want of levels; of a censored one it is unasked.

    Networks that fall in the same cell err alike there, so that their mean errs by the mean of this.
    """
    if not sample.levels[1] < value < np.inf:
        return 0.0, 0.0
    doubt = np.hypot(interpolation_doubt(sample.levels, sample.accuracy, share), step / 2)
    early, late = doubt / (value - sample.levels[0])
    return -float(np.log1p(-min(early, 1 - _LEAST))), float(np.log1p(late))


def _freedom(sample: Resampled) -> float:
    """Degrees of freedom of the variance by images; draws of the groups' law are spread as Student's t already."""
    return sample.groups - 1 if sample.redrawn else np.inf


def _range(samples: Sequence[Resampled]) -> tuple[float, float, float]:
    """The clean level, the smallest first level above it, and the last level."""
    ends = {(float(sample.levels[0]), float(sample.levels[-1])) for sample in samples}
    if len(ends) > 1:
        raise ValueError("levels: the networks were measured over different ranges; give all the same first and last")
    start, last = ends.pop()
    return start, min(float(sample.levels[1]) for sample in samples), last


def _sure(samples: Sequence[Resampled], share: float, confidence: float, side: int) -> float:
    """The last level up to which, or (side -1) the first one from which, the answer is sure for the recipe.

    Where no network has its threshold within the levels they show no spread of it. Their accuracies do: the level
    counts if the mean of accuracy less its target lies on its side of 0 with its interval, and so at all levels before
    (after) it. Otherwise the clean level (infinity).
    """
    common = reduce(np.intersect1d, [sample.levels for sample in samples])
    bound = float(common[0]) if side > 0 else np.inf
    for level in common[1:] if side > 0 else common[:0:-1]:
        places = [int(np.searchsorted(sample.levels, level)) for sample in samples]
        values = np.array(
            [_spare(sample.accuracy, place, share) for sample, place in zip(samples, places, strict=True)]
        )
        draws = [_spare(sample.replicates, place, share) for sample, place in zip(samples, places, strict=True)]
        mean = _difference([_Draws(values, np.stack(draws, axis=-1), _freedom(samples[0]))])
        if side * mean.value <= mean.half((1 - confidence) / 2):
            break
        bound = float(level)
    return bound


def _spare(accuracy: Floats, place: int, share: float) -> Floats:
    """By how much accuracy at a level exceeds `share` of clean accuracy."""
    return np.asarray(accuracy[..., place] - share * accuracy[..., 0])
