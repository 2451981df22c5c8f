from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gan_failures import (
    PANELS,
    PROVOCATIONS,
    Outcome,
    Watch,
    failures_figure,
    rows_of,
    series,
    targets,
)
from benchmarks.gan_failures import words as said
from benchmarks.gan_runs import Course, Unit
from gan.health import FAILURES, Record, Samples
from gan.recipes import GAN_RECIPES

STEPS = range(100, 2100, 100)
IMAGES = np.zeros((12, 32, 32, 3), np.uint8)


def outcome(*, gradient=1.0, right=0.8, loss=1.0, entropy=(10, 10), duplicates=0.0):
    """A training in which these numbers hold from the middle on."""
    records = [
        Record(step, loss if step > 1000 else 1.0, 1.0, gradient if step > 1000 else 1.0, 1.0, right, right)
        for step in STEPS
    ]
    watched = [Samples(step, entropy, recall=0.5, coverage=0.5, duplicate_share=duplicates) for step in STEPS]
    return Outcome("said", Course(None, records, []), watched, IMAGES)


HEALTHY = outcome()
FAILED = {
    "vanishing_gradient": outcome(gradient=1e-3),
    "discriminator_wins": outcome(right=0.99),
    "diverged": outcome(loss=1e4),
    "mode_collapse": outcome(entropy=(20, 0)),
}


def test_every_failure_is_provoked_and_drawn():
    assert set(PROVOCATIONS) == set(PANELS) == set(FAILURES)


@pytest.mark.parametrize("provocation", PROVOCATIONS.values())
def test_both_trainings_are_recipes_that_differ(provocation):
    provoked, cured = (GAN_RECIPES["dcgan"].updated(**given) for given in (provocation.provoked, provocation.cured))
    assert provoked != cured


@pytest.mark.parametrize("failure", FAILURES)
def test_the_table_counts_seeds_in_which_a_failure_was_found(failure):
    provoked, cured = rows_of(failure, [(FAILED[failure], HEALTHY), (HEALTHY, HEALTHY)])
    assert (provoked["provoked"], cured["provoked"]) == (True, False)
    assert (provoked["times"], cured["times"]) == ("1 of 2", "0 of 2")
    assert failure in provoked["seeds"][0]["detected"]
    assert provoked["seeds"][1]["detected"] == cured["seeds"][0]["detected"] == {}
    assert failure.replace("_", " ") in provoked["found"]


def test_a_training_that_stops_before_its_first_report_is_a_divergence():
    lost = Record(3, *[float("nan")] * 6)
    stopped = Outcome("said", Course(None, [Record(1, *[1.0] * 6), lost], [], "not finite at step 3"), [], IMAGES)
    assert stopped.detected == {"diverged": 3}
    records, samples = series(stopped)
    assert (len(records), len(samples)) == (2, 0)
    failures_figure({"diverged": (stopped, HEALTHY), "mode_collapse": (stopped, HEALTHY)})


def test_targets_are_met_by_failures_that_are_found_and_cured_alone():
    good = targets({failure: [(FAILED[failure], HEALTHY)] * 2 for failure in FAILURES})
    assert all(target.met for target in good)
    assert not any(target.met for target in targets({"diverged": [(HEALTHY, FAILED["diverged"])]}))
    once = targets({"diverged": [(FAILED["diverged"], HEALTHY), (HEALTHY, HEALTHY)]})
    assert [(target.measured, target.met) for target in once] == [(0.5, False), (0, True)]


def test_another_judge_or_other_real_signs_are_other_trainings(monkeypatch):
    ran = []
    monkeypatch.setattr(Unit, "run", lambda unit, work, score: ran.append(unit) or Course(None, [], []))
    monkeypatch.setattr("benchmarks.gan_failures.make", lambda *given: IMAGES)
    trained = Unit("x", GAN_RECIPES["dcgan"], IMAGES, np.zeros(12, np.int64), classes=1)
    for about, real in (({"hash": "a"}, 0.0), ({"hash": "b"}, 0.0), ({"hash": "a"}, 1.0)):
        jury = SimpleNamespace(about=lambda about=about: about)
        Watch(jury, np.full((4, 2), real, np.float32), (14,), 16).outcome(trained, "said", Path("work"))
    assert len({unit.folder(Path("work")) for unit in ran}) == 3


def test_words_name_the_step():
    assert said({"mode_collapse": 120}) == "mode collapse at step 120"
    assert said({}) == "nothing"


def test_the_figure_marks_what_was_found():
    figure = failures_figure({failure: (FAILED[failure], HEALTHY) for failure in FAILURES})
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert sum("found: nothing" in text for text in texts) == len(FAILURES)
    assert len(figure.axes) == 4 * len(FAILURES)
