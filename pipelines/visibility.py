"""What a grid's noises show: distortion by level, thresholds at equal visibility, slight against huge change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.stats import kendalltau

import noise
from noise.distortion import MEASURES, measure
from noise.plugins import install
from noise.visibility import Reading, VisibilityCurve, level_at, rank_intervals, read_at, visibility_curve
from pipelines.analysis import CLEAN, CRITERIA
from pipelines.intervals import wilson_interval
from pipelines.signs import SignDataset, Signs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from noise.levels import NoiseLevels
    from noise.plugins import Plugin

    Floats = NDArray[np.float64]

RANKING = "ssim"
"""The measure on which noises are ranked first."""
OTHERS = ("psnr", "csf_psnr")
"""The measures on which they are ranked beside it."""
RANKS = {"rank": RANKING, **{f"rank_{other}": other for other in OTHERS}}
"""The columns of ranks, and the measure of each."""
SLIGHT = 0.95
"""The mean SSIM down to which a change counts as slight."""
SLICE_BYTES = 1 << 26
"""Noisy images that a task holds at a time."""
NORMAL_95 = 1.959963984540054
FEW = 10
"""Noises from which Kendall's tau has an interval."""


def measure_distortions(
    signs: SignDataset,
    grid: Sequence[NoiseLevels],
    *,
    seed: int,
    images: int = 1000,
    split: str = "test",
    limit: int | None = None,
    plugin: Plugin | None = None,
) -> pd.DataFrame:
    """Measure what the noises of a grid do to its own images, on Ray: a task a noise.

    The images are a subset of the grid's, stratified by class, under the same random fields (those of repeat 0).

    Args:
        signs: the data set of the grid.
        grid: noises and levels.
        seed: of the grid.
        images: how many to measure at most.
        split: of the data set.
        limit: of the grid.
        plugin: that has some of its noises.

    Returns:
        A row a noise and level, the clean one included: noise, unit, level, level_index, n, and of each measure m its
        mean over images and 95% interval: m, m_low, m_high.
    """
    import ray

    from pipelines.cluster import connect

    connect()
    sample = signs.read(split, limit=min(images, limit or images))
    held, task = ray.put(sample), ray.remote(distortion_rows)
    rows: list[pd.DataFrame] = ray.get([task.remote(part.kind.name, part.levels, held, seed, plugin) for part in grid])
    return pd.concat(rows, ignore_index=True)


def distortion_rows(
    name: str, levels: Sequence[float], signs: Signs, seed: int, plugin: Plugin | None = None
) -> pd.DataFrame:
    """The rows of one noise: see `measure_distortions`."""
    if plugin:
        install(plugin)
    kind = noise.find(name)
    step = max(1, SLICE_BYTES // (signs.image[0].nbytes * len(levels)))
    parts = []
    for start in range(0, len(signs), step):
        part = signs.take(np.arange(start, min(start + step, len(signs))))
        noisy = noise.disturb(kind, part.image, levels, image_ids=part.image_id.tolist(), seed=seed)
        parts.append(measure(part.image, noisy))
    rows = pd.DataFrame(
        {"noise": name, "unit": kind.unit, "level": levels, "level_index": np.arange(len(levels)), "n": len(signs)}
    )
    for key, one in MEASURES.items():
        means = [one.average(values) for values in np.concatenate([part[key] for part in parts], axis=1)]
        rows[[key, f"{key}_low", f"{key}_high"]] = np.asarray(means)
    return rows


def equal_visibility(thresholds: pd.DataFrame, distortions: pd.DataFrame) -> pd.DataFrame:
    """Put thresholds on the axes of the measures, and rank noises by how little they show when they do harm.

    Args:
        thresholds: `Analysis.thresholds`.
        distortions: of `measure_distortions`, with every noise of the thresholds.

    Returns:
        A row a noise and criterion ("begins", "fails"), ranked noises first: noise, unit, criterion, censored, level,
        level_low, level_high; of each measure m the value there and its 95% interval, m, m_low, m_high; and rank,
        rank_psnr, rank_csf_psnr among the noises of the criterion, 1 showing least, `rank` by SSIM, each with its 95%
        interval (rank_low, rank_high, ...; see `rank_intervals`: of this network, on these images, by the intervals of
        the measure at the thresholds). What is censored has no rank: "above" was not reached, and its values (at the
        last level) are bounds that harm would exceed; "below" was reached at the first level, and harm begins at or
        short of its values.
    """
    curves = {name: _curves(rows) for name, rows in distortions.groupby("noise", sort=False)}
    wanted = thresholds[thresholds["criterion"].isin(list(CRITERIA))]
    rows = [_visibility_row(row, curves[row["noise"]]) for row in wanted.to_dict("records")]
    table = pd.DataFrame(rows)
    ranked = (table["censored"] == "") & table["level"].notna()
    table = table.join(pd.concat([_ranks(table[ranked & (table["criterion"] == criterion)]) for criterion in CRITERIA]))
    keys = {"criterion": table["criterion"].map(list(CRITERIA).index), "open": ~ranked, "shown": _shown(table, RANKING)}
    order = pd.DataFrame(keys).sort_values(list(keys), kind="stable").index
    return table.loc[order].reset_index(drop=True)


def rank_agreement(visibility: pd.DataFrame) -> pd.DataFrame:
    """How far the ranking hangs on the measure: Kendall's tau between the ranks by SSIM and by each other measure.

    Returns:
        A row a criterion and other measure: criterion, measure, noises (ranked), tau (1: the same order, 0: none; NaN
        for fewer than two noises), low, high (95%, by Fieller, Hartley and Pearson 1957, as if the noises were a
        sample of such; NaN for fewer than ten).
    """
    rows: list[dict[str, object]] = []
    for criterion, group in visibility.groupby("criterion", sort=False):
        ranked = group[group["rank"].notna()]
        for other in OTHERS:
            tau, low, high = _tau(ranked["rank"].to_numpy(np.float64), ranked[f"rank_{other}"].to_numpy(np.float64))
            found = {"noises": len(ranked), "tau": tau, "low": low, "high": high}
            rows.append({"criterion": criterion, "measure": other, **found})
    return pd.DataFrame(rows)


def _tau(one: Floats, other: Floats) -> tuple[float, float, float]:
    tau = float(kendalltau(one, other).statistic) if len(one) > 1 else np.nan
    if len(one) < FEW or abs(tau) == 1:
        return tau, np.nan, np.nan
    reach = NORMAL_95 * np.sqrt(0.437 / (len(one) - 4))
    low, high = np.tanh(np.arctanh(tau) + np.array([-reach, reach]))
    return tau, float(low), float(high)


def slight_and_huge(predictions: Mapping[str, pd.DataFrame], distortions: pd.DataFrame) -> pd.DataFrame:
    """Compare what slight changes do with what the largest do, to images that are recognised when clean.

    Args:
        predictions: of each noise its rows (level_index, repeat, image_id, track, label, predicted); the clean images
            once, under "clean".
        distortions: of `measure_distortions`.

    Returns:
        A row a noise: noise, unit, n and groups (images right when clean, and tracks); level_slight, ssim_slight and
        failing_slight, _low, _high: the share of n that fails at the strongest tested level whose mean SSIM is 0.95 or
        more; level_at, failing_at, _low, _high: the same where the mean SSIM is exactly 0.95, interpolated; and
        level_huge, ssim_huge, failing_huge, _low, _high at the strongest level. NaN where there is no such level.
        Intervals are Wilson's 95%, for the effective number of images that the tracks leave.
    """
    right = predictions[CLEAN]
    right = right[right["label"] == right["predicted"]].set_index("image_id")
    rows = [
        _slight_row(predictions[str(name)], right, levels.sort_values("level_index"))
        for name, levels in distortions.groupby("noise", sort=False)
    ]
    return pd.DataFrame(rows)


def slightest(image_thresholds: pd.DataFrame) -> pd.DataFrame:
    """The images that fail at the slightest change: of each image the noise and level that show least.

    Args:
        image_thresholds: a row a noise and image: noise, image_id, label, level_below, level (the smallest that fails,
            infinity where none does), predicted, ssim, psnr, l2, csf_psnr (of this image at `level`), margin (clean).

    Returns:
        The rows of largest SSIM, one an image, the slightest change first.
    """
    failing = image_thresholds[np.isfinite(image_thresholds["level"])]
    ordered = failing.sort_values(["ssim", "psnr", "image_id", "noise"], ascending=[False, False, True, True])
    first: pd.DataFrame = ordered.drop_duplicates("image_id").reset_index(drop=True)
    return first


def _curves(rows: pd.DataFrame) -> dict[str, VisibilityCurve]:
    """The curve of each measure, of one noise."""
    rows = rows.sort_values("level_index")
    return {
        key: visibility_curve(one, rows["level"], rows[key], rows[f"{key}_low"], rows[f"{key}_high"])
        for key, one in MEASURES.items()
    }


def _shown(table: pd.DataFrame, name: str, end: str = "") -> pd.Series[float]:
    """How much shows in each row, or an end of its interval, on the distance scale of a measure."""
    return pd.Series(MEASURES[name].to_distance(table[f"{name}{end}"].to_numpy(np.float64)), table.index)


def _ranks(table: pd.DataFrame) -> pd.DataFrame:
    """The rank of each row by how much shows on each measure, and the ends of its interval."""
    found: dict[str, object] = {}
    for column, name in RANKS.items():
        shown, one, other = (_shown(table, name, end) for end in ("", "_low", "_high"))
        first, last = rank_intervals(shown, np.fmin(one, other), np.fmax(one, other))
        found |= {column: shown.rank(method="min"), f"{column}_low": first, f"{column}_high": last}
    return pd.DataFrame(found, table.index).astype("Int64")


def _visibility_row(row: Mapping[Any, Any], curves: Mapping[str, VisibilityCurve]) -> dict[str, object]:
    level, low, high = (float(row[key]) for key in ("threshold", "low", "high"))
    censored = row["censored"] if isinstance(row["censored"], str) else ""
    found: dict[str, object] = {key: row[key] for key in ("noise", "unit", "criterion")}
    found |= {"censored": censored, "level": level, "level_low": low, "level_high": high}
    for key in ("psnr", "ssim", "l2", "l1", "linf", "l0", "csf_psnr"):
        reading = read_at(curves[key], level, low, high)
        found |= {key: reading.value, f"{key}_low": reading.low, f"{key}_high": reading.high}
    return found


def _slight_row(rows: pd.DataFrame, right: pd.DataFrame, levels: pd.DataFrame) -> dict[str, object]:
    at, ssim = levels["level"].to_numpy(np.float64), levels["ssim"].to_numpy(np.float64)
    groups = _groups(right)
    failures = _failures(rows, right, len(at))
    rates = [_rate(failures[:, index], groups) for index in range(len(at))]
    slight = np.flatnonzero((ssim >= SLIGHT) & (at > at[0]))
    tested = {"slight": int(slight[-1]) if len(slight) else None, "huge": len(at) - 1}
    exact = level_at(_curves(levels)["ssim"], SLIGHT)
    found: dict[str, object] = {key: levels[key].iloc[0] for key in ("noise", "unit")}
    found |= {"n": len(right), "groups": int(groups.max()) + 1}
    for name, index in tested.items():
        found[f"level_{name}"] = np.nan if index is None else at[index]
        found[f"ssim_{name}"] = np.nan if index is None else ssim[index]
        found |= _failing(name, (np.nan,) * 3 if index is None else (rates[index][0], *wilson_interval(*rates[index])))
    known = bool(np.isfinite(exact.value))
    found["level_at"] = exact.value if known else np.nan
    return found | _failing("at", _between(at, rates, exact) if known else (np.nan,) * 3)


def _failing(name: str, rate: Sequence[float]) -> dict[str, object]:
    return dict(zip((f"failing_{name}", f"failing_{name}_low", f"failing_{name}_high"), rate, strict=True))


def _groups(clean: pd.DataFrame) -> NDArray[np.int64]:
    """A number (N,) for each image's track; an image without one is alone."""
    track = clean["track"].fillna("").astype(str).to_numpy(dtype=object)
    names = np.where(track == "", clean.index.to_numpy(dtype=object), "track " + track)
    return np.unique(names, return_inverse=True)[1]


def _failures(rows: pd.DataFrame, right: pd.DataFrame, levels: int) -> Floats:
    """Share of repeats in which each image that is right when clean fails at each level, (N, L)."""
    rows = rows[rows["image_id"].isin(right.index)]
    image = right.index.get_indexer(pd.Index(rows["image_id"]))
    wrong = (rows["predicted"] != rows["label"]).to_numpy(np.float64)
    cell = image * levels + rows["level_index"].to_numpy(np.int64)
    total = np.bincount(cell, minlength=len(right) * levels)
    summed = np.bincount(cell, weights=wrong, minlength=len(right) * levels)
    return np.asarray(summed / np.maximum(total, 1)).reshape(len(right), levels)


def _rate(failed: Floats, groups: NDArray[np.int64]) -> tuple[float, float]:
    """A rate of failure and the effective number of images behind it (Korn and Graubard 1998).

    That number is how many independent images would give the variance that the groups show; where nothing or
    everything fails it is the number of groups.
    """
    count, rate = len(failed), float(failed.mean())
    summed, size = np.bincount(groups, failed), np.bincount(groups)
    variance = float(np.square(summed - rate * size).sum()) * len(size) / max(len(size) - 1, 1) / count**2
    effective = min(rate * (1 - rate) / variance, float(count)) if variance > 0 else float(len(size))
    return rate, effective


def _between(levels: Floats, rates: Sequence[tuple[float, float]], level: Reading) -> tuple[float, float, float]:
    """The rate at a level between those tested, with its interval.

    The curve is a monotone cubic. To the rate's own error are added how far a straight line would lie from the curve,
    and how far the rate moves over the level's interval.
    """
    curve, effective = np.asarray(rates).T
    smooth = PchipInterpolator(levels, curve)
    ends = np.clip([level.value, level.low, level.high], levels[0], levels[-1])
    ends[np.isnan(ends)] = level.value  # one image alone has no interval
    rate, least, most = (float(part) for part in smooth(ends))
    straight = rate - float(np.interp(level.value, levels, curve))
    low, high = wilson_interval(rate, float(effective[np.searchsorted(levels, level.value)]))
    under = float(np.sqrt((rate - low) ** 2 + straight**2 + (rate - least) ** 2))
    over = float(np.sqrt((high - rate) ** 2 + straight**2 + (most - rate) ** 2))
    return rate, max(rate - under, 0.0), min(rate + over, 1.0)
