import numpy as np
import pytest

from gan.scores import frechet_distance
from gan.scores.extrapolation import frechet_distance_at_infinity


def test_the_bias_leaves():
    real, fake = np.random.default_rng(0).normal(size=(2, 2000, 32))
    found = frechet_distance_at_infinity(real, fake)
    biased = frechet_distance(real, fake)
    assert biased > 0.25
    assert abs(found.value) < 0.1 * biased
    assert found.sizes[0] == 200
    assert found.sizes[-1] == 2000
    assert found.distances[-1] == pytest.approx(biased, rel=1e-9)
    assert len(found.sizes) == len(found.distances) == 15


def test_a_real_distance_stays():
    random = np.random.default_rng(1)
    real, fake = random.normal(size=(2000, 16)), random.normal(0.5, 1, (3000, 16))
    assert frechet_distance_at_infinity(real, fake, seed=3).value == pytest.approx(16 * 0.25, rel=0.05)


def test_too_few_samples():
    real, fake = np.random.default_rng(2).normal(size=(2, 39, 10))
    with pytest.raises(ValueError, match="39 samples are too few to extrapolate in 10 dimensions; give 40 or more"):
        frechet_distance_at_infinity(real, fake)
