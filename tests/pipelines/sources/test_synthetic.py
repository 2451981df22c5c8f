from collections import Counter

import numpy as np
import pytest

from pipelines.errors import InputError
from pipelines.sources.detect import open_source
from pipelines.sources.rendered import render


def test_rendered_signs_are_split_by_scene_and_drawn_from_their_rows():
    plan = open_source("rendered:10").plan(3)
    assert Counter(row["split"] for row in plan.rows) == {"train": 215, "validation": 215, "test": 86}
    tracks = [{row["track"] for row in plan.rows if row["split"] == split} for split in ("train", "validation")]
    assert not tracks[0] & tracks[1]
    rows = [plan.rows[0], plan.rows[-1]]
    loaded = [one.image for one in plan.load(rows, size=24, crop=False)]
    labels, keys = np.array([row["label"] for row in rows]), [row["image_id"] for row in rows]
    np.testing.assert_array_equal(loaded, render(labels, keys=keys, size=24, seed=3))


def test_the_number_of_images_is_part_of_the_stamp():
    assert open_source("rendered").stamp == open_source("rendered:100").stamp != open_source("rendered:20").stamp


@pytest.mark.parametrize("data", ["rendered:", "rendered:0", "rendered:9", "rendered:x", "rendered:-20"])
def test_wrong_numbers_are_refused(data):
    if data == "rendered:":
        assert open_source(data).stamp == open_source("rendered").stamp
        return
    with pytest.raises(InputError, match="10 or more"):
        open_source(data)
