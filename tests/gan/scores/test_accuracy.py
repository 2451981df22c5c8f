import numpy as np
import pytest

from gan.scores.accuracy import accuracy_of, classification_accuracy_score

TEST_LABELS = np.array([0, 0, 1, 1, 2, 2])
TEST = (80 * TEST_LABELS)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def nearest_mean(images, labels, others):
    known = np.unique(labels)
    means = np.array([images[labels == label].mean() for label in known])
    return known[abs(others.mean(axis=(1, 2, 3))[:, None] - means).argmin(axis=1)]


def test_a_perfect_generator_and_one_that_drops_a_class():
    found = classification_accuracy_score(nearest_mean, TEST, TEST_LABELS, TEST, TEST_LABELS)
    assert found == (1, {0: 1, 1: 1, 2: 1})
    found = classification_accuracy_score(nearest_mean, TEST[:4], TEST_LABELS[:4], TEST, TEST_LABELS)
    assert found == (pytest.approx(4 / 6), {0: 1, 1: 1, 2: 0})


def test_from_arrays():
    assert accuracy_of([1, 1, 0, 2], [1, 0, 0, 2]) == (0.75, {0: 0.5, 1: 1.0, 2: 1.0})


def test_labels_that_do_not_fit():
    with pytest.raises(ValueError, match="4 fake images and 6 labels; give one label for each image"):
        classification_accuracy_score(nearest_mean, TEST[:4], TEST_LABELS, TEST, TEST_LABELS)
    with pytest.raises(ValueError, match="0 test images"):
        classification_accuracy_score(nearest_mean, TEST, TEST_LABELS, TEST[:0], TEST_LABELS[:0])
    with pytest.raises(ValueError, match=r"shape \(2,\), true ones \(3,\)"):
        accuracy_of([0, 1], [0, 1, 1])
