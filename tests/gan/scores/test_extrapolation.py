import numpy as np
import pytest
from scipy.stats import linregress

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


def test_as_few_as_four_samples_a_dimension_are_accepted_and_sizes_begin_at_two():
    real, fake = np.random.default_rng(3).normal(size=(2, 40, 10))
    found = frechet_distance_at_infinity(real, fake)
    assert (found.sizes[0], found.sizes[-1]) == (20, 40)


def test_it_is_the_intercept_of_the_line_through_its_points_over_one_by_n():
    real, fake = np.random.default_rng(4).normal(size=(2, 300, 4))
    found = frechet_distance_at_infinity(real, 2 * fake, seed=1)
    line = linregress(1 / np.array(found.sizes), found.distances)
    assert found.value == pytest.approx(line.intercept)


def test_subsets_are_drawn_at_random_from_both_sets():
    sets = np.random.default_rng(5).normal(size=(2, 300, 4))
    halves = frechet_distance(*sets[:, :30])
    for seed in range(3):
        assert frechet_distance_at_infinity(*sets, seed=seed).distances[0] != pytest.approx(halves)
    for swap in (0, 1):  # sorted: a set whose first rows are taken has another mean than the whole
        ordered = sets.copy()
        ordered[swap] = ordered[swap][ordered[swap][:, 0].argsort()]
        assert frechet_distance_at_infinity(*ordered).distances[0] < 1.0
