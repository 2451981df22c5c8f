import json

import pandas as pd
import pytest

from benchmarks import readme_gans
from benchmarks.readme_gans import gans


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(readme_gans, "RESULTS", tmp_path)
    return tmp_path


def test_the_distance_that_chose_a_gan_is_said_to_flatter_it(results):
    folder = results / "gtsrb" / "gan_search"
    folder.mkdir(parents=True)
    (folder / "best.json").write_text(json.dumps({"distance": 3.01, "parameters": {"width": 32}}))
    (folder / "gan_search.json").write_text(json.dumps({"seconds": 600}))
    trials = pd.DataFrame({"status": ["finished", "finished", "stopped"], "distance": [3.01, 5.0, 9.0]})
    trials.to_csv(folder / "trials.csv")
    [said] = gans()
    assert "validation signs, 3.01, was width=32; the median of the 2 that ended is 4" in said
    assert "The distance that chose the best of 3 flatters it (winner's curse)" in said


def test_orders_of_few_generators_have_the_chance_of_agreeing_beside_them(results):
    rows = [{"disturbance": f"generator {name}"} for name in ("best", "epoch_1", "epoch_3", "epoch_10")]
    found = {"targets": [], "extractors": ["a", "b"], "command": "python", "rows": {"a": rows}}
    found["kendall_tau_of_generators"] = {"fd": 1.0, "recall": -0.667}
    (results / "score_disturbances.json").write_text(json.dumps(found))
    (results / "score_disturbances.md").write_text("")
    [said] = gans()
    assert "fd 1.00, recall -0.67. These are 4 states of one training, too few for an interval" in said
    assert "the same in one of 24 cases" in said


@pytest.mark.parametrize(("seeds", "told"), [(1, True), (3, False)])
def test_what_one_training_showed_is_not_said_of_others(results, seeds, told):
    (results / "gan_failures.json").write_text(json.dumps({"seeds": seeds, "command": "python"}))
    (results / "gan_failures.md").write_text("")
    [said] = gans()
    assert ("One training each: how often a failure comes, or a cure works, is not measured." in said) == told
