"""What the two networks of a GAN minimise: functions of logits, for networks that end without a sigmoid.

Below, x is a real image, G(z) a generated one, D the discriminator's logit and s the sigmoid, so that s(D(x)) is the
probability that x is real. Logits are of any shape, (N, 1) or (N, h, w, 1) of a patch discriminator: means run over
all of them. Penalties of the discriminator's gradient are in `gan.penalties`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import tensorflow as tf

Discriminate = Callable[..., tf.Tensor]
Generate = Callable[[tf.Tensor], tf.Tensor]


def cross_entropy(real_logits: tf.Tensor, fake_logits: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """Discriminator loss -E[t log s(D(x)) + (1 - t) log(1 - s(D(x)))] - E[log(1 - s(D(G(z))))], Goodfellow 2014.

    With the target t = 1 of real images its least value over D is log 4 - 2 JS(real, fake), so log 4 once both are
    alike. A target below 1 is one-sided label smoothing, Salimans 2016, section 3.4.
    """
    real = tf.reduce_mean(tf.nn.softplus(-real_logits) + (1 - target) * real_logits)
    return real + tf.reduce_mean(tf.nn.softplus(fake_logits))


def minimax(fake_logits: tf.Tensor) -> tf.Tensor:
    """Generator loss E[log(1 - s(D(G(z))))], Goodfellow 2014, equation 1: its gradient vanishes where D is sure."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


def non_saturating(fake_logits: tf.Tensor) -> tf.Tensor:
    """Generator loss -E[log s(D(G(z)))], Goodfellow 2014, section 3: keeps a gradient where minimax loses it."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def least_squares_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """Discriminator loss (E[(D(x) - t)^2] + E[D(G(z))^2]) / 2, Mao 2017 (LSGAN), equation 9; t = 1 unless smoothed."""
    return (tf.reduce_mean(tf.square(real_logits - target)) + tf.reduce_mean(tf.square(fake_logits))) / 2


def least_squares(fake_logits: tf.Tensor) -> tf.Tensor:
    """Generator loss E[(D(G(z)) - 1)^2] / 2, Mao 2017 (LSGAN), equation 9."""
    return tf.reduce_mean(tf.square(fake_logits - 1)) / 2


def hinge(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Discriminator loss E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], Lim and Ye 2017 (Geometric GAN)."""
    return tf.reduce_mean(tf.nn.relu(1 - real_logits)) + tf.reduce_mean(tf.nn.relu(1 + fake_logits))


def critic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Discriminator loss E[D(G(z))] - E[D(x)], Arjovsky 2017 (WGAN): less the Wasserstein distance if D is 1-Lipschitz.

    What keeps D so is the clipping of its weights, or the gradient penalty.
    """
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def linear(fake_logits: tf.Tensor) -> tf.Tensor:
    """Generator loss -E[D(G(z))], of the hinge loss and of WGAN."""
    return -tf.reduce_mean(fake_logits)


@dataclass(frozen=True)
class Loss:
    """An adversarial loss: what each of the two networks minimises.

    Attributes:
        name: In `LOSSES`.
        discriminator: (real logits, fake logits) -> scalar; with a `target` of real images where `smooths`.
        generator: Fake logits -> scalar.
        boundary: Logit above which an image counts as real; None of a critic, whose logits have no zero.
        smooths: Whether real images have a target label, that one-sided label smoothing can lower.
        clip: All weights of the discriminator are kept in [-clip, clip] after each of its steps; 0: they are free.
        gradient_penalty: Weight of `gan.penalties.gradient_penalty` in the discriminator's loss.
    """

    name: str
    discriminator: Discriminate
    generator: Generate
    boundary: float | None = 0.0
    smooths: bool = False
    clip: float = 0.0
    gradient_penalty: float = 0.0

    def accuracies(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Shares of the real and of the generated images taken for what they are; NaN of a critic."""
        if self.boundary is None:
            return tf.constant(float("nan")), tf.constant(float("nan"))
        real, fake = real_logits > self.boundary, fake_logits < self.boundary
        return tf.reduce_mean(tf.cast(real, tf.float32)), tf.reduce_mean(tf.cast(fake, tf.float32))


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("minimax", cross_entropy, minimax, smooths=True),
        Loss("non_saturating", cross_entropy, non_saturating, smooths=True),
        Loss("least_squares", least_squares_discriminator, least_squares, boundary=0.5, smooths=True),
        Loss("hinge", hinge, linear),
        Loss("wasserstein", critic, linear, boundary=None, clip=0.01),
        Loss("wasserstein_gp", critic, linear, boundary=None, gradient_penalty=10.0),
    )
}
"""Adversarial losses by name; clip is that of Arjovsky 2017, the penalty's weight that of Gulrajani 2017."""


def adversarial_loss(name: str, *, label_smoothing: float = 0.0) -> Loss:
    """The adversarial loss of that name.

    Args:
        name: Of `LOSSES`.
        label_smoothing: One-sided: by how much the target of real images is below 1; that of fakes stays 0.

    Raises:
        ValueError: There is no such loss, smoothing out of [0, 0.5), or a loss whose real images have no target.
    """
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} is unknown; choose one of {', '.join(LOSSES)}")
    return smooth(LOSSES[name], label_smoothing)


def smooth(loss: Loss, amount: float) -> Loss:
    """The loss with one-sided label smoothing (Salimans 2016, section 3.4): real images have the target 1 - amount.

    Raises:
        ValueError: An amount out of [0, 0.5), or a loss whose real images have no target.
    """
    if not 0 <= amount < 0.5:
        raise ValueError(f"label smoothing {amount}: choose 0 or more and less than 0.5")
    if amount and not loss.smooths:
        smoothed = ", ".join(other.name for other in LOSSES.values() if other.smooths)
        raise ValueError(f"{loss.name} has no labels to smooth; set label smoothing to 0, or choose one of {smoothed}")
    return replace(loss, discriminator=partial(loss.discriminator, target=1 - amount)) if amount else loss


def classification(class_logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy -E[log p(label | image)] of class logits (N, K) and labels (N,)."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=class_logits))


def auxiliary(
    real_logits: tf.Tensor, real_labels: tf.Tensor, fake_logits: tf.Tensor, fake_labels: tf.Tensor
) -> tf.Tensor:
    """Class loss of a discriminator with an auxiliary classifier, -L_C of Odena 2016 (AC-GAN), equation 3.

    It comes on top of the adversarial loss; the generator adds `classification` of its own images to its loss.

    Args:
        real_logits: Class logits (N, K) of real images.
        real_labels: Their classes (N,).
        fake_logits: Class logits (M, K) of generated images.
        fake_labels: The classes (M,) that the generator was asked for.
    """
    return classification(real_logits, real_labels) + classification(fake_logits, fake_labels)


def k_plus_one(real_logits: tf.Tensor, real_labels: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Loss -E[log p(label | x)] - E[log p(K | G(z))] of a discriminator that is a classifier, Salimans 2016, section 5.

    It takes the place of the adversarial loss; class K, the last, is "generated". The generator minimises
    `classification` of its images as the classes that it was asked for, or an adversarial loss of their `realness`.

    Args:
        real_logits: Class logits (N, K + 1) of real images.
        real_labels: Their classes (N,), all below K.
        fake_logits: Class logits (M, K + 1) of generated images.
    """
    generated = tf.fill([tf.shape(fake_logits)[0]], fake_logits.shape[-1] - 1)
    return classification(real_logits, real_labels) + classification(fake_logits, generated)


def realness(class_logits: tf.Tensor) -> tf.Tensor:
    """Logit (N, 1) of an image being of any real class, from class logits (N, K + 1), Salimans 2016, section 5."""
    return tf.reduce_logsumexp(class_logits[:, :-1], axis=1, keepdims=True) - class_logits[:, -1:]


def l1(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of images and what they should show, Isola 2017 (pix2pix), equation 3; of weight 100."""
    return tf.reduce_mean(tf.abs(images - targets))
