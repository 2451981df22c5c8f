import numpy as np
import pytest
from scipy.spatial.distance import cdist

from gan.scores import neighbours, precision_recall_density_coverage


def definition(real, fake, k):
    radii = np.sort(cdist(real, real))[:, k]
    fake_radii = np.sort(cdist(fake, fake))[:, k]
    apart = cdist(real, fake)
    inside = apart < radii[:, None]
    recalled = (apart < fake_radii).any(axis=1)
    return inside.any(axis=0).mean(), recalled.mean(), inside.sum() / (k * len(fake)), inside.any(axis=1).mean()


@pytest.mark.parametrize("block", [1, 150, 10**7])
@pytest.mark.parametrize("k", [1, 4])
def test_it_is_the_definition_in_blocks_of_any_size(block, k, monkeypatch, random):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    real, fake = random.normal(50, 1, (60, 5)), random.normal(50.5, 1.2, (45, 5))
    assert precision_recall_density_coverage(real, fake, k=k) == pytest.approx(definition(real, fake, k), rel=1e-12)


@pytest.mark.parametrize("pairs", [1, 4096])
@pytest.mark.parametrize("near", [0, 1e-3])
def test_what_single_precision_cannot_tell_apart_is_told_apart(pairs, near, monkeypatch, random):
    """Samples of few places, each of them many times, or nearly so."""
    monkeypatch.setattr(neighbours, "PAIRS", pairs)
    places = random.integers(-2, 3, (30, 4))
    real, fake = (places[random.integers(0, 30, 300)] + near * random.normal(size=(300, 4)) for _ in range(2))
    wanted = definition(real, fake, 5)
    assert precision_recall_density_coverage(real, fake, k=5) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dimension", [2, 700])
@pytest.mark.parametrize(("inside", "times"), [(0, 1 + 1e-8), (1, 1 - 1e-8)])
def test_the_surface_of_a_ball_in_double_precision(inside, times, dimension, random):
    """Its middle, and the sample that gives it its radius, at a billionth of which others lie in or out."""
    real = np.zeros((2, dimension))
    real[1, 0] = 1
    ways = random.normal(size=(500, dimension)) + 2 * np.eye(dimension)[1] * np.sqrt(dimension)
    ways[:, 0] = -np.abs(ways[:, 0])
    fake = times * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    assert precision_recall_density_coverage(real, fake, k=1).precision == inside


def test_copies_are_perfect_and_on_the_surface_of_balls(random):
    real = random.normal(3, 1, (300, 40))
    assert precision_recall_density_coverage(real, real.copy(), k=5) == (1, 1, 1, 1)


def test_copies_lie_on_the_surface_however_their_distances_are_summed(random):
    """Of a hub, the nearest to all others: few pairs are summed one by one, many at once, with other rounding."""
    real = np.vstack([np.zeros(60), random.normal(size=(80, 60)) * random.uniform(1, 1.2, (80, 1))])
    found = precision_recall_density_coverage(real, np.zeros((70, 60)), k=1)
    assert (found.precision, found.density, found.coverage) == (1, 1, 1 / 81)


def test_copies_of_one_image_cover_next_to_nothing(random):
    real = random.normal(size=(200, 8))
    found = precision_recall_density_coverage(real, np.repeat(real[:1], 200, axis=0), k=5)
    assert found.precision == 1
    assert found.recall == 0
    assert found.coverage < 0.2


def test_a_narrow_generator_is_precise_and_recalls_little(random):
    """The template of torch-fidelity: it keeps real and fake from being swapped."""
    real, fake = random.normal(0, 3, (500, 4)), random.normal(0, 0.1, (500, 4))
    found = precision_recall_density_coverage(real, fake, k=3)
    assert found.precision > 0.8
    assert found.recall < 0.3
    assert precision_recall_density_coverage(fake, real, k=3)[:2] == (found.recall, found.precision)


def test_sets_of_one_distribution_have_the_values_of_the_paper(random):
    """Naeem et al. 2020, section 3.3: density is 1 and coverage 1 - 2^-k in expectation, about."""
    found = precision_recall_density_coverage(*random.normal(size=(2, 3000, 16)), k=5)
    assert found.density == pytest.approx(1, abs=0.06)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.015)


def test_an_outlier_fools_precision_and_not_density(random):
    real, fake = random.normal(size=(300, 4)), random.normal(30, 5, (300, 4))
    with_outlier = np.vstack([real, np.full((1, 4), 30.0)])
    found = precision_recall_density_coverage(with_outlier, fake, k=5)
    assert found.precision > 0.9
    assert found.density < 0.25
    assert found.coverage < 0.01


@pytest.mark.parametrize("far", [1e2, 1e6, 1e9])
def test_a_sample_that_is_far_away_spoils_nothing(far, random):
    real, fake = random.normal(size=(2, 200, 8))
    fake[7] *= far
    assert precision_recall_density_coverage(real, fake, k=5) == pytest.approx(definition(real, fake, 5), rel=1e-12)


def test_sets_on_a_line_by_hand():
    """Real 0, 1, 3 have radii 1, 1, 2, fake 0.5, 9, 9.25 have 8.5, 0.25, 0.25; surfaces are outside."""
    found = precision_recall_density_coverage([[0.0], [1], [3]], [[0.5], [9], [9.25]], k=1)
    assert found == pytest.approx((1 / 3, 1, 2 / 3, 2 / 3))


def test_blind_to_order_shift_and_scale(random):
    real, fake = random.normal(size=(80, 3)), random.normal(0.5, 1, (70, 3))
    wanted = precision_recall_density_coverage(real, fake, k=3)
    assert precision_recall_density_coverage(real[::-1], random.permutation(fake), k=3) == pytest.approx(wanted)
    assert precision_recall_density_coverage(10 * real + 7, 10 * fake + 7, k=3) == pytest.approx(wanted)


def test_one_sample_more_than_neighbours_is_enough(random):
    real, fake = random.normal(size=(2, 6, 2))
    assert precision_recall_density_coverage(real, fake, k=5) == pytest.approx(definition(real, fake, 5))


@pytest.mark.parametrize("k", [0, 30])
def test_too_few_samples_for_so_many_neighbours(k, random):
    with pytest.raises(ValueError, match=f"k {k} with 30 samples: give more samples, or a k from 1 to 29"):
        precision_recall_density_coverage(random.normal(size=(40, 2)), random.normal(size=(30, 2)), k=k)
