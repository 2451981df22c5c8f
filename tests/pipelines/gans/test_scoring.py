"""How samples are scored beside real images, with a function for a generator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gan.recipes import GAN_RECIPES
from pipelines.errors import InputError
from pipelines.gan import GanSettings
from pipelines.gans.judge import open_jury
from pipelines.gans.scoring import Judge, choosing_judge, final_judge
from pipelines.signs import SignDataset, Signs, open_signs

COUNTS = {"train": 60, "validation": 48, "test": 36}
TRANSLATING, CONDITIONAL, DCGAN = (GAN_RECIPES[name] for name in ("image_to_image", "conditional", "dcgan"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> SignDataset:
    return open_signs(write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS))


@pytest.fixture(scope="module")
def signs(dataset: SignDataset) -> dict[str, Signs]:
    return {split: dataset.read(split) for split in COUNTS}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tells the three colours, by a dense last layer on the mean colour."""
    images = keras.Input((16, 16, 3))
    last = keras.layers.Dense(3)
    model = keras.Model(images, last(keras.layers.GlobalAveragePooling2D()(images)))
    last.set_weights([np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    path = tmp_path_factory.mktemp("model") / "cnn.keras"
    model.save(path)
    return str(path)


@pytest.fixture
def judges(dataset: SignDataset, signs: dict[str, Signs], network: str) -> Callable[..., tuple[Judge, Judge]]:
    def make(recipe: Any, label: int | None = None, **options: Any) -> tuple[Judge, Judge]:
        settings = GanSettings.model_validate({"samples": 40, "extractor": network, **options})
        known = signs if label is None else {split: part.take(part.label == label) for split, part in signs.items()}
        jury = open_jury(settings, known["train"], 3)
        chooser = choosing_judge(settings, recipe, dataset, jury, known["validation"], label)
        return chooser, final_judge(settings, recipe, dataset, jury, known, label)

    return make


def ids(signs: Signs) -> set[str]:
    return set(signs.image_id.tolist())


def test_validation_chooses_and_test_judges(judges, signs):
    chooser, final = judges(CONDITIONAL)
    assert ids(chooser.real) == ids(signs["validation"])
    assert ids(final.real) == ids(signs["test"])
    assert [judge.sampler.count for judge in (chooser, final)] == [40, 40]


@pytest.mark.parametrize(("brightest", "collapsed"), [(1, 1.0), (256, 0.0)])
def test_whether_samples_are_alike_decides_before_their_distance(judges, monkeypatch, brightest, collapsed):
    random = np.random.default_rng(0)
    monkeypatch.setattr(
        "gan.sampling.generate",
        lambda *_, n, **__: random.integers(brightest, size=(n, 16, 16, 3)).astype(np.uint8),
    )
    chooser, _ = judges(DCGAN)
    assert chooser.order == "collapsed,kd_cnn"
    assert chooser(None)["collapsed"] == collapsed


def test_many_samples_are_for_the_final_scoring(judges, monkeypatch):
    monkeypatch.setattr("pipelines.gans.scoring.MOST_CHOOSING", 24)
    chooser, final = judges(CONDITIONAL)
    assert (len(chooser.real), chooser.sampler.count) == (24, 24)
    assert (len(final.real), final.sampler.count) == (36, 40)


def test_what_is_translated_is_never_what_it_is_compared_with(judges, signs):
    chooser, final = judges(TRANSLATING)
    assert not ids(chooser.real) & ids(chooser.sampler.inputs)
    assert ids(chooser.real) | ids(chooser.sampler.inputs) == ids(signs["validation"])
    assert chooser.sampler.count == len(chooser.sampler.inputs) < 40
    assert ids(final.real) == ids(signs["test"])
    assert ids(final.sampler.inputs) == ids(signs["validation"])
    assert len(np.unique(final.sampler.inputs.image, axis=0)) >= final.sampler.count == 40


def test_identity_is_not_taken_for_a_perfect_generator(judges, monkeypatch):
    monkeypatch.setattr("gan.sampling.generate", lambda *_, images, **__: images)
    chooser, final = judges(TRANSLATING)
    for judge in (chooser, final):
        scores = judge(None)
        assert scores["fd_cnn"] > 1  # 0 if it were compared with its inputs
        assert scores["duplicate_share"] == 0
        assert scores["class_accuracy_cnn"] == 1


def test_there_are_no_more_final_samples_than_real_images_to_stand_in_their_place(judges):
    chooser, final = judges(DCGAN, label=0)
    assert (chooser.sampler.count, final.sampler.count) == (40, 20)


def scores_of(judge: Judge, signs: Signs) -> dict[str, float]:
    some = signs.take(np.arange(judge.sampler.count))
    return judge.scores(some.image, some.label, judge.jury.extractor.features(some.image))


def test_in_the_course_of_a_training_scores_that_take_long_are_left_out(judges, signs):
    chooser, final = judges(CONDITIONAL)
    quick, whole = (set(scores_of(judge, signs["train"])) for judge in (chooser, final))
    assert whole - quick == {"fd_infinity_cnn", "kd_spread_cnn"}
    assert {"fd_cnn", "is_cnn", "kd_cnn", "class_accuracy_cnn", "class_entropy_cnn", "called/02_cnn"} < quick
    assert final.left_out == {}


def test_a_score_that_is_left_out_has_its_reason(judges, signs):
    final = judges(CONDITIONAL, extractor="")[1]
    assert final.left_out == {
        "fd_pca59": "36 images are too few in 59 dimensions: it needs 60, or features of fewer dimensions",
        "fd_infinity_pca59": "36 images are too few in 59 dimensions: it needs 236, or features of fewer dimensions",
        "is_pca59": "the extractor has no last layer",
        "class_accuracy": "no network names the samples; give --classifier",
    }
    assert not {*final.left_out} & {*scores_of(final, signs["train"])}


def test_another_network_names_the_samples_of_components(judges, network, signs):
    chooser, _ = judges(CONDITIONAL, extractor="", classifier=network)
    scores = scores_of(chooser, signs["train"])
    assert scores["class_accuracy_cnn"] == 1
    assert scores["kd_pca59"]
    watched = chooser.watched({**scores, "step": 3.0})
    assert (watched.step, sum(watched.classes), watched.recall) == (3, 40, scores["recall_pca59"])


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, set()),
        ({"extractor": ""}, {"extractor", "classifier"}),
        ({"extractor": "", "classifier": "same"}, {"extractor"}),
        ({"samples": 39}, {"samples"}),
        ({"label": 1}, {"validation images"}),
    ],
)
def test_what_a_continued_training_must_have_alike(judges, network, options, changed):
    given = {name: network if value == "same" else value for name, value in options.items()}
    before, now = judges(DCGAN)[0].alike(), judges(DCGAN, **given)[0].alike()
    assert {name for name in before if before[name] != now[name]} == changed


def test_pictograms_enter_in_place_of_signs(judges):
    with pytest.raises(InputError, match="--latent pictogram"):
        judges(TRANSLATING.updated(latent="pictogram"))
