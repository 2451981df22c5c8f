"""How good generated images are, from the features that a frozen network sees in them and in real ones."""

from gan.scores.frechet import frechet_distance
from gan.scores.inception import inception_score
from gan.scores.kernel import kernel_distance
from gan.scores.neighbours import precision_recall_density_coverage

__all__ = ["frechet_distance", "inception_score", "kernel_distance", "precision_recall_density_coverage"]
