"""The same signs from clean to far past the threshold, so that a person sees how much noise that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipelines.reports.figures import BEGINS, FAILS, INK, MUTED, PAPER, WRONG, new_figure, short_name, styled, webp_uri
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

    def take(self, rows: Sequence[int], columns: Sequence[int]) -> "Strip":
        """Return some of its rows and columns."""
        cells = np.ix_(rows, columns)
        levels = tuple(self.levels[column] for column in columns)
        return Strip(self.images[cells], levels, self.predicted[cells], self.labels[list(rows)])


def telling_columns(noise: NoiseSummary, levels: Sequence[float], most: int) -> list[int]:
    """Return the columns that tell most, at most `most`: clean, around both thresholds, the last, and in between."""
    last = len(levels) - 1
    marks = [mark_position(found, levels) for found in (noise.begins, noise.fails)]
    wanted = [0, last, *(place for mark in marks if mark is not None for place in (mark, mark - 1))]
    spread = np.round(np.linspace(0, last, most)).astype(int).tolist()
    chosen = list(dict.fromkeys([*wanted, *spread[1::2], *spread[::2], *range(len(levels))]))
    return sorted(chosen[:most])


def mark_position(found: Crossing, levels: Sequence[float]) -> int | None:
    """Return how many columns lie left of a threshold, None where no column lies right of it.

    A column whose level equals the threshold lies right of it: there the criterion is met.
    """
    if found.censored == "above" or (found.censored == "" and not np.isfinite(found.value)):
        return None
    value = found.first if found.censored == "below" else found.value
    left = int(np.searchsorted(np.asarray(levels), value, side="left"))
    return left if left < len(levels) else None


def strip_svg(strip: Strip, noise: NoiseSummary, class_names: Sequence[str]) -> Markup:
    """Return a strip as a light `<svg>` for a page: one picture, a frame around each wrong answer that names it."""
    rows, columns = strip.predicted.shape
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in strip.images], axis=0)
    wrong = np.argwhere(strip.predicted != strip.labels[:, None])
    frames = (
        f'<rect x="{column + 0.05:g}" y="{row + 0.05:g}" width=".9" height=".9">'
        f"<title>{escape(class_names[int(strip.predicted[row, column])])}</title></rect>"
        for row, column in wrong
    )
    names = ("clean" if level == noise.levels[0] else number(level) for level in strip.levels)
    levels = "".join(f'<text x="{column + 0.5}" y="-.12">{name}</text>' for column, name in enumerate(names))
    found = (("begins", noise.begins), ("fails", noise.fails))
    places = {name: mark_position(crossing, strip.levels) for name, crossing in found}
    lines = "".join(
        f'<path class="{name}" d="M{place + (0.03 if name == "fails" else -0.03):g} -.42V{rows}"/>'
        for name, place in places.items()
        if place is not None
    )
    alt = f"{rows} signs under {noise.title} at {columns} levels, {len(wrong)} of {rows * columns} pictures taken wrong"
    return Markup(  # noqa: S704  (names are escaped above)
        f'<svg class="strip" viewBox="-.05 -.45 {columns + 0.1:g} {rows + 0.5:g}" role="img" '
        f'aria-label="{escape(alt)}">'
        f'<image width="{columns}" height="{rows}" preserveAspectRatio="none" href="{webp_uri(picture)}"/>'
        f"{levels}{''.join(frames)}{lines}</svg>"
    )


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
