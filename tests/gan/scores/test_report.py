from dataclasses import replace

import numpy as np
import pytest

from gan.scores import frechet_distance, inception_score, kernel_distance, precision_recall_density_coverage
from gan.scores.extrapolation import frechet_distance_at_infinity
from gan.scores.report import Protocol, score_features, too_few

REAL = np.random.default_rng(0).normal(size=(200, 12))
PROTOCOL = Protocol(subsets=5, subset_size=40, splits=2, seed=1)
SCORES = {
    "fd", "fd_infinity", "kd", "kd_spread", "is", "is_spread", "precision", "recall", "density", "coverage",
}  # fmt: skip


def test_all_scores_of_enough_samples():
    found = score_features(REAL, REAL[:60] + 0.1, logits=REAL[:60], protocol=PROTOCOL)
    assert found.keys() == SCORES
    assert found["fd"] == pytest.approx(frechet_distance(REAL, REAL[:60] + 0.1))
    assert too_few(60, 12) == {}


def test_each_score_is_that_of_its_own_function_by_the_protocol():
    fake, logits = REAL[:60] + 0.1, 3 * REAL[:60]
    found = score_features(REAL, fake, logits=logits, protocol=replace(PROTOCOL, k=3))
    kernel = kernel_distance(REAL, fake, subsets=5, subset_size=40, seed=1)
    inception = inception_score(logits, splits=2, seed=1)
    wanted = {"fd": frechet_distance(REAL, fake), "kd": kernel.value, "kd_spread": kernel.spread}
    wanted |= {"fd_infinity": frechet_distance_at_infinity(REAL, fake, seed=1).value}
    wanted |= precision_recall_density_coverage(REAL, fake, k=3)._asdict()
    assert found == wanted | {"is": inception.value, "is_spread": inception.spread}


def test_the_protocol_of_the_literature():
    assert Protocol() == Protocol(k=5, subsets=100, subset_size=1000, splits=10, seed=0)


def test_the_smaller_set_decides_what_is_too_few():
    for real, fake in ((REAL, REAL[:20]), (REAL[:20], REAL)):
        assert "fd_infinity" not in score_features(real, fake, protocol=Protocol(subset_size=10))


def test_what_too_few_samples_leave_out_has_a_reason():
    few = too_few(12, 12)
    assert few == {
        "fd": "12 images are too few in 12 dimensions: it needs 13, or features of fewer dimensions",
        "fd_infinity": "12 images are too few in 12 dimensions: it needs 48, or features of fewer dimensions",
    }
    assert list(too_few(13, 12)) == list(too_few(47, 12)) == ["fd_infinity"]
    protocol = Protocol(subsets=0, subset_size=5, splits=1)
    found = score_features(REAL, REAL[:12], logits=REAL[:12], protocol=protocol, without=few)
    assert SCORES - found.keys() == {*few, "kd_spread"}
    with pytest.raises(ValueError, match="12 samples are too few for a covariance of 12 dimensions"):
        score_features(REAL, REAL[:12], protocol=protocol)


WORSE = {"fd": 1, "kd": 1, "is": -1, "precision": -1, "recall": -1, "density": -1, "coverage": -1}
"""Which way a score goes that sees a disturbance."""


BALANCED = np.arange(600) % 10


@pytest.fixture(scope="module")
def changes():
    """How much worse each score gets by a disturbance of normal features of ten classes, in deviations of its own."""
    random = np.random.default_rng(0)
    centres = 6 * random.normal(size=(10, 8))
    protocol = Protocol(subsets=0, subset_size=2, splits=1)
    real = centres[BALANCED] + random.normal(size=(600, 8))

    def scores(labels, disturb):
        fake = disturb(centres[labels] + random.normal(size=(600, 8)))
        logits = -((fake[:, None] - centres) ** 2).sum(axis=2) / 2
        return score_features(real, fake, logits=logits, protocol=protocol)

    floors = [scores(BALANCED, lambda fake: fake) for _ in range(6)]

    def changed(disturb, labels=BALANCED):
        found = scores(labels, disturb)
        values = {name: [floor[name] for floor in floors] for name in WORSE}
        return {
            name: sign * (found[name] - np.mean(values[name])) / np.std(values[name], ddof=1)
            for name, sign in WORSE.items()
        }

    return changed


def test_precision_and_density_are_blind_to_dropped_classes(changes):
    found = changes(lambda fake: fake, labels=np.arange(600) % 6)
    assert min(found[name] for name in ("fd", "kd", "is", "recall", "coverage")) > 6
    assert max(found["precision"], found["density"]) < 4


def test_recall_and_coverage_are_blind_to_a_few_bad_samples(changes):
    found = changes(lambda fake: np.vstack([fake[:570], fake[570:] + 40]))
    assert min(found["fd"], found["kd"]) > 6
    assert found["precision"] > 3
    assert max(found["recall"], found["coverage"]) < 4


def test_noise_is_seen_by_all_but_recall(changes):
    """A generator that spreads too far covers all of reality."""
    found = changes(lambda fake: fake + 2 * np.random.default_rng(1).normal(size=fake.shape))
    assert min(found[name] for name in ("fd", "kd", "precision", "density", "coverage")) > 6
    assert found["recall"] < 4


def test_duplicates_are_seen_by_recall_and_coverage_and_not_by_precision(changes):
    found = changes(lambda fake: np.tile(fake[:30], (20, 1)))
    assert min(found["recall"], found["coverage"]) > 6
    assert max(found["precision"], found["is"]) < 4
