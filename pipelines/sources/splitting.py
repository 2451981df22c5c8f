"""Splits that keep all images of one physical sign on one side."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelines.sources.plan import SignFile

SHARE = 0.2
"""Share of the groups of each class that a split takes."""


def set_aside(files: Iterable[SignFile], split: str, *, seed: int, class_names: Sequence[str]) -> list[SignFile]:
    """Move 20% of the groups of each class to `split`: at least one, and never all of them.

    A group is a track (frames of one physical sign, near-copies of each other), or an image without one. Which
    groups are taken depends on the seed and on their own names alone, so other classes never change it.

    Raises:
        InputError: a class has a single group, so that nothing would be left on one of the sides.
    """
    files = list(files)
    groups: dict[int, set[str]] = defaultdict(set)
    for file in files:
        groups[file.label].add(file.group)
    taken: set[str] = set()
    for label, names in groups.items():
        if len(names) < 2:
            raise InputError(
                f"class {class_names[label]!r} has one image or one track ({min(names)}) left to split into train and "
                f"{split}: add images of another sign, or remove the class"
            )
        count = min(max(1, round(SHARE * len(names))), len(names) - 1)
        taken.update(sorted(names, key=lambda name: _rank(seed, split, name))[:count])
    return [file.moved(split) if file.group in taken else file for file in files]


def _rank(seed: int, split: str, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{split}/{name}".encode(), digest_size=16).digest()
