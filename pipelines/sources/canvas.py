"""A small vector canvas for drawing signs: shapes in sign units, supersampled, with an alpha channel."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Points = NDArray[np.float64]

EXTENT = 1.06  # half the side of the canvas in sign units: the sign itself ends at 1
OVERSAMPLING = 4
SHIFT = 4  # cv2 takes fixed-point coordinates with this many fractional bits


def points(*pairs: tuple[float, float]) -> Points:
    """Corner points (N, 2) from pairs of x to the right and y downwards, in sign units."""
    return np.asarray(pairs, np.float64)


def arc(
    centre: tuple[float, float], radius: float | tuple[float, float], start: float, end: float, steps: int = 24
) -> Points:
    """Points (steps, 2) along an elliptic arc; angles in degrees, 0 to the right, 90 upwards."""
    rx, ry = (radius, radius) if isinstance(radius, (int, float)) else radius
    angles = np.radians(np.linspace(start, end, steps))
    return np.stack([centre[0] + rx * np.cos(angles), centre[1] - ry * np.sin(angles)], axis=1)


def path(*pieces: Points) -> Points:
    """One line (N, 2) through all pieces in order."""
    return np.concatenate(pieces)


@dataclass
class Canvas:
    """An RGBA picture of `size` pixels in the making.

    Attributes:
        size: side of the finished picture in pixels.
        scale, offset: every shape drawn is scaled and then moved by these, in sign units (for jittered pictograms).
        weight: multiplies the width of lines.
        rgb, alpha: the oversampled picture.
    """

    size: int
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    weight: float = 1.0
    rgb: NDArray[np.uint8] = field(init=False)
    alpha: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        side = self.size * OVERSAMPLING
        self.rgb = np.zeros((side, side, 3), np.uint8)
        self.alpha = np.zeros((side, side), np.uint8)

    def polygon(self, corners: Points, colour: Colour) -> None:
        """Fill a polygon (N, 2)."""
        fixed = self._fixed(corners)
        cv2.fillPoly(self.rgb, [fixed], colour, cv2.LINE_8, SHIFT)
        cv2.fillPoly(self.alpha, [fixed], 255, cv2.LINE_8, SHIFT)

    def disc(self, centre: tuple[float, float], radius: float | tuple[float, float], colour: Colour) -> None:
        """Fill a disc or an ellipse."""
        self.polygon(arc(centre, radius, 0, 360, 96), colour)

    def rounded(self, corners: Points, radius: float, colour: Colour) -> None:
        """Fill a polygon whose corners lie on a circle of `radius` around each given point."""
        self.polygon(corners, colour)
        self.stroke(np.concatenate([corners, corners[:1]]), 2 * radius, colour, plain=True)

    def stroke(self, line: Points, width: float, colour: Colour, *, plain: bool = False) -> None:
        """Draw a line (N, 2) with round ends; `plain` leaves out the weight of the pictogram."""
        half = 0.5 * width * (1.0 if plain else self.weight)
        for start, end in pairwise(line):
            along = end - start
            length = float(np.hypot(*along))
            if length < 1e-9:
                continue
            normal = np.array([-along[1], along[0]]) * (half / length)
            self.polygon(np.stack([start + normal, end + normal, end - normal, start - normal]), colour)
        for joint in line:
            self.polygon(arc((joint[0], joint[1]), half, 0, 360, 24), colour)

    def bar(self, line: Points, width: float, colour: Colour) -> None:
        """Draw a line (N, 2) with flat ends and round joints."""
        if len(line) > 2:
            self.stroke(line[1:-1], width, colour)
        half = 0.5 * width * self.weight
        for start, end in ((line[0], line[1]), (line[-2], line[-1])):
            along = end - start
            normal = np.array([-along[1], along[0]]) * (half / np.hypot(*along))
            self.polygon(np.stack([start + normal, end + normal, end - normal, start - normal]), colour)

    def strokes(self, lines: Iterable[Points], width: float, colour: Colour) -> None:
        """Draw several lines of one width."""
        for line in lines:
            self.stroke(line, width, colour)

    def finish(self) -> NDArray[np.uint8]:
        """The RGBA picture (size, size, 4), colours premultiplied by alpha."""
        side = (self.size, self.size)
        rgb = cv2.resize(self.rgb, side, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(self.alpha, side, interpolation=cv2.INTER_AREA)
        return np.dstack([rgb, alpha])

    def _fixed(self, corners: Points) -> NDArray[np.int32]:
        placed = corners * np.asarray(self.scale) + np.asarray(self.offset)
        pixels = (placed + EXTENT) / (2 * EXTENT) * (self.size * OVERSAMPLING) - 0.5
        return np.asarray(np.round(pixels * 2**SHIFT), np.int32)


def mirrored(line: Points) -> Points:
    """The points (N, 2) with left and right exchanged."""
    return np.asarray(line * np.array([-1.0, 1.0]))
