"""From an image file to an RGB image of the wanted size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from pipelines.sources.pixels import read_pixels
from pipelines.sources.plan import Loaded
from pipelines.sources.trees import UNREADABLE, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.sources.plan import Row

SUFFIXES = {".ppm", ".pgm", ".pnm", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
DAMAGED = (*UNREADABLE, SyntaxError, Image.DecompressionBombError)
"""What files, archives and Pillow raise for bytes that are not a whole image."""


def load_files(rows: Sequence[Row], *, size: int, crop: bool) -> Iterator[Loaded]:
    """Read, decode and resize the files of `SignFile` rows; what cannot be read becomes an error text."""
    for row in rows:
        where = f"{row['archive']}:{row['path']}" if row["archive"] else row["path"]
        try:
            content = read_bytes(row["archive"], row["path"])
            image, white = read_pixels(content, row.get("white", {}))
            height, width = image.shape[:2]
            recorded = (row["width"] or width, row["height"] or height)
            if crop and row["roi"] is not None:
                image = cut(image, row["roi"], recorded)
        except DAMAGED as error:
            yield Loaded(None, error=f"{where}: {' '.join(str(error).split()) or type(error).__name__}")
        else:
            yield Loaded(resize(image, size), *recorded, white=white, content=hashlib.sha256(content).digest())


def cut(image: NDArray[np.uint8], roi: tuple[int, int, int, int], recorded: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut a region given in the pixels of the recorded (width, height), scaled to those of the image itself.

    Raises:
        ValueError: the region is not inside the recorded size.
    """
    left, top, right, bottom = roi
    if not (0 <= left <= right < recorded[0] and 0 <= top <= bottom < recorded[1]):
        raise ValueError(f"region {left},{top},{right},{bottom} is not inside {recorded[0]} x {recorded[1]} pixels")
    x, y = image.shape[1] / recorded[0], image.shape[0] / recorded[1]
    rows = slice(round(top * y), max(round((bottom + 1) * y), round(top * y) + 1))
    columns = slice(round(left * x), max(round((right + 1) * x), round(left * x) + 1))
    return image[rows, columns]


def resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize to size x size: sides that shrink by area (no aliasing), sides that grow by cubic interpolation."""
    height, width = image.shape[:2]
    if (least := (min(width, size), min(height, size))) != (width, height):
        image = cv2.resize(image, least, interpolation=cv2.INTER_AREA)
    if least != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    return image
