"""Any image-classification set kept as a folder a class, as a folder or a zip archive.

The class folders lie in split folders (`train`, `validation` or `val`, `test`), or on their own: then a test split
and a validation split are set aside.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.sources.images import SUFFIXES, load_files
from pipelines.sources.plan import SPLITS, TEST, TRAIN, VALIDATION, Plan, SignFile, require_complete
from pipelines.sources.splitting import SHARE, set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources.trees import Tree

SPLIT_FOLDERS = {
    "train": TRAIN, "training": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip
GTSRB_NAME = re.compile(r"(?:\d{5}_)?(\d{5})_\d{5}")
"""File names that hold a track, as `<track>_<frame>` or `<class>_<track>_<frame>`."""


@dataclass(frozen=True)
class Found:
    """An image by the names of its split (empty where there is none) and class, and by its own below them."""

    name: str
    split: str
    class_name: str
    rest: PurePosixPath


def plan_folders(tree: Tree, origin: str, *, seed: int) -> Plan:
    """Find the class folders and set aside the splits that are not given.

    Raises:
        InputError: there are no class folders with images, a train folder without a test folder, or a class with too
            few images or tracks to split.
    """
    found = _find_images(tree, origin)
    folders = sorted({image.class_name for image in found}, key=_by_number)
    class_names = _class_names(folders, found)
    files = _sign_files(tree, found, folders)
    given = {file.split for file in files}
    notes: tuple[str, ...] = ()
    if TEST not in given:
        files = set_aside(files, TEST, seed=seed, class_names=class_names)
        notes = (f"{origin}: no split folders, so a test split of {SHARE:.0%} of each class was set aside",)
    if VALIDATION not in given:
        train = [file for file in files if file.split == TRAIN]
        rest = [file for file in files if file.split != TRAIN]
        files = [*set_aside(train, VALIDATION, seed=seed, class_names=class_names), *rest]
    rows = [file.row() for file in sorted(files, key=lambda file: SPLITS.index(file.split))]
    plan = Plan(class_names, rows, load_files, SHARE if VALIDATION not in given else _share(files), notes)
    require_complete(plan.counts(), class_names, origin)
    return plan


def _find_images(tree: Tree, origin: str) -> list[Found]:
    """All images that lie in a class folder, at any depth below it."""
    paths = {name: PurePosixPath(name) for name in tree.names if PurePosixPath(name).suffix.lower() in SUFFIXES}
    if not paths:
        raise InputError(f"{origin}: no images: give a folder of class folders, or a published data set")
    skip = _common_folders(list(paths.values()))
    split_of = _split_folders({path.parts[skip] for path in paths.values() if len(path.parts) > skip + 1}, origin)
    depth = skip + bool(split_of)
    found = [
        Found(
            name,
            split=split_of.get(path.parts[skip], TRAIN),
            class_name=path.parts[depth],
            rest=PurePosixPath(*path.parts[depth + 1 :]),
        )
        for name, path in paths.items()
        if len(path.parts) > depth + 1
    ]
    if len({image.class_name for image in found}) < 2:
        raise InputError(f"{origin}: fewer than two class folders with images: give a folder of class folders")
    return found


def _split_folders(tops: set[str], origin: str) -> dict[str, str]:
    """The splits that folders of the top level stand for; none where they are class folders."""
    split_of = {top: SPLIT_FOLDERS[top.lower()] for top in tops if top.lower() in SPLIT_FOLDERS}
    if TRAIN not in split_of.values():
        return {}
    if TEST not in split_of.values():
        raise InputError(f"{origin}: no test split: add a folder test with the same class folders beside train")
    if others := sorted(tops - set(split_of)):
        raise InputError(f"{origin}: folder {others[0]!r} beside train and test is not a split: move it away")
    return split_of


def _sign_files(tree: Tree, found: list[Found], folders: list[str]) -> list[SignFile]:
    """Tracks are read from the names where all training images have GTSRB names."""
    tracked = all(GTSRB_NAME.fullmatch(image.rest.stem) for image in found if image.split == TRAIN)
    label_of = {folder: label for label, folder in enumerate(folders)}
    plain = [f"{image.split}/{image.class_name}/{image.rest.with_suffix('')}" for image in found]
    unique = len(set(plain)) == len(plain)
    return [
        SignFile(
            image_id if unique else f"{image.split}/{image.class_name}/{image.rest}",
            image.split,
            label_of[image.class_name],
            _track(image) if tracked and image.split == TRAIN else "",
            *tree.place(image.name),
        )
        for image, image_id in zip(found, plain, strict=True)
    ]


def _track(image: Found) -> str:
    match = GTSRB_NAME.fullmatch(image.rest.stem)
    return f"{image.class_name}/{match[1]}" if match else ""


def _class_names(folders: list[str], found: list[Found]) -> tuple[str, ...]:
    """The names of the folders, or those of GTSRB for its 43 numbers with its file names."""
    numbers = [int(folder) for folder in folders if folder.isdecimal()]
    named = all(GTSRB_NAME.fullmatch(image.rest.stem) for image in found if image.split == TRAIN)
    if named and len(numbers) == len(folders) and numbers == list(range(len(CLASS_NAMES))):
        return CLASS_NAMES
    return tuple(folders)


def _by_number(folder: str) -> tuple[int, str]:
    return (int(folder), folder) if folder.isdecimal() else (-1, folder)


def _share(files: Sequence[SignFile]) -> float:
    counts = Counter(file.split for file in files)
    return counts[VALIDATION] / (counts[VALIDATION] + counts[TRAIN])


def _common_folders(paths: list[PurePosixPath]) -> int:
    """How many outer folders all images share, such as the one that an archive was packed from."""
    depth = 0
    while all(len(path.parts) > depth + 2 for path in paths) and len({path.parts[depth] for path in paths}) == 1:
        if paths[0].parts[depth].lower() in SPLIT_FOLDERS:
            break
        depth += 1
    return depth
