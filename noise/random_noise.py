"""Random noises, as sensors and channels make them: independent from value to value, or by row, column or scale."""

from functools import cache

import numpy as np
from numba import njit
from scipy.special import ndtri, pdtr

from noise.fields import power_law
from noise.keyed import Floats, KeyedRandom
from noise.registry import Images, noise

SIGMA = "sigma on the [0, 1] scale"
IMAGENET_C = "ImageNet-C, Hendrycks and Dietterich 2019"
EMVA = "EMVA 1288, release 4.0"

NORMAL_LIMIT = 1e-3
"""Level of `shot`, a million photons at white, below which a Poisson count is as good as normal."""
FEW_PHOTONS = 4.0
"""Mean below which quantiles of the Poisson distribution come from a table."""
ROWS_A_ROOT = 64
"""Rows of that table for each step of 1 in the root of the mean."""
MOST_PHOTONS = 32
"""Columns of that table: no count of so few photons reaches so far."""
BEYOND_NORMAL = 7.0
"""No normal draw is as large."""

# Chebyshev fit of (cos(arccos(x) / 3) - x) / (1 - x) on [0, 1], within 3e-7.
_H = tuple(
    np.float32(c) for c in (0.866025646, 0.0326735861, -0.0151856473, 0.0081266276, -0.00354704831, 0.000795907891)
)


@noise(
    family="random",
    unit=SIGMA,
    high=0.5,
    source=IMAGENET_C,
    corruption="gaussian_noise",
    severities={1: 0.04, 2: 0.06, 3: 0.08, 4: 0.09, 5: 0.10},
)
def gaussian(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add N(0, level^2) to each channel of each pixel."""
    return images + np.float32(level) * random.normal(images.shape[1:])


@noise(family="random", unit="half-width on the [0, 1] scale", high=1.0, source="Rauber and others 2017, Foolbox")
def uniform(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add U(-level, level) to each channel of each pixel."""
    return images + np.float32(level) * (2 * random.uniform(images.shape[1:]) - 1)


@noise(family="random", unit=SIGMA, high=0.5, source="Gonzalez and Woods 2018, chapter 5")
def laplace(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add Laplace noise of standard deviation `level` to each channel of each pixel (excess kurtosis 3)."""

    def quantiles() -> Floats:
        centred = _centred(random.uniform(images.shape[1:]))
        tail = np.log(1 - 2 * np.abs(centred))
        laplacian: Floats = np.copysign(tail * np.float32(np.sqrt(0.5)), centred)
        return laplacian

    return images + np.float32(level) * random.once(quantiles)


@noise(family="random", unit=SIGMA, high=0.5, source="Shaw 2006, sampling Student's t distribution")
def student_t(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add Student's t of 4 degrees of freedom, scaled to standard deviation `level`, to each channel of each pixel.

    Its fourth moment is infinite: most values change less than under a Gaussian of the same level, a few far more.
    """

    def quantiles() -> Floats:
        centred = _centred(random.uniform(images.shape[1:]))
        _student_quantiles(centred.reshape(-1))
        return centred

    return images + np.float32(level) * random.once(quantiles)


@noise(
    family="random",
    unit="1 / root of the photons at white",
    high=1.0,
    source=IMAGENET_C,
    corruption="shot_noise",
    severities={1: 500**-0.5, 2: 250**-0.5, 3: 100**-0.5, 4: 75**-0.5, 5: 50**-0.5},
)
def shot(images: Images, level: float, random: KeyedRandom) -> Images:
    """Count photons: each value x becomes level^2 * Poisson(x / level^2), of mean x and variance level^2 x.

    The counts are Poisson quantiles of one fixed field, from a table where few photons come and from their
    Cornish-Fisher expansion where many do, so that they move as little as they can from level to level.
    """
    scores = random.normal(images.shape[1:])
    if level < NORMAL_LIMIT:
        return images + np.float32(level) * (np.sqrt(images) * scores)
    counted = np.empty(images.shape, np.float32)
    values = np.ascontiguousarray(images).reshape(-1)
    _count(values, np.float32(level**2), scores.reshape(-1), _poisson_scores(), counted.reshape(-1))
    return counted


@noise(
    family="random",
    unit="sigma, relative to the value",
    high=1.5,
    source=IMAGENET_C,
    corruption="speckle_noise",
    severities={1: 0.06, 2: 0.10, 3: 0.12, 4: 0.16, 5: 0.20},
)
def speckle(images: Images, level: float, random: KeyedRandom) -> Images:
    """Multiply each channel of each pixel by 1 + N(0, level^2)."""
    return images + images * (np.float32(level) * random.normal(images.shape[1:]))


@noise(
    family="random",
    unit="share of the values",
    high=1.0,
    source=IMAGENET_C,
    corruption="impulse_noise",
    severities={1: 0.01, 2: 0.02, 3: 0.03, 4: 0.05, 5: 0.07},
)
def salt_pepper(images: Images, level: float, random: KeyedRandom) -> Images:
    """Set each channel of each pixel to 0 or 1 with probability level / 2 each."""
    where = random.uniform(images.shape[1:]).reshape(-1)
    salted = np.empty(images.shape, np.float32)
    _salt(np.ascontiguousarray(images).reshape(-1), where, np.float32(level / 2), salted.reshape(-1))
    return salted


@noise(family="random", unit="share of the values", high=1.0, source="Gonzalez and Woods 2018, chapter 5")
def impulse(images: Images, level: float, random: KeyedRandom) -> Images:
    """Replace each channel of each pixel by U(0, 1) with probability `level` (random-valued impulses)."""
    where, by = (random.uniform(images.shape[1:]).reshape(-1) for _ in range(2))
    replaced = np.empty(images.shape, np.float32)
    _replace(np.ascontiguousarray(images).reshape(-1), where, np.float32(level), by, replaced.reshape(-1))
    return replaced


@noise(family="random", unit=SIGMA, high=0.5, source="Voss and Clarke 1978; Field 1987")
def pink(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add to each channel a field of standard deviation exactly `level` with the same power in each octave.

    In two dimensions that is a power spectrum of 1 / f^2, between one cycle an image and half a cycle a pixel.
    """
    return images + np.float32(level) * random.once(lambda: power_law(random, images.shape[1:], 2.0))


@noise(family="random", unit=SIGMA, high=0.5, source=EMVA)
def row_noise(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add N(0, level^2) to each row, the same in all channels: a sensor's fixed pattern."""
    return images + np.float32(level) * random.normal((images.shape[1], 1, 1))


@noise(family="random", unit=SIGMA, high=0.5, source=EMVA)
def column_noise(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add N(0, level^2) to each column, the same in all channels: a sensor's fixed pattern."""
    _, height, width, channels = images.shape
    offsets = np.repeat(np.float32(level) * random.normal((1, width)), channels, axis=2)
    return (images.reshape(-1, height, width * channels) + offsets).reshape(images.shape)


@noise(family="random", unit="step on the [0, 1] scale", high=1.0, source="Bennett 1948, spectra of quantized signals")
def quantisation(images: Images, level: float, _: KeyedRandom) -> Images:
    """Round each value to the nearest multiple of `level`; at 1, only black and white are left."""
    step = np.float32(level)
    if step < np.finfo(np.float32).eps:
        return images
    rounded = np.empty(images.shape, np.float32)
    _round(np.ascontiguousarray(images).reshape(-1), step, rounded.reshape(-1))
    return rounded


def _centred(uniforms: Floats) -> Floats:
    """U[0, 1) in steps of 2^-24, to the middles of these steps less 0.5, exactly: symmetric, and never at the ends."""
    centred: Floats = uniforms - np.float32(0.5)
    centred += np.float32(2.0**-25)
    return centred


@njit(cache=True, boundscheck=False, error_model="numpy")
def _student_quantiles(centred: Floats) -> None:
    """Probabilities less 0.5, to quantiles of Student's t of 4 degrees of freedom over its deviation, in place.

    With x^2 = 4 p (1 - p), t^2 / 4 = cos(arccos(x) / 3) / x - 1; factored so that nothing cancels.
    """
    half, one, scale = np.float32(0.5), np.float32(1.0), np.float32(np.sqrt(8.0))
    for e in range(centred.size):
        v = centred[e]
        x = np.float32(2.0) * np.sqrt((half - abs(v)) * (half + abs(v)))
        h = _H[0] + x * (_H[1] + x * (_H[2] + x * (_H[3] + x * (_H[4] + x * _H[5]))))
        centred[e] = scale * v * np.sqrt(h / (x * (one + x)))


@njit(cache=True, boundscheck=False)
def _salt(values: Floats, where: Floats, half: np.float32, out: Floats) -> None:
    """Pepper where `where` is below `half`, salt where it is as near to 1."""
    black, white = np.float32(0.0), np.float32(1.0)
    for e in range(values.size):
        salted = white if where[e] >= white - half else values[e]
        out[e] = black if where[e] < half else salted


@njit(cache=True, boundscheck=False)
def _replace(values: Floats, where: Floats, share: np.float32, by: Floats, out: Floats) -> None:
    """The value of `by` where `where` is below `share`."""
    for e in range(values.size):
        out[e] = by[e] if where[e] < share else values[e]


@njit(cache=True, boundscheck=False, error_model="numpy")
def _round(values: Floats, step: np.float32, out: Floats) -> None:
    """The nearest multiple of `step`."""
    for e in range(values.size):
        out[e] = np.rint(values[e] / step) * step


@cache
def _poisson_scores() -> Floats:
    """Row r, column k: the normal score of P(X <= k), for X Poisson of mean (r / ROWS_A_ROOT)^2."""
    roots = np.arange(np.sqrt(FEW_PHOTONS) * ROWS_A_ROOT + 2) / ROWS_A_ROOT
    scores = ndtri(pdtr(np.arange(MOST_PHOTONS), roots[:, None] ** 2))
    capped: Floats = np.minimum(scores, BEYOND_NORMAL).astype(np.float32)
    return capped


@njit(cache=True, boundscheck=False, error_model="numpy")
def _count(values: Floats, photon: np.float32, scores: Floats, table: Floats, out: Floats) -> None:
    """Poisson quantiles at normal scores: a photon adds `photon` to a value, so that the mean count is value / photon.

    Many photons: Cornish-Fisher with the continuity correction (Giles 2016). Few: the same, set right by the table.
    """
    two, per_photon = np.float32(2.0), np.float32(1.0) / photon
    for e in range(values.size):
        mean, score = values[e] * per_photon, scores[e]
        root, square = np.sqrt(mean), score * score
        skew = (two + square) * (np.float32(1 / 6) - score * np.float32(1 / 72) / max(root, np.float32(0.5)))
        out[e] = photon * max(np.floor(mean + root * score + skew), np.float32(0.0))
    few = np.float32(FEW_PHOTONS) * photon
    for e in range(values.size):
        if values[e] < few:
            guess = np.int64(out[e] * per_photon + np.float32(0.5))
            out[e] = photon * np.float32(_set_right(guess, np.sqrt(values[e] * per_photon), scores[e], table))


@njit(cache=True, boundscheck=False, inline="always")
def _set_right(count: int, root: np.float32, score: np.float32, table: Floats) -> int:
    """The smallest count whose cumulative probability is not below the score's, sought from a guess."""
    place = root * np.float32(ROWS_A_ROOT)
    row = np.int64(place)
    part = place - np.float32(row)
    low, high = table[row], table[row + 1]
    count = min(count, MOST_PHOTONS - 1)
    while score > low[count] + part * (high[count] - low[count]):
        count += 1
    while count > 0 and score <= low[count - 1] + part * (high[count - 1] - low[count - 1]):
        count -= 1
    return count
