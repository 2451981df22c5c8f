from dataclasses import replace
from types import SimpleNamespace

import click
import keras
import numpy as np
import pytest

from benchmarks import gan_runs
from benchmarks.gan_runs import Jury, Unit, intervals, make, markdown, open_jury, rounded
from gan.health import Record
from gan.recipes import GanRecipe
from gan.training import DivergenceError, train_gan
from pipelines.signs import Signs

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


def test_a_training_that_is_done_is_read_and_not_done_again(tmp_path, trainings, monkeypatch):
    monkeypatch.setattr(gan_runs, "usable_cores", lambda: 3)
    first = UNIT.run(tmp_path, lambda _: {"score": 1.0})
    monkeypatch.setattr(gan_runs, "usable_cores", lambda: 2)
    again = UNIT.run(tmp_path)
    assert (first.cores, again.cores) == (3, 3)
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


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": RECIPE.updated(steps=5)},
        {"seed": 1},
        {"images": IMAGES[::-1]},
        {"labels": np.arange(12) % 2},
        {"given": IMAGES},
        {"objective": "kd"},
        {"beside": (1,)},
        {"judged_by": {"hash": "a", "real": "b"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_differs_is_another_training(changes, tmp_path):
    assert replace(UNIT, **changes).folder(tmp_path) != UNIT.folder(tmp_path)


def test_scores_in_the_course_are_not_those_of_another_judge(tmp_path, trainings):
    first, other = replace(UNIT, judged_by={"hash": "a"}), replace(UNIT, judged_by={"hash": "b"})
    assert first.run(tmp_path, lambda _: {"score": 1.0}).reports[0]["score"] == 1
    assert other.run(tmp_path, lambda _: {"score": 2.0}).reports[0]["score"] == 2
    assert len(trainings) == 2


def test_the_best_generator_is_kept_where_there_is_an_objective(tmp_path):
    scores = iter([1.0, 2.0])
    best = replace(UNIT, objective="kd").run(tmp_path, lambda _: {"kd": next(scores)})
    last = UNIT.run(tmp_path)
    early = replace(UNIT, recipe=RECIPE.updated(steps=2)).run(tmp_path)
    assert np.array_equal(make(UNIT, best.generator, 3), make(UNIT, early.generator, 3))
    assert not np.array_equal(make(UNIT, best.generator, 3), make(UNIT, last.generator, 3))


def test_generators_of_reports_are_kept_beside_the_last(tmp_path):
    unit = replace(UNIT, beside=(1,))
    last, early = unit.run(tmp_path), replace(UNIT, recipe=RECIPE.updated(steps=2)).run(tmp_path)
    assert np.array_equal(make(unit, unit.at(tmp_path, 1), 3), make(unit, early.generator, 3))
    assert not np.array_equal(make(unit, last.generator, 3), make(unit, early.generator, 3))


def test_a_network_is_no_judge_of_its_own_scores(tmp_path):
    def classifier(name, seed):
        keras.utils.set_random_seed(seed)
        images = keras.Input((16, 16, 3))
        model = keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(images)))
        model.save(tmp_path / name)
        return tmp_path / name

    names = np.array(["a", "b"])
    train = Signs(names, np.arange(2), names, np.zeros((2, 16, 16, 3), np.uint8))
    one, other = classifier("one.keras", 0), classifier("other.keras", 1)
    jury, another = open_jury(str(one), other, train), open_jury(str(one), classifier("third.keras", 2), train)
    assert jury.about()["hash"] != jury.about()["classifier_hash"]
    assert jury.about() != another.about()
    assert jury.about_scores() == another.about_scores()
    with pytest.raises(click.BadParameter, match=r"one\.keras: it is the extractor"):
        open_jury(str(one), one, train)
    with pytest.raises(click.BadParameter, match=r"none\.keras: there is no such file"):
        open_jury(str(one), tmp_path / "none.keras", train)


def test_frames_of_one_track_hide_what_one_of_each_shows(random):
    """Sets of one distribution, each image ten times with hardly a difference: its neighbours are its own copies."""

    def tracks(count):
        return np.repeat(random.normal(size=(count, 6)), 10, axis=0) + random.normal(0, 1e-3, (10 * count, 6))

    real, fake = tracks(60), tracks(60)
    jury = Jury(SimpleNamespace(name="cnn", features=lambda _: fake), None)
    images = np.zeros((len(fake), 2, 2, 3), np.uint8)
    few, every = jury.scores(real, images, near=60), jury.scores(real, images)
    assert few["coverage_cnn"] > 0.9
    assert few["coverage_of_all_cnn"] == every["coverage_cnn"] < 0.1
    assert few["kd_cnn"] == every["kd_cnn"]


def test_intervals_are_of_numbers_and_leave_names_as_they_are():
    rows = [{"name": "a", "score": 1.0, "level": 2}, {"name": "a", "score": 3.0, "level": 2}]
    found = intervals(rows)
    assert (found["name"], found["level"]) == ("a", 2)
    assert found["score"] == {
        "mean": 2.0,
        "low": pytest.approx(-10.7062),
        "high": pytest.approx(14.7062),
        "seeds": [1, 3],
    }
    assert intervals(rows[:1])["score"] == {"mean": 1.0, "low": None, "high": None, "seeds": [1.0]}
    shown = markdown([found, intervals(rows[:1])], {"name": "", "score": "score"})
    assert shown.splitlines()[2:] == ["| a | 2.00 [-10.71, 14.71] |", "| a | 1.000 |"]


def test_a_training_that_diverges_is_kept_up_to_there(tmp_path, monkeypatch):
    def diverges(recipe, images, labels, *, on_report, **named):
        records = [Record(step, *[value] * 6) for step, value in ((2, 0.5), (3, np.nan))]
        raise DivergenceError("the generator of the loss is not finite at step 3", SimpleNamespace(records=records))

    monkeypatch.setattr(gan_runs, "train_gan", diverges)
    course = UNIT.run(tmp_path)
    assert [record.step for record in course.records] == [2, 3]
    assert np.isnan(course.records[1].generator_loss)
    assert "step 3" in course.stopped
    assert make(UNIT, course.generator, 2).shape == (2, 16, 16, 3)


def test_a_table_has_its_rows_and_leaves_empty_what_is_missing():
    rows = [{"name": "a", "score": score} for score in (0.12345, 1.0, 9.876, 9.996, -59.97, 99.96, 1543.7, 12)]
    rows += [{"name": "b", "score": None}, {"name": "c"}, {"name": "d", **intervals([{"score": np.nan}])}]
    table = "| input | score |\n|---|---:|\n| a | 0.123 |\n| a | 1.000 |\n| a | 9.88 |\n| a | 10.0 |\n| a | -60.0 |\n"
    table += "| a | 100 |\n| a | 1544 |\n| a | 12 |\n| b |  |\n| c |  |\n| d |  |\n"
    assert markdown(rows, {"name": "input", "score": "score"}) == table


def test_rounded_numbers_are_those_that_json_has():
    assert rounded({"a": 0.123456, "b": float("nan"), "c": 3, "d": "x"}) == {"a": 0.1235, "b": None, "c": 3, "d": "x"}


def test_intervals_of_shares_stay_between_0_and_1():
    found = intervals(
        [{"called": 0.99, "coverage_cnn": 0.01, "kd": 0.1}, {"called": 1.0, "coverage_cnn": 0.0, "kd": 0.9}]
    )
    assert (found["called"]["high"], found["coverage_cnn"]["low"]) == (1, 0)
    assert found["kd"]["low"] < 0 < 1 < found["kd"]["high"]
    alone = intervals([{"called": 0.5}])["called"]
    assert (alone["low"], alone["high"]) == (None, None)
