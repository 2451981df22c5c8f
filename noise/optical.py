"""Optical noises: sharpness that lens, motion, pixels and coding lose."""

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.keyed import KeyedRandom
from noise.registry import Images, noise, to_float, to_uint8

Floats = NDArray[np.float32]

IMAGENET_C = "ImageNet-C, Hendrycks and Dietterich 2019"
RINGS, SPOKES = 16, 32
LINE_POINTS = 64
ROWS = 8
"""Rows that are convolved at once, so that they stay in the fastest cache."""


@noise(
    family="optical",
    unit="sigma in pixels",
    high=6.0,
    source=IMAGENET_C,
    corruption="gaussian_blur",
    severities={1: 0.4, 2: 0.6, 3: 0.7, 4: 0.8, 5: 1.0},
)
def gaussian_blur(images: Images, level: float, _: KeyedRandom) -> Images:
    """Convolve with a Gaussian of sigma `level`; the border is mirrored."""
    return _blur(images, level)


@noise(
    family="optical",
    unit="radius in pixels",
    high=10.0,
    source=IMAGENET_C,
    corruption="defocus_blur",
    severities={1: 0.19, 2: 0.5, 3: 0.78, 4: 0.94, 5: 1.42},
)
def defocus_blur(images: Images, level: float, _: KeyedRandom) -> Images:
    """Spread each pixel over a disc of radius `level`, as a lens out of focus does; the border is mirrored.

    The disc is antialiased by linear interpolation, so that no radius is too small to blur. A severity's level is the
    radius whose kernel has the variance of that severity's kernel in CIFAR-10-C.
    """
    radius = np.float32(level) * np.sqrt((np.arange(RINGS, dtype=np.float32) + 0.5) / RINGS)  # rings of equal area
    angles = 2 * np.pi * (np.arange(SPOKES, dtype=np.float32) + 0.5) / SPOKES
    rows, columns = np.outer(radius, np.sin(angles)), np.outer(radius, np.cos(angles))
    kernel = _splat(rows.reshape(1, -1), columns.reshape(1, -1), int(np.ceil(level)))
    return _convolve(images, kernel)


@noise(
    family="optical",
    unit="length in pixels",
    high=24.0,
    source=IMAGENET_C,
    corruption="motion_blur",
    severities={1: 2.31, 2: 3.38, 3: 4.43, 4: 4.43, 5: 5.49},
)
def motion_blur(images: Images, level: float, random: KeyedRandom) -> Images:
    """Average along a line of length `level` and random direction, as a steady motion during the exposure does.

    A severity's level is the length whose variance along the line is that of its one-sided Gaussian in CIFAR-10-C.
    """
    angle = np.float32(np.pi) * random.uniform((1,))
    along = np.float32(level) * ((np.arange(LINE_POINTS, dtype=np.float32) + 0.5) / LINE_POINTS - 0.5)
    kernels = _splat(np.sin(angle) * along, np.cos(angle) * along, int(np.ceil(level / 2)))
    return _convolve(images, kernels)


@noise(
    family="optical",
    unit="largest zoom less 1",
    high=2.0,
    source=IMAGENET_C,
    corruption="zoom_blur",
    severities={1: 0.107, 2: 0.138, 3: 0.179, 4: 0.233, 5: 0.294},
)
def zoom_blur(images: Images, level: float, _: KeyedRandom) -> Images:
    """Average copies zoomed about the centre by 1 to 1 + `level`, as a steady approach during the exposure does.

    At a steady speed it is 1 / zoom, the distance left, that falls in equal steps. A severity's level gives the mean
    L2 distance of that severity in CIFAR-10-C on real signs.
    """
    height, width = images.shape[1:3]
    shrunk = np.linspace(1, 1 / (1 + level), 1 + max(height, width) // 4)[:, None]  # steps of about a pixel
    rows = (np.arange(height) - (height - 1) / 2) * shrunk + (height - 1) / 2
    columns = (np.arange(width) - (width - 1) / 2) * shrunk + (width - 1) / 2
    zoomed = np.zeros(images.shape, np.float32)
    _average_zooms(np.ascontiguousarray(images), rows.astype(np.float32), columns.astype(np.float32), zoomed)
    return zoomed


@noise(
    family="optical",
    unit="largest displacement in pixels",
    high=8.0,
    source=IMAGENET_C,
    corruption="glass_blur",
    severities={1: 1.5, 2: 1.48, 3: 1.26, 4: 2.69, 5: 2.32},
)
def glass_blur(images: Images, level: float, random: KeyedRandom) -> Images:
    """Move each pixel by U(-level, level) along both axes, between two Gaussian blurs of sigma 0.4 min(level, 1).

    ImageNet-C swaps whole pixels instead. A severity's level gives the mean L2 distance of that severity in CIFAR-10-C,
    whose blurs have a sigma of 0.05 to 0.4, on real signs.
    """
    moves = np.float32(level) * (2 * random.uniform((*images.shape[1:3], 2)) - 1)
    sigma = 0.4 * min(level, 1)
    displaced = np.empty(images.shape, np.float32)
    _displace(_blur(images, sigma), moves, displaced)
    return _blur(displaced, sigma)


@noise(
    family="optical",
    unit="1 - scale",
    high=0.97,
    source=IMAGENET_C,
    corruption="pixelate",
    severities={1: 2 / 32, 2: 4 / 32, 3: 5 / 32, 4: 8 / 32, 5: 12 / 32},
)
def pixelate(images: Images, level: float, _: KeyedRandom) -> Images:
    """Average over squares of 1 / (1 - level) pixels, a pixel counting whole for the square that its centre is in.

    CIFAR-10-C rounds its scales (.95, .9, .85, .75, .65) down to whole squares, 30, 28, 27, 24 and 20 of 32.
    """
    pixelated = np.empty(images.shape, np.float32)
    rows, columns = (((np.arange(size) + 0.5) * (1 - level)).astype(np.uint32) for size in images.shape[1:3])
    _average_blocks(np.ascontiguousarray(images), rows, columns, pixelated)
    return pixelated


@noise(
    family="optical",
    unit="1 - quality / 100",
    high=0.99,
    source=IMAGENET_C,
    corruption="jpeg_compression",
    severities={1: 0.2, 2: 0.35, 3: 0.42, 4: 0.5, 5: 0.6},
    step=lambda height, width: 0.01,  # noqa: ARG005
)
def jpeg(images: Images, level: float, _: KeyedRandom) -> Images:
    """Code as JPEG of quality 100 (1 - level), rounded, with the colours at half resolution (4:2:0), and decode.

    The colours lose half their resolution at any level above 0: the best quality is not the clean image.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, round(100 * (1 - level))]
    form = cv2.IMREAD_COLOR_RGB if images.shape[3] == 3 else cv2.IMREAD_GRAYSCALE
    pixels = np.empty(images.shape, np.uint8)
    to_uint8(np.ascontiguousarray(images).reshape(-1), pixels.reshape(-1))
    if images.shape[3] == 3:
        pixels = cv2.cvtColor(pixels.reshape(-1, images.shape[2], 3), cv2.COLOR_RGB2BGR).reshape(images.shape)
    coded = [cv2.imencode(".jpg", image, quality)[1] for image in pixels]
    return to_float(np.array([cv2.imdecode(code, form) for code in coded]).reshape(images.shape))


def _blur(images: Images, sigma: float) -> Images:
    blurred = [cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101) for image in images]
    return np.stack(blurred).reshape(images.shape)


@njit(cache=True, boundscheck=False)
def _splat(rows: Floats, columns: Floats, radius: int) -> Floats:
    """Kernels (K, 2 radius + 1, 2 radius + 1) with the mean of the points (K, P), each shared among its 4 pixels."""
    kernels = np.zeros((len(rows), 2 * radius + 1, 2 * radius + 1), np.float32)
    weight = np.float32(1) / np.float32(rows.shape[1])
    last = np.float32(2 * radius) - np.float32(1e-4)
    for k in range(len(rows)):
        for p in range(rows.shape[1]):
            row = min(max(rows[k, p] + np.float32(radius), np.float32(0)), last)
            column = min(max(columns[k, p] + np.float32(radius), np.float32(0)), last)
            y, x = int(row), int(column)
            down, right = row - np.float32(y), column - np.float32(x)
            kernels[k, y, x] += weight * (1 - down) * (1 - right)
            kernels[k, y, x + 1] += weight * (1 - down) * right
            kernels[k, y + 1, x] += weight * down * (1 - right)
            kernels[k, y + 1, x + 1] += weight * down * right
    return kernels


def _convolve(images: Images, kernels: Floats) -> Images:
    """Convolve each image with its kernel, or with the only one; kernels (K, S, S) are point-symmetric, S is odd."""
    out = np.empty(images.shape, np.float32)
    _convolve_mirrored(np.ascontiguousarray(images), kernels, out)
    return out


@njit(cache=True, boundscheck=False)
def _convolve_mirrored(images: Images, kernels: Floats, out: Images) -> None:
    count, height, width, channels = images.shape
    radius = kernels.shape[1] // 2
    margin = radius * channels
    padded = np.empty((height + 2 * radius, (width + 2 * radius) * channels), np.float32)
    stride = padded.shape[1]
    mean = np.empty((height, stride), np.float32)
    for n in range(count):
        _pad(images[n].reshape(height, -1), radius, channels, padded)
        if n < len(kernels):
            offsets, weights = _half(kernels[n], stride, channels)
        source, target = padded.reshape(-1), mean.reshape(-1)[: mean.size - 2 * margin]
        for start in range(0, len(target), ROWS * stride):
            part = target[start : min(start + ROWS * stride, len(target))]
            _add_pairs(source, radius * stride + margin + start, offsets, weights, part)
        out[n] = mean[:, : width * channels].copy().reshape(height, width, channels)


@njit(cache=True, boundscheck=False)
def _half(kernel: Floats, stride: int, channels: int) -> tuple[NDArray[np.int64], Floats]:
    """One half of a point-symmetric kernel: offsets in a flat image of rows of `stride`, and weights."""
    size, radius = len(kernel), len(kernel) // 2
    flat = kernel.copy().reshape(-1)
    flat[flat.size // 2] /= 2  # the centre is its own mirror image, and counts twice
    places = np.nonzero(flat[: flat.size // 2 + 1])[0]
    offsets = (places // size - radius) * stride + (places % size - radius) * channels
    return offsets, flat[places]


@njit(cache=True, boundscheck=False)
def _add_pairs(source: Floats, start: int, offsets: NDArray[np.int64], weights: Floats, out: Floats) -> None:
    """Set `out` to the weighted sum of the values of `source` at `start`, moved by each offset forward and back."""
    out[:] = 0
    for t in range(len(offsets)):
        weight, forward, back = weights[t], source[start + offsets[t] :], source[start - offsets[t] :]
        for e in range(len(out)):
            out[e] += weight * (forward[e] + back[e])


@njit(cache=True, boundscheck=False)
def _pad(image: Floats, radius: int, channels: int, padded: Floats) -> None:
    """Fill (H + 2 radius, (W + 2 radius) C) with an image (H, W C), mirrored at its border pixels."""
    height, margin = len(image), radius * channels
    for y in range(height):
        padded[radius + y, margin : padded.shape[1] - margin] = image[y]
        _mirror_ends(padded[radius + y], margin, channels)
    for y in range(radius):
        padded[y] = padded[radius + _mirror(y - radius, height)]
        padded[radius + height + y] = padded[radius + _mirror(height + y, height)]


@njit(cache=True, boundscheck=False)
def _mirror_ends(line: Floats, margin: int, channels: int) -> None:
    """Fill `margin` values at both ends of a line of pixels with the mirror image of those between."""
    width = (len(line) - 2 * margin) // channels
    for x in range(margin // channels):
        left, right = _mirror(x - margin // channels, width), _mirror(width + x, width)
        for c in range(channels):
            line[x * channels + c] = line[margin + left * channels + c]
            line[margin + (width + x) * channels + c] = line[margin + right * channels + c]


@njit(cache=True, boundscheck=False)
def _mirror(index: int, size: int) -> int:
    folded = abs(index) % (2 * size - 2)
    return min(folded, 2 * size - 2 - folded)


@njit(cache=True, boundscheck=False)
def _average_zooms(images: Images, rows: Floats, columns: Floats, out: Images) -> None:
    """Add to `out` the mean of each image (H, W, C) read at rows (Z, H) and columns (Z, W), over the Z zooms."""
    count, height, width, channels = images.shape
    lefts, rights = _places(columns, channels)
    line = np.empty(width * channels, np.float32)
    share = np.float32(1) / np.float32(len(rows))
    for n in range(count):
        source, target = images[n].reshape(height, -1), out[n].reshape(height, -1)
        for z in range(len(rows)):
            left, right = lefts[z], rights[z]
            for y in range(height):
                top = min(int(rows[z, y]), height - 2)
                down = rows[z, y] - np.float32(top)
                upper, lower, mean = source[top], source[top + 1], target[y]
                for e in range(len(line)):
                    line[e] = share * (upper[e] + down * (lower[e] - upper[e]))
                for e in range(len(line)):
                    near = line[left[e]]
                    mean[e] += near + right[e] * (line[left[e] + channels] - near)


@njit(cache=True, boundscheck=False)
def _places(columns: Floats, channels: int) -> tuple[NDArray[np.uint32], Floats]:
    """Where to read columns (Z, W) in a line (W C): the places of the values on the left, and the shares of the right.

    Both have the shape (Z, W C).
    """
    lefts = np.empty((len(columns), columns.shape[1] * channels), np.uint32)
    rights = np.empty(lefts.shape, np.float32)
    for z in range(len(lefts)):
        for e in range(lefts.shape[1]):
            column = columns[z, e // channels]
            left = min(int(column), columns.shape[1] - 2)
            lefts[z, e] = left * channels + e % channels
            rights[z, e] = column - np.float32(left)
    return lefts, rights


@njit(cache=True, boundscheck=False)
def _displace(images: Images, moves: Floats, out: Images) -> None:
    """Read each image (H, W, C) at its pixels' places plus `moves` (N, H, W, 2), linearly, kept inside the image."""
    count, height, width, channels = images.shape
    for n in range(count):
        for y in range(height):
            for x in range(width):
                row = min(max(np.float32(y) + moves[n, y, x, 0], np.float32(0)), np.float32(height - 1))
                column = min(max(np.float32(x) + moves[n, y, x, 1], np.float32(0)), np.float32(width - 1))
                top, left = min(int(row), height - 2), min(int(column), width - 2)
                down, right = row - np.float32(top), column - np.float32(left)
                for c in range(channels):
                    upper = images[n, top, left, c] * (1 - right) + images[n, top, left + 1, c] * right
                    lower = images[n, top + 1, left, c] * (1 - right) + images[n, top + 1, left + 1, c] * right
                    out[n, y, x, c] = upper * (1 - down) + lower * down


@njit(cache=True, boundscheck=False)
def _average_blocks(images: Images, rows: NDArray[np.uint32], columns: NDArray[np.uint32], out: Images) -> None:
    """Average images (N, H, W, C) over the pixels of the same block of rows (H,) and of columns (W,)."""
    count, height, width, channels = images.shape
    places, shares = _block_shares(columns, channels)
    line, block_means = np.empty(width * channels, np.float32), np.empty(width * channels, np.float32)
    for n in range(count):
        source, target = images[n].reshape(height, -1), out[n].reshape(height, -1)
        first = 0
        while first < height:
            line[:] = source[first]
            last = first + 1
            while last < height and rows[last] == rows[first]:
                row = source[last]
                for e in range(len(line)):
                    line[e] += row[e]
                last += 1
            mean = target[first]
            block_means[:] = 0
            for e in range(len(line)):
                block_means[places[e]] += line[e] * shares[e]
            scale = np.float32(1) / np.float32(last - first)
            for e in range(len(line)):
                mean[e] = scale * block_means[places[e]]
            for y in range(first + 1, last):
                target[y] = target[first]
            first = last


@njit(cache=True, boundscheck=False)
def _block_shares(columns: NDArray[np.uint32], channels: int) -> tuple[NDArray[np.uint32], Floats]:
    """For each value of a line (W C), the place of its block's mean, and its own share in it."""
    places = np.empty(len(columns) * channels, np.uint32)
    sizes = np.zeros(len(columns), np.float32)
    for column in columns:
        sizes[column] += 1
    shares = np.empty(len(places), np.float32)
    for e in range(len(places)):
        places[e] = columns[e // channels] * channels + e % channels
        shares[e] = 1 / sizes[columns[e // channels]]
    return places, shares
