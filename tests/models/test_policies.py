import functools
import random as python_random
import subprocess
import sys
import threading

import numpy as np
import pytest

from models.augment import SignAugmentation
from models.policies import _OPERATIONS, PARTS, RandAugment, policy

NAMES = [*PARTS, "signs+cutmix", "signs+mixup+gridmask", "mixup+signs"]
CLASSES = 4
named = functools.cache(policy)  # compiling a policy's layers takes longer than calling them


def draw(count: int = 8, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return images, np.eye(CLASSES, dtype=np.float32)[np.arange(count) % CLASSES]


def black_and_white(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Class 0 is black, class 1 is white: the mean shade of a mixed image is its share of class 1."""
    label = np.arange(count) % 2
    images = np.broadcast_to((255 * label).astype(np.uint8)[:, None, None, None], (count, 32, 32, 3))
    return images.copy(), np.eye(2, dtype=np.float32)[label]


def test_none_is_no_augmentation() -> None:
    assert policy("none") is None


@pytest.mark.parametrize("name", ["", "sings", "signs+", "signs+none", "mixup+mixup", "Signs", "signs, mixup"])
def test_an_unknown_name_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=r"choose none, or one or more of signs, sensor, .* joined by") as error:
        policy(name)
    assert repr(name) in str(error.value)
    assert all(part in str(error.value) for part in PARTS)


def test_signs_is_the_augmentation_of_signs_itself() -> None:
    images, labels = draw()
    out, same = named("signs")(images, labels, np.random.default_rng(3))
    np.testing.assert_array_equal(out, SignAugmentation()(images, np.random.default_rng(3)))
    np.testing.assert_array_equal(same, labels)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_gives_float32_in_range_labels_of_sum_one_and_leaves_its_input_alone(name: str) -> None:
    images, labels = draw()
    before = images.copy(), labels.copy()
    out, mixed = named(name)(images, labels, np.random.default_rng(1))
    assert out.dtype == mixed.dtype == np.float32
    assert out.shape == images.shape
    assert mixed.shape == labels.shape
    assert 0 <= out.min() <= out.max() <= 255
    assert (mixed >= 0).all()
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("name", NAMES)
def test_all_follows_from_the_generator_and_nothing_global_is_drawn_or_seeded(name: str) -> None:
    import tensorflow as tf

    images, labels = draw()
    one = named(name)
    first = one(images, labels, np.random.default_rng(7))
    other = one(images, labels, np.random.default_rng(8))
    np.random.seed(5)  # noqa: NPY002
    python_random.seed(5)
    tf.random.set_seed(5)
    again = one(images, labels, np.random.default_rng(7))
    np.testing.assert_array_equal(again[0], first[0])
    np.testing.assert_array_equal(again[1], first[1])
    assert not np.array_equal(other[0], first[0])
    after = np.random.random(), python_random.random()  # noqa: NPY002, S311
    np.random.seed(5)  # noqa: NPY002
    python_random.seed(5)
    assert after == (np.random.random(), python_random.random())  # noqa: NPY002, S311


def test_a_policy_made_afresh_gives_the_same() -> None:
    images, labels = draw()
    one, other = (
        augment(images, labels, np.random.default_rng(7))
        for augment in (named("signs+mixup+gridmask"), policy("signs+mixup+gridmask"))
    )
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_a_batch_after_another_differs_and_both_can_be_repeated() -> None:
    images, labels = draw()
    augment = named("signs+mixup")
    random = np.random.default_rng(1)
    first, second = augment(images, labels, random), augment(images, labels, random)
    assert not np.array_equal(first[1], second[1])
    random = np.random.default_rng(1)
    for expected in (first, second):
        np.testing.assert_array_equal(augment(images, labels, random)[1], expected[1])


def test_another_batch_size_and_image_size_are_taken() -> None:
    augment = named("cutmix")
    for count, size in ((8, 32), (5, 32), (4, 48)):
        images, labels = draw(count, size)
        out, mixed = augment(images, labels, np.random.default_rng(1))
        assert out.shape == images.shape
        assert mixed.shape == labels.shape


def test_a_policy_works_in_a_thread_of_a_generator_of_tensorflow() -> None:
    import tensorflow as tf

    images, labels = draw()
    augment = named("signs+mixup+gridmask")
    threads = set()

    def generate():
        random = np.random.default_rng(2)
        for _ in range(3):
            threads.add(threading.get_ident())
            yield augment(images, labels, random)

    shapes = tuple(tf.TensorSpec(array.shape, tf.float32) for array in (images, labels))
    batches = list(tf.data.Dataset.from_generator(generate, output_signature=shapes).prefetch(2).as_numpy_iterator())
    assert threading.get_ident() not in threads
    random = np.random.default_rng(2)
    for out, mixed in batches:
        here = augment(images, labels, random)
        np.testing.assert_array_equal(out, here[0])
        np.testing.assert_array_equal(mixed, here[1])


def test_mixup_mixes_labels_as_it_mixes_images() -> None:
    images, labels = black_and_white(400)
    out, mixed = named("mixup")(images, labels, np.random.default_rng(1))
    np.testing.assert_allclose(out, np.broadcast_to(255 * mixed[:, 1, None, None, None], out.shape), atol=1e-3)
    kept = np.where(labels[:, 0] == 1, mixed[:, 0], mixed[:, 1])[mixed.max(axis=1) < 1]
    assert ((kept < 0.1) | (kept > 0.9)).mean() == pytest.approx(0.69, abs=0.1)  # of Beta(0.2, 0.2)


def test_cutmix_gives_a_patch_the_share_of_its_area() -> None:
    images, labels = black_and_white(400)
    out, mixed = named("cutmix")(images, labels, np.random.default_rng(1))
    share = out.mean(axis=(1, 2, 3)) / 255
    assert set(np.unique(out)) == {0.0, 255.0}
    assert np.abs(share - mixed[:, 1]).max() < 2 * 33 / 32**2  # a patch's edges may lie within a pixel
    assert abs((share - mixed[:, 1]).mean()) < 0.003
    patched = mixed.max(axis=1) < 1
    kept = np.where(labels[:, 0] == 1, mixed[:, 0], mixed[:, 1])[patched]
    assert kept.mean() == pytest.approx(0.5, abs=0.06)  # of Beta(1, 1)
    for image, label in zip(out[patched], labels[patched], strict=True):
        pasted = image[..., 0] != 255 * label[1]
        rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
        assert pasted.sum() == len(rows) * len(columns)  # one rectangle


def test_gridmask_covers_a_share_that_follows_from_its_ratio() -> None:
    """Squares of r units cover r squared: 1/12 for r even in 0..0.5; turning them adds up to a pixel of about 13."""
    images, labels = np.full((400, 32, 32, 3), 200, np.uint8), np.eye(CLASSES, dtype=np.float32)[np.zeros(400, int)]
    out, same = named("gridmask")(images, labels, np.random.default_rng(1))
    assert set(np.unique(out)) == {0.0, 200.0}
    covered = (out == 0).all(axis=3).mean(axis=(1, 2))
    assert 1 / 12 < covered.mean() < 1 / 12 + 2 * 0.25 / 13 + 1 / 13**2
    assert covered.max() < 0.45
    assert len(np.unique(covered)) > 50
    np.testing.assert_array_equal(same, labels)


def test_erasing_fills_one_rectangle_of_half_of_the_images() -> None:
    images, labels = np.full((400, 32, 32, 3), 100, np.uint8), np.eye(CLASSES, dtype=np.float32)[np.zeros(400, int)]
    out, same = named("erasing")(images, labels, np.random.default_rng(1))
    erased = (out != 100).any(axis=3)
    assert erased.any(axis=(1, 2)).mean() == pytest.approx(0.5, abs=0.08)
    assert erased.mean(axis=(1, 2)).max() < 0.25
    np.testing.assert_array_equal(same, labels)


def spots() -> np.ndarray:
    """A red, a green and a blue spot, clockwise about the centre of a dark ground: in any mirror anticlockwise."""
    image = np.full((32, 32, 3), 20, np.uint8)
    for channel, (row, column) in enumerate([(8, 20), (20, 22), (18, 8)]):
        image[row : row + 5, column : column + 5, channel] = 220
    return image


def turn(image: np.ndarray) -> float:
    """Twice the signed area of the triangle from the red to the green to the blue spot; 0 where one is gone."""
    rows, columns = np.indices(image.shape[:2])
    places = []
    for channel in range(3):
        others = np.delete(image, channel, axis=2).max(axis=2)
        weight = np.where(image[..., channel] > 1.3 * others + 25, image[..., channel] - others, 0).astype(float)
        if weight.sum() == 0:
            return 0.0
        places.append([(rows * weight).sum() / weight.sum(), (columns * weight).sum() / weight.sum()])
    (down, right), (further_down, further_right) = np.diff(places, axis=0)
    return float(right * further_down - down * further_right)


@pytest.mark.parametrize("name", ["signs", "randaugment"])
def test_what_turns_clockwise_always_does(name: str) -> None:
    images = np.repeat(spots()[None], 300, axis=0)
    assert turn(spots()) > 0 > turn(spots()[:, ::-1])
    out, _ = named(name)(images, np.ones((300, 1), np.float32), np.random.default_rng(1))
    turns = np.array([turn(image) for image in out])
    assert (turns >= 0).all()
    assert (turns > 0).mean() > 0.8


@pytest.mark.parametrize("name", ["mixup", "cutmix", "gridmask"])
def test_mixing_and_masking_leave_each_pixel_at_its_place(name: str) -> None:
    images = np.repeat(draw(1)[0], 400, axis=0)
    out, _ = named(name)(images, np.eye(CLASSES, dtype=np.float32)[np.zeros(400, int)], np.random.default_rng(1))
    assert (np.isclose(out, images, atol=1e-3) | (out == 0)).all()


def test_randaugment_without_strength_only_stretches_contrast() -> None:
    images = np.full((200, 32, 32, 3), 90, np.uint8)
    images[:, :16] = 160
    out = RandAugment(magnitude=0.0)(images, np.random.default_rng(1))
    same = (out == images).all(axis=(1, 2, 3))
    assert same.mean() == pytest.approx((12 / 14) ** 2, abs=0.08)
    order = np.sign(out[:, :16] - out[:, 16:])
    np.testing.assert_array_equal(order, 1)


def test_randaugment_draws_for_each_image_on_its_own() -> None:
    images = np.repeat(draw(1)[0], 200, axis=0)
    out = RandAugment()(images, np.random.default_rng(1))
    assert len(np.unique(out.reshape(200, -1), axis=0)) > 60
    assert len(np.unique(RandAugment(operations=0)(images, np.random.default_rng(1)), axis=0)) == 1


@pytest.mark.parametrize(("operation", "row", "column"), [(12, 0, 8), (13, 8, 0)])
def test_randaugment_shifts_by_fractions_of_the_side(operation: int, row: int, column: int) -> None:
    from PIL import Image

    image = np.zeros((32, 32, 3), np.uint8)
    image[20, 22] = 200
    out = np.asarray(_OPERATIONS[operation](Image.fromarray(image), 0.25 / 0.3))
    assert out[20 - row, 22 - column, 0] == 200
    assert (out[..., 0] == 128).mean() == pytest.approx(0.25)


def test_randaugment_turns_about_the_centre() -> None:
    from PIL import Image

    image = np.zeros((33, 33, 3), np.uint8)
    image[15:18, 25:28] = 255
    out = np.asarray(_OPERATIONS[9](Image.fromarray(image), 1.0))[..., 0].astype(float)
    light = np.where(out > 160, out, 0)  # what is bared is grey
    rows, columns = np.indices(light.shape)
    row, column = (light * rows).sum() / light.sum() - 16, (light * columns).sum() / light.sum() - 16
    assert np.hypot(row, column) == pytest.approx(10, abs=0.5)
    assert np.rad2deg(np.arctan2(-row, column)) == pytest.approx(-30, abs=2)


def test_keras_cv_is_imported_for_gridmask_alone() -> None:
    code = (
        "import sys; from models.policies import policy; policy('signs+randaugment');"
        "early = 'tensorflow' in sys.modules;"
        "policy('signs+mixup+cutmix+erasing'); print(early, 'keras_cv' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
