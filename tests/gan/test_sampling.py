from pathlib import Path

import keras
import numpy as np
import pytest

from gan.generators import build_generator
from gan.latents import latent
from gan.sampling import ToPixels, generate, to_unit, with_pixels

GENERATOR = build_generator("resize", latent("gaussian"), size=16, width=4)
CONDITIONAL = build_generator("resize", latent("gaussian"), size=16, width=4, classes=3)


def made(n: int, batch: int, generator: keras.Model = GENERATOR) -> np.ndarray:
    return generate(generator, latent("gaussian"), n=n, random=np.random.default_rng(0), batch=batch)


def test_all_values_survive_the_way_there_and_back() -> None:
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(ToPixels()(to_unit(values)), values)
    np.testing.assert_array_equal(ToPixels()(np.array([-3.0, 3.0])), [0, 255])


def test_images_do_not_depend_on_batches() -> None:
    images = made(11, 4)
    assert images.shape == (11, 16, 16, 3)
    assert images.dtype == np.uint8
    np.testing.assert_allclose(images.astype(int), made(11, 11), atol=1)
    assert len(made(0, 4)) == 0


def test_a_stored_generator_gives_the_same_pixels(tmp_path: Path) -> None:
    with_pixels(GENERATOR).save(tmp_path / "g.keras")
    stored = keras.saving.load_model(tmp_path / "g.keras", compile=False)
    assert stored.outputs[0].dtype == "uint8"
    np.testing.assert_array_equal(made(5, 4, stored), made(5, 4))


def test_labels_decide_what_a_conditional_generator_makes() -> None:
    def of(*labels: int) -> np.ndarray:
        random = np.random.default_rng(0)
        return generate(CONDITIONAL, latent("gaussian"), np.array(labels), n=2, random=random)

    one, other = of(0, 1), of(0, 2)
    np.testing.assert_array_equal(one[0], other[0])
    assert not np.array_equal(one[1], other[1])


def test_images_are_made_from_images() -> None:
    unet = build_generator("unet", latent("edges"), size=16, width=4)
    random = np.random.default_rng(0)
    signs = random.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    images = generate(unet, latent("edges"), n=3, random=random, images=signs)
    assert images.shape == signs.shape
    with pytest.raises(ValueError, match="latent edges is made from images"):
        generate(unet, latent("edges"), n=3, random=random)


def test_labels_must_fit_the_generator() -> None:
    with pytest.raises(ValueError, match="labels are for conditional generators"):
        generate(CONDITIONAL, latent("gaussian"), n=2, random=np.random.default_rng(0))
    with pytest.raises(ValueError, match="labels are for conditional generators"):
        generate(GENERATOR, latent("gaussian"), np.zeros(2, int), n=2, random=np.random.default_rng(0))
