"""A contact sheet of a data set: a few images of each class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.reports.figures import INK, MUTED, RULE, new_figure, styled

COLUMNS = 4
IMAGES = 8
MOST_CLASSES = 60
STRIP, CAPTION = 0.42, 0.2  # inches
LONGEST = 44


def samples_sheet(
    images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: Sequence[str], title: str
) -> Figure:
    """Draw a strip of eight images of each class, spread evenly over those given, under its name.

    Args:
        images: (N, H, W, 3) RGB.
        labels: (N,) classes.
        class_names: a name for each class; sets of many classes show the first sixty.
        title: the line at the top.
    """
    shown = list(range(min(len(class_names), MOST_CLASSES)))
    rows = -(-len(shown) // COLUMNS)
    height = rows * (STRIP + CAPTION) + 0.55
    with styled():
        figure = new_figure(3.6 * COLUMNS, height)
        figure.text(0.012, 1 - 0.2 / height, title, weight="bold", size=11, color=INK, va="center")
        for place, label in enumerate(shown):
            row, column = place % rows, place // rows
            bottom = 1 - (0.45 + (row + 1) * (STRIP + CAPTION) - 0.05) / height
            axes = figure.add_axes((0.012 + column * 0.247, bottom, 0.235, STRIP / height))
            members = np.flatnonzero(labels == label)
            spread = members[np.linspace(0, len(members), min(IMAGES, len(members)), endpoint=False).astype(int)]
            axes.imshow(_strip(images[spread], images.shape[1:]), interpolation="nearest")
            axes.set_axis_off()
            axes.set_anchor("SW")
            name = class_names[label]
            caption = f"{label}  {name if len(name) <= LONGEST else name[: LONGEST - 1] + '…'}"
            axes.set_title(caption, size=7.5, weight="normal", color=MUTED, pad=2.5)
    return figure


def _strip(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images side by side on paper, padded where a class has fewer."""
    paper = np.full((IMAGES, *shape), [int(RULE[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    paper[: len(images)] = images
    gap = np.full((IMAGES, shape[0], max(1, shape[1] // 16), 3), 255, np.uint8)
    return np.concatenate(list(np.concatenate([paper, gap], axis=2)), axis=1)[:, : -gap.shape[2]]
