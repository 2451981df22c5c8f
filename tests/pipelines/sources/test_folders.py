from collections import Counter

import pytest

from pipelines.errors import InputError
from pipelines.sources.detect import open_source
from pipelines.sources.gtsrb_classes import CLASS_NAMES


def plan_of(path):
    return open_source(str(path)).plan(0)


def splits_of(plan):
    return Counter(row["split"] for row in plan.rows)


def test_plain_class_folders_get_a_test_and_a_validation_split(make, tmp_path):
    plan = plan_of(make.unpacked(make.class_files(10), tmp_path / "trees"))
    assert plan.class_names == ("ash", "birch", "cherry")
    assert plan.counts() == {"train": (6, 6, 6), "validation": (2, 2, 2), "test": (2, 2, 2)}
    assert "a test split of 20% of each class was set aside" in plan.notes[0]
    assert {row["image_id"] for row in plan.rows} >= {"train/ash/0", "train/cherry/9"}


def test_an_archive_with_an_outer_folder_gives_the_same(make, tmp_path):
    files = make.class_files(10)
    folder = plan_of(make.unpacked(files, tmp_path / "trees"))
    archive = plan_of(make.packed({f"outer/{name}": content for name, content in files.items()}, tmp_path / "t.zip"))
    identity = [(row["image_id"], row["split"], row["label"]) for row in folder.rows]
    assert identity == [(row["image_id"], row["split"], row["label"]) for row in archive.rows]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Valid", "Testing"),
        ("train_images", "val_images", "test_images"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("Belgium_Training", "Belgium_Validation", "Belgium_Testing"),
    ],
)
def test_given_splits_are_kept(make, tmp_path, train, validation, test):
    parts = {train: 6, validation: 3, test: 2}
    files = {f"{part}/{name}": data for part, count in parts.items() for name, data in make.class_files(count).items()}
    plan = plan_of(make.unpacked(files, tmp_path))
    assert plan.counts() == {"train": (6, 6, 6), "validation": (3, 3, 3), "test": (2, 2, 2)}
    assert plan.validation_share == pytest.approx(1 / 3)
    assert not plan.notes


def test_validation_is_set_aside_where_only_test_is_given(make, tmp_path):
    files = {f"{part}/{name}": data for part in ("train", "test") for name, data in make.class_files(10).items()}
    assert plan_of(make.unpacked(files, tmp_path)).counts()["validation"] == (2, 2, 2)


def test_a_class_folder_may_be_called_test(make, tmp_path):
    files = {f"{name}/{index}.png": b"" for name in ("test", "other") for index in range(5)}
    assert plan_of(make.unpacked(files, tmp_path)).class_names == ("other", "test")


def test_numbers_are_sorted_as_numbers_and_names_that_collide_keep_their_suffix(make, tmp_path):
    files = {
        f"{name}/{index}{suffix}": b"" for name in ("10", "9") for index in range(3) for suffix in (".png", ".jpg")
    }
    plan = plan_of(make.unpacked(files, tmp_path))
    assert plan.class_names == ("9", "10")
    assert len({row["image_id"] for row in plan.rows}) == 12


def test_tracks_are_read_from_gtsrb_names(shared):
    plan = plan_of(shared / "gtsrb" / "original-size-sample.zip")
    assert len(plan.rows) == 430
    assert plan.class_names == CLASS_NAMES
    sides = [{row["track"] for row in plan.rows if row["split"] == split} for split in ("train", "validation", "test")]
    assert all(sides)
    assert not (sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["readme.txt"], "no images"),
        (["a.png", "b.png"], "fewer than two class folders"),
        (["a/1.png", "a/2.png"], "fewer than two class folders"),
        (["a/1.png", "b/1.png", "b/2.png"], "class 'a' has one image or one track"),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png"], "class 'a' has one image or one track"),
        (["train/a/1.png", "train/b/1.png"], "no test split: add a folder test"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "x/a/1.png"], "folder 'x' beside train and test"),
        ([f"train/a/{i}.png" for i in range(3)] + ["test/a/1.png", "test/b/1.png"], "class 'b' has no train image"),
    ],
)
def test_what_cannot_be_split_is_named(make, tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        plan_of(make.unpacked(dict.fromkeys(names, b""), tmp_path))


def test_split_folders_within_class_folders(make, tmp_path):
    parts = {"Train": 6, "valid": 3, "test": 2}
    files = {}
    for part, count in parts.items():
        for name, data in make.class_files(count).items():
            class_name, file = name.split("/")
            files[f"{class_name}/{part}/{file}"] = data
    plan = plan_of(make.unpacked(files, tmp_path))
    assert plan.class_names == ("ash", "birch", "cherry")
    assert plan.counts() == {"train": (6, 6, 6), "validation": (3, 3, 3), "test": (2, 2, 2)}
    assert {row["image_id"] for row in plan.rows} >= {"train/ash/0", "test/cherry/1"}


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ({"ash/8.png"}, "ash/8.png is in no split folder of its class"),
        ({"oak/8.png", "oak/9.png"}, "oak/8.png is in no split folder of its class"),
    ],
)
def test_split_folders_in_some_classes_alone_are_refused(make, tmp_path, added, message):
    names = {f"{name}/{part}/{i}.png" for name in ("ash", "birch") for part in ("train", "test") for i in range(5)}
    with pytest.raises(InputError, match=message):
        plan_of(make.unpacked(dict.fromkeys(names | added, b""), tmp_path))


@pytest.mark.parametrize("part", ["train", "val", "test", "test_images"])
@pytest.mark.parametrize("also_classes", [True, False])
def test_images_of_a_split_without_a_class_are_refused(make, tmp_path, part, also_classes):
    files = {f"{split}/{name}": b"" for split in ("train", "val", "test") for name in make.class_files(5)}
    files = {name: data for name, data in files.items() if also_classes or not name.startswith(f"{part[:4]}/")}
    files |= {f"{part}/{index}.png": b"" for index in range(4)}
    with pytest.raises(InputError, match=f"4 image.s. in {part} lie in no class folder, first {part}/0.png: sort them"):
        plan_of(make.unpacked(files, tmp_path))


def test_images_outside_of_all_folders_are_noted(make, tmp_path):
    plan = plan_of(make.unpacked({**make.class_files(10), "preview.png": b""}, tmp_path))
    assert len(plan.rows) == 30
    assert "1 image(s) outside of all class folders were left out: preview.png" in plan.notes[0]


def test_a_class_that_is_called_as_a_split_is_noted(make, tmp_path):
    files = {f"{name}/{index}.png": b"" for name in ("test", "other") for index in range(5)}
    assert "folder 'test' was read as a class" in plan_of(make.unpacked(files, tmp_path)).notes[0]


@pytest.mark.parametrize("name", ["{track:05d}_{frame:05d}", "00003_{track:05d}_{frame:05d}"])
def test_tracks_of_all_splits_are_kept_where_names_give_them(make, tmp_path, name):
    files = {
        f"{split}/{label:05d}/{name.format(track=track, frame=frame)}.ppm": b""
        for split in ("Training", "Validation", "Testing")
        for label in range(2)
        for track in range(3)
        for frame in range(2)
    }
    rows = plan_of(make.unpacked(files, tmp_path)).rows
    for split in ("train", "validation", "test"):
        assert {row["track"] for row in rows if row["split"] == split} == {
            f"{label:05d}/{track:05d}" for label in range(2) for track in range(3)
        }


def test_a_split_with_other_names_has_no_tracks(make, tmp_path):
    files = {f"train/{label}/{track:05d}_00000.ppm": b"" for label in range(2) for track in range(3)}
    files |= {f"test/{label}/{index}.ppm": b"" for label in range(2) for index in range(3)}
    rows = plan_of(make.unpacked(files, tmp_path)).rows
    assert {row["track"] for row in rows if row["split"] == "test"} == {""}
    assert "" not in {row["track"] for row in rows if row["split"] == "train"}


@pytest.mark.parametrize(
    "parts",
    [("BTSC_Training/Training", "BTSC_Testing/Testing"), ("train/images", "test/images"), ("Train/Train", "Test/Test")],
)
def test_a_folder_that_says_the_split_again_is_no_class(make, tmp_path, parts):
    names = [f"{part}/{label}/{index}.png" for part in parts for label in ("ash", "birch") for index in range(5)]
    plan = plan_of(make.unpacked(dict.fromkeys(names, b""), tmp_path))
    assert plan.class_names == ("ash", "birch")
    assert plan.counts() == {"train": (4, 4), "validation": (1, 1), "test": (5, 5)}


def test_validation_and_test_folders_without_train_are_no_classes(make, tmp_path):
    names = [f"{part}/{label}/{index}.png" for part in ("val", "test") for label in "ab" for index in range(5)]
    with pytest.raises(InputError, match="no train split: add a folder train beside test"):
        plan_of(make.unpacked(dict.fromkeys(names, b""), tmp_path))
