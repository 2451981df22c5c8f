"""Any image-classification set kept as a folder a class, as a folder or a zip archive.

The class folders lie in split folders (`train`, `validation` or `val`, `test`), hold such folders themselves, or lie
on their own: then a test split and a validation split are set aside.
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
from pipelines.sources.split_names import repeats, split_of, splits_of
from pipelines.sources.splitting import SHARE, set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources.trees import Tree

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
    found, notes = _find_images(tree, origin)
    folders = sorted({image.class_name for image in found}, key=_by_number)
    class_names = _class_names(folders, found)
    files = _sign_files(tree, found, folders)
    given = {file.split for file in files}
    if TEST not in given:
        files = set_aside(files, TEST, seed=seed, class_names=class_names)
        notes.append(f"{origin}: no split folders, so a test split of {SHARE:.0%} of each class was set aside")
    if VALIDATION not in given:
        train = [file for file in files if file.split == TRAIN]
        rest = [file for file in files if file.split != TRAIN]
        files = [*set_aside(train, VALIDATION, seed=seed, class_names=class_names), *rest]
    rows = [file.row() for file in sorted(files, key=lambda file: SPLITS.index(file.split))]
    plan = Plan(class_names, rows, load_files, SHARE if VALIDATION not in given else _share(files), tuple(notes))
    require_complete(plan.counts(), class_names, origin)
    return plan


def _find_images(tree: Tree, origin: str) -> tuple[list[Found], list[str]]:
    """All images that lie in a class folder, at any depth below it, and what a person should know of the others."""
    paths = {name: PurePosixPath(name) for name in tree.names if PurePosixPath(name).suffix.lower() in SUFFIXES}
    if not paths:
        raise InputError(f"{origin}: no images: give a folder of class folders, or a published data set")
    skip = _common_folders(list(paths.values()))
    inner = {name: PurePosixPath(*path.parts[skip:]) for name, path in paths.items()}
    tops = {path.parts[0] for path in inner.values() if len(path.parts) > 1}
    split_of_top = _split_folders(tops, origin)
    if not split_of_top and (turned := _turned(inner, origin)):
        inner, split_of_top = turned, splits_of({path.parts[0] for path in turned.values()})
    inner = _unwrapped(inner, split_of_top)
    depth = int(bool(split_of_top))
    loose = [name for name, path in inner.items() if len(path.parts) <= depth + 1]
    _require_classes(loose, inner, split_of_top, origin)
    found = [
        Found(
            name,
            split=split_of_top.get(path.parts[0], TRAIN),
            class_name=path.parts[depth],
            rest=PurePosixPath(*path.parts[depth + 1 :]),
        )
        for name, path in inner.items()
        if len(path.parts) > depth + 1
    ]
    if len({image.class_name for image in found}) < 2:
        raise InputError(f"{origin}: fewer than two class folders with images: give a folder of class folders")
    notes = [f"{origin}: {len(loose)} image(s) outside of all class folders were left out: {loose[0]}"] if loose else []
    if not split_of_top and (named := sorted(top for top in tops if split_of(top))):
        notes.append(f"{origin}: folder {named[0]!r} was read as a class, since there is no folder train beside it")
    return found, notes


def _split_folders(tops: set[str], origin: str) -> dict[str, str]:
    """The splits that folders of the top level stand for; none where they are class folders."""
    split_of_top = splits_of(tops)
    if TRAIN not in split_of_top.values():
        if len(set(split_of_top.values())) > 1 and len(split_of_top) == len(tops):
            raise InputError(f"{origin}: no train split: add a folder train beside {min(tops)}")
        return {}
    if TEST not in split_of_top.values():
        raise InputError(f"{origin}: no test split: add a folder test with the same class folders beside train")
    if others := sorted(tops - set(split_of_top)):
        raise InputError(f"{origin}: folder {others[0]!r} beside train and test is not a split: move it away")
    return split_of_top


def _unwrapped(inner: dict[str, PurePosixPath], split_of_top: dict[str, str]) -> dict[str, PurePosixPath]:
    """The paths without a folder that only says the split again, as in `BTSC_Training/Training` and `train/images`."""
    only: dict[str, set[str]] = {}
    for path in inner.values():
        only.setdefault(path.parts[0], set()).add(path.parts[1] if len(path.parts) > 2 else "")
    wraps = {
        (top, next(iter(below)))
        for top, below in only.items()
        if top in split_of_top and len(below) == 1 and repeats(next(iter(below)), split_of_top[top])
    }
    return {
        name: PurePosixPath(path.parts[0], *path.parts[2:]) if path.parts[:2] in wraps else path
        for name, path in inner.items()
    }


def _turned(inner: dict[str, PurePosixPath], origin: str) -> dict[str, PurePosixPath]:
    """The paths as `train/class/...` where each class folder holds split folders; nothing where none does.

    Raises:
        InputError: some images lie in split folders of their class and others do not, or none is there to learn from.
    """
    below = {name: path for name, path in inner.items() if len(path.parts) > 2}
    splits = splits_of({path.parts[1] for path in below.values()})
    within = {name: path for name, path in below.items() if path.parts[1] in splits}
    if TRAIN not in splits.values():
        return {}
    if others := sorted(name for name, path in inner.items() if name not in within and len(path.parts) > 1):
        raise InputError(f"{origin}: {others[0]} is in no split folder of its class, as others are: move it into one")
    if TEST not in splits.values():
        raise InputError(f"{origin}: no test split: add a folder test beside train in each class folder")
    return {
        name: PurePosixPath(path.parts[1], path.parts[0], *path.parts[2:]) if name in within else path
        for name, path in inner.items()
    }


def _require_classes(
    loose: list[str], inner: dict[str, PurePosixPath], split_of_top: dict[str, str], origin: str
) -> None:
    """An image of a split must have a class: left out, it would be missed from what is measured.

    Raises:
        InputError: images lie in a split folder, but in no class folder.
    """
    flat = [name for name in loose if inner[name].parts[0] in split_of_top]
    if flat:
        where = inner[flat[0]].parts[0]
        count = sum(inner[name].parts[0] == where for name in flat)
        raise InputError(
            f"{origin}: {count} image(s) in {where} lie in no class folder, first {flat[0]}: sort them into class "
            f"folders, or move {where} away"
        )


def _sign_files(tree: Tree, found: list[Found], folders: list[str]) -> list[SignFile]:
    """Tracks are read from the names in each split whose images all have GTSRB names."""
    untracked = {image.split for image in found if not GTSRB_NAME.fullmatch(image.rest.stem)}
    label_of = {folder: label for label, folder in enumerate(folders)}
    plain = [f"{image.split}/{image.class_name}/{image.rest.with_suffix('')}" for image in found]
    unique = len(set(plain)) == len(plain)
    return [
        SignFile(
            image_id if unique else f"{image.split}/{image.class_name}/{image.rest}",
            image.split,
            label_of[image.class_name],
            "" if image.split in untracked else _track(image),
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
        if split_of(paths[0].parts[depth]):
            break
        depth += 1
    return depth
