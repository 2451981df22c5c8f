"""Every way to disturb an image: `apply` one noise of the `catalogue`."""

from noise import (  # noqa: F401  (importing a family registers its noises)
    geometric,
    lens,
    light,
    optical,
    procedural,
    random_noise,
    structured,
    vandalism,
    weather,
)
from noise.keyed import KeyedRandom
from noise.registry import Noise, apply, catalogue, disturb, find, noise

__all__ = ["KeyedRandom", "Noise", "apply", "catalogue", "disturb", "find", "noise"]
