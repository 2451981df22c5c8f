"""Differentiable augmentation: what a discriminator sees of real and of generated images alike.

A policy is one part, or several joined by "+" and applied in the order of `PARTS`. Each part is applied to each image
with the same probability, by draws of that image's own. Parts are those of DiffAugment (Zhao 2020) and their strengths
are its; none mirrors or turns an image, since signs are not symmetric.

Nothing is clipped, since a clip stops the gradient: `color` leaves [-1, 1] where it brightens or strengthens colours,
for real and generated images alike. Bared pixels are 0, the middle grey.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

BRIGHTNESS = 0.5
"""Most that `color` adds to an image or takes from it, of values in [-1, 1]."""
SATURATION = (0.0, 2.0)
"""Factors by which `color` scales each pixel's difference from its grey."""
CONTRAST = (0.5, 1.5)
"""Factors by which `color` scales each pixel's difference from the image's mean."""
TRANSLATION = 0.125
"""Most that `translation` moves an image, as a share of its side."""
CUTOUT = 0.5
"""Side of the square that `cutout` greys, as a share of the image's side; the border may cut it off."""


def known(name: str) -> str:
    """The name itself, if there is a policy of that name.

    Raises:
        ValueError: There is none.
    """
    _parts(name)
    return name


def augment(images: tf.Tensor, policy: str, probability: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Apply a policy to a batch: the same images, probability and seed give the same result.

    A part draws the same whatever other parts the policy has, so that an image and the one that it was made from are
    moved alike by the same seed.

    Args:
        images: float32 (N, H, W, C) in [-1, 1], real or generated.
        policy: `none`, or names of `PARTS` joined by "+", each at most once.
        probability: That a part is applied to an image, in [0, 1]: 1 is DiffAugment, an `AdaptiveProbability` ADA.
        seed: int32 (2,).

    Raises:
        ValueError: There is no policy of that name.
    """
    chosen = _parts(policy)
    for index, (name, part) in enumerate(PARTS.items()):
        if name in chosen:
            images = part(images, probability, tf.random.fold_in(seed, index))
    return images


def _parts(name: str) -> list[str]:
    names = [] if name == "none" else name.split("+")
    if not set(names) <= set(PARTS) or len(set(names)) < len(names):
        raise ValueError(
            f"augmentation {name!r} is unknown; choose none, or one or more of {', '.join(PARTS)} joined by '+'"
        )
    return names


def color(images: tf.Tensor, probability: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Change brightness, then saturation, then contrast."""
    applied, brightness, saturation, contrast = _draws(images, probability, seed, 3)
    images = images + applied * BRIGHTNESS * (2 * brightness - 1)
    images = _scaled(images, tf.reduce_mean(images, axis=3, keepdims=True), SATURATION, applied, saturation)
    return _scaled(images, tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True), CONTRAST, applied, contrast)


def _scaled(
    images: tf.Tensor, mean: tf.Tensor, factors: tuple[float, float], applied: tf.Tensor, place: tf.Tensor
) -> tf.Tensor:
    low, high = factors
    return images + applied * (low + (high - low) * place - 1) * (images - mean)


def translation(images: tf.Tensor, probability: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Move by whole pixels."""
    applied, *places = _draws(images, probability, seed, 2)
    for axis, equation, place in zip((1, 2), ("nij,njwc->niwc", "nij,nhjc->nhic"), places, strict=True):
        side = images.shape[axis]
        most = int(TRANSLATION * side)
        shift = tf.cast(applied * (tf.floor((2 * most + 1) * place) - most), tf.int32)
        # A product with a shifted identity is faster than a gather, whose gradient scatters.
        identity = tf.one_hot(tf.range(side) - shift[:, 0, 0], side, dtype=images.dtype)
        images = tf.einsum(equation, identity, images)
    return images


def cutout(images: tf.Tensor, probability: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Grey a square that is centred anywhere in the image."""
    applied, *places = _draws(images, probability, seed, 2)
    inside = []
    for axis, place in zip((1, 2), places, strict=True):
        side = images.shape[axis]
        centre = tf.floor((side + 1) * place[:, 0, 0])
        distance = tf.abs(tf.range(0.5, side, dtype=images.dtype) - centre)
        inside.append(tf.cast(distance < CUTOUT * side / 2, images.dtype))
    square = inside[0][:, :, None, None] * inside[1][:, None, :, None]
    return images * (1 - applied * square)


PARTS: dict[str, Callable[[tf.Tensor, tf.Tensor | float, tf.Tensor], tf.Tensor]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}
"""Parts of policies by name: (images, probability, seed) -> images."""


def _draws(images: tf.Tensor, probability: tf.Tensor | float, seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Whether each image is changed, 0 or 1, and `count` numbers in [0, 1) of each; all (N, 1, 1, 1)."""
    drawn = tf.random.stateless_uniform((count + 1, tf.shape(images)[0], 1, 1, 1), seed, dtype=images.dtype)
    return [tf.cast(drawn[0] < tf.cast(probability, images.dtype), images.dtype), *tf.unstack(drawn[1:], count)]


def instance_noise(images: tf.Tensor, sigma: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Add N(0, sigma^2), so that real and generated images overlap: Sonderby 2017; Arjovsky and Bottou 2017.

    Args:
        images: float32 (N, H, W, C) in [-1, 1].
        sigma: In units of these values; to be lowered to 0 in the course of training.
        seed: int32 (2,).
    """
    return images + tf.cast(sigma, images.dtype) * tf.random.stateless_normal(
        tf.shape(images), seed, dtype=images.dtype
    )


@dataclass(frozen=True)
class AdaptiveProbability:
    """ADA (Karras 2020): as much augmentation as keeps the discriminator from learning the real images by heart.

    Integral control of r = E[sign D(x)] over real images x, the heuristic r_t of its section 3: the probability moves
    by (r - target) a step, so that it rests where r is the target. Karras moves it by the sign of that difference,
    averaged over four batches.

    Attributes:
        target: r to hold; 0.6 is an accuracy of 0.8 on real images.
        images: Real images over which the probability moves by 1 while r is off by 1; Karras's took 500,000.
        most: Highest probability: up to 0.8 augmentations did not leak into samples (section 2.2).
    """

    target: float = 0.6
    images: int = 50_000
    most: float = 0.8

    def updated(self, probability: tf.Tensor, real_accuracy: tf.Tensor, batch_size: int) -> tf.Tensor:
        """The probability after one more batch, of whose real images the discriminator took this share for real."""
        error = (2 * real_accuracy - 1) - self.target
        return tf.clip_by_value(probability + error * batch_size / self.images, 0.0, self.most)
