import json

import numpy as np
import pytest

from gan.scores import frechet_distance
from gan.scores.extractors import load_extractor
from gan.scores.report import Protocol, score_features, score_samples

PROTOCOL = Protocol(subsets=5, subset_size=40, splits=2, seed=1)


@pytest.fixture(scope="module")
def extractor(tiny_classifier):
    return load_extractor("tiny_cnn8", tiny_classifier)


def test_a_score_carries_what_one_must_know(extractor, tiny_images):
    fake = 255 - tiny_images[200:260]
    found = score_samples(tiny_images[:200], fake, extractor, held_out=tiny_images[200:], protocol=PROTOCOL)
    described = {key: value for key, value in found.items() if key not in ("scores", "floor")}
    assert described == {
        "extractor": "tiny_cnn8", "dimension": 12, "hash": extractor.hash, "n_real": 200, "n_fake": 60,
        "k": 5, "subsets": 5, "subset_size": 40, "splits": 2, "seed": 1,
    }  # fmt: skip
    names = {name.removesuffix("_tiny_cnn8") for name in found["scores"]}
    assert names == {
        "fd", "fd_infinity", "kd", "kd_spread", "is", "is_spread", "precision", "recall", "density", "coverage",
    }  # fmt: skip
    assert found["floor"].keys() == found["scores"].keys()
    features = extractor.features(tiny_images[:200]), extractor.features(fake)
    assert found["scores"]["fd_tiny_cnn8"] == pytest.approx(frechet_distance(*features))
    assert found["floor"]["fd_tiny_cnn8"] < found["scores"]["fd_tiny_cnn8"]
    assert json.loads(json.dumps(found)) == found


def test_too_few_held_out_images_for_a_floor_at_the_same_n(extractor, tiny_images):
    with pytest.raises(ValueError, match="30 held-out real images for 60 generated: give as many, or fewer of these"):
        score_samples(tiny_images[:200], tiny_images[:60], extractor, held_out=tiny_images[:30], protocol=PROTOCOL)


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
