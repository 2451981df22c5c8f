"""All scores of a set of generated images at once, with what one must know to believe them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gan.scores.extractors import Extractor, score_name
from gan.scores.extrapolation import FEWEST_A_DIMENSION, frechet_distance_at_infinity
from gan.scores.features import checked_pair
from gan.scores.frechet import frechet_distance
from gan.scores.inception import inception_score
from gan.scores.kernel import kernel_distance
from gan.scores.neighbours import precision_recall_density_coverage

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Protocol:
    """What else decides the scores; the defaults are those of the literature.

    Attributes:
        k: Neighbours.
        subsets: Subsets of the kernel distance.
        subset_size: Samples in each.
        splits: Parts of the Inception score.
        seed: Of subsets, shuffling and the choice of held-out images.
    """

    k: int = 5
    subsets: int = 100
    subset_size: int = 1000
    splits: int = 10
    seed: int = 0


def score_features(
    real: ArrayLike, fake: ArrayLike, *, logits: ArrayLike | None = None, protocol: Protocol | None = None
) -> dict[str, float]:
    """All scores of features; the Inception score where there are logits.

    Args:
        real: (N, D).
        fake: (M, D).
        logits: Of the generated images, (M, K).
        protocol: By default that of the literature.

    Returns:
        `fd`, `fd_infinity` (with four samples a dimension or more), `kd`, `kd_spread`, `precision`, `recall`,
        `density`, `coverage`, `is`, `is_spread`.

    Raises:
        ValueError: what one of the scores raises.
    """
    x, y = checked_pair(real, fake)
    given = protocol or Protocol()
    kernel = kernel_distance(x, y, subsets=given.subsets, subset_size=given.subset_size, seed=given.seed)
    scores = {"fd": frechet_distance(x, y), "kd": kernel.value, "kd_spread": kernel.spread}
    if min(len(x), len(y)) >= FEWEST_A_DIMENSION * x.shape[1]:
        scores["fd_infinity"] = frechet_distance_at_infinity(x, y, seed=given.seed).value
    scores |= precision_recall_density_coverage(x, y, k=given.k)._asdict()
    if logits is not None:
        inception = inception_score(logits, splits=given.splits, seed=given.seed)
        scores |= {"is": inception.value, "is_spread": inception.spread}
    return scores


def score_samples(
    real: Images, fake: Images, extractor: Extractor, *, held_out: Images, protocol: Protocol | None = None
) -> dict[str, Any]:
    """All scores of generated images, and the same of real images in their place: the floor that no generator beats.

    Args:
        real: uint8 images (N, H, W, 3) to be like.
        fake: uint8 images (M, H, W, 3).
        extractor: The network that sees them; neither one that the generator learnt from nor one that it attacks.
        held_out: M real images or more, of other tracks than `real`, since the frames of a track are near-duplicates.
        protocol: By default that of the literature.

    Returns:
        `scores` and `floor` by full name (`fd_gtsrb_cnn64`), with extractor, dimension, hash, n_real, n_fake and the
        protocol. The floor is at the same n.

    Raises:
        ValueError: fewer held-out images than generated ones, and what one of the scores raises.
    """
    if len(held_out) < len(fake):
        raise ValueError(
            f"{len(held_out)} held-out real images for {len(fake)} generated: give as many, or fewer of these"
        )
    given = protocol or Protocol()
    chosen = np.random.default_rng(given.seed).permutation(len(held_out))[: len(fake)]
    reference = extractor.features(real)
    found = {
        kind: _named(reference, extractor.features(images), extractor, given)
        for kind, images in (("scores", fake), ("floor", held_out[chosen]))
    }
    described = {"extractor": extractor.name, "dimension": extractor.dimension, "hash": extractor.hash}
    return described | {"n_real": len(real), "n_fake": len(fake)} | asdict(given) | found


def _named(real: NDArray[Any], fake: NDArray[Any], extractor: Extractor, protocol: Protocol) -> dict[str, float]:
    logits = extractor.logits(fake) if extractor.head is not None else None
    scores = score_features(real, fake, logits=logits, protocol=protocol)
    return {score_name(score, extractor.name): value for score, value in scores.items()}
