from collections import Counter

import pytest

from pipelines.errors import InputError
from pipelines.sources.detect import open_source
from pipelines.sources.gtsrb_classes import CLASS_NAMES


def rows_of(folder, seed=0):
    return open_source(str(folder)).plan(seed).rows


def test_archives_and_folders_at_any_depth_give_the_same_rows(make, tmp_path):
    files = make.official_files()
    places = [
        make.archived(files, tmp_path / "zips"),
        make.unpacked(files, tmp_path / "folders"),
        make.unpacked({f"deeper/{name}": content for name, content in files.items()}, tmp_path / "deep"),
        make.unpacked(files, tmp_path / "itself") / "GTSRB",
    ]
    labels = files["GT-final_test.csv"]
    (tmp_path / "itself/GTSRB/GT-final_test.csv").write_bytes(labels)
    known = [[{**row, "archive": "", "path": ""} for row in rows_of(place)] for place in places]
    assert all(rows == known[0] for rows in known)


def test_rows_hold_what_the_files_say(make, tmp_path):
    plan = open_source(str(make.archived(make.official_files(), tmp_path))).plan(0)
    assert plan.class_names == CLASS_NAMES
    assert Counter(row["split"] for row in plan.rows) == {"train": 172, "validation": 86, "test": 43}
    row = next(row for row in plan.rows if row["image_id"] == "train/00014/00002_00001")
    assert (row["label"], row["track"]) == (14, "00014/00002")
    assert (row["width"], row["height"], row["roi"]) == (16, 16, (4, 4, 11, 11))
    test = next(row for row in plan.rows if row["image_id"] == "test/00042")
    assert (test["label"], test["track"], test["split"]) == (42, "", "test")


def test_no_track_is_on_both_sides(shared):
    plan = open_source(str(shared / "gtsrb")).plan(0)
    tracks = {split: {row["track"] for row in plan.rows if row["split"] == split} for split in ("train", "validation")}
    assert not tracks["train"] & tracks["validation"]
    counts = plan.counts()
    assert sum(counts["train"]) + sum(counts["validation"]) == 39_209
    assert 0.19 < sum(counts["validation"]) / 39_209 < 0.21
    assert sum(counts["test"]) == 6_315


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("Final_Training", "no training images: add GTSRB_Final_Training_Images.zip"),
        ("Final_Test", "no test split: add GTSRB_Final_Test_Images.zip and GTSRB_Final_Test_GT.zip"),
        ("GT-final_test.csv", "no labels of the test split: add GTSRB_Final_Test_GT.zip"),
    ],
)
def test_a_missing_part_is_named(make, tmp_path, lost, message):
    files = {name: content for name, content in make.official_files().items() if lost not in name.split("/")}
    with pytest.raises(InputError, match=message):
        rows_of(make.unpacked(files, tmp_path))


TABLE = "GTSRB/Final_Training/Images/00003/GT-00003.csv"
IMAGE = "GTSRB/Final_Training/Images/00003/00001_00000.ppm"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ClassId", b"Class", r"GT-00003\.csv: no column ClassId"),
        (b";3\r", b";43\r", r"GT-00003\.csv, line 2: ClassId 43 is out of range"),
        (b";3\r", b";-1\r", r"GT-00003\.csv, line 2: ClassId -1 is out of range"),
        (b";16;16;", b";16;x;", r"GT-00003\.csv, line 2: Height is 'x': it must be a whole number"),
        (b";3\r", b";4\r", r"00000_00000\.ppm: its CSV file says class 4"),
        (
            b"00001_00000",
            b"00009_00000",
            r"GT-00003\.csv: names 1 image\(s\) that are missing, first .*00009_00000\.ppm",
        ),
    ],
)
def test_a_wrong_csv_file_is_named_with_its_line(make, tmp_path, old, new, message):
    files = make.official_files()
    files[TABLE] = files[TABLE].replace(old, new)
    with pytest.raises(InputError, match=message):
        rows_of(make.unpacked(files, tmp_path))


def test_a_lost_csv_file_or_test_image_is_named(make, tmp_path):
    files = make.official_files()
    without_table = {name: content for name, content in files.items() if name != TABLE}
    with pytest.raises(InputError, match=r"00003/00000_00000\.ppm: no CSV file beside it"):
        rows_of(make.unpacked(without_table, tmp_path / "a"))
    del files["GTSRB/Final_Test/Images/00007.ppm"]
    with pytest.raises(InputError, match=r"GT-final_test\.csv: names 1 image\(s\) that are missing, first 00007\.ppm"):
        rows_of(make.unpacked(files, tmp_path / "b"))


def test_a_class_with_one_track_is_named(make, tmp_path):
    with pytest.raises(InputError, match=r"class .Speed limit .20km/h.. has one image or one track"):
        rows_of(make.unpacked(make.official_files(tracks=1), tmp_path))
