"""The catalogue of noises, and the one caller of them all."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from inspect import getdoc
from types import MappingProxyType
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from noise.exits import staying
from noise.keyed import KeyedRandom

Images = NDArray[np.float32]
NoiseFunction = Callable[[Images, float, KeyedRandom], Images]
Step = Callable[[int, int], float]
"""Of the height and width of images in pixels: the step of a noise's levels."""

PLUGINS = "sign_to_noise.noises"
"""Entry-point group: installed packages that name a module here have its noises in the catalogue."""
JOINT = "__"
"""Between the names of a composite's parts."""
RESERVED = ("clean", "all")
"""What tables call images without noise, and all noises together."""
NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"
"""A name becomes part of file names and of MLflow's metrics, on every system."""
LONGEST = 200
"""Characters of a composite's name, for the same reason."""
LEAST_SIDE = 8
"""Pixels: smaller images have no room for blurs, blocks and borders."""
CHUNK_BYTES = 1 << 19
"""Float images are disturbed in chunks of this size, so that all steps of a noise stay in the cache."""


@dataclass(frozen=True)
class Noise:
    """One kind of noise: what it is called, what its level means, and the function that makes it.

    `corruption` names the CIFAR-10-C corruption that this noise stands for, if there is one, and `severities` says
    which levels are its severities 1 to 5 (Hendrycks and Dietterich 2019). `step` tells how far apart the levels are
    that make different images: these change at (k - 1/2) steps only, for whole k; 0 where they change at every level.
    """

    name: str
    family: str
    unit: str
    low: float
    high: float
    source: str
    function: NoiseFunction
    corruption: str = ""
    severities: Mapping[int, float] = field(default_factory=dict)
    step: Step = lambda height, width: 0.0  # noqa: ARG005

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (getdoc(self.function) or "").split("\n", 1)[0]

    def check(self, level: float) -> None:
        """Raise ValueError unless `level` lies in the range of this noise."""
        if not self.low <= level <= self.high:
            raise ValueError(
                f"noise {self.name}: level {level:g} is out of range; "
                f"choose {self.low:g} to {self.high:g} ({self.unit})"
            )


_CATALOGUE: dict[str, Noise] = {}


def noise(
    *,
    family: str,
    unit: str,
    high: float,
    source: str,
    low: float = 0.0,
    corruption: str = "",
    severities: Mapping[int, float] | None = None,
    step: Step | None = None,
) -> Callable[[NoiseFunction], NoiseFunction]:
    """Register a function `(images, level, random) -> images` under its own name.

    The function gets float32 images (N, H, W, C) in [0, 1] that it must not change, and may return values outside
    [0, 1]: clipping, conversion, the identity at `low` and checks are done once, by the caller of all noises.

    Args:
        family: random, structured, optical, ...
        unit: what a level is, on the [0, 1] scale, in pixels, or as a share of the area.
        high: the largest level.
        source: the paper or system that the noise comes from.
        low: the level that changes nothing; only 0 will do.
        corruption: the CIFAR-10-C corruption that this noise stands for.
        severities: the levels of that corruption's severities 1 to 5.
        step: how far apart levels are that make different images, of their height and width; without one all do.
    """

    def register(function: NoiseFunction) -> NoiseFunction:
        name = function.__name__
        if not re.fullmatch(NAME, name) or name.endswith("_"):
            raise ValueError(
                f"noise {name!r}: a name is 1 to 64 letters, digits and _ of ASCII, a letter first and no _ last; "
                "choose another name"
            )
        if name.casefold() in map(str.casefold, _CATALOGUE):  # some file systems know no case
            raise ValueError(f"noise {name} is registered already; choose another name")
        if name.casefold() in RESERVED or JOINT in name:
            raise ValueError(
                f"noise {name}: {', '.join(RESERVED)} and names with {JOINT} are taken; choose another name"
            )
        if low != 0.0 or not high > low:
            raise ValueError(
                f"noise {name}: its range is {low:g} to {high:g}; let it start at 0, where nothing changes"
            )
        stepped = {"step": step} if step else {}
        kind = Noise(name, family, unit, low, high, source, function, corruption, dict(severities or {}), **stepped)
        for level in kind.severities.values():
            kind.check(level)
        _CATALOGUE[name] = kind
        return function

    return register


def catalogue() -> Mapping[str, Noise]:
    """All registered noises by name, those of installed plug-ins included; composites are made by `find`."""
    _load_installed()
    return MappingProxyType(_CATALOGUE)


def find(name: str) -> Noise:
    """The noise of this name; `a__b` is noise a, then noise b, as one.

    Raises:
        ValueError: there is none; near names are suggested.
    """
    known = catalogue()
    if name in known:
        return known[name]
    if JOINT in name:
        return _compose([find(part) for part in name.split(JOINT)])
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(sorted(known))}"
    raise ValueError(f"noise {name!r} is unknown; {hint}")


@cache
def _load_installed() -> None:
    for plugin in entry_points(group=PLUGINS):
        with staying(f"the installed plug-in {plugin.name} = {plugin.value}"):
            plugin.load()


def _compose(parts: Sequence[Noise]) -> Noise:
    """Noises in sequence, each on what the one before left, that move along their ranges together."""

    def composite(images: Images, level: float, random: KeyedRandom) -> Images:
        for part in parts:
            images = np.clip(part.function(images, part.low + level * (part.high - part.low), random), 0.0, 1.0)
            images.flags.writeable = False
        return images

    composite.__doc__ = f"Apply {', then '.join(part.name for part in parts)}, at the same share of their ranges."
    sources = dict.fromkeys(part.source for part in parts)
    name, unit = JOINT.join(part.name for part in parts), "share of the parts' ranges"
    if len(name) > LONGEST:
        raise ValueError(f"noise {name}: {len(name)} characters are too many for a file name; join fewer noises")
    return Noise(name, "composite", unit, 0.0, 1.0, "; ".join(sources), composite)


def apply(
    name: str,
    images: NDArray[Any],
    level: float,
    *,
    image_ids: Sequence[str],
    seed: int = 0,
    repeat: int = 0,
) -> NDArray[Any]:
    """Disturb a batch of images.

    Args:
        name: a noise of the catalogue.
        images: (N, H, W, C), uint8, or float32 in [0, 1]; never changed.
        level: in the noise's own unit; its `low` changes nothing.
        image_ids: N stable names; with the seed and the repeat they decide all randomness.
        seed: seed of the experiment.
        repeat: another independent draw of the same experiment.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: unknown noise, level out of range, or images of another form.
    """
    disturbed: NDArray[Any] = disturb(find(name), images, [level], image_ids=image_ids, seed=seed, repeat=repeat)[0]
    return disturbed


def disturb(
    kind: Noise,
    images: NDArray[Any],
    levels: Sequence[float],
    *,
    image_ids: Sequence[str],
    seed: int = 0,
    repeat: int = 0,
) -> NDArray[Any]:
    """Disturb a batch at several levels, drawing its random fields once: (levels, N, H, W, C)."""
    _check_images(images, image_ids)
    for level in levels:
        kind.check(level)
    out = np.empty((len(levels), *images.shape), images.dtype)
    step = max(1, CHUNK_BYTES // (4 * images[0].size)) if len(images) else 1
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        random = KeyedRandom(seed, kind.name, image_ids[part], repeat)
        clean = to_float(images[part]) if images.dtype == np.uint8 else images[part]
        clean.flags.writeable = False
        for index, level in enumerate(levels):
            random.replay()
            if level == kind.low:
                out[index, part] = images[part]
                continue
            with staying(f"noise {kind.name}"):
                changed = kind.function(clean, level, random)
            if changed.shape != clean.shape:
                raise ValueError(f"noise {kind.name}: returned shape {changed.shape} for images of {clean.shape}")
            if not np.isfinite(changed.sum()):
                raise ValueError(f"noise {kind.name}: values that are not finite at level {level:g}; mend its formula")
            if images.dtype == np.uint8:
                to_uint8(np.ascontiguousarray(changed, np.float32).reshape(-1), out[index, part].reshape(-1))
            else:
                np.clip(changed, 0.0, 1.0, out=out[index, part])
    return out


def _check_images(images: NDArray[Any], image_ids: Sequence[str]) -> None:
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
        raise ValueError(f"images: want (N, H, W, C) of uint8 or float32, got {images.shape} of {images.dtype}")
    if min(images.shape[1:3]) < LEAST_SIDE or images.shape[3] not in (1, 3):
        raise ValueError(
            f"images: of {images.shape[1:]} pixels and channels; give {LEAST_SIDE} x {LEAST_SIDE} pixels or more, "
            "grey (1 channel) or RGB (3)"
        )
    if len(image_ids) != len(images):
        raise ValueError(f"image_ids: want one an image, got {len(image_ids)} for {len(images)} images")
    if images.dtype == np.float32 and images.size and not (images.min() >= 0.0 and images.max() <= 1.0):
        raise ValueError("images: float images must lie in [0, 1]; divide 0..255 by 255, or pass uint8")


def to_float(images: NDArray[np.uint8]) -> Images:
    """Images of 0..255 on the [0, 1] scale."""
    pixels = np.ascontiguousarray(images)
    scaled = np.empty(pixels.shape, np.float32)
    _scale(pixels.reshape(-1), scaled.reshape(-1))
    return scaled


@njit(cache=True)
def _scale(values: NDArray[np.uint8], out: Images) -> None:
    for e in range(values.size):
        out[e] = np.float32(values[e]) * np.float32(1 / 255)


@njit(cache=True)
def to_uint8(values: Images, out: NDArray[np.uint8]) -> None:
    """Clip values (P,) to [0, 1] and round them to the nearest of 0..255."""
    for e in range(values.size):
        out[e] = np.uint8(
            np.int32(min(max(values[e], np.float32(0.0)), np.float32(1.0)) * np.float32(255.0) + np.float32(0.5))
        )
