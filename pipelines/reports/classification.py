"""Pictures of what a classifier gets wrong: the confusion matrix, and the images themselves."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from pipelines.reports.figures import CURVE, INK, MUTED, PAPER, RULE, WRONG, new_figure, short_name, styled

TILE = 1.3  # inches of an image on the contact sheet
ACROSS = 10
RIGHT = LinearSegmentedColormap.from_list("right", [PAPER, CURVE])
MISTAKEN = LinearSegmentedColormap.from_list("mistaken", ["#fdeee4", "#f4a582", WRONG, "#7a1200"])


def confusion_figure(confusion: ArrayLike, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: right answers in blue by recall, mistakes in red by count (square-root scale).

    Args:
        confusion: (C, C) counts, true classes in rows, predicted ones in columns.
        class_names: (C,) names.

    Raises:
        ValueError: The matrix is not (C, C).
    """
    counts = np.asarray(confusion)
    classes = len(class_names)
    if counts.shape != (classes, classes):
        raise ValueError(f"confusion matrix of shape {counts.shape} for {classes} class names; give (C, C)")
    side = max(0.235 * classes, 2.4)
    with styled():
        figure = new_figure(side + 3.2, side + 3.0)
        width, height = figure.get_size_inches()
        axes = figure.add_axes((2.9 / width, 2.3 / height, side / width, side / height))
        _cells(axes, counts)
        _counts(axes, counts, side)
        _axes_names(axes, class_names)
        figure.text(0.2 / width, 1 - 0.16 / height, _tally(counts), va="top", fontsize=10, fontweight="bold")
        figure.text(0.2 / width, 1 - 0.40 / height, _worst_pairs(counts, class_names), va="top", color=MUTED)
    return figure


def mistakes_sheet(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    confidence: NDArray[np.floating],
    class_names: Sequence[str],
    *,
    most: int = 60,
) -> Figure:
    """Draw the images that are classified wrongly, the most confident mistake first.

    Args:
        images: (N, H, W, 3) uint8, right and wrong ones.
        labels: (N,) true classes.
        predicted: (N,) predicted classes.
        confidence: (N,) probability of the predicted class.
        class_names: One name a class.
        most: How many to show.
    """
    wrong = np.flatnonzero(labels != predicted)
    shown = wrong[np.argsort(-np.asarray(confidence)[wrong], kind="stable")][:most]
    across = min(ACROSS, max(len(shown), 5))
    rows = math.ceil(len(shown) / across)
    with styled():
        figure = new_figure(across * TILE + 0.3, rows * (TILE + 0.5) + 0.6)
        width, height = figure.get_size_inches()
        title = _mistakes_title(len(wrong), len(shown), len(labels))
        figure.text(0.15 / width, 1 - 0.15 / height, title, va="top", fontsize=10, fontweight="bold")
        for place, index in enumerate(shown):
            row, column = divmod(place, across)
            left, top = 0.15 + column * TILE, 0.5 + row * (TILE + 0.5)
            tile = TILE - 0.12
            axes = figure.add_axes((left / width, 1 - (top + tile) / height, tile / width, tile / height))
            axes.imshow(images[index], interpolation="lanczos")
            axes.axis("off")
            said = f"→ {short_name(class_names[predicted[index]], 22, 1)} {confidence[index]:.2f}"
            axes.text(0, -0.04, short_name(class_names[labels[index]], 23, 1), transform=axes.transAxes,
                      va="top", fontsize=6.5)  # fmt: skip
            axes.text(0, -0.16, said, transform=axes.transAxes, va="top", fontsize=5.6, color=WRONG)
    return figure


def _cells(axes: Axes, counts: NDArray[np.int64]) -> None:
    classes = len(counts)
    diagonal = np.eye(classes, dtype=bool)
    support = np.maximum(counts.sum(axis=1), 1)
    recall = np.ma.masked_where(~diagonal, counts / support[:, None])
    mistakes = np.ma.masked_where(diagonal | (counts == 0), counts)
    axes.imshow(recall, cmap=RIGHT, vmin=0, vmax=1)
    axes.imshow(mistakes, cmap=MISTAKEN, norm=PowerNorm(0.5, vmin=0, vmax=max(float(mistakes.max() or 0), 4)))
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=RULE, linewidth=0.4)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _counts(axes: Axes, counts: NDArray[np.int64], side: float) -> None:
    cell = 72 * side / len(counts)
    support = np.maximum(counts.sum(axis=1), 1)
    strong = max(float(np.where(np.eye(len(counts), dtype=bool), 0, counts).max()), 4.0)
    for row, column in zip(*np.nonzero(counts), strict=True):
        count = int(counts[row, column])
        depth = count / support[row] if row == column else math.sqrt(count / strong)
        size = min(cell / (0.62 * len(str(count)) + 0.9), 10)
        colour = PAPER if depth > 0.55 else INK
        axes.text(column, row, str(count), ha="center", va="center", fontsize=size, color=colour)


def _axes_names(axes: Axes, class_names: Sequence[str]) -> None:
    names = [f"{short_name(name, 34, 1)}  {number}" for number, name in enumerate(class_names)]
    below = [f"{number}  {short_name(name, 26, 1)}" for number, name in enumerate(class_names)]
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xticks(range(len(names)), below, fontsize=7, rotation=90)
    axes.tick_params(labelcolor=INK)
    axes.set_ylabel("true class", fontsize=8.5)
    axes.set_xlabel("predicted class", fontsize=8.5)


def _tally(counts: NDArray[np.int64]) -> str:
    total, right = int(counts.sum()), int(np.trace(counts))
    share = right / total if total else math.nan
    return f"{right:,} of {total:,} images right ({share:.2%}), {total - right:,} wrong"


def _worst_pairs(counts: NDArray[np.int64], class_names: Sequence[str]) -> str:
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:3]
    pairs = [(int(mistakes.flat[at]), *divmod(int(at), len(counts))) for at in order]
    named = [
        f"{short_name(class_names[true], 30, 1)} → {short_name(class_names[said], 30, 1)} ({count})"
        for count, true, said in pairs
        if count
    ]
    return "Most often: " + ",  ".join(named) if named else "No mistakes"


def _mistakes_title(wrong: int, shown: int, total: int) -> str:
    if not wrong:
        return f"None of {total:,} images is classified wrongly"
    extent = "all shown" if shown == wrong else f"the {shown} most confident shown"
    return f"{wrong:,} of {total:,} images classified wrongly, {extent}: true class → predicted class, confidence"
