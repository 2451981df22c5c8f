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


class TestLaw:
    """Closed forms of what groups tell together."""

    def test_copies_in_a_group_are_worth_one_answer_and_single_images_one_each(self):
        alone = _images(150)
        sample = resample(LEVELS, np.repeat(alone, 4, axis=0), groups=np.arange(600) // 4)
        assert sample.accuracy == pytest.approx(alone.mean(axis=0))
        middle = slice(3, 8)
        assert sample.worth[middle] == pytest.approx(np.full(5, 150), rel=0.05)
        assert resample(LEVELS, alone).worth[middle] == pytest.approx(np.full(5, 149), rel=0.02)

    def test_independent_answers_in_groups_are_worth_as_many_as_there_are(self):
        correct, groups = _clustered(np.full(150, 4), 0.0, np.random.default_rng(0))
        assert resample(LEVELS, correct, groups=groups).worth[4:7].mean() == pytest.approx(600, rel=0.15)

    @pytest.mark.parametrize("rho", [0.0, 1.0])
    def test_large_and_small_groups_of_one_correlation(self, rho):
        """Kish: of sizes m the mean has the variance p (1 - p) sum m (1 + (m - 1) rho) / n^2."""
        sizes = np.arange(1, 121)
        correct, groups = _clustered(sizes, rho, np.random.default_rng(1))
        sample = resample(LEVELS, correct, groups=groups)
        total = sizes.sum()
        expected = total**2 / (sizes * (1 + (sizes - 1) * rho)).sum()
        assert sample.worth[4:7].mean() == pytest.approx(expected, rel=0.3)
        if rho:  # Satterthwaite, as of groups whose size alone decides what they tell of rho = 1
            several = sizes[sizes > 1]
            pairs = (sizes * (sizes - 1)).sum()
            wanted = (sizes**2).sum() ** 2 * ((several - 1) / several) @ ((several - 1) / several) / pairs**2
            assert sample.effective == pytest.approx(wanted, rel=0.05)

    def test_draws_of_the_law_have_the_variance_that_the_answers_are_worth(self):
        correct, groups = _clustered(np.arange(1, 61), 0.5, np.random.default_rng(2))
        sample = resample(LEVELS, correct, groups=groups, replicates=8000)
        degrees = sample.effective - 1
        expected = sample.accuracy * (1 - sample.accuracy) / sample.worth * degrees / (degrees - 2)
        assert sample.replicates[:, 4:7].var(axis=0) == pytest.approx(expected[4:7], rel=0.15)
        assert sample.replicates[:, 4:7].mean(axis=0) == pytest.approx(sample.accuracy[4:7], abs=0.01)


def test_a_group_s_answers_are_those_of_its_images_and_repeats():
    repeats = np.stack([_images(6, seed) for seed in (0, 1, 2)], axis=1)
    sample = resample(LEVELS, repeats, groups=["a", "b", "a", "c", "c", "a"], replicates=0)
    assert sample.groups == 3
    assert sorted(sample.answers @ np.diag(sample.copies)) == [3, 6, 9]
    of_a = repeats[[0, 2, 5]].sum(axis=(0, 1))
    assert sample.counts[sample.answers == 9].tolist() == [of_a.tolist()]


def test_outcomes_are_told_apart_however_many_levels_there_are():
    levels = np.arange(80.0)
    correct = np.random.default_rng(0).random((300, 80)) < 0.5
    sample = resample(levels, np.concatenate([correct, correct[:100]]), replicates=0)
    assert len(sample.copies) == 300
    assert np.bincount(sample.copies).tolist() == [0, 200, 100]
    np.testing.assert_array_equal(sample.copies @ sample.counts, correct.sum(axis=0) + correct[:100].sum(axis=0))


def test_as_many_draws_as_asked_and_by_the_seed():
    first, again, other = (resample(LEVELS, _images(80), seed=seed, replicates=600) for seed in (1, 1, 2))
    assert first.replicates.shape == (600, 11)
    np.testing.assert_array_equal(first.replicates, again.replicates)
    assert not np.array_equal(first.replicates, other.replicates)
    assert resample(LEVELS, _images(80)).replicates.shape == (2000, 11)


def test_levels_on_steps_are_the_nearest_multiples_and_the_last_of_equals_stays():
    sample = resample(np.array([0.0, 0.1, 0.13, 0.4, 0.9]), _images(50)[:, [0, 4, 5, 6, 9]])
    assert sample.on_steps(0) is sample
    found = sample.on_steps(0.25)
    assert found.levels.tolist() == [0, 0.25, 0.5, 1.0]
    assert found.accuracy.tolist() == sample.accuracy[[1, 2, 3, 4]].tolist()
    assert found.accuracy[0] < sample.accuracy[0]
    assert found.replicates.shape[1] == 4


@pytest.mark.parametrize(
    ("levels", "shape", "message"),
    [
        ([0.0], (5, 1), "two or more finite levels that increase"),
        ([0.0, 0.0], (5, 2), "two or more finite levels that increase"),
        ([0.0, np.inf], (5, 2), "two or more finite levels that increase"),
        ([0.0, 1.0], (5, 3), "give \\(images, levels\\) or"),
        ([0.0, 1.0], (0, 2), "give \\(images, levels\\) or"),
        ([0.0, 1.0], (5, 2, 2, 2), "give \\(images, levels\\) or"),
    ],
)
def test_levels_and_answers_that_do_not_fit(levels, shape, message):
    with pytest.raises(ValueError, match=message):
        resample(levels, np.ones(shape, bool))
