import numpy as np
import pytest

from gan.scores import frechet_distance
from gan.scores.per_class import frechet_distance_per_class

RANDOM = np.random.default_rng(0)
REAL, LABELS = RANDOM.normal(size=(90, 6)), np.repeat([0, 4, 7], [50, 36, 4])


def test_each_class_against_its_own(random):
    fake, fake_labels = random.normal(size=(60, 6)), np.repeat([0, 4], 30)
    fake[fake_labels == 4] += 3
    first, second, dropped = frechet_distance_per_class(REAL, LABELS, fake, fake_labels)
    assert first[:3] == (0, 50, 30)
    assert first.distance == pytest.approx(frechet_distance(REAL[:50], fake[:30]))
    assert second.distance > 10 * first.distance
    assert dropped[:3] == (7, 4, 0)
    assert np.isnan(dropped.distance)


def test_few_images_of_a_class_are_no_error():
    *_, few = frechet_distance_per_class(REAL, LABELS, REAL[::-1], LABELS[::-1])
    assert few == (7, 4, 4, pytest.approx(0, abs=1e-9))


def test_two_images_of_a_class_are_enough_and_one_is_not():
    (two,) = frechet_distance_per_class([[0.0, 1], [0, -1]], [3, 3], [[3.0, 2], [3, -2]], [3, 3])
    assert two == (3, 2, 2, pytest.approx(11))
    (one,) = frechet_distance_per_class([[0.0, 1]], [3], [[3.0, 2], [3, -2]], [3, 3])
    assert one[:3] == (3, 1, 2)
    assert np.isnan(one.distance)


def test_labels_that_do_not_fit():
    with pytest.raises(ValueError, match=r"fake labels have the shape \(89,\); give one for each of the 90 samples"):
        frechet_distance_per_class(REAL, LABELS, REAL, LABELS[1:])
