from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.halving import ResumableHalving


def halving() -> ResumableHalving:
    return ResumableHalving(time_attr="epoch", metric="f1_macro", mode="max", max_t=16, grace_period=1)


def trial(number: int, curve: list[float]) -> Any:
    return SimpleNamespace(trial_id=f"t{number}", last_result={"curve": curve} if curve else {})


def live(scheduler: ResumableHalving, number: int, curve: list[float]) -> str:
    """Tell of a trial epoch by epoch; returns what becomes of it."""
    added = trial(number, [])
    scheduler.on_trial_add(None, added)
    for epoch, score in enumerate(curve, start=1):
        if (action := scheduler.on_trial_result(None, added, {"epoch": epoch, "f1_macro": score})) == "STOP":
            return str(action)
    return "CONTINUE"


CURVES = [[0.5 + 0.01 * n * epoch for epoch in range(1, 6)] for n in range(6)]


@pytest.mark.parametrize("newcomer", [[0.1], [0.9], [0.56, 0.57, 0.58, 0.59]])
def test_restored_trials_count_as_those_that_were_seen(newcomer):
    seen, restored = halving(), halving()
    for number, curve in enumerate(reversed(CURVES)):
        live(seen, number, curve)
        kept = len(curve) if number == 0 else 1  # all but the first were stopped at the first rung
        restored.on_trial_add(None, trial(number, curve[:kept]))
    assert restored.debug_string().splitlines()[1:] == seen.debug_string().splitlines()[1:]  # the first counts stops
    assert live(restored, 9, newcomer) == live(seen, 9, newcomer)
