"""GTSRB as Kaggle hands it out: `Train.csv`, `Test.csv` and PNG images, as a folder or a zip archive."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.annotations import gtsrb_plan, read_annotations, require_listed
from pipelines.sources.plan import TEST, TRAIN, SignFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources.annotations import Annotation
    from pipelines.sources.plan import Plan
    from pipelines.sources.trees import Tree

TRAIN_NAME = re.compile(r"\d{5}_(\d{5})_(\d{5})")


def matches(names: Sequence[str]) -> bool:
    """Whether files with these names are in the Kaggle layout."""
    return any(PurePosixPath(name).name == "Train.csv" for name in names)


def plan_kaggle(tree: Tree, origin: str, *, seed: int) -> Plan:
    """Read both CSV files and find the images that they name.

    Raises:
        InputError: there is no Test.csv, a CSV file is wrong or names a missing image, a class has one track.
    """
    table = next(name for name in tree.names if PurePosixPath(name).name == "Train.csv")
    base = PurePosixPath(table).parent
    if (base / "Test.csv").as_posix() not in tree.names:
        raise InputError(f"{origin}: no test split: add Test.csv and the folder Test beside Train.csv")
    train = [_train_file(*found) for found in _annotated(tree, base, "Train.csv")]
    test = [_test_file(*found) for found in _annotated(tree, base, "Test.csv")]
    return gtsrb_plan(train, test, origin, seed=seed)


def _annotated(tree: Tree, base: PurePosixPath, table: str) -> list[tuple[Tree, str, Annotation]]:
    rows = read_annotations(tree, (base / table).as_posix(), delimiter=",", image_column="Path")
    listed = [(base / row.image).as_posix() for row in rows]
    require_listed(listed, set(tree.names), tree.label((base / table).as_posix()))
    return [(tree, name, row) for name, row in zip(listed, rows, strict=True)]


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
