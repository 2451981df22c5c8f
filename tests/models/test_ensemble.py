from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import softmax

from models.ensemble import ensemble, predict_views


def member(seed: int, classes: int = 4) -> keras.Model:
    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 3), name="images")
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(images)))
    return keras.Model(images, keras.layers.Dense(classes)(x), name="same")


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def test_an_ensemble_gives_the_mean_probability_and_reloads(tmp_path: Path) -> None:
    members = [member(seed) for seed in range(3)]
    joined = ensemble(members)
    pixels = IMAGES.astype(np.float32)
    mean = np.mean([softmax(one.predict_on_batch(pixels), axis=1) for one in members], axis=0)
    np.testing.assert_allclose(np.exp(joined.predict_on_batch(pixels)), mean, rtol=1e-5)
    joined.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras", compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(pixels), joined.predict_on_batch(pixels), rtol=1e-5)


def test_an_ensemble_is_a_copy() -> None:
    one = member(0)
    joined = ensemble([one, member(1)])
    before = joined.predict_on_batch(IMAGES.astype(np.float32))
    one.set_weights([0 * weight for weight in one.get_weights()])
    np.testing.assert_array_equal(joined.predict_on_batch(IMAGES.astype(np.float32)), before)


@pytest.mark.parametrize("members", [[], [member(0), member(1, classes=5)]])
def test_members_that_do_not_fit_are_refused(members: list[keras.Model]) -> None:
    with pytest.raises(ValueError, match="members of an ensemble"):
        ensemble(members)


def test_one_view_is_the_image_itself() -> None:
    logits = predict_views(member(0), IMAGES, 1)
    expected = softmax(member(0).predict_on_batch(IMAGES.astype(np.float32)), axis=1)
    np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-4)


def test_views_of_a_flat_image_agree() -> None:
    flat = np.full((2, 8, 8, 3), 90, np.uint8)
    np.testing.assert_allclose(predict_views(member(0), flat, 9), predict_views(member(0), flat, 1), atol=1e-4)


def test_views_give_probabilities() -> None:
    np.testing.assert_allclose(np.exp(predict_views(member(0), IMAGES, 5)).sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 10])
def test_views_have_a_limit(count: int) -> None:
    with pytest.raises(ValueError, match="give 1 to 9"):
        predict_views(member(0), IMAGES, count)
