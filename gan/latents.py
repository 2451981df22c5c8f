"""What enters a generator: random vectors, random maps, or images to be translated."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.special import ndtr, ndtri

from noise import KeyedRandom, apply, fields, find

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]

DIMENSIONS = 128
"""Of all vectors; a power of 2, for the centres of the mixture."""
TRUNCATION = 2.0
"""Standard deviations."""
MODES = 16
"""Components of the mixture."""
MAP_CHANNELS = 3
"""Independent fields in a map: as many as in an image, so that a map can be looked at as one."""
CELLS = 4
"""Cells of Perlin noise along a side."""
CYCLES = 4
"""Cycles along a side of the finest wave of a band-limited map."""
BLUR = 1 / 16
"""Sigma of the blur, as a share of the side."""
NOISE = 0.2
"""Sigma of the noise on noisy signs, on the [0, 1] scale."""


@dataclass(frozen=True)
class Latent:
    """One kind of input.

    Attributes:
        name: In `LATENTS`.
        kind: vector: (N, 128); map: random fields (N, size, size, 3); image: made from images that the caller gives.
        source: Paper or system.
        draw: vector: `(n, random)`; map: `(n fields, size, random)`; image: `(images, random)`.
        channels: Of maps and images.
    """

    name: str
    kind: Literal["vector", "map", "image"]
    source: str
    draw: Callable[..., Floats]
    channels: int = MAP_CHANNELS

    def shape(self, size: int) -> tuple[int, ...]:
        """Of one input to a generator of images of this size: (128,) or (size, size, channels)."""
        return (DIMENSIONS,) if self.kind == "vector" else (size, size, self.channels)

    def sample(self, n: int, size: int, random: np.random.Generator, *, images: Images | None = None) -> Floats:
        """Draw `n` inputs.

        Args:
            n: How many.
            size: Side in pixels of the images to be generated.
            random: All randomness comes from it.
            images: Only of kind image: the n images uint8 (n, size, size, 3) to start from.

        Returns:
            float32 (n, *shape(size)); vectors and maps of mean 0 and variance 1, images in [-1, 1].

        Raises:
            ValueError: images are missing or of another shape.
        """
        if self.kind == "vector":
            return self.draw(n, random)
        if self.kind == "map":
            drawn = self.draw(n * self.channels, size, random)
            return _standardised(drawn).reshape(n, self.channels, size, size).transpose(0, 2, 3, 1)
        if images is None or images.shape != (n, size, size, 3):
            given = "none" if images is None else f"those of shape {images.shape}"
            raise ValueError(
                f"latent {self.name} is made from images: give uint8 ({n}, {size}, {size}, 3), not {given}"
            )
        return self.draw(images, random)


def latent(name: str) -> Latent:
    """The latent of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in LATENTS:
        raise ValueError(f"there is no latent {name}; choose one of {', '.join(LATENTS)}")
    return LATENTS[name]


def _uniform(n: int, random: np.random.Generator) -> Floats:
    """U(-sqrt(3), sqrt(3)), of variance 1."""
    z: Floats = np.sqrt(np.float32(3)) * (2 * random.random((n, DIMENSIONS), np.float32) - 1)
    return z


def _gaussian(n: int, random: np.random.Generator) -> Floats:
    return random.standard_normal((n, DIMENSIONS), np.float32)


def _truncated_gaussian(n: int, random: np.random.Generator) -> Floats:
    """N(0, 1) within two standard deviations, by its quantile function."""
    tail = ndtr(-TRUNCATION)
    z: Floats = ndtri(tail + (1 - 2 * tail) * random.random((n, DIMENSIONS))).astype(np.float32)
    return z


def _spherical(n: int, random: np.random.Generator) -> Floats:
    """Uniform on the sphere of radius sqrt(128), where almost all of a Gaussian lies."""
    z = _gaussian(n, random)
    z *= np.sqrt(np.float32(DIMENSIONS)) / np.linalg.norm(z, axis=1, keepdims=True)
    return z


def _mixture(n: int, random: np.random.Generator) -> Floats:
    """16 Gaussians of variance 1/4 around orthogonal and opposite centres: together of mean 0 and variance 1."""
    centres = hadamard(DIMENSIONS)[1 : MODES // 2 + 1].astype(np.float32)
    chosen = np.concatenate([centres, -centres])[random.integers(MODES, size=n)]
    z: Floats = np.sqrt(np.float32(0.75)) * chosen + np.float32(0.5) * _gaussian(n, random)
    return z


def _keyed(n: int, random: np.random.Generator) -> KeyedRandom:
    """The source of n random fields."""
    return KeyedRandom(int(random.integers(2**63)), "latent", [str(index) for index in range(n)])


def _perlin(n: int, size: int, random: np.random.Generator) -> Floats:
    return fields.perlin(_keyed(n, random), (size, size), CELLS)


def _gabor(n: int, size: int, random: np.random.Generator) -> Floats:
    """Sparse Gabor noise, alone: added to nothing."""
    nothing = np.zeros((n, size, size, 1), np.float32)
    return find("gabor").function(nothing, 1.0, _keyed(n, random)).reshape(n, size, size)


def _band_limited(n: int, size: int, random: np.random.Generator) -> Floats:
    """White noise of which only waves of up to 4 cycles a side are kept."""
    waves = _keyed(n, random).normal((size, size // 2 + 1, 2)).view(np.complex64)[..., 0]
    kept: Floats = scipy.fft.irfft2(waves * _band(size), s=(size, size))
    return kept


@cache
def _band(size: int) -> Floats:
    """Mask (size, size // 2 + 1) of waves of 1 to 4 cycles a side in any direction."""
    cycles = size * np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    mask: Floats = ((cycles > 0) & (cycles <= CYCLES)).astype(np.float32)
    return mask


def _standardised(drawn: Floats) -> Floats:
    """Fields (N, H, W), each of mean 0 and variance 1."""
    centred = drawn - drawn.mean(axis=(1, 2), keepdims=True)
    scaled: Floats = centred / np.sqrt(np.square(centred).mean(axis=(1, 2), keepdims=True) + np.float32(1e-12))
    return scaled


def _signed(images: Images | Floats, scale: float) -> Floats:
    """0..scale to -1..1."""
    signed: Floats = images.astype(np.float32) * np.float32(2 / scale) - 1
    return signed


def _edges(images: Images, _: np.random.Generator) -> Floats:
    """A sketch: length of the luminance's gradient, over its largest in the image (N, H, W, 1)."""
    luma = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    steep = np.hypot(*np.gradient(luma, axis=(1, 2)))
    return _signed(steep / np.maximum(steep.max(axis=(1, 2), keepdims=True), 1), 1)[..., None]


def _blurred(images: Images, _: np.random.Generator) -> Floats:
    return _signed(_disturbed("gaussian_blur", images, BLUR * images.shape[1], 0), 255)


def _noisy(images: Images, random: np.random.Generator) -> Floats:
    return _signed(_disturbed("gaussian", images, NOISE, int(random.integers(2**63))), 255)


def _disturbed(noise: str, images: Images, level: float, seed: int) -> Images:
    return apply(noise, images, level, image_ids=[str(index) for index in range(len(images))], seed=seed)


def _pictogram(images: Images, _: np.random.Generator) -> Floats:
    """Rendered signs, which the caller gives, as they are."""
    return _signed(images, 255)


ISOLA = "Isola et al. 2017, pix2pix"

LATENTS: dict[str, Latent] = {
    kind.name: kind
    for kind in (
        Latent("uniform", "vector", "Radford et al. 2016, DCGAN", _uniform),
        Latent("gaussian", "vector", "Goodfellow et al. 2014", _gaussian),
        Latent("truncated_gaussian", "vector", "Brock et al. 2019, BigGAN", _truncated_gaussian),
        Latent("spherical", "vector", "White 2016, Sampling generative networks", _spherical),
        Latent("mixture", "vector", "Ben-Yosef and Weinshall 2018, Gaussian mixture GANs", _mixture),
        Latent("perlin", "map", "Perlin 2002", _perlin),
        Latent("gabor", "map", "Lagae et al. 2009", _gabor),
        Latent("band_limited", "map", "white noise through an ideal low-pass filter", _band_limited),
        Latent("edges", "image", ISOLA, _edges, channels=1),
        Latent("blurred", "image", "Nah et al. 2017, deblurring", _blurred),
        Latent("noisy", "image", "noise removed by translation", _noisy),
        Latent("pictogram", "image", "Soufi and Valdenegro-Toro 2019, symbol to sign", _pictogram),
    )
}
"""Latents by name."""
