"""Named augmentation policies: what is done to a batch of training images and to their labels.

A policy is one part, or several joined by "+" and applied from left to right, as in `signs+mixup+gridmask`. No part
mirrors an image, and all that a part draws follows from the generator that it is handed.

MixUp, CutMix and random erasing are Keras's: KerasCV's CutMix labels a patch that the border cuts off as if it were
whole (wrong by 0.16 on average), and its MixUp and CutMix draw from TensorFlow's global seed. GridMask is KerasCV's,
since Keras has none. RandAugment is composed here of Pillow's operations, which are those of its authors, since both
libraries' fail: Keras's draws the same operations for a whole batch, turns by up to 180 degrees at its default
strength, keeps the fewer bits the weaker it is set and inverts nearly all shades; KerasCV's cannot be seeded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from models.augment import SensorAugmentation, SignAugmentation

Images = NDArray[np.float32]
Labels = NDArray[np.float32]
Augment = Callable[[NDArray[np.uint8], Labels, np.random.Generator], tuple[Images, Labels]]
Part = Callable[[NDArray[Any], Labels, np.random.Generator], tuple[NDArray[Any], Labels]]


def policy(name: str) -> Augment | None:
    """The augmentation of that name; None for `none`.

    Args:
        name: `none`, or names of `PARTS` joined by "+", each at most once.

    Returns:
        A function of uint8 images (N, H, W, 3), one-hot labels (N, C) and a generator that returns float32 images in
        0..255 and labels whose rows sum to one. It is for one thread at a time.

    Raises:
        ValueError: There is no policy of that name.
    """
    parts = [PARTS[part]() for part in _parts(name)]
    if not parts:
        return None

    def augment(images: NDArray[np.uint8], labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
        changed: NDArray[Any] = images
        for part in parts:
            changed, labels = part(changed, labels, random)
        return np.clip(changed, 0, 255, dtype=np.float32), labels

    return augment


def known(name: str) -> str:
    """The name itself, if there is a policy of that name.

    Raises:
        ValueError: There is none.
    """
    _parts(name)
    return name


def _parts(name: str) -> list[str]:
    names = [] if name == "none" else name.split("+")
    if not set(names) <= set(PARTS) or len(set(names)) < len(names):
        raise ValueError(
            f"augmentation {name!r} is unknown; choose none, or one or more of {', '.join(PARTS)} joined by '+'"
        )
    return names


@dataclass(frozen=True)
class RandAugment:
    """RandAugment (Cubuk et al. 2020): to each image a few operations drawn at random, all of one strength.

    Attributes:
        operations: Operations applied to an image, one after the other, drawn from 14 with replacement.
        magnitude: Strength, from 0 (nothing) to 1: turns by 30 degrees, shears and shifts by 0.3, changes of colour,
            contrast, brightness and sharpness by 90 %, 4 bits a channel, all shades inverted.
    """

    operations: int = 2
    magnitude: float = 0.5

    def __call__(self, images: NDArray[np.uint8], random: np.random.Generator) -> Images:
        """Disturb a batch of uint8 images (N, H, W, 3); returns float32 in 0..255 of the same shape."""
        drawn = random.integers(len(_OPERATIONS), size=(len(images), self.operations))
        strengths = self.magnitude * random.choice([-1.0, 1.0], size=drawn.shape)
        out = np.empty(images.shape, np.float32)
        for row, image in enumerate(images):
            changed = Image.fromarray(image)
            for index, strength in zip(drawn[row], strengths[row], strict=True):
                changed = _OPERATIONS[index](changed, strength)
            out[row] = np.asarray(changed)
        return out


def _about_centre(
    image: Image.Image, matrix: tuple[float, float, float, float], shift: tuple[float, float]
) -> Image.Image:
    """Move an image by a matrix about its centre and a shift in fractions of the sides; bared pixels are grey."""
    (a, b, d, e), (width, height) = matrix, image.size
    x, y = width / 2, height / 2
    c, f = x - a * x - b * y + shift[0] * width, y - d * x - e * y + shift[1] * height
    return image.transform(
        image.size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR, fillcolor=(128, 128, 128)
    )


def _rotate(image: Image.Image, strength: float) -> Image.Image:
    angle = np.deg2rad(30 * strength)
    return _about_centre(image, (np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)), (0, 0))


_OPERATIONS: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    lambda image, strength: ImageEnhance.Color(image).enhance(1 + 0.9 * strength),
    lambda image, strength: ImageEnhance.Contrast(image).enhance(1 + 0.9 * strength),
    lambda image, strength: ImageEnhance.Brightness(image).enhance(1 + 0.9 * strength),
    lambda image, strength: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * strength),
    _rotate,
    lambda image, strength: _about_centre(image, (1, 0.3 * strength, 0, 1), (0, 0)),
    lambda image, strength: _about_centre(image, (1, 0, 0.3 * strength, 1), (0, 0)),
    lambda image, strength: _about_centre(image, (1, 0, 0, 1), (0.3 * strength, 0)),
    lambda image, strength: _about_centre(image, (1, 0, 0, 1), (0, 0.3 * strength)),
)


def _of_images(augment: Callable[[NDArray[np.uint8], np.random.Generator], Images]) -> Part:
    """A part that leaves labels alone and takes whole shades."""

    def part(images: NDArray[Any], labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
        whole = images if images.dtype == np.uint8 else np.rint(images).astype(np.uint8)
        return augment(whole, random), labels

    return part


def _of_layer(layer: Any, reseed: Callable[[int], Any]) -> Part:
    """A part that calls a layer of Keras or KerasCV on the CPU, compiled, its generator seeded for each batch."""
    import tensorflow as tf

    compiled = tf.function(layer)

    def part(images: NDArray[Any], labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
        with tf.device("CPU"):
            reseed(int(random.integers(2**31)))
            mixed = compiled({"images": tf.constant(images, tf.float32), "labels": tf.constant(labels)})
        return mixed["images"].numpy(), mixed["labels"].numpy()

    return part


def _keras(name: str, **options: Any) -> Part:
    import keras
    import tensorflow as tf

    with tf.device("CPU"):
        layer = getattr(keras.layers, name)(seed=0, dtype="float32", **options)
    return _of_layer(layer, lambda seed: layer.generator.state.assign([seed, 0]))


def _gridmask() -> Part:
    import tensorflow as tf
    from keras_cv import core, layers

    class Ratio(core.FactorSampler):
        """KerasCV's own sampler draws from the global seed."""

        def __call__(self, shape: tuple[int, ...] = (), dtype: str = "float32") -> Any:
            return generator.uniform(shape, 0.0, 0.5, dtype)

    with tf.device("CPU"):
        generator = tf.random.Generator.from_seed(0)
        layer = layers.GridMask(ratio_factor=Ratio(), seed=0, dtype="float32")
        layer._random_generator = layer.random_rotate._random_generator = generator
    return _of_layer(layer, generator.reset_from_seed)


PARTS: dict[str, Callable[[], Part]] = {
    "signs": lambda: _of_images(SignAugmentation()),
    "sensor": lambda: _of_images(SensorAugmentation()),
    "randaugment": lambda: _of_images(RandAugment()),
    "erasing": lambda: _keras("RandomErasing", scale=(0.02, 0.2)),
    "mixup": lambda: _keras("MixUp", alpha=0.2),
    "cutmix": lambda: _keras("CutMix", factor=(1.0, 1.0)),
    "gridmask": _gridmask,
}
