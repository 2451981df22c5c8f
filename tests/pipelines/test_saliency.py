"""How far maps move: closed forms, what becomes of images, and a small network explained on simulated answers."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from models.saliency import METHODS
from noise.levels import make_grid
from pipelines import saliency
from pipelines.classifier import Classifier
from pipelines.errors import InputError
from pipelines.networks import PROBABILITIES
from pipelines.preprocessing import Preprocessing
from pipelines.saliency import (
    before_failure,
    explain_grid,
    map_shifts,
    read_methods,
    summarise_moves,
)
from pipelines.signs import open_signs

UNIT = Preprocessing("1", deviation=(255.0,))
COUNTS = {"train": 0, "validation": 0, "test": 30}


def test_the_names_are_those_of_the_models():
    assert list(METHODS) == list(saliency.METHODS)


def test_methods_are_read_from_a_list():
    assert read_methods("grad_cam, gradient,grad_cam") == ("grad_cam", "gradient")
    assert read_methods("none") == ()
    with pytest.raises(InputError, match=r"--saliency cam: no such method; choose among gradient, .*, or none"):
        read_methods("gradient,cam")


def test_shifts_of_maps_in_closed_form():
    before = np.zeros((4, 8, 6), np.float32)
    before[:, 1, 1] = 2
    after = before.copy()
    after[1] = np.roll(before[1], (3, 4), axis=(0, 1))
    after[2] = 0
    after[3] = 5 * before[3]
    correlation, distance = map_shifts(before, after)
    assert correlation[0] == pytest.approx(1)
    assert correlation[3] == pytest.approx(1)
    assert distance[[0, 1, 3]] == pytest.approx([0, 5 / 8, 0])
    assert np.isnan([correlation[2], distance[2]]).all()


def test_rank_correlation_is_scipys_with_ties(random):
    before, after = random.integers(0, 4, (2, 5, 8, 8)).astype(np.float32)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(before, after, strict=True)]
    np.testing.assert_allclose(map_shifts(before, after)[0], expected)


def test_outcomes_look_one_level_ahead():
    right = {"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0]}
    rows = [
        {"image_id": name, "repeat": repeat, "level_index": level + 1, "label": 3, "predicted": 3 if good else 4}
        for name, answers in right.items()
        for level, good in enumerate(answers)
        for repeat in range(2)
    ]
    rows += [{"image_id": "z", "repeat": 0, "level_index": level, "label": 0, "predicted": 0} for level in (1, 2, 3)]
    found = saliency._outcomes(pd.DataFrame(rows).sample(frac=1, random_state=1), ["c", "a", "b"])
    assert found.tolist() == [
        ["wrong", "right_next", "wrong_next"],
        ["wrong", "right_next", "wrong"],
        ["wrong", "right_last", "right_last"],
    ]


def moves():
    """One noise of two levels: at the first three images right next, one wrong next, one wrong."""
    outcomes = ["right_next", "right_next", "right_next", "wrong_next", "wrong"]
    table = pd.DataFrame({"noise": "fog", "level": 0.5, "level_index": 1, "method": "gradient", "outcome": outcomes})
    table["rank_correlation"] = [0.9, 0.7, np.nan, 0.4, 0.1]
    table["centre_shift"] = [0.1, 0.3, np.nan, 0.5, 0.6]
    return pd.concat([table, table.iloc[:1].assign(level=1.0, level_index=2, outcome="right_last")])


def test_moves_are_summed_up_by_outcome():
    table = summarise_moves(moves()).set_index(["level_index", "outcome"])
    assert list(summarise_moves(moves()).columns) == saliency.COLUMNS
    right = table.loc[(1, "right")]
    assert right["rank_correlation"] == pytest.approx((0.9 + 0.7 + 0.4) / 3)
    assert (right["n"], right["blank"]) == (4, 0.25)
    assert right["low"] < right["rank_correlation"] < right["high"]
    assert table.loc[(1, "right_next"), "centre_shift"] == pytest.approx(0.2)
    assert table.loc[(1, "wrong"), "n"] == 1
    assert set(table.loc[2].index) == {"right"}


def test_images_about_to_fail_are_compared_at_equal_levels():
    fates = before_failure(summarise_moves(moves()))
    assert len(fates) == 1
    assert fates.loc[0, ["right_next", "wrong_next", "wrong", "n"]].tolist() == pytest.approx([0.8, 0.4, 0.1, 1])
    assert before_failure(summarise_moves(moves().query("outcome != 'wrong_next'"))).empty


@pytest.fixture(scope="module")
def grid(tmp_path_factory, write_signs, colour_model):
    """A network and images of three colours, under two noises at four levels, with its own answers."""
    signs = open_signs(write_signs(tmp_path_factory.mktemp("saliency") / "colours", counts=COUNTS))
    levels = make_grid([("gaussian", [0.1, 0.2, 0.35, 0.5]), ("colour_patches", [0.3, 0.6, 0.8, 1.0])])
    images, model = signs.read("test"), keras.saving.load_model(colour_model)
    predictions = {"clean": answers(model, images, images.image, 0)}
    for part in levels:
        noisy = saliency.disturb(part.kind, images.image, part.levels, image_ids=images.image_id.tolist(), seed=5)
        rows = [answers(model, images, noisy[index], index) for index in range(1, 5)]
        predictions[part.kind.name] = pd.concat(rows)
    thresholds = [("colour_patches", 0.95), ("gaussian", np.inf)]
    return SimpleNamespace(
        search=SimpleNamespace(classifier=Classifier("m", colour_model, "d"), signs=signs, seed=5, limit=None),
        measured=SimpleNamespace(levels=levels, predictions=predictions),
        thresholds=pd.DataFrame(thresholds, columns=["noise", "threshold"]).assign(criterion="fails"),
    )


def answers(model, images, pixels, level):
    scores = np.asarray(model(pixels.astype(np.float32)))
    columns = {"image_id": images.image_id, "label": images.label, "predicted": scores.argmax(axis=1)}
    return pd.DataFrame(columns | {"level_index": level, "repeat": 0, "confidence": scores.max(axis=1)})


def explained(grid, *methods, **classifier):
    search = SimpleNamespace(**vars(grid.search) | classifier)
    return explain_grid(search, grid.measured, grid.thresholds, methods)


def test_a_grid_is_explained(grid):
    found = explained(grid, "grad_cam", "gradient")
    shifts = found.shifts
    assert list(shifts.columns) == saliency.COLUMNS
    assert list(dict.fromkeys(shifts["noise"])) == ["clean", "gaussian", "colour_patches"]
    assert shifts[shifts["noise"] == "clean"]["outcome"].tolist() == ["other_image"] * 2
    assert list(dict.fromkeys(shifts["method"])) == ["grad_cam", "gradient"]
    rows = grid.measured.predictions["colour_patches"].query("level_index == 3")
    wrong = shifts.query(
        "noise == 'colour_patches' and level_index == 3 and outcome == 'wrong' and method == 'grad_cam'"
    )
    assert wrong["n"].item() == (rows["label"] != rows["predicted"]).sum() > 0
    by_noise = shifts.query("outcome == 'right' and method == 'grad_cam' and noise == 'gaussian'")
    assert by_noise["rank_correlation"].is_monotonic_decreasing
    assert by_noise["rank_correlation"].iloc[0] > 0.8
    assert found.declined == {}


def test_examples_are_failures_at_the_threshold(grid):
    found = explained(grid, "grad_cam")
    (example,) = found.examples
    assert (example.noise, example.level) == ("colour_patches", 1.0)
    assert example.label != example.predicted
    model = keras.saving.load_model(grid.search.classifier.path)
    for image, said in ((example.clean, example.label), (example.noisy, example.predicted)):
        assert np.asarray(model(image[None].astype(np.float32))).argmax() == said
    assert example.maps.shape == (3, 16, 16)
    correlation, _ = map_shifts(example.maps[:1], example.maps[1:2])
    assert example.rank_correlation == pytest.approx(correlation[0], abs=1e-5)


def test_a_level_of_another_accuracy_gives_no_example(grid):
    rows = grid.measured.predictions["colour_patches"]
    rows = rows.assign(predicted=rows["predicted"].where(rows["level_index"] < 4, 9))  # all wrong at the last level
    predictions = grid.measured.predictions | {"colour_patches": rows}
    measured = SimpleNamespace(levels=grid.measured.levels, predictions=predictions)
    assert explain_grid(grid.search, measured, grid.thresholds, ["gradient"]).examples == ()


def test_a_network_of_white_1_that_gives_probabilities(grid, tmp_path):
    """The same network in other clothes has the same maps, up to their scale."""
    model = keras.saving.load_model(grid.search.classifier.path)
    images = keras.Input((16, 16, 3))
    path = tmp_path / "other.keras"
    keras.Model(images, keras.layers.Softmax()(model(keras.layers.Rescaling(255.0)(images)))).save(path)
    nested = explained(grid, "gradient", classifier=Classifier("m", path, "d", UNIT, PROBABILITIES))
    own = explained(grid, "gradient")
    pd.testing.assert_frame_equal(nested.shifts, own.shifts, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_explained_is_declined_with_its_reason(grid, tmp_path):
    images = keras.Input((16, 16, 3))
    mean = keras.layers.GlobalAveragePooling2D()(images)
    path = tmp_path / "mean.keras"
    keras.Model(images, mean).save(path)
    found = explained(grid, "grad_cam", "gradient", classifier=Classifier("m", path, "d"))
    assert list(found.declined) == ["grad_cam"]
    assert "no layer has features with a spatial extent" in found.declined["grad_cam"]
    assert set(found.shifts["method"]) == {"gradient"}
    found = explained(grid, "gradient", classifier=Classifier("m", path, "d", outputs=PROBABILITIES))
    assert "no softmax over logits" in found.declined["gradient"]
    assert found.shifts.empty
    assert explained(grid).shifts.empty
