"""The rows of the report's tables, as its templates write them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.corruptions import SEVERITIES
from pipelines.failures.classes import ALL
from pipelines.reports.summary import ends, number, percent, rank_text, spoken
from pipelines.visibility import RANKS

if TYPE_CHECKING:
    from collections.abc import Mapping

Cells = dict[str, Any]


def visibility_rows(visibility: pd.DataFrame, families: Mapping[str, str]) -> list[Cells]:
    """A row a noise: rank, name, family, and at each criterion level, SSIM, PSNR and L2 with their intervals."""
    found: dict[str, dict[str, Cells]] = {}
    for row in visibility.to_dict("records"):
        found.setdefault(row["noise"], {})[row["criterion"]] = {str(key): value for key, value in row.items()}
    return [
        {
            "noise": spoken(name),
            "family": families[name],
            "ranks": [rank_text(rows["begins"], column) for column in RANKS],
            "begins": _shown(rows["begins"]),
            "fails": _shown(rows["fails"]),
        }
        for name, rows in found.items()
    ]


def slight_rows(slight: pd.DataFrame, families: Mapping[str, str]) -> list[Cells]:
    """A row a noise, the most harmful slight change first: share of failing images there and at the strongest level."""
    ordered = slight.sort_values(["failing_at", "failing_huge"], ascending=False)
    return [
        {
            "noise": spoken(row["noise"]),
            "family": families[row["noise"]],
            "slight": _share(row, "at"),
            "level": "-" if math.isnan(row["level_at"]) else number(row["level_at"]),
            "huge": _share(row, "huge"),
            "ssim": f"{row['ssim_huge']:.2f}",
            "unit": row["unit"],
        }
        for row in ordered.to_dict("records")
    ]


def slight_scale(slight: pd.DataFrame) -> float:
    """The share, a multiple of 5%, that the longest bar of slight changes stays within."""
    most = slight["failing_at_high"].max()
    return 1.0 if math.isnan(most) else math.ceil(20 * most) / 20


def corruption_rows(errors: pd.DataFrame) -> list[Cells]:
    """A row a corruption: the error at each severity, and their mean where all are known.

    The interval of a mean joins those of its severities as errors of the same images, which go the same way.
    """
    rows = []
    for name, found in errors.groupby("corruption", sort=False):
        by_severity, mean = found.set_index("severity")["error"], found[["error", "low", "high"]].mean()
        whole = len(by_severity) == SEVERITIES
        rows.append(
            {
                "corruption": str(name).replace("_", " "),
                "noise": ", ".join(map(spoken, found["noise"].unique())),
                "errors": [by_severity.get(severity, math.nan) for severity in range(1, SEVERITIES + 1)],
                "mean": float(mean["error"]) if whole else math.nan,
                "interval": ends(mean["low"], mean["high"], percent),
                "usual": bool(found["usual"].iloc[0]),
            }
        )
    return sorted(rows, key=lambda row: (math.isnan(row["mean"]), -row["mean"]))


def shape_rows(factors: pd.DataFrame) -> list[Cells]:
    """A row a shape of sign, the first to fall first, over all noises; those of one class or none have no interval."""
    shapes = factors[(factors["factor"] == "shape") & (factors["noise"] == ALL)].sort_values("value")
    return [
        {
            "shape": row["group"],
            "classes": int(row["classes"]),
            "place": "-" if math.isnan(row["value"]) else f"{row['value']:.2f}{ends(row['low'], row['high'])}",
            "ratio": "-" if math.isnan(row["ratio"]) else f"{row['ratio']:.2f}",
        }
        for row in shapes.to_dict("records")
    ]


def margin_rows(margins: pd.DataFrame) -> list[Cells]:
    """A row a noise, best foretold first: the clean margin against the level at which an image fails."""
    return [
        {
            "noise": spoken(row["noise"]),
            "rho": _interval(row, "rho"),
            "auroc": _interval(row, "auroc"),
            "never": percent(row["never"], 0),
            "again": percent(row["right_again"], 0),
        }
        for row in margins.sort_values("rho", ascending=False).to_dict("records")
    ]


def sampling_floor(thresholds: pd.DataFrame) -> Cells | None:
    """How wide the intervals of thresholds are by the images alone, and how much the spacing of levels adds."""
    known = thresholds[thresholds["sampling_error"].notna() & (thresholds["censored"] == "")]
    known = known[known["threshold"] > 0]
    if known.empty:
        return None
    return {
        "sampling": percent((known["sampling_error"] / known["threshold"]).median()),
        "interpolation": percent((known["interpolation_error"] / known["threshold"]).median()),
        "settled": int((known["interpolation_error"] <= known["sampling_error"]).sum()),
        "of": len(known),
    }


def _shown(row: Cells) -> Cells:
    censored = row["censored"] if isinstance(row["censored"], str) else ""
    if math.isnan(row["ssim"]):
        return {"censored": "none", "level": "-", "values": ["-"] * 3}
    bound = {"above": "not reached", "below": "at or below"}.get(censored, "")
    level = "" if censored == "above" else number(row["level"])
    digits = {"ssim": 3, "psnr": 1, "l2": 3}
    values = ["" if censored == "above" else _interval(row, key, places) for key, places in digits.items()]
    return {"censored": censored, "level": f"{bound} {level}".strip(), "values": values}


def _interval(row: Mapping[Any, Any], key: str, digits: int = 2) -> str:
    value, low, high = (float(row[name]) for name in (key, f"{key}_low", f"{key}_high"))
    if math.isnan(value):
        return "-"
    show, beyond = f"{{:.{digits}f}}".format, "∞" if key == "psnr" else "not reached"
    return f"{show(value)}{ends(low, high, show, beyond)}"


def _share(row: Mapping[Any, Any], which: str) -> Cells | None:
    names = (f"failing_{which}", f"failing_{which}_low", f"failing_{which}_high")
    value, low, high = (float(row[name]) for name in names)
    if math.isnan(value):
        return None
    interval = f"[{percent(low)}, {percent(high)}]"
    return {"value": value, "low": low, "high": high, "text": percent(value), "interval": interval}
