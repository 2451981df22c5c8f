"""Who scores the samples of a GAN: a frozen network, by its features and classes, against real held-out images."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from gan.health import Samples
    from gan.recipes import GanRecipe
    from gan.scores.extractors import Extractor
    from pipelines.signs import Signs

PREVIEWED = 64
NEIGHBOURS = 5
COMPONENTS, PIXEL_IMAGES = 64, 2000
"""Of pixels, and the images that they are found in."""
ROUNDING = 1e-6
"""Components shorter than this share of the longest are rounding."""
DUPLICATES = "duplicate_share"
CALLED = "called/"
"""Begins the names of the shares of samples that the extractor takes for each class."""


def open_extractor(given: str, train: Signs) -> Extractor:
    """The network that judges; without one given, principal components of the training images' pixels.

    Args:
        given: a `.keras` classifier, or NAME:WEIGHTS, such as `mobilenet_v2:imagenet`, or empty.
        train: training images.

    Raises:
        InputError: there are no such weights, or they do not fit.
    """
    if not given:
        return _principal_components(train.image)
    import models.layers  # noqa: F401 - registers the layers of ours that a file may hold
    from gan.scores.extractors import load_extractor

    name, colon, weights = given.rpartition(":")
    if not colon:
        name = re.sub(r"[^a-z0-9]+", "_", Path(given).stem.lower()).strip("_") or "classifier"
    try:
        return load_extractor(name, weights)
    except ValueError as error:
        raise InputError(f"--extractor {given}: {error}") from None


def _principal_components(images: NDArray[np.uint8]) -> Extractor:
    import keras

    from gan.scores.extractors import Extractor

    some = images[np.linspace(0, len(images) - 1, min(len(images), PIXEL_IMAGES)).astype(int)]
    flat = some.reshape(len(some), -1) / 255
    mean = flat.mean(axis=0)
    _, lengths, found = np.linalg.svd(flat - mean, full_matrices=False)
    count = min(COMPONENTS, int(np.sum(lengths > ROUNDING * lengths[0])))
    if not count:
        raise InputError("--extractor: all training images are the same; give a classifier, or other images")
    axes = found[:count].T / lengths[:count] * np.sqrt(len(flat))  # each component has variance 1
    project = keras.layers.Dense(count)
    layers = [keras.Input(images.shape[1:]), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), project]
    network = keras.Sequential(layers)
    project.set_weights([axes, -mean @ axes])
    digest = hashlib.sha256(axes.astype(np.float32).tobytes()).hexdigest()[:12]
    return Extractor(f"pca{count}", count, digest, images.shape[1], network, None)


class Judge:
    """Scores generators against real images; its calls differ in nothing but the generator.

    Args:
        recipe: What the generator takes.
        extractor: What looks at the images.
        train: Training images, for the floor.
        real: Held-out images, to compare samples with.
        count: Samples in a scoring.
        classes: Number of classes.
        label: The one class, or None.
        seed: Of the latents.
        given: What inputs that are images are made of, one for each real image; None: these themselves.
    """

    def __init__(
        self,
        recipe: GanRecipe,
        extractor: Extractor,
        train: Signs,
        real: Signs,
        *,
        count: int,
        classes: int,
        label: int | None,
        seed: int,
        given: NDArray[np.uint8] | None = None,
    ) -> None:
        self.recipe, self.extractor, self.train, self.real = recipe, extractor, train, real
        self.count, self.classes, self.label, self.seed = count, classes, label, seed
        self.features = extractor.features(real.image)
        self.given = real.image if given is None else given

    @property
    def objective(self) -> str:
        """The score that is least in the best generator."""
        return self._named("kd")

    def __call__(self, generator: keras.Model) -> dict[str, float]:
        """Scores of a generator by full name."""
        asked, images = self.samples(generator)
        return self.scores(images, asked)

    def samples(self, generator: keras.Model, *, draw: int = 0) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Classes asked for (N,), as frequent as in the real images, and images (N, H, W, 3)."""
        rows = np.arange(self.count) % len(self.real)
        return self.real.label[rows], self._generate(generator, rows, self.real.label[rows], draw)

    def preview(self, generator: keras.Model) -> NDArray[np.uint8]:
        """A few images (N, H, W, 3), of the same latents and classes at each call."""
        rows = np.linspace(0, len(self.real) - 1, PREVIEWED).astype(int)
        return self._generate(generator, rows, self.real.label[rows], draw=-1)

    def rows(self, generator: keras.Model, columns: int) -> NDArray[np.uint8]:
        """Images for a sheet: of a conditional generator a row a class, else `columns` rows."""
        labels = np.repeat(np.arange(self.classes if self.recipe.conditional else columns), columns)
        return self._generate(generator, np.linspace(0, len(self.real) - 1, len(labels)).astype(int), labels, draw=2)

    def _generate(
        self, generator: keras.Model, rows: NDArray[Any], labels: NDArray[np.int64], draw: int
    ) -> NDArray[np.uint8]:
        """Images of these classes, where the generator knows them, or made from these of the real images."""
        from gan.sampling import generate

        return generate(
            generator,
            self.recipe.source,
            labels if self.recipe.conditional else None,
            n=len(rows),
            random=np.random.default_rng((self.seed, 1, draw + 2)),  # the training's are (seed, step)
            images=self.given[rows] if self.recipe.source.kind == "image" else None,
        )

    def scores(self, images: NDArray[np.uint8], asked: NDArray[np.int64]) -> dict[str, float]:
        """Scores of images (N, H, W, 3), generated or real, of which these classes (N,) were asked for."""
        from gan.health import duplicate_share
        from gan.scores import frechet_distance, kernel_distance, precision_recall_density_coverage

        features = self.extractor.features(images)
        pair, fewest = (self.features, features), min(len(self.features), len(features))
        found = {"kd": kernel_distance(*pair, subsets=0, subset_size=fewest).value}
        if fewest > self.extractor.dimension:  # else the covariances have no full rank
            found["fd"] = frechet_distance(*pair)
        found |= precision_recall_density_coverage(*pair, k=min(NEIGHBOURS, fewest - 1))._asdict()
        found |= self._classified(features, asked)
        return {self._named(name): value for name, value in found.items()} | {DUPLICATES: duplicate_share(images)}

    def _classified(self, features: NDArray[np.float32], asked: NDArray[np.int64]) -> dict[str, float]:
        """What the extractor takes samples for, if it knows the classes."""
        from gan.health import class_entropy

        if self.extractor.head is None or len(self.extractor.head[1]) != self.classes:
            return {}
        called = self.extractor.logits(features).argmax(axis=1)
        found = {}
        if self.label is not None or self.recipe.conditional or self.recipe.source.kind == "image":
            found["class_accuracy"] = float(np.mean(called == asked))
        if self.label is None:
            found["class_entropy"] = class_entropy(called, self.classes)
            shares = np.bincount(called, minlength=self.classes) / len(called)
            found |= {f"{CALLED}{label:02d}": float(share) for label, share in enumerate(shares)}
        return found

    def floor(self) -> dict[str, float]:
        """The scores of training images in the samples' place, as many if there are: no generator need do better."""
        rows = np.random.default_rng(self.seed).permutation(len(self.train))[: self.count]
        return self.scores(self.train.image[rows], self.train.label[rows])

    def watched(self, report: dict[str, float]) -> Samples:
        """What of a report tells whether the samples have collapsed."""
        from gan.health import Samples

        counts = [round(share * self.count) for name, share in report.items() if name.startswith(CALLED)]
        recall, coverage = (report[self._named(name)] for name in ("recall", "coverage"))
        return Samples(int(report["step"]), tuple(counts), recall, coverage, report[DUPLICATES])

    def _named(self, score: str) -> str:
        from gan.scores.extractors import score_name

        return score_name(score, self.extractor.name)
