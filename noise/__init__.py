"""Every way to disturb an image: `apply` one noise of the `catalogue`."""

from noise import random_noise, structured  # noqa: F401  (importing a family registers its noises)
from noise.keyed import KeyedRandom
from noise.registry import Noise, apply, catalogue, disturb, find, noise

__all__ = ["KeyedRandom", "Noise", "apply", "catalogue", "disturb", "find", "noise"]
