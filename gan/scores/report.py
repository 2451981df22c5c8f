"""All scores of a set of generated images at once, and those that it has too few images for."""

from collections.abc import Collection
from dataclasses import dataclass

from numpy.typing import ArrayLike

from gan.scores.extrapolation import FEWEST_A_DIMENSION, frechet_distance_at_infinity
from gan.scores.features import checked_pair
from gan.scores.frechet import frechet_distance
from gan.scores.inception import inception_score
from gan.scores.kernel import kernel_distance
from gan.scores.neighbours import precision_recall_density_coverage


@dataclass(frozen=True)
class Protocol:
    """What else decides the scores; the defaults are those of the literature.

    Attributes:
        k: Neighbours.
        subsets: Subsets of the kernel distance.
        subset_size: Samples in each.
        splits: Parts of the Inception score.
        seed: Of subsets and shuffling.
    """

    k: int = 5
    subsets: int = 100
    subset_size: int = 1000
    splits: int = 10
    seed: int = 0


def too_few(n: int, dimension: int) -> dict[str, str]:
    """Scores that n images in the smaller of two sets are too few for, by name, and why.

    Args:
        n: Images.
        dimension: Of the features.
    """
    needed = {"fd": dimension + 1, "fd_infinity": FEWEST_A_DIMENSION * dimension}
    return {
        score: f"{n} images are too few in {dimension} dimensions: it needs {fewest}, or features of fewer dimensions"
        for score, fewest in needed.items()
        if n < fewest
    }


def score_features(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    logits: ArrayLike | None = None,
    protocol: Protocol | None = None,
    without: Collection[str] = (),
) -> dict[str, float]:
    """All scores of features; the Inception score where there are logits.

    Args:
        real: (N, D).
        fake: (M, D).
        logits: Of the generated images, (M, K).
        protocol: By default that of the literature.
        without: Of `fd` and `fd_infinity`, what is not computed; `too_few` says which cannot be.

    Returns:
        `fd`, `fd_infinity` (with enough samples), `kd`, `kd_spread` (with subsets), `precision`, `recall`, `density`,
        `coverage`, `is`, `is_spread`.

    Raises:
        ValueError: what one of the scores raises, as `fd` of too few samples.
    """
    x, y = checked_pair(real, fake)
    given = protocol or Protocol()
    kernel = kernel_distance(x, y, subsets=given.subsets, subset_size=given.subset_size, seed=given.seed)
    scores = {"kd": kernel.value} | ({"kd_spread": kernel.spread} if given.subsets else {})
    if "fd" not in without:
        scores["fd"] = frechet_distance(x, y)
    if "fd_infinity" not in (*without, *too_few(min(len(x), len(y)), x.shape[1])):
        scores["fd_infinity"] = frechet_distance_at_infinity(x, y, seed=given.seed).value
    scores |= precision_recall_density_coverage(x, y, k=given.k)._asdict()
    if logits is not None:
        inception = inception_score(logits, splits=given.splits, seed=given.seed)
        scores |= {"is": inception.value, "is_spread": inception.spread}
    return scores
