"""CIFAR-10-C's corruptions: imagecorruptions' code with the constants of hendrycks/robustness, make_cifar_c.py."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from imagecorruptions import corruptions
from numpy.typing import NDArray
from PIL import Image

CIFAR_10_C: dict[str, dict[Any, Any]] = {
    "gaussian_noise": {(0.08, 0.12, 0.18, 0.26, 0.38): (0.04, 0.06, 0.08, 0.09, 0.10)},
    "shot_noise": {(60, 25, 12, 5, 3): (500, 250, 100, 75, 50)},
    "impulse_noise": {(0.03, 0.06, 0.09, 0.17, 0.27): (0.01, 0.02, 0.03, 0.05, 0.07)},
    "speckle_noise": {(0.15, 0.2, 0.35, 0.45, 0.6): (0.06, 0.1, 0.12, 0.16, 0.2)},
    "gaussian_blur": {(1, 2, 3, 4, 6): (0.4, 0.6, 0.7, 0.8, 1)},
    "glass_blur": {
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)): (
            *((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        )
    },
    "defocus_blur": {
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)): (
            *((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        )
    },
    "motion_blur": {
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)): ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    },
    "zoom_blur": {1.11: 1.06, 1.16: 1.11, 1.21: 1.16, 1.26: 1.21, 1.31: 1.26, 0.02: 0.01, 0.03: 0.01},
    "fog": {
        ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)): ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))
    },
    "frost": {
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)): (
            *((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        )
    },
    "snow": {
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ): (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        )
    },
    "spatter": {
        (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ): (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        )
    },
    "contrast": {(0.4, 0.3, 0.2, 0.1, 0.05): (0.75, 0.5, 0.4, 0.3, 0.15)},
    "brightness": {(0.1, 0.2, 0.3, 0.4, 0.5): (0.05, 0.1, 0.15, 0.2, 0.3)},
    "saturate": {
        ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)): ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))
    },
    "jpeg_compression": {(25, 18, 15, 10, 7): (80, 65, 58, 50, 40)},
    "pixelate": {(0.6, 0.5, 0.4, 0.3, 0.25): (0.95, 0.9, 0.85, 0.75, 0.65)},
}
"""Constants in the code of imagecorruptions' functions, and CIFAR-10-C's in their places."""


def cifar_10_c(corruption: str) -> Callable[[NDArray[np.uint8], int], Any]:
    """A function (image, severity) that makes this corruption of CIFAR-10-C, on 0..255 and not rounded.

    It is imagecorruptions', with other constants in its code: it offers no argument for them.
    """
    function, new = getattr(corruptions, corruption), CIFAR_10_C[corruption]
    code = function.__code__
    if missing := new.keys() - {one for one in code.co_consts if isinstance(one, tuple | float)}:
        raise ValueError(f"imagecorruptions {corruption}: {missing} is not in its code; install version 1.1.5")
    constants = tuple(new[one] if isinstance(one, tuple | float) and one in new else one for one in code.co_consts)
    changed = FunctionType(code.replace(co_consts=constants), function.__globals__, corruption, function.__defaults__)
    return lambda image, severity: np.asarray(changed(Image.fromarray(image), severity))
