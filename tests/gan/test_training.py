import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gan.recipes import GanRecipe
from gan.training import R1_EVERY, RECORDED, DivergenceError, Feed, Gan, TrainedGan, train_gan

TINY = GanRecipe(width=8, discriminator_width=8, batch_size=4, steps=6, dropout=0.3)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(20) % 5 // 2  # 8, 8 and 4 of classes 0, 1 and 2


def trained(recipe: GanRecipe = TINY, **options: Any) -> TrainedGan:
    return train_gan(recipe, IMAGES, LABELS, classes=3, **{"report_every": 2, **options})


def equal(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(first, second) for first, second in pairs)


def values(network: keras.Model) -> list[Any]:
    return [np.array(value) for value in network.get_weights()]


def test_what_is_translated_is_the_real_images_or_what_is_given_for_them() -> None:
    recipe, given = TINY.updated(latent="pictogram", generator="unet"), np.full_like(IMAGES, 255)
    own, drawn = (Feed(recipe, IMAGES, LABELS, 0, images).batch(0) for images in (None, given))
    np.testing.assert_allclose(own.latents, own.images / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(drawn.latents, np.ones_like(drawn.latents))
    np.testing.assert_array_equal(drawn.images, own.images)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": "color+translation+cutout", "adaptive": True, "instance_noise": 0.1, "r1": 1.0},
        {"conditioning": "projection", "loss": "hinge", "spectral": True, "discriminator_steps": 2},
        {"conditioning": "auxiliary", "loss": "least_squares", "minibatch_deviation": True, "generator": "style"},
        {"conditioning": "k_plus_one", "latent": "perlin", "balance": True, "generator": "transposed"},
        {"loss": "wasserstein_gp", "label_smoothing": 0.0, "discriminator_steps": 2},
        {"generator": "unet", "discriminator": "patch", "latent": "edges", "l1": 100.0},
    ],
)
def test_a_step_changes_both_networks_and_the_average(changes: dict[str, Any]) -> None:
    gan = Gan(TINY.updated(**changes), size=16, classes=3, seed=0)
    networks = (gan.generator, gan.discriminator, gan.average)
    before = [values(network) for network in networks]
    record = gan.step(Feed(gan.recipe, IMAGES, LABELS, 0).batch(0))
    assert record.step == 1
    assert record.generator_gradient > 0
    assert record.discriminator_gradient > 0
    for network, old in zip(networks, before, strict=True):
        changed = [not np.array_equal(one, other) for one, other in zip(values(network), old, strict=True)]
        assert np.mean(changed) > 0.8


@pytest.mark.usefixtures("eagerly")
def test_the_average_follows_its_formula() -> None:
    gan = Gan(TINY.updated(ema=0.3), size=16, classes=3, seed=0)
    feed, mean = Feed(gan.recipe, IMAGES, LABELS, 0), values(gan.generator)
    for step, decay in enumerate((2 / 11, 3 / 12, 0.3, 0.3)):  # (1 + t) / (10 + t), until that is above 0.3
        gan.step(feed.batch(step))
        mean = [decay * old + (1 - decay) * new for old, new in zip(mean, values(gan.generator), strict=True)]
    for own, formula in zip(values(gan.average), mean, strict=True):
        np.testing.assert_allclose(own, formula, rtol=1e-5, atol=1e-6)


def test_batches_follow_from_seed_and_step() -> None:
    feed = Feed(TINY.updated(discriminator_steps=2), IMAGES, LABELS, 7)
    for ahead, again in zip(feed.batches(range(3, 6)), (feed.batch(step) for step in range(3, 6)), strict=True):
        for one, other in zip(ahead, again, strict=True):
            np.testing.assert_array_equal(one, other)
    assert feed.batch(3).images.shape == (2, 4, 16, 16, 3)
    assert not np.array_equal(feed.batch(3).latents, feed.batch(4).latents)
    assert not np.array_equal(feed.batch(3).latents, Feed(feed.recipe, IMAGES, LABELS, 8).batch(3).latents)


def test_classes_are_balanced_if_asked() -> None:
    drawn = {
        balance: np.bincount(Feed(TINY.updated(balance=balance, batch_size=6000), IMAGES, LABELS, 0).batch(0).labels[0])
        for balance in (True, False)
    }
    np.testing.assert_allclose(drawn[True] / 6000, 1 / 3, atol=0.03)
    np.testing.assert_allclose(drawn[False] / 6000, [0.4, 0.4, 0.2], atol=0.03)


def test_a_continued_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    recipe = TINY.updated(augmentation="color", adaptive=True, instance_noise=0.1, conditioning="projection")
    calls = iter([3.0, 1.0, 2.0])
    whole = trained(recipe, score=lambda _: {"distance": next(calls)}, objective="distance")

    told: list[tuple[float, bool]] = []

    def killed(numbers: dict[str, float], generator: keras.Model | None) -> None:
        told.append((numbers["step"], generator is None))
        if len(told) == 2:
            raise KeyboardInterrupt

    calls = iter([3.0, 1.0])
    options = {
        "score": lambda _: {"distance": next(calls)},
        "objective": "distance",
        "checkpoint": tmp_path / "c.npz",
        "on_report": killed,
    }
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, **options)
    calls = iter([2.0])  # what was scored is not scored again, though its report did not come to its end
    continued = trained(recipe, **options)
    assert told == [(2, False), (4, False), (2, True), (4, False), (6, False)]
    assert equal(continued.generator, whole.generator)
    assert equal(continued.discriminator, whole.discriminator)
    assert continued.records == whole.records
    assert continued.best == whole.best == 1
    assert [report["distance"] for report in continued.reports] == [3, 1, 2]


@pytest.mark.usefixtures("eagerly")
def test_a_report_is_told_when_its_state_is_saved_and_the_last_one_again_with_its_generator(tmp_path: Path) -> None:
    path, told = tmp_path / "c.npz", list[tuple[float, int, Any]]()

    def tell(numbers: dict[str, float], generator: keras.Model | None) -> None:
        with np.load(path) as saved:
            reports = len(json.loads(str(saved["about"]))["state"]["reports"])
        told.append((numbers["step"], reports, generator and values(generator)))

    trained(checkpoint=path, on_report=tell)
    assert [(step, reports) for step, reports, _ in told] == [(2, 1), (4, 2), (6, 3)]
    trained(checkpoint=path, on_report=tell)
    assert [(step, generator is None) for step, _, generator in told[3:]] == [(2, True), (4, True), (6, False)]
    for one, other in zip(told[2][2], told[5][2], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("eagerly")
def test_the_best_generator_is_kept() -> None:
    seen = []

    def score(generator: keras.Model) -> dict[str, float]:
        seen.append(values(generator))
        return {"distance": [2.0, 1.0, 3.0][len(seen) - 1]}

    best = trained(score=score, objective="distance")
    assert best.best == 1
    assert all(np.array_equal(one, other) for one, other in zip(values(best.generator), seen[1], strict=True))
    seen.clear()
    last = trained(score=score)
    assert last.best == 2
    assert all(np.array_equal(one, other) for one, other in zip(values(last.generator), seen[2], strict=True))


@pytest.mark.usefixtures("eagerly")
def test_of_several_objectives_the_first_that_differs_decides() -> None:
    scores = iter(
        [{"collapsed": 1.0, "distance": 0.5}, {"collapsed": 0.0, "distance": 2.0}, {"collapsed": 0.0, "distance": 3.0}]
    )
    assert trained(score=lambda _: next(scores), objective="collapsed,distance").best == 1


@pytest.mark.usefixtures("eagerly")
def test_what_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    path, recipe = tmp_path / "c.npz", TINY.updated(discriminator_rate=1e37)
    reported: list[Any] = []
    options = {"report_every": 1, "on_report": lambda _, generator: reported.append(values(generator))}
    message = r"not finite at step 2: try lower .*; the state at step 1 is kept"
    with pytest.raises(DivergenceError, match=message) as raised:
        trained(recipe, checkpoint=path, **options)
    left = raised.value.trained
    assert [record.step for record in left.records] == [1, 2]
    assert [report["step"] for report in left.reports] == [1]
    assert all(np.array_equal(one, other) for one, other in zip(values(left.generator), reported[0], strict=True))
    with np.load(path) as saved:
        assert all(np.isfinite(saved[name]).all() for name in saved.files if name != "about")


@pytest.mark.usefixtures("eagerly")
def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    trained(TINY.updated(steps=1), checkpoint=path)
    for changed in ({"steps": 2}, {"steps": 1, "loss": "hinge"}):
        with pytest.raises(ValueError, match=r"c\.npz: the checkpoint of a training with"):
            trained(TINY.updated(**changed), checkpoint=path)
    with pytest.raises(ValueError, match="seed 0, not 1"):
        trained(TINY.updated(steps=1), checkpoint=path, seed=1)
    with pytest.raises(ValueError, match="with extractor a, not b; give the same options"):
        trained(TINY.updated(steps=1), checkpoint=_with(tmp_path / "a.npz", "a"), alike={"extractor": "b"})
    with pytest.raises(ValueError, match="with images"):
        train_gan(TINY.updated(steps=1), IMAGES[::-1], LABELS, classes=3, report_every=2, checkpoint=path)


def _with(path: Path, extractor: str) -> Path:
    """A checkpoint of a training that this extractor scored."""
    trained(TINY.updated(steps=1), checkpoint=path, alike={"extractor": extractor})
    return path


@pytest.mark.usefixtures("eagerly")
def test_records_are_means_of_steps_and_reports_of_records() -> None:
    done = trained(TINY.updated(steps=RECORDED + 3, r1=1.0), report_every=RECORDED + 2)
    assert [record.step for record in done.records] == [RECORDED, RECORDED + 2, RECORDED + 3]
    assert [report["step"] for report in done.reports] == [RECORDED + 2, RECORDED + 3]
    assert R1_EVERY < RECORDED
    assert all(0 <= record.real_accuracy <= 1 for record in done.records)
