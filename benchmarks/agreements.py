"""What has to agree with which peer, and within what: the tables of `noise_agreement`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.image_statistics import DISTANCE, INNER

Where = Literal["signs", "grey"]


@dataclass(frozen=True)
class Check:
    """A statistic of a noise that has to agree with the peer's, on rendered signs or on mid-grey images."""

    statistic: str
    tolerance: float
    on: Where = "signs"
    by_design: str = ""


ONE_SIDED = "its kernel starts at the pixel, ours is centred on it: its image moves by some pixels too"
PHOTOGRAPHS = "it blends in photographs of frost, ours grows ice from the border inwards"
APART = "it sets its blur and its swaps apart, ours rise together: marks of equal L2, with more grain at 4 and 5"
WATER = "its severities 1 to 3 are water, ours are mud"
LINEAR = "it counts photons of linear light, ours (and imagecorruptions) of the value itself"
ROUNDS_DOWN = "it rounds down, ours to the nearest"
ONE_COLOUR = "it draws one random value a channel and image, ours one for each impulse"
CROPPED = "its square is cut off at the border, ours keeps its area"
ABOUT_TOP = "it shears about the top, ours about the middle, which moves pixels half as far"
ADDS_A_TENTH = "ours adds 0.1 to the saturation at this level, as CIFAR-10-C's severity 4 does"

SEVERITIES: dict[str, tuple[Check, ...]] = {
    "gaussian_noise": (Check("deviation", 0.02), Check("mean", 0.002), Check("neighbours", 0.01)),
    "shot_noise": (Check("deviation", 0.02), Check("mean", 0.002), Check("neighbours", 0.01)),
    "impulse_noise": (Check("values", 0.04), Check("mean", 0.002)),
    "speckle_noise": (Check("deviation", 0.02), Check("mean", 0.002)),
    "gaussian_blur": (Check(INNER, 0.05),),
    "defocus_blur": (Check("L2", 0.1), Check("fine", 1.0)),
    "glass_blur": (Check("L2", 0.1), Check("fine", 2.0, by_design=APART)),
    "motion_blur": (Check("fine", 1.5), Check("middle", 1.5), Check("L2", 0.1, by_design=ONE_SIDED)),
    "zoom_blur": (Check("L2", 0.1), Check("fine", 1.0)),
    "fog": (Check("brightness", 0.01), Check("contrast", 0.05), Check("slope", 0.3)),
    "snow": (Check("L2", 0.15), Check("brightness", 0.04)),
    "frost": (Check("L2", 0.15), Check("brightness", 0.03, by_design=PHOTOGRAPHS)),
    "spatter": (Check("L2", 0.15), Check("mean", 0.02, by_design=WATER)),
    "contrast": (Check(DISTANCE, 0.03),),
    "brightness": (Check(DISTANCE, 0.03),),
    "saturate": (Check(DISTANCE, 0.08),),
    "jpeg_compression": (Check(DISTANCE, 0.01),),
    "pixelate": (Check("L2", 0.02), Check("fine", 0.1)),
}
"""What defines each corruption of CIFAR-10-C, whose uint8 images are rounded here, not cut off."""

BY_RANK = {"frost", "spatter"}

NOT_COMPARED = {
    "elastic_transform's severities": "marks of equal local strain, which tests/noise/test_geometric.py proves; its "
    "severity 3 of ImageNet-C is among the other libraries",
    "rain, snow, shadow, fog and lens flare of albumentations": "they share a name with ours, not a model",
    "GlassBlur, Perspective, Spatter, PlanckianJitter of albumentations, RandomErasing, RandomPerspective and "
    "RandomContrast of Keras": "they draw their strength, or it cannot be set to ours",
    "noises without a peer": "closed forms and oracles of scipy and scikit-image prove them in tests/noise",
}

ADDED = (Check("deviation", 0.02, "grey"), Check("mean", 0.002, "grey"), Check("neighbours", 0.01, "grey"))
TURNED = (Check("L2", 0.03), Check("fine", 1.0))
PEERS: dict[tuple[str, str], tuple[Check, ...]] = {
    ("gaussian", "imagecorruptions gaussian_noise"): ADDED[:1],
    ("shot", "imagecorruptions shot_noise"): (Check("deviation", 0.02), Check("neighbours", 0.01)),
    ("speckle", "imagecorruptions speckle_noise"): (Check("deviation", 0.02),),
    ("salt_pepper", "imagecorruptions impulse_noise"): (Check("pixels", 0.03), Check("deviation", 0.03)),
    ("motion_blur", "imagecorruptions motion_blur"): (Check("middle", 2.0), Check("L2", 0.1, by_design=ONE_SIDED)),
    ("zoom_blur", "imagecorruptions zoom_blur"): (Check("L2", 0.1),),
    ("glass_blur", "imagecorruptions glass_blur"): (Check("L2", 0.15),),
    ("pixelate", "imagecorruptions pixelate"): (Check("L2", 0.05),),
    ("jpeg", "imagecorruptions jpeg_compression"): (Check(DISTANCE, 0.01),),
    ("brightness", "imagecorruptions brightness"): (Check(DISTANCE, 0.03),),
    ("contrast", "imagecorruptions contrast"): (Check(DISTANCE, 0.03),),
    ("saturation", "imagecorruptions saturate"): (Check(DISTANCE, 0.05, by_design=ADDS_A_TENTH),),
    ("fog", "imagecorruptions fog"): (Check("brightness", 0.02), Check("contrast", 0.1), Check("slope", 0.3)),
    ("snow", "imagecorruptions snow"): (Check("L2", 0.1),),
    ("frost", "imagecorruptions frost"): (Check("L2", 0.1),),
    ("spatter", "imagecorruptions spatter"): (Check("L2", 0.1),),
    ("gaussian", "albumentations GaussNoise"): ADDED,
    ("gaussian", "keras GaussianNoise"): ADDED,
    ("uniform", "albumentations AdditiveNoise uniform"): (*ADDED, Check("kurtosis", 0.05, "grey")),
    ("laplace", "albumentations AdditiveNoise laplace"): (*ADDED, Check("kurtosis", 0.2, "grey")),
    ("shot", "albumentations ShotNoise"): (Check("deviation", 0.03, "grey", LINEAR),),
    ("speckle", "albumentations MultiplicativeNoise"): ADDED,
    ("salt_pepper", "albumentations SaltAndPepper"): (
        Check("values", 0.03, "grey"),
        Check("deviation", 0.02, "grey"),
        Check("mean", 0.002, "grey"),
    ),
    ("dead_pixels", "albumentations SaltAndPepper"): (
        Check("pixels", 0.03, "grey"),
        Check("deviation", 0.02, "grey"),
        Check("mean", 0.003, "grey"),
    ),
    ("impulse", "albumentations PixelDropout random"): (
        Check("values", 0.03, "grey"),
        Check("deviation", 0.03, "grey", ONE_COLOUR),
    ),
    ("quantisation", "albumentations Posterize"): (
        Check("deviation", 0.05),
        Check("mean", 0.005, by_design=ROUNDS_DOWN),
    ),
    ("quantisation", "keras-cv Posterization"): (Check("deviation", 0.05), Check("mean", 0.005, by_design=ROUNDS_DOWN)),
    ("colour_patches", "albumentations CoarseDropout, 8 holes"): (Check("pixels", 0.1), Check("L2", 0.1)),
    ("occlusion", "albumentations CoarseDropout, 1 hole"): (Check("pixels", 0.02), Check("L2", 0.05)),
    ("occlusion", "keras-cv RandomCutout"): (Check("pixels", 0.1, by_design=CROPPED),),
    ("black_rows", "albumentations XYMasking"): (Check("pixels", 0.1, "grey"),),
    ("black_columns", "albumentations XYMasking"): (Check("pixels", 0.1, "grey"),),
    ("grid", "albumentations GridDropout"): (Check("mean", 0.005, "grey"),),
    ("grid", "keras-cv GridMask"): (Check("mean", 0.01, "grey"),),
    ("dropped_blocks", "albumentations CoarseDropout, 18 holes"): (Check("pixels", 0.1),),
    ("gaussian_blur", "albumentations GaussianBlur"): (Check(DISTANCE, 0.02),),
    ("gaussian_blur", "keras-cv RandomGaussianBlur"): (Check(INNER, 0.05),),
    ("gaussian_blur", "imagecorruptions gaussian_blur"): (Check(INNER, 0.05),),
    ("defocus_blur", "albumentations Defocus"): (Check(DISTANCE, 0.03),),
    ("defocus_blur", "imagecorruptions defocus_blur"): (Check(DISTANCE, 0.05),),
    ("motion_blur", "albumentations MotionBlur"): (Check("L2", 0.05), Check("middle", 2.0)),
    ("zoom_blur", "albumentations ZoomBlur"): (Check("L2", 0.1),),
    ("pixelate", "albumentations Downscale"): (Check("L2", 0.05),),
    ("jpeg", "albumentations ImageCompression"): (Check("L2", 0.05),),
    ("jpeg", "keras-cv RandomJpegQuality"): (Check(DISTANCE, 0.1),),
    ("brightness", "albumentations HueSaturationValue"): (Check(DISTANCE, 0.03),),
    ("over_exposure", "albumentations RandomBrightnessContrast"): (Check(DISTANCE, 0.01),),
    ("contrast", "albumentations ColorJitter"): (Check("contrast", 0.03),),
    ("contrast", "keras-cv RandomContrast"): (Check(DISTANCE, 0.01),),
    ("hue", "albumentations HueSaturationValue"): (Check("L2", 0.02),),
    ("hue", "keras-cv RandomHue"): (Check("L2", 0.02),),
    ("hue", "keras RandomHue"): (Check("L2", 0.02),),
    ("desaturation", "keras-cv RandomSaturation"): (Check(DISTANCE, 0.02),),
    ("desaturation", "keras RandomSaturation"): (Check(DISTANCE, 0.02),),
    ("saturation", "keras-cv RandomSaturation"): (Check(DISTANCE, 0.02, by_design=ADDS_A_TENTH),),
    ("rotation", "albumentations Rotate"): TURNED,
    ("rotation", "keras-cv RandomRotation"): TURNED,
    ("rotation", "keras RandomRotation"): TURNED,
    ("shear", "albumentations Affine"): TURNED,
    ("shear", "keras-cv RandomShear"): (Check("L2", 0.03, by_design=ABOUT_TOP),),
    ("scale", "albumentations Affine"): (Check(DISTANCE, 0.02),),
    ("scale", "keras-cv RandomZoom"): (Check(DISTANCE, 0.02),),
    ("scale", "keras RandomZoom"): (Check(DISTANCE, 0.02),),
    ("translation", "albumentations Affine"): (Check("L2", 0.06),),
    ("translation", "keras-cv RandomTranslation"): (Check("L2", 0.06),),
    ("elastic", "albumentations ElasticTransform"): (Check("L2", 0.1),),
    ("elastic", "imagecorruptions elastic_transform"): (Check("L2", 0.1),),
}
"""What has to agree with the peers of `noise_speed`, at its strengths."""
