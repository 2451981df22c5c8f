"""Thresholds of a recipe from the grids of several networks that it gave, with what differs between its trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from noise.levels import by_name, by_step, by_unit
from noise.trainings import recipe_threshold
from pipelines.analysis import CRITERIA, RightAnswers, right_answers
from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.search import Measured

COLUMNS = [
    *("noise", "unit", "criterion", "threshold", "low", "high", "censored", "spread", "lowest", "highest", "reached"),
    *("networks", "n", "groups", "method"),
]


def recipe_thresholds(grids: Sequence[Measured], *, size: int, seed: int = 0) -> pd.DataFrame:
    """Find the thresholds of a recipe under each noise.

    Args:
        grids: of two or more of its networks, on the same images under the same random fields.
        size: side of the images in pixels, on which steps of a noise depend.
        seed: of the bootstrap.

    Returns:
        A row for each noise and criterion ("begins", "fails"): noise, unit, criterion, threshold, low, high, censored
        (see `noise.trainings.RecipeThreshold`), spread (standard deviation between trainings as a share of the
        threshold, without what images explain), lowest and highest (thresholds of a single network), reached (networks
        that fall so far within the tested levels), networks, n (images), groups, method. NaN, and the reason as
        method, where a network has no threshold.

    Raises:
        InputError: the grids are not of the same images.
    """
    units, steps = by_unit(grids[0].levels), by_step(grids[0].levels, size)
    noises = zip(*(right_answers(grid.predictions, by_name(grid.levels)) for grid in grids), strict=True)
    rows = [
        {"noise": name, "unit": units[name], "criterion": criterion} | _row(answers, criterion, steps[name], seed)
        for name, answers in zip(units, noises, strict=True)
        for criterion in CRITERIA
    ]
    return pd.DataFrame(rows)[COLUMNS]


def _row(answers: Sequence[RightAnswers], criterion: str, step: float, seed: int) -> dict[str, Any]:
    first = answers[0]
    if any(each.images != first.images for each in answers):
        raise InputError("predictions: the networks saw different images; run the grid again without --resume")
    count = len(first.images) if first.groups is None else len(set(first.groups))
    known = {"networks": len(answers), "n": len(first.images), "groups": count}
    share, clean = CRITERIA[criterion], min(float(each.correct[:, 0, 0].mean()) for each in answers)
    if share * clean <= first.chance:
        nothing = dict.fromkeys(("threshold", "low", "high", "spread", "lowest", "highest"), np.nan)
        reason = f"none: {share:g} x clean {clean:.3g} of one network is not above chance, {first.chance:.3g}"
        return known | nothing | {"censored": "", "reached": 0, "method": reason}
    networks = [(each.levels, each.correct) for each in answers]
    found = recipe_threshold(networks, share=share, groups=first.groups, seed=seed, chance=first.chance, step=step)
    values = [each.value for each in found.each]
    return known | {
        "threshold": found.value,
        "low": found.low,
        "high": found.high,
        "censored": found.censored,
        "spread": found.spread,
        "lowest": min(values),
        "highest": max(values),
        "reached": sum(each.censored != "above" for each in found.each),
        "method": found.method,
    }
