"""GTSRB as Kaggle hands it out: `Train.csv`, `Test.csv` and PNG images, as a folder or a zip archive.

Copies of it have names in lower case, of the files and of the folders that the CSV files name.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.annotations import gtsrb_plan, read_annotations, require_listed
from pipelines.sources.plan import TEST, TRAIN, SignFile

if TYPE_CHECKING:
    from pipelines.sources.annotations import Annotation
    from pipelines.sources.plan import Plan
    from pipelines.sources.trees import Tree

TRAIN_TABLE, TEST_TABLE = "Train.csv", "Test.csv"
TRAIN_NAME = re.compile(r"\d{5}_(\d{5})_(\d{5})")


def matches(tree: Tree) -> bool:
    """Whether a tree is in the Kaggle layout; in lower case, only where its CSV file is about GTSRB."""
    table = _table(tree)
    return bool(table) and (PurePosixPath(table).name == TRAIN_TABLE or b"ClassId" in tree.read(table)[:1000])


def plan_kaggle(tree: Tree, origin: str, *, seed: int) -> Plan:
    """Read both CSV files and find the images that they name.

    Raises:
        InputError: there is no Test.csv, a CSV file is wrong or names a missing image, a class has one track.
    """
    base = PurePosixPath(_table(tree)).parent
    present = {name.lower(): name for name in tree.names} | {name: name for name in tree.names}
    if (base / TEST_TABLE).as_posix().lower() not in present:
        raise InputError(f"{origin}: no test split: add Test.csv and the folder Test beside Train.csv")
    train = [_train_file(*found) for found in _annotated(tree, base / TRAIN_TABLE, present)]
    test = [_test_file(*found) for found in _annotated(tree, base / TEST_TABLE, present)]
    return gtsrb_plan(train, test, origin, seed=seed)


def _table(tree: Tree) -> str:
    """The CSV file of the training images, or nothing."""
    found = [name for name in tree.names if PurePosixPath(name).name.lower() == TRAIN_TABLE.lower()]
    return next((name for name in found if PurePosixPath(name).name == TRAIN_TABLE), found[0] if found else "")


def _annotated(tree: Tree, path: PurePosixPath, present: dict[str, str]) -> list[tuple[Tree, str, Annotation]]:
    """The rows of a CSV file with the images that they name; `present` gives names as they are spelled."""
    table = _spelled(path, present)
    rows = read_annotations(tree, table, delimiter=",", image_column="Path")
    listed = [_spelled(path.parent / row.image, present) for row in rows]
    require_listed(listed, set(tree.names), tree.label(table))
    return [(tree, name, row) for name, row in zip(listed, rows, strict=True)]


def _spelled(path: PurePosixPath, present: dict[str, str]) -> str:
    name = path.as_posix()
    return present.get(name) or present.get(name.lower(), name)


def _train_file(tree: Tree, name: str, row: Annotation) -> SignFile:
    stem = PurePosixPath(name).stem
    match = TRAIN_NAME.fullmatch(stem)
    if match is None:
        raise InputError(f"{tree.label(name)}: named otherwise than <class>_<track>_<frame>: restore the Kaggle names")
    image_id = f"train/{row.label:05d}/{match[1]}_{match[2]}"
    return _file(tree, name, row, image_id, TRAIN, f"{row.label:05d}/{match[1]}")


def _test_file(tree: Tree, name: str, row: Annotation) -> SignFile:
    return _file(tree, name, row, f"test/{PurePosixPath(name).stem}", TEST, "")


def _file(tree: Tree, name: str, row: Annotation, image_id: str, split: str, track: str) -> SignFile:
    archive, path = tree.place(name)
    return SignFile(image_id, split, row.label, track, archive, path, row.width, row.height, row.roi)
