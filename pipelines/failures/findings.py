"""What was found about how the classifier fails, in plain sentences with the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.failures.classes import ALL
from pipelines.failures.flow import AT_THRESHOLD
from pipelines.reports.captions import listed
from pipelines.reports.classes import RANKED_SUPPORT
from pipelines.reports.reservations import with_numbers
from pipelines.reports.summary import ends, number, percent, spoken

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.failures import Failures

WARNS = 0.9
"""AUROC from which confidence is said to warn."""


def failure_findings(failures: Failures) -> list[str]:
    """Return three to six sentences of plain text, the numbers in them; where nothing failed, fewer."""
    flow = failures.confusion_flow
    flow = flow[flow["measured_at"] == AT_THRESHOLD]
    sentences = [
        *_sinks(flow),
        *_pair(flow),
        *_warnings(failures.confidence, flow),
        *_classes(failures.class_factors),
        *_margins(failures.margins),
    ]
    return [sentence for sentence in sentences if with_numbers(sentence)]


def _sinks(flow: pd.DataFrame) -> list[str]:
    first = flow[(flow["kind"] == "sink") & (flow["rank"] == 1)].sort_values("share", ascending=False)
    if first.empty:
        return []
    most, spread = first.iloc[0], first.sort_values("destinations").iloc[-1]
    sentence = (
        f"Where {spoken(most['noise'])} makes it fail, {percent(most['share'], 0)} of all {most['failures']:,} wrong "
        f'answers to these images name one sign, "{most["predicted_name"]}"'
    )
    if len(first) == 1:
        return [f"{sentence}."]
    favourite = first["predicted_name"].value_counts()
    return [
        f'{sentence}; "{favourite.index[0]}" receives the most under {favourite.iloc[0]} of {len(first)} noises. '
        f"They scatter most under {spoken(spread['noise'])}, as if over {spread['destinations']:.0f} signs evenly."
    ]


def _pair(flow: pd.DataFrame) -> list[str]:
    pairs = flow[flow["kind"] == "pair"].sort_values("rate", ascending=False)
    if pairs.empty:
        return []
    most = pairs.iloc[0]
    return [
        f"The most regular confusion on these images: under {spoken(most['noise'])}, {percent(most['rate'], 0)} of the "
        f'answers to "{most["label_name"]}" ({most["count"]} of {most["count"] / most["rate"]:.0f}) name '
        f'"{most["predicted_name"]}".'
    ]


def _warnings(confidence: pd.DataFrame, flow: pd.DataFrame) -> list[str]:
    """AUROC and overconfidence at the levels of the confusion flow."""
    at = flow.drop_duplicates("noise")[["noise", "level_index"]]
    known = at.merge(confidence, on=["noise", "level_index"]).dropna(subset="auroc").sort_values("auroc")
    if known.empty:
        return []
    least = known.iloc[0]
    warned, sure = (int((known[name] >= WARNS).sum()) for name in ("auroc", "auroc_low"))
    clean = confidence[confidence["level_index"] == 0].iloc[0]
    before = f"; {_auroc(clean)} without noise" if np.isfinite(clean["auroc"]) else ""
    sentence = (
        f"At a tested level of about the accuracy where a noise makes it fail, low confidence still warns of wrong "
        f"answers (AUROC of {WARNS:g} or more) under {warned} of {len(known)} noises ({sure} with the whole interval), "
        f"least under {spoken(least['noise'])}: {_auroc(least)}{before}."
    )
    blind = confidence.sort_values("calibration_error").iloc[-1]
    surety, truth = percent(blind["confidence"], 0), percent(blind["accuracy"], 0)
    calibration = (
        f"On these images calibration error is {clean['calibration_error']:.2f} without noise, up to "
        f"{known['calibration_error'].max():.2f} at these levels and at most {blind['calibration_error']:.2f}, under "
        f"{spoken(blind['noise'])} at {number(blind['level'])}, where mean confidence is {surety} and accuracy {truth}."
    )
    return [sentence, calibration]


def _classes(factors: pd.DataFrame) -> list[str]:
    whole = factors[factors["noise"] == ALL]
    size = whole[whole["factor"] == "training images"]
    if size.empty or not np.isfinite(size["value"].iloc[0]):
        return []
    row = size.iloc[0]
    tied = "" if row["low"] > 0 or row["high"] < 0 else "not "
    sentence = (
        f"How long a class lasts is {tied}clearly tied to its training images (Spearman's rho {row['value']:.2f}"
        f"{ends(row['low'], row['high'])} over {row['classes']} classes; {row['left_out']} with fewer than "
        f"{RANKED_SUPPORT} test images left out)"
    )
    # What a single class does says little of its shape.
    every = whole[whole["factor"] == "shape"].sort_values("value")
    shapes, alone = every[every["classes"] > 1], every[every["classes"] <= 1]["group"]
    if len(shapes) < 2:
        return [f"{sentence}."]
    first, last = shapes.iloc[0], shapes.iloc[-1]
    left = f" Shapes of fewer than two such classes are left out: {listed(alone)}." if len(alone) else ""
    return [
        f"{sentence}; by shape, {_shape(first)} fall first and {_shape(last)} last (0: first of all, 1: last).{left}"
    ]


def _shape(row: pd.Series[float]) -> str:
    place = f"{row['value']:.2f}{ends(row['low'], row['high'])}"
    return f"{row['group']} signs (mean rank {place}, {row['classes']} classes)"


def _margins(margins: pd.DataFrame) -> list[str]:
    known = margins.dropna(subset="rho").sort_values("rho")
    if known.empty:
        return []
    least, most, middle = known.iloc[0], known.iloc[-1], float(known["rho"].median())
    strength = "hardly" if abs(middle) < 0.2 else "weakly" if abs(middle) < 0.4 else "clearly"
    sentence = (
        f"An image's margin when clean {strength} foretells the level at which it fails: Spearman's rho is "
        f"{middle:.2f} in the median of {len(known)} noises, from {_rho(least)} ({spoken(least['noise'])}) to "
        f"{_rho(most)} ({spoken(most['noise'])})."
    )
    return [sentence]


def _auroc(row: pd.Series[Any]) -> str:
    return f"{row['auroc']:.2f}{ends(row['auroc_low'], row['auroc_high'])}"


def _rho(row: pd.Series[Any]) -> str:
    return f"{row['rho']:.2f}{ends(row['rho_low'], row['rho_high'])}"
