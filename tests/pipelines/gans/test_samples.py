"""What generators are asked for; instead of one, a function that shows what enters it."""

from typing import Any

import numpy as np
import pytest

from gan.recipes import GAN_RECIPES, GanRecipe
from pipelines.gans.samples import Sampler, evenly
from pipelines.signs import Signs

LABELS = np.repeat([0, 1, 2], [12, 4, 1])
"""Of a data set of four classes."""


@pytest.fixture(autouse=True)
def _shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generated image is the one that was translated, or all of one value: the class."""

    def generate(_: object, source: Any, labels: Any, *, n: int, random: Any, images: Any) -> np.ndarray:
        if images is not None:
            return images
        return np.full((n, 2, 2, 3), (labels if labels is not None else np.full(n, 9))[:, None, None, None], np.uint8)

    monkeypatch.setattr("gan.sampling.generate", generate)


def sampler(recipe: GanRecipe, count: int = 17, label: int | None = None) -> Sampler:
    """Inputs whose images are of the value of their row."""
    rows = np.arange(len(LABELS))
    images = np.broadcast_to(rows[:, None, None, None], (len(rows), 2, 2, 3)).astype(np.uint8)
    ids = rows.astype(np.str_)
    return Sampler(recipe, Signs(ids, LABELS, ids, images), count, 4, label, seed=0)


def shown(images: np.ndarray) -> list[int]:
    return images[:, 0, 0, 0].tolist()


VECTOR, CONDITIONAL = GanRecipe(), GAN_RECIPES["conditional"]
TRANSLATING = GAN_RECIPES["image_to_image"]
BOTH = TRANSLATING.updated(conditioning="projection")


def test_classes_are_asked_for_as_often_as_inputs_have_them():
    asked, images = sampler(CONDITIONAL, count=34).samples(None)
    np.testing.assert_array_equal(asked, LABELS.repeat(2))
    assert shown(images) == asked.tolist()


@pytest.mark.parametrize("recipe", [TRANSLATING, BOTH])
def test_no_image_is_translated_twice(recipe):
    asked, images = sampler(recipe, count=10).samples(None)
    assert len(set(shown(images))) == 10
    np.testing.assert_array_equal(asked, LABELS[shown(images)])


@pytest.mark.parametrize("recipe", [TRANSLATING, BOTH])
def test_each_row_of_a_sheet_of_translations_is_of_its_class_or_white(recipe):
    rows = np.reshape(shown(sampler(recipe).sheet(None, 5)), (4, 5))
    assert set(LABELS[rows[0]]) == {0}
    assert len(set(rows[0].tolist())) == 5
    assert rows[1].tolist() == [12, 13, 14, 15, 255]
    assert rows[2].tolist() == [16, 255, 255, 255, 255]
    assert set(rows[3].tolist()) == {255}


def test_other_sheets():
    assert np.reshape(shown(sampler(CONDITIONAL).sheet(None, 3)), (4, 3)).tolist() == [[c] * 3 for c in range(4)]
    assert shown(sampler(VECTOR).sheet(None, 3)) == [9] * 9
    assert len(set(shown(sampler(TRANSLATING, label=0).sheet(None, 5)))) == 17  # not 25: none twice
    assert [sampler(recipe).by_class for recipe in (VECTOR, CONDITIONAL, TRANSLATING)] == [False, True, True]
    assert not sampler(TRANSLATING, label=0).by_class


def test_previews_are_many_even_of_few_inputs():
    assert len(sampler(TRANSLATING).preview(None)) == 64


def test_even_rows():
    assert evenly(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert evenly(3, 7).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert evenly(4, 0).tolist() == []
