"""Runs each row of docs/images.md: a row without a case, or a case without a row, fails too."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.errors import InputError
from pipelines.signs import open_signs, prepared

TABLE = Path(__file__).parents[3] / "docs" / "images.md"
ROWS = {
    cells[0]: (cells[1], cells[2].strip("`"))
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if (cells := [cell.strip() for cell in line.strip("|").split("|")]) and line.startswith("| ")
    if cells[0] not in ("File", "Folder", "---")
}
PIXELS = np.random.default_rng(0).integers(0, 200, (8, 8, 3), dtype=np.uint8)


def saved(image, kind="PNG", **options):
    content = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(content, kind, **options)
    return content.getvalue()


def split_files(make, parts=("train", "val", "test"), pattern="{part}/{name}/{index}.png", classes=("ash", "birch")):
    names = [(part, name, index) for part in parts for name in classes for index in range(4)]
    return {
        pattern.format(part=part, name=name, index=index): make.encoded(seed, "PNG")
        for seed, (part, name, index) in enumerate(names)
    }


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(PIXELS, "PNG", exif=exif)


def grey(dtype, low, high):
    return saved(np.linspace(low, high, 64).reshape(8, 8).astype(dtype), "TIFF")


def transparent():
    return saved(np.dstack([PIXELS, np.zeros((8, 8), np.uint8)]))


ONE_FILE = {
    "grey, palette, 1 bit": lambda: saved(Image.fromarray(PIXELS).quantize(8)),
    "CMYK": lambda: saved(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
    "transparent (RGBA, LA, palette or tRNS)": transparent,
    "EXIF orientation": turned,
    "16 bits, of which 8, 10, 12, 14 or 16 are used": lambda: saved(PIXELS[..., 0].astype(np.uint16) << 4),
    "int32 TIFF up to 65,535": lambda: grey(np.int32, 0, 65535),
    "float TIFF, 0 to 1 or 0 to 255": lambda: grey(np.float32, 0, 1),
    "int32 below 0 or above 65,535": lambda: grey(np.int32, -5, 100),
    "float of another range": lambda: grey(np.float32, -1, 1),
    "several frames (GIF, APNG, WebP, TIFF)": lambda: saved(
        PIXELS, "TIFF", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]
    ),
    "no image, or of a kind that is not read": lambda: b"this is no image",
    "cut short": lambda: saved(PIXELS)[:-40],
}


def cure(make, parts=("Real_Train", "Real_Test"), sequences=(1, 2), skipped=""):
    names = [
        f"{part}/{folder}/{sequence:02d}_{label:02d}_{code}_{number:04d}.bmp"
        for part in parts
        for folder, code in (("ChallengeFree", "00_00"), ("GaussianBlur-3", "07_03"))
        if f"{part}/{folder}" != skipped
        for sequence in sequences
        for label in (6, 14)
        for number in range(1, 4)
    ]
    return {name: make.encoded(seed, "BMP") for seed, name in enumerate(names)}


def kaggle(make):
    return {name.lower(): content for name, content in make.kaggle_files().items()}


FILES = {
    "equal byte for byte in two splits": lambda make: (
        split_files(make) | {f"{part}/ash/copy.png": make.encoded(99, "PNG") for part in ("train", "test")}
    ),
    "equal byte for byte under two labels": lambda make: (
        split_files(make) | {f"train/{name}/copy.png": make.encoded(99, "PNG") for name in ("ash", "birch")}
    ),
    "train/CLASS, val/CLASS, test/CLASS": split_files,
    "other spellings: Training, train_images, TrainSet, valid, Belgium_Testing": lambda make: split_files(
        make, ("TrainSet", "valid", "test_images")
    ),
    "CLASS/train, CLASS/val, CLASS/test": lambda make: split_files(make, pattern="{name}/{part}/{index}.png"),
    "CLASS alone": lambda make: make.class_files(10),
    "val and test without train": lambda make: split_files(make, ("val", "test")),
    "train without test": lambda make: split_files(make, ("train",)),
    "a test folder without classes": lambda make: (
        split_files(make, ("train", "val")) | {f"test/{index}.png": b"" for index in range(3)}
    ),
    "split folders in some classes alone": lambda make: (
        split_files(make, pattern="{name}/{part}/{index}.png") | {"ash/9.png": b""}
    ),
    "another folder beside train and test": lambda make: split_files(make) | {"x/ash/1.png": b""},
    "a class called test, no folder train": lambda make: {
        f"{name}/{index}.png": make.encoded(10 * len(name) + index, "PNG")
        for name in ("test", "other")
        for index in range(9)
    },
    "images beside the class folders": lambda make: make.class_files(10) | {"preview.png": b""},
    "names TRACK_FRAME or CLASS_TRACK_FRAME of 5 digits each": lambda make: split_files(
        make, pattern="{part}/{name}/{index:05d}_00000.png"
    ),
    "Kaggle's GTSRB, its names in any case": kaggle,
    "CURE-TSR": cure,
    "CURE-TSR#GaussianBlur-3": cure,
    "CURE-TSR#GaussianBlur-3, only its test folder has it": lambda make: cure(
        make, skipped="Real_Train/GaussianBlur-3"
    ),
    "CURE-TSR#Fog-1": cure,
    "CURE-TSR of one sequence, as it is published": lambda make: cure(make, sequences=(1,)),
    "CURE-TSR, real and simulated": lambda make: cure(make, ("Real_Train", "Real_Test", "Synthetic_Train")),
    "CURE-TSR with a file of another name": lambda make: cure(make) | {"Real_Train/me.bmp": b""},
    "CURE-TSR with a file in the folder of another challenge": lambda make: (
        cure(make) | {"Real_Train/Rain-1/01_06_10_01_0001.bmp": b""}
    ),
}


def _described(folder, **changes):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _rewritten(folder, name, value):
    path = folder / "test-00000.parquet"
    table = pq.read_table(path)
    values = [value, *table[name].to_pylist()[1:]]
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, pa.array(values, table[name].type)), path)


HARMED = {
    "as it was written": lambda folder: None,
    "a pixel, a track or an id was changed": lambda folder: _rewritten(folder, "track", "other"),
    "a label beyond the classes": lambda folder: _rewritten(folder, "label", 99),
    "class names fewer than classes": lambda folder: _described(folder, class_names=["ash", "birch"]),
    "a file lost, added or cut short": lambda folder: (folder / "test-00000.parquet").unlink(),
}
LINK = "a link to a folder that is read already"


def test_every_row_has_its_case():
    assert {*ONE_FILE, *FILES, *HARMED, LINK} == set(ROWS)


def outcome(row, source, tmp_path):
    """What became of a source: taken, noted or refused, and the lines."""
    try:
        signs = prepared(
            f"{source}{''.join(re.findall('#[A-Za-z]+-[0-9]', row))}", size=8, output=tmp_path / "prepared"
        )
    except InputError as error:
        return "refused", str(error)
    notes = json.loads((signs.folder / "dataset.json").read_text())["notes"]
    return ("noted" if notes else "taken"), "\n".join(notes)


def check(row, found):
    promised, line = ROWS[row]
    assert found[0] == re.match(r"\w+", promised)[0], found
    assert re.search(".*".join(map(re.escape, line.split("…"))), found[1]), found


@pytest.mark.parametrize("row", ONE_FILE)
def test_files(row, make, tmp_path, in_process):
    files = split_files(make) | {"train/ash/this.png": ONE_FILE[row]()}
    check(row, outcome(row, make.unpacked(files, tmp_path / "set"), tmp_path))


@pytest.mark.parametrize("row", FILES)
def test_folders(row, make, tmp_path, in_process):
    check(row, outcome(row, make.unpacked(FILES[row](make), tmp_path / "set"), tmp_path))


def test_links(make, tmp_path, in_process):
    folder = make.unpacked(split_files(make), tmp_path / "set")
    (folder / "train" / "ash" / "link").symlink_to(folder)
    check(LINK, outcome(LINK, folder, tmp_path))
    assert open_signs(tmp_path / "prepared").counts["train"] == (4, 4)


@pytest.mark.parametrize("row", HARMED)
def test_prepared_folders(row, make, tmp_path, in_process):
    signs = prepared(make.unpacked(make.class_files(10), tmp_path / "set"), size=8, output=tmp_path / "made")
    _described(signs.folder, notes=[])
    HARMED[row](signs.folder)
    check(row, outcome(row, signs.folder, tmp_path))
