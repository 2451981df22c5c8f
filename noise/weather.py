"""Weather: fog, rain, snow and shadows between the camera and the sign.

Drops and flakes are grains of a Boolean model: placed at random, each covers what lies behind it with some opacity.
Their optical depth (the sum of opacity times area, over the area of the image) is the level, so that the mean share of
the scene that still shows through is close to exp(-level), as in the law of Beer and Lambert.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import KeyedRandom
from noise.registry import Images, noise

Floats = NDArray[np.float32]
Colour = tuple[np.float32, ...]
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
REC_601 = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value."""

IMAGENET_C = "ImageNet-C, Hendrycks and Dietterich 2019"
DEPTH = "optical depth"

FOG_DENSITY = (0.2, 0.5, 0.75, 1.0, 1.5)
FOG_DECAY = (3.0, 3.0, 2.5, 2.0, 1.75)
RAIN_HIGH = 1.0
SNOW_HIGH = 0.8
SNOW_SEVERITIES = (0.006, 0.0206, 0.0321, 0.0521, 0.0905)
SNOW_WHITENING = (0.05, 0.1, 0.1, 0.15, 0.2)
SHADOW_EDGE = 1 / 32
"""Half the width of a shadow's edge, as a share of the shorter side."""


@noise(
    family="weather",
    unit="density, light added on the [0, 1] scale",
    high=4.0,
    source=IMAGENET_C,
    corruption="fog",
    severities=dict(enumerate(FOG_DENSITY, start=1)),
)
def fog(images: Images, level: float, random: KeyedRandom) -> Images:
    """Mix in a plasma fractal p, (x + level p) m / (m + level), where m is the image's largest value.

    p is made by diamond-square, whose wibble falls by a factor from one scale to the next: 3 up to level 0.5, down to
    1.75 at level 1.5 and above, so that severities 1 to 5 of CIFAR-10-C are met exactly.
    """
    size = 1 << (max(images.shape[1:3]) - 1).bit_length()
    wibbles = random.uniform((size, size))
    plasma = plasma_fractal(wibbles, float(np.interp(level, FOG_DENSITY, FOG_DECAY)))
    foggy: Images = _mix_fog(np.ascontiguousarray(images), plasma, np.float32(level), tint(WHITE, images))
    return foggy


@njit(cache=True, boundscheck=False)
def plasma_fractal(wibbles: Floats, decay: float) -> Floats:
    """Periodic height maps by the diamond-square algorithm (Fournier and others 1982), scaled to fill [0, 1].

    Args:
        wibbles: (N, size, size) uniform on [0, 1), size a power of two.
        decay: the wibble's amplitude is divided by decay^2 from one scale to the next, as in ImageNet-C.

    Returns:
        (N, size, size).
    """
    count, size = wibbles.shape[:2]
    maps, last = np.empty(wibbles.shape, np.float32), size - 1
    for n in range(count):
        field, wibble = maps[n], wibbles[n]
        field[0, 0] = 0
        step, amplitude = size, ONE
        while step > 1:
            half = step // 2
            for i in range(0, size, step):
                for j in range(0, size, step):
                    down, right = (i + step) & last, (j + step) & last
                    corners = field[i, j] + field[down, j] + field[i, right] + field[down, right]
                    random = amplitude * (wibble[i + half, j + half] - HALF)
                    field[i + half, j + half] = np.float32(0.25) * corners + random
            for i in range(0, size, half):
                for j in range((i + half) % step, size, step):
                    tips = field[i - half, j] + field[(i + half) & last, j]
                    tips += field[i, j - half] + field[i, (j + half) & last]
                    field[i, j] = np.float32(0.25) * tips + amplitude * (wibble[i, j] - HALF)
            step, amplitude = half, np.float32(amplitude / decay**2)
        least, largest = field.min(), field.max()
        field[:] = (field - least) / max(largest - least, np.float32(1e-12))
    return maps


@njit(cache=True, boundscheck=False)
def _mix_fog(images: Images, plasma: Floats, density: np.float32, white: Colour) -> Images:
    count, height, width = images.shape[:3]
    out = np.empty(images.shape, np.float32)
    for n in range(count):
        clean, fogged, most = images[n].reshape(-1), out[n].reshape(-1), images[n].max()
        gain = most / (most + density)
        for i in range(height):
            for j in range(width):
                light = density * plasma[n, i, j]
                for c in range(len(white)):
                    e = (i * width + j) * len(white) + c
                    fogged[e] = (clean[e] + light * white[c]) * gain
    return out


@noise(family="weather", unit=DEPTH, high=RAIN_HIGH, source="Garg and Nayar 2007, Vision and rain")
def rain(images: Images, level: float, random: KeyedRandom) -> Images:
    """Draw slanted streaks of falling drops, up to an optical depth of `level`, on a scene dimmed by exp(-level / 4).

    Streaks are thin, a fifth of the side long, half transparent and light grey, as drops gather the light of the sky.
    """

    def make() -> tuple[Floats, Floats, Floats]:
        count = grains(images.shape, RAIN_HIGH, 0.6 * 0.0091, 0.12)
        place = scatter(images.shape, random.uniform((2, count)), 0.12)
        slant = np.float32(np.deg2rad(50)) * (random.uniform((1,)) - np.float32(0.5))
        size = np.float32(0.6) + np.float32(0.8) * random.uniform((count,))
        half = np.float32(0.12) * np.stack([np.cos(slant), np.sin(slant)], axis=1)
        return place, half * size[:, None], np.float32(0.018) * size

    place, half, radius = random.once(make)
    opacity = np.float32(0.6) * present(radius.shape, level / RAIN_HIGH)
    shown = transparency(*images.shape[1:3], place, half, radius, opacity)
    dimmed = np.float32(np.exp(-level / 4))
    rainy: Images = lay(images, dimmed, shown, tint((0.82, 0.84, 0.88), images))
    return rainy


@noise(
    family="weather",
    unit=DEPTH,
    high=SNOW_HIGH,
    source=IMAGENET_C,
    corruption="snow",
    severities=dict(enumerate(SNOW_SEVERITIES, start=1)),
)
def snow(images: Images, level: float, random: KeyedRandom) -> Images:
    """Draw white flakes, blurred by their fall, up to an optical depth of `level`, on a scene that whitens.

    The scene is (1 - a) x + a max(x, 1.5 g + 0.5), g its grey value, with a as in CIFAR-10-C. Its flakes are smoothed
    noise above a threshold, of another size at each severity, so that none would stay as the level grows; here the
    severities are those of equal mean L2 on signs.
    """

    def make() -> tuple[Floats, Floats, Floats]:
        count = grains(images.shape, SNOW_HIGH, 0.8 * 0.00546, 0.1)
        place = scatter(images.shape, random.uniform((2, count)), 0.1)
        fall = np.float32(np.pi / 2) * (random.uniform((1,)) - np.float32(0.5))
        size = np.float32(0.5) + random.uniform((count,))
        half = np.float32(0.045) * np.stack([np.cos(fall), np.sin(fall)], axis=1)
        return place, half * size[:, None], np.float32(0.028) * size

    place, half, radius = random.once(make)
    opacity = np.float32(0.8) * present(radius.shape, level / SNOW_HIGH)
    shown = transparency(*images.shape[1:3], place, half, radius, opacity, 0.04)
    whitening = np.interp(level, (0.0, *SNOW_SEVERITIES), (0.0, *SNOW_WHITENING))
    whitened = _whiten(np.ascontiguousarray(images), np.float32(whitening), tint(REC_601, images))
    snowy: Images = lay(whitened, ONE, shown, tint(WHITE, images))
    return snowy


@noise(
    family="weather",
    unit="share of the light taken away",
    high=1.0,
    source="Shadows can be dangerous, Zhong and others 2022",
)
def shadow(images: Images, level: float, random: KeyedRandom) -> Images:
    """Darken one side of a straight edge at a random place and angle, x (1 - level); the edge is nearly sharp."""

    def make() -> Floats:
        angle = np.float32(2 * np.pi) * random.uniform((1,))
        through = random.uniform((2,))
        height, width = images.shape[1:3]
        side = min(height, width)
        rows = (np.arange(height, dtype=np.float32) + 0.5) / side
        columns = (np.arange(width, dtype=np.float32) + 0.5) / side
        # the edge passes through a point of the middle, so that both sides are seen
        row = (0.25 + 0.5 * through[:, :1]) * (height / side)
        column = (0.25 + 0.5 * through[:, 1:]) * (width / side)
        down, right = (rows - row) * np.sin(angle), (columns - column) * np.cos(angle)
        beyond = (down[:, :, None] + right[:, None, :]) / (2 * SHADOW_EDGE)
        shade: Floats = np.clip(beyond + 0.5, 0, 1).astype(np.float32)
        return shade

    shaded: Images = lay(images, ONE, 1 - np.float32(level) * random.once(make), tint(BLACK, images))
    return shaded


def tint(colour: tuple[float, float, float], images: Images) -> Colour:
    """The colour for images of C channels: as it is where they are red, green and blue, else its mean C times."""
    channels = images.shape[3]
    return tuple(np.float32(value) for value in (colour if channels == 3 else [sum(colour) / 3] * channels))


def lay(images: Images, gain: np.float32, shown: Floats, colour: Colour) -> Images:
    """Lay a colour over images dimmed by `gain`, of which `shown` (N, H, W) of [0, 1] still shows through."""
    laid: Images = _lay(np.ascontiguousarray(images), gain, np.ascontiguousarray(shown), colour)
    return laid


@njit(cache=True, boundscheck=False)
def _lay(images: Images, gain: np.float32, shown: Floats, colour: Colour) -> Images:
    out = np.empty(images.shape, np.float32)
    clean, covered, share = images.reshape(-1), out.reshape(-1), shown.reshape(-1)
    for p in range(share.size):
        for c in range(len(colour)):  # a tuple's length is known when this is compiled, which makes it six times faster
            e = p * len(colour) + c
            covered[e] = gain * share[p] * clean[e] + (ONE - share[p]) * colour[c]
    return out


def grains(shape: tuple[int, ...], depth: float, area: float, margin: float) -> int:
    """How many grains of optical area `area` make an optical depth of `depth` over images and a margin.

    Args:
        shape: of the images, (N, H, W, C).
        depth: optical depth, grains of opacity 1 that lie over a point, on average.
        area: opacity times area of a grain, in squares of the shorter side.
        margin: width of the frame around the image in which grains lie too, as a share of the shorter side.
    """
    height, width = shape[1:3]
    side = min(height, width)
    return int(np.ceil(depth / area * (height / side + 2 * margin) * (width / side + 2 * margin)))


def scatter(shape: tuple[int, ...], uniform: Floats, margin: float) -> Floats:
    """Uniform draws (N, 2, K) to places over images and a margin: rows and columns, in shorter sides."""
    height, width = shape[1:3]
    side = min(height, width)
    extent = np.array([height / side + 2 * margin, width / side + 2 * margin], np.float32)
    return uniform * extent[:, None] - np.float32(margin)


def present(shape: tuple[int, int], share: float) -> Floats:
    """Opacity (N, K) of grains of which the first `share` are there, the last of them in part."""
    one = np.clip(share * shape[1] - np.arange(shape[1]), 0, 1).astype(np.float32)
    return np.tile(one, (shape[0], 1))


@njit(cache=True, boundscheck=False)
def transparency(
    height: int, width: int, place: Floats, half: Floats, radius: Floats, opacity: Floats, softness: float = 0.0
) -> Floats:
    """How much of each pixel shows through grains: the product of 1 - opacity over those that cover it.

    A grain is a rectangle around a segment, blurred by a box along and across it, of a pixel or more, so that it keeps
    its area however thin it is. Lengths are in shorter sides.

    Args:
        height: of the images, in pixels.
        width: of the images, in pixels.
        place: (N, 2, K) middle of the segment, row and column.
        half: (N, 2, K) from the middle to an end, not zero.
        radius: (N, K) half the width of the rectangle.
        opacity: (N, K) in [0, 1].
        softness: width of the blur; less than a pixel counts as one.

    Returns:
        (N, H, W) in [0, 1].
    """
    count, number = radius.shape
    side = np.float32(min(height, width))
    edge = max(side * np.float32(softness), ONE)
    shown = np.ones((count, height, width), np.float32)
    for n in range(count):
        flat = shown[n].reshape(-1)
        for k in range(number):
            dark = opacity[n, k]
            if dark == 0:
                continue
            a, b = side * place[n, 0, k] - HALF, side * place[n, 1, k] - HALF
            length, reach = side * np.sqrt(half[n, 0, k] ** 2 + half[n, 1, k] ** 2), side * radius[n, k]
            da, db = side * half[n, 0, k] / length, side * half[n, 1, k] / length
            lines, columns, line, step = height, width, width, 1
            if abs(da) < abs(db):  # go along the axis that the segment is nearer to
                a, b, da, db, lines, columns, line, step = b, a, db, da, width, height, 1, width
            long, wide = min((length + length) / edge, ONE), min((reach + reach) / edge, ONE) * dark
            length, reach = length + HALF * edge, reach + HALF * edge
            tall, span, lean = abs(da) * length + abs(db) * reach, reach / abs(da), db / da
            across = int(span + span) + 1
            da, db, length, reach = da / edge, db / edge, length / edge, reach / edge
            for i in range(max(0, int(np.ceil(a - tall))), min(lines - 1, int(np.floor(a + tall))) + 1):
                u = np.float32(i) - a
                first = int(np.ceil(b + u * lean - span))
                for j in range(max(first, 0), min(first + across, columns)):
                    v = np.float32(j) - b
                    inside = max(min(length - abs(u * da + v * db), long), ZERO)
                    inside *= max(min((reach - abs(u * db - v * da)) * dark, wide), ZERO)
                    flat[i * line + j * step] *= ONE - inside
    return shown


@njit(cache=True, boundscheck=False)
def _whiten(images: Images, share: np.float32, weights: Colour) -> Images:
    """(1 - share) x + share max(x, 1.5 g + 0.5), g the mean of the channels with these weights."""
    out = np.empty(images.shape, np.float32)
    clean, whitened = images.reshape(-1), out.reshape(-1)
    for p in range(clean.size // len(weights)):
        grey = ZERO
        for c in range(len(weights)):
            grey += weights[c] * clean[p * len(weights) + c]
        for c in range(len(weights)):
            e = p * len(weights) + c
            whitened[e] = (ONE - share) * clean[e] + share * max(clean[e], np.float32(1.5) * grey + HALF)
    return out
