"""The circumstances in which a sign is seen: where it stands, in what light, through what camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOOKS = 12  # different drawings of one class
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What the frames of one track share; lengths are in shares of the sign unless said otherwise."""

    width: float  # pixels of the captured crop
    look: int
    shift: NDArray[np.float64]
    turn: float
    tilt: NDArray[np.float64]
    stretch: float
    texture: float  # which one, 0..1
    corner: NDArray[np.float64]
    zoom: float
    exposure: float
    backlight: float
    contrast: float  # of the background
    cast: Image
    mixing: Image
    veil: float
    gamma: float
    blur: float
    noise: float
    shade: NDArray[np.float64]  # sixteen levels for the shadow on the sign
    extras: NDArray[np.float64]  # uniform draws that decide which extras there are


def draw_scene(random: np.random.Generator) -> Scene:
    """A random scene, its spreads matched to statistics of real GTSRB training images."""
    normal, uniform = random.standard_normal, random.random
    return Scene(
        width=float(44 * np.exp(0.42 * normal())),
        look=int(random.integers(LOOKS)),
        shift=0.045 * normal(2),
        turn=0.06 * normal() if uniform() < 0.9 else 0.2 * normal(),
        tilt=0.09 * normal(2),
        stretch=float(np.exp(0.03 * normal())),
        texture=uniform(),
        corner=uniform(2),
        zoom=float(uniform()),
        exposure=float(0.62 * np.exp(0.75 * normal())),
        backlight=float(np.exp(-0.1 + 0.65 * normal())),
        contrast=float(0.5 + 2.0 * uniform()),
        cast=_cast(random),
        mixing=_mixing(random),
        veil=float(max(0.0, uniform() - 0.5) * 0.5),
        gamma=float(np.exp(0.18 * normal())),
        blur=float(np.exp(-0.75 + 0.5 * normal())),
        noise=float(0.035 * uniform() ** 2),
        shade=uniform(16),
        extras=uniform(18),
    )


def _cast(random: np.random.Generator) -> Image:
    """Gains of red, green and blue: warm to cold light mostly, a little green to magenta."""
    warmth, tint = 0.10 * random.standard_normal(), 0.03 * random.standard_normal()
    return np.asarray(np.exp([warmth, tint, -warmth]), np.float32)


def _mixing(random: np.random.Generator) -> Image:
    """How the camera mixes colours (3, 3): paler than the paints are, with some cross-talk."""
    pale = 0.45 * random.random()
    mixing = (1 - pale) * np.eye(3) + pale / 3 + 0.03 * random.standard_normal((3, 3))
    return np.asarray(mixing, np.float32)
