from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gan_inputs import GENERATORS, SHOWN, finding, path, recipe, report, shown, units
from benchmarks.gan_runs import Jury, intervals
from gan.latents import LATENTS
from gan.losses import LOSSES


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_a_recipe_and_bounded_critics_no_second_penalty(loss):
    made = recipe("gaussian", loss, "resize", steps=10, width=8, batch_size=4)
    bounded = loss.startswith("wasserstein")
    assert made.loss == loss
    assert (made.r1 == 0) == bounded


@pytest.mark.parametrize("latent", LATENTS)
def test_images_are_translated_and_all_else_is_not(latent):
    made = recipe(latent, "non_saturating", "resize", steps=10, width=8, batch_size=4)
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


JURY = Jury(SimpleNamespace(name="cnn", dimension=64), None)


def test_a_seed_has_all_that_is_compared_trains_what_tables_share_once_and_draws_pictograms():
    images = np.zeros((3, 32, 32, 3), np.uint8)
    drawn = np.ones_like(images)
    found = units((images, np.zeros(3, np.int64), 43), drawn, 7, steps=10, width=8, batch_size=4)
    assert {table: tuple(compared) for table, compared in found.items()} == {
        "inputs": tuple(LATENTS), "losses": tuple(LOSSES), "generators": GENERATORS}  # fmt: skip
    every = [unit for compared in found.values() for unit in compared.values()]
    assert len({unit.folder(Path("work")) for unit in every}) == len(every) - 2
    assert [name for name, unit in found["inputs"].items() if unit.given is drawn] == ["pictogram"]
    assert {unit.seed for unit in every} == {7}


def test_the_finding_names_what_cannot_be_told_from_the_nearest():
    def row(name, *distances, called=1.0, alike=0.0):
        scores = {"kd_spread_cnn": 0.01, "duplicate_share_cnn": alike, "called": called}
        return intervals([{"name": name, "kd_cnn": distance, **scores} for distance in distances])

    seeds = [row("far", 3.0, 3.1, 3.2), row("near", 1.0, 1.1, 1.2), row("nearly", 1.1, 1.2, 1.3)]
    said = finding("inputs", seeds, JURY)
    assert "Of the inputs, near (1.1) comes nearest" in said
    assert "far (3.1) stays furthest away. Intervals overlap with the nearest: nearly." in said
    assert finding("losses", [row("near", 1.0), row("far", 1.1)], JURY).endswith("nearest: none.")
    assert finding("losses", [row("near", 1.0), row("far", 1.02)], JURY).endswith("nearest: far.")
    assert "With near, most samples are not called" in finding("losses", [row("near", 1.0, called=0.4), seeds[0]], JURY)
    spoilt = [row("near", 1.0), row("all_alike", 2.0, alike=0.6), row("no_sign", 3.0, called=0.1)]
    assert finding("losses", spoilt, JURY).endswith(
        "With all alike, most samples are near-duplicates (mode collapse). "
        "With no sign, most samples are not called the class."
    )
    assert "### Inputs" in report({"inputs": seeds}, [row("real", 0.0)], JURY)
