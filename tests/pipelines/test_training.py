from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.recipes import Recipe
from pipelines.errors import InputError
from pipelines.signs import open_signs
from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.training import checkpoint_name, examples, read_splits, resolve_precision, train_network

COUNTS = {"train": 90, "validation": 30, "test": 30}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> Path:
    return write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS)


def test_all_tracks_join_validation_to_training(colours: Path) -> None:
    dataset = open_signs(colours)
    splits = read_splits(dataset, None)
    train, validation = examples(Recipe(), splits, dataset)
    assert validation is not None
    assert (len(train.labels), len(validation.labels)) == (90, 30)
    train, validation = examples(Recipe(all_tracks=True), splits, dataset)
    assert validation is None
    np.testing.assert_array_equal(train.images[90:], splits["validation"].image)
    np.testing.assert_array_equal(train.labels[90:], splits["validation"].label)


def test_frames_are_held_out_from_among_all(colours: Path) -> None:
    dataset = open_signs(colours)
    splits = read_splits(dataset, None)
    train, validation = examples(Recipe(holdout="frames"), splits, dataset)
    assert validation is not None
    assert (len(train.labels), len(validation.labels)) == (90, 30)
    every = np.concatenate([splits["train"].image, splits["validation"].image]).reshape(120, -1)
    found = np.concatenate([train.images, validation.images]).reshape(120, -1)
    np.testing.assert_array_equal(every[np.lexsort(every.T)], found[np.lexsort(found.T)])
    old = {image.tobytes() for image in splits["validation"].image}
    assert 0 < sum(image.tobytes() in old for image in validation.images) < 25


def test_drawn_signs_join_training_alone(colours: Path) -> None:
    dataset = replace(open_signs(colours), class_names=CLASS_NAMES)
    splits = read_splits(dataset, None)
    train, validation = examples(Recipe(rendered=2), splits, dataset)
    assert validation is not None
    assert len(validation.labels) == 30
    assert np.bincount(train.labels[90:]).tolist() == [2] * 43
    assert train.images.shape == (90 + 86, dataset.size, dataset.size, 3)
    again, _ = examples(Recipe(rendered=2), splits, dataset)
    np.testing.assert_array_equal(train.images, again.images)
    assert len(np.unique(train.images[90:], axis=0)) == 86


def test_drawn_signs_are_of_gtsrb_only(colours: Path) -> None:
    dataset = open_signs(colours)
    with pytest.raises(InputError, match=r"--rendered 2: the classes of .* are not those of GTSRB"):
        examples(Recipe(rendered=2), read_splits(dataset, None), dataset)


def test_a_recipe_becomes_a_network(colours: Path) -> None:
    dataset = open_signs(colours)
    train, validation = examples(Recipe(), read_splits(dataset, None), dataset)
    recipe = Recipe("lenet", {"dropout": 0.0}, epochs=3, batch_size=16, ema=0.5, augmentation="none")
    told: list[int] = []
    runs = [
        train_network(recipe, train, validation, classes=3, seed=4, on_epoch=lambda epoch, _: told.append(epoch))
        for _ in range(2)
    ]
    assert told == [0, 1, 2, 0, 1, 2]
    assert runs[0].history.best_f1_macro > 0.9
    for one, other in zip(runs[0].model.get_weights(), runs[1].model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_checkpoints_are_named_by_all_choices() -> None:
    recipes = [Recipe(), Recipe(epochs=3), Recipe(options={"width": 2.0}), Recipe(augmentation="none")]
    names = {checkpoint_name(recipe, 0, "digest") for recipe in recipes} | {checkpoint_name(Recipe(), 1, "digest")}
    assert len(names) == 5
    assert checkpoint_name(Recipe(), 0, "digest") in names


def test_precision_is_full_where_no_gpu_has_tensor_cores() -> None:
    assert resolve_precision("auto") == "float32"
    assert resolve_precision("bfloat16") == "bfloat16"
