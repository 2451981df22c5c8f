"""Grids of several networks to thresholds of their recipe."""

import numpy as np
import pandas as pd
import pytest

from noise.levels import make_grid
from noise.trainings import recipe_threshold
from pipelines.analysis import CRITERIA
from pipelines.errors import InputError
from pipelines.search import Measured
from pipelines.trainings import COLUMNS, recipe_thresholds

GRID = make_grid([("gaussian", np.linspace(0, 0.5, 11)), ("fog", np.linspace(0, 3, 7))])
IMAGES = 240


def grid(centre: float, *, levels=GRID, images: int = IMAGES, classes: int = 4, tracks: int = 0) -> Measured:
    """The answers of a network that is right up to a tolerance of each image about a share of each noise's range."""
    hard = np.exp(0.3 * np.random.default_rng(3).normal(size=images))
    names = np.array([f"test/{image:03d}" for image in range(images)])
    track = [f"t{image // tracks}" for image in range(images)] if tracks else ""
    known = {"image_id": names, "track": track, "label": np.arange(images) % classes, "repeat": 0}
    predictions = {"clean": pd.DataFrame(known | {"level_index": 0, "predicted": known["label"]})}
    for part in levels:
        right = [centre * hard * part.levels[-1] > level for level in part.levels]
        rows = [
            pd.DataFrame(known | {"level_index": index, "predicted": np.where(right[index], known["label"], 9)})
            for index in range(1, len(part.levels))
        ]
        predictions[part.kind.name] = pd.concat(rows).sample(frac=1, random_state=len(rows))
    return Measured(levels, [], predictions)  # type: ignore[arg-type]


def test_every_noise_has_the_thresholds_of_the_recipe():
    grids = [grid(centre) for centre in (0.4, 0.45, 0.5)]
    table = recipe_thresholds(grids, size=32, seed=2)
    assert list(table.columns) == COLUMNS
    assert table[["noise", "criterion"]].to_numpy().tolist() == [
        [noise, criterion] for noise in ("gaussian", "fog") for criterion in ("begins", "fails")
    ]
    assert (table[["networks", "reached", "n", "groups"]] == [3, 3, IMAGES, IMAGES]).all(axis=None)
    fog = table.iloc[3]
    assert fog["unit"] == GRID[1].kind.unit
    assert fog["low"] < fog["lowest"] < fog["threshold"] < fog["highest"] < fog["high"]
    right = [
        np.column_stack(
            [
                np.ones(IMAGES, bool),
                *(
                    rows.sort_values("image_id").pipe(lambda each: each["predicted"] == each["label"])
                    for _, rows in one.predictions["fog"].groupby("level_index")
                ),
            ]
        )
        for one in grids
    ]
    expected = recipe_threshold([(GRID[1].levels, each) for each in right], share=CRITERIA["fails"], seed=2)
    assert tuple(fog[["threshold", "low", "high", "spread"]]) == (
        expected.value, expected.low, expected.high, expected.spread,
    )  # fmt: skip


def test_tracks_are_the_groups():
    table = recipe_thresholds([grid(0.4, tracks=4), grid(0.5, tracks=4)], size=32)
    assert set(table["groups"]) == {IMAGES // 4}


def test_what_one_network_does_not_reach_is_counted():
    table = recipe_thresholds([grid(0.4), grid(0.5), grid(9.0)], size=32)
    assert set(table["censored"]) == {"above"}
    assert set(table["reached"]) == {2}
    assert (table["highest"] == np.inf).all()


def test_half_of_two_classes_is_chance_and_has_a_reason():
    table = recipe_thresholds([grid(0.4, classes=2), grid(0.5, classes=2)], size=32).set_index(["noise", "criterion"])
    fails = table.loc[("fog", "fails")]
    assert np.isnan(fails["threshold"])
    assert fails["method"].startswith("none: 0.5 x clean 1")
    assert np.isfinite(table.loc[("fog", "begins"), "threshold"])


def test_networks_that_saw_other_images_are_refused():
    with pytest.raises(InputError, match="the networks saw different images"):
        recipe_thresholds([grid(0.4), grid(0.5, images=200)], size=32)


def test_half_a_step_of_a_noise_is_in_the_interval():
    """Rows of 32 pixels are whole, those of 3,200 nearly not."""
    rows = make_grid([("black_rows", np.linspace(0, 1, 33))])
    coarse, fine = (recipe_thresholds([grid(0.4, levels=rows)] * 3, size=size).iloc[1] for size in (32, 3200))
    assert coarse["high"] - coarse["low"] > fine["high"] - fine["low"] + 0.005
