"""All that is read out of a grid that has been run: thresholds, equal visibility, and how the network fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noise.levels import by_name, by_step, by_unit
from pipelines.analysis import Analysis, analyse
from pipelines.corruptions import corruption_errors
from pipelines.failures import Failures, analyse_failures
from pipelines.saliency import Saliency, explain_grid
from pipelines.sources.gtsrb_classes import shapes_of
from pipelines.visibility import equal_visibility, measure_distortions, rank_agreement, slight_and_huge, slightest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from pipelines.search import Measured, Search


@dataclass(frozen=True)
class Study:
    """What was measured and what came of it; each table is described where it is made.

    Attributes:
        search: the network, the data set and the options.
        measured: levels and predictions.
        analysis: curves, thresholds, class metrics.
        failures: where answers go, what confidence and margins tell, which classes fall first.
        images: the smallest failing level of each image.
        tables: distortions, visibility, rank_agreement, slight, slightest and corruption_errors.
        saliency: how far the maps of what the network looks at move.
    """

    search: Search
    measured: Measured
    analysis: Analysis
    failures: Failures
    images: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    saliency: Saliency = field(default_factory=Saliency)


def study(search: Search, measured: Measured, halvings: int, methods: Sequence[str]) -> Study:
    """Read everything out of a grid.

    Args:
        search: what it was run with.
        measured: the grid.
        halvings: how often each image's smallest failing level is bisected.
        methods: of saliency, by name.
    """
    signs, levels, predictions = search.signs, by_name(measured.levels), measured.predictions
    analysis = analyse(
        predictions,
        levels,
        by_unit(measured.levels),
        signs.class_names,
        steps=by_step(measured.levels, signs.size),
        seed=search.seed,
    )
    images = search.image_thresholds(measured, halvings)
    distortions = measure_distortions(
        signs, measured.levels, seed=search.seed, limit=search.limit, plugin=search.plugin
    )
    visibility = equal_visibility(analysis.thresholds, distortions)
    failures = analyse_failures(
        predictions,
        analysis,
        images if not halvings else images[images["repeat"] == 0],  # the other repeats are not halved
        signs.class_names,
        signs.counts["train"],
        shapes_of(signs.class_names),
        seed=search.seed,
    )
    tables = {
        "distortions": distortions,
        "visibility": visibility,
        "rank_agreement": rank_agreement(visibility),
        "slight": slight_and_huge(predictions, distortions),
        "slightest": slightest(images[images["repeat"] == 0]),
        "corruption_errors": corruption_errors(analysis.curves),
    }
    saliency = explain_grid(search, measured, analysis.thresholds, methods)
    return Study(search, measured, analysis, failures, images, tables, saliency)
