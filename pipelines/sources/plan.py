"""What a source hands to the preparation: light rows that say where each image is, and the way to load them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")

SIZES = (8, 1024)
"""Sides in pixels that a data set may be prepared at."""

Row = dict[str, Any]
"""`image_id`, `split`, `label`, `track` (empty where unknown) and whatever else its loader needs."""


White = dict[str, int]
"""For `16-bit` and `float` files the value that stands for white, which such files do not tell."""


@dataclass(frozen=True)
class Loaded:
    """One image (size, size, 3) uint8 with its original width and height, or why it could not be loaded.

    `white` is the value that was taken for white where the file does not say it, else nothing; `content` is a digest
    of the bytes of its file, where it has one.
    """

    image: NDArray[np.uint8] | None
    width: int = 0
    height: int = 0
    error: str = ""
    white: White = field(default_factory=dict)
    content: bytes = b""


class Load(Protocol):
    """Loads a batch of rows; runs in Ray tasks, so it is a function of a module."""

    def __call__(self, rows: Sequence[Row], *, size: int, crop: bool) -> Iterator[Loaded]:
        """One result a row, in order."""
        ...


@dataclass(frozen=True)
class SignFile:
    """Where the bytes of one image are, and what is known of it.

    `archive` is a zip archive and `path` its member, or `archive` is empty and `path` a file. `width` and `height`
    are the recorded ones of the original, 0 where unknown; `roi` is x1, y1, x2, y2 (inclusive) in those pixels.
    """

    image_id: str
    split: str
    label: int
    track: str
    archive: str
    path: str
    width: int = 0
    height: int = 0
    roi: tuple[int, int, int, int] | None = None

    @property
    def group(self) -> str:
        """What must stay on one side of a split: the track, or the image alone where no track is known."""
        return self.track or self.image_id

    def moved(self, split: str) -> SignFile:
        """The same file in another split."""
        return replace(self, split=split)

    def row(self) -> Row:
        """The row from which its loader finds it again."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """All rows of a data set and the way to load them.

    `notes` are sentences that a person should read; `official` are the published numbers of images a class, where
    the source claims to be a published data set; `sizes` are the smallest and the largest side that it can give.
    """

    class_names: tuple[str, ...]
    rows: Sequence[Row]
    load: Load
    validation_share: float
    notes: tuple[str, ...] = ()
    official: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sizes: tuple[int, int] = SIZES

    def counts(self) -> dict[str, tuple[int, ...]]:
        """Images a class in each split."""
        found = Counter((row["split"], row["label"]) for row in self.rows)
        labels = range(len(self.class_names))
        return {split: tuple(found[split, label] for label in labels) for split in SPLITS}


@dataclass(frozen=True)
class Source:
    """A source that was recognised but not yet read.

    `stamp` stands for everything that its content depends on; `plan` reads it, for a seed.
    """

    name: str
    origin: str
    stamp: str
    plan: Callable[[int], Plan]


def require_complete(counts: dict[str, tuple[int, ...]], class_names: Sequence[str], origin: str) -> None:
    """Every class must be there to learn from and to choose by, and there must be something to test on.

    Raises:
        InputError: a split is empty, or a class has no image to train or to validate on.
    """
    for split in SPLITS:
        if not sum(counts[split]):
            raise InputError(f"{origin}: no {split} images: add a {split} split")
    for name, train, validation in zip(class_names, counts[TRAIN], counts[VALIDATION], strict=True):
        if not train or not validation:
            missing = TRAIN if not train else VALIDATION
            raise InputError(f"{origin}: class {name!r} has no {missing} image: add some, or remove the class")
