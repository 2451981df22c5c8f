import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import InputError
from pipelines.sources.plan import SignFile
from pipelines.sources.splitting import set_aside

NAMES = ("a", "b", "c")


def files_of(tracks_a_class, frames=4):
    return [
        SignFile(f"{label}/{track}_{frame}", "train", label, f"{label}/{track}", "", "")
        for label, tracks in enumerate(tracks_a_class)
        for track in range(tracks)
        for frame in range(frames)
    ]


@settings(deadline=None)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=3), st.integers(0, 99))
def test_no_track_is_on_both_sides_and_every_class_is_on_each(tracks, seed):
    split = set_aside(files_of(tracks), "validation", seed=seed, class_names=NAMES)
    sides = {side: [file for file in split if file.split == side] for side in ("train", "validation")}
    assert not {file.track for file in sides["train"]} & {file.track for file in sides["validation"]}
    for label, count in enumerate(tracks):
        taken = {file.track for file in sides["validation"] if file.label == label}
        assert len(taken) == min(max(1, round(0.2 * count)), count - 1)
        assert any(file.label == label for file in sides["train"])


@settings(deadline=None)
@given(st.randoms(), st.integers(0, 9))
def test_order_and_other_classes_change_nothing(random, seed):
    whole = files_of([10, 5])
    shuffled = random.sample(whole, len(whole))
    expected = {file.image_id: file.split for file in set_aside(whole, "test", seed=seed, class_names=NAMES)}
    alone = set_aside([file for file in shuffled if file.label == 0], "test", seed=seed, class_names=NAMES)
    assert all(expected[file.image_id] == file.split for file in alone)


def test_another_seed_takes_other_tracks():
    taken = [
        {file.track for file in set_aside(files_of([30]), "test", seed=seed, class_names=NAMES) if file.split == "test"}
        for seed in range(2)
    ]
    assert taken[0] != taken[1]


def test_images_without_a_track_are_their_own_groups():
    files = [SignFile(str(index), "train", 0, "", "", "") for index in range(10)]
    assert sum(file.split == "test" for file in set_aside(files, "test", seed=0, class_names=NAMES)) == 2


def test_a_class_with_one_track_is_named():
    with pytest.raises(InputError, match=r"class 'b' has one image or one track \(1/0\).*add images"):
        set_aside(files_of([3, 1]), "validation", seed=0, class_names=NAMES)
