"""CURE-TSR: signs under 12 challenges at 5 levels, read by the names of its files.

Temel et al. 2017, "CURE-TSR: Challenging unreal and real environments for traffic sign recognition". An image is
`Real_Train/GaussianBlur-3/<sequence>_<class>_<challenge>_<level>_<number>.bmp`; `ChallengeFree` has challenge 00.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.images import SUFFIXES, load_files
from pipelines.sources.plan import SPLITS, TEST, TRAIN, VALIDATION, Plan, SignFile, require_complete
from pipelines.sources.splitting import SHARE, set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources.trees import Tree

CLASS_NAMES = (
    "speed_limit", "goods_vehicles", "no_overtaking", "no_stopping", "no_parking", "stop", "bicycle", "hump",
    "no_left", "no_right", "priority_to", "no_entry", "yield", "parking",
)  # fmt: skip
CHALLENGES = (
    "ChallengeFree", "Decolorization", "LensBlur", "CodecError", "Darkening", "DirtyLens", "Exposure",
    "GaussianBlur", "Noise", "Rain", "Shadow", "Snow", "Haze",
)  # fmt: skip
SHARE_NAMED = 0.5
"""Share of the images that have its names where a folder is taken for CURE-TSR."""
NAME = re.compile(r"(\d{2})_(0[1-9]|1[0-4])_(0\d|1[0-2])_(0[0-5])_(\d{4,})")
SPLIT_NAME = re.compile(r"(?:(?:real|synthetic|unreal)[ _-]?)?(train|test)(?:ing)?", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """An image by what its path says: the folder of its split (empty where none), and the fields of its name."""

    name: str
    part: str
    sequence: str
    label: int
    challenge: str

    @property
    def split(self) -> str:
        """The split of its folder."""
        return _split(self.part)


def matches(names: Sequence[str]) -> bool:
    """Whether most images among files with these names are named as those of CURE-TSR."""
    images = _images(names)
    return sum(bool(NAME.fullmatch(path.stem)) for path in images) > SHARE_NAMED * len(images)


def plan_cure_tsr(tree: Tree, origin: str, *, challenge: str, seed: int) -> Plan:
    """Read the images of one challenge and level, `ChallengeFree` where none is asked for.

    Raises:
        InputError: there is no such challenge, a file is named otherwise or lies in the folder of another challenge,
            or a class has too few images to split.
    """
    everything = [_named(tree, path) for path in _images(tree.names)]
    wanted = _wanted(challenge or CHALLENGES[0], {image.challenge for image in everything}, origin)
    labels = sorted({image.label for image in everything})
    class_names = tuple(CLASS_NAMES[label] for label in labels)
    found, notes = _chosen(everything, wanted, origin)
    splits = {image.split for image in found}
    tracked = _has_sequences(found, least=2 if TEST in splits else 3)
    if not tracked:
        notes.append(f"{origin}: its names tell no sequences apart: frames of one sign may lie in two splits")
    if kinds := _kinds(found):
        notes.append(f"{origin}: holds {kinds}: name one of their folders to read it alone")
    files = _sign_files(tree, found, {label: place for place, label in enumerate(labels)}, tracked=tracked)
    if TEST not in splits:
        files = set_aside(files, TEST, seed=seed, class_names=class_names)
        notes.append(f"{origin}: no test folder, so a test split of {SHARE:.0%} of each class was set aside")
    train = [file for file in files if file.split == TRAIN]
    test = [file for file in files if file.split == TEST]
    files = [*set_aside(train, VALIDATION, seed=seed, class_names=class_names), *test]
    rows = [file.row() for file in sorted(files, key=lambda file: SPLITS.index(file.split))]
    plan = Plan(class_names, rows, load_files, SHARE, tuple(notes))
    require_complete(plan.counts(), class_names, origin)
    return plan


def _images(names: Sequence[str]) -> list[PurePosixPath]:
    paths = (PurePosixPath(name) for name in names)
    return [path for path in paths if path.suffix.lower() in SUFFIXES]


def _named(tree: Tree, path: PurePosixPath) -> Named:
    match = NAME.fullmatch(path.stem)
    if match is None or (int(match[3]) == 0) != (int(match[4]) == 0):
        raise InputError(
            f"{tree.label(path.as_posix())}: not named <sequence>_<class>_<challenge>_<level>_<number> as the other "
            "images of CURE-TSR are: move it away"
        )
    code, level = int(match[3]), int(match[4])
    challenge = f"{CHALLENGES[code]}-{level}" if code else CHALLENGES[0]
    for folder in path.parts[:-1]:
        kind = folder.partition("-")[0].lower()
        if kind in map(str.lower, CHALLENGES) and folder.lower() != challenge.lower():
            raise InputError(
                f"{tree.label(path.as_posix())}: named as an image of {challenge}, in a folder {folder}: unpack the "
                "data set again"
            )
    part = next((folder for folder in path.parts[:-1] if SPLIT_NAME.fullmatch(folder)), "")
    return Named(path.as_posix(), part, match[1], int(match[2]) - 1, challenge)


def _wanted(challenge: str, present: set[str], origin: str) -> str:
    for name in present:
        if name.lower() == challenge.lower():
            return name
    there = ", ".join(sorted(present))
    raise InputError(f"{origin}: no images of {challenge!r}: name one that it holds after #: {there}")


def _chosen(everything: list[Named], wanted: str, origin: str) -> tuple[list[Named], list[str]]:
    """The images of the wanted challenge; a split folder without it keeps its challenge-free ones, which is noted."""
    found = [image for image in everything if image.challenge == wanted]
    without = {image.part for image in everything} - {image.part for image in found}
    found += [image for image in everything if image.part in without and image.challenge == CHALLENGES[0]]
    notes = [f"{origin}: no images of {wanted} in {part}: read its {CHALLENGES[0]}" for part in sorted(without)]
    return found, notes


def _has_sequences(found: list[Named], *, least: int) -> bool:
    """As it is published, the first number tells real (01) from simulated (02), and is one and the same in a folder."""
    in_folder: dict[str, set[str]] = defaultdict(set)
    in_class: dict[int, set[str]] = defaultdict(set)
    for image in found:
        in_folder[image.part].add(image.sequence)
        if image.split == TRAIN:
            in_class[image.label].add(image.sequence)
    return any(len(of) > 1 for of in in_folder.values()) and all(len(of) >= least for of in in_class.values())


def _kinds(found: list[Named]) -> str:
    """The folders whose images are joined in one split, such as real and simulated ones."""
    parts = sorted({image.part for image in found})
    joined = [part for part in parts if sum(_split(part) == _split(other) for other in parts) > 1]
    return " and ".join(f"{sum(image.part == part for image in found)} images of {part}" for part in joined)


def _split(part: str) -> str:
    """The split that a folder stands for; an image without one is there to learn from."""
    match = SPLIT_NAME.fullmatch(part)
    return match[1].lower() if match else TRAIN


def _sign_files(tree: Tree, found: list[Named], label_of: dict[int, int], *, tracked: bool) -> list[SignFile]:
    plain = [f"{image.split}/{PurePosixPath(image.name).stem}" for image in found]
    unique = len(set(plain)) == len(plain)
    return [
        SignFile(
            image_id if unique else PurePosixPath(image.name).with_suffix("").as_posix(),
            image.split,
            label_of[image.label],
            f"{image.label + 1:02d}/{image.sequence}" if tracked else "",
            *tree.place(image.name),
        )
        for image, image_id in zip(found, plain, strict=True)
    ]
