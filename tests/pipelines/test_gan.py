import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageSequence

from pipelines.gan import GanSettings, gan

COUNTS = {"train": 120, "validation": 48, "test": 30}
TINY = "width=8,discriminator_width=8"
LOAD = """
import importlib.util, sys
import mlflow, numpy as np

assert not any(importlib.util.find_spec(name) for name in ("pipelines", "gan", "noise", "models"))
with np.load("inputs.npz") as inputs:
    np.save("images.npy", mlflow.pyfunc.load_model(sys.argv[1]).predict(dict(inputs)))
"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> Path:
    return write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS)


@pytest.fixture(scope="module")
def dense_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tells the three colours, by a dense last layer on the mean colour."""
    images = keras.Input((16, 16, 3))
    last = keras.layers.Dense(3, name="logits")
    model = keras.Model(images, last(keras.layers.GlobalAveragePooling2D()(images)))
    last.set_weights([np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    path = tmp_path_factory.mktemp("model") / "Colours 3.keras"
    model.save(path)
    return path


def settings(data: Path, folder: Path, **options: object) -> GanSettings:
    few = {"size": 16, "steps": 4, "batch_size": 4, "scores_every": 2, "samples": 16, "options": TINY}
    where = {"data": str(data), "results": folder / "results.json", "output": folder / "gan"}
    return GanSettings.model_validate({**few, **where, **options})


def frames(path: Path) -> int:
    return sum(1 for _ in ImageSequence.Iterator(Image.open(path)))


def results(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text())  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore:Even though the .* option is set")
@pytest.mark.usefixtures("eagerly")
def test_trains_on_all_classes_scores_logs_and_registers(
    colours: Path, dense_model: Path, tracked: Path, undeclared: Callable[..., set[str]]
) -> None:
    assert gan.execute(settings(colours, tracked, extractor=str(dense_model), register_model=True)) == 0
    output, summary = tracked / "gan", results(tracked)
    assert not undeclared(output, gan.leaves)
    scores = json.loads((output / "scores.json").read_text())
    assert scores["best_step"] in (2, 4)
    assert {"kd_colours_3", "recall_colours_3", "class_accuracy_colours_3", "called/02_colours_3"} <= set(
        scores["scores"]
    )
    assert scores["floor"].keys() == scores["scores"].keys()
    assert scores["floor"]["class_accuracy_colours_3"] == 1
    assert (scores["n_real"], scores["n_fake"], scores["n_floor"]) == (16, 16, 16)
    assert (scores["compared_with"], scores["chosen_by"]) == ("test images", "validation images")
    assert {"fd_infinity_colours_3", "is_colours_3", "kd_spread_colours_3"} <= set(scores["scores"])
    assert scores["left_out"] == {}
    assert scores["classifier"]["accuracy_on_real"] == 1
    classes = pd.read_csv(output / "per_class.csv")
    assert classes["class_name"].tolist() == ["red", "green", "blue"]
    assert classes["n_fake"].tolist() == classes["n_floor"].tolist()
    assert pd.read_csv(output / "history.csv")["step"].tolist() == [2, 4]
    assert frames(output / "training.gif") == 2
    assert all((output / name).stat().st_size > 1000 for name in ("samples.png", "training.png"))

    run = mlflow.get_run(str(summary["run_id"]))
    assert run.info.status == "FINISHED"
    assert run.data.tags["class"] == "all"
    assert run.data.tags["failure/mode_collapse"] == "not enough reports to tell"
    assert run.data.metrics["gan/kd_colours_3"] == pytest.approx(scores["scores"]["kd_colours_3"])
    client = mlflow.MlflowClient()
    curve = client.get_metric_history(run.info.run_id, "train/generator_loss")
    assert [point.step for point in curve] == [2, 4]
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert len([name for name in images if "step" in name and name.endswith(".png")]) == 2

    version = client.search_model_versions("name = 'sign-generator'")[0]
    served = mlflow.pyfunc.load_model(f"models:/sign-generator/{version.version}")
    about = {"data": "colours", "class": "all", "latent": "gaussian, a vector"}
    assert served.metadata.metadata == about | {"classes": ["red", "green", "blue"]}
    assert about.items() <= scores.items()
    assert scores["recipe"]["width"] == int(run.data.params["cfg/recipe/width"]) == 8
    assert np.std(served.input_example["latent"]) == pytest.approx(1, abs=0.2)
    inputs = {"latent": np.zeros((3, 128), np.float32), "label": np.arange(3, dtype=np.int32)}
    pictures = served.predict(inputs)
    assert pictures.shape == (3, 16, 16, 3)
    assert pictures.dtype == np.uint8
    stored = keras.saving.load_model(output / "generator.keras", compile=False)
    np.testing.assert_allclose(pictures, stored.predict_on_batch(list(inputs.values())), rtol=0, atol=1)
    elsewhere = mlflow.artifacts.download_artifacts(f"models:/sign-generator/{version.version}", dst_path=str(tracked))
    np.testing.assert_array_equal(loaded_without_the_repository(Path(elsewhere), inputs), pictures)


def loaded_without_the_repository(model: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What a generator makes of inputs in a process that can import nothing of ours."""
    folder = model.parent / "empty"
    folder.mkdir()
    np.savez(folder / "inputs.npz", **inputs)
    subprocess.run([sys.executable, "-I", "-c", LOAD, str(model)], cwd=folder, check=True)
    return np.load(folder / "images.npy")


@pytest.mark.usefixtures("eagerly")
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    colours: Path,
    dense_model: Path,
    tracked: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"class": "green", "register_model": False}
    assert gan.execute(settings(colours, tracked, **options, output=tracked / "whole")) == 0
    from pipelines.gans.course import Progress

    log = Progress.__call__

    def interrupted(self: Progress, numbers: dict[str, float], generator: keras.Model | None) -> None:
        if numbers["step"] == 4:
            raise KeyboardInterrupt
        log(self, numbers, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "__call__", interrupted)
        assert gan.execute(settings(colours, tracked, **options)) == 130
    assert gan.execute(settings(colours, tracked, **options, resume=True)) == 0
    scores = [json.loads((tracked / name / "scores.json").read_text()) for name in ("whole", "gan")]
    assert scores[0]["scores"] == scores[1]["scores"]
    assert frames(tracked / "gan" / "training.gif") == 2
    curve = mlflow.MlflowClient().get_metric_history(str(results(tracked)["run_id"]), "train/generator_loss")
    assert [point.step for point in curve] == [2, 4]
    for changes, differing in (
        ({"loss": "hinge"}, "loss non_saturating, not hinge"),
        ({"samples": 17}, "samples 16, not 17"),
        ({"classifier": str(dense_model)}, "classifier none, not colours_3 "),
        ({"extractor": str(dense_model)}, "extractor pca"),
    ):
        assert gan.execute(settings(colours, tracked, **options, resume=True, **changes)) == 2
        error = capsys.readouterr().err
        assert "checkpoint.npz: the checkpoint of a training with" in error
        assert differing in error


@pytest.mark.filterwarnings("ignore:Even though the .* option is set")
@pytest.mark.usefixtures("eagerly")
def test_a_divergence_leaves_the_best_generator_and_its_report(
    colours: Path, dense_model: Path, tracked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gan.training import Gan

    step = Gan.step

    def diverging(self: Gan, batch: object) -> object:
        record = step(self, batch)
        return replace(record, generator_loss=np.nan) if record.step == 3 else record

    monkeypatch.setattr(Gan, "step", diverging)
    assert gan.execute(settings(colours, tracked, extractor=str(dense_model))) == 2
    error = capsys.readouterr().err
    assert "training diverged, the loss of the generator is not finite at step 3" in error
    assert "the state at step 2 is kept; the generator of step 2 and its scores are in" in error
    assert error.count("\n") == 1
    output = tracked / "gan"
    scores = json.loads((output / "scores.json").read_text())
    assert (scores["best_step"], scores["failures"]) == (2, {"diverged": 3})
    assert frames(output / "training.gif") == 1
    assert keras.saving.load_model(output / "generator.keras", compile=False).output_shape == (None, 16, 16, 3)
    run = mlflow.get_run(str(results(tracked)["run_id"]))
    assert run.info.status == "FAILED"
    assert run.data.tags["failure/diverged"] == "step 3"
    assert run.data.metrics["gan/kd_colours_3"] == pytest.approx(scores["scores"]["kd_colours_3"])
    logged = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"scores.json", "samples.png", "training.png", "training.gif", "history.csv"} <= logged
    assert len(mlflow.MlflowClient().search_logged_models([run.info.experiment_id])) == 1
    assert not mlflow.search_registered_models()


@pytest.mark.usefixtures("eagerly")
def test_choices_that_do_not_fit_leave_the_earlier_checkpoint(colours: Path, dense_model: Path, tracked: Path) -> None:
    checkpoint = tracked / "gan" / "checkpoint.npz"
    checkpoint.parent.mkdir()
    for options in ({"options": f"{TINY},generator=unet"}, {"loss": "hinge", "options": "label_smoothing=0.1"},
                    {"extractor": "nowhere.keras"}, {"cas": True, "network": "dcgan"}):  # fmt: skip
        checkpoint.write_text("of an hour")
        assert gan.execute(settings(colours, tracked, **options)) == 2
        assert checkpoint.read_text() == "of an hour"


@pytest.mark.filterwarnings("ignore:Even though the .* option is set")
@pytest.mark.usefixtures("eagerly")
def test_images_are_translated_and_named_by_another_network(colours: Path, dense_model: Path, tracked: Path) -> None:
    options = {"network": "image_to_image", "samples": 24, "classifier": str(dense_model), "register_model": False}
    assert gan.execute(settings(colours, tracked, **options)) == 0
    scores = json.loads((tracked / "gan" / "scores.json").read_text())
    assert scores["made_of"] == "validation images"
    assert (scores["n_real"], scores["n_fake"], scores["n_floor"]) == (24, 24, 24)
    assert scores["extractor"]["name"].startswith("pca")
    assert scores["classifier"]["name"] == "colours_3"
    assert "class_accuracy_colours_3" in scores["scores"]
    assert {name.partition("_pca")[0] for name in scores["left_out"]} == {"fd", "fd_infinity", "is"}
    assert (tracked / "gan" / "per_class.csv").exists()


@pytest.mark.filterwarnings("ignore:Even though the .* option is set")
@pytest.mark.usefixtures("eagerly")
def test_a_classifier_learns_from_samples_if_asked(
    colours: Path, tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.recipes import RECIPES

    monkeypatch.setitem(RECIPES, "default", RECIPES["lenet"].updated(epochs=1, batch_size=60))
    assert gan.execute(settings(colours, tracked, cas=True, register_model=False)) == 0
    scores = json.loads((tracked / "gan" / "scores.json").read_text())
    assert 0 <= scores["scores"]["cas"] <= 1
    assert 0 <= scores["floor"]["cas"] <= 1
    classes = pd.read_csv(tracked / "gan" / "per_class.csv")
    assert classes["accuracy"].between(0, 1).all()
    assert classes["accuracy_floor"].between(0, 1).all()
    assert results(tracked)["metrics"]["gan/cas"] == scores["scores"]["cas"]  # type: ignore[index]


@pytest.mark.usefixtures("in_process", "eagerly")
def test_smoke_test_on_rendered_signs(tracked: Path) -> None:
    """End to end, as a person would start it."""
    given = {"data": "rendered:60", "class": "Stop", "smoke_test": True, "output": tracked / "gan"}
    assert gan.execute(GanSettings.model_validate({**given, "results": tracked / "results.json"})) == 0
    assert not mlflow.search_registered_models()
    scores = json.loads((tracked / "gan" / "scores.json").read_text())
    assert scores["extractor"]["name"].startswith("pca")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "vae"}, "--network vae: no such recipe; choose one of tutorial"),
        ({"class": "yellow"}, "--class yellow: there is no such class; give a number from 0 to 2"),
        ({"class": "red", "limit": 30}, "10 train images of class 0, red; a GAN needs 32 or more"),
        (
            {"class": "red", "network": "conditional"},
            "--class red: projection needs all classes; choose --network dcgan",
        ),
        ({"options": "width"}, "--options 'width': write NAME=VALUE"),
        ({"options": "loss=hinge"}, "loss does not go here; give --loss"),
        ({"options": "colour=red"}, "colour: a GAN has no such option"),
        ({"options": "width=wide"}, "width 'wide': Input should be a valid integer"),
        ({"loss": "hings"}, "loss 'hings'"),
        ({"latent": "salt"}, "there is no latent salt"),
        ({"latent": "pictogram", "network": "image_to_image", "samples": 24}, "--latent pictogram: the classes of"),
        ({"options": "generator=unet"}, "generator unet translates maps, latent gaussian is a vector"),
        ({"extractor": "nowhere.keras"}, "--extractor nowhere.keras: no such file"),
        ({"options": TINY + ",discriminator_rate=1e37"}, "training diverged, the"),
        ({"options": TINY + ",discriminator_rate=1e37"}, "no generator was scored before, its curves are in"),
        ({"classifier": "nowhere.keras"}, "--classifier nowhere.keras: no such file"),
        ({"cas": True, "class": "red"}, "--cas: dcgan is asked for no class; choose --network conditional"),
    ],
)
def test_wrong_options_are_named(
    options: dict[str, object], message: str, colours: Path, tracked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gan.execute(settings(colours, tracked, **options)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
