"""What stands behind a road sign: procedural textures of sky, foliage, branches, buildings and road."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sources.scene import Scene

TEXTURE_SIZE = 128
TEXTURES = 120
_SEED = 20260  # the bank is one fixed set of textures; which one an image shows is drawn from its own key

Texture = NDArray[np.float32]


def background(scene: Scene, width: int) -> Texture:
    """What stands behind the sign, lit: one texture, or two with an edge between them; (width, width, 3)."""
    extras, texture = scene.extras, int(scene.texture * TEXTURES)
    picture = _surface(scene, texture, width) * np.float32(scene.backlight)
    if extras[12] < 0.5:
        other = _surface(scene, (texture + 1 + int(extras[13] * (TEXTURES - 1))) % TEXTURES, width)
        light = scene.backlight * np.exp(2.0 * extras[14] - 1.0)
        np.copyto(picture, other * np.float32(light), where=_half_plane(extras[15:18], width)[..., None])
    return picture


def _surface(scene: Scene, texture: int, width: int) -> Texture:
    """A random window of a texture, its contrast raised."""
    span = int(24 + scene.zoom * (TEXTURE_SIZE - 24))
    x, y = (scene.corner * (TEXTURE_SIZE - span)).astype(int)
    crop = textures()[texture, y : y + span, x : x + span]
    if scene.extras[0] < 0.5:
        crop = crop[:, ::-1]
    picture = cv2.resize(crop, (width, width), interpolation=cv2.INTER_AREA if span > 2 * width else cv2.INTER_LINEAR)
    picture = picture.astype(np.float32) * np.float32(1.0 / 255.0)
    if scene.contrast > 1.0:
        picture = cv2.pow(picture, scene.contrast) * np.float32(1.0 + 0.4 * (scene.contrast - 1.0))
    return np.asarray(picture)


def _half_plane(draws: NDArray[np.float64], width: int) -> NDArray[np.bool_]:
    """One side of a random line, mostly upright or level: the edge of a building, a roof, a lorry, the skyline."""
    angle = 0.5 * np.pi * np.floor(4 * draws[0]) + 0.6 * (draws[1] - 0.5)
    offset = 0.8 * (draws[2] - 0.5) * width
    axis = np.arange(width) - 0.5 * width
    return np.asarray(axis[:, None] * np.sin(angle) + axis * np.cos(angle) > offset)


@cache
def textures() -> NDArray[np.uint8]:
    """The bank (TEXTURES, TEXTURE_SIZE, TEXTURE_SIZE, 3), the same in every process."""
    kinds = (_sky, _foliage, _branches, _building, _street, _wall)
    bank = [kinds[i % len(kinds)](np.random.default_rng((_SEED, i))) for i in range(TEXTURES)]
    return np.asarray(np.clip(np.stack(bank) * 255.0, 0, 255), np.uint8)


def _octaves(random: np.random.Generator, coarsest: int, decay: float, channels: int = 1) -> Texture:
    """Noise of several scales added up, of mean 0 and spread about 1: (size, size, channels)."""
    side, weight, grid = (TEXTURE_SIZE, TEXTURE_SIZE), 1.0, coarsest
    total = np.zeros((*side, channels), np.float32)
    while grid <= TEXTURE_SIZE:
        field = random.standard_normal((grid, grid, channels)).astype(np.float32)
        total += weight * cv2.resize(field, side, interpolation=cv2.INTER_CUBIC).reshape(total.shape)
        weight, grid = weight * decay, grid * 2
    return np.asarray(total / (total.std() + 1e-6), np.float32)


def _gradient(random: np.random.Generator, top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Texture:
    ramp = np.linspace(0, 1, TEXTURE_SIZE) ** random.uniform(0.5, 2.0)
    column = top + (bottom - top) * ramp[:, None]
    return np.repeat(column[:, None], TEXTURE_SIZE, axis=1).astype(np.float32)


def _sky_colour(random: np.random.Generator) -> NDArray[np.float64]:
    blue, grey = np.array([0.55, 0.72, 0.95]), np.array([0.86, 0.88, 0.92])
    mix = random.random()
    return np.asarray((mix * blue + (1 - mix) * grey) * random.uniform(0.6, 1.25))


def _sky(random: np.random.Generator) -> Texture:
    picture = _gradient(random, _sky_colour(random), _sky_colour(random))
    return np.asarray(picture + random.uniform(0, 0.12) * _octaves(random, 2, 0.5), np.float32)


def _leaf_colour(random: np.random.Generator) -> NDArray[np.float64]:
    greens, autumn, bark = np.array([0.22, 0.30, 0.12]), np.array([0.55, 0.36, 0.12]), np.array([0.26, 0.22, 0.19])
    mix = random.dirichlet((1.0, 0.6, 0.8))
    return np.asarray(mix[0] * greens + mix[1] * autumn + mix[2] * bark)


def _foliage(random: np.random.Generator) -> Texture:
    light = np.exp(
        random.uniform(0.3, 0.8) * _octaves(random, int(random.choice([4, 8, 16])), random.uniform(0.7, 1.0))
    )
    colour = _leaf_colour(random) + random.uniform(0.01, 0.05) * _octaves(random, 8, 0.8, 3)
    picture = light * colour * random.uniform(0.4, 1.6)
    if random.random() < 0.5:
        holes = _octaves(random, 8, 0.7) > random.uniform(0.8, 2.0)
        picture = np.where(holes, _sky_colour(random), picture)
    return np.asarray(picture, np.float32)


def _branches(random: np.random.Generator) -> Texture:
    picture = _sky(random)
    for _ in range(int(random.integers(6, 40))):
        start = random.uniform(0, TEXTURE_SIZE, 2)
        angle, length = random.normal(-np.pi / 2, 0.8), random.uniform(20, 120)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        colour = tuple(float(c) for c in random.uniform(0.05, 0.35) * np.array([1.0, 0.9, 0.8]))
        _line(picture, start, end, colour, int(random.choice([1, 1, 2, 3, 6])))
    return picture


def _building(random: np.random.Generator) -> Texture:
    wall = random.uniform(0.15, 0.95) * (1 + random.uniform(-0.25, 0.25, 3))
    picture = np.broadcast_to(wall, (TEXTURE_SIZE, TEXTURE_SIZE, 3)).astype(np.float32).copy()
    width, height = random.integers(12, 50, 2)
    pane = random.uniform(0.03, 0.6) * (1 + random.uniform(-0.2, 0.2, 3))
    trim = np.clip(wall * random.uniform(0.5, 1.6), 0, 1)
    for x in range(int(random.integers(0, width)), TEXTURE_SIZE, int(width * 1.6)):
        for y in range(int(random.integers(0, height)), TEXTURE_SIZE, int(height * 1.6)):
            cv2.rectangle(picture, (x - 2, y - 2), (x + int(width) + 2, y + int(height) + 2), trim.tolist(), -1)
            cv2.rectangle(picture, (x, y), (x + int(width), y + int(height)), pane.tolist(), -1)
    if random.random() < 0.6:
        _roof(picture, random)
    return np.asarray(picture + random.uniform(0, 0.06) * _octaves(random, 8, 0.9), np.float32)


def _roof(picture: Texture, random: np.random.Generator) -> None:
    slope = int(random.normal(0, 40))
    edge = int(random.uniform(0.1, 0.6) * TEXTURE_SIZE)
    corners = np.array([(0, 0), (TEXTURE_SIZE, 0), (TEXTURE_SIZE, edge + slope), (0, edge - slope)], np.int32)
    cv2.fillPoly(picture, [corners], _sky_colour(random).tolist(), cv2.LINE_AA)


def _street(random: np.random.Generator) -> Texture:
    picture = _foliage(random) if random.random() < 0.6 else _building(random)
    horizon = int(random.uniform(0.3, 0.8) * TEXTURE_SIZE)
    if random.random() < 0.6:
        picture[: horizon // 2] = _sky(random)[: horizon // 2]
    ground = random.uniform(0.15, 0.6) * (1 + random.uniform(-0.12, 0.12, 3))
    picture[horizon:] = ground + 0.04 * _octaves(random, 16, 0.9)[horizon:]
    for _ in range(int(random.integers(0, 5))):
        x, width = random.uniform(0, TEXTURE_SIZE), random.uniform(2, 14)
        shade = (random.uniform(0.02, 1.0) * (1 + random.uniform(-0.2, 0.2, 3))).tolist()
        cv2.rectangle(picture, (int(x), 0), (int(x + width), horizon + 10), shade, -1)
    return np.asarray(picture, np.float32)


def _wall(random: np.random.Generator) -> Texture:
    """A plain dark or light surface, with a few large coloured patches: vehicles, other signs, deep shade."""
    colour = random.choice([0.05, 0.1, 0.2, 0.5, 0.95]) * (1 + random.uniform(-0.2, 0.2, 3))
    picture = (colour * (1 + random.uniform(0, 0.4) * _octaves(random, 2, 0.6))).astype(np.float32)
    for _ in range(int(random.integers(0, 7))):
        corners = random.uniform(-20, TEXTURE_SIZE + 20, (1, 2)) + random.normal(0, 35, (int(random.integers(3, 6)), 2))
        hull = cv2.convexHull(corners.astype(np.float32)).astype(np.int32)
        cv2.fillPoly(picture, [hull], random.uniform(0, 1, 3).tolist(), cv2.LINE_AA)
    return np.asarray(picture, np.float32)


def _line(
    picture: Texture, start: NDArray[np.float64], end: NDArray[np.float64], colour: tuple[float, ...], width: int
) -> None:
    first, last = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
    cv2.line(picture, first, last, colour, width, cv2.LINE_AA)
