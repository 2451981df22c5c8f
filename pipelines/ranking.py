"""Which trials of a search are the best: by one objective, or by several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.trials import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def ordered(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """The trials that have the objective, best first."""
    known = trials[trials[objective].notna()]
    return known.sort_values(objective, ascending=OBJECTIVES[objective] == "min", kind="stable")


def unbeaten(trials: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """The trials that have all objectives and that no other beats in one without losing in another, best first."""
    known = ordered(trials.dropna(subset=list(objectives)), objectives[0])
    values = known[list(objectives)].to_numpy(float) * [1 if OBJECTIVES[name] == "max" else -1 for name in objectives]
    beaten = [bool(((values >= own).all(axis=1) & (values > own).any(axis=1)).any()) for own in values]
    return known[[not lost for lost in beaten]]


def ranked(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """The trials that have the objective, best first.

    Raises:
        InputError: there is none.
    """
    found = ordered(trials, objective)
    if found.empty:
        raise InputError(f"all {len(trials)} trials failed; the first: {_first_reason(trials)}")
    return found


def pareto_front(trials: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """The trials that no other beats in one objective without losing in another, best of the first objective first.

    Raises:
        InputError: there is none.
    """
    front = unbeaten(trials, objectives)
    if front.empty:
        wanted = " and ".join(objectives)
        raise InputError(f"none of {len(trials)} trials has {wanted}; the first: {_first_reason(trials)}")
    return front


def _first_reason(trials: pd.DataFrame) -> str:
    """Why the first trial that says so has failed, or how the first has ended."""
    reasons = [str(reason) for reason in trials["reason"] if reason]
    return reasons[0] if reasons else str(trials["status"].iloc[0])
