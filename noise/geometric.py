"""Geometric noises: the sign is seen from another place, or on a bent plate.

The level fixes how far pixels move, and that is the measure that rises with it by definition; the L2 distance to the
clean image rises over the whole range in the mean over natural images, and flattens where the image has moved by more
than its own details. What moves in from outside repeats the border. Sampling is bilinear.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from noise.keyed import Floats, KeyedRandom
from noise.registry import Images, noise

ENGSTROM = "Engstrom and others 2019"
IMAGENET_C = "ImageNet-C, Hendrycks and Dietterich 2019"
SMOOTHNESS = 0.04
"""Sigma of an elastic displacement field, as a share of the shorter side (CIFAR-10-C, severity 4)."""
LEAST_SIGMA = 1e-3
"""Of a Gaussian that changes nothing; OpenCV refuses 0."""
CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)

Matrices = NDArray[np.float64]


@noise(family="geometric", unit="degrees", low=0.0, high=90.0, source=ENGSTROM)
def rotation(images: Images, level: float, random: KeyedRandom) -> Images:
    """Turn the image around its middle by `level` degrees, to the left or to the right."""
    angle = _signs(random) * np.deg2rad(level)
    return _affine(images, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))


@noise(family="geometric", unit="shift per distance from the middle line", low=0.0, high=1.5, source=ENGSTROM)
def shear(images: Images, level: float, random: KeyedRandom) -> Images:
    """Shift each row along itself by `level` times its distance from the middle row, or each column likewise."""
    shift = _signs(random) * level
    along_rows = random.integers(0, 2, ())
    one = np.ones(len(images))
    return _affine(images, np.array([[one, shift * along_rows], [shift * (1 - along_rows), one]]))


@noise(family="geometric", unit="share of the size", low=0.0, high=0.75, source=ENGSTROM)
def scale(images: Images, level: float, _: KeyedRandom) -> Images:
    """Shrink the image to 1 - `level` of its size, as if seen from 1 / (1 - level) times the distance.

    Details too small for the new size are first removed by a Gaussian of sigma (1 / (1 - level) - 1) / 2.
    """
    sigma = max((1 / (1 - level) - 1) / 2, LEAST_SIGMA)
    smooth = [cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for image in images]
    matrix = np.broadcast_to((1 - level) * np.eye(2)[..., None], (2, 2, len(images)))
    return _affine(np.stack(smooth).reshape(images.shape), matrix)


@noise(family="geometric", unit="share of the side", low=0.0, high=0.6, source=ENGSTROM)
def translation(images: Images, level: float, random: KeyedRandom) -> Images:
    """Shift the image by `level` of the side in a random direction."""
    direction = 2 * np.pi * random.uniform(()).astype(np.float64)
    height, width = images.shape[1:3]
    shift = level * np.stack([width * np.cos(direction), height * np.sin(direction)], axis=1)
    return _affine(images, np.broadcast_to(np.eye(2)[..., None], (2, 2, len(images))), shift)


@noise(family="geometric", unit="share of the side", low=0.0, high=0.35, source="Hartley and Zisserman 2003")
def perspective(images: Images, level: float, random: KeyedRandom) -> Images:
    """Move each corner by `level` of the side in a random direction of its own, and the rest by the homography.

    Up to 0.35 the four corners stay the corners of a convex shape, whatever the directions.
    """
    direction = 2 * np.pi * random.uniform((4,))
    height, width = images.shape[1:3]
    half = np.array([width - 1, height - 1], np.float32) / 2
    corners = half * (1 + CORNERS)
    moved = corners + np.float32(level) * np.stack([width * np.cos(direction), height * np.sin(direction)], axis=2)
    matrices = (cv2.getPerspectiveTransform(corners, to) for to in moved.astype(np.float32))
    return _stack(
        images,
        (
            cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for image, matrix in zip(images, matrices, strict=True)
        ),
    )


@noise(
    family="geometric",
    unit="root mean square displacement, share of the side",
    low=0.0,
    high=0.12,
    source=IMAGENET_C,
    corruption="elastic_transform",
    severities={1: 0.0094, 2: 0.0083, 3: 0.0102, 4: 0.0208, 5: 0.0341},
)
def elastic(images: Images, level: float, random: KeyedRandom) -> Images:
    """Move each pixel by a smooth random field whose root mean square length is `level` of the shorter side.

    The field is white noise after a Gaussian of 4% of the side. CIFAR-10-C jitters an affine frame too, less and less
    towards severity 5 (0 is elastic at severity 1), so that its L2 falls as networks fail more. Its severities stand
    here at the level of the same mean local strain (root mean square gradient of the displacement), which shifts do
    not count in and which orders them as networks do.
    """
    height, width = images.shape[1:3]
    here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)
    field = random.once(lambda: _smooth_field(random.normal((height, width, 2))))
    moved = here + np.float32(level * min(height, width)) * field
    return _stack(
        images,
        (
            cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for image, where in zip(images, moved, strict=True)
        ),
    )


def _smooth_field(white: Floats) -> Floats:
    """Fields (N, H, W, 2) of displacements x, y, each smoothed and of root mean square length 1."""
    sigma = SMOOTHNESS * min(white.shape[1:3])
    fields = [cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101) for image in white]
    return np.stack([image / np.sqrt(np.float32(2) * np.square(image).mean()) for image in fields])


def _signs(random: KeyedRandom) -> NDArray[np.float64]:
    """-1 or 1 for each image, each as likely."""
    return (2 * random.integers(0, 2, ()) - 1).astype(np.float64)


def _affine(images: Images, matrices: Matrices, shift: NDArray[np.float64] | None = None) -> Images:
    """Move what is at middle + p to middle + matrix p + shift.

    Args:
        images: (N, H, W, C).
        matrices: (2, 2, N), on (x, y).
        shift: (N, 2), x and y in pixels; none where missing.
    """
    height, width = images.shape[1:3]
    middle = np.array([width - 1, height - 1]) / 2
    linear = np.moveaxis(matrices, 2, 0)
    offset = middle - linear[..., 0] * middle[0] - linear[..., 1] * middle[1] + (0 if shift is None else shift)
    warps = np.concatenate([linear, offset[..., None]], axis=2)
    return _stack(
        images,
        (
            cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for image, warp in zip(images, warps, strict=True)
        ),
    )


def _stack(images: Images, warped: Iterable[NDArray[np.float32]]) -> Images:
    """The warped images as one array of the shape of `images`; OpenCV drops a channel axis of 1."""
    return np.stack(list(warped)).reshape(images.shape)
