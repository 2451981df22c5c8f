"""Which classes fail first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.reports.summary import NoiseSummary, classes_of, per_class_crossings

RANKED_SUPPORT = 60
"""Test images that a class needs to be ranked."""


def class_order(per_class: pd.DataFrame, noises: Sequence[NoiseSummary]) -> tuple[list[int], list[int]]:
    """Return the classes with enough images to rank, most fragile first, and the others in class order.

    Fragile: a small median over the noises of the share of the tested range at which the class fails.
    """
    found = per_class_crossings(per_class, noises)
    support = {c: images for c, (_, images) in classes_of(per_class).items()}
    ranked = [c for c in support if support[c] >= RANKED_SUPPORT]
    places = {c: [found[c, noise.name].place() for noise in noises if (c, noise.name) in found] for c in ranked}
    ranked.sort(key=lambda c: float(np.median(np.nan_to_num(places[c], nan=1.0))))
    return ranked, [c for c in support if support[c] < RANKED_SUPPORT]
