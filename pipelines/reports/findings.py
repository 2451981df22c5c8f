"""What was found, in sentences with numbers: the first thing a reader of the report sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.failures.classes import ALL
from pipelines.failures.flow import AT_THRESHOLD
from pipelines.reports.captions import listed, ssim_text
from pipelines.reports.classes import class_order
from pipelines.reports.summary import NoiseSummary, classes_of, number, percent, spoken
from pipelines.visibility import SLIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.study import Study

RANKS = ("rank", "rank_psnr", "rank_csf_psnr")
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
    """Return the shortest answer: the noise that ranks high by every measure of what shows."""
    ranked = _ranked(visibility)
    if ranked.empty:
        return "No tested noise makes the classifier begin to fail within its range"
    row = ranked.iloc[0]
    title = spoken(row["noise"])
    if families[row["noise"]] == "random" and not title.endswith("noise"):
        title += " noise"
    return (
        f"{title[0].upper()}{title[1:]} disrupts most for how little it shows: "
        f"the classifier begins to fail at {ssim_text(row['ssim'])} and {row['psnr']:.0f} dB"
    )


def findings(study: Study, noises: Sequence[NoiseSummary]) -> list[Finding]:
    """Return the answers to the questions that a grid is asked, where the grid can tell."""
    tables, failures = study.tables, study.failures
    answers = {
        "Least to see, most harm": _least(tables["visibility"], tables["rank_agreement"]),
        "What must show most": _most(tables["visibility"]),
        "What it withstands": _withstood(noises),
        "Slight against huge": _slight(tables["slight"]) + _fooled(tables["slightest"], tables["slight"]),
        "Does confidence warn?": _confidence(failures.confidence, study.analysis.thresholds),
        "What falls first": _classes(study.analysis.per_class, noises) + _shapes(failures.class_factors),
        "Where answers go": _sink(failures.confusion_flow),
    }
    return [Finding(topic, text.strip()) for topic, text in answers.items() if text]


def _least(visibility: pd.DataFrame, agreement: pd.DataFrame) -> str:
    ranked = _ranked(visibility)
    if ranked.empty:
        return ""
    by_ssim, by_psnr = (ranked.sort_values(rank, kind="stable") for rank in ("rank", "rank_psnr"))
    ssim = (f"{spoken(row['noise'])} ({_ssim(row)})" for row in by_ssim.head(FIRST).to_dict("records"))
    psnr = (f"{spoken(row['noise'])} ({row['psnr']:.1f} dB)" for row in by_psnr.head(FIRST).to_dict("records"))
    sentence = f"When the classifier begins to fail, least shows of {listed(ssim)} by SSIM, of {listed(psnr)} by PSNR."
    return sentence + _ties(by_ssim) + _unranked(visibility) + _agreement(ranked, agreement)


def _ties(by_ssim: pd.DataFrame) -> str:
    """The noises further down that, by the intervals, may show as little as the first."""
    rest = by_ssim.iloc[FIRST:]
    tied = rest[rest["ssim_high"] >= by_ssim["ssim_low"].iloc[0]]["noise"]
    return f" By the intervals of SSIM, {listed(map(spoken, tied))} may show as little." if len(tied) else ""


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
    worst = int(ranked[list(RANKS)].iloc[0].max())
    place = "first" if worst == 1 else f"among the first {worst}"
    tau = agreement[agreement["criterion"] == "begins"].set_index("measure")["tau"]["psnr"]
    agree = "well" if tau >= AGREED else "in part" if tau >= IN_PART else "hardly"
    return (
        f" {_capital(ranked['noise'].iloc[0])} is {place} of {len(ranked)} by SSIM, PSNR and contrast-weighted PSNR "
        f"alike; the orders by SSIM and by PSNR agree {agree} (Kendall's tau {tau:.2f})."
    )


def _most(visibility: pd.DataFrame) -> str:
    ranked = _ranked(visibility)
    if len(ranked) < 2:
        return ""
    first, last = ranked.iloc[0], ranked.sort_values("rank", kind="stable").iloc[-1]
    ratio = 10 ** ((first["psnr"] - last["psnr"]) / 10)
    return (
        f"Of the {len(ranked)} noises that make the classifier begin to fail, {spoken(last['noise'])} must show most: "
        f"{ssim_text(last['ssim'])} and {last['psnr']:.0f} dB, at level {number(last['level'])} ({last['unit']}). "
        f"Its mean squared error is then {number(ratio)} times that of {spoken(first['noise'])}."
    )


def _withstood(noises: Sequence[NoiseSummary]) -> str:
    kept = [noise for noise in noises if noise.fails.censored == "above"]
    untouched = [noise.title for noise in kept if noise.begins.censored == "above"]
    failed = [noise for noise in noises if np.isfinite(noise.fails.value)]
    if len(failed) == len(noises):
        return f"All {len(noises)} noises make it fail within their tested range." if len(noises) > 1 else ""
    if not kept:
        return ""
    left = {noise.title: float(noise.curve["accuracy"].iloc[-1]) for noise in kept}
    most = sorted(left, key=lambda title: -left[title])
    return (
        f"It does not fail anywhere in the tested range of {len(kept)} of {len(noises)} noises: {listed(most)}. "
        f"Under {most[0]} {percent(left[most[0]], 0)} of the answers are right even at the strongest level."
        + (f" Under {listed(untouched)} it does not even begin to fail." if untouched else "")
    )


def _slight(slight: pd.DataFrame) -> str:
    known = slight[slight["failing_at"].notna()].sort_values("failing_at", ascending=False)
    if known.empty:
        return ""
    worst, harmed = known.iloc[0], int((known["failing_at"] >= HARMED).sum())
    huge = slight.sort_values("failing_huge")
    ends = [f"{percent(row['failing_huge'], 0)} ({spoken(row['noise'])})" for _, row in huge.iloc[[0, -1]].iterrows()]
    return (
        f"At SSIM {SLIGHT:g} {harmed} of {len(known)} noises already fool it on {percent(HARMED, 0)} "
        f"of the recognised images or more, {spoken(worst['noise'])} on {percent(worst['failing_at'])} "
        f"[{percent(worst['failing_at_low'])}, {percent(worst['failing_at_high'])}]. At their strongest levels they do "
        f"on {percent(huge['failing_huge'].median(), 0)} in the median, from {ends[0]} to {ends[1]}."
    )


def _fooled(slightest: pd.DataFrame, slight: pd.DataFrame) -> str:
    """How many images some noise fools while the change is slight, as far as the tested levels show."""
    fooled, recognised = int((slightest["ssim"] >= SLIGHT).sum()), int(slight["n"].max())
    if not fooled:
        return ""
    return (
        f" At least {percent(fooled / recognised, 0)} of the recognised images ({fooled:,}) fail under some noise that "
        f"leaves them an SSIM of {SLIGHT:g} or more."
    )


def _confidence(confidence: pd.DataFrame, thresholds: pd.DataFrame) -> str:
    said = {
        "begins": "at the levels nearest to where noises make it begin to fail",
        "fails": "to where they make it fail",
    }
    warned = {words: _warned(confidence, thresholds, criterion) for criterion, words in said.items()}
    ranges = [f"{_range(found)} {words}" for words, found in warned.items() if len(found)]
    if not ranges:
        return ""
    clean = confidence[confidence["level_index"] == 0]["auroc"].dropna()
    before = f"{clean.iloc[0]:.2f} on clean images, " if len(clean) else ""
    return (
        f"AUROC of confidence for being right is {before}{listed(ranges)} (1: it warns of every failure, 0.5: of none)."
    )


def _warned(confidence: pd.DataFrame, thresholds: pd.DataFrame, criterion: str) -> pd.Series[Any]:
    """AUROC by noise at the measured level nearest to each threshold that was reached, smallest first."""
    reached = thresholds[(thresholds["criterion"] == criterion) & np.isfinite(thresholds["threshold"])]
    level = reached.set_index("noise")["threshold"]
    if level.empty:
        return pd.Series(dtype=float)
    rows = confidence[confidence["noise"].isin(level.index) & confidence["auroc"].notna()]
    away = (rows["level"] - rows["noise"].map(level)).abs()
    nearest = rows.loc[away.groupby(rows["noise"]).idxmin()]
    return nearest.set_index("noise")["auroc"].sort_values()


def _range(found: pd.Series[Any]) -> str:
    ends = [f"{found.iloc[at]:.2f} ({spoken(str(found.index[at]))})" for at in (0, -1)]
    return ends[0] if len(found) == 1 else f"{ends[0]} to {ends[1]}"


def _classes(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> str:
    ranked, _ = class_order(per_class, noises)
    if len(ranked) <= FIRST:
        return ""
    names = [f"“{classes_of(per_class)[label][0]}”" for label in ranked]
    return f"Over all noises {listed(names[:FIRST])} fall first, {names[-1]} last."


def _shapes(factors: pd.DataFrame) -> str:
    shapes = factors[(factors["factor"] == "shape") & (factors["noise"] == ALL)].sort_values("value")
    shapes = shapes[shapes["classes"] > 1]  # what a single class does says little of its shape
    if len(shapes) < 2:
        return ""
    first, last = shapes.iloc[0], shapes.iloc[-1]
    return (
        f" By shape, {first['group']} signs fall first and {last['group']} signs last (mean ranks "
        f"{first['value']:.2f} and {last['value']:.2f}, where 0 is the first of all classes and 1 the last)."
    )


def _sink(flow: pd.DataFrame) -> str:
    first = flow[(flow["kind"] == "sink") & (flow["rank"] == 1) & (flow["measured_at"] == AT_THRESHOLD)]
    if first.empty:
        return ""
    favourite = first["predicted_name"].value_counts()
    most = first.sort_values("share").iloc[-1]
    return (
        f"Under {favourite.iloc[0]} of the {len(first)} noises that make it fail, wrong answers name "
        f"“{favourite.index[0]}” most often. {_capital(most['noise'])} is the most one-sided: "
        f"{percent(most['share'], 0)} of its wrong answers name “{most['predicted_name']}”."
    )


def _ranked(visibility: pd.DataFrame) -> pd.DataFrame:
    """The noises with a rank where they begin to do harm, the one first whose worst rank over the measures is best."""
    found = visibility[(visibility["criterion"] == "begins") & visibility["rank"].notna()]
    ranks = found[list(RANKS)].astype(float)
    order = pd.DataFrame({"worst": ranks.max(axis=1), "summed": ranks.sum(axis=1)})
    return found.loc[order.sort_values(["worst", "summed"], kind="stable").index]


def _ssim(row: Mapping[Any, Any]) -> str:
    ends = "" if np.isnan(row["ssim_low"]) else f" [{row['ssim_low']:.3f}, {row['ssim_high']:.3f}]"
    return f"{row['ssim']:.3f}{ends}"


def _capital(noise: str) -> str:
    title = spoken(noise)
    return title[0].upper() + title[1:]
