import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import noise
from noise.levels import by_name, read_grid
from pipelines import grid
from pipelines.classifier import open_classifier
from pipelines.signs import open_signs

COUNTS = {"train": 3, "validation": 3, "test": 50}
GRID = read_grid("gaussian:0:0.5:4,black_rows:0:1:3")


@pytest.fixture(scope="module")
def signs(tmp_path_factory, write_signs):
    return open_signs(write_signs(tmp_path_factory.mktemp("grid") / "colours", counts=COUNTS, group=20))


@pytest.fixture(scope="module")
def classifier(signs, colour_model):
    return open_classifier(str(colour_model), signs.read("test"), signs.class_names)


def rows_of(units, classifier, batch_size=16) -> pd.DataFrame:
    """Do units of work in this process, as an actor does them."""
    actor = grid.PredictUnit(classifier.path.read_bytes(), classifier, batch_size, 1)
    blocks = [pd.DataFrame(actor({"unit": [pickle.dumps(unit)]})) for unit in units]
    keys = ["noise", "repeat", "level", "image_id"]
    return pd.concat(blocks).drop(columns="unit").sort_values(keys).reset_index(drop=True)


@pytest.fixture(autouse=True)
def _threads_stay_as_they_are(monkeypatch):
    import tensorflow as tf

    for kind in ("intra", "inter"):
        monkeypatch.setattr(tf.config.threading, f"set_{kind}_op_parallelism_threads", lambda _: None)


def test_a_plan_holds_every_prediction_once_and_clean_images_first(signs, classifier):
    units = grid.plan(classifier, signs, GRID, seed=0, repeats=2)
    assert [unit.noise for unit in units[:3]] == ["clean"] * 3
    assert sum(unit.size for unit in units) == 50 + 2 * 50 * (3 + 2)
    assert len({unit.key for unit in units}) == len(units) == 3 * (1 + 2 * 2)


@pytest.mark.parametrize("change", ["seed", "levels", "repeat", "model", "data", "limit"])
def test_a_key_changes_with_all_that_decides_the_rows(signs, classifier, change):
    from dataclasses import replace

    def keys(signs=signs, classifier=classifier, levels=GRID, seed=0, repeats=1, limit=None):
        planned = grid.plan(classifier, signs, levels, seed=seed, repeats=repeats, limit=limit)
        return {unit.key for unit in planned if unit.noise == "gaussian" and unit.repeat == repeats - 1}

    other = {
        "seed": {"seed": 1},
        "levels": {"levels": read_grid("gaussian:0:0.4:4")},
        "repeat": {"repeats": 2},
        "model": {"classifier": replace(classifier, digest="other")},
        "data": {"signs": replace(signs, digest="other")},
        "limit": {"limit": 9},
    }[change]
    assert not keys() & keys(**other)
    assert keys() == keys()


def test_rows_are_what_the_noise_and_the_model_say(signs, classifier):
    rows = rows_of(grid.plan(classifier, signs, GRID, seed=3), classifier)
    test = signs.read("test")
    level = 0.5
    noisy = noise.apply("gaussian", test.image, level, image_ids=test.image_id.tolist(), seed=3)
    logits = grid.load_predictor(classifier.path.read_bytes(), classifier, batch_size=16, threads=1)(noisy)
    here = rows[(rows["noise"] == "gaussian") & (rows["level"] == level)].set_index("image_id").loc[test.image_id]
    np.testing.assert_array_equal(here["predicted"], logits.argmax(axis=1))
    np.testing.assert_array_equal(here["label"], test.label)
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        here["confidence"], (softmax / softmax.sum(axis=1, keepdims=True)).max(axis=1), rtol=1e-6
    )
    own = logits[np.arange(50), test.label]
    rest = np.where(np.eye(3, dtype=bool)[test.label], -np.inf, logits).max(axis=1)
    np.testing.assert_allclose(here["margin"], own - rest, rtol=1e-6)


def test_a_shuffled_data_set_in_other_shards_gives_equal_rows(signs, classifier, tmp_path, write_signs):
    shuffled = open_signs(write_signs(tmp_path / "shuffled", counts=COUNTS, shuffled=True, group=7))
    first = rows_of(grid.plan(classifier, signs, GRID, seed=0), classifier)
    second = rows_of(grid.plan(classifier, shuffled, GRID, seed=0), classifier)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_slices_and_batch_sizes_change_nothing_but_last_digits(signs, classifier, monkeypatch):
    first = rows_of(grid.plan(classifier, signs, GRID, seed=0), classifier)
    monkeypatch.setattr(grid, "SLICE_BYTES", 5000)
    pd.testing.assert_frame_equal(first, rows_of(grid.plan(classifier, signs, GRID, seed=0), classifier))
    other = rows_of(grid.plan(classifier, signs, GRID, seed=0), classifier, batch_size=5)
    np.testing.assert_allclose(first["margin"], other["margin"], atol=1e-5)
    near_tie = np.abs(first["margin"]) < 1e-5
    assert ((first["predicted"] == other["predicted"]) | near_tie).all()


def test_a_limit_is_a_part_of_the_whole(signs, classifier):
    whole = rows_of(grid.plan(classifier, signs, GRID, seed=0), classifier)
    part = rows_of(grid.plan(classifier, signs, GRID, seed=0, limit=12), classifier)
    assert part["image_id"].nunique() == 12
    same = whole[whole["image_id"].isin(part["image_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, same, check_exact=True)


def blocks_of(units, classifier):
    actor = grid.PredictUnit(classifier.path.read_bytes(), classifier, 16, 1)
    return [pa.table(actor({"unit": [pickle.dumps(unit)]})) for unit in units]


def test_rows_that_come_in_pieces_are_put_together(signs, classifier, tmp_path):
    units = grid.plan(classifier, signs, GRID, seed=0)
    whole = pa.concat_tables(blocks_of(units, classifier))
    pieces = [whole.slice(start, 17) for start in range(0, len(whole), 17)]
    grid._collect(pieces, {unit.key: unit for unit in units}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{unit.key}.parquet" for unit in units}
    predictions = grid.compact(units, tmp_path, tmp_path / "predictions", by_name(GRID))
    assert list(predictions) == ["clean", "gaussian", "black_rows"]
    assert [len(predictions[name]) for name in predictions] == [50, 150, 100]
    joined = pd.concat(predictions.values(), ignore_index=True)
    for name, levels in {"clean": (0.0,), **by_name(GRID)}.items():
        rows = joined[joined["noise"] == name]
        assert [levels[index] for index in rows["level_index"]] == rows["level"].tolist()
    keys = ["noise", "repeat", "level", "image_id"]
    expected = rows_of(units, classifier)
    pd.testing.assert_frame_equal(
        joined.sort_values(keys).reset_index(drop=True)[expected.columns], expected, check_dtype=False
    )
    with pytest.raises(KeyError):
        predictions["speckle"]


def test_lost_or_doubled_rows_are_an_error(signs, classifier, tmp_path):
    units = grid.plan(classifier, signs, GRID, seed=0)[:2]
    blocks, todo = blocks_of(units, classifier), {unit.key: unit for unit in units}
    with pytest.raises(RuntimeError, match="1 of 2 units gave too few rows"):
        grid._collect([blocks[0], blocks[1].slice(1)], todo, tmp_path / "few")
    doubled = pa.concat_tables([blocks[0], blocks[0].slice(0, 1)])
    with pytest.raises(RuntimeError, match="gave 21 rows instead of 20"):
        grid._collect([doubled], todo, tmp_path / "many")


def test_predictions_of_made_images_equal_those_of_a_fused_worker(signs, classifier):
    units = grid.plan(classifier, signs, GRID, seed=0)
    actor = grid.PredictImages(classifier.path.read_bytes(), classifier, 16, 1)
    blocks = [pd.DataFrame(actor(part)) for unit in units for part in grid.disturbed({"unit": [pickle.dumps(unit)]})]
    keys = ["noise", "repeat", "level", "image_id"]
    apart = pd.concat(blocks).drop(columns="unit").sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(apart, rows_of(units, classifier), check_exact=True)


def test_a_worker_writes_its_units_where_it_sees_the_folder(signs, classifier, tmp_path):
    [unit] = grid.plan(classifier, signs, GRID, seed=0)[3:4]
    here, elsewhere = grid.Shelf.put_up(tmp_path / "here"), grid.Shelf(tmp_path / "here", "another run's")
    for shelf, written in ((elsewhere, False), (here, True)):
        actor = grid.PredictUnit(classifier.path.read_bytes(), classifier, 16, 1, shelf)
        rows = pa.table(actor({"unit": [pickle.dumps(unit)]})).drop_columns(["unit"])
        path = tmp_path / "here" / f"{unit.key}.parquet"
        assert path.exists() == written
    assert pq.read_table(path).equals(rows)
    grid._collect([rows.add_column(0, "unit", pa.array([unit.key] * len(rows)))], {unit.key: unit}, tmp_path / "here")
    assert pq.read_table(path).equals(rows)
