import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import noise
from noise import registry

NAMES = sorted(noise.catalogue())
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(4, 12), st.integers(4, 12), st.just(3)))
SHARES = st.floats(0, 1)


def natural(count: int = 12, size: int = 32) -> np.ndarray:
    """Smooth random pictures with edges: something for each noise to disturb."""
    random = np.random.default_rng(5)
    ramps = np.linspace(0, 1, size)[None, :, None, None] * random.random((count, 1, 1, 3))
    waves = 0.3 * np.sin(np.arange(size) / 3)[None, None, :, None] * random.random((count, 1, 1, 1))
    box = np.zeros((count, size, size, 1))
    box[:, size // 4 : size // 2, size // 4 : -size // 4] = 0.4
    return (np.clip(0.15 + 0.5 * ramps + waves + box, 0, 1) * 255).astype(np.uint8)


def ids(images: np.ndarray) -> list[str]:
    return [f"image/{number}" for number in range(len(images))]


@pytest.mark.parametrize("name", NAMES)
@given(images=IMAGES, share=SHARES, seed=st.integers(0, 9))
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
def test_any_order_part_or_neighbourhood_gives_the_same_images(name):
    images = natural(60)
    names, level = ids(images), noise.find(name).high * 0.4
    whole = noise.apply(name, images, level, image_ids=names, seed=3)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = noise.apply(name, images[order], level, image_ids=[names[i] for i in order], seed=3)
    np.testing.assert_array_equal(shuffled, whole[order])
    alone = [noise.apply(name, images[i : i + 1], level, image_ids=[names[i]], seed=3) for i in range(5)]
    np.testing.assert_array_equal(np.concatenate(alone), whole[:5])


@pytest.mark.parametrize("name", NAMES)
def test_all_levels_in_one_pass_equal_each_alone(name):
    images, kind = natural(), noise.find(name)
    levels = [kind.low + share * (kind.high - kind.low) for share in (0.7, 0.0, 0.2, 1.0)]
    together = noise.disturb(kind, images, levels, image_ids=ids(images))
    alone = [noise.apply(name, images, level, image_ids=ids(images)) for level in levels]
    np.testing.assert_array_equal(together, np.stack(alone))


@pytest.mark.parametrize("name", NAMES)
def test_distortion_rises_with_the_level(name):
    """Mean L2 distance over natural images, up to where a noise saturates the image."""
    images, kind = natural(), noise.find(name)
    levels = np.linspace(kind.low, kind.high, 9)
    noisy = noise.disturb(kind, images, levels, image_ids=ids(images)).astype(float)
    distance = np.sqrt(((noisy - images) ** 2).mean(axis=(2, 3, 4))).mean(axis=1)
    assert (np.diff(distance) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_noise_says_what_it_is(name):
    kind = noise.find(name)
    assert kind.summary.endswith(".")
    assert kind.source
    assert kind.unit
    assert kind.low < kind.high


def test_another_seed_or_repeat_changes_random_noise():
    images = natural()
    first = noise.apply("gaussian", images, 0.2, image_ids=ids(images))
    assert not np.array_equal(first, noise.apply("gaussian", images, 0.2, image_ids=ids(images), seed=1))
    assert not np.array_equal(first, noise.apply("gaussian", images, 0.2, image_ids=ids(images), repeat=1))


def test_an_unknown_noise_is_named_with_the_nearest_known_one():
    with pytest.raises(ValueError, match=r"'gausian' is unknown; did you mean gaussian\?"):
        noise.find("gausian")


@pytest.mark.parametrize("level", [-0.1, 0.51, float("nan")])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(ValueError, match=r"out of range; choose 0 to 0\.5"):
        noise.apply("gaussian", natural(), level, image_ids=ids(natural()))


def test_images_of_another_form_are_refused():
    images = natural()
    with pytest.raises(ValueError, match="want"):
        noise.apply("gaussian", images[0], 0.1, image_ids=["a"])
    with pytest.raises(ValueError, match="want one an image, got 1 for 12"):
        noise.apply("gaussian", images, 0.1, image_ids=["a"])
    with pytest.raises(ValueError, match="divide 0"):
        noise.apply("gaussian", images.astype(np.float32), 0.1, image_ids=ids(images))


def test_no_images_give_no_images():
    empty = np.zeros((0, 32, 32, 3), np.uint8)
    assert noise.apply("gaussian", empty, 0.1, image_ids=[]).shape == empty.shape


def test_a_name_is_given_once(monkeypatch):
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))

    def gaussian(images, level, random):
        return images

    with pytest.raises(ValueError, match="registered already"):
        registry.noise(family="x", unit="x", low=0, high=1, source="x")(gaussian)


def test_a_noise_of_ones_own_needs_nothing_but_its_formula(monkeypatch):
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))

    @registry.noise(family="own", unit="share", low=0.0, high=1.0, source="this test")
    def darken(images, level, random):
        return images * np.float32(1 - level)

    images = natural()
    half = noise.apply("darken", images, 0.5, image_ids=ids(images))
    np.testing.assert_allclose(half, images / 2, atol=0.51)
