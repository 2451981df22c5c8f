import numpy as np
import pytest

from noise.keyed import KeyedRandom

IDS = [f"test/{number:05d}" for number in range(40)]


def test_a_field_depends_on_its_image_alone():
    together = KeyedRandom(1, "gaussian", IDS).normal((8, 8, 3))
    backwards = KeyedRandom(1, "gaussian", IDS[::-1]).normal((8, 8, 3))
    alone = np.concatenate([KeyedRandom(1, "gaussian", [name]).normal((8, 8, 3)) for name in IDS])
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("other", [(2, "gaussian", 0), (1, "uniform", 0), (1, "gaussian", 1)])
def test_seed_noise_and_repeat_each_change_the_field(other):
    seed, noise, repeat = other
    first = KeyedRandom(1, "gaussian", IDS).uniform((16,))
    second = KeyedRandom(seed, noise, IDS, repeat).uniform((16,))
    assert not np.isin(first, second).any()


def test_draws_differ_and_come_again_after_replay():
    random = KeyedRandom(0, "x", IDS)
    first, second = random.uniform((10,)), random.uniform((10,))
    assert not np.array_equal(first, second)
    random.replay()
    assert random.uniform((10,)) is first
    assert random.uniform((10,)) is second


def test_a_draw_that_changes_with_the_level_is_refused():
    random = KeyedRandom(0, "x", IDS)
    random.uniform((10,))
    random.replay()
    with pytest.raises(ValueError, match="draw 0 was"):
        random.normal((10,))


def test_fields_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        KeyedRandom(0, "x", IDS).normal((4,))[0] = 1


def test_integers_cover_their_range_evenly():
    values = KeyedRandom(0, "x", IDS).integers(3, 8, (500,))
    assert set(np.unique(values)) == {3, 4, 5, 6, 7}
    counts = np.bincount(values.ravel())[3:]
    assert np.abs(counts / values.size - 0.2).max() < 0.02


def test_no_images_give_an_empty_field():
    assert KeyedRandom(0, "x", []).normal((4, 4)).shape == (0, 4, 4)
