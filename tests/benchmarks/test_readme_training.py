import json

import pandas as pd
import pytest

from benchmarks import readme_training
from benchmarks.readme_training import experiments


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(readme_training, "RESULTS", tmp_path)
    return tmp_path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        content.to_csv(path)
    else:
        path.write_text(json.dumps(content))


def paragraph():
    [said] = experiments()
    return said


def search(folder, rows):
    write(folder / "trials.csv", pd.DataFrame(rows).assign(status="finished"))
    write(folder / "about.json", {"command": "python -m pipelines.tune --epochs 8 --limit 8600"})


def dropout(f1_macro):
    kinds = {0.0: ("unit", 0.95), 0.5: ("spatial", f1_macro)}
    return [
        {"param/dropout": rate, "param/dropout_kind": kind, "param/seed": seed, "f1_macro": score, "threshold": 0.2,
         "load/importance_gini": 0.5, "load/importance_top5": 0.2}
        for rate, (kind, score) in kinds.items() for seed in (0, 1)
    ]  # fmt: skip


def test_loads_of_networks_that_learned_less_are_no_answer(results):
    search(results / "gtsrb/dropout", dropout(0.93))
    assert "**No answer:** none of the networks with dropout comes within 0.01" in paragraph()


def test_loads_of_networks_that_learned_as_much_are_compared(results):
    search(results / "gtsrb/dropout", dropout(0.945))
    said = paragraph()
    assert "No answer" not in said
    assert "can loads be compared: whole maps." in said
    assert "each of 2 seeds, too few for an interval" in said


def test_a_recipe_of_one_training_has_no_interval_and_decides_nothing(results):
    alone = {"candidate": "a", "precision": "float32", "seeds": 1, "accuracy": 0.93, "low": None, "high": None}
    several = {"candidate": "as it was", "precision": "float32", "seeds": 3, "accuracy": 0.92, "low": 0.9, "high": 0.94}
    gain = {"gain": 0.01, "gain_low": None, "gain_high": None}
    about = {"share_of_tracks": 0.25, "steps": 980, "candidates": [{"tracks": 981}]}
    write(results / "recipe_selection.json", about | {"table": [alone | gain, several]})
    write(results / "recipe_selection_of_default.json", {"candidates": [{"candidate": "default", "accuracy": 0.91}]})
    said = paragraph()
    assert "| a | float32 | 1 | 93.00% | +1.00% |" in said
    assert "| as it was | float32 | 3 | 92.00% [90.00%, 94.00%] |  |" in said
    assert "a single training has none, and decides nothing" in said
    assert "one training each: default 91.00%." in said


def test_what_a_search_gains_has_the_interval_of_its_repetitions(results):
    gains = (0.05, 0.15, 0.0)  # mean 0.0667, standard error 0.0441, Student's t of two degrees 4.303
    repetitions = [
        {"random_f1_macro": 0.6, "asha_f1_macro": 0.6 + gain, "asha_epochs_to_match": 5 if gain else None}
        for gain in gains
    ]
    about = {"trials": {"random": 12, "asha": 24}, "epochs_of_a_trial": 32, "images": 860, "repetitions": repetitions}
    write(results / "search_budget.json", about | {"share_of_all_epochs": 0.5, "share_of_epochs_to_match": 0.3})
    said = paragraph()
    assert "| +0.067 [-0.123, +0.256] | 2 of 3 |" in said
    assert "by validation flatters both" in said


def test_a_split_that_flatters_is_one_training_with_an_interval_over_images(results):
    for what, wrong in (("frames", 25), ("tracks", 26)):
        scores = {"accuracy": 1 - wrong / 1000, "wrong": wrong, "test_images": 1000, "best_epoch": 1, "epochs": 5}
        write(results / f"gtsrb/holdout/{what}/scores.json", scores)
        write(results / f"gtsrb/holdout/{what}/history.csv", pd.DataFrame({"val_accuracy": [0.9, 0.995]}))
    said = paragraph()
    assert "promises 0.50% errors, and the test images give 2.50% [1.70%, 3.66%]: 5 times as many" in said
    assert "One training each" in said


def test_the_champion_of_a_search_is_one_training(results):
    champion = {"accuracy": 0.98, "wrong": 20, "test_images": 1000, "parameters": 1e6, "epochs": 6}
    write(results / "gtsrb/search/champion/scores.json", champion)
    write(results / "gtsrb/search/trials.csv", pd.DataFrame({"f1_macro": [0.8]}))
    best = {"architecture": "multi_scale", "activation": "silu", "contrast": "local"}
    write(results / "gtsrb/search/best.json", {"parameters": best})
    write(results / "gtsrb/search/search.json", {"seconds": 600})
    assert "98.00% [96.93%, 98.70%] of the test images (one search, one training;" in paragraph()
