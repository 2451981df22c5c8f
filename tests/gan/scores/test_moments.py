import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.scores.moments import Moments, cached_moments

FEATURES = np.random.default_rng(0).normal(1e6, 1, (90, 5))


@given(st.lists(st.integers(0, 90), max_size=6), st.integers(0, 2**31))
def test_any_batches_in_any_order_give_the_moments_of_the_whole(cuts, seed):
    parts = [part for part in np.split(FEATURES, sorted(cuts)) if len(part)]
    np.random.default_rng(seed).shuffle(parts)
    found = Moments.of_batches(parts)
    assert found.n == 90
    np.testing.assert_allclose(found.mean, FEATURES.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(FEATURES.T), rtol=1e-9, atol=1e-9)


def test_a_file_keeps_them(tmp_path):
    found = Moments.of(FEATURES)
    found.save(tmp_path / "new" / "real.npz")
    again = Moments.load(tmp_path / "new" / "real.npz")
    assert again.n == 90
    np.testing.assert_array_equal(again.mean, found.mean)
    np.testing.assert_array_equal(again.scatter, found.scatter)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["real.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY"])
def test_a_torn_file_is_named(tmp_path, content):
    path = tmp_path / "real.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"real\.npz: holds no moments of features; delete it"):
        Moments.load(path)


def test_the_real_set_is_computed_once_for_each_data_extractor_and_n(tmp_path):
    calls = []

    def compute(n):
        calls.append(n)
        return Moments.of(FEATURES[:n])

    for data, extractor, n in [
        ("d1", "e1", 50),
        ("d1", "e1", 50),
        ("d2", "e1", 50),
        ("d1", "e2", 50),
        ("d1", "e1", 60),
    ]:
        found = cached_moments(tmp_path, data=data, extractor=extractor, n=n, compute=lambda n=n: compute(n))
        np.testing.assert_array_equal(found.mean, FEATURES[:n].mean(axis=0))
    assert calls == [50, 50, 50, 60]
    with pytest.raises(ValueError, match="moments of 50 samples, not of 51"):
        cached_moments(tmp_path, data="d1", extractor="e1", n=51, compute=lambda: compute(50))


def test_nothing_has_no_moments():
    with pytest.raises(ValueError, match="give at least one batch"):
        Moments.of_batches([])
    with pytest.raises(ValueError, match="give at least one sample"):
        Moments.of(np.empty((0, 3)))
    with pytest.raises(ValueError, match="same extractor"):
        Moments.of(FEATURES) + Moments.of(FEATURES[:, :2])
