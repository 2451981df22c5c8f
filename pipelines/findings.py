"""What is found in the images while they are prepared: their digests, damaged files, copies and doubtful scales."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

IDENTITY = ("image_id", "split", "label", "track")
FOUND = ["error", "digest", "white", "content"]
"""Columns of a decoded block that are not kept in the prepared form."""


def image_digest(image_id: str, split: str, label: int, track: str, image: NDArray[np.uint8]) -> bytes:
    """The digest of one row of the prepared form, image (H, W, 3)."""
    described = json.dumps([image_id, split, label, track, *image.shape])
    return hashlib.sha256(described.encode() + image.tobytes()).digest()


def content_digest(digests: Mapping[str, bytes]) -> str:
    """The digest of a data set by those of its images, which no order and no file layout changes."""
    return hashlib.sha256(b"".join(name.encode() + b"\0" + digests[name] for name in sorted(digests))).hexdigest()


@dataclass
class Findings:
    """What the decoded blocks tell of all images together.

    Attributes:
        digests: of each image, by its id.
        damaged: an error text for each file that could not be read.
        whites: the kinds of files whose scale is in doubt, each with a value that was taken for white.
        copies: id, split and label of the images whose files hold the same bytes, by a digest of those.
    """

    digests: dict[str, bytes] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    whites: set[tuple[str, int]] = field(default_factory=set)
    copies: dict[bytes, list[tuple[str, str, int]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, block: pa.Table) -> None:
        """Take note of a decoded block."""
        columns: dict[str, list[Any]] = {name: block[name].to_pylist() for name in (*IDENTITY, *FOUND)}
        self.damaged += [error for error in columns["error"] if error]
        self.digests.update(zip(columns["image_id"], columns["digest"], strict=True))
        for white in set(columns["white"]):
            self.whites.update(json.loads(white).items())
        known = zip(columns["content"], columns["image_id"], columns["split"], columns["label"], strict=True)
        for content, *image in known:
            if content:
                self.copies[content].append((image[0], image[1], image[2]))

    def white(self) -> dict[str, int]:
        """The value of white of each kind of file: the largest that one of them needs."""
        return dict(sorted(self.whites))

    def notes(self, origin: str) -> list[str]:
        """Sentences that a person should read."""
        scales = [f"{origin}: {white} was taken for white in its {kind} files" for kind, white in self.white().items()]
        copies = [images for images in self.copies.values() if len(images) > 1]
        shared = [images for images in copies if len({split for _, split, _ in images}) > 1]
        disputed = [images for images in copies if len({label for _, _, label in images}) > 1]
        return [
            *scales,
            *_copied(origin, shared, "in two splits, so that what is measured was learned: remove one of each"),
            *_copied(origin, disputed, "under two labels, of which one is wrong: remove it"),
        ]


def _copied(origin: str, groups: list[list[tuple[str, str, int]]], where: str) -> list[str]:
    if not groups:
        return []
    # the first image that differs from the first of its group in split or label
    first, *others = groups[0]
    other = next(image for image in others if image[1:] != first[1:])
    names = " and ".join(f"{name} ({split}, label {label})" for name, split, label in (first, other))
    return [f"{origin}: {len(groups)} file(s) are equal byte for byte {where}: {names}"]
