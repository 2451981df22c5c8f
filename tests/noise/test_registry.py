import numpy as np
import pytest

import noise
from noise import registry


def natural(count: int = 12, size: int = 32) -> np.ndarray:
    """Smooth random pictures."""
    random = np.random.default_rng(5)
    ramps = np.linspace(0, 1, size)[None, None, :, None] * random.random((count, size, 1, 3))
    return (np.clip(0.15 + 0.7 * ramps, 0, 1) * 255).astype(np.uint8)


def ids(images: np.ndarray) -> list[str]:
    return [f"image/{number}" for number in range(len(images))]


def test_another_seed_or_repeat_changes_random_noise():
    images = natural()
    first = noise.apply("gaussian", images, 0.2, image_ids=ids(images))
    assert not np.array_equal(first, noise.apply("gaussian", images, 0.2, image_ids=ids(images), seed=1))
    assert not np.array_equal(first, noise.apply("gaussian", images, 0.2, image_ids=ids(images), repeat=1))


def test_seed_and_repeat_are_0_where_none_is_given():
    images, kind = natural(), noise.find("gaussian")
    named = {"image_ids": ids(images), "seed": 0, "repeat": 0}
    first = noise.apply("gaussian", images, 0.2, image_ids=ids(images))
    np.testing.assert_array_equal(first, noise.apply("gaussian", images, 0.2, **named))
    np.testing.assert_array_equal(first, noise.disturb(kind, images, [0.2], image_ids=ids(images))[0])


def test_chunks_change_nothing(monkeypatch):
    images, kind = natural(), noise.find("gaussian")
    whole = noise.disturb(kind, images, [0.0, 0.2], image_ids=ids(images))
    monkeypatch.setattr(registry, "CHUNK_BYTES", 5 * 4 * images[0].size)
    np.testing.assert_array_equal(noise.disturb(kind, images, [0.0, 0.2], image_ids=ids(images)), whole)


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


def test_parts_of_a_composite_follow_each_other_on_their_own_ranges():
    images = natural()
    kind = noise.find("brightness__black_rows__gaussian_blur")
    assert (kind.low, kind.high, kind.family) == (0.0, 1.0, "composite")
    together = noise.apply(kind.name, images, 0.3, image_ids=ids(images))
    brighter = noise.apply("brightness", images.astype(np.float32) / 255, 0.3, image_ids=ids(images))
    assert not np.array_equal(together, images)
    blurred = noise.apply("brightness__gaussian_blur", images, 0.3, image_ids=ids(images))
    high = noise.find("gaussian_blur").high
    expected = noise.apply("gaussian_blur", brighter, 0.3 * high, image_ids=ids(images))
    np.testing.assert_allclose(blurred / 255, expected, atol=0.51 / 255)


def test_a_composite_whose_name_no_file_can_have_is_refused():
    with pytest.raises(ValueError, match="258 characters are too many for a file name; join fewer noises"):
        noise.find("__".join(["gaussian_blur"] * 17 + ["fog"]))


def test_a_composite_of_unknown_parts_names_the_part():
    with pytest.raises(ValueError, match=r"'gausian' is unknown; did you mean gaussian\?"):
        noise.find("fog__gausian")


def test_two_parts_of_one_composite_draw_fields_of_their_own():
    grey = np.full((4, 32, 32, 3), 128, np.uint8)
    noisy = noise.apply("gaussian__gaussian", grey, 0.1, image_ids=ids(grey)).astype(float) / 255
    assert noisy.std() == pytest.approx(np.sqrt(2) * 0.05, rel=0.03)


def test_marks_lie_within_the_range():
    def faint(images, level, random):
        return images

    with pytest.raises(ValueError, match="out of range"):
        registry.noise(family="x", unit="x", high=1.0, source="x", corruption="fog", severities={1: 2.0})(faint)
    assert "faint" not in noise.catalogue()


def test_cifar_10_c_is_covered_at_its_five_severities():
    marks = [(kind.corruption, severity) for kind in noise.catalogue().values() for severity in kind.severities]
    corruptions = {corruption for corruption, _ in marks}
    assert len(corruptions) == 19
    assert sorted(marks) == sorted((corruption, severity) for corruption in corruptions for severity in range(1, 6))


NO_NAMES = [
    "../x",
    "a/b",
    "/x",
    "a\\b",
    "a\0b",
    "",
    ".",
    "..",
    "a b",
    "a\nb",
    "<lambda>",
    "a=b",
    "a:b",
    "a,b",
    "é",
    "_x",
]
NO_NAMES += ["x_", "9", "a" * 65, "con.txt", "~", "$HOME"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "clean"}, "clean, all and names with __ are taken"),
        ({"name": "one__two"}, "clean, all and names with __ are taken"),
        ({"name": "Clean"}, "clean, all and names with __ are taken"),
        ({"name": "Gaussian"}, "noise Gaussian is registered already"),
        *(({"name": name}, "letters, digits and _ of ASCII") for name in NO_NAMES),
        ({"low": 1.0, "high": 2.0}, "let it start at 0"),
        ({"high": 0.0}, "let it start at 0"),
    ],
)
def test_what_would_break_a_grid_is_not_registered(given, message):
    def faint(images, level, random):
        return images

    faint.__name__ = given.pop("name", "faint")
    with pytest.raises(ValueError, match=message):
        registry.noise(**{"family": "x", "unit": "x", "high": 1.0, "source": "x", **given})(faint)


def test_values_that_are_not_finite_are_an_error(monkeypatch):
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))

    @registry.noise(family="own", unit="share", high=1.0, source="this test")
    def broken(images, level, random):
        return images / np.float32(0) * np.float32(0)

    with np.errstate(all="ignore"), pytest.raises(ValueError, match="noise broken: values that are not finite"):
        noise.apply("broken", natural(), 0.5, image_ids=ids(natural()))


@pytest.mark.parametrize("shape", [(2, 7, 32, 3), (2, 32, 1, 3), (2, 32, 32, 4)])
def test_images_too_small_or_of_other_channels_are_refused(shape):
    with pytest.raises(ValueError, match="give 8 x 8 pixels or more"):
        noise.apply("gaussian", np.zeros(shape, np.uint8), 0.1, image_ids=["a", "b"])
