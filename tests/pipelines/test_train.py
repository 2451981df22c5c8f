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

from models.cnn import NETWORKS, Style
from pipelines.signs import open_signs
from pipelines.train import SMOKE_EPOCHS, TrainSettings, _checkpoint, train

NAMES = ("red", "green", "blue")
COUNTS = {"train": 90, "validation": 30, "test": 30}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> Path:
    return write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS)


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of the default network where what it learns does not matter."""

    def build(classes: int, size: int, style: Style) -> keras.Model:
        images = keras.Input((size, size, 3))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
        return keras.Model(images, keras.layers.Dense(classes)(style.dropped(x)))

    monkeypatch.setitem(NETWORKS, "residual", build)


def settings(data: Path, folder: Path, **options: object) -> TrainSettings:
    few = {"size": 16, "epochs": 4, "batch_size": 8, "results": folder / "results.json", "output": folder / "train"}
    return TrainSettings.model_validate({"data": str(data), **few, **options})


def results(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text())  # type: ignore[no-any-return]


def test_trains_scores_logs_and_registers(colours: Path, tracked: Path, undeclared: Callable[..., set[str]]) -> None:
    assert train.execute(settings(colours, tracked)) == 0
    summary, output = results(tracked), tracked / "train"

    scores = json.loads((output / "scores.json").read_text())
    assert scores["accuracy"] > 0.9
    assert scores["test_images"] == 30
    per_class = pd.read_csv(output / "per_class.csv")
    assert per_class["class_name"].tolist() == list(NAMES)
    assert len(pd.read_csv(output / "history.csv")) == 4
    predictions = pd.read_parquet(output / "predictions.parquet")
    assert predictions.columns.tolist() == ["image_id", "track", "label", "predicted", "confidence", "margin"]
    assert predictions["image_id"].is_unique
    assert len(predictions) == 30
    wrong = predictions[predictions["predicted"] != predictions["label"]]
    assert len(wrong) == scores["wrong"]
    assert predictions["margin"].lt(0).sum() == scores["wrong"]
    assert pd.read_csv(output / "mistakes.csv")["image_id"].tolist() == wrong["image_id"].tolist()
    assert all((output / name).stat().st_size > 1000 for name in ("confusion.png", "mistakes.png", "model.keras"))
    assert "macro avg" in (output / "report.txt").read_text()
    assert not [path.name for path in output.iterdir() if path.name.startswith(".")]
    assert not undeclared(output, train.leaves)

    run = mlflow.get_run(summary["run_id"])
    assert run.info.status == "FINISHED"
    logged = mlflow.artifacts.list_artifacts(run_id=summary["run_id"])
    assert "predictions.parquet" in {Path(file.path).name for file in logged}
    assert run.data.metrics["clean/accuracy"] == scores["accuracy"]
    assert run.data.metrics["clean/class/recall/02"] == per_class["recall"][2]
    assert {"clean/f1_macro", "clean/mcc", "clean/kappa", "clean/calibration_error"} <= set(run.data.metrics)
    assert run.data.params["cfg/data_digest"] == open_signs(colours).digest
    assert {data.tags[0].value for data in run.inputs.dataset_inputs} == {"train", "validation", "test"}
    curve = mlflow.MlflowClient().get_metric_history(summary["run_id"], "validation/f1_macro")
    assert [point.step for point in curve] == [0, 1, 2, 3]

    model = mlflow.MlflowClient().get_model_version_by_alias("signs", "champion")
    assert model.run_id == summary["run_id"]
    assert model.description.startswith("test accuracy ")
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    served = mlflow.pyfunc.load_model("models:/signs@champion")
    assert served.metadata.get_input_schema().inputs[0].type == np.uint8
    logits = served.predict(images)
    stored = keras.saving.load_model(output / "model.keras", compile=False)
    np.testing.assert_allclose(logits, stored.predict_on_batch(images.astype(np.float32)), rtol=1e-4, atol=1e-5)
    assert logits.dtype == np.float32
    logged = mlflow.get_logged_model(model.model_id or served.metadata.model_id)
    assert {metric.key for metric in logged.metrics} >= {"clean/accuracy", "clean/class/f1/00"}


LOAD = """
import sys
import mlflow
import numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
np.testing.assert_allclose(model.predict(np.load("images.npy")), np.load("logits.npy"), rtol=1e-4, atol=1e-5)
"""


def test_a_registered_network_with_layers_of_ours_loads_without_this_repository(colours: Path, tracked: Path) -> None:
    import gan.layers  # noqa: F401  what other modules register with Keras must not be needed either

    own = "contrast=local,transformers=1"
    assert train.execute(settings(colours, tracked, network="lenet", options=own, epochs=1)) == 0
    model = mlflow.artifacts.download_artifacts("models:/signs@champion", dst_path=str(tracked / "elsewhere"))
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    stored = keras.saving.load_model(tracked / "train" / "model.keras", compile=False)
    np.save(tracked / "images.npy", images)
    np.save(tracked / "logits.npy", stored.predict_on_batch(images.astype(np.float32)))
    subprocess.run([sys.executable, "-I", "-c", LOAD, model], cwd=tracked, check=True)


@pytest.mark.usefixtures("tiny_network")
def test_an_interrupted_training_is_continued(colours: Path, tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.tracking import TrackedRun

    log, steps = TrackedRun.log_metrics, []

    def interrupt(run: TrackedRun, metrics: dict[str, float], step: int | None = None, **more: object) -> None:
        if "train/loss" in metrics:
            steps.append(step)
            if len(steps) == 2:
                raise KeyboardInterrupt
        log(run, metrics, step, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(TrackedRun, "log_metrics", interrupt)
    options = {"register_model": False, "epochs": 3}
    assert train.execute(settings(colours, tracked, **options)) == 130
    assert not (tracked / "train" / "model.keras").exists()
    assert train.execute(settings(colours, tracked, **options, resume=True)) == 0
    assert steps == [0, 1, 0, 1, 2]
    history = mlflow.MlflowClient().get_metric_history(str(results(tracked)["run_id"]), "train/loss")
    assert [point.step for point in history] == [0, 1, 2]


def test_other_options_or_data_are_another_training(colours: Path, tmp_path: Path) -> None:
    """So that --resume never continues what was begun otherwise."""
    dataset = open_signs(colours)
    base = settings(colours, tmp_path, resume=True)
    different = [base.model_copy(update=changed) for changed in (
        {}, {"options": "dropout=0.1"}, {"epochs": 5}, {"seed": 1}, {"limit": 7}, {"balance": "weights"},
    )]  # fmt: skip
    paths = [_checkpoint(one, one.recipe(), dataset, "float32") for one in different]
    paths.append(_checkpoint(base, base.recipe(), replace(dataset, digest="other"), "float32"))
    paths.append(_checkpoint(base, base.recipe(), dataset, "bfloat16"))
    assert len(set(paths)) == len(paths)
    unregistered = base.model_copy(update={"register_model": False})
    assert _checkpoint(unregistered, base.recipe(), dataset, "float32") == paths[0]


def test_without_resume_training_starts_anew(colours: Path, tmp_path: Path) -> None:
    begun, anew = (settings(colours, tmp_path, resume=resume, output=tmp_path) for resume in (True, False))
    path = _checkpoint(begun, begun.recipe(), open_signs(colours), "float32")
    path.write_bytes(b"an older training")
    _checkpoint(anew, anew.recipe(), open_signs(colours), "float32")
    assert not path.exists()


@pytest.mark.usefixtures("tiny_network")
def test_smoke_test_is_small_and_registers_nothing(colours: Path, tracked: Path) -> None:
    assert train.execute(settings(colours, tracked, smoke_test=True, epochs=50)) == 0
    assert len(pd.read_csv(tracked / "train" / "history.csv")) == SMOKE_EPOCHS
    assert not mlflow.search_registered_models()


@pytest.mark.usefixtures("tiny_network")
def test_a_smoke_test_of_the_best_draws_no_signs(colours: Path, tracked: Path) -> None:
    assert train.execute(settings(colours, tracked, smoke_test=True, network="best", rendered=20)) == 0
    run = mlflow.get_run(str(results(tracked)["run_id"]))
    assert "rendered=0" in run.data.params["cfg/recipe"]


@pytest.mark.usefixtures("tiny_network")
def test_all_tracks_are_trained_on_for_all_epochs(colours: Path, tracked: Path) -> None:
    assert train.execute(settings(colours, tracked, all_tracks=True, batch_size=120)) == 0
    history = pd.read_csv(tracked / "train" / "history.csv")
    assert len(history) == 4
    assert "val_f1_macro" not in history
    scores = json.loads((tracked / "train" / "scores.json").read_text())
    assert scores["validation_f1_macro"] is None
    assert scores["best_epoch"] == 3


@pytest.mark.usefixtures("tiny_network")
def test_the_best_recipe_does_without_drawn_signs_on_other_classes(colours: Path, tracked: Path) -> None:
    assert train.execute(settings(colours, tracked, network="best", epochs=1, register_model=False)) == 0
    run = mlflow.get_run(str(results(tracked)["run_id"]))
    assert "rendered=0" in run.data.params["cfg/recipe"]


@pytest.mark.usefixtures("tiny_network")
def test_views_of_a_single_network_are_scored(colours: Path, tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.execute(settings(colours, tracked, views=3)) == 0
    together = pd.read_csv(tracked / "train" / "together.csv")
    assert together["views"].tolist() == [1, 3]
    assert together["networks"].tolist() == [1, 1]
    scores = json.loads((tracked / "train" / "scores.json").read_text())
    assert together["accuracy"][0] == pytest.approx(scores["accuracy"])
    assert "one network, 3 views" in capsys.readouterr().out


@pytest.mark.usefixtures("tiny_network")
def test_repeats_have_runs_of_their_own_and_are_joined(colours: Path, tracked: Path) -> None:
    assert train.execute(settings(colours, tracked, repeats=3, views=2, seed=5)) == 0
    output, run_id = tracked / "train", str(results(tracked)["run_id"])
    seeds = pd.read_csv(output / "repeats.csv")
    assert seeds["seed"].tolist() == [5, 6, 7]
    children = mlflow.search_runs(
        filter_string=f"tags.`mlflow.parentRunId` = '{run_id}'", search_all_experiments=True, output_format="list"
    )
    assert sorted(child.info.run_name for child in children) == [f"train/seed-{seed}" for seed in (5, 6, 7)]
    assert {child.data.metrics["clean/accuracy"] for child in children} == set(seeds["accuracy"])
    metrics = mlflow.get_run(run_id).data.metrics
    assert metrics["repeats/accuracy"] == pytest.approx(seeds["accuracy"].mean())
    assert metrics["repeats/accuracy_low"] <= metrics["repeats/accuracy"] <= metrics["repeats/accuracy_high"]
    assert metrics["repeats/accuracy_worst"] == seeds["accuracy"].min()
    assert metrics["repeats/accuracy_high"] - metrics["repeats/accuracy_low"] > 0.05  # of 30 images
    for seed, accuracy in zip(seeds["seed"], seeds["accuracy"], strict=True):
        rows = pd.read_parquet(output / f"seed-{seed}" / "predictions.parquet")
        assert (rows["predicted"] == rows["label"]).mean() == pytest.approx(accuracy)
    together = pd.read_csv(output / "together.csv")
    assert sorted(zip(together["networks"], together["views"], strict=True)) == [(1, 1), (1, 2), (3, 1), (3, 2)]
    assert (output / "ensemble.keras").exists()
    kept = seeds.loc[seeds["validation_f1_macro"].idxmax(), "seed"]
    best = keras.saving.load_model(output / f"seed-{kept}" / "model.keras", compile=False)
    for one, other in zip(
        best.get_weights(), keras.saving.load_model(output / "model.keras").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    version = mlflow.MlflowClient().get_model_version_by_alias("signs", "champion")
    assert int(version.version) == 1
    assert version.run_id == run_id


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_data_set_without_a_split_is_refused(
    split: str, tracked: Path, capsys: pytest.CaptureFixture[str], write_signs: Callable[..., Path]
) -> None:
    data = write_signs(tracked / "partial", counts=COUNTS | {split: 0})
    assert train.execute(settings(data, tracked)) == 2
    assert f"no {split} images" in capsys.readouterr().err
    assert not list((tracked / "train").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "vgg"}, "--network vgg: no such network; choose one of default"),
        ({"options": "width"}, "--options 'width': write NAME=VALUE"),
        ({"options": "epochs=3"}, "epochs does not go here; give --epochs"),
        ({"options": "width=1,width=2"}, "each name once"),
        ({"strategy": "mirrored"}, "--strategy mirrored: no GPU is visible here"),
        ({"options": "colour=red"}, "colour: residual has no such option; it has width"),
        ({"options": "width=wide"}, "width 'wide': Input should be a valid number"),
        ({"augmentation": "sings"}, "sings"),
        ({"rendered": 2}, "the classes of"),
        ({"weights": "imagenet"}, "--weights imagenet: --network default starts from random weights"),
        ({"trainable": 0.0}, "--trainable 0.0: --network default starts from random weights"),
        ({"head_epochs": 2}, "--head-epochs 2: --network default starts from random weights"),
        ({"network": "mobilenet_v2", "weights": "nowhere.h5"}, "--weights nowhere.h5: there is no such file"),
        ({"learning_rate": 1e38, "epochs": 3}, "training diverged"),
    ],
)
@pytest.mark.usefixtures("tiny_network")
def test_wrong_options_are_named(
    options: dict[str, object], message: str, colours: Path, tracked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.execute(settings(colours, tracked, **options)) == 2
    assert message in capsys.readouterr().err
    assert results(tracked)["status"] == "failed"
    runs = mlflow.search_runs(search_all_experiments=True)
    assert runs["status"].tolist() == ["FAILED"]
