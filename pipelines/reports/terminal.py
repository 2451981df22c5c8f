"""The table of thresholds for the terminal and for a README: what shows least when it does harm comes first."""

import io
import textwrap
from collections.abc import Iterator, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from pipelines.reports.captions import listed
from pipelines.reports.findings import leaders
from pipelines.reports.summary import Crossing, criteria, percent, rank_text, spoken

WIDTH = 100
HEADINGS = ("noise", "rank [95%]", "SSIM", "begins to fail [95%]", "fails [95%]")
RIGHT = ("SSIM",)
MORE = ("significant from", "unit")
OF_RECIPES = ("spread", "unit")
"""Of several trainings of a recipe: how far they differ when they begin to fail, and fail, in place of significance."""
OF_THIS_NETWORK = "Thresholds and ranks are of this network: another training of its recipe has others."


def thresholds_table(thresholds: pd.DataFrame, visibility: pd.DataFrame, reservation: str = "") -> str:
    """Return of what the thresholds are, and a plain-text table of them at most 100 characters wide, a line a noise.

    Args:
        thresholds: of `pipelines.analysis.analyse`, or of `pipelines.trainings.recipe_thresholds`.
        visibility: of `pipelines.visibility.equal_visibility`, whose order the lines have; SSIM is the mean where the
            classifier begins to fail.
        reservation: why the grid bears no findings, which comes first and takes the place of what was found.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    shown = _headings(thresholds)[: len(HEADINGS)]
    for heading in shown:
        table.add_column(heading, no_wrap=True, justify="right" if heading in RIGHT else "left")
    for row in _rows(thresholds, visibility):
        table.add_row(*row[: len(shown)])
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, markup=False, emoji=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    opening = [] if "spread" in thresholds else [*_opening(visibility), ""]
    if reservation:
        opening = [*textwrap.wrap(f"{reservation}.", WIDTH), *opening[:1], ""]
    return "\n".join([*opening, *lines])


def _headings(thresholds: pd.DataFrame) -> Sequence[str]:
    """Of trainings of a recipe the spread takes the place of rank and significance, for which there is no room."""
    return (HEADINGS[0], *HEADINGS[2:], *OF_RECIPES) if "spread" in thresholds else (*HEADINGS, *MORE)


def _opening(visibility: pd.DataFrame) -> list[str]:
    """What ties for the first place by all measures, and of what the numbers are."""
    first = [spoken(name) for name in leaders(visibility)["noise"]]
    said = [f"{listed(first)} tie: least to see, most harm by SSIM, PSNR and CSF-PSNR."] if len(first) > 1 else []
    return [OF_THIS_NETWORK, *said]


def thresholds_markdown(thresholds: pd.DataFrame, visibility: pd.DataFrame) -> str:
    """Return the thresholds as a Markdown table, with significance and unit; arguments as for `thresholds_table`."""
    headings = _headings(thresholds)
    rows: list[Sequence[str]] = [headings, ("---",) * len(headings), *_rows(thresholds, visibility)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _rows(thresholds: pd.DataFrame, visibility: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    found = dict(list(thresholds.groupby("noise", sort=False)))
    for row in visibility[visibility["criterion"] == "begins"].to_dict("records"):
        rows = found[row["noise"]]
        said = criteria(rows)
        shown = "-" if row["censored"] or pd.isna(row["ssim"]) else f"{row['ssim']:.3f}"
        begins, fails, significant = (_text(said[criterion]) for criterion in ("begins", "fails", "significant"))
        name, unit = spoken(row["noise"]), str(rows["unit"].iloc[0])
        if "spread" in rows:
            yield name, shown, begins, fails, _spreads(rows), unit
        else:
            yield name, rank_text(row), shown, begins, fails, significant, unit


def _spreads(rows: pd.DataFrame) -> str:
    return ", ".join("-" if pd.isna(spread) else percent(spread, 0) for spread in rows["spread"])


def _text(found: Crossing) -> str:
    return found.parts()[0] if found.censored else found.text()
