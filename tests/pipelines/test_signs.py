import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import ingest
from pipelines.errors import InputError
from pipelines.signs import concatenate, open_signs, prepared, stratified

SIZE = 8


@pytest.fixture
def folder(make, tmp_path, in_process, monkeypatch):
    """A prepared folder of three classes, 60 training images, cut into many small files."""
    monkeypatch.setattr(ingest, "ROWS_A_GROUP", 8)
    monkeypatch.setattr(ingest, "ROWS_A_FILE", 24)
    source = make.unpacked(make.class_files(30), tmp_path / "trees")
    return prepared(source, size=SIZE, output=tmp_path / "prepared").folder


def test_the_form_is_what_the_design_says(folder):
    signs = open_signs(folder)
    assert signs.counts == {"train": (19, 19, 19), "validation": (5, 5, 5), "test": (6, 6, 6)}
    assert [path.name for path in signs.files("train")] == [f"train-{i:05d}.parquet" for i in range(3)]
    table = pq.read_table(signs.files("test")[0])
    assert table.column_names == ["image_id", "split", "label", "track", "width", "height", "image"]
    assert set(table["split"].to_pylist()) == {"test"}
    assert table["image"].type.shape == [SIZE, SIZE, 3]
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_shards_are_the_split_in_pieces(folder):
    signs = open_signs(folder)
    whole, shards = signs.read("train"), signs.shards("train")
    assert len(shards) > len(signs.files("train"))
    parts = [shard.read() for shard in shards]
    assert [len(part) for part in parts] == [shard.rows for shard in shards]
    again = concatenate(parts)
    np.testing.assert_array_equal(again.image_id, whole.image_id)
    np.testing.assert_array_equal(again.image, whole.image)
    assert (whole.image.dtype, whole.label.dtype, whole.image.shape) == (np.uint8, np.int64, (57, SIZE, SIZE, 3))


def test_images_are_those_of_the_files(make, folder):
    from pipelines.sources.pixels import decode

    files, signs = make.class_files(30), open_signs(folder).read("validation")
    for image_id, image in zip(signs.image_id, signs.image, strict=True):
        name = image_id.removeprefix("train/") + ".png"
        np.testing.assert_array_equal(image, decode(files[name]))


@pytest.mark.parametrize("limit", [1, 3, 10, 57, 1000])
def test_a_limit_reads_the_subset_in_file_order(folder, limit):
    signs = open_signs(folder)
    part, whole = signs.read("train", limit=limit), signs.read("train")
    assert len(part) == min(limit, 57)
    assert set(part.image_id) == set(signs.subset("train", limit))
    rows = [list(whole.image_id).index(name) for name in part.image_id]
    assert rows == sorted(rows)
    np.testing.assert_array_equal(part.image, whole.image[rows])


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 200), st.randoms())
def test_subsets_are_nested_stratified_and_independent_of_order(counts, limit, random):
    rows = [(f"{label}/{index}", label) for label, count in enumerate(counts) for index in range(count)]
    shuffled = random.sample(rows, len(rows))
    chosen = stratified(*(np.array(column) for column in zip(*rows, strict=True)), limit)
    again = stratified(*(np.array(column) for column in zip(*shuffled, strict=True)), limit)
    assert set(chosen) == set(again)
    smaller = stratified(*(np.array(column) for column in zip(*rows, strict=True)), max(1, limit // 2))
    assert set(smaller) <= set(chosen)
    taken = [sum(name.startswith(f"{label}/") for name in chosen) for label in range(len(counts))]
    if limit >= len(counts):
        share = min(1, limit / sum(counts))
        assert all(
            max(1, share * n - len(counts) - 1) <= k <= share * n + 2 for k, n in zip(taken, counts, strict=True)
        )
    assert sum(taken) == min(limit, sum(counts))


def test_wrong_arguments_are_named(folder):
    signs = open_signs(folder)
    with pytest.raises(InputError, match="--limit 0"):
        signs.read("train", limit=0)
    with pytest.raises(InputError, match="'tset': choose one of train, validation, test"):
        signs.read("tset")
    with pytest.raises(InputError, match="prepared at --size 8, not 32"):
        prepared(folder)
    with pytest.raises(InputError, match="prepared without --crop"):
        prepared(folder, size=SIZE, crop=True)


def _cut(folder):
    path = folder / "test-00000.parquet"
    path.write_bytes(path.read_bytes()[:200])


def _untold(folder):
    path = folder / "dataset.json"
    described = json.loads(path.read_text())
    del described["digest"]
    path.write_text(json.dumps(described))


def _described(folder, **changes):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _rewritten(folder, name, change):
    """Change the column of a file, as a program of one's own would."""
    path = folder / "test-00000.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(name)
    values = table[name].combine_chunks()
    if name == "image":
        images = values.to_numpy_ndarray().copy()
        change(images)
        column = pa.FixedShapeTensorArray.from_numpy_ndarray(images)
    else:
        rows = values.to_pylist()
        change(rows)
        column = pa.array(rows, values.type)
    pq.write_table(table.set_column(place, name, column), path)


def _one_pixel(images):
    images[3, 4, 4, 1] ^= 1


def _fewer_names(folder):
    names = json.loads((folder / "dataset.json").read_text())["class_names"]
    _described(folder, class_names=names[:2])


def _fewer_classes(folder):
    described = json.loads((folder / "dataset.json").read_text())
    counts = {split: [sum(of[:2]), of[2]] for split, of in described["counts"].items()}
    _described(folder, class_names=["ash", "birch"], counts=counts)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: _rewritten(folder, "image", _one_pixel), "its images, labels or tracks were changed"),
        (lambda folder: _rewritten(folder, "track", lambda rows: rows.__setitem__(0, "x")), "tracks were changed"),
        (lambda folder: _rewritten(folder, "image_id", lambda rows: rows.__setitem__(0, "x")), "were changed"),
        (lambda folder: _rewritten(folder, "label", lambda rows: rows.__setitem__(0, 99)), "label 99 is out of range"),
        (lambda folder: _rewritten(folder, "label", lambda rows: rows.__setitem__(0, -1)), "label -1 is out of range"),
        (lambda folder: _rewritten(folder, "label", lambda rows: rows.__setitem__(0, 2)), "5 test images of class 0"),
        (_fewer_names, "2 class names for 3 classes in train"),
        (_fewer_classes, "label 2 is out of range of the 2 classes"),
        (lambda folder: _described(folder, digest="abc"), "instead of abc"),
    ],
)
def test_a_folder_that_was_changed_does_not_open(folder, harm, message):
    harm(folder)
    with pytest.raises(InputError, match=f"prepared: .*{message}.*: prepare the data set again"):
        open_signs(folder)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "train-00001.parquet").unlink(), "33 train images instead of 57"),
        (lambda folder: shutil.copy(folder / "test-00000.parquet", folder / "test-00009.parquet"), "36 test images"),
        (_cut, "a test file is damaged"),
        (_untold, r"dataset\.json: 'digest' is missing"),
        (lambda folder: (folder / "dataset.json").write_text("{"), r"dataset\.json: not JSON"),
        (lambda folder: (folder / "dataset.json").write_text("[]"), r"dataset\.json: not the description"),
        (lambda folder: (folder / "dataset.json").unlink(), r"not a prepared data set \(no dataset\.json\)"),
    ],
    ids=["file lost", "file added", "file cut", "key lost", "not JSON", "not an object", "no description"],
)
def test_a_damaged_folder_does_not_open(folder, harm, message):
    harm(folder)
    with pytest.raises(InputError, match=message):
        open_signs(folder)


def test_ray_reads_the_images_as_arrays(folder, ray_session):
    import ray

    signs = open_signs(folder)
    rows = ray.data.read_parquet([str(path) for path in signs.files("test")]).take_all()
    expected = signs.read("test")
    found = {row["image_id"]: row["image"] for row in rows}
    assert set(found) == set(expected.image_id)
    for name, image in zip(expected.image_id, expected.image, strict=True):
        assert found[name].dtype == np.uint8
        np.testing.assert_array_equal(found[name], image)


def test_a_file_that_was_lost_is_made_again(make, tmp_path, in_process):
    source = make.unpacked(make.class_files(30), tmp_path / "trees")
    first = prepared(source, size=SIZE, output=tmp_path / "prepared")
    first.files("test")[0].unlink()
    again = prepared(source, size=SIZE, output=tmp_path / "prepared")
    assert again.digest == first.digest
    assert len(again.read("test")) == sum(again.counts["test"])


def test_files_that_changed_their_splits_do_not_open(write_signs, tmp_path):
    folder = write_signs(tmp_path / "signs", counts={"train": 30, "validation": 9, "test": 9})
    (folder / "test-00000.parquet").rename(folder / "kept")
    (folder / "validation-00000.parquet").rename(folder / "test-00000.parquet")
    (folder / "kept").rename(folder / "validation-00000.parquet")
    with pytest.raises(InputError, match="changed since it was prepared"):
        open_signs(folder)


def test_a_size_that_is_not_that_of_the_images_does_not_open(write_signs, tmp_path):
    folder = write_signs(tmp_path / "signs", counts={"train": 9, "validation": 9, "test": 9})
    described = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**described, "size": 32}))
    with pytest.raises(InputError, match=r"images of \[16, 16, 3\], not of the size 32 that is described"):
        open_signs(folder)
