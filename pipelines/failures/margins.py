"""The level at which each image first fails, and how well its margin when clean foretells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numba import njit

from models.calibration import auroc
from pipelines.analysis import CLEAN, CRITERIA
from pipelines.failures.rows import groups_of, level_near, noises_of, threshold_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

REPLICATES = 1000


def image_thresholds(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Find the smallest measured level at which each image is wrong; images wrong when clean are left out.

    Args:
        predictions: of each noise its rows (level, level_index, repeat, image_id, track, label, predicted); the clean
            images, with their margins, under "clean".

    Returns:
        A row for each noise, image and repeat, in the clean images' order: noise, image_id, track, label, repeat,
        level_below (the last measured level before), level (infinite where no level makes it wrong), level_index (-1
        there), predicted (the first wrong class; -1 there), right_again (measured levels above at which it is right),
        margin (of the clean image, in logits).
    """
    clean = predictions[CLEAN]
    right = clean[clean["predicted"] == clean["label"]].reset_index(drop=True)
    return pd.concat(
        [_first_wrong(name, predictions[name], right) for name in noises_of(predictions)], ignore_index=True
    )


def _first_wrong(name: str, rows: pd.DataFrame, clean: pd.DataFrame) -> pd.DataFrame:
    levels = rows.groupby("level_index")["level"].first()
    step = np.searchsorted(levels.index, rows["level_index"].to_numpy())
    image = pd.Index(clean["image_id"]).get_indexer(pd.Index(rows["image_id"]))
    repeats = int(rows["repeat"].max()) + 1
    known = image >= 0
    answers = np.full((len(clean), repeats, len(levels)), -1, dtype=np.int64)
    answers[image[known], rows["repeat"].to_numpy()[known], step[known]] = rows["predicted"].to_numpy()[known]
    flat = answers.reshape(-1, len(levels))
    wrong = flat != np.repeat(clean["label"].to_numpy(), repeats)[:, None]
    fails, first = wrong.any(axis=1), wrong.argmax(axis=1)
    at = np.concatenate([[0.0], levels.to_numpy(np.float64)])
    base = clean.loc[clean.index.repeat(repeats), ["image_id", "track", "label"]].reset_index(drop=True)
    base.insert(0, "noise", name)
    return base.assign(
        repeat=np.tile(np.arange(repeats), len(clean)),
        level_below=np.where(fails, at[first], at[-1]),
        level=np.where(fails, at[first + 1], np.inf),
        level_index=np.where(fails, levels.index.to_numpy()[first], -1),
        predicted=np.where(fails, flat[np.arange(len(flat)), first], -1),
        right_again=np.where(fails, (~wrong & (np.arange(len(levels)) > first[:, None])).sum(axis=1), 0),
        margin=np.repeat(clean["margin"].to_numpy(np.float64), repeats),
    )


def margin_predicts(images: pd.DataFrame, thresholds: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Measure how well the clean margin foretells the level at which an image first fails.

    Args:
        images: rows as `image_thresholds` gives them, or finer ones with the same columns.
        thresholds: rows of `Analysis.thresholds`.
        seed: of the bootstrap.

    Returns:
        A row for each noise: noise, n, groups, never (share of the images that no level makes wrong: ties at the top),
        right_again (share of those that fail that are right at some larger level), rho (Spearman's, of margin and
        level), rho_low, rho_high (95%, percentiles of a bootstrap over tracks, or over images where no track is
        known), begins (the threshold), early (share of the images that fail up to the measured level that stands for
        it, see `level_near`, or at all where it is not reached; NaN without such a level), auroc (of a small margin
        for failing early), auroc_low, auroc_high, method.
    """
    group = groups_of(images)
    counts = _draw(int(group.max()) + 1, seed)
    rows = []
    for name, members in images.groupby("noise", sort=False).indices.items():
        part, groups = images.iloc[members], group[members]
        rows.append({"noise": name} | _foretold(part, groups, counts, threshold_of(thresholds, str(name), "begins")))
    method = f"rho: {REPLICATES} bootstrap draws of tracks (images where unknown); AUROC: DeLong's variance, by track"
    return pd.DataFrame(rows).assign(method=method)


def _foretold(part: pd.DataFrame, groups: Integers, counts: NDArray[np.uint8], begins: float) -> dict[str, object]:
    margin, level = part["margin"].to_numpy(np.float64), part["level"].to_numpy(np.float64)
    fails = np.isfinite(level)
    early = level <= _early(level, begins)
    rho, drawn = spearman(margin, level, counts, groups)
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(rho) else (np.nan, np.nan)
    warned = auroc(-margin, early, groups)
    return {
        "n": len(part),
        "groups": len(np.unique(groups)),
        "never": float(np.mean(~fails)),
        "right_again": float(np.mean(part["right_again"].to_numpy()[fails] > 0)) if fails.any() else 0.0,
        "rho": rho,
        "rho_low": float(low),
        "rho_high": float(high),
        "begins": begins,
        "early": float(early.mean()) if early.any() else np.nan,
        "auroc": warned.value,
        "auroc_low": warned.low,
        "auroc_high": warned.high,
    }


def _early(level: Floats, begins: float) -> float:
    """Up to which level an image fails early; below all where no measured level stands for the threshold."""
    if np.isposinf(begins):
        return np.finfo(np.float64).max
    measured = np.unique(level[np.isfinite(level)])
    kept = 1 - np.searchsorted(np.sort(level), measured, side="right") / len(level)
    place = level_near(begins, measured, kept, CRITERIA["begins"])
    return -np.inf if place is None else float(measured[place])


def spearman(x: Floats, y: Floats, counts: NDArray[np.uint8], groups: Integers) -> tuple[float, Floats]:
    """Spearman's rho of (N,) values, ties at their mean rank, and of the samples that draw group g counts[:, g] times.

    Returns:
        Rho, NaN where a side is constant, and the (B,) rhos of the samples.
    """
    ranks = [np.unique(values, return_inverse=True)[1].astype(np.int64) for values in (x, y)]
    whole = _weighted_rho(np.ones((1, len(x)), np.uint8), np.arange(len(x)), *ranks)
    return float(whole[0]), _weighted_rho(counts, groups, *ranks)


@njit(cache=True, boundscheck=False)
def _weighted_rho(counts: NDArray[np.uint8], groups: Integers, x: Integers, y: Integers) -> Floats:
    """Pearson's correlation of the mean ranks of x and y (N,) in every sample (B,)."""
    rho = np.empty(len(counts))
    x_rank, y_rank = np.empty(x.max() + 1), np.empty(y.max() + 1)
    for sample in range(len(counts)):
        x_rank[:], y_rank[:], total = 0.0, 0.0, 0.0
        for image in range(len(x)):
            weight = counts[sample, groups[image]]
            x_rank[x[image]] += weight
            y_rank[y[image]] += weight
            total += weight
        _to_centred_ranks(x_rank, total)
        _to_centred_ranks(y_rank, total)
        xx, xy, yy = 0.0, 0.0, 0.0
        for image in range(len(x)):
            weight = counts[sample, groups[image]]
            left, right = x_rank[x[image]], y_rank[y[image]]
            xx += weight * left * left
            xy += weight * left * right
            yy += weight * right * right
        rho[sample] = xy / np.sqrt(xx * yy) if xx * yy > 0 else np.nan
    return rho


@njit(cache=True, boundscheck=False)
def _to_centred_ranks(weights: Floats, total: float) -> None:
    """Turn the weight of each distinct value, in order, into its mean rank less the mean of all ranks (in place)."""
    before = 0.0
    for value in range(len(weights)):
        weight = weights[value]
        weights[value] = before + 0.5 * weight - 0.5 * total
        before += weight


def _draw(groups: int, seed: int) -> NDArray[np.uint8]:
    """How often each group is drawn, (REPLICATES, groups), when all are drawn with replacement."""
    random = np.random.default_rng(seed)
    drawn = [np.bincount(random.integers(groups, size=groups), minlength=groups) for _ in range(REPLICATES)]
    return np.asarray(drawn, dtype=np.uint8)
