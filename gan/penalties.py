"""What keeps a discriminator smooth: penalties of its gradient with respect to images, and clipped weights.

A penalty is a part of the discriminator's loss; taken inside the tape of a training step, it is differentiated again.
"""

from collections.abc import Callable, Iterable

import tensorflow as tf

Discriminator = Callable[[tf.Tensor], tf.Tensor]
"""Images (N, H, W, C) -> logits (N, 1) or (N, h, w, 1), of which each image's mean counts."""


def gradient_penalty(discriminator: Discriminator, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """E[(|grad D(u x + (1 - u) G(z))| - 1)^2] with u uniform in [0, 1], Gulrajani 2017 (WGAN-GP), equation 3.

    Two-sided. The discriminator must not normalise over the batch, since the penalty is of each image alone.

    Args:
        discriminator: Images -> logits.
        real: Images (N, H, W, C).
        fake: As many generated images.
        seed: int32 (2,), of the places between real and generated image.
    """
    share = tf.random.stateless_uniform((tf.shape(real)[0], 1, 1, 1), seed, dtype=real.dtype)
    squared = _squared_gradient(discriminator, fake + share * (real - fake))
    return tf.reduce_mean(tf.square(tf.sqrt(squared + 1e-12) - 1))  # the root has no gradient at 0


def r1(discriminator: Discriminator, real: tf.Tensor) -> tf.Tensor:
    """E[|grad D(x)|^2] / 2 at real images, Mescheder 2018, equation 9; its weight is their gamma.

    Args:
        discriminator: Images -> logits.
        real: Images (N, H, W, C).
    """
    return tf.reduce_mean(_squared_gradient(discriminator, real)) / 2


def _squared_gradient(discriminator: Discriminator, images: tf.Tensor) -> tf.Tensor:
    """Squared length (N,) of the gradient of each image's logit."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = discriminator(images)
        total = tf.reduce_sum(tf.reduce_mean(logits, axis=list(range(1, len(logits.shape)))))
    return tf.reduce_sum(tf.square(tape.gradient(total, images)), axis=[1, 2, 3])


def clip_weights(weights: Iterable[tf.Variable], limit: float) -> None:
    """Move each weight into [-limit, limit], Arjovsky 2017 (WGAN), algorithm 1."""
    for weight in weights:
        weight.assign(tf.clip_by_value(weight, -limit, limit))
