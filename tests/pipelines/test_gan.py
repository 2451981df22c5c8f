import json
from collections.abc import Callable
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
def test_trains_on_all_classes_scores_logs_and_registers(colours: Path, dense_model: Path, tracked: Path) -> None:
    assert gan.execute(settings(colours, tracked, extractor=str(dense_model), register_model=True)) == 0
    output, summary = tracked / "gan", results(tracked)
    scores = json.loads((output / "scores.json").read_text())
    assert scores["best_step"] in (2, 4)
    assert {"kd_colours_3", "recall_colours_3", "class_accuracy_colours_3", "called/02_colours_3"} <= set(
        scores["scores"]
    )
    assert scores["floor"].keys() == scores["scores"].keys()
    assert scores["floor"]["class_accuracy_colours_3"] == 1
    assert pd.read_csv(output / "history.csv")["step"].tolist() == [2, 4]
    assert frames(output / "training.gif") == 2
    assert all((output / name).stat().st_size > 1000 for name in ("samples.png", "training.png"))

    run = mlflow.get_run(str(summary["run_id"]))
    assert run.info.status == "FINISHED"
    assert run.data.tags["class"] == "all"
    assert run.data.metrics["gan/kd_colours_3"] == pytest.approx(scores["scores"]["kd_colours_3"])
    client = mlflow.MlflowClient()
    curve = client.get_metric_history(run.info.run_id, "train/generator_loss")
    assert [point.step for point in curve] == [2, 4]
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert len([name for name in images if "step" in name and name.endswith(".png")]) == 2

    version = client.search_model_versions("name = 'sign-generator'")[0]
    served = mlflow.pyfunc.load_model(f"models:/sign-generator/{version.version}")
    inputs = {"latent": np.zeros((3, 128), np.float32), "label": np.arange(3, dtype=np.int32)}
    pictures = served.predict(inputs)
    assert pictures.shape == (3, 16, 16, 3)
    assert pictures.dtype == np.uint8
    stored = keras.saving.load_model(output / "generator.keras", compile=False)
    np.testing.assert_array_equal(pictures, stored.predict_on_batch(list(inputs.values())))


@pytest.mark.usefixtures("eagerly")
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    colours: Path, tracked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"class": "green", "register_model": False}
    assert gan.execute(settings(colours, tracked, **options, output=tracked / "whole")) == 0
    from pipelines.gan_course import Progress

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
    assert gan.execute(settings(colours, tracked, **options, resume=True, loss="hinge")) == 2
    assert "checkpoint.npz: the checkpoint of a training with loss non_saturating, not hinge" in capsys.readouterr().err


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
        ({"extractor": "nowhere.keras"}, "--extractor nowhere.keras: nowhere.keras: there are no such weights"),
        ({"options": TINY + ",discriminator_rate=1e37"}, "training diverged, the"),
    ],
)
def test_wrong_options_are_named(
    options: dict[str, object], message: str, colours: Path, tracked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gan.execute(settings(colours, tracked, **options)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
