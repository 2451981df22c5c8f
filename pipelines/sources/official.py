"""The official GTSRB archives, or the folders that they unpack to (`;`-separated CSV files, PPM images).

Stallkamp et al. 2012, "Man vs. computer". Training images lie in a folder a class as `<track>_<frame>.ppm`; test
images have no track, and their classes come in an archive of their own.
"""

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

TRAIN_ARCHIVE = "GTSRB_Final_Training_Images.zip"
TEST_ARCHIVE = "GTSRB_Final_Test_Images.zip"
LABELS_ARCHIVE = "GTSRB_Final_Test_GT.zip"
ARCHIVES = (TRAIN_ARCHIVE, TEST_ARCHIVE, LABELS_ARCHIVE)

TRAIN_CSV = re.compile(r"(?:.*/)?Final_Training/Images/(\d{5})/GT-\1\.csv")
TRAIN_IMAGE = re.compile(r"(?:.*/)?Final_Training/Images/(\d{5})/(\d{5})_\d{5}\.ppm")
TEST_IMAGE = re.compile(r"(?:.*/)?Final_Test/Images/\d{5}\.ppm")
TEST_LABELS = re.compile(r"(?:.*/)?GT-final_test\.csv")


def matches(names: Sequence[str]) -> bool:
    """Whether files with these names are in the official layout."""
    return any(
        PurePosixPath(name).name in ARCHIVES or TRAIN_IMAGE.fullmatch(name) or TEST_IMAGE.fullmatch(name)
        for name in names
    )


def plan_official(trees: Sequence[Tree], origin: str, *, seed: int) -> Plan:
    """Find the three parts of the data set in folders and archives.

    Raises:
        InputError: a part is missing, a CSV file is wrong or names a missing image, a class has one track.
    """
    train = _train_files(_holding(trees, TRAIN_IMAGE, origin, f"training images: add {TRAIN_ARCHIVE}"))
    images = _holding(trees, TEST_IMAGE, origin, f"test split: add {TEST_ARCHIVE} and {LABELS_ARCHIVE}")
    labels = _holding(trees, TEST_LABELS, origin, f"labels of the test split: add {LABELS_ARCHIVE}")
    return gtsrb_plan(train, _test_files(images, labels), origin, seed=seed)


def _holding(trees: Sequence[Tree], pattern: re.Pattern[str], origin: str, otherwise: str) -> Tree:
    """The first tree with such a file in it."""
    for tree in trees:
        if any(pattern.fullmatch(name) for name in tree.names):
            return tree
    raise InputError(f"{origin}: no {otherwise}")


def _train_files(tree: Tree) -> list[SignFile]:
    present = {name for name in tree.names if TRAIN_IMAGE.fullmatch(name)}
    tables = [name for name in tree.names if TRAIN_CSV.fullmatch(name)]
    folders = {PurePosixPath(name).parent for name in tables}
    if unlisted := sorted(name for name in present if PurePosixPath(name).parent not in folders):
        raise InputError(f"{tree.label(unlisted[0])}: no CSV file beside it: unpack {TRAIN_ARCHIVE} again")
    files = []
    for table in tables:
        rows = read_annotations(tree, table, delimiter=";", image_column="Filename")
        folder = PurePosixPath(table).parent
        listed = [(folder / row.image).as_posix() for row in rows]
        require_listed(listed, present, tree.label(table))
        files += [_train_file(tree, name, row) for name, row in zip(listed, rows, strict=True)]
    return files


def _train_file(tree: Tree, name: str, row: Annotation) -> SignFile:
    match = TRAIN_IMAGE.fullmatch(name)
    if match is None or int(match[1]) != row.label:
        raise InputError(f"{tree.label(name)}: its CSV file says class {row.label}: unpack {TRAIN_ARCHIVE} again")
    image_id = f"train/{match[1]}/{PurePosixPath(name).stem}"
    return _file(tree, name, row, image_id, TRAIN, f"{match[1]}/{match[2]}")


def _test_files(images: Tree, labels: Tree) -> list[SignFile]:
    present = {PurePosixPath(name).name: name for name in images.names if TEST_IMAGE.fullmatch(name)}
    table = next(name for name in labels.names if TEST_LABELS.fullmatch(name))
    rows = read_annotations(labels, table, delimiter=";", image_column="Filename")
    require_listed([row.image for row in rows], set(present), labels.label(table))
    return [_file(images, present[row.image], row, f"test/{PurePosixPath(row.image).stem}", TEST, "") for row in rows]


def _file(tree: Tree, name: str, row: Annotation, image_id: str, split: str, track: str) -> SignFile:
    archive, path = tree.place(name)
    return SignFile(image_id, split, row.label, track, archive, path, row.width, row.height, row.roi)
