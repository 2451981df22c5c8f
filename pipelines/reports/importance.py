"""Which parameters of a search decide the result: importance in a random forest, by permutation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pipelines.reports.figures import CURVE, INK, MUTED, new_figure, short_name, styled
from pipelines.reports.scales import is_numeric, spoken_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int64]

FEWEST = 8
"""Trials below which nothing can be said."""
REPLICATES, TREES, SHUFFLES = 40, 30, 5
WIDTH, ROW, HEAD, FOOT, LEFT = 7.4, 0.3, 0.75, 0.45, 1.55  # inches


def parameter_importance(
    trials: pd.DataFrame, parameters: Sequence[str], objective: str, *, seed: int = 0
) -> pd.DataFrame:
    """Share of the variance of the result that is lost when a parameter is shuffled, among trials not learned from.

    The result is the rank of the objective, which a few diverged trials cannot dominate. Each replicate learns a
    random forest (Breiman 2001) from a bootstrap sample of the trials and shuffles each parameter among those left
    out, so that the interval holds both the few trials and the forest's chance.

    Args:
        trials: A row a trial; those without objective are left out, a missing parameter is a value of its own.
        parameters: Columns, numbers or words.
        objective: Column.
        seed: Of the samples.

    Returns:
        A row a parameter, most important first: parameter, importance (mean), low, high (95% of the replicates).

    Raises:
        ValueError: Fewer than `FEWEST` trials with an objective.
    """
    from sklearn.ensemble import RandomForestRegressor

    known = trials[trials[objective].notna()]
    if len(known) < FEWEST:
        raise ValueError(f"{len(known)} trials with {objective}: at least {FEWEST} are needed")
    features, rank = _features(known, parameters), rankdata(known[objective])
    random, losses = np.random.default_rng(seed), []
    for replicate in range(REPLICATES):
        drawn, out = _bootstrap(len(known), random)
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=replicate)
        forest.fit(features[drawn], rank[drawn])
        losses.append(_losses(forest.predict, features[out], rank[out], random))
    shares = np.array(losses) / rank.var()
    low, high = np.quantile(shares, (0.025, 0.975), axis=0)
    table = pd.DataFrame({"parameter": parameters, "importance": shares.mean(axis=0), "low": low, "high": high})
    return table.sort_values("importance", ascending=False, ignore_index=True)


def importance_figure(trials: pd.DataFrame, parameters: Sequence[str], objective: str) -> Figure:
    """Draw the importance of each parameter with its interval; a sentence in its place where trials are too few."""
    known = int(trials[objective].notna().sum())
    varying = [name for name in parameters if trials.loc[trials[objective].notna(), name].map(str).unique().size > 1]
    if known < FEWEST or not varying:
        lack = f"{known} of {FEWEST} trials needed" if varying or known < FEWEST else "no parameter varies"
        return message_figure(f"What decides {spoken_name(objective)} cannot be said yet: {lack}")
    table = parameter_importance(trials, varying, objective)
    height = HEAD + FOOT + ROW * len(table)
    with styled():
        figure = new_figure(WIDTH, height)
        title = f"{spoken_name(str(table['parameter'][0])).capitalize()} matters most to {spoken_name(objective)}"
        if table["low"][0] <= 0:
            title = f"No parameter is sure to matter to {spoken_name(objective)}"
        figure.text(0.015, 1 - 0.2 / height, title, weight="bold", size=10, va="center")
        about = f"{known} trials, those stopped early at their last epoch; line: 95% of {REPLICATES} bootstrap samples"
        figure.text(0.015, 1 - 0.43 / height, about, color=MUTED, size=7.5, va="center")
        axes = figure.add_axes((LEFT / WIDTH, FOOT / height, 0.97 - LEFT / WIDTH, 1 - (HEAD + FOOT) / height))
        place = np.arange(len(table))
        sure = [CURVE if low > 0 else MUTED for low in table["low"]]
        axes.barh(place, table["importance"].clip(lower=0), height=0.62, color=sure, alpha=0.35)
        axes.hlines(place, table["low"], table["high"], color=sure, linewidth=1.6)
        axes.scatter(table["importance"], place, s=22, c=sure, zorder=3)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(place, [short_name(spoken_name(name), 22, 1) for name in table["parameter"]], color=INK)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xlabel("variance of the trials' ranks lost when the parameter is shuffled (1: all of it)")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
    return figure


def message_figure(message: str) -> Figure:
    """A picture that says why there is none."""
    with styled():
        figure = new_figure(WIDTH, 0.8)
        figure.text(0.5, 0.5, message, ha="center", va="center", color=MUTED, size=9)
    return figure


def _bootstrap(count: int, random: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows of a bootstrap sample, and those left out, of which there is one at least."""
    while True:
        drawn = random.integers(0, count, count)
        out = np.setdiff1d(np.arange(count), drawn)
        if out.size:  # of few trials a sample may hold each once
            return drawn, out


def _features(trials: pd.DataFrame, parameters: Sequence[str]) -> Floats:
    """Numbers (N, P): ranks of numbers, codes of words in the order of their mean; -1 where missing."""
    columns = []
    for name in parameters:
        values = trials[name]
        numeric = is_numeric(values)
        codes, _ = pd.factorize(values if numeric else values.map(str, na_action="ignore"), sort=True)
        columns.append(codes.astype(float))
    return np.stack(columns, axis=1)


def _losses(predict: Callable[[Floats], Floats], features: Floats, rank: Floats, random: np.random.Generator) -> Floats:
    """Rise of the mean squared error (P,) when each column of (N, P) is shuffled."""
    count, columns = features.shape
    # One call for all: a forest takes milliseconds to begin to predict.
    cases = np.tile(features, (1 + columns * SHUFFLES, 1, 1))
    for case, column in enumerate(np.repeat(np.arange(columns), SHUFFLES), start=1):
        cases[case, :, column] = random.permutation(features[:, column])
    errors = np.mean((predict(cases.reshape(-1, columns)).reshape(-1, count) - rank) ** 2, axis=1)
    return np.asarray(errors[1:].reshape(columns, SHUFFLES).mean(axis=1) - errors[0])
