"""Rendered road signs: a stand-in for GTSRB that needs no download.

Each image is a sign drawn by code (see pictograms), put before procedural clutter and taken by a simulated camera:
perspective, light, shadow, exposure, lens and motion blur, sensor noise and resampling from the size of capture.
An image depends on (seed, key, label) alone, so any order, batching or subset gives the same pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import InputError
from pipelines.sources.camera import blur, develop, expose
from pipelines.sources.canvas import EXTENT
from pipelines.sources.clutter import background
from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.sources.pictograms import Look, draw_sign, vary
from pipelines.sources.scene import Image, Scene, draw_scene

DRAWN_SIZE = 128  # smaller ones are shrunk from it
MASTER_SIZES = (32, 48, 64, DRAWN_SIZE, 256)
TRIANGLES = frozenset({11, 13, *range(18, 32)})
MIN_SIZE, MAX_SIZE = 16, 128


@dataclass(frozen=True)
class Plan:
    """What a rendered data set consists of: equal-length arrays, one entry an image.

    Attributes:
        image_id: key of each image, `train/00014/00003_00027` or `test/00042`.
        label: class 0..42.
        track: `00014/00003`, the scene that several frames show; "" for test images, each of which is its own scene.
        split: `train` or `test`.
    """

    image_id: NDArray[np.str_]
    label: NDArray[np.int64]
    track: NDArray[np.str_]
    split: NDArray[np.str_]


def plan(*, train_per_class: int = 100, test_per_class: int = 24, frames_per_track: int = 5) -> Plan:
    """Which images make up a rendered data set; a smaller plan is a prefix of each class of a larger one.

    Args:
        train_per_class: training images of each class.
        test_per_class: test images of each class, every one of another scene.
        frames_per_track: training images of one scene (GTSRB has 30).

    Raises:
        InputError: a count below 1.
    """
    counts = {
        "train_per_class": train_per_class,
        "test_per_class": test_per_class,
        "frames_per_track": frames_per_track,
    }
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"rendered signs: {name} is {count}; give 1 or more")
    rows = [
        (
            f"train/{label:05d}/{i // frames_per_track:05d}_{i % frames_per_track:05d}",
            label,
            f"{label:05d}/{i // frames_per_track:05d}",
            "train",
        )
        for label in range(len(CLASS_NAMES))
        for i in range(train_per_class)
    ]
    classes = len(CLASS_NAMES)
    rows += [(f"test/{i:05d}", i % classes, "", "test") for i in range(test_per_class * classes)]
    ids, labels, tracks, splits = zip(*rows, strict=True)
    return Plan(np.array(ids), np.array(labels, np.int64), np.array(tracks), np.array(splits))


def render(labels: NDArray[np.integer], *, keys: Sequence[str], size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """Render one image for each label and key.

    Keys that differ only after their last underscore, as in `train/00014/00003_00027`, are frames of one scene:
    the same sign, light and surroundings, seen from ever nearer.

    Args:
        labels: (N,) classes 0..42.
        keys: N image ids; image i depends only on (seed, keys[i], labels[i]).
        size: side of the images in pixels.
        seed: another seed gives another data set of the same ids.

    Returns:
        (N, size, size, 3) RGB images.

    Raises:
        InputError: labels outside 0..42, as many keys as labels missing, or an unusable size.
    """
    labels = np.asarray(labels)
    _check(labels, keys, size)
    images = np.empty((len(labels), size, size, 3), np.uint8)
    for i, (label, key) in enumerate(zip(labels.tolist(), keys, strict=True)):
        images[i] = _photograph(label, str(key), size, seed)
    return images


def master(label: int, size: int = 128) -> NDArray[np.uint8]:
    """The undisturbed sign of a class as RGBA (size, size, 4), not premultiplied, for pictures and documents."""
    _check(np.array([label]), [""], size)
    rgba = draw_sign(label, size, Look()).astype(np.float64)
    rgba[..., :3] *= 255.0 / np.maximum(rgba[..., 3:], 1.0)
    return np.clip(np.round(rgba), 0, 255).astype(np.uint8)


def _check(labels: NDArray[np.integer], keys: Sequence[str], size: int) -> None:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"rendered signs: labels have shape {labels.shape} and type {labels.dtype}; give integers (N,)"
        )
    outside = labels[(labels < 0) | (labels >= len(CLASS_NAMES))]
    if outside.size:
        raise InputError(f"rendered signs: label {int(outside[0])} is not a class; give 0 to {len(CLASS_NAMES) - 1}")
    if len(keys) != len(labels):
        raise InputError(f"rendered signs: {len(keys)} keys for {len(labels)} labels; give one key for each label")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(f"rendered signs: size {size} is out of range; give {MIN_SIZE} to {MAX_SIZE}")


def _keyed(seed: int, label: int, text: str) -> np.random.Generator:
    digest = hashlib.blake2b(f"{seed}|{label}|{text}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


@cache
def _drawn(label: int, look: int, size: int) -> Image:
    """A premultiplied RGBA drawing (size, size, 4) in 0..1."""
    if size < DRAWN_SIZE:
        return np.asarray(cv2.resize(_drawn(label, look, DRAWN_SIZE), (size, size), interpolation=cv2.INTER_AREA))
    style = vary(np.random.default_rng((label, look)))
    return np.asarray(draw_sign(label, size, style).astype(np.float32) / 255.0)


def _photograph(label: int, key: str, size: int, seed: int) -> NDArray[np.uint8]:
    name, _, number = key.rpartition("_")
    framed = bool(name) and number.isdigit()
    scene = draw_scene(_keyed(seed, label, name if framed else key))
    random = _keyed(seed, label, f"{key}|frame")
    nearing = 1.03 ** (int(number) % 30 - 10) if framed else 1.0
    width = int(np.clip(scene.width * nearing * (1 + 0.03 * random.standard_normal()), 22, 2 * size))
    place = _placement(label, scene, random, width)
    picture = background(scene, width)
    _furniture(picture, scene, place)
    _paste(picture, _look_of(label, scene.look, place), place, _light_on_sign(scene, width))
    return develop(blur(expose(picture, scene, random), scene, random), scene, random, size)


def _placement(label: int, scene: Scene, random: np.random.Generator, width: int) -> NDArray[np.float64]:
    """The homography (3, 3) from sign units to pixels of the crop."""
    margin = max(5.0, 0.1 * width)  # as GTSRB crops: a tenth of the sign, at least five pixels
    radius = 0.5 * (width - 2 * margin) * (1.0 + 0.04 * random.standard_normal())
    tall = 1.1 if label in TRIANGLES else 1.0  # crops of triangles are wider than high, and made square
    shift = scene.shift + 0.015 * random.standard_normal(2)
    turn, tilt = scene.turn + 0.015 * random.standard_normal(), scene.tilt + 0.02 * random.standard_normal(2)
    c, s = np.cos(turn), np.sin(turn)
    rotated = np.array([[c, -s, 0.0], [s, c, 0.0], [tilt[0], tilt[1], 1.0]])
    scaled = np.diag([radius * scene.stretch, radius * tall / scene.stretch, 1.0])
    middle = 0.5 * width - 0.5
    moved = np.array([[1.0, 0.0, middle + shift[0] * radius], [0.0, 1.0, middle + shift[1] * radius], [0.0, 0.0, 1.0]])
    return np.asarray(moved @ scaled @ rotated)


def _look_of(label: int, look: int, place: NDArray[np.float64]) -> Image:
    needed = 2 * EXTENT * place[0, 0]
    size = next((level for level in MASTER_SIZES if level >= needed), MASTER_SIZES[-1])
    return _drawn(label, look, size)


def _paste(picture: Image, drawing: Image, place: NDArray[np.float64], light: Image | float) -> None:
    """Put a drawing over the picture (in place), lit by `light`."""
    side = drawing.shape[0]
    unit = 2 * EXTENT / side
    from_pixels = np.array([[unit, 0.0, 0.5 * unit - EXTENT], [0.0, unit, 0.5 * unit - EXTENT], [0.0, 0.0, 1.0]])
    width = picture.shape[0]
    warped = cv2.warpPerspective(drawing, place @ from_pixels, (width, width), flags=cv2.INTER_LINEAR)
    picture *= 1.0 - warped[..., 3:]
    picture += warped[..., :3] * light


def _furniture(picture: Image, scene: Scene, place: NDArray[np.float64]) -> None:
    """Poles, plates and neighbouring signs."""
    extras = scene.extras
    if extras[1] < 0.45:
        half, grey = 0.06 + 0.1 * extras[2], 0.1 + 0.7 * float(extras[3])
        top = -3.0 if extras[1] < 0.15 else 0.5
        _fill(picture, place, [(-half, top), (half, top), (half, 3.0), (-half, 3.0)], grey)
    if extras[4] < 0.15:
        top = 1.04 + 0.25 * extras[5]
        _fill(picture, place, [(-0.9, top), (0.9, top), (0.9, top + 0.8), (-0.9, top + 0.8)], 0.2)
        _fill(picture, place, [(-0.85, top + 0.06), (0.85, top + 0.06), (0.85, 3.0), (-0.85, 3.0)], 0.9)
    elif extras[4] < 0.40:
        x, y = ((0.0, 2.12), (0.0, -2.12), (2.3, 0.1), (-2.3, 0.1))[int(extras[5] * 4)]
        beside = place @ np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
        _paste(picture, _drawn(int(extras[6] * len(CLASS_NAMES)), scene.look, 32), beside, 1.0)


def _fill(picture: Image, place: NDArray[np.float64], corners: Sequence[tuple[float, float]], grey: float) -> None:
    homogeneous = np.array([(x, y, 1.0) for x, y in corners]) @ place.T
    flat = homogeneous[:, :2] / np.maximum(homogeneous[:, 2:], 0.2)
    cv2.fillConvexPoly(picture, np.round(flat * 16).astype(np.int32), (grey, grey, grey), cv2.LINE_8, 4)


def _light_on_sign(scene: Scene, width: int) -> Image | float:
    """Light over the sign: even, a slope, or dappled shade."""
    kind = scene.extras[7]
    if kind < 0.45:
        return 1.0
    if kind < 0.75:
        grid = scene.shade[:4].reshape(2, 2) * 0.7 + 0.65
    else:
        depth = scene.extras[8]
        grid = 1.0 - depth * 0.75 * np.clip((scene.shade.reshape(4, 4) - 0.4) * 4, 0, 1)
    field = cv2.resize(grid.astype(np.float32), (width, width), interpolation=cv2.INTER_LINEAR)
    return np.asarray(field[..., None])
