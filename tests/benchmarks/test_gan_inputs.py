import numpy as np
import pytest

from benchmarks.gan_inputs import SHOWN, path, recipe, shown
from gan.latents import LATENTS
from gan.losses import LOSSES


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_a_recipe_and_bounded_critics_no_second_penalty(loss):
    made = recipe("gaussian", loss, steps=10, width=8, batch_size=4)
    bounded = loss.startswith("wasserstein")
    assert made.loss == loss
    assert (made.r1 == 0) == bounded


@pytest.mark.parametrize("latent", LATENTS)
def test_images_are_translated_and_all_else_is_not(latent):
    made = recipe(latent, "non_saturating", steps=10, width=8, batch_size=4)
    assert made.latent == latent
    assert (made.generator == "unet") == (LATENTS[latent].kind == "image")


def test_the_way_around_keeps_the_length_and_the_straight_one_is_halfway_in_the_middle():
    start, end = np.eye(2, 8, dtype=np.float32)
    around, straight = path(start, end, around=True), path(start, end, around=False)
    for way in (around, straight):
        assert way.shape == (SHOWN, 8)
        assert np.allclose(way[[0, -1]], [start, end], atol=1e-6)
    assert np.allclose(np.linalg.norm(around, axis=1), 1, atol=1e-6)
    assert np.allclose(straight[1:-1, :2].sum(axis=1), 1)


def test_a_sketch_is_shown_in_grey_and_a_map_between_two_deviations():
    assert shown(np.full((2, 4, 4, 1), -1, np.float32)).tolist() == np.zeros((2, 4, 4, 3)).tolist()
    field = np.array([-3.0, 0.0, 2.0, 3.0], np.float32).reshape(1, 2, 2, 1)
    assert shown(field)[0, ..., 0].tolist() == [[0, 128], [255, 255]]
