"""Set networks side by side, paired by image, from what benchmarks.training_experiments left.

    python -m benchmarks.training_experiments grid_recipe_best grid_recipe_default
    python -m benchmarks.network_robustness

Writes to results/gtsrb/networks what can be made of the experiments that have been run: robustness.png, where each
network fails; comparisons.csv, how many times the threshold of one recipe is that of another, over several trainings of
each, and of one network that of another, which is a comparison of these single trainings (comparisons.json: under
which noises they are apart); accuracies.csv, which networks' accuracies on clean images are apart by McNemar's test.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from scipy.stats import binomtest

import noise
from benchmarks.readme_networks import NETWORKS, RESULTS, Fails, compared, thresholds
from benchmarks.record import write_result
from noise.significance import holm
from noise.thresholds import compare_thresholds
from noise.trainings import compare_recipes
from pipelines.analysis import ALPHA, CLEAN, CRITERIA, RightAnswers, right_answers
from pipelines.grid import FILE
from pipelines.reports.figures import MUTED, RULE, new_figure, save_png, styled
from pipelines.reports.summary import spoken
from pipelines.reports.visibility import PALETTE
from pipelines.tables import write_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW, LEFT, TOP, BOTTOM = 7.0, 0.26, 1.55, 0.42, 0.45  # inches
APART = 0.22
"""Of two networks in a row, as a share of its height."""


SIZE = 32
"""Side of the images of the experiments."""
GRIDS = ("grid_recipe_{}", "grid_{}")
"""Experiments: several trainings of a recipe measured together, and one network."""


@click.command()
@click.option("--work", default=Path("output/experiments"), show_default=True, type=click.Path(path_type=Path))
def main(work: Path) -> None:
    """Draw the figure, and write the tables of the experiments under WORK."""
    folder = RESULTS / "networks"
    save_png(robustness_figure({name: thresholds(name) for name in compared()}), folder / "robustness.png")
    compared_alike = [comparisons_table(_made(work, grid)) for grid in GRIDS]
    comparisons = pd.concat(compared_alike, ignore_index=True)
    tables = {"comparisons.csv": comparisons, "accuracies.csv": accuracies_table(_predictions(work))}
    write_tables({name: table for name, table in tables.items() if len(table)}, folder)
    if len(comparisons):
        write_result(folder / "comparisons.json", {"verdicts": verdicts(comparisons)}, packages=("numpy", "scipy"))


def _made(work: Path, grid: str) -> dict[str, Path]:
    """Of each network the folder of its grid, if that has been run."""
    folders = {name: work / grid.format(name) for name in NETWORKS}
    return {name: folder for name, folder in folders.items() if (folder / "thresholds.csv").exists()}


def comparisons_table(grids: Mapping[str, Path]) -> pd.DataFrame:
    """How many times the threshold of one network, or recipe, is another's, under each noise, on the same images.

    Args:
        grids: of each the folder that `noise_grid` left: of one network, or of several trainings of a recipe.

    Returns:
        A row for each two, noise and criterion: one, other, noise, criterion, networks (trainings of one and of the
        other: "1, 1" says nothing of their recipes), n (images), ratio, low, high, censored, p, method (see
        `noise.thresholds.Comparison`), p_holm (over the noises).
    """
    tables = [pd.DataFrame()]
    for one, other in combinations(grids, 2):
        pairs = zip(_answers(grids[one]), _answers(grids[other]), strict=True)
        table = pd.DataFrame([_compared(*pair, criterion) for pair in pairs for criterion in CRITERIA])
        table["p_holm"] = table.groupby("criterion")["p"].transform(lambda p: holm(p.to_numpy(np.float64)))
        table.insert(0, "one", one)
        table.insert(1, "other", other)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def verdicts(comparisons: pd.DataFrame) -> list[dict[str, object]]:
    """Of each two and criterion, how many noises one stands more or less of than the other (Holm, 5%), and which most.

    Args:
        comparisons: of `comparisons_table`.
    """
    found = []
    for (one, other, networks, criterion), rows in comparisons.groupby(
        ["one", "other", "networks", "criterion"], sort=False
    ):
        apart = rows[rows["p_holm"] < ALPHA].sort_values("ratio", ascending=False)
        more, less = apart[apart["low"] > 1], apart[apart["high"] < 1].iloc[::-1]
        row = {"one": one, "other": other, "networks": networks, "criterion": criterion, "noises": len(rows)}
        row |= {"more": more["noise"].tolist(), "less": less["noise"].tolist()}
        found.append(row | {"median_ratio": float(rows["ratio"].median())})
    return found


def _answers(grid: Path) -> list[tuple[RightAnswers, ...]]:
    """Of each noise the right answers of every network of a grid."""
    networks = []
    for folder in sorted(grid.glob("network-*")) or [grid]:
        curves = pd.read_csv(folder / "curves.csv")
        levels = {str(name): tuple(rows["level"]) for name, rows in curves.groupby("noise", sort=False)}
        networks.append(right_answers(_rows(folder, (CLEAN, *levels)), levels))
    return list(zip(*networks, strict=True))


def _rows(grid: Path, noises: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The prediction rows of a network, by noise."""
    return {noise: pd.read_parquet(grid / "predictions" / f"noise={noise}" / FILE) for noise in noises}


def _compared(one: Sequence[RightAnswers], other: Sequence[RightAnswers], criterion: str) -> dict[str, object]:
    first, share = one[0], CRITERIA[criterion]
    if any((each.noise, each.images) != (first.noise, first.images) for each in (*one, *other)):
        raise click.ClickException(f"{first.noise}: the grids are of different noises or images; run both the same way")
    step = noise.find(first.noise).step(SIZE, SIZE)
    if len(one) == len(other) == 1:
        levels = np.intersect1d(first.levels, other[0].levels)
        pair = [each.correct[..., np.isin(each.levels, levels)] for each in (first, other[0])]
        found = compare_thresholds(levels, *pair, share=share, groups=first.groups, step=step)
    else:
        networks = [[(each.levels, each.correct) for each in recipe] for recipe in (one, other)]
        found = compare_recipes(*networks, share=share, groups=first.groups, step=step)
    known = {"noise": first.noise, "criterion": criterion, "networks": f"{len(one)}, {len(other)}"}
    return known | {"n": len(first.images)} | vars(found)


def _predictions(work: Path) -> dict[str, pd.DataFrame]:
    """Answers to the clean test images of every network that `train` left, by the name of its folder."""
    places = [place for name in NETWORKS for place in (name, f"{name}_seeds")]
    files = [file for place in places for file in sorted(work.glob(f"{place}/**/predictions.parquet"))]
    return {str(file.parent.relative_to(work)): pd.read_parquet(file).set_index("image_id") for file in files}


def accuracies_table(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Which networks differ in accuracy: McNemar's exact test, paired by image, of each two.

    Args:
        predictions: of each network its answers to the same images: image_id (index), label, predicted.

    Returns:
        A row for each two: one, other, n, one_right, other_right, only_one_right, only_other_right, p (two-sided).
    """
    right = {name: table["predicted"] == table["label"] for name, table in predictions.items()}
    rows = []
    for one, other in combinations(right, 2):
        first, second = right[one].align(right[other], join="outer", fill_value=None)
        if first.isna().any() or second.isna().any():
            raise click.ClickException(f"{one} and {other} answered different images; train both on the same data")
        counts = int((first & ~second).sum()), int((second & ~first).sum())
        p = binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1.0
        totals = {"one_right": int(first.sum()), "other_right": int(second.sum())}
        apart = dict(zip(("only_one_right", "only_other_right"), counts, strict=True))
        rows.append({"one": one, "other": other, "n": len(first), **totals, **apart, "p": p})
    return pd.DataFrame(rows)


def robustness_figure(grids: dict[str, dict[str, Fails]]) -> Figure:
    """A row a noise, the one that fails the networks first on top; a dot with its interval a network."""
    names = sorted(
        next(iter(grids.values())), key=lambda name: np.mean([_share(name, g[name]) for g in grids.values()])
    )
    height = TOP + ROW * len(names) + BOTTOM
    with styled():
        figure = new_figure(WIDTH, height)
        axes = figure.add_axes((LEFT / WIDTH, BOTTOM / height, 0.97 - LEFT / WIDTH, 1 - (TOP + BOTTOM) / height))
        for place, (grid, colour) in enumerate(zip(grids.values(), PALETTE, strict=False)):
            _network(axes, names, grid, colour, APART * (place - (len(grids) - 1) / 2))
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.02), xlabel="level that halves accuracy, share of the range")
        axes.set_yticks(range(len(names)), [spoken(name) for name in names])
        axes.hlines(np.arange(len(names) - 1) + 0.5, 0, 1.02, color=RULE, linewidth=0.4)
        axes.tick_params(axis="y", length=0, labelcolor=MUTED)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        handles = [Line2D([], [], color=colour, marker="o", markersize=4, lw=1.2) for colour in PALETTE[: len(grids)]]
        outside = Line2D([], [], color=MUTED, marker=">", markersize=5, lw=0)
        figure.legend(
            [*handles, outside], [*grids, "not within the range"], loc="upper left", ncols=len(grids) + 1, fontsize=8
        )
    return figure


def _network(axes: Axes, names: list[str], grid: dict[str, Fails], colour: str, shift: float) -> None:
    for row, name in enumerate(names):
        fails, high = grid[name], noise.catalogue()[name].high
        if fails.reached:
            axes.hlines(row + shift, fails.low / high, min(1.0, fails.high / high), color=colour, linewidth=1.2)
        axes.plot(_share(name, fails), row + shift, "o" if fails.reached else ">", color=colour, markersize=4)


def _share(name: str, fails: Fails) -> float:
    """The threshold as a share of the noise's range, 1 where it is not reached; all ranges begin at 0."""
    return fails.threshold / noise.catalogue()[name].high if fails.reached else 1.0


if __name__ == "__main__":
    main()
