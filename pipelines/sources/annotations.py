"""The CSV files of GTSRB: one row an image, with its size, its region of interest and its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.gtsrb_classes import CLASS_NAMES, OFFICIAL_TEST_COUNTS, OFFICIAL_TRAIN_COUNTS
from pipelines.sources.images import load_files
from pipelines.sources.plan import SPLITS, TEST, TRAIN, VALIDATION, Plan, require_complete
from pipelines.sources.splitting import SHARE, set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources.plan import SignFile
    from pipelines.sources.trees import Tree

REGION = ("Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2")
NUMBERS = ("Width", "Height", *REGION, "ClassId")


@dataclass(frozen=True)
class Annotation:
    """One row: the image as it is named there, the recorded size in pixels, the region (inclusive), the class."""

    image: str
    width: int
    height: int
    roi: tuple[int, int, int, int]
    label: int


def read_annotations(tree: Tree, name: str, *, delimiter: str, image_column: str) -> list[Annotation]:
    """Read one CSV file.

    Raises:
        InputError: a column is missing, a field is not a number, or a class is not one of the 43.
    """
    rows = tree.read_csv(name, delimiter, (image_column, *NUMBERS))
    return [_annotation(row, image_column, f"{tree.label(name)}, line {line}") for line, row in enumerate(rows, 2)]


def require_listed(listed: Sequence[str], present: set[str], where: str) -> None:
    """Every image that a CSV file names must be there.

    Raises:
        InputError: some are missing.
    """
    if missing := [name for name in listed if name not in present]:
        raise InputError(
            f"{where}: names {len(missing)} image(s) that are missing, first {missing[0]}: fetch the images again, "
            "or take their rows out"
        )


def gtsrb_plan(train: Sequence[SignFile], test: Sequence[SignFile], origin: str, *, seed: int) -> Plan:
    """The plan of a set in a published GTSRB layout: validation is set aside by track, counts are compared."""
    files = [*set_aside(train, VALIDATION, seed=seed, class_names=CLASS_NAMES), *test]
    plan = Plan(
        CLASS_NAMES,
        rows=[file.row() for file in sorted(files, key=lambda file: SPLITS.index(file.split))],
        load=load_files,
        validation_share=SHARE,
        official={TRAIN: OFFICIAL_TRAIN_COUNTS, TEST: OFFICIAL_TEST_COUNTS},
    )
    require_complete(plan.counts(), CLASS_NAMES, origin)
    return plan


def _annotation(row: dict[str, str], image_column: str, where: str) -> Annotation:
    width, height, *roi, label = (_whole_number(row, column, where) for column in NUMBERS)
    if not 0 <= label < len(CLASS_NAMES):
        raise InputError(f"{where}: ClassId {label} is out of range: GTSRB has the classes 0 to {len(CLASS_NAMES) - 1}")
    return Annotation(row[image_column], width, height, (roi[0], roi[1], roi[2], roi[3]), label)


def _whole_number(row: dict[str, str], column: str, where: str) -> int:
    try:
        return int(row[column])
    except (TypeError, ValueError):
        raise InputError(f"{where}: {column} is {row[column]!r}: it must be a whole number") from None
