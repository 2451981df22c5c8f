import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.scores import frechet_distance
from gan.scores.frechet import frechet_distance_of_moments
from gan.scores.moments import Moments


def with_moments(mean, covariance, n=1000):
    """Moments that are exactly these."""
    return Moments(n, np.asarray(mean, float), np.asarray(covariance, float) * (n - 1))


def test_means_apart_under_equal_covariances():
    one = with_moments(np.zeros(64), np.eye(64))
    other = with_moments(np.ones(64), np.eye(64))
    assert frechet_distance_of_moments(one, other) == pytest.approx(64, rel=1e-12)


def test_diagonal_covariances(random):
    first, second = random.uniform(0.1, 3, (2, 20))
    one, other = with_moments(np.zeros(20), np.diag(first**2)), with_moments(np.full(20, 0.5), np.diag(second**2))
    wanted = 20 * 0.25 + ((first - second) ** 2).sum()
    assert frechet_distance_of_moments(one, other) == pytest.approx(wanted, rel=1e-12)


def test_a_set_is_at_no_distance_from_itself(random):
    features = random.normal(size=(300, 30)) @ random.normal(size=(30, 30)) + 5
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features[:20], features[:20], low_rank=True) == pytest.approx(0, abs=1e-9)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_symmetric_blind_to_order_and_shift_and_quadratic_in_scale(seed, shift, scale):
    random = np.random.default_rng(seed)
    real, fake = random.normal(size=(60, 8)), random.gamma(2, size=(50, 8))
    wanted = pytest.approx(frechet_distance(real, fake), rel=1e-8)
    assert frechet_distance(fake, real) == wanted
    assert frechet_distance(random.permutation(real), random.permutation(fake)) == wanted
    assert frechet_distance(scale * (real + shift), scale * (fake + shift)) / scale**2 == wanted


def test_two_samples_of_one_distribution_are_apart_by_the_bias(random):
    d, n = 64, 1000
    found = frechet_distance(random.normal(size=(n, d)), random.normal(size=(n, d)))
    assert found == pytest.approx((d**2 / 2 + 2 * d) / n, rel=0.1)


def test_dead_features_leave_the_distance_of_the_living(random):
    real, fake = random.normal(size=(2, 200, 10))
    dead = np.zeros((200, 5))
    found = frechet_distance(np.hstack([real, dead]), np.hstack([1.5 * fake, dead]))
    assert found == pytest.approx(frechet_distance(real, 1.5 * fake), rel=1e-9)


@pytest.mark.parametrize("n", [20, 40, 60])
def test_low_rank_is_the_definition_without_a_full_spectrum(n, random):
    real, fake = random.normal(size=(20, 40)), 1.3 * random.normal(size=(n, 40))
    product = np.cov(real.T) @ np.cov(fake.T)
    root = np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum()
    apart = real.mean(axis=0) - fake.mean(axis=0)
    wanted = apart @ apart + np.trace(np.cov(real.T)) + np.trace(np.cov(fake.T)) - 2 * root
    assert frechet_distance(real, fake, low_rank=True) == pytest.approx(wanted, abs=1e-4)
    with pytest.raises(ValueError, match="20 samples are too few for a covariance of 40 dimensions; give 41 or more"):
        frechet_distance(real, fake)


def test_low_rank_makes_no_difference_where_the_rank_is_full(random):
    real, fake = random.normal(size=(2, 50, 10))
    assert frechet_distance(real, fake, low_rank=True) == frechet_distance(real, fake)


def test_as_many_samples_as_dimensions_have_no_full_rank(random):
    square, more = random.normal(size=(10, 10)), random.normal(size=(11, 10))
    with pytest.raises(ValueError, match="10 samples are too few for a covariance of 10 dimensions; give 11 or more"):
        frechet_distance(square, more)
    assert frechet_distance(more, more) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(square, square, low_rank=True) == pytest.approx(0, abs=1e-9)


def test_two_samples_a_set_have_the_distance_of_their_means_and_lengths():
    """With means (0, 0) and (3, 0), variances 2 and 8 along one line: 9 + 2 + 8 - 2 sqrt(16)."""
    real, fake = np.array([[0.0, 1], [0, -1]]), np.array([[3.0, 2], [3, -2]])
    assert frechet_distance(real, fake, low_rank=True) == pytest.approx(11, rel=1e-12)


def test_bad_features_are_named(random):
    good, bad = random.normal(size=(2, 50, 4))
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="fake features: 1 of 50 rows hold NaN"):
        frechet_distance(good, bad)
    with pytest.raises(ValueError, match="4 dimensions, fake ones 3; take both from the same extractor"):
        frechet_distance(good, good[:, :3])
    with pytest.raises(ValueError, match=r"shape \(50,\); give a matrix"):
        frechet_distance(good[:, 0], good)
    with pytest.raises(ValueError, match="1 samples have no covariance"):
        frechet_distance(good[:1], good, low_rank=True)
