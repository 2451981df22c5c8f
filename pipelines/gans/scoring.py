"""How generators are scored: their samples beside real images, in the course of a training and once at its end."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.gans.samples import Sampler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from gan.health import Samples
    from gan.recipes import GanRecipe
    from gan.scores.report import Protocol
    from pipelines.gan import GanSettings
    from pipelines.gans.judge import Jury
    from pipelines.signs import SignDataset, Signs

NEIGHBOURS = 5
SUBSETS = 100
"""Of half of the images, for the spread of the kernel distance."""
SPLIT_IMAGES, MOST_SPLITS = 100, 10
"""Images in each part of those that the Inception score is a mean over, and parts at most."""
MOST_CHOOSING = 1000
"""Samples, and real images, in a scoring in the course of a training: there are many of these."""
DUPLICATES = "duplicate_share"
COLLAPSED = "collapsed"
"""Whether so many samples have a near-duplicate that their scores say little."""
CALLED = "called/"
"""Begins the names of the shares of samples that the classifier takes for each class."""
logger = logging.getLogger("pipelines.gan")


@dataclass(frozen=True)
class Judge:
    """Scores generators against real images; its calls differ in nothing but the generator.

    Attributes:
        jury: Who looks at the images.
        sampler: What generators are asked for.
        real: Images to compare samples with.
        cache: Folder in which features of real images are kept.
        final: Whether all scores are wanted; in the course of a training those that take long are left out.
    """

    jury: Jury
    sampler: Sampler
    real: Signs
    cache: Path
    final: bool = False

    @cached_property
    def features(self) -> NDArray[Any]:
        """What the extractor sees in the real images, (N, D)."""
        return self.of_real(self.real)

    def of_real(self, signs: Signs) -> NDArray[Any]:
        """What the extractor sees in other real images."""
        from gan.scores.cache import cached_features

        return cached_features(self.cache, self.jury.extractor, signs.image)

    @property
    def objective(self) -> str:
        """The score that is least in the best generator."""
        return self.named("kd")

    @property
    def order(self) -> str:
        """What is least in the best generator: one grey image can be nearer to real signs than signs not well drawn."""
        return f"{COLLAPSED},{self.objective}"

    @property
    def fewest(self) -> int:
        """Images in the smaller set of a comparison."""
        return min(len(self.real), self.sampler.count)

    @property
    def protocol(self) -> Protocol:
        """What else decides the scores."""
        from gan.scores.report import Protocol

        return Protocol(
            k=min(NEIGHBOURS, self.fewest - 1),
            subsets=SUBSETS if self.final else 0,
            subset_size=self.fewest // 2,
            splits=max(1, min(MOST_SPLITS, self.sampler.count // SPLIT_IMAGES)),
            seed=self.sampler.seed,
        )

    @property
    def left_out(self) -> dict[str, str]:
        """Scores by full name that are not taken, and why."""
        from gan.scores.report import too_few

        reasons = too_few(self.fewest, self.jury.extractor.dimension)
        if self.jury.extractor.head is None:
            reasons["is"] = "the extractor has no last layer"
        found = {self.named(score): reason for score, reason in reasons.items()}
        if self.jury.classifier is None:
            found["class_accuracy"] = "no network names the samples; give --classifier"
        return found

    def alike(self) -> dict[str, Any]:
        """What a training that is continued must have been scored by."""
        digest = hashlib.sha256()
        for signs in (self.real, self.sampler.inputs):
            digest.update(np.ascontiguousarray(signs.image).data)
            digest.update(signs.label.tobytes())
        networks = {"extractor": self.jury.extractor, "classifier": self.jury.classifier}
        named = {kind: f"{network.name} {network.hash}" if network else "none" for kind, network in networks.items()}
        return {**named, "samples": self.sampler.count, "validation images": digest.hexdigest()[:12]}

    def __call__(self, generator: keras.Model) -> dict[str, float]:
        """Scores of a generator by full name, and whether its samples have collapsed."""
        asked, images = self.sampler.samples(generator)
        found = self.scores(images, asked, self.jury.extractor.features(images))
        return found | {COLLAPSED: float(collapsed(found))}

    def scores(self, images: NDArray[np.uint8], asked: NDArray[np.int64], features: NDArray[Any]) -> dict[str, float]:
        """Scores by full name of images (N, H, W, 3), generated or real.

        Args:
            images: As many as there are samples.
            asked: Their classes (N,).
            features: What the extractor sees in them, (N, D).
        """
        from gan.health import duplicate_share
        from gan.scores.report import score_features, too_few

        extractor = self.jury.extractor
        logits = extractor.logits(features) if extractor.head is not None else None
        without = {*too_few(self.fewest, extractor.dimension)} | (set() if self.final else {"fd_infinity"})
        found = score_features(self.features, features, logits=logits, protocol=self.protocol, without=without)
        named = {self.named(score): value for score, value in found.items()}
        return named | self._classified(images, asked, features) | {DUPLICATES: duplicate_share(images)}

    def _classified(
        self, images: NDArray[np.uint8], asked: NDArray[np.int64], features: NDArray[Any]
    ) -> dict[str, float]:
        """What the classifier takes images for."""
        from gan.health import class_entropy

        if self.jury.classifier is None:
            return {}
        called, classes = self.jury.called(images, features), self.sampler.classes
        found = {}
        if self.sampler.label is not None or self.sampler.by_class:
            found["class_accuracy"] = float(np.mean(called == asked))
        if self.sampler.label is None:
            found["class_entropy"] = class_entropy(called, classes)
            shares = np.bincount(called, minlength=classes) / len(called)
            found |= {f"{CALLED}{label:02d}": float(share) for label, share in enumerate(shares)}
        return {f"{name}_{self.jury.classifier.name}": value for name, value in found.items()}

    def watched(self, report: Mapping[str, float]) -> Samples:
        """What of a report tells whether the samples have collapsed."""
        from gan.health import Samples

        counts = [round(share * self.sampler.count) for name, share in report.items() if name.startswith(CALLED)]
        recall, coverage = (report[self.named(name)] for name in ("recall", "coverage"))
        return Samples(int(report["step"]), tuple(counts), recall, coverage, report[DUPLICATES])

    def named(self, score: str) -> str:
        """The full name of a score of the extractor."""
        from gan.scores.extractors import score_name

        return score_name(score, self.jury.extractor.name)


def collapsed(scores: Mapping[str, float]) -> bool:
    """Whether most samples have a near-duplicate among the others, by the rule on a training's reports."""
    from gan.health import DUPLICATES as MOST

    return scores[DUPLICATES] > MOST


def choosing_judge(
    settings: GanSettings, recipe: GanRecipe, dataset: SignDataset, jury: Jury, validation: Signs, label: int | None
) -> Judge:
    """Who chooses the best generator of a training, by validation images.

    A generator that translates images gets those of half of the tracks, and is compared with the others.

    Raises:
        InputError: too few images, or classes that cannot be drawn.
    """
    from pipelines.gans.signs import halves
    from pipelines.signs import stratified

    few = stratified(validation.image_id, validation.label, MOST_CHOOSING)
    signs = validation.take(np.isin(validation.image_id, few))
    inputs, real = halves(signs, recipe) if recipe.source.kind == "image" else (signs, signs)
    samples = min(settings.samples, MOST_CHOOSING)
    return _judge(settings.model_copy(update={"samples": samples}), recipe, dataset, jury, inputs, real, label)


def final_judge(
    settings: GanSettings,
    recipe: GanRecipe,
    dataset: SignDataset,
    jury: Jury,
    signs: Mapping[str, Signs],
    label: int | None,
) -> Judge:
    """Who scores the generator that was chosen, once, by test images; a generator that translates gets validation ones.

    There are no more samples than training images, so that as many of these can be scored in their place: the floor.

    Raises:
        InputError: classes that cannot be drawn, or workers that the cluster has no room for.
    """
    inputs = signs["validation" if recipe.source.kind == "image" else "test"]
    if settings.workers:
        from pipelines.gans.features import shared_out

        jury = jury.with_extractor(shared_out(jury.extractor, settings.workers))
    found = _judge(settings, recipe, dataset, jury, inputs, signs["test"], label)
    count = min(found.sampler.count, len(signs["train"]))
    if count < settings.samples:
        logger.info("the final scores are of %d samples: there are no more real images to stand in their place", count)
    found = replace(found, sampler=replace(found.sampler, count=count), final=True)
    for score, reason in found.left_out.items():
        logger.info("%s is left out: %s", score, reason)
    return found


def _judge(
    settings: GanSettings,
    recipe: GanRecipe,
    dataset: SignDataset,
    jury: Jury,
    inputs: Signs,
    real: Signs,
    label: int | None,
) -> Judge:
    from pipelines.gans.signs import entering
    from pipelines.sources.download import cache_folder

    count = min(settings.samples, len(inputs)) if recipe.source.kind == "image" else settings.samples
    given = entering(recipe, dataset, inputs)
    sampler = Sampler(recipe, given, count, len(dataset.class_names), label, settings.seed)
    return Judge(jury, sampler, real, cache_folder() / "features")
