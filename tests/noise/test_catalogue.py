"""What every noise of the catalogue keeps, whatever it does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import noise
from pipelines.sources.rendered import render

COMPOSITES = ["low_light__rain", "gaussian__gaussian_blur"]
NAMES = [*sorted(noise.catalogue()), *COMPOSITES]
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(8, 14), st.integers(8, 14), st.sampled_from([1, 3])))
STEPS = 8


@pytest.fixture(scope="module")
def signs() -> np.ndarray:
    """Signs in front of scenery: natural enough for each noise to disturb."""
    return render(np.arange(60) % 43, keys=[f"catalogue/{index}" for index in range(60)], size=32)


def ids(images: np.ndarray) -> list[str]:
    return [f"image/{number}" for number in range(len(images))]


@pytest.mark.parametrize("name", NAMES)
@given(images=IMAGES, share=st.floats(0, 1), seed=st.integers(0, 9))
@settings(max_examples=10, deadline=None)
def test_form_range_identity_and_input_hold_for_every_noise(name, images, share, seed):
    kind = noise.find(name)
    before = images.copy()
    level = kind.low + share * (kind.high - kind.low)
    noisy = noise.apply(name, images, level, image_ids=ids(images), seed=seed)
    np.testing.assert_array_equal(images, before)
    assert noisy.shape == images.shape
    assert noisy.dtype == np.uint8
    clean = noise.apply(name, images, kind.low, image_ids=ids(images), seed=seed)
    np.testing.assert_array_equal(clean, images)
    scaled = images.astype(np.float32) / np.float32(255)
    as_float = noise.apply(name, scaled, level, image_ids=ids(images), seed=seed)
    assert as_float.dtype == np.float32
    assert as_float.min() >= 0
    assert as_float.max() <= 1
    np.testing.assert_allclose(noisy / 255, as_float, atol=0.51 / 255)


@pytest.mark.parametrize("name", NAMES)
def test_any_order_part_or_neighbourhood_gives_the_same_images(name, signs):
    images = signs
    names, level = ids(images), noise.find(name).high * 0.4
    whole = noise.apply(name, images, level, image_ids=names, seed=3)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = noise.apply(name, images[order], level, image_ids=[names[i] for i in order], seed=3)
    np.testing.assert_array_equal(shuffled, whole[order])
    alone = [noise.apply(name, images[i : i + 1], level, image_ids=[names[i]], seed=3) for i in range(5)]
    np.testing.assert_array_equal(np.concatenate(alone), whole[:5])


@pytest.mark.parametrize("name", NAMES)
def test_all_levels_in_one_pass_equal_each_alone(name, signs):
    images, kind = signs[:12], noise.find(name)
    levels = [kind.low + share * (kind.high - kind.low) for share in (0.7, 0.0, 0.2, 1.0)]
    together = noise.disturb(kind, images, levels, image_ids=ids(images))
    alone = [noise.apply(name, images, level, image_ids=ids(images)) for level in levels]
    np.testing.assert_array_equal(together, np.stack(alone))


@pytest.mark.parametrize("name", NAMES)
def test_distortion_rises_with_the_level(name, signs):
    """Mean L2 distance over the signs, over the whole range; it holds for hue and geometry too."""
    kind = noise.find(name)
    levels = np.linspace(kind.low, kind.high, STEPS + 1)
    noisy = noise.disturb(kind, signs, levels, image_ids=ids(signs)).astype(float)
    distance = np.sqrt(((noisy - signs) ** 2).mean(axis=(2, 3, 4))).mean(axis=1)
    assert (np.diff(distance) > 0).all(), distance


@pytest.mark.parametrize("name", NAMES)
def test_every_noise_says_what_it_is(name):
    kind = noise.find(name)
    assert kind.summary.endswith(".")
    assert kind.source
    assert kind.unit
    assert kind.low < kind.high


def test_there_are_fifty_or_more():
    assert len(noise.catalogue()) >= 50
