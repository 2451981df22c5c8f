from collections import Counter

import pytest

from pipelines.errors import InputError
from pipelines.sources.detect import open_source


def rows_of(path):
    return open_source(str(path)).plan(0).rows


def test_rows_are_those_of_the_official_layout(make, tmp_path):
    kaggle = rows_of(make.unpacked(make.kaggle_files(), tmp_path / "kaggle"))
    official = rows_of(make.archived(make.official_files(tracks=2), tmp_path / "official"))
    known = ("image_id", "split", "label", "track", "width", "height", "roi")
    assert [[row[name] for name in known] for row in kaggle] == [[row[name] for name in known] for row in official]


def test_an_archive_of_the_layout_is_read_as_it_is(make, tmp_path):
    files = {f"gtsrb-german-traffic-sign/{name}": content for name, content in make.kaggle_files().items()}
    rows = rows_of(make.packed(files, tmp_path / "archive.zip"))
    assert Counter(row["split"] for row in rows) == {"train": 86, "validation": 86, "test": 43}
    assert rows[0]["archive"].endswith("archive.zip")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("Train.csv", b"ClassId", b"Class", r"Train\.csv: no column ClassId"),
        ("Test.csv", b",0,Test", b",99,Test", r"Test\.csv, line 2: ClassId 99 is out of range"),
        ("Test.csv", b"Test/00001.png", b"Test/x.png", r"Test\.csv: names 1 image.* first Test/x\.png"),
        ("Train.csv", b"Train/0/00000_00000_00000.png", b"Test/00000.png", r"named otherwise than <class>_<track>"),
    ],
)
def test_a_wrong_csv_file_is_named(make, tmp_path, name, old, new, message):
    files = make.kaggle_files()
    files[name] = files[name].replace(old, new, 1)
    with pytest.raises(InputError, match=message):
        rows_of(make.unpacked(files, tmp_path))


def test_no_test_split(make, tmp_path):
    files = make.kaggle_files()
    del files["Test.csv"]
    with pytest.raises(InputError, match=r"no test split: add Test\.csv"):
        rows_of(make.unpacked(files, tmp_path))


@pytest.mark.parametrize("within", ["names", "names and rows"])
def test_names_in_lower_case_are_the_same_layout(make, tmp_path, within):
    files = make.kaggle_files()
    tables = {name: data for name, data in files.items() if name.endswith(".csv")}
    if within == "names and rows":
        tables = {name: data.replace(b"Train/", b"train/").replace(b"Test/", b"test/") for name, data in tables.items()}
    meta = {"Meta.csv": b"Path,ClassId\n", "Meta/0.png": make.encoded(1, "PNG")}
    lower = {name.lower(): data for name, data in (files | tables | meta).items()}
    known = ("image_id", "split", "label", "track", "roi")
    rows = rows_of(make.unpacked(lower, tmp_path / "lower"))
    expected = rows_of(make.unpacked(files, tmp_path / "upper"))
    assert [[row[name] for name in known] for row in rows] == [[row[name] for name in known] for row in expected]


def test_a_table_of_another_set_called_train_csv_is_not_the_layout(make, tmp_path):
    plan = open_source(str(make.unpacked({**make.class_files(10), "train.csv": b"a,b\n"}, tmp_path))).plan(0)
    assert plan.class_names == ("ash", "birch", "cherry")
