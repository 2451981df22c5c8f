"""The report of a noise grid: one page that a person reads, and its pictures as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from pipelines.analysis import CRITERIA
from pipelines.corruptions import SEVERITIES, mean_corruption_error
from pipelines.errors import InputError
from pipelines.failures.findings import failure_findings
from pipelines.failures.rows import CLOSE
from pipelines.output_folder import write_whole
from pipelines.reports import captions, tables
from pipelines.reports.curves import curve_figure, curves_figure, macros_figure
from pipelines.reports.distortion import distortion_figure
from pipelines.reports.failures import class_heat_map, confidence_figure, flow_figure
from pipelines.reports.figures import inline_svg, save_png
from pipelines.reports.findings import findings, headline
from pipelines.reports.reservations import reserved, with_numbers
from pipelines.reports.saliency import first_method, saliency_captions, saliency_figure, shift_figure
from pipelines.reports.slightest import slightest_cells, slightest_sheet
from pipelines.reports.strips import strip_figure, strip_svg, telling_columns
from pipelines.reports.summary import NoiseSummary, by_family, ends, number, percent, summarise
from pipelines.reports.visibility import ranking_figure
from pipelines.reports.warning import warning_figure
from pipelines.sources.gtsrb_classes import shapes_of
from pipelines.visibility import SLIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from pipelines.reports.strips import Strip
    from pipelines.study import Study

STRIP_ROWS, STRIP_COLUMNS = 3, 8
"""Signs and levels of a strip on the page; its picture beside the page has all signs."""
PNG_COLUMNS = 11


@dataclass(frozen=True)
class Pictures:
    """Images that the report shows.

    Attributes:
        strips: of each noise; a noise without one has none in the report.
        clean: (rows, H, W, 3) uint8, the images of the first rows of the study's table "slightest".
        noisy: (rows, H, W, 3) uint8, the same at the smallest level that fools the classifier.
    """

    strips: Mapping[str, Strip]
    clean: NDArray[np.uint8]
    noisy: NDArray[np.uint8]


def write_robustness_report(folder: Path, study: Study, pictures: Pictures, *, about: Mapping[str, str]) -> list[Path]:
    """Write `report.html`, which needs no other file, and its pictures as PNG beside it.

    Args:
        folder: Where to write; made if missing.
        study: All that was read out of a grid.
        pictures: Images to show.
        about: What was measured and how (model, data set, seed, command, ...): label -> value.

    Returns:
        The files written: report.html, findings.md, ranking.png, distortion.png, warning.png, confidence.png,
        curves.png, macro.png, slightest.png, flow.png, class_heat_map.png, saliency.png, saliency_shift.png,
        strips/<noise>.png; those that have nothing to show are left out.

    Raises:
        InputError: The folder cannot be written, or the grid holds no noise.
    """
    noises = summarise(study.analysis, study.measured.levels)
    if not noises:
        raise InputError("the analysis holds no noise; give the grid at least one --noise")
    folder = Path(folder)
    drawn = _figures(study, noises, pictures)
    files = [save_png(figure, folder / f"{name}.png") for name, figure in drawn.items()]
    files += _write_strips(folder / "strips", study, noises, pictures)
    page = _page(study, noises, about) | _sections(study, noises, pictures)
    page["figures"] = {name: _wide(figure, ALTS[name]) for name, figure in drawn.items() if name in ALTS}
    html = template("robustness.html.j2").render(page).encode()
    said = "\n".join(f"- **{finding.topic.rstrip('?')}:** {finding.text}" for finding in page["findings"])
    text = write_whole(folder / "findings.md", f"**{page['headline']}.**\n\n{said}".rstrip().encode() + b"\n")
    return [write_whole(folder / "report.html", html), text, *files]


ALTS = {
    "ranking": "Noises by how little they show when this network begins to fail; the numbers are in the table below",
    "distortion": "Accuracy against seven measures of distortion, a line a noise",
    "flow": "Where wrong answers go under each noise: the classes most often named, and the most frequent confusions",
    "warning": "AUROC of confidence and mean confidence against accuracy, a line a noise",
    "confidence": "Accuracy, AUROC of confidence and calibration error by level of each noise",
    "class_heat_map": "The level at which each class fails, as a multiple of the noise's own threshold",
    "saliency": "Signs clean and under noise, and where the classifier finds evidence in each",
    "saliency_shift": "Rank correlation of clean and noisy maps by level, and by what becomes of the images",
    "macro": "Macro precision, recall, F1 and false-positive rate by level of each noise",
}
"""What a screen reader says of the pictures that are drawn into the page."""


def _figures(study: Study, noises: Sequence[NoiseSummary], pictures: Pictures) -> dict[str, Figure]:
    names, families = study.search.signs.class_names, _families(noises)
    rows = study.tables["slightest"].head(len(pictures.clean))
    flow, per_class = study.failures.confusion_flow, study.analysis.per_class
    drawn = {
        "ranking": ranking_figure(study.tables["visibility"], families),
        "distortion": distortion_figure(study.analysis.curves, study.tables["distortions"], families),
        "warning": warning_figure(study.failures.confidence, families),
        "confidence": confidence_figure(study.failures.confidence, noises),
        "curves": curves_figure(noises),
        "macro": macros_figure(noises),
    }
    if len(rows):
        drawn["slightest"] = slightest_sheet(rows, pictures.clean, pictures.noisy, names)
    if len(flow):
        drawn["flow"] = flow_figure(flow, noises)
    if len(per_class):
        drawn["class_heat_map"] = class_heat_map(per_class, noises, shapes_of(names))
    if study.saliency.examples:
        drawn["saliency"] = saliency_figure(study.saliency.examples, names)
    if len(study.saliency.shifts):
        drawn["saliency_shift"] = shift_figure(first_method(study.saliency.shifts), noises)
    return drawn


def _families(noises: Sequence[NoiseSummary]) -> dict[str, str]:
    return {noise.name: family for family, members in by_family(noises).items() for noise in members}


def _write_strips(folder: Path, study: Study, noises: Sequence[NoiseSummary], pictures: Pictures) -> list[Path]:
    files = []
    for noise in noises:
        if noise.name in pictures.strips:
            strip = pictures.strips[noise.name]
            columns = telling_columns(noise, strip.levels, PNG_COLUMNS)
            strip = strip.take(range(len(strip.labels)), columns)
            drawn = strip_figure(strip, noise, study.search.signs.class_names)
            files.append(save_png(drawn, folder / f"{noise.name}.png", dpi=110))
    return files


def _page(study: Study, noises: Sequence[NoiseSummary], about: Mapping[str, str]) -> dict[str, Any]:
    """What heads and ends the page."""
    thresholds = study.analysis.thresholds
    groups = thresholds[["n", "groups"]].dropna()
    return {
        "headline": reserved(noises) or headline(study.tables["visibility"], _families(noises)),
        "findings": findings(study, noises),
        "clean": captions.clean_accuracy(noises[0], len(study.search.signs.class_names)),
        "levels": sum(len(noise.levels) - 1 for noise in noises),
        "about": about,
        "begins_share": percent(CRITERIA["begins"], 0),
        "fails_share": percent(CRITERIA["fails"], 0),
        "slight_ssim": f"{SLIGHT:g}",
        "close": f"{CLOSE:g}",
        "by_image": bool((groups["n"] == groups["groups"]).all()),
        "groups": int(groups["groups"].max()) if len(groups) else 0,
        "methods": sorted(set(thresholds["method"].dropna().astype(str)) - {""}),
        "floor": tables.sampling_floor(thresholds),
    }


def _sections(study: Study, noises: Sequence[NoiseSummary], pictures: Pictures) -> dict[str, Any]:
    """The tables and small pictures of the sections."""
    names, families = study.search.signs.class_names, _families(noises)
    rows = study.tables["slightest"].head(len(pictures.clean))
    errors = study.tables["corruption_errors"]
    return {
        "families": {family: [_noise(noise, pictures, names) for noise in members]
                     for family, members in by_family(noises).items()},
        "count": len(noises),
        "strips": any(noise.name in pictures.strips for noise in noises),
        "visibility": tables.visibility_rows(study.tables["visibility"], families),
        "visible": with_numbers(captions.ranking_caption(study.tables["visibility"])),
        "agreement": study.tables["rank_agreement"].to_dict("records"),
        "slight": tables.slight_rows(study.tables["slight"], families),
        "slight_harm": with_numbers(captions.slight_caption(study.tables["slight"])),
        "slight_scale": tables.slight_scale(study.tables["slight"]),
        "slightest_of": with_numbers(captions.slightest_caption(rows)) if len(rows) else "",
        "slightest": slightest_cells(rows, pictures.clean, pictures.noisy, names),
        "failures": [] if reserved(noises) else failure_findings(study.failures),
        "warns": with_numbers(captions.warning_caption(study.failures.confidence)),
        "shapes": tables.shape_rows(study.failures.class_factors),
        "margin_caption": with_numbers(captions.margin_caption(study.failures.margins)),
        "margins": tables.margin_rows(study.failures.margins),
        "saliency_captions": [text for text in saliency_captions(study.saliency.shifts) if with_numbers(text)],
        "saliency_declined": study.saliency.declined,
        "corruptions": tables.corruption_rows(errors),
        "severities": range(1, SEVERITIES + 1),
        "corruption_means": mean_corruption_error(errors),
    }  # fmt: skip


def _noise(noise: NoiseSummary, pictures: Pictures, class_names: Sequence[str]) -> dict[str, Any]:
    strip = Markup("")
    if noise.name in pictures.strips:
        whole = pictures.strips[noise.name]
        columns = telling_columns(noise, whole.levels, STRIP_COLUMNS)
        strip = strip_svg(whole.take(range(len(whole.labels))[:STRIP_ROWS], columns), noise, class_names)
    return {"noise": noise, "curve": Markup(inline_svg(curve_figure(noise), _curve_alt(noise))), "strip": strip}  # noqa: S704


def _wide(figure: Figure, alt: str) -> dict[str, Any]:
    """A figure drawn into the page, and its width in inches."""
    return {"svg": Markup(inline_svg(figure, alt)), "inches": round(figure.get_figwidth(), 2)}  # noqa: S704


def _curve_alt(noise: NoiseSummary) -> str:
    clean, end = noise.curve["accuracy"].iloc[0], noise.curve["accuracy"].iloc[-1]
    return (
        f"Accuracy under {noise.title}: {percent(clean)} clean, {percent(end)} at {number(noise.levels[-1])}. "
        f"Begins to fail: {noise.begins.text()}. Fails: {noise.fails.text()}."
    )


def template(name: str) -> jinja2.Template:
    """A template of this folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.globals["ends"] = ends
    return environment.get_template(name)
