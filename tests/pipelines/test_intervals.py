import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, ndtri

from pipelines.intervals import accuracy_gain, accuracy_interval, t_interval, wilson_interval


def test_the_interval_is_students() -> None:
    values = np.array([0.991, 0.995, 0.993])
    mean, low, high = t_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))


def test_a_single_value_says_nothing_of_others() -> None:
    assert t_interval(np.array([0.9])) == pytest.approx((0.9, np.nan, np.nan), nan_ok=True)


def test_equal_values_leave_no_doubt() -> None:
    assert t_interval(np.array([0.5, 0.5])) == pytest.approx((0.5, 0.5, 0.5))


def test_no_value_says_nothing() -> None:
    assert np.isnan(t_interval([])).all()


def crossed(random: np.random.Generator, seeds: int, between: float, images: int = 1500) -> np.ndarray:
    """Answers of networks of normal skill to images of normal difficulty, both on the logit scale."""
    difficulty, skill = random.normal(size=images), between * random.normal(size=(seeds, 1))
    return random.random((seeds, images)) < expit(8 + 3 * difficulty + skill)


def true_accuracy(between: float) -> float:
    grid = ndtri((np.arange(400) + 0.5) / 400)
    return float(expit(8 + 3 * grid + between * grid[:, None]).mean())


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("between", [0.0, 0.3, 1.2], ids=["no seeds", "images above seeds", "seeds above images"])
def test_intervals_over_seeds_and_images_cover_the_truth(seeds: int, between: float) -> None:
    random, truth = np.random.default_rng(7), true_accuracy(between)
    covered = np.mean([_covers(accuracy_interval(crossed(random, seeds, between)), truth) for _ in range(600)])
    assert 0.93 <= covered <= 0.99


def test_students_interval_over_seeds_forgets_the_images() -> None:
    random, truth = np.random.default_rng(7), true_accuracy(0.0)
    covered = [_covers(t_interval(crossed(random, 6, 0.0).mean(axis=1)), truth) for _ in range(300)]
    assert np.mean(covered) < 0.85


def test_a_crossed_bootstrap_takes_three_seeds_for_all() -> None:
    random, truth = np.random.default_rng(7), true_accuracy(1.2)
    covered = [_covers(crossed_bootstrap(crossed(random, 3, 1.2), random), truth) for _ in range(300)]
    assert np.mean(covered) < 0.85


def crossed_bootstrap(right: np.ndarray, random: np.random.Generator, draws: int = 300) -> tuple[float, float, float]:
    answers, counts = np.unique(right, axis=1, return_counts=True)
    images = random.multinomial(right.shape[1], counts / right.shape[1], draws) @ answers.T / right.shape[1]
    means = np.take_along_axis(images, random.integers(0, len(right), (draws, len(right))), axis=1).mean(axis=1)
    return float(right.mean()), *np.quantile(means, [0.025, 0.975])


def _covers(interval: tuple[float, float, float], truth: float) -> bool:
    return interval[1] <= truth <= interval[2]


def test_seeds_that_agree_by_chance_leave_the_doubt_by_images() -> None:
    """Of 99.69% [99.67%, 99.71%] Student's t made 20, 19 and 20 wrong of 6,315; other seeds had 39 and 16."""
    right = np.ones((3, 6315), bool)
    for row, wrong in zip(right, (20, 19, 20), strict=True):
        row[:wrong] = False
    mean, low, high = accuracy_interval(right)
    alone = stats.binomtest(6295, 6315).proportion_ci(method="wilson")
    assert mean == right.mean()
    assert (low, high) == pytest.approx((alone.low, alone.high), abs=2e-4)


def test_the_variance_of_two_networks_and_four_images_by_hand() -> None:
    right = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    mean, low, high = accuracy_interval(right)
    seeds, of_images, of_both = 0.125**2, (2 * 0.375**2 + 0.125**2 + 0.625**2) / 12, (3 * 0.25**2 + 0.75**2) / 48
    assert mean == 0.625
    z, t = stats.norm.ppf(0.975), stats.t.ppf(0.975, 1)
    count = z**2 * mean * (1 - mean) / (t**2 * seeds + z**2 * (of_images - of_both))
    centre = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    assert (low + high) / 2 == pytest.approx(centre)
    assert high - centre == pytest.approx(
        z / (1 + z**2 / count) * np.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2))
    )


def test_images_of_a_group_count_once() -> None:
    one = crossed(np.random.default_rng(0), 4, 0.5)
    frames, tracks = np.repeat(one, 5, axis=1), np.repeat(np.arange(one.shape[1]), 5)
    assert accuracy_interval(frames, groups=tracks) == pytest.approx(accuracy_interval(one))


def test_all_right_leaves_the_doubt_of_so_many_images() -> None:
    mean, low, high = accuracy_interval(np.ones((3, 100), bool))
    alone = stats.binomtest(100, 100).proportion_ci(method="wilson")
    assert (mean, low, high) == pytest.approx((1.0, alone.low, 1.0))


def test_one_network_says_nothing_of_other_seeds() -> None:
    assert accuracy_interval(np.array([[True, False]])) == pytest.approx((0.5, np.nan, np.nan), nan_ok=True)


def test_a_table_of_networks_and_images_is_needed() -> None:
    with pytest.raises(ValueError, match=r"correct: shape \(2,\)"):
        accuracy_interval([True, False])


@pytest.mark.parametrize(("new", "old"), [(2, 3), (6, 6)])
@pytest.mark.parametrize("between", [0.0, 0.3, 1.2], ids=["no seeds", "images above seeds", "seeds above images"])
def test_intervals_of_a_gain_cover_none(new: int, old: int, between: float) -> None:
    random, covered = np.random.default_rng(11), []
    for _ in range(600):
        right = crossed(random, new + old, between)
        covered.append(_covers(accuracy_gain(right[:new], right[new:]), 0.0))
    assert 0.93 <= np.mean(covered) <= 0.995


def test_images_that_are_hard_for_both_recipes_are_no_doubt_of_the_gain() -> None:
    right = crossed(np.random.default_rng(0), 12, 0.0)
    gain, low, high = accuracy_gain(right[:6], right[6:])
    assert gain == pytest.approx(right[:6].mean() - right[6:].mean())
    (_, one, other) = accuracy_interval(right[:6])
    assert high - low < 0.8 * (other - one)


def test_a_gain_of_images_in_groups_and_of_single_networks() -> None:
    right = crossed(np.random.default_rng(0), 5, 0.5)
    frames, tracks = np.repeat(right, 5, axis=1), np.repeat(np.arange(right.shape[1]), 5)
    assert accuracy_gain(frames[:2], frames[2:], groups=tracks) == pytest.approx(accuracy_gain(right[:2], right[2:]))
    gain, low, high = accuracy_gain(right[:1], right[1:])
    assert gain == pytest.approx(right[0].mean() - right[1:].mean())
    assert np.isnan([low, high]).all()
    with pytest.raises(ValueError, match="1500 images beside 1499"):
        accuracy_gain(right, right[:, 1:])


@pytest.mark.parametrize(("right", "images"), [(0, 20), (17, 20), (20, 20), (6295, 6315)])
def test_wilsons_interval_is_that_of_scipy(right, images):
    alone = stats.binomtest(right, images).proportion_ci(method="wilson")
    assert wilson_interval(right / images, images) == pytest.approx((alone.low, alone.high))
    alone = stats.binomtest(right, images).proportion_ci(0.8, method="wilson")
    assert wilson_interval(right / images, images, 0.8) == pytest.approx((alone.low, alone.high))
