import io
import json

import numpy as np
import pytest
from PIL import Image

from pipelines.signs import prepared


def notes_of(make, files, tmp_path):
    signs = prepared(make.unpacked(files, tmp_path / "set"), size=8, output=tmp_path / "prepared")
    return signs, json.loads((signs.folder / "dataset.json").read_text())["notes"]


def split_files(make):
    parts = {"train": 6, "val": 2, "test": 2}
    seeds = iter(range(1000))
    return {
        f"{part}/{name}/{index}.png": make.encoded(next(seeds), "PNG")
        for part, count in parts.items()
        for name in ("ash", "birch")
        for index in range(count)
    }


def test_files_without_copies_have_no_note(make, tmp_path, in_process):
    assert notes_of(make, split_files(make), tmp_path)[1] == []


def test_copies_in_train_and_test_are_noted(make, tmp_path, in_process, caplog):
    files = split_files(make)
    files["test/ash/1.png"] = files["train/ash/3.png"]
    (note,) = notes_of(make, files, tmp_path)[1]
    assert "1 file(s) are equal byte for byte in two splits" in note
    assert "train/ash/3 (train, label 0) and test/ash/1 (test, label 0)" in note
    assert note in caplog.text


def test_copies_under_two_labels_are_noted(make, tmp_path, in_process):
    files = split_files(make)
    files["train/birch/1.png"] = files["train/ash/3.png"]
    (note,) = notes_of(make, files, tmp_path)[1]
    assert "under two labels" in note
    assert "train/ash/3 (train, label 0) and train/birch/1 (train, label 1)" in note


def test_copies_in_one_class_of_one_split_are_harmless(make, tmp_path, in_process):
    files = split_files(make)
    files["train/ash/1.png"] = files["train/ash/3.png"]
    assert notes_of(make, files, tmp_path)[1] == []


@pytest.mark.parametrize(("kind", "top"), [("16-bit", 4095), ("float", 255)])
def test_one_white_holds_for_all_deep_files_of_a_set(make, tmp_path, in_process, kind, top):
    def deep(value):
        content = io.BytesIO()
        dtype = np.uint16 if kind == "16-bit" else np.float32
        Image.fromarray(np.full((8, 8), value, dtype)).save(content, "TIFF")
        return content.getvalue()

    files = {name.replace(".png", ".tiff"): deep(top - seed) for seed, name in enumerate(split_files(make))}
    files["train/ash/3.tiff"] = deep(top / 4095 * 16)  # a dark one: by itself, its scale would be a smaller one
    signs, notes = notes_of(make, files, tmp_path)
    assert notes == [f"{tmp_path / 'set'}: {top} was taken for white in its {kind} files"]
    read = signs.read("train")
    assert read.image[list(read.image_id).index("train/ash/3")].max() == 1
    assert read.image.max() >= 254 - (kind == "float")
