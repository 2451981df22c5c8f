"""Bootstrap of whole groups of images: one curve of accuracy and what it could have been with other signs.

The images are the same at every level and their noise fields are only scaled, so a curve's points are paired.
Resampling keeps that pairing: its unit is an image with all its levels and repeats, or a whole group of images
(a track) where groups are known.

Many images, or groups of one size, are drawn with replacement. Of few, or of groups of unequal size, that would claim
too much: a group that holds a third of the images shows its law only once. Their curves are drawn from the law that all
of them show together (`_law`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Labels = Sequence[object] | NDArray[np.generic]

REPLICATES = 2000
MANY = 100
"""Images, or groups of one size, from which on drawing them with replacement covers as it should."""
FEWEST_GROUPS = 12
"""Effective groups below which no interval is honest: simulated coverage falls under 93%."""
_CHUNK = 250
_MULTINOMIAL_COST = 16  # times the cost of drawing one group
_CORRELATIONS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Resampled:
    """One curve and its bootstrap replicates, from which every threshold of the curve is read.

    Attributes:
        levels: (L,) from `low` up.
        accuracy: (L,) of the sample.
        replicates: (B, L) accuracies of other samples of images or groups; B = 0 where there is only one.
        counts: (K, L) correct answers of each distinct group outcome.
        answers: (K,) answers asked of a group of that outcome.
        copies: (K,) groups that share the outcome.
        unit: "images" or "groups": what was resampled.
        redrawn: whether they were drawn with replacement; else curves were drawn from the groups' common law.
        worth: (L,) independent answers that would make an accuracy as certain; 0 where there is only one group.
        effective: groups of equal size that would tell as much of the law, at most as many as there are.
    """

    levels: Floats
    accuracy: Floats
    replicates: Floats
    counts: Floats
    answers: Floats
    copies: NDArray[np.int64]
    unit: str
    redrawn: bool
    worth: Floats
    effective: float

    @property
    def groups(self) -> int:
        """How many groups (images, where groups are unknown) were resampled."""
        return int(self.copies.sum())

    def at(self, columns: NDArray[np.int64]) -> Resampled:
        """The same sample at some of its levels."""
        return replace(
            self,
            levels=self.levels[columns],
            accuracy=self.accuracy[columns],
            replicates=self.replicates[:, columns],
            counts=self.counts[:, columns],
            worth=self.worth[columns],
        )

    def on_steps(self, step: float) -> Resampled:
        """The same sample at the levels that its images really have, multiples of `step`; 0: as they are.

        Of levels that make the same images the last stays.
        """
        if not step:
            return self
        levels = np.round(self.levels / step) * step
        columns = np.flatnonzero(np.append(np.diff(levels) > 0, True))
        return replace(self.at(columns), levels=levels[columns])


def resample(
    levels: ArrayLike,
    correct: ArrayLike,
    *,
    groups: Labels | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Resampled:
    """Take the curve of a sample, and of as many other samples as asked.

    Groups with equal outcomes are interchangeable, so a draw is one of weights of the distinct outcomes: equal in law
    to drawing groups, independent of their order and names, and fast where thousands of images share few outcomes.
    """
    levels_, correct_ = _checked(levels, correct)
    counts, answers, copies = _outcomes(correct_, groups)
    law = _law(counts, answers, copies)
    random = np.random.default_rng(seed)
    redrawn = bool(copies.sum() >= MANY and answers.min() == answers.max())
    enough = copies.sum() > 1 if groups is None else law.effective >= FEWEST_GROUPS
    drawn = replicates if enough else 0
    curves = np.empty((drawn, len(levels_)))
    for start in range(0, drawn, _CHUNK):
        rows = slice(start, min(start + _CHUNK, drawn))
        if redrawn:
            weights = _redraw(random, copies, rows.stop - start)
            curves[rows] = (weights @ counts) / (weights @ answers)[:, None]
        else:
            curves[rows] = law.draw(random, rows.stop - start)
    unit = "images" if groups is None else "groups"
    return Resampled(levels_, law.accuracy, curves, counts, answers, copies, unit, redrawn, law.worth, law.effective)


def resample_together(
    curves: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    groups: Labels | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> list[Resampled]:
    """Several networks' curves with the same draws of images for all: their levels are drawn as those of one curve.

    Args:
        curves: of each network its levels (L,), which may differ, and answers (N, L) or (N, R, L) to the same images.
        groups: as in `resample`.
        seed: of the draws.
        replicates: how many.
    """
    for own, correct in curves:
        _checked(own, correct)
    levels = [np.asarray(own, dtype=np.float64) for own, _ in curves]
    joined = np.concatenate([np.asarray(correct) for _, correct in curves], axis=-1)
    drawn = resample(np.arange(joined.shape[-1]), joined, groups=groups, seed=seed, replicates=replicates)
    stops = np.cumsum([len(own) for own in levels])
    return [
        replace(drawn.at(np.arange(stop - len(own), stop)), levels=own) for own, stop in zip(levels, stops, strict=True)
    ]


@dataclass(frozen=True)
class _Law:
    """What groups tell together of the law of a curve, on the scale of arcsin(sqrt(accuracy)).

    On that scale the standard error hardly depends on the accuracy itself (Fisher's transformation): it must not be
    small because a sample happens to have few failures.

    Attributes:
        accuracy: (L,) of the sample.
        roots: (K, L) matrix whose product with itself is the covariance.
        worth: (L,) independent answers that would give the variances.
        effective: groups of equal size that would tell as much.
    """

    accuracy: Floats
    roots: Floats
    worth: Floats
    effective: float

    def draw(self, random: np.random.Generator, draws: int) -> Floats:
        """Curves (draws, L) of other samples: a Student's t process."""
        degrees = self.effective - 1
        normal = random.normal(size=(draws, len(self.roots)))
        student = (normal @ self.roots) * np.sqrt(degrees / random.chisquare(degrees, size=(draws, 1)))
        return np.asarray(np.sin(np.clip(np.arcsin(np.sqrt(self.accuracy)) + student, 0, np.pi / 2)) ** 2)


def _law(counts: Floats, answers: Floats, copies: NDArray[np.int64]) -> _Law:
    """Fit the law of groups.

    The right answers of a group of m have the variance p (1 - p) m (1 + (m - 1) rho) (Kish 1965), with one rho that
    makes all residuals likeliest. Divided by its root each group's residual tells as much as any other's, so that a
    large group counts by its size and not by its own luck. The variance has the degrees of freedom of Satterthwaite
    (1946) for the information that the groups hold on rho; of equal groups that is their number.
    """
    groups, total = int(copies.sum()), float(copies @ answers)
    accuracy = (copies @ counts) / total
    if groups < 2:
        return _Law(accuracy, np.zeros_like(counts), np.zeros_like(accuracy), float(groups))
    residuals = counts - answers[:, None] * accuracy
    rho = _correlation(residuals, accuracy, answers, copies)
    spread = answers * (1 + (answers - 1) * rho)
    alike = residuals / np.sqrt(spread)[:, None]
    alike -= copies @ alike / groups
    shown = (copies @ alike**2) / (groups - 1)
    inside = (accuracy * total + 0.5) / (total + 1)  # shares of 0 and 1 have a variance too
    binomial = inside * (1 - inside)
    variance = np.maximum(binomial, shown)
    worth = total**2 / (copies @ spread) * binomial / variance
    stretch = np.sqrt(variance / np.where(shown > 0, shown, 1.0) / (groups - 1) / binomial)
    roots = np.sqrt(copies)[:, None] * alike * stretch * np.sqrt(copies @ spread) / total / 2
    pairs = copies @ (answers * (answers - 1))
    information = copies @ np.square((answers - 1) / (1 + (answers - 1) * rho))
    effective = (copies @ spread) ** 2 * information / pairs**2 if pairs else np.inf
    return _Law(accuracy, np.asarray(roots), np.asarray(worth), float(min(effective, groups)))


def _correlation(residuals: Floats, accuracy: Floats, answers: Floats, copies: NDArray[np.int64]) -> float:
    """The correlation of answers within groups that makes the residuals (K, L) likeliest, one for all levels."""
    squares, binomial = np.mean(residuals**2, axis=1), np.mean(accuracy * (1 - accuracy))
    if not binomial:
        return 0.0
    variances = binomial * answers * (1 + (answers - 1) * _CORRELATIONS[:, None])
    misfit = (np.log(variances) + squares / variances) @ copies
    return float(_CORRELATIONS[int(np.argmin(misfit))])


def _outcomes(correct: NDArray[np.bool_], groups: Labels | None) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Right answers (K, L), answers (K,) and number of groups (K,) of each distinct outcome of a group."""
    counts = correct.sum(axis=1, dtype=np.int64)
    answers = np.full(len(counts), correct.shape[1], dtype=np.int64)
    if groups is not None:
        names, member = np.unique(np.asarray(groups), return_inverse=True)
        if member.shape != (len(counts),):
            raise ValueError(f"groups: {member.size} labels for {len(counts)} images; give one label for each image")
        answers = np.bincount(member, weights=answers).astype(np.int64)
        summed = np.zeros((len(names), counts.shape[1]), dtype=np.int64)
        np.add.at(summed, member, counts)
        counts = summed
    table = np.column_stack([answers, counts])
    _, first, copies = np.unique(_row_keys(table), return_index=True, return_counts=True)
    distinct = table[first].astype(np.float64)
    return distinct[:, 1:], distinct[:, 0], copies


def _row_keys(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number a row (N, K) of counts, equal where rows are equal and in their lexicographic order."""
    keys = np.zeros(len(table), dtype=np.int64)
    for column in table.T:
        keys = keys * (column.max() + 1) + column
        if keys.max() > 2**40:
            keys = np.unique(keys, return_inverse=True)[1]
    return keys


def _redraw(random: np.random.Generator, copies: NDArray[np.int64], draws: int) -> Floats:
    """How often each distinct outcome is drawn, (draws, K), when all are drawn with replacement."""
    total, kinds = int(copies.sum()), len(copies)
    if kinds * _MULTINOMIAL_COST < total:
        return random.multinomial(total, copies / total, size=draws).astype(np.float64)
    kind = np.repeat(np.arange(kinds), copies)[random.integers(total, size=(draws, total))]
    cells = kind + kinds * np.arange(draws)[:, None]
    return np.bincount(cells.ravel(), minlength=draws * kinds).reshape(draws, kinds).astype(np.float64)


def _checked(levels: ArrayLike, correct: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Levels (L,) and correct (N, R, L), or an error that says what is wrong with them."""
    levels_ = np.asarray(levels, dtype=np.float64)
    correct_ = np.asarray(correct)
    if levels_.ndim != 1 or len(levels_) < 2 or not np.all(np.isfinite(levels_)) or np.any(np.diff(levels_) <= 0):
        raise ValueError(f"levels: {levels_.tolist()}; give two or more finite levels that increase")
    if correct_.dtype != np.bool_:
        raise ValueError(f"correct: dtype {correct_.dtype}; give booleans")
    if correct_.ndim == 2:
        correct_ = correct_[:, None, :]
    if correct_.ndim != 3 or correct_.shape[2] != len(levels_) or 0 in correct_.shape:
        raise ValueError(
            f"correct: shape {np.shape(correct)} for {len(levels_)} levels; "
            "give (images, levels) or (images, repeats, levels)"
        )
    return levels_, correct_
