import json

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import recipe_selection
from benchmarks.recipe_selection import BASE, BASE_NAME, CANDIDATES, judged, main, table
from pipelines.intervals import accuracy_gain, accuracy_interval


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_is_a_recipe_that_can_be_built(name):
    recipe = BASE.updated(**CANDIDATES[name])
    assert recipe.build(5, 32).output_shape == (None, 5)
    assert (recipe == BASE) == (name == BASE_NAME)


class Asked:
    track = np.repeat([f"{i:02d}" for i in range(20)], 6)
    label = np.repeat(np.arange(4), 30)


def rows(random, name, seeds, share):
    made = []
    for seed in range(seeds):
        predicted = np.where(random.random(120) < share, (Asked.label + 1) % 4, Asked.label)
        made.append((predicted, {"candidate": name, "seed": seed, "precision": "float32"}))
    return [about | judged(np.eye(4)[predicted], Asked) for predicted, about in made], [p for p, _ in made]


def test_a_table_says_how_sure_it_is_by_tracks_and_seeds():
    random = np.random.default_rng(0)
    base, base_predicted = rows(random, BASE_NAME, 3, 0.3)
    new, new_predicted = rows(random, "mixup", 2, 0.1)
    single, _ = rows(random, "cutmix", 1, 0.2)
    right = [np.stack([predicted == Asked.label for predicted in each]) for each in (new_predicted, base_predicted)]
    found = {entry["candidate"]: entry for entry in table([*base, *new, *single], Asked.track)}
    assert list(found) == ["mixup", "cutmix", BASE_NAME]
    assert [found["mixup"][name] for name in ("accuracy", "low", "high")] == pytest.approx(
        accuracy_interval(right[0], groups=Asked.track), abs=1e-5
    )
    assert [found["mixup"][name] for name in ("gain", "gain_low", "gain_high")] == pytest.approx(
        accuracy_gain(*right, groups=Asked.track), abs=1e-5
    )
    assert found["cutmix"]["gain_low"] is None
    assert "gain" not in found[BASE_NAME]


def test_frames_are_counted_by_track():
    predicted = Asked.label.copy()
    predicted[[0, 1, 2, 3, 7]] = 3
    found = judged(np.eye(4)[predicted], Asked)
    assert found["wrong"] == {"00": 4, "01": 1}
    assert (found["tracks"], found["tracks_mostly_wrong"]) == (20, 1)
    assert found["accuracy"] == pytest.approx(1 - 5 / 120, abs=1e-5)


def test_two_seeds_answer_together_once(tmp_path):
    sure, unsure = 2 * np.eye(4)[Asked.label], np.eye(4)[(Asked.label + 1) % 4]
    for seed, logits in enumerate((sure, unsure, unsure, sure, unsure)):
        recipe_selection.keep(logits, tmp_path, "mixup", seed, "float32")
    rows = [{"candidate": "mixup", "seed": seed, "precision": "float32"} for seed in range(5)]
    found = recipe_selection.together(rows, tmp_path, "mixup", Asked, "float32")
    assert [(row["candidate"], row["seed"], row["accuracy"]) for row in found] == [
        ("mixup, two together", 0, 1.0),
        ("mixup, two together", 1, 1.0),
    ]
    assert not recipe_selection.together([*rows, *found], tmp_path, "mixup", Asked, "float32")


def test_what_is_done_is_not_trained_again_and_gets_more_seeds(tmp_path, monkeypatch):
    trained = []

    def learn(changes, known, unknown, dataset, seed, precision):
        trained.append((changes, seed, precision))
        return np.eye(4)[Asked.label], {"parameters": 1, "epochs": 1}

    monkeypatch.setattr(recipe_selection, "prepared", lambda data: data)
    monkeypatch.setattr(recipe_selection, "quarter", lambda dataset: (Asked, Asked))
    monkeypatch.setattr(recipe_selection, "learn", learn)
    for seeds in (1, 2):
        words = [BASE_NAME, "mixup", "--seeds", str(seeds), "--work", str(tmp_path)]
        words += ["--output", str(tmp_path / "found.json")]
        CliRunner().invoke(main, words, catch_exceptions=False)
    mixup = CANDIDATES["mixup"]
    assert trained == [({}, 0, "float32"), (mixup, 0, "float32"), ({}, 1, "float32"), (mixup, 1, "float32")]
    found = json.loads((tmp_path / "found.json").read_text())
    assert [entry["seeds"] for entry in found["table"]] == [2, 2, 1, 1]
    assert {"date", "machine", "command"} <= set(found)
