"""The images that fail at the slightest change: each beside what it became, and what it was taken for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.reports.figures import INK, MUTED, WRONG, new_figure, short_name, styled, webp_uri
from pipelines.reports.summary import number, spoken

ACROSS = 6
TILE, GAP, CAPTION = 0.82, 0.24, 0.62  # inches


def slightest_sheet(
    rows: pd.DataFrame, clean: NDArray[np.uint8], noisy: NDArray[np.uint8], class_names: Sequence[str]
) -> Figure:
    """Draw pairs of a clean image and the same one changed as little as fools the network.

    Args:
        rows: the first rows of `pipelines.visibility.slightest`.
        clean: (rows, H, W, 3), their images.
        noisy: (rows, H, W, 3), at the level that fools the network.
        class_names: One name a class.
    """
    across = min(ACROSS, max(len(rows), 1))
    down = -(-len(rows) // across)
    wide, tall = 2 * TILE + GAP, TILE + CAPTION
    with styled():
        figure = new_figure(across * wide + 0.2, max(down, 1) * tall + 0.1)
        width, height = figure.get_size_inches()
        for place, row in enumerate(rows.to_dict("records")):
            left, top = 0.1 + (place % across) * wide, 0.08 + (place // across) * tall
            box = (left / width, 1 - (top + TILE) / height, 2 * TILE / width, TILE / height)
            axes = figure.add_axes(box)
            axes.imshow(_pair(clean[place], noisy[place]), interpolation="none", aspect="auto")
            axes.axis("off")
            true, said = (short_name(class_names[int(row[key])], 29, 1) for key in ("label", "predicted"))
            for line, (text, colour) in enumerate(((true, INK), (f"→ {said}", WRONG), (_change(row), MUTED))):
                at: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "fontsize": 6.2}
                axes.text(0, -0.04 - 0.16 * line, text, **at, color=colour)
    return figure


def slightest_cells(
    rows: pd.DataFrame, clean: NDArray[np.uint8], noisy: NDArray[np.uint8], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the pairs for a page: picture, true and predicted class, and the change in words."""
    return [
        {
            "picture": webp_uri(_pair(before, after), quality=92),
            "true": class_names[int(row["label"])],
            "said": class_names[int(row["predicted"])],
            "change": _change(row),
        }
        for row, before, after in zip(rows.to_dict("records"), clean, noisy, strict=True)
    ]


def _pair(clean: NDArray[np.uint8], noisy: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gap = np.full((clean.shape[0], max(1, clean.shape[1] // 32), clean.shape[2]), 255, np.uint8)
    return np.concatenate([clean, gap, noisy], axis=1)


def similarity(ssim: float) -> str:
    """Return an SSIM near 1 with four digits."""
    return f"{ssim:.4f}" if ssim < 0.99995 else "> 0.9999"


def _change(row: dict[Any, Any]) -> str:
    return f"{spoken(row['noise'])} {number(row['level'])}, SSIM {similarity(row['ssim'])}"
