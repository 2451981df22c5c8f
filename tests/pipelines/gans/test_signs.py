"""Which signs go where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gan.recipes import GAN_RECIPES
from pipelines.errors import InputError
from pipelines.gan import GanSettings
from pipelines.gans.signs import entering, find_class, halves, read_signs
from pipelines.signs import SignDataset, open_signs

COUNTS = {"train": 60, "validation": 48, "test": 30}
TRANSLATING = GAN_RECIPES["image_to_image"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> SignDataset:
    return open_signs(write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS))


def test_classes_are_found_by_name_or_number() -> None:
    names = ("Stop", "No entry", "7")
    assert [find_class(asked, names) for asked in ("", "stop", "1", "7")] == [None, 0, 1, 2]
    with pytest.raises(InputError, match=r"--class stopp: .* give a number from 0 to 2 or a name, as Stop$"):
        find_class("stopp", names)
    with pytest.raises(InputError, match="--class 3: there is no such class"):
        find_class("3", names)


def test_of_all_classes_no_more_is_compared_with_than_there_are_samples(dataset):
    settings = GanSettings(samples=24)
    assert [len(read_signs(settings, dataset, split, None)) for split in COUNTS] == [60, 24, 24]
    assert [len(read_signs(settings, dataset, split, 1)) for split in ("validation", "test")] == [16, 10]
    with pytest.raises(InputError, match="3 test images of class 2, blue; a GAN needs 8 or more"):
        read_signs(GanSettings(limit=9), dataset, "test", 2)


def test_halves_share_no_track_and_no_image(dataset):
    signs = dataset.read("validation")
    given, compared = halves(signs, TRANSLATING)
    assert len(given) + len(compared) == len(signs)
    tracks = [set(zip(part.label.tolist(), part.track.tolist(), strict=True)) for part in (given, compared)]
    assert not tracks[0] & tracks[1]
    assert not set(given.image_id) & set(compared.image_id)
    assert np.unique(given.label).tolist() == np.unique(compared.label).tolist() == [0, 1, 2]


def test_too_few_tracks_have_no_halves(dataset):
    signs = dataset.read("validation")
    one = signs.take(signs.label == 0)
    one.track[:] = "validation/0"
    with pytest.raises(
        InputError, match="--latent edges: 16 validation images in two halves of the tracks are 16 and 0"
    ):
        halves(one, TRANSLATING)


def test_pictograms_stand_in_for_signs_whose_classes_can_be_drawn(dataset):
    signs = dataset.read("test")
    assert entering(TRANSLATING, dataset, signs) is signs
    with pytest.raises(InputError, match=r"--latent pictogram: the classes of .* are not those of GTSRB"):
        entering(TRANSLATING.updated(latent="pictogram"), dataset, signs)
