import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import entropy

from gan.scores import inception_score


def test_images_that_say_nothing_score_one():
    assert inception_score(np.full((40, 7), -3.0), splits=4) == pytest.approx((1, 0))


@pytest.mark.parametrize("certain", [60.0, 1e4])
def test_certain_and_balanced_scores_the_number_of_classes(certain):
    logits = certain * np.eye(7)[np.arange(70) % 7]
    assert inception_score(logits, splits=1).value == pytest.approx(7)


def test_mean_and_deviation_are_over_the_parts_of_shuffled_images(random):
    logits = 3 * random.normal(size=(61, 5))
    each = [inception_score(part, splits=1).value for part in np.array_split(
        logits[np.random.default_rng(4).permutation(61)], [15, 30, 45])]  # fmt: skip
    assert inception_score(logits, splits=4, seed=4) == pytest.approx((np.mean(each), np.std(each)), rel=1e-12)


def test_it_is_the_exponential_of_the_mean_divergence_from_all_images(random):
    shares = softmax(logits := 2 * random.normal(size=(50, 6)), axis=1)
    divergence = entropy(shares, np.broadcast_to(shares.mean(axis=0), shares.shape), axis=1)
    assert inception_score(logits, splits=1) == pytest.approx((np.exp(divergence.mean()), 0), rel=1e-12)


def test_as_many_parts_as_images_are_accepted():
    assert inception_score(np.eye(3), splits=3) == pytest.approx((1, 0))


def test_certain_of_one_class_scores_one():
    assert inception_score(1e4 * np.eye(7)[np.zeros(70, int)], splits=1).value == pytest.approx(1)


def test_the_ceiling_is_the_exponential_of_the_entropy_of_classes():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    shares = np.array([0.5, 0.3, 0.2])
    found = inception_score(100 * np.eye(3)[labels], splits=1).value
    assert found == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@given(arrays(np.float64, (20, 4), elements=st.floats(-700, 700)), st.floats(-1e3, 1e3))
def test_bounded_blind_to_order_and_to_a_shift_of_logits(logits, shift):
    found = inception_score(logits, splits=1).value
    assert 1 - 1e-9 <= found <= 4 + 1e-9
    assert inception_score(logits[::-1] + shift, splits=1).value == pytest.approx(found, rel=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="splits 10 with 9 images: give more images, or from 1 to 9 splits"):
        inception_score(np.zeros((9, 3)))
    with pytest.raises(ValueError, match="logits: 1 of 9 rows hold NaN"):
        inception_score(np.vstack([np.zeros((8, 3)), [[0, np.inf, 0]]]), splits=1)
