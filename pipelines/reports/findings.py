"""What was found, in sentences with numbers: the first thing a reader of the report sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.analysis import CRITERIA
from pipelines.failures.classes import ALL
from pipelines.failures.flow import AT_THRESHOLD
from pipelines.failures.rows import level_near
from pipelines.intervals import wilson_interval
from pipelines.reports.captions import listed, ssim_text
from pipelines.reports.classes import RANKED_SUPPORT, class_order
from pipelines.reports.reservations import reserved, with_numbers
from pipelines.reports.summary import NoiseSummary, classes_of, ends, number, percent, rank_text, spoken
from pipelines.visibility import RANKS, SLIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.study import Study

FIRST = 3
"""Noises that are named with their numbers."""
HARMED = 0.01
"""Share of the recognised images from which slight changes are said to do harm."""
AGREED, IN_PART = 0.7, 0.3
"""Kendall's tau from which two orders are said to agree well, and in part."""


@dataclass(frozen=True)
class Finding:
    """A question in a few words, and the answer in plain text."""

    topic: str
    text: str


def headline(visibility: pd.DataFrame, families: Mapping[str, str]) -> str:
    """Return the shortest answer: the noise that ranks high by every measure of what shows, or those that tie."""
    first = leaders(visibility)
    if first.empty:
        return "No tested noise makes this network begin to fail within its range"
    names = [_with_kind(name, families[name]) for name in first["noise"]]
    shown = (f"at {ssim_text(row['ssim'])}{_decibels(row['psnr'])}" for row in first.to_dict("records"))
    said = (
        "disrupts most for how little it shows" if len(names) == 1 else "disrupt most for how little they show, and tie"
    )
    return f"{_capital(listed(names))} {said}: this network begins to fail {', and '.join(shown)}"


def _decibels(psnr: float) -> str:
    return f" and {psnr:.0f} dB" if np.isfinite(psnr) else ""


def leaders(visibility: pd.DataFrame) -> pd.DataFrame:
    """The rows of the noises whose worst rank over the measures is best where they begin to do harm."""
    ranked = _ranked(visibility)
    first: pd.DataFrame = ranked[_worst(ranked) == _worst(ranked).min()]
    return first


def _with_kind(name: str, family: str) -> str:
    title = spoken(name)
    return f"{title} noise" if family == "random" and not title.endswith("noise") else title


def findings(study: Study, noises: Sequence[NoiseSummary]) -> list[Finding]:
    """Return the answers to the questions that a grid is asked, where the grid can tell; none of a weak network."""
    if reserved(noises):
        return []
    tables, failures = study.tables, study.failures
    answers = {
        "Least to see, most harm": _least(tables["visibility"], tables["rank_agreement"]),
        "What must show most": _most(tables["visibility"]),
        "What it withstands": _withstood(noises),
        "Slight against huge": _slight(tables["slight"]) + _fooled(tables["slightest"], tables["slight"]),
        "Does confidence warn?": _confidence(failures.confidence, study.analysis.thresholds),
        "What falls first": _classes(study.analysis.per_class, noises) + _shapes(failures.class_factors),
        "Where answers go": _sink(failures.confusion_flow, study.analysis.thresholds),
    }
    return [Finding(topic, text.strip()) for topic, text in answers.items() if with_numbers(text)]


def _least(visibility: pd.DataFrame, agreement: pd.DataFrame) -> str:
    ranked = _ranked(visibility)
    if ranked.empty:
        return ""
    by_ssim, by_psnr = (ranked.sort_values(rank, kind="stable") for rank in ("rank", "rank_psnr"))
    ssim = (f"{spoken(row['noise'])} ({_ssim(row)})" for row in by_ssim.head(FIRST).to_dict("records"))
    psnr = (f"{spoken(row['noise'])} ({_psnr(row)})" for row in by_psnr.head(FIRST).to_dict("records"))
    sentence = f"When this network begins to fail, least shows of {listed(ssim)} by SSIM, of {listed(psnr)} by PSNR."
    return sentence + _contenders(by_ssim) + _unranked(visibility) + _agreement(ranked, agreement)


def _contenders(by_ssim: pd.DataFrame) -> str:
    """The noises behind the first whose rank's interval reaches up to it."""
    rest = by_ssim.iloc[1:]
    names = rest[rest["rank_low"] == 1]["noise"]
    return (
        f" By the intervals of the ranks {listed(map(spoken, names))} may be first by SSIM as well."
        if len(names)
        else ""
    )


def _unranked(visibility: pd.DataFrame) -> str:
    """The noises that do harm before their first tested level, which may be the first of all."""
    early = visibility[(visibility["criterion"] == "begins") & (visibility["censored"] == "below")]["noise"]
    if early.empty:
        return ""
    names = listed(map(spoken, early)).capitalize()
    return f" {names} may show still less: the harm began at or below the first tested level."


def _agreement(ranked: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """What holds by every measure, and how far the orders agree."""
    if len(ranked) <= FIRST:
        return ""
    worst = int(_worst(ranked).min())
    first = ranked[_worst(ranked) == worst]
    place = "first" if worst == 1 else f"among the first {worst}"
    ranks = (listed(rank_text(row, column) for column in RANKS) for row in first.to_dict("records"))
    row = next(row for row in agreement.to_dict("records") if (row["criterion"], row["measure"]) == ("begins", "psnr"))
    agree = "well" if row["tau"] >= AGREED else "in part" if row["tau"] >= IN_PART else "hardly"
    names, are = _capital(listed(map(spoken, first["noise"]))), "is" if len(first) == 1 else "are"
    return (
        f" {names} {are} {place} of {len(ranked)} by SSIM, PSNR and contrast-weighted PSNR alike (ranks "
        f"{'; '.join(ranks)}, of this network, with intervals of 95% over such images); the orders by SSIM and by PSNR "
        f"agree {agree} (Kendall's tau {row['tau']:.2f}{ends(float(row['low']), float(row['high']))})."
    )


def _most(visibility: pd.DataFrame) -> str:
    ranked = _ranked(visibility)
    if len(ranked) < 2:
        return ""
    first, last = ranked.to_dict("records")[0], ranked.sort_values("rank", kind="stable").to_dict("records")[-1]
    return (
        f"Of the {len(ranked)} noises that make this network begin to fail, {spoken(last['noise'])} must show most by "
        f"SSIM (rank {rank_text(last)}): SSIM {_ssim(last)} and {_psnr(last)}, at level {number(last['level'])}"
        f"{ends(last['level_low'], last['level_high'], number)} ({last['unit']}). Its mean squared error is then "
        f"{_error_ratio(first, last)} times that of {spoken(first['noise'])}."
    )


def _error_ratio(first: Mapping[Any, Any], last: Mapping[Any, Any]) -> str:
    """How many times the mean squared error of one noise is that of another, their errors taken as independent."""
    apart = first["psnr"] - last["psnr"]
    under = np.hypot(first["psnr"] - first["psnr_low"], last["psnr_high"] - last["psnr"])
    over = np.hypot(first["psnr_high"] - first["psnr"], last["psnr"] - last["psnr_low"])
    value, low, high = (float(10 ** (decibels / 10)) for decibels in (apart, apart - under, apart + over))
    return f"{number(value)}{ends(low, high, number, '∞')}"


def _withstood(noises: Sequence[NoiseSummary]) -> str:
    kept = [noise for noise in noises if noise.fails.censored == "above"]
    untouched = [noise.title for noise in kept if noise.begins.censored == "above"]
    failed = [noise for noise in noises if np.isfinite(noise.fails.value)]
    if len(failed) == len(noises):
        return f"All {len(noises)} noises make this network fail within their tested range." if len(noises) > 1 else ""
    if not kept:
        return ""
    left = {noise.title: float(noise.curve["accuracy"].iloc[-1]) for noise in kept}
    most = sorted(left, key=lambda title: -left[title])
    end = next(noise.curve.iloc[-1] for noise in kept if noise.title == most[0])
    open_ends = [noise.title for noise in noises if _may_be_otherwise(noise)]
    return (
        f"This network does not fail anywhere in the tested range of {len(kept)} of {len(noises)} noises: "
        f"{listed(most)}. Under {most[0]} {percent(left[most[0]])}{ends(end['low'], end['high'], percent)} of the "
        "answers are right even at the strongest level."
        + (f" Under {listed(untouched)} it does not even begin to fail." if untouched else "")
        + (f" By the intervals it may be otherwise of {listed(open_ends)}." if open_ends else "")
    )


def _may_be_otherwise(noise: NoiseSummary) -> bool:
    """Whether the interval leaves open that the noise makes the network fail within its range."""
    found = noise.fails
    if found.censored == "above":
        return bool(np.isfinite(found.low) and found.low < found.last)
    return not found.censored and np.isfinite(found.value) and bool(np.isinf(found.high))


def _slight(slight: pd.DataFrame) -> str:
    known = slight[slight["failing_at"].notna()].sort_values("failing_at", ascending=False)
    if known.empty:
        return ""
    worst, harmed = known.iloc[0], int((known["failing_at"] >= HARMED).sum())
    huge, sure = slight.sort_values("failing_huge"), int((known["failing_at_low"] >= HARMED).sum())
    least, most = (f"{_failing(row, 'huge')} ({spoken(row['noise'])})" for _, row in huge.iloc[[0, -1]].iterrows())
    return (
        f"At SSIM {SLIGHT:g} {harmed} of {len(known)} noises ({sure} with their whole interval) already fool it on "
        f"{percent(HARMED, 0)} of the recognised images or more, {spoken(worst['noise'])} on {_failing(worst, 'at')}. "
        f"At their strongest levels they do on {percent(huge['failing_huge'].median(), 0)} in the median of these "
        f"noises, from {least} to {most}."
    )


def _failing(row: pd.Series[Any], which: str) -> str:
    low, high = (row[f"failing_{which}_{end}"] for end in ("low", "high"))
    return f"{percent(row[f'failing_{which}'])}{ends(low, high, percent)}"


def _fooled(slightest: pd.DataFrame, slight: pd.DataFrame) -> str:
    """How many images some noise fools while the change is slight, as far as the tested levels show."""
    fooled, recognised = int((slightest["ssim"] >= SLIGHT).sum()), int(slight["n"].max())
    if not fooled:
        return ""
    share = fooled / recognised
    low, high = wilson_interval(share, float(slight["groups"].max()))
    return (
        f" At least {percent(share)}{ends(low, high, percent)} of the recognised images ({fooled:,}) fail under one of "
        f"these noises at an SSIM of {SLIGHT:g} or more."
    )


def _confidence(confidence: pd.DataFrame, thresholds: pd.DataFrame) -> str:
    said = {"begins": "where noises make it begin to fail", "fails": "where they make it fail"}
    warned = {criterion: _warned(confidence, thresholds, criterion) for criterion in said}
    ranges = [f"{_range(found)} {said[criterion]}" for criterion, found in warned.items() if len(found)]
    if not ranges:
        return ""
    clean = confidence[confidence["level_index"] == 0].dropna(subset="auroc")
    before = f"{_auroc(clean.iloc[0])} on clean images, " if len(clean) else ""
    return (
        f"AUROC of confidence for being right is {before}{listed(ranges)} (1: it warns of every failure, 0.5: of none; "
        f"at tested levels of about that accuracy).{_left_out(confidence, thresholds, warned)}"
    )


def _warned(confidence: pd.DataFrame, thresholds: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """The row of each noise at the measured level that stands for its threshold, the smallest AUROC first."""
    level = thresholds[thresholds["criterion"] == criterion].set_index("noise")["threshold"]
    places = []
    for noise, rows in confidence.groupby("noise", sort=False):
        target = CRITERIA[criterion] * float(rows.loc[rows["level_index"] == 0, "accuracy"].iloc[0])
        place = level_near(float(level.get(noise, np.nan)), rows["level"], rows["accuracy"], target)
        places += [] if place is None else [rows.index[place]]
    return confidence.loc[places].dropna(subset="auroc").sort_values("auroc")


def _left_out(confidence: pd.DataFrame, thresholds: pd.DataFrame, warned: Mapping[str, pd.DataFrame]) -> str:
    """The noises that reach a threshold between two levels of other accuracies."""
    known = thresholds[thresholds["noise"].isin(confidence["noise"]) & np.isfinite(thresholds["threshold"])]
    without = [
        f"{spoken(noise)} ({criterion})"
        for criterion, found in warned.items()
        for noise in known[known["criterion"] == criterion]["noise"]
        if noise not in set(found["noise"])
    ]
    return f" Left out, for want of such a level: {listed(without)}." if without else ""


def _range(found: pd.DataFrame) -> str:
    ends_of = [f"{_auroc(found.iloc[at])} ({spoken(found['noise'].iloc[at])})" for at in (0, -1)]
    return ends_of[0] if len(found) == 1 else f"{ends_of[0]} to {ends_of[1]}"


def _auroc(row: pd.Series[Any]) -> str:
    return f"{row['auroc']:.2f}{ends(row['auroc_low'], row['auroc_high'])}"


def _classes(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> str:
    ranked, others = class_order(per_class, noises)
    if len(ranked) <= FIRST:
        return ""
    names = [f"“{classes_of(per_class)[label][0]}”" for label in ranked]
    left = f"; {len(others)} with fewer than {RANKED_SUPPORT} test images are left out" if others else ""
    return (
        f"Over all noises {listed(names[:FIRST])} fall first of {len(ranked)} classes, {names[-1]} last (by the median "
        f"of this network's thresholds over these noises, an order without interval{left})."
    )


def _shapes(factors: pd.DataFrame) -> str:
    whole = factors[(factors["factor"] == "shape") & (factors["noise"] == ALL)].sort_values("value")
    shapes, alone = whole[whole["classes"] > 1], whole[whole["classes"] <= 1]["group"]
    if len(shapes) < 2:
        return ""
    first, last = (f"{row['value']:.2f}{ends(row['low'], row['high'])}" for _, row in shapes.iloc[[0, -1]].iterrows())
    left = f" Left out are shapes of fewer than two such classes: {listed(alone)}." if len(alone) else ""
    return (
        f" By shape, {shapes['group'].iloc[0]} signs fall first and {shapes['group'].iloc[-1]} signs last (mean ranks "
        f"{first} and {last}, where 0 is the first of all classes and 1 the last).{left}"
    )


def _sink(flow: pd.DataFrame, thresholds: pd.DataFrame) -> str:
    first = flow[(flow["kind"] == "sink") & (flow["rank"] == 1) & (flow["measured_at"] == AT_THRESHOLD)]
    if first.empty:
        return ""
    fails = thresholds[(thresholds["criterion"] == "fails") & np.isfinite(thresholds["threshold"])]["noise"]
    without = [spoken(noise) for noise in fails if noise not in set(first["noise"])]
    favourite = first["predicted_name"].value_counts()
    most = first.sort_values("share").iloc[-1]
    left = (
        f" Left out, for want of a tested level of about the accuracy where it fails: {listed(without)}."
        if without
        else ""
    )
    return (
        f"Under {favourite.iloc[0]} of {len(first)} noises that make it fail, wrong answers name "
        f"“{favourite.index[0]}” most often. {_capital(spoken(most['noise']))} is the most one-sided: "
        f"{percent(most['share'], 0)} of its {most['failures']:,} wrong answers to these images name "
        f"“{most['predicted_name']}”.{left}"
    )


def _ranked(visibility: pd.DataFrame) -> pd.DataFrame:
    """The noises with a rank where they begin to do harm, the one first whose worst rank over the measures is best."""
    found = visibility[(visibility["criterion"] == "begins") & visibility["rank"].notna()]
    order = pd.DataFrame({"worst": _worst(found), "summed": found[list(RANKS)].astype(float).sum(axis=1)})
    return found.loc[order.sort_values(["worst", "summed"], kind="stable").index]


def _worst(ranked: pd.DataFrame) -> pd.Series[Any]:
    return ranked[list(RANKS)].astype(float).max(axis=1)


def _ssim(row: Mapping[Any, Any]) -> str:
    return f"{row['ssim']:.3f}{ends(row['ssim_low'], row['ssim_high'], '{:.3f}'.format)}"


def _psnr(row: Mapping[Any, Any]) -> str:
    return f"{row['psnr']:.1f} dB{ends(row['psnr_low'], row['psnr_high'], '{:.1f}'.format, '∞')}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
