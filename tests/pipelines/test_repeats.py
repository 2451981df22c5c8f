import numpy as np
import pandas as pd
import pytest

from pipelines.intervals import accuracy_interval
from pipelines.repeats import recipe_accuracy


def predictions(wrong: list[int], tracks: list[str]) -> pd.DataFrame:
    rows = pd.DataFrame({"image_id": [f"test/{i}" for i in range(len(tracks))], "track": tracks, "label": 1})
    return rows.assign(predicted=np.where(rows.index.isin(wrong), 0, 1))


def test_the_worst_seed_stands_beside_the_mean_whatever_the_order_of_the_rows() -> None:
    tables = [predictions([0, 1, 2], [""] * 50), predictions([0], [""] * 50), predictions([], [""] * 50)]
    right = np.stack([table["predicted"] == 1 for table in tables])
    mean, low, high = accuracy_interval(right)
    found = recipe_accuracy([tables[0].sample(frac=1, random_state=0), *tables[1:]])
    assert found == pytest.approx(
        {"accuracy": mean, "accuracy_low": low, "accuracy_high": high, "accuracy_worst": 0.94}
    )


def test_images_of_a_track_are_drawn_together() -> None:
    wrong = [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]
    alone, tracks = ([""] * 50, np.repeat([f"{i}" for i in range(10)], 5).tolist())
    by_image, by_track = (recipe_accuracy([predictions(w, names) for w in wrong]) for names in (alone, tracks))
    assert by_track["accuracy_low"] < by_image["accuracy_low"]


def test_networks_that_answered_other_images_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different images"):
        recipe_accuracy([predictions([0], [""] * 5), predictions([0], [""] * 6)])
