import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import gan_quality, readme_gans
from benchmarks.gan_quality import jittered, kept, main
from models.recipes import RECIPES
from pipelines.signs import Signs

COUNTS = {"train": 120, "validation": 48, "test": 30}


@pytest.fixture
def run(tmp_path, write_signs, monkeypatch):
    """Run the script on signs of three colours, which the classifier tells apart; gives its result file."""
    images = keras.Input((32, 32, 3))
    last = keras.layers.Dense(3)
    classifier = keras.Model(images, last(keras.layers.GlobalAveragePooling2D()(images)))
    last.set_weights([np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    classifier.save(tmp_path / "colours.keras")
    data = write_signs(tmp_path / "signs", counts=COUNTS, size=32)
    monkeypatch.setattr(gan_quality, "STUDENT", RECIPES["lenet"].updated(epochs=1))
    given = {"--data": data, "--extractor": "", "--classifier": tmp_path / "colours.keras", "--class": 0, "--seeds": 2}
    given |= {"--steps": 2, "--class-steps": 2, "--work": tmp_path / "work", "--output": tmp_path / "gan_quality.json"}
    words = [str(word) for pair in given.items() for word in pair]

    def result():
        CliRunner().invoke(main, words, catch_exceptions=False, standalone_mode=False)
        return json.loads((tmp_path / "gan_quality.json").read_text())

    return result


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though the .* option is set")
@pytest.mark.usefixtures("eagerly")
def test_both_gans_are_trained_once_and_held_against_their_bars(run, tmp_path, monkeypatch):
    found = run()
    one, plain, floor = found["one_class"]
    assert (len(one["called"]["seeds"]), len(plain["called"]["seeds"])) == (2, 1)
    assert floor["called"]["mean"] == 1
    made, first, means, real = found["all_classes"]
    assert [row["name"] for row in (first, means)] == ["after the first epoch", "class means, jittered"]
    assert means["called"]["mean"] == real["called"]["mean"] == 1
    assert all(0 <= score <= 1 for score in made["accuracy_score"]["seeds"])
    assert len(found["targets"]) == 3 + 5 + 4
    assert set(found["class_accuracy"]) == {"red", "green", "blue"}
    assert "### All classes" in (tmp_path / "gan_quality.md").read_text()
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("gan_quality.png", "gan_quality_one_class.png"))
    monkeypatch.setattr(readme_gans, "RESULTS", tmp_path)
    [paragraph] = readme_gans.gans()
    assert f"calls {one['called']['mean']:.1%} [" in paragraph
    assert "### All classes" in paragraph

    samples = {path.stem: np.load(path) for path in (tmp_path / "work" / "samples").glob("*.npy")}
    assert {name: images.shape for name, images in samples.items()} == dict.fromkeys(
        ("epoch_1", "best"), (COUNTS["test"], 32, 32, 3)
    )

    monkeypatch.setattr("benchmarks.gan_runs.train_gan", None)  # nothing is trained again
    monkeypatch.setattr(gan_quality, "train_network", None)
    again = run()
    assert again["one_class"] == found["one_class"]
    assert again["all_classes"] == found["all_classes"]


def test_means_of_classes_are_jittered_by_so_much():
    labels = np.repeat([0, 1], 50)
    images = np.broadcast_to(np.where(labels, 60, 120)[:, None, None, None], (100, 8, 8, 3)).astype(np.uint8)
    signs = Signs(labels.astype(str), labels, labels.astype(str), images)
    made = jittered(signs, np.array([1, 0, 1]), 0.05, seed=0).astype(float)
    assert made.mean(axis=(1, 2, 3)) == pytest.approx([60, 120, 60], abs=3)
    assert made.std(axis=(1, 2, 3)) == pytest.approx(255 * 0.05, rel=0.2)


def test_a_number_is_computed_once(tmp_path):
    numbers = iter([0.25])
    assert [kept(tmp_path / "score.json", lambda: next(numbers)) for _ in range(2)] == [0.25, 0.25]
