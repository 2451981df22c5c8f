from dataclasses import replace

import numpy as np
import pytest

from benchmarks import gan_runs
from benchmarks.gan_runs import Unit, make, markdown, rounded
from gan.recipes import GanRecipe
from gan.training import train_gan

RECIPE = GanRecipe(width=4, discriminator_width=4, batch_size=4, steps=4)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
UNIT = Unit("tiny", RECIPE, IMAGES, np.zeros(12, np.int64), classes=1, report_every=2)


@pytest.fixture
def trainings(monkeypatch):
    """The recipes of the trainings that were run."""
    run = []

    def counted(recipe, *given, **named):
        run.append(recipe)
        return train_gan(recipe, *given, **named)

    monkeypatch.setattr(gan_runs, "train_gan", counted)
    return run


def test_a_training_that_is_done_is_read_and_not_done_again(tmp_path, trainings):
    first, again = UNIT.run(tmp_path, lambda _: {"score": 1.0}), UNIT.run(tmp_path)
    assert trainings == [RECIPE]
    assert again.records == first.records
    assert [report["score"] for report in again.reports] == [1.0, 1.0]
    assert np.array_equal(make(UNIT, first.generator, 3), make(UNIT, again.generator, 3))


def test_a_training_that_was_interrupted_goes_on_to_the_same_generator(tmp_path, trainings):
    def interrupt(_):
        if (UNIT.folder(tmp_path / "broken") / "checkpoint.npz").exists():
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        UNIT.run(tmp_path / "broken", interrupt)
    course, whole = UNIT.run(tmp_path / "broken", lambda _: {}), UNIT.run(tmp_path / "whole", lambda _: {})
    assert len(trainings) == 3
    assert [report["step"] for report in course.reports] == [2, 4]
    assert np.array_equal(make(UNIT, course.generator, 3), make(UNIT, whole.generator, 3))


def test_another_recipe_seed_or_image_is_another_training(tmp_path):
    others = replace(UNIT, recipe=RECIPE.updated(steps=5)), replace(UNIT, seed=1), replace(UNIT, images=IMAGES[::-1])
    assert len({unit.folder(tmp_path) for unit in (UNIT, *others)}) == 4


def test_a_training_that_diverges_is_kept_up_to_there(tmp_path, monkeypatch):
    def diverges(recipe, images, labels, *, on_report, **named):
        on_report(dict.fromkeys(gan_runs.Record.__dataclass_fields__, 0.5) | {"step": 2.0, "seconds": 1.0}, None)
        raise FloatingPointError("the generator of the loss is not finite at step 3: try lower learning rates")

    monkeypatch.setattr(gan_runs, "train_gan", diverges)
    course = UNIT.run(tmp_path)
    assert [record.step for record in course.records] == [2, 3]
    assert np.isnan(course.records[1].generator_loss)
    assert "step 3" in course.stopped
    assert make(UNIT, course.generator, 2).shape == (2, 16, 16, 3)


def test_a_table_has_its_rows_and_leaves_empty_what_is_missing():
    rows = [{"name": "a", "score": 0.12345}, {"name": "b", "score": None}, {"name": "c"}]
    table = "| input | score |\n|---|---:|\n| a | 0.123 |\n| b |  |\n| c |  |\n"
    assert markdown(rows, {"name": "input", "score": "score"}) == table


def test_rounded_numbers_are_those_that_json_has():
    assert rounded({"a": 0.123456, "b": float("nan"), "c": 3, "d": "x"}) == {"a": 0.1235, "b": None, "c": 3, "d": "x"}
