"""The rendered signs as a source: which images there are, and how tasks draw them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import InputError
from pipelines.sources.plan import SPLITS, TRAIN, VALIDATION, Loaded, Plan, SignFile, Source, require_complete
from pipelines.sources.splitting import SHARE, set_aside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelines.sources.plan import Row

NAME = "rendered"
TRAIN_PER_CLASS = 100
TEST_SHARE = 0.24
"""Test images for each training image."""
LEAST = 10
"""Training images of a class that make two tracks, one to train and one to validate on."""


def rendered_source(data: str) -> Source:
    """Read `rendered`, or `rendered:N` for N training images a class.

    Raises:
        InputError: N is not a number, or too small to split.
    """
    count = data.removeprefix(NAME).removeprefix(":") or str(TRAIN_PER_CLASS)
    if not count.isdecimal() or int(count) < LEAST:
        raise InputError(f"--data {data}: write {NAME}:N with N training images a class, {LEAST} or more")
    drawn_by = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    stamp = hashlib.sha256(drawn_by + count.encode()).hexdigest()
    return Source(NAME, data, stamp, lambda seed: plan_rendered(int(count), seed=seed))


def plan_rendered(train_per_class: int, *, seed: int) -> Plan:
    """The rows of a rendered set; its frames of one scene are a track, and the test images have none."""
    from pipelines.sources.gtsrb_classes import CLASS_NAMES
    from pipelines.sources.rendered import MAX_SIZE, MIN_SIZE, plan

    drawn = plan(train_per_class=train_per_class, test_per_class=round(TEST_SHARE * train_per_class))
    columns = (drawn.image_id.tolist(), drawn.split.tolist(), drawn.label.tolist(), drawn.track.tolist())
    files = [SignFile(*row, archive="", path="") for row in zip(*columns, strict=True)]
    train = [file for file in files if file.split == TRAIN]
    test = [file for file in files if file.split != TRAIN]
    files = [*set_aside(train, VALIDATION, seed=seed, class_names=CLASS_NAMES), *test]
    rows = [{**file.row(), "seed": seed} for file in sorted(files, key=lambda file: SPLITS.index(file.split))]
    done = Plan(CLASS_NAMES, rows, load_rendered, validation_share=SHARE, sizes=(MIN_SIZE, MAX_SIZE))
    require_complete(done.counts(), CLASS_NAMES, NAME)
    return done


def load_rendered(rows: Sequence[Row], *, size: int, crop: bool) -> Iterator[Loaded]:  # noqa: ARG001
    """Draw the images of a batch of rows; they are cropped as GTSRB is, and have no other region of interest."""
    import numpy as np

    from pipelines.sources.rendered import render

    labels = np.array([row["label"] for row in rows])
    images = render(labels, keys=[row["image_id"] for row in rows], size=size, seed=rows[0]["seed"])
    yield from (Loaded(image, size, size) for image in images)
