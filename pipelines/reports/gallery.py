"""What every noise looks like: one sign under each of them, at levels that show equally much.

Levels of different noises have different units, so each is shown where the mean structural similarity to the clean
images has fallen to a stated value. Signs are rendered: no picture of a data set is copied.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from noise import Noise, disturb
from noise.distortion import MEASURES, measure
from noise.visibility import level_at, visibility_curve
from pipelines.reports.figures import INK, MUTED, PAPER, RULE
from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.sources.rendered import render

FAMILIES = ("random", "structured", "procedural", "optical", "light", "weather", "geometric")
"""The order in which families are shown; others follow."""
SIGN, SIGN_KEY = 28, "gallery/9"
"""The sign that is shown: a rendered one in good light, of red, white and black on mid-tones."""
LEVELS = 20
"""Levels at which the similarity is measured, between which it is interpolated."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """One picture of a gallery.

    Attributes:
        pixels: (H, W, 3).
        caption: what stands below it.
    """

    pixels: Pixels
    caption: str


@dataclass(frozen=True)
class Strip:
    """One noise of a gallery: what it is called, its family, and its pictures from left to right."""

    title: str
    family: str
    tiles: tuple[Tile, ...]


def sample_signs() -> tuple[Pixels, list[str]]:
    """Rendered signs, one of each class, on which similarity is averaged: (43, 32, 32, 3), and their ids."""
    ids = [f"gallery/{label}" for label in range(len(CLASS_NAMES))]
    return render(np.arange(len(CLASS_NAMES)), keys=ids), ids


def shown_sign() -> Pixels:
    """The clean sign of the gallery (32, 32, 3)."""
    sign: Pixels = render(np.array([SIGN]), keys=[SIGN_KEY])[0]
    return sign


def equal_levels(kind: Noise, images: Pixels, image_ids: Sequence[str], similarities: Sequence[float]) -> list[float]:
    """The levels at which a noise shows equally much as every other.

    Args:
        kind: the noise.
        images: (N, H, W, C) uint8 on which the structural similarity (SSIM) is averaged.
        image_ids: N names, which decide the random fields.
        similarities: mean SSIMs, below 1.

    Returns:
        For each similarity the strongest level whose mean SSIM is not below it; infinity where the whole range of the
        noise does not go so far.
    """
    levels = (kind.low + np.linspace(0, 1, LEVELS + 1) ** 2 * (kind.high - kind.low)).tolist()
    mean = measure(images, disturb(kind, images, levels, image_ids=image_ids))["ssim"].mean(axis=1)
    unknown = np.full(len(levels), np.nan)
    curve = visibility_curve(MEASURES["ssim"], levels, mean, unknown, unknown)
    return [level_at(curve, similarity).value for similarity in similarities]


def strips_of(kinds: Sequence[Noise], similarities: Sequence[float], *, clean: bool = False) -> list[Strip]:
    """The gallery's sign under each noise at equal visibility, its level below; in the order of families.

    Args:
        kinds: noises.
        similarities: the mean SSIM of each column. A noise whose range does not go so far is shown at its end.
        clean: whether the clean sign comes first.
    """
    images, ids = sample_signs()
    sign = shown_sign()
    first = (Tile(sign, "clean"),) if clean else ()
    strips = []
    for kind in by_family(kinds):
        levels = equal_levels(kind, images, ids, similarities)
        shown = disturb(kind, sign[None], np.minimum(levels, kind.high).tolist(), image_ids=[SIGN_KEY])[:, 0]
        captions = [f"{level:.2g}" if np.isfinite(level) else f"max {kind.high:g}" for level in levels]
        tiles = tuple(Tile(pixels, caption) for pixels, caption in zip(shown, captions, strict=True))
        strips.append(Strip(kind.name.replace("_", " "), kind.family, first + tiles))
    return strips


def by_family(kinds: Iterable[Noise]) -> list[Noise]:
    """Noises sorted by family in the order of `FAMILIES`, in their own order within one."""
    ranks = {family: rank for rank, family in enumerate(FAMILIES)}
    return sorted(kinds, key=lambda kind: (ranks.get(kind.family, len(ranks)), kind.family))


@dataclass(frozen=True)
class Layout:
    """Measures of a gallery in pixels; tiles are magnified by a whole number, so that pixels stay squares.

    Attributes:
        columns: strips side by side.
        zoom: pixels of the picture for a pixel of a tile.
        text: size of the font.
    """

    columns: int
    zoom: int = 4
    text: int = 21

    @property
    def line(self) -> int:
        """Height of a line of text."""
        return round(1.3 * self.text)

    @property
    def gap(self) -> int:
        """Between two strips."""
        return self.text

    def tile(self, strip: Strip) -> int:
        """Side of a tile."""
        return self.zoom * len(strip.tiles[0].pixels)

    def width(self, strip: Strip) -> int:
        """Of a strip: its tiles, and a thin line between them."""
        return len(strip.tiles) * (self.tile(strip) + 2) - 2

    def height(self, strip: Strip) -> int:
        """Of a strip: the title, the tiles, the captions."""
        return self.tile(strip) + 2 * self.line


def draw_gallery(strips: Sequence[Strip], layout: Layout, heading: str = "", sign: Pixels | None = None) -> Image.Image:
    """Lay strips out by family, each family under its name.

    Args:
        strips: equally many tiles of equal size each, those of a family one after the other.
        layout: how many side by side, and sizes.
        heading: lines of text at the top.
        sign: a clean sign (H, W, 3) beside them.
    """
    families = [(name, list(group)) for name, group in groupby(strips, key=lambda strip: strip.family)]
    across, down = layout.width(strips[0]) + layout.gap, layout.height(strips[0]) + layout.gap // 2
    top = max(layout.tile(strips[0]) * (sign is not None), layout.line * len(heading.splitlines())) + layout.gap
    rows = sum(-(-len(group) // layout.columns) for _, group in families)
    height = top + rows * down + len(families) * 2 * layout.line
    sheet = Image.new("RGB", (layout.columns * across + layout.gap, height), PAPER)
    _head(sheet, layout, heading, sign)
    for name, group in families:
        _family(sheet, layout, top, f"{name} ({len(group)})")
        top += 2 * layout.line
        for place, strip in enumerate(group):
            row, column = divmod(place, layout.columns)
            _strip(sheet, layout, strip, (layout.gap + column * across, top + row * down))
        top += -(-len(group) // layout.columns) * down
    return sheet


def _head(sheet: Image.Image, layout: Layout, heading: str, sign: Pixels | None) -> None:
    left = layout.gap
    if sign is not None:
        picture = _magnified(sign, layout.zoom)
        sheet.paste(picture, (left, layout.gap // 2))
        left += picture.width + layout.gap
    pen = ImageDraw.Draw(sheet)
    for index, line in enumerate(heading.splitlines()):
        font = _font(layout.text + 4 * (index == 0), bold=index == 0)
        pen.text((left, layout.gap // 2 + round(1.15 * index * layout.line)), line, fill=INK, font=font)


def _family(sheet: Image.Image, layout: Layout, top: int, title: str) -> None:
    pen, font = ImageDraw.Draw(sheet), _font(layout.text + 3, bold=True)
    pen.text((layout.gap, top + layout.line // 4), title, fill=INK, font=font)
    under = top + round(1.6 * layout.line)
    pen.line((layout.gap, under, sheet.width - layout.gap, under), fill=RULE, width=2)


def _strip(sheet: Image.Image, layout: Layout, strip: Strip, corner: tuple[int, int]) -> None:
    left, top = corner
    pen, side = ImageDraw.Draw(sheet), layout.tile(strip)
    pen.text((left, top), strip.title, fill=INK, font=_font(layout.text))
    for index, tile in enumerate(strip.tiles):
        x = left + index * (side + 2)
        sheet.paste(_magnified(tile.pixels, layout.zoom), (x, top + layout.line))
        middle = (x + side // 2, top + layout.line + side + 2)
        pen.text(middle, tile.caption, fill=MUTED, font=_font(layout.text - 2), anchor="ma")


def _magnified(pixels: Pixels, zoom: int) -> Image.Image:
    return Image.fromarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def with_palette(picture: Image.Image, colours: int = 256) -> Image.Image:
    """A picture in few colours of its own: as PNG a third of the bytes or less."""
    return picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def to_png(picture: Image.Image) -> bytes:
    """A picture as PNG, the same bytes each time."""
    buffer = io.BytesIO()
    with_palette(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
