"""What lies on the lens, and what strong light does in it: frost, dirt, spatter, glare and lens flare."""

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import KeyedRandom
from noise.registry import Images, noise
from noise.weather import HALF, IMAGENET_C, ONE, WHITE, ZERO, Colour, lay, plasma_fractal, scatter, tint, transparency

Floats = NDArray[np.float32]

AREA = "share of the area"
NEEDLES = 160
SPECKS = 24
BINS = 512
GHOSTS = ((0.35, 0.09), (0.7, 0.06), (1.2, 0.12), (1.55, 0.07), (2.0, 0.16))
"""Place of each ghost on the line from the light (0) through the centre (1), and its radius in shorter sides."""
GHOST_COLOURS = ((1.0, 0.6, 0.3), (0.4, 0.9, 0.5), (0.9, 0.5, 0.9), (0.4, 0.6, 1.0), (1.0, 0.8, 0.4))


@noise(
    family="weather",
    unit="growth, 1 where ice is everywhere",
    high=1.0,
    source=IMAGENET_C,
    corruption="frost",
    severities=dict(enumerate((0.251, 0.314, 0.339, 0.349, 0.354), start=1)),
)
def frost(images: Images, level: float, random: KeyedRandom) -> Images:
    """Let ice grow over the lens, near the border first: a cloudy film, and needles of crystal before it.

    The film is thickest where level less 0.35 (depth + plasma^2) is largest, depth the distance to the border.
    CIFAR-10-C blends in photographs of frost; the severities are those of equal mean L2 on signs, in rising order (its
    third changes an image more than its fourth and fifth).
    """
    height, width = images.shape[1:3]
    plasma = random.once(lambda: _plasma(images.shape, random))
    place, half, radius, birth = random.once(lambda: _needles(images.shape, random))
    ripe = np.float32(0.7) + np.float32(0.3) * plasma
    depth = _border_depth(height, width)
    start = np.float32(0.35) * depth + np.float32(0.35) * plasma**2
    film = np.float32(0.85) * ripe * np.clip((np.float32(level) - start) / np.float32(0.4), 0, 1)
    filmed = lay(images, ONE, 1 - film, tint((0.78, 0.86, 0.94), images))
    opacity = np.float32(0.7) * np.clip((np.float32(level) - birth) * np.float32(4), 0, 1)
    shown = transparency(height, width, place, half, radius, opacity)
    frosted: Images = lay(filmed, ONE, shown, tint((0.95, 0.98, 1.0), images))
    return frosted


@noise(family="weather", unit=AREA, high=1.0, source="SoilingNet, Uricar and others 2019")
def dirt(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover `level` of the area with dark specks of uneven outline on the lens, which is out of focus."""

    def make() -> Floats:
        specks = _speck_distance(
            *images.shape[1:3],
            scatter(images.shape, random.uniform((2, SPECKS)), 0.05),
            np.float32(0.4) * random.uniform((SPECKS,)) ** 3,
        )
        rank: Floats = equalise(specks + np.float32(0.1) * _plasma(images.shape, random))
        return rank

    shown = 1 - cover(random.once(make), level, 0.25)
    dirty: Images = lay(images, ONE, shown, tint((0.11, 0.09, 0.07), images))
    return dirty


@noise(
    family="weather",
    unit=AREA,
    high=1.0,
    source=IMAGENET_C,
    corruption="spatter",
    severities=dict(enumerate((0.0175, 0.0343, 0.0377, 0.057, 0.0734), start=1)),
)
def spatter(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover `level` of the area with drops of mud: where smoothed normal noise is largest, in clusters.

    The colour is that of severities 4 and 5 of CIFAR-10-C, at all levels; its severities 1 to 3 are water. The levels
    of the severities are those of equal mean L2 on signs, in rising order.
    """

    def make() -> Floats:
        rough = random.normal(images.shape[1:3])
        side = min(images.shape[1:3])
        fine = [cv2.GaussianBlur(field, (0, 0), side / 40) for field in rough]
        coarse = [cv2.GaussianBlur(field, (0, 0), side / 10) for field in fine]
        rank: Floats = equalise(np.stack([-f - 3 * c for f, c in zip(fine, coarse, strict=True)]))
        return rank

    shown = 1 - cover(random.once(make), level, 0.03)
    muddy: Images = lay(images, ONE, shown, tint((63 / 255, 42 / 255, 20 / 255), images))
    return muddy


@noise(
    family="weather",
    unit="radius of the saturated spot, shorter sides",
    high=0.8,
    source="Stiles and Holladay's law, Vos 2003",
)
def glare(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add the veil of a light at a random place, (level / r)^2 at the distance r: saturated within `level` of it."""
    place = scatter(images.shape, random.uniform((2, 1)), 0.0)[..., 0]
    veiled: Images = _veil(np.ascontiguousarray(images), place, np.float32(level), tint(WHITE, images))
    return veiled


@noise(family="weather", unit="light added on the [0, 1] scale", high=4.0, source="Hullin and others 2011, Lens flare")
def lens_flare(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add level times the flare of a light at a random place: a star, a streak, and coloured ghosts of the aperture.

    The ghosts lie on the line from the light through the centre of the image.
    """
    colours = np.array([tint(colour, images) for colour in GHOST_COLOURS])

    def make() -> Floats:
        height, width = images.shape[1:3]
        angle = np.float32(2 * np.pi) * random.uniform((1,))
        away = np.float32(0.3) + np.float32(0.2) * random.uniform((1,))
        ends = np.array([height, width], np.float32) / min(height, width)
        place = ends / 2 + away * ends * np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
        light: Floats = _flare(*images.shape[1:3], place, np.array(GHOSTS, np.float32), colours)
        return light

    return images + np.float32(level) * random.once(make)


def cover(rank: Floats, level: float, softness: float) -> Floats:
    """How much of each pixel is covered, such that `level` of the area is, and covers only grow as the level does.

    Args:
        rank: (N, H, W) uniform on [0, 1] over each image; the smallest are covered first.
        level: mean cover, in [0, 1].
        softness: width of the edge, in rank; narrower near level 0 and 1.
    """
    edge = np.float32(max(min(softness, 2 * level, 2 - 2 * level), 1e-6))
    covered: Floats = np.clip((np.float32(level) - rank) / edge + np.float32(0.5), 0, 1)
    return covered


@njit(cache=True, boundscheck=False)
def equalise(fields: Floats) -> Floats:
    """Map each field (N, H, W) to nearly uniform values on [0, 1] in the same order, by a histogram of 512 bins."""
    count, height, width = fields.shape
    out = np.empty(fields.shape, np.float32)
    below = np.empty(BINS + 1, np.float32)
    for n in range(count):
        least, largest = fields[n].min(), fields[n].max()
        scale = np.float32(BINS) / max(largest - least, np.float32(1e-12))
        below[:] = 0
        for i in range(height):
            for j in range(width):
                below[min(int((fields[n, i, j] - least) * scale), BINS - 1) + 1] += 1
        for b in range(BINS):
            below[b + 1] += below[b]
        for i in range(height):
            for j in range(width):
                x = (fields[n, i, j] - least) * scale
                b = min(int(x), BINS - 1)
                share = below[b] + (x - np.float32(b)) * (below[b + 1] - below[b])
                out[n, i, j] = share / np.float32(height * width)
    return out


def _plasma(shape: tuple[int, ...], random: KeyedRandom) -> Floats:
    """A rough plasma fractal (N, H, W) on [0, 1]."""
    height, width = shape[1:3]
    size = 1 << (max(height, width) - 1).bit_length()
    plasma: Floats = plasma_fractal(random.uniform((size, size)), 1.4)[:, :height, :width]
    return plasma


def _border_depth(height: int, width: int) -> Floats:
    """Distance (H, W) to the border over its largest value."""
    rows = np.minimum(np.arange(height), np.arange(height)[::-1]) / ((height - 1) // 2)
    columns = np.minimum(np.arange(width), np.arange(width)[::-1]) / ((width - 1) // 2)
    depth: Floats = np.minimum(rows[:, None], columns).astype(np.float32)
    return depth


def _needles(shape: tuple[int, ...], random: KeyedRandom) -> tuple[Floats, Floats, Floats, Floats]:
    """Crystals (place, half, radius, birth): any direction, born the later the farther from the border."""
    height, width = shape[1:3]
    place = scatter(shape, random.uniform((2, NEEDLES)), 0.05)
    angle = np.float32(np.pi) * random.uniform((NEEDLES,))
    size = np.float32(0.3) + np.float32(0.7) * random.uniform((NEEDLES,))
    half = np.float32(0.12) * size[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    side = min(height, width)
    ends = np.array([[height / side], [width / side]], np.float32)
    depth = (np.minimum(place, ends - place) / (ends / 2)).min(axis=1)
    birth = np.clip(np.float32(0.3) * depth + np.float32(0.6) * random.uniform((NEEDLES,)), 0, None)
    return place, half, np.float32(0.012) * np.ones_like(size), birth.astype(np.float32)


@njit(cache=True, boundscheck=False)
def _speck_distance(height: int, width: int, place: Floats, radius: Floats) -> Floats:
    """Power distance (N, H, W), d^2 - radius^2, to the nearest of the specks, in shorter sides."""
    count, number = radius.shape
    side = np.float32(min(height, width))
    out = np.empty((count, height, width), np.float32)
    for n in range(count):
        for i in range(height):
            y, row = (np.float32(i) + HALF) / side, out[n, i]
            row[:] = np.inf
            for k in range(number):
                down, power = (y - place[n, 0, k]) ** 2, radius[n, k] ** 2
                for j in range(width):
                    right = (np.float32(j) + HALF) / side - place[n, 1, k]
                    row[j] = min(row[j], down + right * right - power)
    return out


@njit(cache=True, boundscheck=False)
def _veil(images: Images, place: Floats, level: np.float32, white: Colour) -> Images:
    count, height, width = images.shape[:3]
    side = np.float32(min(height, width))
    out = np.empty(images.shape, np.float32)
    for n in range(count):
        clean, veiled = images[n].reshape(-1), out[n].reshape(-1)
        for i in range(height):
            y = (np.float32(i) + HALF) / side - place[n, 0]
            for j in range(width):
                x = (np.float32(j) + HALF) / side - place[n, 1]
                light = level * level / max(y * y + x * x, np.float32(1e-9))
                for c in range(len(white)):
                    e = (i * width + j) * len(white) + c
                    veiled[e] = clean[e] + light * white[c]
    return out


@njit(cache=True, boundscheck=False)
def _flare(height: int, width: int, place: Floats, ghosts: Floats, colours: Floats) -> Floats:
    """Light (N, H, W, C) of unit intensity around places (N, 2), row and column in shorter sides."""
    count, channels, side = len(place), colours.shape[1], np.float32(min(height, width))
    middle, centre = HALF * np.float32(height) / side, HALF * np.float32(width) / side
    out = np.empty((count, height, width, channels), np.float32)
    for n in range(count):
        _shine(place[n], side, out[n])
        for g in range(len(ghosts)):
            row = side * (place[n, 0] + ghosts[g, 0] * (middle - place[n, 0])) - HALF
            column = side * (place[n, 1] + ghosts[g, 0] * (centre - place[n, 1])) - HALF
            reach = side * ghosts[g, 1] + HALF
            for i in range(max(0, int(np.ceil(row - reach))), min(height - 1, int(np.floor(row + reach))) + 1):
                for j in range(max(0, int(np.ceil(column - reach))), min(width - 1, int(np.floor(column + reach))) + 1):
                    inside = reach - np.sqrt((np.float32(i) - row) ** 2 + (np.float32(j) - column) ** 2)
                    light = np.float32(0.45) * min(max(inside, ZERO), ONE)
                    for c in range(channels):
                        out[n, i, j, c] += light * colours[g, c]
    return out


@njit(cache=True, boundscheck=False)
def _shine(place: Floats, side: np.float32, out: Floats) -> None:
    """Set (H, W, C) to a round glow, a level streak and a shorter upright one, all white."""
    x = (np.arange(out.shape[1]).astype(np.float32) + HALF) / side - place[1]
    upright, fading = np.float32(0.3) * np.exp(np.float32(-40.0) * np.abs(x)), ONE / (ONE + np.float32(3.0) * np.abs(x))
    for i in range(out.shape[0]):
        y = (np.float32(i) + HALF) / side - place[0]
        level, short = np.float32(0.6) * np.exp(np.float32(-30.0) * abs(y)), ONE / (ONE + np.float32(8.0) * abs(y))
        for j in range(out.shape[1]):
            glow = np.float32(0.006) / (y * y + x[j] * x[j] + np.float32(0.006))
            light = glow + level * fading[j] + upright[j] * short
            for c in range(out.shape[2]):
                out[i, j, c] = light
