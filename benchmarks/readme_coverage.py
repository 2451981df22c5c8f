"""What README.md says of its intervals and tests: how often intervals cover, which mutants live; nothing filtered."""

from typing import Any

Rows = list[dict[str, Any]]


def coverage(found: dict[str, Any]) -> str:
    """A sentence for each of the two tables of `threshold_coverage.json`, and the tables.

    Args:
        found: `command`, and the tables `fixed` and `refined` of rows with scenario, images, share, criterion,
            coverage, low, high, width, cell, simulations, infinite, predictions.
    """
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


def comparisons(found: dict[str, Any]) -> str:
    """How often the ratio of two thresholds is covered, and how often networks that are alike are told apart.

    Args:
        found: `command` and `rows` of `comparison_coverage.json`.
    """
    rows = found["rows"]
    given = [row for row in rows if "coverage" in row]
    lowest = min(given, key=lambda row: row["coverage"])
    loudest = max((row for row in given if row["ratio"] == 1), key=lambda row: row["apart"])
    cells = [
        [row["scenario"], f"{row['images']:,}", f"{row['criterion']}, {row['share']:g}", f"{row['ratio']:g}"]
        + ([_ends(row, "coverage"), _ends(row, "apart"), f"{row['factor']:.3f}"] if row in given else ["none", "", ""])
        for row in rows
    ]
    head = "observers, images:, criterion and share, ratio:, coverage [95%], told apart [95%], factor:"
    legend = "Told apart: p < 5%; a false alarm where the ratio is 1. Factor: the median upper end over the lower."
    return (
        f"**Do comparisons of networks hold?** The ratio of two networks' thresholds, paired by image "
        f"(`{found['command']}`): its 95% interval covers the truth in {_ends(lowest, 'coverage')} in the lowest of "
        f"{len(given)} rows ({_named(lowest)}); networks that fail alike are told apart in "
        f"{_ends(loudest, 'apart')} in the highest ({_named(loudest)}). {len(rows) - len(given)} rows more have no "
        f"interval.\n\n{_details(f'All {len(rows)} rows', legend, head, cells)}"
    )


def recipes(found: dict[str, Any]) -> str:
    """How often the threshold of a recipe is covered, beside the interval of one of its networks.

    Args:
        found: `command` and `scenarios` of `recipe_coverage.json`.
    """
    rows = found["scenarios"]
    lowest = min(rows, key=lambda row: row["coverage"])
    alone = min(row["coverage_by_one_network"] for row in rows)
    loudest = max(rows, key=lambda row: row["false_alarms"])
    cells = [
        [
            str(row["trainings"]),
            f"{row['images']:,}",
            f"{row['spread']:g}",
            "sudden" if row["sudden"] else "gentle",
            f"{row['share']:g}",
            _ends(row, "coverage"),
            f"{row['coverage_by_one_network']:.1%}",
            _ends(row, "ratio_coverage"),
            _ends(row, "false_alarms"),
        ]
        for row in rows
    ]
    head = "trainings:, images:, spread:, falls, share:, coverage [95%], by one network's interval:"
    head += ", coverage of ratios [95%], false alarms [95%]"
    legend = "Spread: the deviation between trainings, over the sampling error of one."
    return (
        f"**Do thresholds of recipes hold?** By several trainings measured together (`{found['command']}`), 95% "
        f"intervals cover the recipe's threshold in {_ends(lowest, 'coverage')} in the lowest of {len(rows)} rows, "
        f"and recipes that are alike are told apart in {_ends(loudest, 'false_alarms')} in the highest. The interval "
        f"of one network, read as its recipe's, covers in as little as {alone:.0%}.\n\n"
        f"{_details(f'All {len(rows)} rows', legend, head, cells)}"
    )


def mutants(found: dict[str, Any]) -> str:
    """How many mutants of the code behind the figures the tests kill.

    Args:
        found: `command`, `seed` and `mutants` of `mutation.json`: rows with list, outcome and equivalent.
    """
    drawn, plausible = ([row for row in found["mutants"] if row["list"] == name] for name in ("drawn", "plausible"))
    alike = sum(bool(row["equivalent"]) for row in drawn)
    return (
        f"**Would a test notice?** Of mutants of the code that makes these figures, the tests kill {_killed(drawn)} "
        f"drawn by seed {found['seed']} from all that a tool makes ({alike} more cannot be told from the code as it "
        f"is) and {_killed(plausible)} plausible ones: [each with its line](results/mutation.md) "
        f"(`{found['command']}`)."
    )


def _killed(rows: Rows) -> str:
    alive = [row for row in rows if not row["equivalent"]]
    return f"{sum(row['outcome'] == 'killed' for row in alive)} of {len(alive)}"


def _ends(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.1%} [{row[f'{name}_low']:.1%}, {row[f'{name}_high']:.1%}]"


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
    cells = [
        [
            row["scenario"],
            f"{row['images']:,}",
            f"{row['criterion']}, {row['share']:g}",
            _percent(row) if row["infinite"] < row["simulations"] else "no interval",
            f"{row['width']:.3g}",
            f"{row['cell']:.3g}",
            f"{row['infinite']:,} of {row['simulations']:,}",
            f"{row['predictions']:,.0f}",
        ]
        for row in rows
    ]
    head = "observer, images:, criterion and share, coverage [95%], width:, cell:, no interval:, predictions:"
    legend = (
        "Width is the median width of an interval; cell, between which levels the crossing lies; both as shares of the "
        "range. The share is that of clean accuracy."
    )
    return _details(f"{title}: all {len(rows)} rows", legend, head, cells)


def _details(title: str, legend: str, head: str, cells: list[list[str]]) -> str:
    """A table that opens at a click; a column whose name ends in a colon is set to the right."""
    names = head.split(", ")
    rules = " | ".join("---:" if name.endswith(":") else "---" for name in names)
    lines = [f"| {' | '.join(row)} |" for row in [[name.rstrip(":") for name in names], [rules], *cells]]
    return f"<details><summary>{title}</summary>\n\n{legend}\n\n" + "\n".join(lines) + "\n\n</details>"
