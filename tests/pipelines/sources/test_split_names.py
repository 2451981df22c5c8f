import pytest

from pipelines.sources.split_names import split_of, splits_of


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *((name, "train") for name in ("train", "TRAIN", "Training", "train_images", "TrainImages", "images-train")),
        *((name, "train") for name in ("trainset", "training_data", "Train Set", "train_imgs", "TRAIN_IMAGES")),
        *((name, "validation") for name in ("val", "Valid", "validation", "VALIDATION_SET", "val_images", "dev")),
        *((name, "test") for name in ("test", "Testing", "test_images", "testset", "Test-Data")),
        *((name, "") for name in ("stop", "train_station", "retest", "trains", "train_test", "images", "00014")),
    ],
)
def test_usual_spellings(folder, split):
    assert split_of(folder) == split


def test_folders_may_share_the_name_of_the_set():
    both = {"BelgiumTSC_Training", "BelgiumTSC_Testing"}
    assert splits_of(both) == {"BelgiumTSC_Training": "train", "BelgiumTSC_Testing": "test"}
    assert splits_of({"red_train", "blue_test"}) == {}
    assert splits_of({"red_train", "red_test", "stop"}) == {}
    assert splits_of({"red_train"}) == {}
