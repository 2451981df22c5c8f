"""The classification accuracy score (Ravuri and Vinyals 2019): train on generated images, test on real ones."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]
TrainAndPredict = Callable[[Images, Labels, Images], ArrayLike]
"""Called with generated images, their labels and the real test images; gives the predicted labels of the latter."""


class ClassificationAccuracy(NamedTuple):
    """Accuracy on real images, over all and for each class: a low one is a class that the generator lacks or spoils."""

    accuracy: float
    per_class: Mapping[int, float]


def classification_accuracy_score(
    train_and_predict: TrainAndPredict, fake: Images, fake_labels: Labels, test: Images, test_labels: Labels
) -> ClassificationAccuracy:
    """Accuracy on real images of a classifier that has seen generated ones only.

    Show that of the same classifier trained on as many real images beside it.

    Args:
        train_and_predict: Trains a classifier and labels the test images with it.
        fake: Generated images (N, H, W, 3).
        fake_labels: The classes that were asked for, (N,).
        test: Real images (M, H, W, 3).
        test_labels: (M,).

    Raises:
        ValueError: labels that do not fit the images.
    """
    for name, images, labels in (("fake", fake, fake_labels), ("test", test, test_labels)):
        if not len(images) or len(images) != len(labels):
            raise ValueError(f"{len(images)} {name} images and {len(labels)} labels; give one label for each image")
    return accuracy_of(train_and_predict(fake, fake_labels, test), test_labels)


def accuracy_of(predicted: ArrayLike, labels: ArrayLike) -> ClassificationAccuracy:
    """The same from predicted and true labels (M,).

    Raises:
        ValueError: their shapes differ.
    """
    found, true = np.asarray(predicted), np.asarray(labels)
    if found.shape != true.shape or found.ndim != 1:
        raise ValueError(f"predicted labels have the shape {found.shape}, true ones {true.shape}; give (M,) of both")
    right = found == true
    return ClassificationAccuracy(
        float(right.mean()), {label: float(right[true == label].mean()) for label in np.unique(true).tolist()}
    )
