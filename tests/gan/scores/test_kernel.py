from itertools import product

import numpy as np
import pytest

from gan.scores import kernel, kernel_distance


def brute_force(real, fake):
    def value(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def inner(rows):
        return sum(value(a, b) for (i, a), (j, b) in product(enumerate(rows), repeat=2) if i != j)

    n, m = len(real), len(fake)
    across = sum(value(a, b) for a, b in product(real, fake)) / (n * m)
    return inner(real) / (n * (n - 1)) + inner(fake) / (m * (m - 1)) - 2 * across


@pytest.mark.parametrize("block", [3, 7, 1000])
def test_it_is_the_double_loop_in_blocks_of_any_size(block, monkeypatch, random):
    monkeypatch.setattr(kernel, "BLOCK", block)
    real, fake = random.normal(2, 1, (11, 3)), random.normal(2, 2, (8, 3))
    assert kernel_distance(real, fake, subset_size=8).value == pytest.approx(brute_force(real, fake), rel=1e-11)


def test_the_spread_is_that_of_subsets_by_themselves(random):
    real, fake = random.normal(size=(30, 4)), random.normal(0.5, 1, (25, 4))
    subsets = np.random.default_rng(5)
    of_real = [subsets.permutation(30)[:10] for _ in range(20)]
    of_fake = [subsets.permutation(25)[:10] for _ in range(20)]
    values = [brute_force(real[a], fake[b]) for a, b in zip(of_real, of_fake, strict=True)]
    found = kernel_distance(real, fake, subsets=20, subset_size=10, seed=5)
    assert found.spread == pytest.approx(np.std(values), rel=1e-10)


def test_two_samples_a_set_by_hand():
    """k(a, b) = (a.b / 2 + 1)^3: 8 within the real set, 1 within either fake one."""
    found = kernel_distance([[2.0, 0], [1, 0]], [[0.0, 1], [0, 0]], subsets=0, subset_size=2)
    assert found == (8 + 1 - 2, 0.0)
    found = kernel_distance([[2.0, 0], [1, 0]], [[1.0, 1], [0, 0]], subsets=0, subset_size=2)
    assert found.value == pytest.approx(8 + 1 - 2 * (8 + 1.5**3 + 1 + 1) / 4)


def test_symmetric_and_blind_to_order(random):
    real, fake = random.normal(size=(50, 6)), random.gamma(2, size=(40, 6))
    wanted = pytest.approx(kernel_distance(real, fake, subset_size=9).value, rel=1e-11)
    assert kernel_distance(fake, real, subset_size=9).value == wanted
    assert kernel_distance(real[::-1], random.permutation(fake), subset_size=9).value == wanted


def test_zero_on_average_between_samples_of_one_distribution(random):
    values = [kernel_distance(*random.normal(size=(2, 60, 8)), subsets=0, subset_size=2).value for _ in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)
    assert min(values) < 0


def test_a_large_mean_does_not_spoil_it(random):
    """With a common mean c the kernel is near (c^2 + 1)^3: float32 loses the difference, float64 does not."""
    real, fake = random.normal(20, 1, (60, 8)), random.normal(20.5, 1, (60, 8))
    assert kernel_distance(real, fake, subset_size=2).value == pytest.approx(brute_force(real, fake), rel=1e-8)


def test_the_seed_decides_the_spread_and_not_the_value(random):
    real, fake = random.normal(size=(2, 50, 4))
    first, again, other = (kernel_distance(real, fake, subset_size=20, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert first.spread != other.spread


@pytest.mark.parametrize("size", [1, 31])
def test_too_few_samples_for_a_subset(size, random):
    real, fake = random.normal(size=(40, 3)), random.normal(size=(30, 3))
    with pytest.raises(
        ValueError, match=f"subset_size {size} with 30 samples: give more samples, or a subset_size from"
    ):
        kernel_distance(real, fake, subset_size=size)
