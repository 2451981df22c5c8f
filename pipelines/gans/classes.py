"""Class by class: how far samples of a class are from real signs of it, and what a classifier learns from them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras
    import pandas as pd
    from numpy.typing import NDArray

    from gan.scores.accuracy import ClassificationAccuracy
    from pipelines.gans.samples import Sampler
    from pipelines.signs import SignDataset, Signs

LEARNER = "default"
"""The recipe of `train` that learns from samples."""
logger = logging.getLogger("pipelines.gan")


def distances_per_class(
    real: tuple[NDArray[Any], NDArray[np.int64]],
    fake: tuple[NDArray[Any], NDArray[np.int64]],
    floor: tuple[NDArray[Any], NDArray[np.int64]],
    class_names: tuple[str, ...],
) -> pd.DataFrame:
    """Frechet distances of each class's samples, and of training images in their place, from its real images.

    Args:
        real: Features (N, D) and labels (N,) of real images.
        fake: Of samples, by the classes that were asked for.
        floor: Of training images.
        class_names: By label.

    Returns:
        A row a class: class, class_name, n_real, n_fake, n_floor, distance, floor; a distance that needs more images
        is NaN. It has a bias that is larger the fewer they are: compare it with the floor.
    """
    import pandas as pd

    from gan.scores.per_class import frechet_distance_per_class

    found = frechet_distance_per_class(*real, *fake)
    beside = frechet_distance_per_class(*real, *floor)
    rows = [
        (one.label, class_names[one.label], one.n_real, one.n_fake, other.n_fake, one.distance, other.distance)
        for one, other in zip(found, beside, strict=True)
    ]
    return pd.DataFrame(
        rows, columns=["class", "class_name", "n_real", "n_fake", "n_floor", "distance", "floor"]
    ).round(6)


def classification_accuracy(
    sampler: Sampler,
    generator: keras.Model,
    dataset: SignDataset,
    signs: Mapping[str, Signs],
    folder: Path,
) -> tuple[ClassificationAccuracy, ClassificationAccuracy]:
    """Accuracy on real signs of a network that has learnt from samples alone, and from as many training images.

    Args:
        sampler: As that of the final scores, with what enters the generator for each training image.
        generator: Makes the samples, as many as training images and of the same classes.
        dataset: Of the signs.
        signs: `train`, and `test` for the accuracy.
        folder: Keeps the state of both trainings.
    """
    from gan.scores.accuracy import classification_accuracy_score

    train, test = signs["train"], signs["test"]
    asked, images = replace(sampler, count=len(train)).samples(generator, draw=3)
    learner = _Learner(len(dataset.class_names), sampler.seed, folder)
    logger.info("training the network %s on %d samples, then on as many real images", LEARNER, len(asked))
    return (
        classification_accuracy_score(learner, images, asked, test.image, test.label),
        classification_accuracy_score(learner, train.image, train.label, test.image, test.label),
    )


class _Learner:
    """Trains a network and labels images with it; goes on with a training that was interrupted."""

    def __init__(self, classes: int, seed: int, folder: Path) -> None:
        self.classes, self.seed, self.folder = classes, seed, folder

    def __call__(self, images: NDArray[np.uint8], labels: NDArray[Any], others: NDArray[np.uint8]) -> NDArray[np.int64]:
        from models.fit import Examples, predict_logits
        from models.recipes import RECIPES
        from pipelines.training import checkpoint_in, train_network

        recipe, digest = RECIPES[LEARNER], hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
        trained = train_network(
            recipe,
            Examples(images, labels),
            None,
            classes=self.classes,
            seed=self.seed,
            checkpoint=checkpoint_in(self.folder, recipe, self.seed, digest, resume=True),
        )
        found: NDArray[np.int64] = predict_logits(trained.model, others).argmax(axis=1)
        return found
