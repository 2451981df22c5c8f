"""Which split a folder stands for, by the usual spellings of its name."""

from __future__ import annotations

import re

from pipelines.sources.plan import TEST, TRAIN, VALIDATION

WORDS = {
    "train": TRAIN, "training": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION,
    "dev": VALIDATION, "test": TEST, "testing": TEST,
}  # fmt: skip
FILLERS = {"image", "images", "img", "imgs", "data", "dataset", "set", "folder", "split", "sample", "samples", "signs"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
JOINED = re.compile(r"^(train|test|val|valid)(?:ing)?(images?|imgs?|data|dataset|set)$")
"""Two words written as one, such as `trainset`."""


def split_of(folder: str) -> str:
    """The split that a name such as `train`, `Test_Images` or `validSet` stands for; nothing for any other name."""
    split, rest = _parts(folder)
    return split if not rest - FILLERS else ""


def splits_of(folders: set[str]) -> dict[str, str]:
    """The splits that folders beside each other stand for.

    They may share further words, such as the name of the data set in `BelgiumTSC_Training` and `BelgiumTSC_Testing`.
    """
    found = {folder: split for folder in folders if (split := split_of(folder))}
    if found:
        return found
    parts = {folder: _parts(folder) for folder in folders}
    splits, rests = {split for split, _ in parts.values()}, [rest - FILLERS for _, rest in parts.values()]
    if "" in splits or len(splits) < 2 or any(rest != rests[0] for rest in rests):
        return {}
    return {folder: split for folder, (split, _) in parts.items()}


def repeats(folder: str, split: str) -> bool:
    """Whether the name of a folder within that of a split says no more than the split, as `images` or `Training`."""
    found, rest = _parts(folder)
    return bool(folder) and found in ("", split) and not rest - FILLERS


def _parts(folder: str) -> tuple[str, set[str]]:
    """The one split among the words of a name, and its other words."""
    words = [part for word in WORD.findall(folder) for part in JOINED.sub(r"\1 \2", word.lower()).split()]
    splits = {WORDS[word] for word in words if word in WORDS}
    return (splits.pop() if len(splits) == 1 else ""), {word for word in words if word not in WORDS}
