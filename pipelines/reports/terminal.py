"""The table of thresholds for the terminal and for a README."""

import io
from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.table import Table

from pipelines.reports.summary import criteria, spoken

WIDTH = 100
HEADINGS = ("noise", "unit", "begins to fail [95%]", "fails [95%]", "significant from")


def thresholds_table(thresholds: pd.DataFrame) -> str:
    """Return the thresholds as a plain-text table at most 100 characters wide."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, ratio=2 if heading == "unit" else None)
    for row in _rows(thresholds):
        table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, markup=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def thresholds_markdown(thresholds: pd.DataFrame) -> str:
    """Return the thresholds as a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *_rows(thresholds)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _rows(thresholds: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for name, found in thresholds.groupby("noise", sort=False):
        said = criteria(found)
        texts = (said[criterion].text() for criterion in ("begins", "fails", "significant"))
        yield spoken(str(name)), str(found["unit"].iloc[0]), *texts
