"""Structured noises: things that cover the image, patterns laid over it, and parts of it that are lost.

What is covered at one level stays covered at larger ones, and the share of the area is exact to the pixel. Periods and
blocks are shares of the side, so that they mean the same at every resolution.
"""

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import Floats, KeyedRandom
from noise.registry import Images, noise

Owners = NDArray[np.int32]

SEED_DOCUMENT = "the project's research idea"
OCCLUSION = "Zeiler and Fergus 2014, section 4.2"
AREA = "share of the area"
AMPLITUDE = "amplitude on the [0, 1] scale"
PATCHES = 8
GREY = 0.5
PERIODS = 4
"""A grid, stripes or a checkerboard repeats so often along each side."""
BLOCKS = 8
"""A broken transmission loses blocks of an eighth of each side."""
BINS = 1024
"""Of the histogram that finds an order statistic."""


def a_pixel(height: int, width: int) -> float:
    """The step of a noise that covers whole pixels."""
    return 1 / (height * width)


def a_shade(height: int, width: int) -> float:  # noqa: ARG001
    """The step of a noise that adds the same to whole shades of 0 to 255."""
    return 1 / 255


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source=SEED_DOCUMENT, step=a_pixel)
def colour_patches(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with 8 rectangles of random place, form and colour that grow together."""

    def grow() -> tuple[Floats, Owners]:
        place = random.uniform((PATCHES, 2))
        form = np.exp2(random.uniform((PATCHES,)) - np.float32(0.5))  # half as wide as high, up to twice
        return nearest_box(images.shape, place, form, np.zeros_like(form))

    when, owner = random.once(grow)
    return paint(images, smallest(when, level), owner, random.uniform((PATCHES, images.shape[3])))


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source=OCCLUSION, step=a_pixel)
def occlusion(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with a mid-grey square at a random place."""
    square = np.ones((len(images), 1), np.float32)
    when, owner = random.once(lambda: nearest_box(images.shape, random.uniform((1, 2)), square, np.zeros_like(square)))
    return paint(images, smallest(when, level), owner, np.full((len(images), 1, images.shape[3]), GREY, np.float32))


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source=OCCLUSION, step=a_pixel)
def occlusion_centre(images: Images, level: float, _: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with a mid-grey square that grows from the centre, clockwise ring by ring."""
    height, width = images.shape[1:3]
    covered = images.copy()
    covered[:, smallest(_rings_from_centre(height, width), level)[0]] = GREY
    return covered


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source=OCCLUSION, step=a_pixel)
def occlusion_border(images: Images, level: float, _: KeyedRandom) -> Images:
    """Cover exactly `level` of the area with a mid-grey frame that grows inwards, clockwise ring by ring."""
    height, width = images.shape[1:3]
    covered = images.copy()
    covered[:, smallest(_rings_from_border(height, width), level)[0]] = GREY
    return covered


@noise(
    family="structured",
    unit="share of the rows",
    low=0.0,
    high=1.0,
    source=SEED_DOCUMENT,
    step=lambda height, width: 1 / height,  # noqa: ARG005
)
def black_rows(images: Images, level: float, random: KeyedRandom) -> Images:
    """Set `level` of the rows, chosen at random, to black."""
    rows = smallest(random.uniform(images.shape[1:2]), level)
    blackened = images.copy()
    blackened[rows] = 0
    return blackened


@noise(
    family="structured",
    unit="share of the columns",
    low=0.0,
    high=1.0,
    source=SEED_DOCUMENT,
    step=lambda height, width: 1 / width,  # noqa: ARG005
)
def black_columns(images: Images, level: float, random: KeyedRandom) -> Images:
    """Set `level` of the columns, chosen at random, to black."""
    columns = smallest(random.uniform(images.shape[2:3]), level)
    blackened = images.copy()
    blackened.swapaxes(1, 2)[columns] = 0
    return blackened


@noise(family="structured", unit=AREA, low=0.0, high=1.0, source="GridMask, Chen and others 2020")
def grid(images: Images, level: float, random: KeyedRandom) -> Images:
    """Cover `level` of the area with a black grid of 4 lines along each side, at a random phase.

    The lines are 1 - sqrt(1 - level) of a period wide and anti-aliased, so that they grow continuously from their
    middle; a pixel that they cover to a share s keeps 1 - s of its value.
    """
    share = 1 - np.sqrt(1 - level)
    phase = random.uniform((2,)).astype(np.float64)
    rows, columns = (1 - _line_shares(images.shape[1 + axis], share, phase[:, axis]) for axis in (0, 1))
    return images * (rows[:, :, None] * columns[:, None, :])[..., None]


@noise(family="structured", unit=AMPLITUDE, low=0.0, high=1.0, source=SEED_DOCUMENT, step=a_shade)
def stripes(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add and take away `level` in alternate bars, 4 periods along the side; upright or level, at a random phase."""
    rows, columns = _square_waves(images.shape, random)
    upright = random.integers(0, 2, ())[:, None, None] == 1
    return images + (np.float32(level) * np.where(upright, columns[:, None, :], rows[:, :, None]))[..., None]


@noise(family="structured", unit=AMPLITUDE, low=0.0, high=1.0, source=SEED_DOCUMENT, step=a_shade)
def checkerboard(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add and take away `level` in alternate squares of an eighth of the side, at a random phase."""
    rows, columns = _square_waves(images.shape, random)
    return images + (np.float32(level) * rows[:, :, None] * columns[:, None, :])[..., None]


@noise(
    family="structured",
    unit="share of the pixels",
    low=0.0,
    high=1.0,
    source="stuck pixels of image sensors",
    step=a_pixel,
)
def dead_pixels(images: Images, level: float, random: KeyedRandom) -> Images:
    """Fix exactly `level` of the pixels, in all their channels, at black or at white, each as likely."""
    when = random.uniform(images.shape[1:3])
    stuck = random.once(lambda: random.integers(0, 2, images.shape[1:3]).astype(np.int32))
    black_and_white = np.zeros((len(images), 2, images.shape[3]), np.float32)
    black_and_white[:, 1] = 1
    return paint(images, smallest(when, level), stuck, black_and_white)


@noise(
    family="structured",
    unit="share of the blocks",
    low=0.0,
    high=1.0,
    source="lost blocks of coded video, Wang and Zhu 1998",
    step=lambda height, width: 1 / BLOCKS**2,  # noqa: ARG005
)
def dropped_blocks(images: Images, level: float, random: KeyedRandom) -> Images:
    """Lose `level` of 8 x 8 blocks, chosen at random, as a broken transmission does.

    A lost block turns mid-grey, repeats the block on its left, or shows another place of the image, each as likely;
    sides that no multiple of 8 fits have blocks whose sides differ by a pixel.
    """
    lost = smallest(random.uniform((BLOCKS, BLOCKS)), level)
    grey, offset = random.once(lambda: _fates(images.shape, random))
    disturbed = np.empty(images.shape, np.float32)
    _lose(np.ascontiguousarray(images), lost, grey, offset, disturbed)
    return disturbed


def smallest(field: Floats, level: float) -> NDArray[np.bool_]:
    """Mark the smallest `level` of the values of each image's field, so that marks only spread as the level grows.

    Args:
        field: (N, ...) finite values, none negative.
        level: share to mark, in [0, 1]; the number of marked values is rounded to the nearest. Ties go by place.

    Returns:
        Booleans of the field's shape.
    """
    values = np.ascontiguousarray(field, np.float32).reshape(len(field), -1).view(np.int32)  # they sort as their bits
    marked = np.zeros(values.shape, np.bool_)
    count = int(np.floor(level * values.shape[1] + 0.5))
    if count:
        _mark_smallest(values, count, marked)
    return marked.reshape(field.shape)


def paint(images: Images, covered: NDArray[np.bool_], owner: Owners, colours: Floats) -> Images:
    """Give each covered pixel the colour of its owner.

    Args:
        images: (N, H, W, C).
        covered: (N, H, W).
        owner: (N, H, W), which of the K colours a pixel gets.
        colours: (N, K, C).
    """
    pixels = np.ascontiguousarray(images).reshape(len(images), -1, images.shape[3])
    painted = np.empty(pixels.shape, np.float32)
    flat = pixels.shape[:2]
    _paint(pixels, covered.reshape(flat), owner.reshape(flat), colours, painted)
    return painted.reshape(images.shape)


def nearest_box(shape: tuple[int, ...], place: Floats, form: Floats, angle: Floats) -> tuple[Floats, Owners]:
    """Distance of each pixel to the nearest of K centres, of which rectangles are the balls, and which that is.

    Args:
        shape: of the images, (N, H, W, C).
        place: (N, K, 2), row and column of the centre as a share of the height and width.
        form: (N, K), square root of width over height.
        angle: (N, K), radians by which the rectangle is turned.

    Returns:
        Distances and owners, (N, H, W).
    """
    nearest, owner = np.full(shape[:3], np.inf, np.float32), np.zeros(shape[:3], np.int32)
    centre = (place * np.array([shape[1] - 1, shape[2] - 1], np.float32)).astype(np.float32)
    _nearest_box(centre, form, np.cos(angle), np.sin(angle), nearest, owner)
    return nearest, owner


@njit(cache=True, boundscheck=False)
def _nearest_box(centre: Floats, form: Floats, cosine: Floats, sine: Floats, nearest: Floats, owner: Owners) -> None:
    for n in range(nearest.shape[0]):
        for k in range(form.shape[1]):
            taller, wider = form[n, k], np.float32(1.0) / form[n, k]
            for i in range(nearest.shape[1]):
                y = np.float32(i) - centre[n, k, 0]
                for j in range(nearest.shape[2]):
                    x = np.float32(j) - centre[n, k, 1]
                    down = abs(y * cosine[n, k] - x * sine[n, k]) * taller
                    across = abs(x * cosine[n, k] + y * sine[n, k]) * wider
                    distance = max(down, across)
                    closer = distance < nearest[n, i, j]
                    owner[n, i, j] = k if closer else owner[n, i, j]
                    nearest[n, i, j] = distance if closer else nearest[n, i, j]


@njit(cache=True, boundscheck=False)
def _mark_smallest(values: NDArray[np.int32], count: int, marked: NDArray[np.bool_]) -> None:
    """Mark the `count` smallest of each row, ties by place."""
    for n in range(values.shape[0]):
        last = _order_statistic(values[n], count)
        ties = count
        for e in range(values.shape[1]):
            marked[n, e] = values[n, e] < last
            ties -= marked[n, e]
        e = 0
        while ties > 0:
            if values[n, e] == last:
                marked[n, e] = True
                ties -= 1
            e += 1


@njit(cache=True, boundscheck=False)
def _order_statistic(values: NDArray[np.int32], rank: int) -> int:
    """The value of rank 1, 2, ... in sorted order: a histogram finds its bin, and only that bin is sorted."""
    least, most = values[0], values[0]
    for value in values:
        least, most = min(least, value), max(most, value)
    shift = 0
    while (most - least) >> shift >= BINS:
        shift += 1
    bins = np.zeros(BINS, np.int64)
    for value in values:
        bins[(value - least) >> shift] += 1
    wanted, below = 0, 0
    while below + bins[wanted] < rank:
        below += bins[wanted]
        wanted += 1
    members, size = np.empty(bins[wanted], np.int32), 0
    for value in values:
        if (value - least) >> shift == wanted:
            members[size] = value
            size += 1
    return int(np.sort(members)[rank - below - 1])


@njit(cache=True, boundscheck=False)
def _paint(images: Images, covered: NDArray[np.bool_], owner: Owners, colours: Floats, out: Images) -> None:
    """`paint` of pixels in a row: images (N, P, C), covered and owner (N, P)."""
    for n in range(images.shape[0]):
        for c in range(images.shape[2]):
            for p in range(images.shape[1]):
                out[n, p, c] = colours[n, owner[n, p], c] if covered[n, p] else images[n, p, c]


def _fates(shape: tuple[int, ...], random: KeyedRandom) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whether a lost block turns grey (N, 8, 8), and how far away the place is that it shows if not (N, 8, 8, 2)."""
    fate = random.integers(0, 3, (BLOCKS, BLOCKS))
    sides = np.array(shape[1:3])
    elsewhere = (random.uniform((BLOCKS, BLOCKS, 2)) * sides).astype(np.int64)
    left = np.array([0, sides[1] - -(-sides[1] // BLOCKS)])  # a wider block's width, so that nothing lost is shown
    return fate == 0, np.where((fate == 1)[..., None], left, elsewhere)


@njit(cache=True, boundscheck=False)
def _lose(
    images: Images, lost: NDArray[np.bool_], grey: NDArray[np.bool_], offset: NDArray[np.int64], out: Images
) -> None:
    height, width = images.shape[1:3]
    for n in range(images.shape[0]):
        for i in range(height):
            for j in range(width):
                y, x = i * BLOCKS // height, j * BLOCKS // width
                row, column = i, j
                if lost[n, y, x]:
                    row, column = (i + offset[n, y, x, 0]) % height, (j + offset[n, y, x, 1]) % width
                for c in range(images.shape[3]):
                    out[n, i, j, c] = images[n, row, column, c]
                    if lost[n, y, x] and grey[n, y, x]:
                        out[n, i, j, c] = np.float32(GREY)


@cache
def _rings_from_centre(height: int, width: int) -> Floats:
    """Field (1, H, W) that grows from ring to ring around the centre, and by less than that clockwise along a ring."""
    y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    return _with_turn(np.maximum(abs(y), abs(x)), y, x)


@cache
def _rings_from_border(height: int, width: int) -> Floats:
    """Field (1, H, W) that grows from ring to ring inside the border, and by less than that clockwise along a ring."""
    rows, columns = np.mgrid[:height, :width]
    ring = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns))
    return _with_turn(ring.astype(np.float64), rows - (height - 1) / 2, columns - (width - 1) / 2)


def _with_turn(ring: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]) -> Floats:
    """Rings of at least half a pixel each, with the share of the turn clockwise from the top that a pixel stands at."""
    turn = np.arctan2(x, -y) / (2 * np.pi) % 1
    field = (ring + turn / 4).astype(np.float32)[None]
    field.flags.writeable = False
    return field


def _line_shares(length: int, share: float, phase: NDArray[np.float64]) -> Floats:
    """Which share (N, length) of each pixel lies under lines that cover `share` of each of `PERIODS` periods."""
    edges = np.arange(length + 1) * (PERIODS / length) - phase[:, None] + share / 2
    covered = np.floor(edges) * share + np.minimum(edges - np.floor(edges), share)  # from 0 up to each edge, in periods
    return (np.diff(covered, axis=1) * (length / PERIODS)).astype(np.float32)


def _square_waves(shape: tuple[int, ...], random: KeyedRandom) -> list[Floats]:
    """Waves of -1 and 1 along the rows (N, H) and along the columns (N, W), each at its own phase."""
    phase = random.uniform((2,))
    waves = []
    for axis, length in enumerate(shape[1:3]):
        moved = (np.arange(length) + (phase[:, axis : axis + 1] * length).astype(np.int64)) % length
        waves.append((1 - 2 * (moved * 2 * PERIODS // length % 2)).astype(np.float32))
    return waves
