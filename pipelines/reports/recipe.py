"""The report of several networks of one recipe: its thresholds, and how far its trainings differ."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pipelines.output_folder import write_whole
from pipelines.reports.reservations import too_weak
from pipelines.reports.robustness import template
from pipelines.reports.summary import crossing, number, percent, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd


def write_recipe_report(
    folder: Path, recipe: pd.DataFrame, visibility: pd.DataFrame, networks: pd.DataFrame, *, about: Mapping[str, str]
) -> Path:
    """Write `report.html`, which needs no other file and links to the networks' own pages.

    Args:
        folder: Where to write; made if missing.
        recipe: Of `pipelines.trainings.recipe_thresholds`.
        visibility: Of `pipelines.visibility.equal_visibility`, whose order the rows have.
        networks: A row a network: network (its folder beside `folder`), model, accuracy, sha256.
        about: What was measured and how: label -> value.
    """
    found = {(row["noise"], row["criterion"]): row for row in recipe.to_dict("records")}
    rows = [
        {
            "noise": spoken(row["noise"]),
            "unit": row["unit"],
            "ssim": "-" if row["censored"] or math.isnan(row["ssim"]) else f"{row['ssim']:.3f}",
            **{criterion: _cells(found[row["noise"], criterion]) for criterion in ("begins", "fails")},
        }
        for row in visibility[visibility["criterion"] == "begins"].to_dict("records")
    ]
    page = template("recipe.html.j2").render(
        rows=rows,
        caption=recipe_caption(recipe, networks),
        networks=networks.to_dict("records"),
        methods=sorted(set(recipe["method"])),
        about=about,
    )
    return write_whole(folder / "report.html", page.encode())


def recipe_caption(recipe: pd.DataFrame, networks: pd.DataFrame) -> str:
    """What the intervals and the spread mean, and what was measured."""
    low, high = networks["accuracy"].min(), networks["accuracy"].max()
    reserved = too_weak(float(low), int(recipe["n"].iloc[0]))
    return (f"{reserved}. " if reserved else "") + (
        f"{len(networks)} networks, {percent(low, 2)} to {percent(high, 2)} right of {recipe['n'].iloc[0]:,} clean "
        "images. Intervals hold other images and other trainings; spread is how far the threshold of one training lies "
        "from the next (standard deviation)."
    )


def _cells(row: Mapping[Any, Any]) -> dict[str, str]:
    value, interval = crossing(row).parts()
    if row["censored"] == "above":
        reached = f"reached by {row['reached']} of {row['networks']}"
        above = f"above {number(row['low'])}" if math.isfinite(row["low"]) else ""
        return {"value": value, "interval": above, "trainings": reached}
    if math.isnan(row["lowest"]):
        return {"value": value, "interval": "", "trainings": ""}
    spread = "" if not math.isfinite(row["spread"]) else f", {percent(row['spread'], 0)}"
    trainings = f"{_end(row['lowest'])} to {_end(row['highest'])}{spread}"
    return {"value": value, "interval": interval, "trainings": trainings}


def _end(threshold: float) -> str:
    """A threshold of one training, which may lie beyond either end of the tested levels."""
    if math.isfinite(threshold):
        return number(threshold)
    return "not reached" if threshold > 0 else "below the first level"
