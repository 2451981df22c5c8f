"""Thresholds of a recipe: what several networks that differ in their seeds alone say of the next one trained so.

A threshold of one network holds for that network, and its interval is over images. Another training of the same recipe
has another threshold. Here the threshold of each network is one draw of the recipe's, which is their geometric mean
over all trainings; the interval holds both what is unknown, the images and the trainings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from noise.resampling import REPLICATES, Resampled, resample
from noise.thresholds import Threshold, crossings, find_threshold

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


@dataclass(frozen=True)
class RecipeRatio:
    """How many times one recipe's threshold is another's.

    Attributes:
        ratio: of the first to the second; a bound, or without meaning, where a threshold of either is censored.
        low: lower end of the interval, over images and trainings; 0 where it is unknown.
        high: upper end; infinity where it is unknown.
        censored: "" | "above" (the truth lies at or above `ratio`) | "below" (at or under it) | "both" (anywhere).
        p: two-sided, that the recipes are alike; of censored thresholds, as far as the levels show.
    """

    ratio: float
    low: float
    high: float
    censored: str
    p: float


def recipe_threshold(
    networks: Sequence[Network],
    *,
    share: float,
    groups: Labels | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    chance: float = 0.0,
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
        replicates: of the bootstrap.

    Raises:
        ValueError: on wrong shapes or levels, fewer than two networks, or a target that is not above `chance`.
    """
    samples = _paired([networks], groups, seed, replicates)[0]
    each = tuple(find_threshold(sample, share=share, confidence=confidence, chance=chance) for sample in samples)
    method = _METHOD.format(len(each), samples[0].groups, samples[0].unit)
    if samples[0].groups < 2:
        method = f"geometric mean of {len(each)} networks; no interval from one group"
    mean = _difference([_logarithms(samples, share)])
    start, first, last = _range(samples)
    half = float(np.hypot(mean.half((1 - confidence) / 2), _doubt(each, start)))
    value, low, high = (start + float(np.exp(at)) for at in (mean.value, mean.value - half, mean.value + half))
    censored = {found.censored for found in each}
    if censored == {"above"}:
        low = _sure(samples, share, confidence, 1)
    if censored == {"below"}:
        high = _sure(samples, share, confidence, -1)
    if "above" in censored or high >= last:
        high = np.inf
    if "below" in censored or low < first:
        low = start
    if "above" in censored:
        return RecipeThreshold(np.inf, min(low, last), np.inf, "above", method, np.nan, each)
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
    replicates: int = REPLICATES,
) -> RecipeRatio:
    """Find how many times the threshold of one recipe is that of another, on the same images.

    Trainings are drawn apart for each recipe; images are the same for all networks, so that what makes an image hard
    for both cancels. Arguments as for `recipe_threshold`.

    Raises:
        ValueError: on wrong shapes or levels, fewer than two networks of a recipe, or ranges that differ.
    """
    recipes = _paired([first, second], groups, seed, replicates)
    (start, _, last), other = _range(recipes[0]), _range(recipes[1])
    if (start, last) != other[::2]:
        raise ValueError("levels: the recipes were measured over different ranges; give both the same first and last")
    each = [[find_threshold(sample, share=share) for sample in samples] for samples in recipes]
    mean = _difference([_logarithms(samples, share) for samples in recipes])
    half = float(np.hypot(mean.half((1 - confidence) / 2), np.hypot(_doubt(each[0], start), _doubt(each[1], start))))
    ones, others = ({found.censored for found in thresholds} for thresholds in each)
    larger = "above" in ones or "below" in others
    smaller = "below" in ones or "above" in others
    low = 0.0 if smaller else float(np.exp(mean.value - half))
    high = np.inf if larger else float(np.exp(mean.value + half))
    censored = "both" if larger and smaller else "above" if larger else "below" if smaller else ""
    return RecipeRatio(float(np.exp(mean.value)), low, high, censored, mean.p())


@dataclass(frozen=True)
class _Mean:
    """A mean over trainings, or a difference of two, and how uncertain it is.

    Attributes:
        value: the mean.
        trainings: its variance by which trainings there were.
        freedom: degrees of freedom of that.
        images: its variance by which images there were.
        groups: of images; that variance has one degree of freedom less.
        spread: standard deviation between trainings.
    """

    value: float
    trainings: float
    freedom: float
    images: float
    groups: int
    spread: float

    def half(self, tail: float) -> float:
        """Half the width of the interval that leaves out `tail` on each side.

        By Cochran and Cox (1950): the two quantiles of Student's t, weighted by their variances. One t by
        Satterthwaite's degrees of freedom, which are themselves estimated, covers 92% with three trainings.
        """
        if self.groups < 2:  # which say nothing of other images
            return np.inf
        if not self.trainings + self.images:
            return 0.0
        between = self.trainings * stdtrit(self.freedom, 1 - tail) if self.trainings else 0.0
        within = self.images * stdtrit(self.groups - 1, 1 - tail)
        return float((between + within) / np.sqrt(self.trainings + self.images))

    def p(self) -> float:
        """Two-sided p-value of 0: what the interval leaves out that ends there."""
        if self.groups < 2:
            return 1.0
        if self.half(_LEAST / 2) <= abs(self.value):
            return _LEAST if self.value else 1.0
        return float(brentq(lambda p: self.half(p / 2) - abs(self.value), _LEAST, 1.0))


def _difference(recipes: Sequence[tuple[Floats, Floats, int]]) -> _Mean:
    """The mean over the trainings of a recipe, less that of a second if there is one.

    Args:
        recipes: of each the values of its networks (M,), their paired bootstrap draws (B, M), and groups of images.

    An image moves all networks' values (the part that the draws' mean shows), and each one's apart. The second part is
    in the variance between networks already, together with that of the trainings.
    """
    signs = (1, -1)[: len(recipes)]
    counts = np.array([len(values) for values, _, _ in recipes])
    between = np.array([values.var(ddof=1) for values, _, _ in recipes])
    apart = np.array([(draws - draws.mean(axis=0)).var(axis=1, ddof=1).mean() for _, draws, _ in recipes])
    moved = sum(sign * draws.mean(axis=1) for sign, (_, draws, _) in zip(signs, recipes, strict=True))
    trainings = between / counts
    weights = trainings**2 / (counts - 1)
    return _Mean(
        value=float(sum(sign * values.mean() for sign, (values, _, _) in zip(signs, recipes, strict=True))),
        trainings=float(trainings.sum()),
        freedom=float(trainings.sum() ** 2 / weights.sum()) if weights.any() else np.inf,
        images=max(0.0, float(np.var(moved) - (apart / counts).sum())),
        groups=recipes[0][2],
        spread=float(np.sqrt(max(0.0, between[0] - apart[0]))),
    )


def _paired(
    recipes: Sequence[Sequence[Network]], groups: Labels | None, seed: int, replicates: int
) -> list[list[Resampled]]:
    """Each network's curve with the same draws of images for all: their levels are drawn as those of one curve."""
    networks = [network for recipe in recipes for network in recipe]
    if any(len(recipe) < 2 for recipe in recipes):
        raise ValueError("networks: fewer than two of a recipe, which say nothing of its next training; train another")
    levels = [np.asarray(given, dtype=np.float64) for given, _ in networks]
    answers = [np.asarray(given) for _, given in networks]
    for own, correct in zip(levels, answers, strict=True):
        if correct.shape[:-1] != answers[0].shape[:-1]:
            raise ValueError(
                f"correct: shapes {correct.shape} and {answers[0].shape}; give the same images and repeats"
            )
        resample(own, correct, groups=groups, replicates=0)  # checks them
    joined = np.concatenate(answers, axis=-1)
    drawn = resample(np.arange(joined.shape[-1]), joined, groups=groups, seed=seed, replicates=replicates)
    stops = np.cumsum([len(own) for own in levels])
    parts = iter(
        replace(
            drawn,
            levels=own,
            accuracy=drawn.accuracy[stop - len(own) : stop],
            replicates=drawn.replicates[:, stop - len(own) : stop],
            counts=drawn.counts[:, stop - len(own) : stop],
        )
        for own, stop in zip(levels, stops, strict=True)
    )
    return [[next(parts) for _ in recipe] for recipe in recipes]


def _logarithms(samples: Sequence[Resampled], share: float) -> tuple[Floats, Floats, int]:
    """Of each network's threshold the logarithm (M,) and its draws (B, M), kept within the levels; groups of images."""
    values = np.array([_logarithm(sample, sample.accuracy[None], share)[0] for sample in samples])
    draws = np.stack([_logarithm(sample, _draws(sample), share) for sample in samples], axis=1)
    return values, draws, samples[0].groups


def _draws(sample: Resampled) -> Floats:
    """Curves of the bootstrap (B, L); of one group there is none but its own."""
    return sample.replicates if len(sample.replicates) else sample.accuracy[None]


def _logarithm(sample: Resampled, curves: Floats, share: float) -> Floats:
    found = np.clip(crossings(sample.levels, curves, share), sample.levels[1], sample.levels[-1])
    return np.asarray(np.log(found - sample.levels[0]))


def _doubt(each: Sequence[Threshold], start: float) -> float:
    """How far the mean logarithm depends on how curves run between levels, which all networks share."""
    parts = [found.interpolation_error / (found.value - start) for found in each if not found.censored]
    return float(np.sum(parts) / len(each))


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
        draws = [_spare(_draws(sample), place, share) for sample, place in zip(samples, places, strict=True)]
        mean = _difference([(values, np.stack(draws, axis=-1), samples[0].groups)])
        if side * mean.value <= mean.half((1 - confidence) / 2):
            break
        bound = float(level)
    return bound


def _spare(accuracy: Floats, place: int, share: float) -> Floats:
    """By how much accuracy at a level exceeds `share` of clean accuracy."""
    return np.asarray(accuracy[..., place] - share * accuracy[..., 0])
