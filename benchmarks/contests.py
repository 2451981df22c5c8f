"""What other libraries call the same as our noises, at the same strengths: the table that benchmarks beside them share.

Where a severity of imagecorruptions exists, its constants (ImageNet-C's severity 3) set the strength for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import albumentations
import cv2
import numpy as np
from imagecorruptions import corrupt
from numpy.typing import NDArray

from benchmarks.keras_layers import ADDS_ALIKE, keras_cv_layers, keras_layers

Images = NDArray[np.uint8]
Change = Callable[[Images], Sequence[Any]]
"""N images of one size, to N images that are changed."""

LIBRARIES = ("imagecorruptions", "albumentations", "keras-cv", "keras")
SEVERITY = 3
REPLICATE = cv2.BORDER_REPLICATE
DARKENS = "scales about black, ours about the mean"


@dataclass(frozen=True)
class Peer:
    """One function of one library, and, if its effect is not quite ours, in what it differs: then it isn't judged."""

    change: Change
    differs: str = ""
    batched: bool = False


@dataclass(frozen=True)
class Contest:
    """A noise of ours at one level, and its peers by `library what`."""

    level: float
    peers: Mapping[str, Peer] = field(default_factory=dict)


def contests(size: int) -> dict[str, Contest]:
    """The contests of all noises that have a peer, for images of `size` x `size` pixels."""
    levels = _levels(size)
    peers: dict[str, dict[str, Peer]] = {name: {} for name in levels}
    for name, corruption in CORRUPTIONS.items():
        peers[name][f"imagecorruptions {corruption}"] = Peer(_one_by_one(_corruption(corruption)))
    for found in (_random(), _covering(size), _optical(), _light(), _weather(size), _geometric(size)):
        for (name, what), (transform, differs) in found.items():
            peers[name][f"albumentations {what}"] = Peer(_one_by_one(partial(_transformed, transform)), differs)
    for library, layers in (("keras-cv", keras_cv_layers(levels)), ("keras", keras_layers(levels))):
        for (name, what), layer in layers.items():
            peers[name][f"{library} {what}"] = Peer(layer.compiled(), layer.differs, batched=True)
    return {name: Contest(level, peers[name]) for name, level in levels.items()}


CORRUPTIONS = {
    "gaussian": "gaussian_noise",
    "shot": "shot_noise",
    "speckle": "speckle_noise",
    "salt_pepper": "impulse_noise",
    "gaussian_blur": "gaussian_blur",
    "defocus_blur": "defocus_blur",
    "motion_blur": "motion_blur",
    "zoom_blur": "zoom_blur",
    "glass_blur": "glass_blur",
    "pixelate": "pixelate",
    "jpeg": "jpeg_compression",
    "brightness": "brightness",
    "contrast": "contrast",
    "saturation": "saturate",
    "fog": "fog",
    "snow": "snow",
    "frost": "frost",
    "spatter": "spatter",
    "elastic": "elastic_transform",
}
"""All 19 of imagecorruptions, by the noise of ours that does the same."""


def _levels(size: int) -> dict[str, float]:
    """Our levels; glass_blur, snow, frost and spatter have the mean L2 of imagecorruptions' severity 3 on signs."""
    return {
        "gaussian": 0.18,
        "uniform": 0.3,
        "laplace": 0.18,
        "shot": 12**-0.5,
        "speckle": 0.35,
        "salt_pepper": 0.09,
        "impulse": 0.09,
        "quantisation": 32 / 255,
        "colour_patches": 0.25,
        "occlusion": 0.25,
        "black_rows": 0.25,
        "black_columns": 0.25,
        "grid": 0.25,
        "dead_pixels": 0.09,
        "dropped_blocks": 0.25,
        "gaussian_blur": 3.0,
        "defocus_blur": 6.0,
        "motion_blur": 16.5,  # the variance of half a Gaussian of sigma 8, cut off at 31 pixels
        "zoom_blur": 0.2,
        "glass_blur": 3.5,
        "pixelate": 1 - int(0.4 * size) / size,
        "jpeg": 0.85,
        "brightness": 0.3,
        "over_exposure": 2.2,
        "low_light": 2.2,
        "contrast": 0.8,
        "colour_cast": 1.0,
        "hue": 90.0,
        "desaturation": 0.7,
        "saturation": 1.0,
        "fog": 2.5,
        "rain": 0.4,
        "snow": 0.2,
        "shadow": 0.5,
        "frost": 0.45,
        "spatter": 0.085,
        "lens_flare": 1.0,
        "glare": 0.2,
        "rotation": 36.0,
        "shear": 0.3,
        "scale": 0.3,
        "translation": 0.2,
        "perspective": 0.1,
        "elastic": _elastic_level(size),
    }


def _elastic_level(size: int) -> float:
    """Root mean square displacement of imagecorruptions' severity 3, as a share of the side.

    U(-b, b), b 0.5% of the side, smoothed along both axes with a sigma of 1% of it, times 21.25.
    """
    sigma = 0.01 * size
    weights = np.exp(-0.5 * (np.arange(-int(3 * sigma + 0.5), int(3 * sigma + 0.5) + 1) / sigma) ** 2)
    kept = float((weights**2).sum() / weights.sum() ** 2)
    return 2**0.5 * 21.25 * 0.005 / 3**0.5 * kept


def _corruption(name: str) -> Callable[[Images], Any]:
    return partial(corrupt, corruption_name=name, severity=SEVERITY)


def _one_by_one(call: Callable[[Images], Any]) -> Change:
    return lambda images: [call(image) for image in images]


def _transformed(transform: albumentations.BasicTransform, image: Images) -> Images:
    changed: Images = transform(image=image)["image"]
    return changed


Transforms = dict[tuple[str, str], tuple[albumentations.BasicTransform, str]]


def _random() -> Transforms:
    a = albumentations
    half = {"ranges": [(-0.3, 0.3)]}
    laplace = {"mean_range": (0.0, 0.0), "scale_range": (0.18 / 2**0.5, 0.18 / 2**0.5)}
    return {
        ("gaussian", "GaussNoise"): (a.GaussNoise(std_range=(0.18, 0.18), p=1), ""),
        ("uniform", "AdditiveNoise uniform"): (a.AdditiveNoise("uniform", "per_pixel", half, p=1), ""),
        ("laplace", "AdditiveNoise laplace"): (a.AdditiveNoise("laplace", "per_pixel", laplace, p=1), ""),
        ("shot", "ShotNoise"): (a.ShotNoise((1 / 12, 1 / 12), p=1), ""),
        ("speckle", "MultiplicativeNoise"): (a.MultiplicativeNoise((0.394, 1.606), True, True, p=1), ""),
        ("salt_pepper", "SaltAndPepper"): (a.SaltAndPepper((0.09, 0.09), (0.5, 0.5), p=1), ""),
        ("impulse", "PixelDropout random"): (a.PixelDropout(0.09, per_channel=True, drop_value=None, p=1), ""),
        ("quantisation", "Posterize"): (a.Posterize(3, p=1), ""),
    }


def _covering(size: int) -> Transforms:
    a = albumentations
    hole, patch = (0.5, 0.5), (0.19, 0.19)
    block = (0.125, 0.125)
    lines = (round(-np.log(0.75) * size),) * 2  # which fall on each other, so that a quarter is covered
    return {
        ("colour_patches", "CoarseDropout, 8 holes"): (
            a.CoarseDropout((8, 8), patch, patch, fill="random_uniform", p=1),
            "",
        ),
        ("occlusion", "CoarseDropout, 1 hole"): (a.CoarseDropout((1, 1), hole, hole, fill=128, p=1), ""),
        ("black_rows", "XYMasking"): (a.XYMasking(num_masks_y=lines, mask_y_length=(1, 1), p=1), ""),
        ("black_columns", "XYMasking"): (a.XYMasking(num_masks_x=lines, mask_x_length=(1, 1), p=1), ""),
        ("grid", "GridDropout"): (a.GridDropout(0.5, holes_number_xy=(4, 4), p=1), ""),
        ("dead_pixels", "SaltAndPepper"): (a.SaltAndPepper((0.09, 0.09), (0.5, 0.5), p=1), ""),
        ("dropped_blocks", "CoarseDropout, 18 holes"): (a.CoarseDropout((18, 18), block, block, fill=128, p=1), ""),
    }


def _optical() -> Transforms:
    a = albumentations
    area = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_NEAREST}
    return {
        ("gaussian_blur", "GaussianBlur"): (a.GaussianBlur(0, (3.0, 3.0), p=1), ""),
        ("defocus_blur", "Defocus"): (a.Defocus((6, 6), (0.5, 0.5), p=1), ""),
        ("motion_blur", "MotionBlur"): (
            a.MotionBlur((17, 17), allow_shifted=False, angle_range=(0, 360), direction_range=(0, 0), p=1),
            "",
        ),
        ("zoom_blur", "ZoomBlur"): (a.ZoomBlur((1.22, 1.22), (0.02, 0.02), p=1), ""),
        ("glass_blur", "GlassBlur"): (a.GlassBlur(1.0, 2, 3, p=1), ""),
        ("pixelate", "Downscale"): (a.Downscale((0.4, 0.4), area, p=1), ""),
        ("jpeg", "ImageCompression"): (a.ImageCompression("jpeg", (15, 15), p=1), ""),
    }


def _light() -> Transforms:
    a = albumentations
    none = (0, 0)
    one = (1, 1)
    return {
        ("brightness", "HueSaturationValue"): (a.HueSaturationValue(none, none, (76, 76), p=1), ""),
        ("brightness", "RandomBrightnessContrast"): (
            a.RandomBrightnessContrast((0.3, 0.3), none, p=1),
            ADDS_ALIKE,
        ),
        ("over_exposure", "RandomBrightnessContrast"): (a.RandomBrightnessContrast(none, (1.0, 1.0), p=1), ""),
        ("low_light", "ISONoise"): (a.ISONoise((0.01, 0.05), (0.3, 0.3), p=1), "adds noise, but takes no light away"),
        ("contrast", "ColorJitter"): (a.ColorJitter(one, (0.2, 0.2), one, none, p=1), ""),
        ("contrast", "RandomBrightnessContrast"): (a.RandomBrightnessContrast(none, (-0.8, -0.8), p=1), DARKENS),
        ("colour_cast", "PlanckianJitter"): (a.PlanckianJitter(p=1), ""),
        ("colour_cast", "RGBShift"): (a.RGBShift(p=1), "adds to the channels, ours multiplies them"),
        ("hue", "HueSaturationValue"): (a.HueSaturationValue((45, 45), none, none, p=1), ""),
        ("desaturation", "ColorJitter"): (a.ColorJitter(one, one, (0.3, 0.3), none, p=1), ""),
        ("saturation", "ColorJitter"): (a.ColorJitter(one, one, (2.0, 2.0), none, p=1), ""),
    }


def _weather(size: int) -> Transforms:
    a = albumentations
    return {
        ("fog", "RandomFog"): (a.RandomFog(fog_coef_range=(0.5, 0.5), p=1), ""),
        ("rain", "RandomRain"): (a.RandomRain(drop_length=size // 5, blur_value=3, p=1), ""),
        ("snow", "RandomSnow"): (a.RandomSnow(snow_point_range=(0.2, 0.2), method="texture", p=1), ""),
        ("shadow", "RandomShadow"): (a.RandomShadow((0, 0, 1, 1), (1, 1), p=1), ""),
        ("spatter", "Spatter"): (a.Spatter(0.65, 0.3, 1.0, 0.65, mode="mud", p=1), ""),
        ("lens_flare", "RandomSunFlare"): (a.RandomSunFlare((0, 0, 1, 1), src_radius=size // 4, p=1), ""),
        ("glare", "Illumination"): (
            a.Illumination("gaussian", (0.2, 0.2), "brighten", p=1),
            "multiplies by a smooth bump of 1.2 at most, without a veil over dark parts",
        ),
    }


def _geometric(size: int) -> Transforms:
    a = albumentations
    tilt = float(np.rad2deg(np.arctan(0.3)))
    sigma = 0.04 * size
    strength = _elastic_level(size) * size * (6 * np.pi) ** 0.5 * sigma  # of U(-1, 1) that is smoothed by sigma
    return {
        ("rotation", "Rotate"): (a.Rotate((36, 36), border_mode=REPLICATE, p=1), ""),
        ("shear", "Affine"): (a.Affine(shear={"x": (tilt, tilt), "y": (0, 0)}, border_mode=REPLICATE, p=1), ""),
        ("scale", "Affine"): (a.Affine(scale=(0.7, 0.7), border_mode=REPLICATE, p=1), ""),
        ("translation", "Affine"): (
            a.Affine(translate_percent={"x": (0.2, 0.2), "y": (0, 0)}, border_mode=REPLICATE, p=1),
            "",
        ),
        ("perspective", "Perspective"): (a.Perspective((0.07, 0.07), border_mode=REPLICATE, p=1), ""),
        ("elastic", "ElasticTransform"): (
            a.ElasticTransform(strength, sigma, noise_distribution="uniform", border_mode=REPLICATE, p=1),
            "",
        ),
    }
