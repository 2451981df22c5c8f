import numpy as np
import pytest
import tensorflow as tf

from gan.augmentation import PARTS, AdaptiveProbability, augment, instance_noise, known

SEED = tf.constant([1, 2], tf.int32)
ALL = "color+translation+cutout"


@pytest.fixture(scope="module")
def images():
    """Smooth ones in [-1, 1], no two alike and none of them its own mirror image."""
    random = np.random.default_rng(0)
    small = random.uniform(-1, 1, (24, 4, 4, 3))
    return tf.image.resize(tf.constant(small, tf.float32), (16, 16))


@pytest.mark.parametrize("policy", [*PARTS, ALL, "none"])
def test_nothing_changes_without_probability_or_policy(policy, images):
    np.testing.assert_array_equal(augment(images, policy, 0.0, SEED), images)
    np.testing.assert_array_equal(augment(images, "none", 1.0, SEED), images)


def test_a_graph_gives_the_same(images):
    compiled = tf.function(augment)(images, ALL, tf.constant(0.7), SEED)
    np.testing.assert_allclose(compiled, augment(images, ALL, 0.7, SEED), atol=1e-6)


@pytest.mark.parametrize("policy", PARTS)
def test_images_follow_from_the_seed(policy, images):
    first = augment(images, policy, 1.0, SEED)
    np.testing.assert_array_equal(augment(images, policy, 1.0, SEED), first)
    other = augment(images, policy, 1.0, SEED + 1)
    assert not np.allclose(other, first)
    assert other.shape == images.shape
    assert other.dtype == tf.float32


@pytest.mark.parametrize("policy", [*PARTS, ALL])
def test_each_image_is_changed_by_its_own_draws(policy, images):
    same = tf.repeat(images[:1], 24, axis=0)
    changed = augment(same, policy, 1.0, SEED).numpy()
    assert len({image.tobytes() for image in changed}) > 15


@pytest.mark.parametrize("policy", PARTS)
@pytest.mark.parametrize("probability", [0.25, 0.75])
def test_the_probability_is_the_share_of_changed_images(policy, probability):
    images = tf.repeat(tf.constant(np.random.default_rng(1).uniform(-1, 1, (1, 16, 16, 3)), tf.float32), 2000, axis=0)
    changed = np.any(augment(images, policy, probability, SEED) != images, axis=(1, 2, 3)).mean()
    still = {"translation": 1 / 25}.get(policy, 0.0)  # moved by no pixel
    assert changed == pytest.approx(probability * (1 - still), abs=0.04)


@pytest.mark.parametrize("policy", [*PARTS, ALL])
def test_gradients_reach_every_image(policy, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(tf.square(augment(images, policy, 1.0, SEED)))
    gradient = np.abs(tape.gradient(total, images))
    assert np.isfinite(gradient).all()
    assert (gradient.sum(axis=(1, 2, 3)) > 0).all()


def test_gradients_can_be_differentiated_again(images):
    """As R1 does through the augmentation."""
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as inner:
            inner.watch(images)
            total = tf.reduce_sum(augment(images, ALL, 1.0, SEED) ** 3)
        squares = tf.reduce_sum(tf.square(inner.gradient(total, images)))
    assert np.abs(outer.gradient(squares, images)).max() > 0


def test_geometry_stays_in_range_and_colour_in_the_bounds_of_its_factors(images):
    moved = augment(images, "translation+cutout", 1.0, SEED).numpy()
    assert np.abs(moved).max() <= 1
    coloured = augment(images, "color", 1.0, SEED).numpy()
    assert 1 < np.abs(coloured).max() < 4  # not clipped: a clip has no gradient
    means, before = (np.asarray(batch).mean(axis=(1, 2, 3)) for batch in (coloured, images))
    assert np.abs(means - before).max() <= 0.5 + 1e-5  # saturation and contrast keep the mean
    assert np.abs(means - before).max() > 0.3


def test_colour_is_one_affine_change_an_image(images):
    """Brightness, saturation and contrast keep places: out = a x + b grey(x) + c for each image."""
    changed = augment(images, "color", 1.0, SEED).numpy()
    for before, after in zip(images.numpy(), changed, strict=True):
        grey = np.broadcast_to(before.mean(axis=2, keepdims=True), before.shape)
        terms = np.stack([before.ravel(), grey.ravel(), np.ones(before.size)], axis=1)
        (scale, greyness, _), residual, *_ = np.linalg.lstsq(terms, after.ravel(), rcond=None)
        assert residual[0] < 1e-5
        assert 0 <= scale <= 3 + 1e-5
        assert 0.5 - 1e-5 <= scale + greyness <= 1.5 + 1e-5


def test_translation_moves_by_up_to_an_eighth_and_never_mirrors():
    images = tf.constant(np.random.default_rng(0).uniform(0.1, 1, (300, 16, 12, 3)), tf.float32)
    moved = augment(images, "translation", 1.0, SEED).numpy()
    places = set()
    for before, after in zip(images.numpy(), moved, strict=True):
        shown = after.any(axis=2)
        (top, left), (bottom, right) = np.argwhere(shown).min(axis=0), np.argwhere(shown).max(axis=0)
        down = top if top else bottom - 15
        across = left if left else right - 11
        expected = np.zeros_like(before)
        rows, columns = slice(max(0, down), 16 + min(0, down)), slice(max(0, across), 12 + min(0, across))
        expected[rows, columns] = np.roll(before, (down, across), axis=(0, 1))[rows, columns]
        np.testing.assert_array_equal(after, expected)
        places.add((int(down), int(across)))
    assert places == {(down, across) for down in range(-2, 3) for across in range(-1, 2)}


def test_cutout_greys_a_square_of_half_the_side_anywhere():
    cut = augment(tf.ones((500, 16, 16, 3)), "cutout", 1.0, SEED).numpy()
    assert set(np.unique(cut)) == {0, 1}
    greyed = 1 - cut[..., 0]
    for square in greyed:
        heights, widths = square.any(axis=1).sum(), square.any(axis=0).sum()
        assert square.sum() == heights * widths
        assert 4 <= min(heights, widths) <= max(heights, widths) <= 8
    assert greyed.mean(axis=0).min() > 0.05
    assert (greyed.sum(axis=(1, 2)) == 64).mean() == pytest.approx((9 / 17) ** 2, abs=0.06)


def test_parts_draw_alike_in_every_policy(images):
    """So a sign and the edges that it is drawn from are moved alike, though only the sign changes colour."""
    moved = augment(augment(images, "color", 1.0, SEED), "translation", 1.0, SEED)
    np.testing.assert_array_equal(augment(images, "translation+color", 1.0, SEED), moved)


@pytest.mark.parametrize("name", ["flip", "color+color", "", "color,cutout"])
def test_unknown_policies_name_the_choices(name, images):
    with pytest.raises(ValueError, match="choose none, or one or more of color, translation, cutout joined by"):
        known(name)
    with pytest.raises(ValueError, match="is unknown"):
        augment(images, name, 1.0, SEED)


def test_instance_noise_has_the_deviation_asked_for(images):
    noise = (instance_noise(images, 0.3, SEED) - images).numpy()
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    np.testing.assert_array_equal(instance_noise(images, tf.constant(0.0), SEED), images)
    np.testing.assert_array_equal(instance_noise(images, 0.3, SEED), instance_noise(images, 0.3, SEED))


def controlled(accuracy, *, start, steps):
    """Probabilities in a training whose discriminator is right about `accuracy(probability)` of its real images."""
    control = AdaptiveProbability(images=5000)
    random, probability, course = np.random.default_rng(0), tf.constant(start), []
    for _ in range(steps):
        measured = random.binomial(256, accuracy(float(probability))) / 256
        probability = control.updated(probability, tf.constant(measured, tf.float32), 256)
        course.append(float(probability))
    return np.array(course)


@pytest.mark.parametrize("start", [0.0, 0.8])
def test_augmentation_settles_where_the_discriminator_is_as_sure_as_asked(start):
    """Of a discriminator that more augmentation makes less sure: right about 0.8 of its real images at p = 0.4."""
    course = controlled(lambda probability: 0.95 - 0.375 * probability, start=start, steps=300)
    assert course[-150:].mean() == pytest.approx(0.4, abs=0.02)
    assert course[-150:].std() < 0.05


def test_augmentation_stays_in_its_range():
    assert controlled(lambda probability: 0.5, start=0.3, steps=50)[-1] == 0
    assert controlled(lambda probability: 1.0, start=0.3, steps=50)[-1] == pytest.approx(0.8)


def test_the_probability_moves_by_one_over_the_images_stated():
    control = AdaptiveProbability(target=0.0, images=1000, most=1.0)
    assert control.updated(tf.constant(0.2), tf.constant(1.0), 50).numpy() == pytest.approx(0.25)
    assert control.updated(tf.constant(0.2), tf.constant(0.5), 50).numpy() == pytest.approx(0.2)
