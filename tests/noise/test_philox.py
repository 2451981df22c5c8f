import numpy as np
import pytest
from scipy import stats

from noise import philox

KEYS = np.random.default_rng(7).integers(0, 2**32, (50, 4), dtype=np.uint32)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_a_block_gives_the_published_known_answers(counter, key, expected):
    """The known-answer vectors that come with the paper's own code (philox4x32, 10 rounds)."""
    words = philox.block_of(*(np.uint64(word) for word in (*counter, *key)))
    assert tuple(int(word) for word in words) == expected


def test_words_are_the_blocks_of_their_counters():
    words = philox.words(KEYS[:2], 3, 5).reshape(2, 4, 5)
    for image, key in enumerate(KEYS[:2]):
        for block in range(5):
            alone = philox.block_of(*(np.uint64(word) for word in (block, 3, key[2], key[3], key[0], key[1])))
            assert tuple(words[image, :, block]) == tuple(int(word) for word in alone)


def test_uniform_numbers_are_uniform_and_below_one():
    values = philox.uniform(philox.words(KEYS, 0, 2000))
    assert values.min() >= 0
    assert values.max() < 1
    assert stats.kstest(values.ravel(), "uniform").pvalue > 0.01
    largest = philox.uniform(np.full((1, 4), 0xFFFFFFFF, np.uint32))
    assert largest.max() == np.float32(1 - 2**-24)


def test_normal_numbers_are_normal_out_to_the_tails():
    values = philox.normal(philox.words(KEYS, 1, 5000)).ravel()
    assert stats.kstest(values, "norm").pvalue > 0.01
    beyond = np.mean(np.abs(values) > 3.5)
    assert beyond == pytest.approx(2 * stats.norm.sf(3.5), rel=0.2)


def test_normal_numbers_follow_the_formula_of_box_and_muller():
    words = philox.words(KEYS, 2, 500)
    radius = np.sqrt(-2 * np.log((words[:, :1000] + 0.5) * 2.0**-32))
    angle = np.pi * words[:, 1000:].astype(np.int32) * 2.0**-31
    expected = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    np.testing.assert_allclose(philox.normal(words), expected, atol=2e-5, rtol=1e-5)


def test_the_smallest_and_largest_words_give_finite_numbers():
    words = np.array([[0, 0xFFFFFFFF, 0, 0x80000000]], np.uint32)
    values = philox.normal(words)
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 7


def test_neighbouring_images_and_draws_are_independent():
    first, second = philox.normal(philox.words(KEYS, 0, 500)), philox.normal(philox.words(KEYS, 1, 500))
    across_images = np.corrcoef(first)[np.triu_indices(len(KEYS), 1)]
    assert np.abs(across_images).max() < 5 / np.sqrt(first.shape[1])
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / np.sqrt(first.size)
