import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.scores.moments import Moments

FEATURES = np.random.default_rng(0).normal(1e6, 1, (90, 5))


@given(st.lists(st.integers(0, 90), max_size=6), st.integers(0, 2**31))
def test_any_batches_in_any_order_give_the_moments_of_the_whole(cuts, seed):
    parts = [part for part in np.split(FEATURES, sorted(cuts)) if len(part)]
    np.random.default_rng(seed).shuffle(parts)
    found = Moments.of_batches(parts)
    assert found.n == 90
    np.testing.assert_allclose(found.mean, FEATURES.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(FEATURES.T), rtol=1e-9, atol=1e-9)


def test_nothing_has_no_moments():
    with pytest.raises(ValueError, match="give at least one batch"):
        Moments.of_batches([])
    with pytest.raises(ValueError, match="give at least one sample"):
        Moments.of(np.empty((0, 3)))
    with pytest.raises(ValueError, match="same extractor"):
        Moments.of(FEATURES) + Moments.of(FEATURES[:, :2])
