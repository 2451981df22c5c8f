"""From the bytes of an image file of any kind to 8-bit RGB: depth, transparency and orientation."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.sources.plan import White

BACKGROUND = (128, 128, 128)
"""Mid-grey RGB, over which what is transparent is laid."""
INTEGER, FLOAT = "16-bit", "float"
DEPTHS = (8, 10, 12, 14, 16)
"""Bits of an integer file that a camera may have used."""
WHOLE = ("I", "I;16", "I;16B", "I;16L", "I;16N")
STEREO = "MPO"
"""JPEG files of phones, with a preview or a second view behind the photograph."""


def decode(content: bytes) -> NDArray[np.uint8]:
    """Decode one image file, as `read_pixels` does where nothing is known of its data set."""
    return read_pixels(content, {})[0]


def read_pixels(content: bytes, white: White) -> tuple[NDArray[np.uint8], White]:
    """Decode an image file to (H, W, 3) RGB uint8, upright, what is transparent laid over `BACKGROUND`.

    Args:
        content: the bytes of the file.
        white: the values of white that hold for the whole data set; where empty, the least that fits this file.

    Returns:
        The image, and the value that was taken for white where it is in question.

    Raises:
        ValueError or OSError: the bytes are not a whole image, or one whose values or frames are in doubt.
    """
    if not content:
        raise ValueError("a file of 0 bytes")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            frames = getattr(opened, "n_frames", 1)
            if frames > 1 and opened.format != STEREO:
                raise ValueError(f"{frames} frames: a sign is one image: save one of them as a file of its own")
            deep = _is_deep_colour(opened)
            opened.load()
            image, taken = _deep_colour(content, white) if deep else _shallow(opened, white)
            if (turned := opened.getexif().get(ExifTags.Base.Orientation, 1)) != 1:
                image.getexif()[ExifTags.Base.Orientation] = turned
                ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(image), taken
    except UnidentifiedImageError:
        raise ValueError("not an image, or of a kind that is not read: save it as 8-bit PNG") from None


def _shallow(opened: Image.Image, white: White) -> tuple[Image.Image, White]:
    """All that Pillow reads without loss: 8 bits a channel, or a single deep channel."""
    if opened.mode in WHOLE:
        values = np.asarray(opened).astype(np.int64)
        grey, taken = _from_integers(values, white)
        rgb = np.repeat(grey[..., None], 3, axis=2)
        if "transparency" in opened.info:
            rgb[values == opened.info["transparency"]] = BACKGROUND
        return Image.fromarray(rgb), taken
    if opened.mode == "F":
        grey, taken = _from_floats(np.asarray(opened), white)
        return Image.fromarray(np.repeat(grey[..., None], 3, axis=2)), taken
    return _opaque(opened), {}


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, BACKGROUND)
    through = image.convert("LA") if image.mode == "La" else image
    return Image.alpha_composite(ground, through.convert("RGBA")).convert("RGB")


def _is_deep_colour(opened: Image.Image) -> bool:
    """Pillow keeps the high byte of 16-bit colour alone, whichever bits are used; asked before it is loaded."""
    tiles = getattr(opened, "tile", ())
    if opened.mode not in ("RGB", "RGBA", "LA", "RGBX") or not tiles:
        return False
    args = tiles[0].args
    return args == ("RGB", 65535) if opened.format == "PPM" else ";16" in str(args)


def _deep_colour(content: bytes, white: White) -> tuple[Image.Image, White]:
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        raise ValueError("a kind of 16-bit colour that is not read: save it as 8-bit PNG")
    colours, taken = _from_integers(values[..., 2::-1].astype(np.int64), white)
    if values.shape[2] == 3:
        return Image.fromarray(np.ascontiguousarray(colours)), taken
    alpha = values[..., 3] >> (8 if values[..., 3].max() > taken.get(INTEGER, 0) else _shift(taken))
    return _opaque(Image.fromarray(np.dstack([colours, alpha.astype(np.uint8)]), "RGBA")), taken


def _from_integers(values: NDArray[np.int64], white: White) -> tuple[NDArray[np.uint8], White]:
    """The highest 8 of the bits that are used; a black image tells nothing of them."""
    least, most = int(values.min()), int(values.max())
    bits = next((depth for depth in DEPTHS if most < 2**depth), 0)
    if least < 0 or not bits:
        raise ValueError(f"values from {least} to {most}: which is white is unclear: save it as 8-bit PNG")
    own = {INTEGER: 2**bits - 1} if most else {}
    taken = {INTEGER: max(own.get(INTEGER, 0), white.get(INTEGER, 0))} if own else {}
    return (values >> _shift(taken)).astype(np.uint8), taken


def _shift(taken: White) -> int:
    return max(0, taken.get(INTEGER, 255).bit_length() - 8)


def _from_floats(values: NDArray[np.float32], white: White) -> tuple[NDArray[np.uint8], White]:
    """Floats are 0..1, or 0..255 where they are larger."""
    least, most = float(values.min()), float(values.max())
    if not (0 <= least <= most <= 255) or 1 < most < 2:
        raise ValueError(f"float values from {least:g} to {most:g}, not 0 to 1 or 0 to 255: save it as 8-bit PNG")
    taken = {FLOAT: max(1 if most <= 1 else 255, white.get(FLOAT, 0))} if most else {}
    return np.rint(values * (255 / taken.get(FLOAT, 1))).astype(np.uint8), taken
