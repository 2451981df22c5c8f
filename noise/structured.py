"""Structured noises: things that cover the image, or sharpness and light that are lost."""

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import KeyedRandom
from noise.registry import Images, noise

SEED_DOCUMENT = "the project's research idea"
AREA = "share of the area"
PATCHES = 8


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source=SEED_DOCUMENT)
def colour_patches(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with 8 rectangles of random place, form and colour that grow together."""
    place = random.uniform((PATCHES, 2))
    form = np.exp2(random.uniform((PATCHES,)) - np.float32(0.5))  # half as wide as high, up to twice
    colours = random.uniform((PATCHES, images.shape[3]))
    nearest = np.full(images.shape[:3], np.inf, np.float32)
    owner = np.zeros(images.shape[:3], np.intp)
    for patch in range(PATCHES):
        distance = _box_distance(images.shape, place[:, patch], form[:, patch])
        owner[distance < nearest] = patch
        np.minimum(nearest, distance, out=nearest)
    covered = smallest(nearest, level)
    patched = images.copy()
    patched[covered] = colours[np.nonzero(covered)[0], owner[covered]]
    return patched


@noise(family="structured", unit="share of the rows", low=0.0, high=1.0, source=SEED_DOCUMENT)
def black_rows(images: Images, level: float, random: KeyedRandom) -> Images:
    """Set `level` of the rows, chosen at random, to black."""
    rows = smallest(random.uniform(images.shape[1:2]), level)
    blackened = images.copy()
    blackened[rows] = 0
    return blackened


@noise(family="structured", unit="share of the columns", low=0.0, high=1.0, source=SEED_DOCUMENT)
def black_columns(images: Images, level: float, random: KeyedRandom) -> Images:
    """Set `level` of the columns, chosen at random, to black."""
    columns = smallest(random.uniform(images.shape[2:3]), level)
    blackened = images.copy()
    blackened.swapaxes(1, 2)[columns] = 0
    return blackened


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source="Zeiler and Fergus 2014, section 4.2")
def occlusion(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with a mid-grey square at a random place."""
    distance = _box_distance(images.shape, random.uniform((2,)), np.ones(len(images), np.float32))
    return np.where(smallest(distance, level)[..., None], np.float32(0.5), images)


@noise(
    family="structured",
    unit="sigma in pixels",
    low=0.0,
    high=6.0,
    source="ImageNet-C, Hendrycks and Dietterich 2019",
)
def gaussian_blur(images: Images, level: float, _: KeyedRandom) -> Images:
    """Convolve with a Gaussian of sigma `level`; the border is mirrored."""
    blurred = [cv2.GaussianBlur(image, (0, 0), level, borderType=cv2.BORDER_REFLECT_101) for image in images]
    return np.stack(blurred).reshape(images.shape)


@noise(
    family="structured",
    unit="added to the HSV value",
    low=0.0,
    high=1.0,
    source="ImageNet-C, Hendrycks and Dietterich 2019",
)
def brightness(images: Images, level: float, _: KeyedRandom) -> Images:
    """Raise the HSV value (the largest channel) by `level`, up to 1; hue and saturation stay."""
    brightened = np.empty_like(images, order="C")
    pixels = np.ascontiguousarray(images).reshape(-1, images.shape[3])
    _brighten(pixels, np.float32(level), brightened.reshape(pixels.shape))
    return brightened


@njit(cache=True, boundscheck=False)
def _brighten(pixels: NDArray[np.float32], level: np.float32, out: NDArray[np.float32]) -> None:
    """Scale each pixel (P, C) so that its largest channel rises by `level`, up to 1; black becomes grey."""
    for p in range(pixels.shape[0]):
        value = np.float32(0.0)
        for c in range(pixels.shape[1]):
            value = max(value, pixels[p, c])
        brighter = min(value + level, np.float32(1.0))
        for c in range(pixels.shape[1]):
            out[p, c] = pixels[p, c] * (brighter / value) if value > 0 else brighter


def smallest(field: NDArray[np.float32], level: float) -> NDArray[np.bool_]:
    """Mark the smallest `level` of the values of each image's field, so that marks only spread as the level grows.

    Args:
        field: (N, ...) values, none negative.
        level: share to mark, in [0, 1]; the number of marked values is rounded to the nearest.

    Returns:
        Booleans of the field's shape.
    """
    bits = np.ascontiguousarray(field, np.float32).reshape(len(field), -1).view(np.int32)
    size = bits.shape[1]
    count = int(np.floor(level * size + 0.5))
    if count == 0:
        return np.zeros(field.shape, bool)
    ranks = (bits.astype(np.int64) << 32) | np.arange(size)  # non-negative floats sort as their bits; ties by place
    last = np.partition(ranks, count - 1, axis=1)[:, count - 1 : count]
    return (ranks <= last).reshape(field.shape)


def _box_distance(shape: tuple[int, ...], place: NDArray[np.float32], form: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance (N, H, W) of each pixel to a centre, in which rectangles of aspect `form` squared are the balls.

    Args:
        shape: of the images, (N, H, W, C).
        place: (N, 2), row and column of the centre as a share of the height and width.
        form: (N,) square root of width over height.
    """
    height, width = shape[1:3]
    rows = np.abs(np.arange(height, dtype=np.float32) - place[:, :1] * (height - 1)) * form[:, None]
    columns = np.abs(np.arange(width, dtype=np.float32) - place[:, 1:] * (width - 1)) / form[:, None]
    distance: NDArray[np.float32] = np.maximum(rows[:, :, None], columns[:, None, :])
    return distance
