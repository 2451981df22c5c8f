import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import noise
from noise.levels import by_name, read_grid
from pipelines import grid
from pipelines.bisection import BisectUnit, brackets, collect
from pipelines.classifier import load_predictor, open_classifier
from pipelines.failures.margins import image_thresholds
from pipelines.signs import open_signs
from pipelines.unit_files import write_unit

COUNTS = {"train": 3, "validation": 3, "test": 50}
GRID = read_grid("colour_patches:0:1:4,black_rows:0:1:3")
HALVINGS = 4


@pytest.fixture(scope="module")
def signs(tmp_path_factory, write_signs):
    return open_signs(write_signs(tmp_path_factory.mktemp("bisection") / "colours", counts=COUNTS, group=20))


@pytest.fixture(scope="module")
def classifier(signs, colour_model):
    return open_classifier(str(colour_model), signs.read("test"), signs.class_names)


@pytest.fixture(autouse=True)
def _threads_stay_as_they_are(monkeypatch):
    import tensorflow as tf

    for kind in ("intra", "inter"):
        monkeypatch.setattr(tf.config.threading, f"set_{kind}_op_parallelism_threads", lambda _: None)


@pytest.fixture
def measured(signs, classifier, tmp_path):
    """The grid's units, and the rows of its image thresholds."""
    units = grid.plan(classifier, signs, GRID, seed=0)
    write(units, grid.PredictUnit, classifier, tmp_path)
    predictions = grid.compact(units, tmp_path, tmp_path / "predictions", by_name(GRID))
    found = image_thresholds(predictions)
    return units, found[found["level"] < np.inf]


def write(work, actor, classifier, folder):
    """Do pieces of work in this process, as `grid.run` leaves them."""
    made = actor(classifier.path.read_bytes(), classifier, 16, 1)
    for piece in work:
        rows = pa.table(made({"unit": [pickle.dumps(piece)]})).drop_columns(["unit"])
        assert len(rows) == piece.size
        write_unit(folder, piece.key, rows)


def bisected(measured, classifier, folder, halvings):
    units, failing = measured
    work = brackets(units, dict(list(failing.groupby("noise"))), halvings)
    write(work, BisectUnit, classifier, folder)
    return failing.set_index(["noise", "image_id"]).sort_index(), collect(work, folder).set_index(["noise", "image_id"])


def test_each_image_is_wrong_at_its_level_and_right_just_below(signs, classifier, measured, tmp_path):
    before, after = bisected(measured, classifier, tmp_path, HALVINGS)
    assert len(after) > 20
    pd.testing.assert_index_equal(after.index, before.index)
    width = (before["level"] - before["level_below"]) / 2**HALVINGS
    np.testing.assert_allclose(after["level"] - after["level_below"], width, rtol=1e-9)
    assert (after["level_below"] >= before["level_below"]).all()
    assert (after["level"] <= before["level"]).all()
    test = signs.read("test")
    predict = load_predictor(classifier.path.read_bytes(), classifier, batch_size=16, threads=1)
    for (name, image_id), row in list(after.iterrows())[::3]:
        one = test.take(np.flatnonzero(test.image_id == image_id))
        answers = [
            predict(noise.apply(name, one.image, level, image_ids=[image_id])).argmax()
            for level in (row["level_below"], row["level"])
        ]
        assert answers[0] == one.label[0]
        assert answers[1] == row["predicted"] != one.label[0]


def test_without_halving_the_grid_stands_and_the_distortion_is_measured(classifier, measured, signs, tmp_path):
    before, after = bisected(measured, classifier, tmp_path, 0)
    for column in ("level_below", "level", "predicted"):
        np.testing.assert_array_equal(after[column], before[column])
    (name, image_id), row = next(after.iterrows())
    one = signs.read("test")
    one = one.take(np.flatnonzero(one.image_id == image_id))
    noisy = noise.apply(name, one.image, row["level"], image_ids=[image_id])
    mse = np.mean((noisy / 255 - one.image / 255) ** 2)
    assert row["psnr"] == pytest.approx(-10 * np.log10(mse))


def test_nothing_that_fails_is_nothing_to_do(measured, tmp_path):
    units, failing = measured
    assert brackets(units, dict(list(failing[:0].groupby("noise"))), 3) == []
    assert list(collect([], tmp_path)["noise"]) == []


def test_a_key_changes_with_all_that_decides_the_rows(measured):
    units, failing = measured
    groups = dict(list(failing.groupby("noise")))
    keys = {bracket.key for bracket in brackets(units, groups, 3)}
    assert keys == {bracket.key for bracket in brackets(units, groups, 3)}
    assert not keys & {bracket.key for bracket in brackets(units, groups, 4)}
    moved = {name: rows.assign(level_below=rows["level_below"] + 1e-3) for name, rows in groups.items()}
    assert not keys & {bracket.key for bracket in brackets(units, moved, 3)}
