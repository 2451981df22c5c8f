"""Bootstrap of whole groups of images: one curve of accuracy and what it could have been with other signs.

The images are the same at every level and their noise fields are only scaled, so a curve's points are paired.
Resampling keeps that pairing: its unit is an image with all its levels and repeats, or a whole group of images
(a track) where groups are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Labels = Sequence[object] | NDArray[np.generic]

REPLICATES = 2000
_CHUNK = 250
_MULTINOMIAL_COST = 16  # times the cost of drawing one group


@dataclass(frozen=True)
class Resampled:
    """One curve and its bootstrap replicates, from which every threshold of the curve is read.

    Attributes:
        levels: (L,) from `low` up.
        accuracy: (L,) of the sample.
        replicates: (B, L) accuracies of the resampled groups; B = 0 where there is only one group.
        counts: (K, L) correct answers of each distinct group outcome.
        answers: (K,) answers asked of a group of that outcome.
        copies: (K,) groups that share the outcome.
        unit: "images" or "groups": what was resampled.
    """

    levels: Floats
    accuracy: Floats
    replicates: Floats
    counts: Floats
    answers: Floats
    copies: NDArray[np.int64]
    unit: str

    @property
    def groups(self) -> int:
        """How many groups (images, where groups are unknown) were resampled."""
        return int(self.copies.sum())


def resample(
    levels: ArrayLike,
    correct: ArrayLike,
    *,
    groups: Labels | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Resampled:
    """Draw whole groups with replacement and take the curve of each draw.

    Groups with equal outcomes are interchangeable, so a draw is a multinomial over the distinct outcomes: equal in
    law to drawing groups, independent of their order and names, and fast where thousands of images share few outcomes.
    """
    levels_, correct_ = _checked(levels, correct)
    counts, answers, copies = _outcomes(correct_, groups)
    total = int(copies.sum())
    accuracy = (copies @ counts) / (copies @ answers)
    random = np.random.default_rng(seed)
    drawn = replicates if total > 1 else 0
    curves = np.empty((drawn, len(levels_)))
    for start in range(0, drawn, _CHUNK):
        rows = slice(start, min(start + _CHUNK, drawn))
        weights = _draw_groups(random, copies, rows.stop - start)
        curves[rows] = (weights @ counts) / (weights @ answers)[:, None]
    return Resampled(levels_, accuracy, curves, counts, answers, copies, "images" if groups is None else "groups")


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


def _draw_groups(random: np.random.Generator, copies: NDArray[np.int64], draws: int) -> Floats:
    """How often each distinct outcome is drawn, (draws, K), when all groups are drawn with replacement."""
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
