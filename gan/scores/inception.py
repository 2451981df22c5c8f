"""The Inception score (Salimans et al. 2016): are single images clear, and all of them together diverse?"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from gan.scores.features import Estimate, Features, checked


def inception_score(logits: ArrayLike, *, splits: int = 10, seed: int = 0) -> Estimate:
    """The exponential of E_x KL(p(y|x) || p(y)) of a classifier, from 1 to the number of classes; IS with InceptionV3.

    It sees no real images: a set of one perfect image a class has the best value. That of a near-perfect classifier
    on real images is the exponential of the entropy of their classes: show it beside.

    Args:
        logits: (N, K), not probabilities.
        splits: Parts, after shuffling, over which mean and deviation are taken; more images score higher.
        seed: Of the shuffling.

    Returns:
        Mean and standard deviation over the parts.

    Raises:
        ValueError: fewer images than parts, or logits that are not finite.
    """
    found = checked(logits, "logits")
    if not 1 <= splits <= len(found):
        raise ValueError(
            f"splits {splits} with {len(found)} images: give more images, or from 1 to {len(found)} splits"
        )
    order = np.random.default_rng(seed).permutation(len(found))
    bounds = [part * len(found) // splits for part in range(splits + 1)]
    scores = [_score(found[order[start:stop]]) for start, stop in pairwise(bounds)]
    return Estimate(float(np.mean(scores)), float(np.std(scores)))


def _score(logits: Features) -> float:
    """As the entropy of all images' classes less that of each image's own, in one pass of exponentials."""
    logits = logits - logits.max(axis=1, keepdims=True)
    each = np.exp(logits)
    sums = each.sum(axis=1)
    each /= sums[:, None]
    marginal = each.mean(axis=0)
    certainty = np.einsum("nk,nk->n", each, logits) - np.log(sums)
    return float(np.exp(certainty.mean() - xlogy(marginal, marginal).sum()))
