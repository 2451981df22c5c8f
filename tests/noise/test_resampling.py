"""Samples drawn anew: the binomial law, equal groups as images, unequal groups by the law that all of them show."""

import numpy as np
import pytest

from noise.resampling import FEWEST_GROUPS, MANY, resample

LEVELS = np.linspace(0.0, 1.0, 11)


def _images(count: int, seed: int = 0) -> np.ndarray:
    return LEVELS[None, :] < np.random.default_rng(seed).normal(0.5, 0.15, count)[:, None]


def _clustered(sizes: np.ndarray, correlation: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Answers whose tolerances are correlated within groups of these sizes, and the groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shared, own = random.normal(size=len(sizes))[groups], random.normal(size=len(groups))
    tolerance = 0.5 + 0.15 * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
    return LEVELS[None, :] < tolerance[:, None], groups


class TestDraws:
    def test_images_are_binomial_whichever_way_they_are_drawn(self):
        few = resample(LEVELS, _images(2000), seed=1)  # few outcomes among many images
        many = resample(LEVELS, _images(2000), groups=np.arange(2000) // 2, seed=1)
        for sample in (few, many):
            assert sample.redrawn
            assert sample.replicates.mean(axis=0) == pytest.approx(sample.accuracy, abs=0.002)
            expected = np.sqrt(sample.accuracy * (1 - sample.accuracy) / 2000)
            assert sample.replicates.std(axis=0) == pytest.approx(expected, rel=0.15, abs=1e-4)

    def test_few_or_unequal_groups_follow_their_common_law(self):
        for sizes in (np.full(MANY - 1, 5), np.arange(1, 201)):
            correct, groups = _clustered(sizes, 0.5, np.random.default_rng(0))
            assert not resample(LEVELS, correct, groups=groups, replicates=10).redrawn

    @pytest.mark.parametrize(
        "sizes",
        [np.full(60, 20), np.append(np.full(80, 10), 400), np.round(np.exp(np.linspace(0, 4.5, 60))).astype(int)],
        ids=["equal", "a third in one", "log-even"],
    )
    def test_the_spread_of_draws_is_that_of_new_samples(self, sizes):
        """A bootstrap of groups, one of which is large, would on average show two thirds of it or less."""
        true, drawn = [], []
        for number in range(120):
            correct, groups = _clustered(sizes, 0.5, np.random.default_rng(number))
            sample = resample(LEVELS, correct, groups=groups, seed=number, replicates=200)
            true.append(sample.accuracy[5])
            drawn.append(sample.replicates[:, 5].var())
        assert np.sqrt(np.mean(drawn)) == pytest.approx(np.std(true), rel=0.2)

    def test_draws_stay_shares(self):
        correct, groups = _clustered(np.arange(1, 41), 0.9, np.random.default_rng(0))
        sample = resample(LEVELS, correct, groups=groups)
        assert sample.replicates.min() >= 0
        assert sample.replicates.max() <= 1

    def test_neighbouring_levels_are_drawn_together(self):
        correct, groups = _clustered(np.arange(1, 61), 0.5, np.random.default_rng(0))
        sample = resample(LEVELS, correct, groups=groups)
        assert np.corrcoef(sample.replicates[:, 5], sample.replicates[:, 6])[0, 1] > 0.6


class TestEffectiveGroups:
    @pytest.mark.parametrize("size", [1, 7, 30])
    def test_equal_groups_count_each(self, size):
        correct, groups = _clustered(np.full(50, size), 0.3, np.random.default_rng(0))
        assert resample(LEVELS, correct, groups=groups).effective == pytest.approx(50)

    def test_one_large_group_among_single_images_tells_nothing_of_its_like(self):
        correct, groups = _clustered(np.append(np.ones(200, int), 100), 0.5, np.random.default_rng(0))
        sample = resample(LEVELS, correct, groups=groups)
        assert sample.effective < 2
        assert len(sample.replicates) == 0

    def test_a_few_pairs_among_single_images_do_no_harm(self):
        correct, groups = _clustered(np.append(np.ones(290, int), [2] * 5), 0.5, np.random.default_rng(0))
        assert resample(LEVELS, correct, groups=groups).effective > 200

    @pytest.mark.parametrize("groups", [1, 2, FEWEST_GROUPS - 1])
    def test_too_few_are_not_drawn(self, groups):
        correct, member = _clustered(np.full(groups, 10), 0.5, np.random.default_rng(0))
        assert len(resample(LEVELS, correct, groups=member).replicates) == 0

    def test_answers_that_are_all_alike(self):
        correct = np.ones((60, 11), dtype=bool)
        sample = resample(LEVELS, correct, groups=np.arange(60) // 3)
        assert sample.replicates == pytest.approx(1.0)
        assert sample.worth == pytest.approx(60, rel=0.05)


def test_some_of_the_levels():
    sample = resample(LEVELS, _images(50))
    part = sample.at(np.array([0, 4]))
    assert part.levels.tolist() == LEVELS[[0, 4]].tolist()
    assert part.accuracy.tolist() == sample.accuracy[[0, 4]].tolist()
    assert part.replicates.shape == (len(sample.replicates), 2)
    assert part.counts.shape[1] == part.worth.shape[0] == 2
