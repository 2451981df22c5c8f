import pytest

from pipelines.errors import InputError
from pipelines.sources.cure_tsr import CHALLENGES, CLASS_NAMES
from pipelines.sources.detect import open_source

FREE, BLUR = ("ChallengeFree", "00_00"), ("GaussianBlur-3", "07_03")


def files_of(parts, challenges=(FREE, BLUR), sequences=(1, 2, 3), labels=range(1, 15), count=2):
    return {
        f"{part}/{folder}/{sequence:02d}_{label:02d}_{code}_{number:04d}.bmp": b""
        for part in parts
        for folder, code in challenges
        for sequence in sequences
        for label in labels
        for number in range(1, count + 1)
    }


def plan_of(make, tmp_path, files, within=""):
    return open_source(f"{make.unpacked(files, tmp_path / 'set')}{within}").plan(0)


def test_its_own_names_are_as_published():
    assert len(CLASS_NAMES) == 14
    assert CLASS_NAMES[5] == "stop"
    assert (CHALLENGES[7], CHALLENGES[12]) == ("GaussianBlur", "Haze")


@pytest.mark.parametrize("kind", ["Real", "Synthetic"])
def test_the_challenge_free_images_are_the_data(make, tmp_path, kind):
    plan = plan_of(make, tmp_path, files_of([f"{kind}_Train", f"{kind}_Test"]))
    assert plan.class_names == CLASS_NAMES
    assert plan.counts() == {"train": (4,) * 14, "validation": (2,) * 14, "test": (6,) * 14}
    assert all("/ChallengeFree/" in row["path"] for row in plan.rows)
    assert all(CLASS_NAMES[int(row["path"].split("_")[-4]) - 1] == CLASS_NAMES[row["label"]] for row in plan.rows)
    assert not plan.notes


def test_sequences_are_the_tracks_and_stay_on_one_side(make, tmp_path):
    rows = plan_of(make, tmp_path, files_of(["Real_Train", "Real_Test"])).rows
    assert {row["track"] for row in rows if row["label"] == 5} == {"06/01", "06/02", "06/03"}
    sides = [{row["track"] for row in rows if row["split"] == split} for split in ("train", "validation")]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("within", ["#GaussianBlur-3", "#gaussianblur-3"])
def test_another_challenge_is_named_after_a_hash(make, tmp_path, within):
    plan = plan_of(make, tmp_path, files_of(["Real_Train", "Real_Test"]), within)
    assert len(plan.rows) == 14 * 12
    assert all("/GaussianBlur-3/" in row["path"] for row in plan.rows)


def test_a_challenge_is_a_source_of_its_own(make, tmp_path):
    folder = make.unpacked(files_of(["Real_Train"]), tmp_path / "cure")
    free, blurred = open_source(str(folder)), open_source(f"{folder}#GaussianBlur-3")
    assert free.stamp != blurred.stamp
    assert blurred.name == "cure-GaussianBlur-3"


def test_train_images_without_the_challenge_stay_challenge_free(make, tmp_path):
    files = files_of(["Real_Train"], [FREE]) | files_of(["Real_Test"])
    plan = plan_of(make, tmp_path, files, "#GaussianBlur-3")
    kinds = {(row["split"], row["path"].split("/")[-2]) for row in plan.rows}
    assert kinds == {("train", "ChallengeFree"), ("validation", "ChallengeFree"), ("test", "GaussianBlur-3")}
    assert "no images of GaussianBlur-3 in Real_Train: read its ChallengeFree" in plan.notes[0]


def test_one_number_for_all_is_the_kind_and_no_sequence(make, tmp_path):
    plan = plan_of(make, tmp_path, files_of(["Real_Train", "Real_Test"], sequences=(1,), count=5))
    assert {row["track"] for row in plan.rows} == {""}
    assert "tell no sequences apart" in plan.notes[0]


def test_real_and_simulated_images_together_are_noted(make, tmp_path):
    files = files_of(["Real_Train", "Real_Test"]) | files_of(["Synthetic_Train"])
    assert "84 images of Real_Train and 84 images of Synthetic_Train" in plan_of(make, tmp_path, files).notes[0]


@pytest.mark.parametrize("outer", ["", "Real_Train/", "CURE-TSR/Real_Train/"])
def test_one_folder_alone_is_split(make, tmp_path, outer):
    files = {outer + name.partition("/")[2]: data for name, data in files_of(["x"]).items()}
    plan = plan_of(make, tmp_path, files)
    assert plan.counts() == dict.fromkeys(("train", "validation", "test"), (2,) * 14)
    assert "no test folder" in plan.notes[-1]


def test_archives_and_a_part_of_the_classes(make, tmp_path):
    files = files_of(["CURE/Real_Train", "CURE/Real_Test"], labels=(6, 14))
    plan = open_source(str(make.packed(files, tmp_path / "c.zip"))).plan(0)
    assert plan.class_names == ("stop", "parking")
    assert {row["label"] for row in plan.rows} == {0, 1}


@pytest.mark.parametrize(
    ("added", "within", "message"),
    [
        ("", "#Fog-3", r"no images of 'Fog-3': name one that it holds after #: ChallengeFree, GaussianBlur-3"),
        ("", "#GaussianBlur-4", "no images of 'GaussianBlur-4'"),
        ("Real_Train/ChallengeFree/me.png", "", r"me\.png: not named <sequence>_<class>_<challenge>"),
        ("Real_Train/ChallengeFree/01_15_00_00_0001.bmp", "", "not named <sequence>"),
        ("Real_Train/Rain-1/01_06_10_01_0001.bmp", "", "named as an image of Shadow-1, in a folder Rain-1"),
    ],
)
def test_what_does_not_fit_is_named(make, tmp_path, added, within, message):
    files = files_of(["Real_Train", "Real_Test"]) | ({added: b""} if added else {})
    with pytest.raises(InputError, match=message):
        plan_of(make, tmp_path, files, within)


def test_a_hash_elsewhere(make, tmp_path):
    folder = make.unpacked(make.class_files(10), tmp_path / "trees")
    with pytest.raises(InputError, match="only the challenges of CURE-TSR are named by #: leave it out"):
        open_source(f"{folder}#Rain-1").plan(0)
    assert open_source(str(folder.rename(tmp_path / "trees#2"))).plan(0).class_names == ("ash", "birch", "cherry")
