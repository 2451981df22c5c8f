import numpy as np
import pandas as pd
import pytest

from pipelines.errors import InputError
from pipelines.ranking import pareto_front, ranked


def table(**columns: list[float | str]) -> pd.DataFrame:
    found = pd.DataFrame({"status": "stopped", "reason": "", **columns})
    return found.assign(name=[f"t{row}" for row in range(len(found))])


def test_the_best_come_first_and_what_was_not_measured_does_not_count():
    trials = table(f1_macro=[0.5, np.nan, 0.7, 0.5], parameters=[10.0, 5.0, 20.0, np.nan])
    assert ranked(trials, "f1_macro")["name"].tolist() == ["t2", "t0", "t3"]
    assert ranked(trials, "parameters")["name"].tolist() == ["t1", "t0", "t2"]


def test_a_search_whose_trials_all_failed_is_an_error():
    trials = table(f1_macro=[np.nan, np.nan], reason=["", "no memory"])
    with pytest.raises(InputError, match="all 2 trials failed; the first: no memory"):
        ranked(trials, "f1_macro")


@pytest.mark.parametrize(("reasons", "said"), [(["", "no memory"], "no memory"), (["", ""], "stopped")])
def test_a_front_without_a_complete_trial_is_an_error(reasons, said):
    trials = table(f1_macro=[0.5, np.nan], threshold=[np.nan, np.nan], reason=reasons)
    with pytest.raises(InputError, match=f"none of 2 trials has f1_macro and threshold; the first: {said}"):
        pareto_front(trials, ["f1_macro", "threshold"])


def test_the_front_is_what_no_trial_beats():
    random = np.random.default_rng(0)
    points = random.integers(0, 8, (40, 2)).astype(float)
    front = pareto_front(table(f1_macro=points[:, 0], parameters=points[:, 1]), ["f1_macro", "parameters"])
    expected = {
        i
        for i, (f1, size) in enumerate(points)
        if not any(a >= f1 and b <= size and (a > f1 or b < size) for a, b in points)
    }
    assert set(front.index) == expected
    assert front["f1_macro"].is_monotonic_decreasing
