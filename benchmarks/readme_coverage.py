"""What README.md says of the intervals of thresholds: how often they cover, by the whole table, nothing filtered."""

from typing import Any

Rows = list[dict[str, Any]]


def coverage(found: dict[str, Any]) -> str:
    """A sentence for each of the two tables of `threshold_coverage.json`, and the tables.

    Args:
        found: `command`, and the tables `fixed` and `refined` of rows with scenario, images, share, criterion,
            coverage, low, high, width, cell, simulations, infinite, predictions.
    """
    if "scenarios" in found:  # of an earlier estimator, with rows that the page left out
        return "**Do the intervals of thresholds hold?** How often they cover is being measured anew."
    fixed, refined = found["fixed"], found["refined"]
    simulations = _span([row["simulations"] for row in fixed + refined])
    return (
        f"**Do the intervals of thresholds hold?** On {simulations} simulated observers a row whose thresholds are "
        f"known (`{found['command']}`), 95% intervals cover the truth as these tables say, all of whose rows count:\n\n"
        f"- At fixed levels: {_covered(fixed)}.\n"
        f"- With levels added by the rule of `noise_grid`, for {_span([row['predictions'] for row in refined])} "
        f"predictions: {_covered(refined)}.\n\n"
        f"{_table('At fixed levels', fixed)}\n\n{_table('With levels added by the rule', refined)}"
    )


def _covered(rows: Rows) -> str:
    """What a whole table says: its lowest row and its highest; rows without any interval are counted apart."""
    given = [row for row in rows if row["infinite"] < row["simulations"]]
    lowest, highest = (choose(given, key=lambda row: row["coverage"]) for choose in (min, max))
    said = (
        f"{_percent(lowest)} in the lowest of {len(given)} rows ({_named(lowest)}), {_percent(highest)} in the highest"
    )
    partly = sum(row["infinite"] > 0 for row in given)
    if partly:
        said += f"; in {partly} of them some simulations give no interval"
    if len(given) < len(rows):
        said += f"; {len(rows) - len(given)} rows more give none at all, and say why"
    return said


def _percent(row: dict[str, Any]) -> str:
    return f"{row['coverage']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _named(row: dict[str, Any]) -> str:
    return f"{row['scenario']}, {row['images']:,} images, {row['criterion']}"


def _span(values: list[float]) -> str:
    ends = dict.fromkeys(f"{value:,.0f}" for value in (min(values), max(values)))
    return " to ".join(ends)


def _table(title: str, rows: Rows) -> str:
    lines = [
        f"| {row['scenario']} | {row['images']:,} | {row['criterion']}, {row['share']:g} | "
        f"{_percent(row) if row['infinite'] < row['simulations'] else 'no interval'} | {row['width']:.3g} | "
        f"{row['cell']:.3g} | {row['infinite']:,} of {row['simulations']:,} | {row['predictions']:,.0f} |"
        for row in rows
    ]
    return (
        f"<details><summary>{title}: all {len(rows)} rows</summary>\n\nWidth is the median width of an interval; cell, "
        "between which levels the crossing lies; both as shares of the range.\n\n"
        "| observer | images | criterion, share of clean accuracy | coverage [95%] | width | cell | no interval | "
        "predictions |\n| --- | ---: | --- | --- | ---: | ---: | ---: | ---: |\n" + "\n".join(lines) + "\n\n</details>"
    )
