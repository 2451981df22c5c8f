"""Noises that people put on a sign: stickers, graffiti and text.

Stickers and graffiti paint pixels in a fixed order, so that the covered share is exact to the pixel and only grows.
"""

from functools import cache

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import Floats, KeyedRandom
from noise.registry import Images, noise
from noise.structured import AREA, Owners, a_pixel, nearest_box, paint, smallest

EYKHOLT = "Eykholt and others 2018"
BARS = np.array([[0.22, 0.3], [0.22, 0.7], [0.78, 0.3], [0.78, 0.7]], np.float32)
"""Row and column of the stickers' middles: two above the sign's middle, two below."""
JITTER = 0.08
"""Shares of the side by which stickers are out of place."""
TILT = 0.25
"""Radians by which stickers are turned, at most."""
LONG = np.sqrt(3.0)
"""Stickers are three times as wide as high."""
STROKES = 5
SEGMENTS = 8
"""Straight parts of each stroke."""
BRUSH = 0.06
"""Radius of the brush, as a share of the shorter side."""
LINES = 3
LETTERS = 4
"""Of each line of text."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@noise(family="structured", unit=AREA, low=0.0, high=0.8, source=EYKHOLT, step=a_pixel)
def stickers(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with 4 bars, two above the middle and two below.

    Bars are three times as wide as high, a little turned and out of place; of each two, one is black and one white.
    """

    def grow() -> tuple[Floats, Owners]:
        place = BARS + np.float32(2 * JITTER) * (random.uniform((4, 2)) - np.float32(0.5))
        angle = np.float32(2 * TILT) * (random.uniform((4,)) - np.float32(0.5))
        return nearest_box(images.shape, place, np.full(angle.shape, LONG, np.float32), angle)

    when, owner = random.once(grow)
    left = random.integers(0, 2, (2,)).astype(np.float32)
    black_or_white = np.stack([left[:, 0], 1 - left[:, 0], left[:, 1], 1 - left[:, 1]], axis=1)
    colours = np.repeat(black_or_white[..., None], images.shape[3], axis=2)
    return paint(images, smallest(when, level), owner, colours)


@noise(family="structured", unit=AREA, low=0.0, high=0.8, source=EYKHOLT, step=a_pixel)
def graffiti(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with 5 random smooth strokes of random colour.

    Each stroke is a cubic Bezier curve; they are painted one after the other with a brush of 6% of the shorter side,
    and, once all are there, grow wider.
    """
    when, owner = random.once(lambda: _brush(images.shape, random.uniform((STROKES, 4, 2))))
    return paint(images, smallest(when, level), owner, random.uniform((STROKES, images.shape[3])))


@noise(family="structured", unit="opacity", low=0.0, high=1.0, source="typographic attacks, Goh and others 2021")
def text(images: Images, level: float, random: KeyedRandom) -> Images:
    """Lay 3 lines of 4 random letters over the image, black or white, with opacity `level`."""
    written = random.once(lambda: _written(images.shape, random.integers(0, len(ALPHABET), (LINES, LETTERS))))
    white = random.integers(0, 2, (1, 1, 1)).astype(np.float32)
    return images + np.float32(level) * written[..., None] * (white - images)


def _brush(shape: tuple[int, ...], control: Floats) -> tuple[Floats, Owners]:
    """When each pixel (N, H, W) is painted, and by which stroke.

    Args:
        shape: of the images, (N, H, W, C).
        control: (N, STROKES, 4, 2) in [0, 1), the control points of the strokes as shares of the side.
    """
    t = np.linspace(0, 1, SEGMENTS + 1, dtype=np.float32)
    bernstein = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    sides = np.array(shape[1:3], np.float32)
    path = sum(control[:, :, k, None] * bernstein[k, :, None] for k in range(4)) * sides
    when, owner = np.full(shape[:3], np.inf, np.float32), np.zeros(shape[:3], np.int32)
    _stroke(path, np.float32(BRUSH * sides.min()), when, owner)
    return when, owner


@njit(cache=True, boundscheck=False)
def _stroke(path: Floats, radius: np.float32, when: Floats, owner: Owners) -> None:
    """The brush moves along each path (N, STROKES, points, 2); what it never reaches comes later, the nearest first."""
    strokes, segments = path.shape[1], path.shape[2] - 1
    for n in range(when.shape[0]):
        for s in range(strokes):
            for t in range(segments):
                start, end = path[n, s, t], path[n, s, t + 1]
                _segment(start, end, radius, s * segments + t, strokes * segments, s, when[n], owner[n])


@njit(cache=True, boundscheck=False)
def _segment(
    start: Floats, end: Floats, radius: np.float32, begins: int, ends: int, stroke: int, when: Floats, owner: Owners
) -> None:
    """Paint from `start` at time `begins` to `end` one later; pixels farther than `radius` come after time `ends`."""
    down, across = end[0] - start[0], end[1] - start[1]
    per_length = np.float32(1.0) / max(down * down + across * across, np.float32(1e-6))
    area, now, later = radius * radius, np.float32(begins), np.float32(ends)
    for i in range(when.shape[0]):
        y = np.float32(i) + np.float32(0.5) - start[0]
        for j in range(when.shape[1]):
            x = np.float32(j) + np.float32(0.5) - start[1]
            along = min(max((y * down + x * across) * per_length, np.float32(0.0)), np.float32(1.0))
            away = ((y - along * down) ** 2 + (x - along * across) ** 2) / area
            reached = now + along if away < np.float32(1.0) else later
            reached += away
            sooner = reached < when[i, j]
            owner[i, j] = stroke if sooner else owner[i, j]
            when[i, j] = reached if sooner else when[i, j]


def _written(shape: tuple[int, ...], letters: NDArray[np.int64]) -> Floats:
    """Lines of `letters` (N, LINES, LETTERS) as masks (N, H, W) in [0, 1], in the middle of the image."""
    count, height, width = shape[:3]
    glyphs = _glyphs(height // LINES, width // LETTERS)
    rows, columns = LINES * glyphs.shape[1], LETTERS * glyphs.shape[2]
    top, left = (height - rows) // 2, (width - columns) // 2
    written = np.zeros((count, height, width), np.float32)
    lines = glyphs[letters].transpose(0, 1, 3, 2, 4).reshape(count, rows, columns)
    written[:, top : top + rows, left : left + columns] = lines
    return written


@cache
def _glyphs(height: int, width: int) -> Floats:
    """Masks (26, height, width) in [0, 1] of the capitals, as large as fits with a sixth of the height free."""
    glyphs = np.zeros((len(ALPHABET), height, width), np.float32)
    for glyph, letter in zip(glyphs, ALPHABET, strict=True):
        canvas = np.zeros((120, 160), np.uint8)
        cv2.putText(canvas, letter, (30, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.5, 255, 8, cv2.LINE_AA)
        x, y, wide, high = cv2.boundingRect(canvas)
        rows = max(1, height - max(1, height // 6))
        columns = min(max(1, width - width // 8), max(1, round(rows * wide / high)))
        small = cv2.resize(canvas[y : y + high, x : x + wide], (columns, rows), interpolation=cv2.INTER_AREA)
        left = (width - columns) // 2
        glyph[:rows, left : left + columns] = small / np.float32(255)
    glyphs.flags.writeable = False
    return glyphs
