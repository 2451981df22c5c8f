"""Thresholds of a recipe: the mean of its trainings, intervals that hold trainings and images, honest censoring."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from noise.thresholds import estimate_threshold
from noise.trainings import compare_recipes, recipe_threshold

LEVELS = np.linspace(0.0, 1.0, 11)
ALIKE = 0.7
"""Correlation of what one image stands between two networks."""


def _shared(images: int, random: np.random.Generator) -> np.ndarray:
    return random.normal(size=images)


def _networks(centres, shared: np.ndarray, random: np.random.Generator, width: float = 0.3) -> list:
    """Networks that are right up to a log-normal tolerance of each image about their centre."""
    networks = []
    for centre in centres:
        scores = np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * random.normal(size=len(shared))
        networks.append((LEVELS, centre * np.exp(width * scores)[:, None] > LEVELS))
    return networks


def _recipe(random: np.random.Generator, *, images=400, count=3, spread=0.05, centre=0.5) -> list:
    return _networks(centre * np.exp(spread * random.normal(size=count)), _shared(images, random), random)


class TestRecipe:
    def test_is_the_geometric_mean_of_what_each_network_has_alone(self, random):
        networks = _recipe(random)
        found = recipe_threshold(networks, share=0.5)
        alone = [estimate_threshold(*network, share=0.5).value for network in networks]
        assert [each.value for each in found.each] == pytest.approx(alone)
        assert found.value == pytest.approx(np.exp(np.mean(np.log(alone))))
        assert found.low < found.value < found.high
        assert found.censored == ""

    def test_copies_of_one_network_have_the_interval_of_that_network(self, random):
        [network] = _recipe(random, count=1, images=800)
        found = recipe_threshold([network] * 3, share=0.5)
        alone = estimate_threshold(*network, share=0.5)
        assert found.spread == 0
        assert found.value == pytest.approx(alone.value)
        assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.15)

    def test_trainings_far_apart_have_the_interval_of_students_t(self, random):
        centres = [0.38, 0.45, 0.5]
        found = recipe_threshold(_networks(centres, _shared(20_000, random), random, width=0.15), share=0.5)
        logs = np.log([each.value for each in found.each])
        half = 4.3027 * logs.std(ddof=1) / np.sqrt(3)
        assert np.log(found.high / found.value) == pytest.approx(half, rel=0.01)
        assert np.log(found.value / found.low) == pytest.approx(half, rel=0.01)
        assert found.spread == pytest.approx(np.log(centres).std(ddof=1), rel=0.02)

    def test_more_trainings_make_it_narrower(self, random):
        shared, centres = _shared(1000, random), [0.45, 0.5, 0.55, 0.45, 0.5, 0.55]
        networks = _networks(centres, shared, random)
        three, six = (recipe_threshold(networks[:count], share=0.5) for count in (3, 6))
        assert six.high - six.low < 0.6 * (three.high - three.low)

    def test_levels_between_the_ends_may_differ(self, random):
        networks = _recipe(random)
        fewer = [(LEVELS[::2], networks[0][1][:, ::2]), *networks[1:]]
        assert recipe_threshold(fewer, share=0.5).value == pytest.approx(
            recipe_threshold(networks, share=0.5).value, rel=0.03
        )

    def test_is_measured_from_the_clean_level(self, random):
        networks = _recipe(random)
        moved = [(levels + 3, correct) for levels, correct in networks]
        here, there = recipe_threshold(networks, share=0.5), recipe_threshold(moved, share=0.5)
        assert (there.value, there.low, there.high) == pytest.approx((here.value + 3, here.low + 3, here.high + 3))

    def test_order_of_images_does_not_matter_but_pairing_does(self, random):
        networks = _recipe(random, images=200)
        order = random.permutation(200)
        found = recipe_threshold(networks, share=0.5)
        assert recipe_threshold([(levels, right[order]) for levels, right in networks], share=0.5) == found
        unpaired = [networks[0], *((levels, right[random.permutation(200)]) for levels, right in networks[1:])]
        assert recipe_threshold(unpaired, share=0.5).high != found.high

    def test_where_all_fall_between_two_levels_the_interval_is_nearly_those(self, random):
        shared = _shared(400, random)
        one, other = (_networks(centres, shared, random, width=0.01) for centres in ([0.43, 0.44], [0.46, 0.48]))
        found = recipe_threshold(one, share=0.5)
        assert 0.39 <= found.low < 0.41
        assert 0.49 < found.high <= 0.51
        assert compare_recipes(one, other, share=0.5).p > 0.5

    def test_half_a_step_of_the_noise_is_in_the_interval(self, random):
        """Networks that all fail at the same row say little of where the next will."""
        networks = _networks([0.49] * 3, _shared(8000, random), random)
        smooth, stepped = (recipe_threshold(networks, share=0.5, step=step) for step in (0.0, 0.1))
        assert [each.value for each in stepped.each] == pytest.approx([0.45] * 3)
        assert stepped.value == pytest.approx(smooth.value)
        assert smooth.high < 0.505
        assert stepped.high == pytest.approx(0.54, abs=0.006)
        assert stepped.low == pytest.approx(0.44, abs=0.006)

    def test_tracks_of_copies_weigh_as_one_image(self, random):
        networks = _recipe(random, images=150)
        copied = [(levels, np.repeat(right, 4, axis=0)) for levels, right in networks]
        alone = recipe_threshold(networks, share=0.5)
        tracks = recipe_threshold(copied, share=0.5, groups=np.arange(600) // 4)
        assert (tracks.low, tracks.high) == pytest.approx((alone.low, alone.high))

    def test_repeats_of_an_image_are_averaged(self, random):
        networks = _recipe(random)
        thrice = [(levels, np.repeat(right[:, None], 3, axis=1)) for levels, right in networks]
        alone, found = recipe_threshold(networks, share=0.5), recipe_threshold(thrice, share=0.5)
        assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high))


class TestCensoring:
    def test_not_reached_by_any(self, random):
        found = recipe_threshold(_recipe(random, centre=5.0), share=0.5)
        assert (found.value, found.low, found.high, found.censored) == (np.inf, 1.0, np.inf, "above")
        assert np.isnan(found.spread)

    def test_three_that_just_do_not_reach_it_do_not_say_that_a_fourth_would_not(self, random):
        centres = [1.02, 1.25, 1.6]
        found = recipe_threshold(_networks(centres, _shared(400, random), random), share=0.5)
        assert {each.censored for each in found.each} == {"above"}
        assert found.low < 1.0

    def test_just_not_reached_from_the_second_level_on_is_sure_up_to_the_first(self, random):
        right = np.ones((400, len(LEVELS)), bool)
        right[202:, 2:] = False
        networks = [(LEVELS, right[random.permutation(400)]) for _ in range(3)]
        found = recipe_threshold(networks, share=0.5)
        assert (found.low, found.censored) == (LEVELS[1], "above")

    def test_not_reached_by_one_is_bounded_from_below_by_the_others(self, random):
        found = recipe_threshold(_networks([0.7, 0.75, 3.0], _shared(400, random), random), share=0.5)
        assert (found.value, found.high, found.censored) == (np.inf, np.inf, "above")
        assert 0.3 < found.low < 0.8

    def test_reached_at_the_first_level_by_all(self, random):
        found = recipe_threshold(_recipe(random, centre=0.01), share=0.5)
        assert (found.value, found.low, found.high, found.censored) == pytest.approx((0.1, 0.0, 0.1, "below"))

    def test_reached_at_the_first_level_by_one(self, random):
        found = recipe_threshold(_networks([0.05, 0.2, 0.25], _shared(400, random), random), share=0.5)
        assert found.censored == "below"
        assert found.low == 0.0
        assert 0.1 < found.value < found.high

    def test_few_groups_have_no_honest_interval(self, random):
        networks, tracks = _recipe(random), np.arange(400) // 50
        found = recipe_threshold(networks, share=0.5, groups=tracks)
        assert (found.low, found.high) == (-np.inf, np.inf)
        assert 0.4 < found.value < 0.6
        assert "no honest interval" in found.method
        compared = compare_recipes(networks, networks, share=0.5, groups=tracks)
        assert (compared.low, compared.high, compared.p) == (0.0, np.inf, 1.0)
        assert "no honest interval" in compared.method


class TestCompare:
    def test_is_the_ratio_of_the_thresholds_and_turns_with_their_order(self, random):
        shared = _shared(500, random)
        one, other = (_networks(centre * np.exp([-0.02, 0, 0.02]), shared, random) for centre in (0.6, 0.4))
        found, turned = compare_recipes(one, other, share=0.5), compare_recipes(other, one, share=0.5)
        expected = recipe_threshold(one, share=0.5).value / recipe_threshold(other, share=0.5).value
        assert found.ratio == pytest.approx(expected)
        assert (turned.ratio, turned.low, turned.high) == pytest.approx(
            (1 / found.ratio, 1 / found.high, 1 / found.low), rel=1e-3
        )
        assert found.low > 1
        assert found.p == pytest.approx(turned.p, rel=0.1)
        assert found.p < 0.001

    def test_the_interval_ends_at_1_where_p_says_so(self, random):
        one, other = _recipe(random, spread=0.1), _recipe(random, spread=0.02, centre=0.42)
        found = compare_recipes(one, other, share=0.5)
        edge = compare_recipes(one, other, share=0.5, confidence=1 - found.p)
        nearest = edge.low if found.ratio > 1 else edge.high
        assert nearest == pytest.approx(1.0, abs=0.003)  # the doubt between levels widens the interval alone

    def test_trainings_far_apart_are_compared_as_by_welch(self, random):
        shared = _shared(20_000, random)
        centres = [0.4, 0.45, 0.5], [0.5, 0.52, 0.56, 0.6]
        one, other = (_networks(each, shared, random, width=0.15) for each in centres)
        expected = ttest_ind(np.log(centres[0]), np.log(centres[1]), equal_var=False).pvalue
        assert compare_recipes(one, other, share=0.5).p == pytest.approx(expected, rel=0.05)

    def test_what_is_hard_for_both_cancels(self, random):
        shared = _shared(300, random)
        one, other = (_networks([centre] * 5, shared, random) for centre in (0.5, 0.45))
        apart = _networks([0.45] * 5, _shared(300, random), random)
        paired, unpaired = (compare_recipes(one, second, share=0.5) for second in (other, apart))
        assert paired.high / paired.low < (unpaired.high / unpaired.low) ** 0.7

    def test_censored_thresholds_give_bounds(self, random):
        shared = _shared(400, random)
        weak, strong = (_networks([centre, 1.1 * centre, centre], shared, random) for centre in (0.5, 4.0))
        found, turned = compare_recipes(strong, weak, share=0.5), compare_recipes(weak, strong, share=0.5)
        assert (found.censored, found.high, turned.censored, turned.low) == ("above", np.inf, "below", 0.0)
        assert found.low > 1.5
        both = compare_recipes(strong, strong, share=0.5)
        assert (both.censored, both.low, both.high, both.p) == ("both", 0.0, np.inf, 1.0)


class TestRefusals:
    def test_one_network_says_nothing_of_the_next(self, random):
        networks = _recipe(random)
        with pytest.raises(ValueError, match="fewer than two"):
            recipe_threshold(networks[:1], share=0.5)
        with pytest.raises(ValueError, match="fewer than two"):
            compare_recipes(networks, networks[:1], share=0.5)

    def test_other_images_or_ranges(self, random):
        networks = _recipe(random)
        with pytest.raises(ValueError, match="give the same images"):
            recipe_threshold([networks[0], (LEVELS, networks[1][1][:50])], share=0.5)
        shorter = (LEVELS[:-1], networks[1][1][:, :-1])
        with pytest.raises(ValueError, match="different ranges"):
            recipe_threshold([networks[0], shorter], share=0.5)
        with pytest.raises(ValueError, match="different ranges"):
            compare_recipes(networks, [shorter, shorter], share=0.5)

    def test_a_network_that_is_not_above_chance(self, random):
        weak = (LEVELS, np.zeros((400, 11), dtype=bool))
        with pytest.raises(ValueError, match="constant answer"):
            recipe_threshold([*_recipe(random), weak], share=0.5)


@pytest.mark.parametrize(("count", "images", "spread"), [(3, 300, 0.0), (3, 300, 0.08), (5, 300, 0.03)])
def test_intervals_hold_the_recipe_and_equal_recipes_are_rarely_told_apart(count, images, spread):
    """The table of `benchmarks.recipe_coverage`, in small."""
    random = np.random.default_rng(5)
    covered, alarms, simulations = 0, 0, 150
    for number in range(simulations):
        shared = _shared(images, random)
        one, other = (_networks(0.5 * np.exp(spread * random.normal(size=count)), shared, random) for _ in range(2))
        found = recipe_threshold(one, share=0.5, seed=number, replicates=100)
        covered += found.low <= 0.5 <= found.high
        alarms += compare_recipes(one, other, share=0.5, seed=number, replicates=100).p < 0.05
    assert 0.91 <= covered / simulations <= 0.995
    assert alarms / simulations <= 0.085
