"""The report of a noise grid: one page that a person reads, and its pictures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from pipelines.analysis import CRITERIA
from pipelines.errors import InputError
from pipelines.reports.classes import RANKED_SUPPORT, class_order, per_class_figure
from pipelines.reports.curves import curve_figure, curves_figure, macro_figure, macros_figure
from pipelines.reports.figures import inline_svg, save_png, write_whole
from pipelines.reports.findings import findings, headline
from pipelines.reports.strips import Strip, strip_figure
from pipelines.reports.summary import NoiseSummary, classes_of, number, per_class_crossings, percent, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from pipelines.analysis import Analysis


def write_robustness_report(
    folder: Path,
    analysis: Analysis,
    *,
    levels: Mapping[str, Sequence[float]],
    strips: Mapping[str, Strip],
    class_names: Sequence[str],
    about: Mapping[str, str],
) -> list[Path]:
    """Write `report.html`, which needs no other file, and its pictures as PNG beside it.

    Args:
        folder: Where to write; made if missing.
        analysis: The tables of `pipelines.analysis.analyse`.
        levels: The levels of each noise, from clean up, in its own unit.
        strips: Example images of each noise; a noise without one has no strip.
        class_names: One name a class.
        about: What was measured and how (model, data set, seed, command, ...): label -> value.

    Returns:
        The files written: report.html, curves.png, macro.png, per_class.png, curves/<noise>.png, strips/<noise>.png.

    Raises:
        InputError: The folder cannot be written, or the analysis holds no noise.
    """
    noises = summarise(analysis, levels)
    if not noises:
        raise InputError("the analysis holds no noise; give the grid at least one --noise")
    folder = Path(folder)
    page = _page(analysis, noises, about, len(class_names))
    files = [
        save_png(curves_figure(noises), folder / "curves.png"),
        save_png(macros_figure(noises), folder / "macro.png"),
    ]
    for section, noise in zip(page["noises"], noises, strict=True):
        drawn = curve_figure(noise)
        files.append(save_png(drawn, folder / "curves" / f"{noise.name}.png"))
        section["curve"] = inline_svg(drawn, _curve_alt(noise))
        section["macro"] = inline_svg(macro_figure(noise), f"Macro scores under {noise.title} by level")
        if noise.name in strips:
            strip = strip_figure(strips[noise.name], noise, class_names)
            files.append(save_png(strip, folder / "strips" / f"{noise.name}.png"))
            section["strip"] = inline_svg(strip, _strip_alt(noise, strips[noise.name]))
    if len(analysis.per_class):
        drawn = per_class_figure(analysis.per_class, noises)
        files.append(save_png(drawn, folder / "per_class.png"))
        page["per_class"] = _per_class(analysis, noises, drawn)
    html = _template().render(page).encode()
    return [write_whole(folder / "report.html", html), *files]


def _page(analysis: Analysis, noises: list[NoiseSummary], about: Mapping[str, str], classes: int) -> dict[str, Any]:
    groups = analysis.thresholds[["n", "groups"]].dropna()
    return {
        "headline": headline(noises),
        "findings": findings(noises, classes),
        "noises": [{"noise": noise, "curve": "", "macro": "", "strip": ""} for noise in noises],
        "per_class": None,
        "about": about,
        "begins_share": percent(CRITERIA["begins"], 0),
        "fails_share": percent(CRITERIA["fails"], 0),
        "by_image": bool((groups["n"] == groups["groups"]).all()),
        "groups": int(groups["groups"].max()) if len(groups) else 0,
        "methods": sorted(set(analysis.thresholds["method"].dropna().astype(str)) - {""}),
    }


def _per_class(analysis: Analysis, noises: list[NoiseSummary], drawn: Figure) -> dict[str, Any]:
    ranked, others = class_order(analysis.per_class, noises)
    found = per_class_crossings(analysis.per_class, noises)
    names = classes_of(analysis.per_class)
    rows = [
        {
            "class": c,
            "name": names[c][0],
            "support": names[c][1],
            "ranked": c in ranked,
            "cells": [found.get((c, noise.name)) for noise in noises],
        }
        for c in [*ranked, *others]
    ]
    alt = f"The level at which each of {len(rows)} classes fails under each noise; the numbers are in the table below"
    return {"svg": inline_svg(drawn, alt), "rows": rows, "least": RANKED_SUPPORT, "ranked": len(ranked)}


def _curve_alt(noise: NoiseSummary) -> str:
    clean, end = noise.curve["accuracy"].iloc[0], noise.curve["accuracy"].iloc[-1]
    return (
        f"Accuracy under {noise.title}: {percent(clean)} clean, {percent(end)} at {number(noise.levels[-1])}. "
        f"Begins to fail: {noise.begins.text()}. Fails: {noise.fails.text()}."
    )


def _strip_alt(noise: NoiseSummary, strip: Strip) -> str:
    wrong = (strip.predicted != strip.labels[:, None]).sum(axis=0)
    counts = ", ".join(f"{number(level)}: {count}" for level, count in zip(strip.levels, wrong, strict=True))
    return f"{len(strip.labels)} signs under {noise.title}; wrong predictions by level: {counts}"


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("robustness.html.j2")
