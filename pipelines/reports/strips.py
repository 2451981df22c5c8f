"""The same signs from clean to far past the threshold, so that a person sees how much noise that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipelines.reports.figures import BEGINS, FAILS, INK, MUTED, PAPER, WRONG, new_figure, short_name, styled
from pipelines.reports.summary import Crossing, NoiseSummary, number

TILE = 0.66  # inches a picture is wide
ROW = 1.42  # height of a row in tiles: a picture and the name below it
SIDE = 1.75  # tiles left of the pictures, for the true class


@dataclass(frozen=True)
class Strip:
    """The same signs (rows) under one noise at rising levels (columns), and what the classifier said of each.

    Attributes:
        images: (rows, columns, H, W, 3) uint8.
        levels: The level of each column, rising, in the noise's unit; usually the clean level first.
        predicted: (rows, columns) predicted classes.
        labels: (rows,) true classes.
    """

    images: NDArray[np.uint8]
    levels: tuple[float, ...]
    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        rows, columns = self.images.shape[:2]
        if self.images.ndim != 5 or self.images.shape[4] != 3:
            raise ValueError(f"strip images have shape {self.images.shape}; give (rows, columns, H, W, 3)")
        if len(self.levels) != columns or self.predicted.shape != (rows, columns) or len(self.labels) != rows:
            raise ValueError(
                f"strip of {rows} x {columns} images has {len(self.levels)} levels, {len(self.labels)} labels and "
                f"predictions of shape {self.predicted.shape}; give one level a column, one label a row"
            )
        if list(self.levels) != sorted(self.levels):
            raise ValueError(f"strip levels {self.levels} do not rise; sort the columns by level")


def mark_position(found: Crossing, levels: Sequence[float]) -> int | None:
    """Return how many columns lie left of a threshold, None where no column lies right of it.

    A column whose level equals the threshold lies right of it: there the criterion is met.
    """
    if found.censored == "above" or (found.censored == "" and not np.isfinite(found.value)):
        return None
    value = found.first if found.censored == "below" else found.value
    left = int(np.searchsorted(np.asarray(levels), value, side="left"))
    return left if left < len(levels) else None


def strip_figure(strip: Strip, noise: NoiseSummary, class_names: Sequence[str]) -> Figure:
    """Draw a strip: levels above the columns, thresholds between them, wrong predictions framed and named."""
    rows, columns = strip.predicted.shape
    head = 1.25
    with styled():
        figure = new_figure((SIDE + columns + 0.1) * TILE, (head + rows * ROW) * TILE)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(-SIDE, columns + 0.1)
        axes.set_ylim(rows * ROW, -head)
        axes.axis("off")
        for row in range(rows):
            _row(axes, strip, row, class_names)
        for column, level in enumerate(strip.levels):
            text = "clean" if column == 0 and level == noise.levels[0] else number(level)
            axes.text(column + 0.5, -0.12, text, ha="center", va="bottom", fontsize=8.5, fontweight="bold")
        axes.text(-0.12, -0.12, short_name(noise.unit, 20, 3), ha="right", va="bottom", color=MUTED, fontsize=6.5)
        _threshold(axes, strip, noise.begins, ("begins to fail", BEGINS, -0.85), -0.03)
        _threshold(axes, strip, noise.fails, ("fails", FAILS, -0.48), 0.03)
    return figure


def _row(axes: Axes, strip: Strip, row: int, class_names: Sequence[str]) -> None:
    top, columns = row * ROW, len(strip.levels)
    pictures = np.concatenate(list(strip.images[row]), axis=1)
    axes.imshow(pictures, extent=(0, columns, top + 1, top), interpolation="none", aspect="auto", zorder=1)
    axes.vlines(np.arange(columns + 1), top, top + 1, color=PAPER, linewidth=2.6, zorder=2)
    truth = int(strip.labels[row])
    axes.text(-0.12, top + 0.5, short_name(class_names[truth], 17, 3), ha="right", va="center", fontsize=7.5)
    for column in np.flatnonzero(strip.predicted[row] != truth):
        frame = Rectangle((column + 0.05, top + 0.03), 0.9, 0.94, fill=False, edgecolor=WRONG, linewidth=2, zorder=3)
        axes.add_patch(frame)
        name = short_name(class_names[int(strip.predicted[row, column])], 12)
        axes.text(column + 0.5, top + 1.04, name, ha="center", va="top", fontsize=5.6, color=WRONG, linespacing=1.05)


def _threshold(axes: Axes, strip: Strip, found: Crossing, look: tuple[str, str, float], shift: float) -> None:
    word, colour, height = look
    place = mark_position(found, strip.levels)
    columns, bottom = len(strip.levels), len(strip.labels) * ROW
    if place is None:
        if found.censored or np.isfinite(found.value):
            text = f"{word}: {found.text()}"
            axes.text(columns, height, text, ha="right", va="center", fontsize=7.5, color=INK)
        return
    axes.plot([place + shift] * 2, [height - 0.12, bottom - 0.1], color=colour, linewidth=2.2, zorder=4)
    left = place < columns / 2
    text = f"{word} {found.short()}"
    axes.text(place + (0.1 if left else -0.1), height, text, ha="left" if left else "right", va="center", fontsize=7.5)
