"""Random noises: independent from pixel to pixel, as sensors and channels make them."""

import numpy as np

from noise.keyed import KeyedRandom
from noise.registry import Images, noise

SIGMA = "sigma on the [0, 1] scale"
IMAGENET_C = "ImageNet-C, Hendrycks and Dietterich 2019"


@noise(family="random", unit=SIGMA, low=0.0, high=0.5, source=IMAGENET_C)
def gaussian(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add N(0, level^2) to each channel of each pixel."""
    return images + np.float32(level) * random.normal(images.shape[1:])


@noise(
    family="random",
    unit="half-width on the [0, 1] scale",
    low=0.0,
    high=1.0,
    source="Rauber and others 2017, Foolbox",
)
def uniform(images: Images, level: float, random: KeyedRandom) -> Images:
    """Add U(-level, level) to each channel of each pixel."""
    return images + np.float32(level) * (2 * random.uniform(images.shape[1:]) - 1)


@noise(family="random", unit="share of the values", low=0.0, high=1.0, source=IMAGENET_C)
def salt_pepper(images: Images, level: float, random: KeyedRandom) -> Images:
    """Set each channel of each pixel to 0 or 1 with probability level / 2 each."""
    where = random.uniform(images.shape[1:])
    salted = np.where(where >= 1 - level / 2, np.float32(1), images)
    return np.where(where < level / 2, np.float32(0), salted)


@noise(family="random", unit="sigma, relative to the value", low=0.0, high=1.5, source=IMAGENET_C)
def speckle(images: Images, level: float, random: KeyedRandom) -> Images:
    """Multiply each channel of each pixel by 1 + N(0, level^2)."""
    return images + images * (np.float32(level) * random.normal(images.shape[1:]))
