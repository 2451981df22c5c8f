"""The training inside a trial, without Ray: `report` is a list."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import noise
from models.fit import Examples, FitHistory
from models.recipes import RECIPES, Recipe
from noise.thresholds import estimate_threshold
from pipelines import training, trials
from pipelines.noise_grid import read_preset
from pipelines.signs import Signs, open_signs
from pipelines.trials import (
    Plan,
    SearchData,
    latency,
    measure_network,
    measure_trained,
    noise_thresholds,
    track_subset,
    train_and_report,
)

EPOCHS = 4
F1 = (0.2, 0.6, 0.5, 0.4)


def signs(count: int = 60, tracks: int = 5) -> Signs:
    labels = np.arange(count) % 3
    return Signs(
        image_id=np.array([f"{i:03d}" for i in range(count)]),
        label=labels,
        track=np.array([f"{label}/{(i // 3) % tracks}" for i, label in enumerate(labels)]),
        image=np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 16, 16, 3)),
    )


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Takes the place of the training: tells of epochs with the macro-F1 of `F1`, from its checkpoint on."""
    seen: dict[str, Any] = {}

    def train_network(recipe: Any, train: Examples, validation: Examples, **more: Any) -> training.Trained:
        seen.update(more, recipe=recipe, train=train)
        history = FitHistory()
        state = more["checkpoint"]
        for epoch in range(seen.get("epochs", recipe.epochs)):
            if epoch == seen.get("diverges"):
                raise FloatingPointError("the loss is nan")
            state.write_text(str(epoch))
            numbers = {"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.5, "val_f1_macro": F1[epoch],
                       "learning_rate": 0.1, "seconds": 1.0}  # fmt: skip
            history.epochs.append(numbers)
            more["on_epoch"](epoch, numbers)
        history.best_epoch = int(np.argmax(F1[: len(history.epochs)]))
        return training.Trained(None, history)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train_network", train_network)
    return seen


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The weights of each network that a trial builds beside the one it trains."""
    seen: list[str | None] = []
    build = Recipe.build

    def watched(recipe: Recipe, classes: int, size: int, *, weights: str | None = None) -> keras.Model:
        seen.append(weights)
        return build(recipe, classes, size)

    monkeypatch.setattr(Recipe, "build", watched)
    return seen


def run(folder: Path, config: dict[str, Any] | None = None, reported: int = 0, **plan: Any) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []

    def report(metrics: dict[str, Any], state: Path | None) -> None:
        files = {path.name: path.read_text() for path in sorted(state.iterdir())} if state else {}
        reports.append({**metrics, "files": files})

    data = SearchData(signs(), signs(30), 3)
    chosen = Plan(**({"family": "cnn", "epochs": EPOCHS, "objectives": ("f1_macro",)} | plan))  # type: ignore[arg-type]
    point = {"network": "lenet"} if config is None else config
    train_and_report(point, chosen, data, folder=folder, reported=reported, report=report)
    return reports


def test_each_epoch_is_reported_once_with_the_best_so_far(trained, tmp_path):
    reports = run(tmp_path)
    assert [report["epoch"] for report in reports] == [1, 2, 3, 4]
    assert [report["f1_macro"] for report in reports] == [0.2, 0.6, 0.6, 0.6]
    assert [report["best_epoch"] for report in reports] == [1, 2, 2, 2]
    assert reports[-1]["curve"] == [0.2, 0.6, 0.6, 0.6]
    assert [report["numbers"]["val_f1_macro"] for report in reports] == list(F1)
    assert [report["status"] for report in reports] == ["", "", "", "finished"]


def test_each_report_carries_the_state_of_its_epoch(trained, tmp_path):
    files = [report["files"] for report in run(tmp_path)]
    assert files == [{"epochs": str(epoch + 1), "training.npz": str(epoch)} for epoch in range(EPOCHS)]


def test_a_continued_trial_reports_no_epoch_twice(trained, tmp_path):
    reports = run(tmp_path, reported=2)
    assert [report["epoch"] for report in reports] == [3, 4]
    assert reports[-1]["f1_macro"] == 0.6


def test_a_training_that_stops_early_ends_with_its_last_epoch(trained, tmp_path):
    trained["epochs"] = 3
    reports = run(tmp_path)
    assert [(report["epoch"], report["status"]) for report in reports] == [(1, ""), (2, ""), (3, ""), (3, "finished")]


def test_a_diverged_training_is_the_worst_and_no_error(trained, tmp_path):
    trained["diverges"] = 2
    last = run(tmp_path, objectives=("f1_macro", "parameters", "threshold"))[-1]
    assert last["status"] == "diverged"
    assert last["reason"] == "FloatingPointError: the loss is nan"
    assert (last["f1_macro"], last["parameters"], last["threshold"]) == (0.0, 1e9, 0.0)
    assert not last["files"]


@pytest.mark.parametrize(("config", "reason"), [({"network": "no"}, "no network no"), ({"dropout": 2.0}, "dropout")])
def test_a_point_that_cannot_be_built_fails_alone(config, reason, trained, tmp_path):
    (report,) = run(tmp_path, config)
    assert report["status"] == "failed"
    assert reason in report["reason"]
    assert report["epoch"] == 0


def test_seed_and_share_of_tracks_are_those_of_the_point(trained, tmp_path):
    run(tmp_path, {"network": "lenet", "seed": 7, "tracks": 0.4})
    assert trained["seed"] == 7
    assert len(np.unique(trained["train"].images, axis=0)) == 24  # of 2 of 5 tracks of each class


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_a_share_of_the_tracks_is_trained_for_as_many_steps(share, trained, tmp_path):
    run(tmp_path, {"network": "lenet", "tracks": share})
    assert trained["recipe"].epochs == EPOCHS
    assert len(trained["train"].labels) == 60
    times = np.unique(trained["train"].images, axis=0, return_counts=True)[1]
    assert times.max() - times.min() <= 1  # each image as often as any other


def test_all_tracks_are_learned_from_without_a_copy(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(Signs, "take", lambda signs, rows: pytest.fail("copied"))
    assert run(tmp_path)[-1]["status"] == "finished"


def test_parameters_are_known_from_the_first_report_on(trained, tmp_path):
    reports = run(tmp_path, objectives=("f1_macro", "parameters"))
    counts = {report["parameters"] for report in reports}
    assert len(counts) == 1
    assert counts.pop() > 1000


@pytest.mark.parametrize(
    ("family", "objectives", "expected"),
    [
        ("cnn", ("f1_macro",), []),
        ("cnn", ("f1_macro", "parameters"), [None]),
        ("transfer", ("f1_macro", "threshold"), []),
        ("transfer", ("f1_macro", "parameters"), ["here.h5"]),
    ],
)
def test_a_network_is_built_to_be_measured_only_where_that_is_asked_for(
    family, objectives, expected, trained, built, tmp_path, monkeypatch
):
    monkeypatch.setattr(trials, "measure_trained", lambda model, plan, validation: {})
    run(tmp_path, {"image_size": 32} if family == "transfer" else None, family=family, objectives=objectives,
        weights="here.h5")  # fmt: skip
    assert built == expected


def test_a_threshold_is_measured_at_the_end_alone(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "noise_thresholds", lambda model, validation, seed: {"one": 0.1, "other": 0.4})
    reports = run(tmp_path, objectives=("f1_macro", "threshold"))
    assert [report["threshold"] for report in reports] == [0.0, 0.0, 0.0, 0.25]


def test_a_trial_goes_on_from_its_checkpoint_and_begins_anew_where_it_was_lost(tmp_path, monkeypatch):
    from ray import tune

    kept, mine = tmp_path / "kept", tmp_path / "mine"
    kept.mkdir()
    mine.mkdir()
    (kept / "epochs").write_text("3")
    (kept / "training.npz").write_text("state")
    monkeypatch.setattr(tune, "get_checkpoint", lambda: tune.Checkpoint(str(kept)))
    assert trials._restore(mine) == 3
    assert (mine / "training.npz").read_text() == "state"
    monkeypatch.setattr(tune, "get_checkpoint", lambda: tune.Checkpoint(str(tmp_path / "gone")))
    assert trials._restore(mine) == 0
    assert not list(mine.iterdir())


def test_track_subsets_are_nested_whole_and_of_every_class():
    data = signs(300, tracks=20)
    subsets = {share: track_subset(data, share, seed=3) for share in (0.01, 0.1, 0.25, 0.5, 1.0)}
    kept = {share: set(data.track[rows]) for share, rows in subsets.items()}
    shares = sorted(kept)
    for smaller, larger in itertools.pairwise(shares):
        assert kept[smaller] < kept[larger]
    for share, rows in subsets.items():
        tracks = [name for name in kept[share] if name.startswith("0/")]
        assert len(tracks) == max(1, round(20 * share))
        assert set(np.flatnonzero(np.isin(data.track, list(kept[share])))) == set(rows)
    assert set(data.track[track_subset(data, 0.1, seed=4)]) != kept[0.1]


def test_images_without_a_track_are_a_track_each():
    data = signs(60)
    alone = Signs(data.image_id, data.label, np.full(60, ""), data.image)
    assert len(track_subset(alone, 0.5, seed=0)) == 30


def test_latency_and_parameters_of_a_network(colour_model):
    model = keras.saving.load_model(colour_model)
    assert latency(model) > 0
    assert measure_network(model, ("parameters",)) == {"parameters": 81.0}
    assert measure_network(model, ("f1_macro",)) == {}


@pytest.fixture
def faint(write_signs: Callable[..., Path], tmp_path: Path) -> Signs:
    """Signs of so little contrast that noise hides them."""
    data = open_signs(write_signs(tmp_path / "signs", counts={"train": 3, "validation": 60, "test": 3}))
    seen = data.read("validation")
    image = 128 + (seen.image.astype(float) - 128) * 0.1
    return Signs(seen.image_id, seen.label, seen.track, image.astype(np.uint8))


def test_thresholds_are_where_each_noise_fails(colour_model, faint):
    model = keras.saving.load_model(colour_model)
    shares = []
    for part in read_preset("quick"):
        noisy = [
            noise.apply(part.kind.name, faint.image, level, image_ids=faint.image_id.tolist()) for level in part.levels
        ]
        answers = [model.predict_on_batch(images.astype(np.float32)).argmax(axis=1) for images in noisy]
        right = np.stack([answer == faint.label for answer in answers], axis=1)
        level = estimate_threshold(part.levels, right, share=0.5).value
        shares.append(min(level, part.levels[-1]) / part.kind.high)
    assert min(shares) < max(shares)
    found = noise_thresholds(model, faint, seed=0)
    assert list(found) == [part.kind.name for part in read_preset("quick")]
    assert list(found.values()) == pytest.approx(shares)


def test_a_classifier_that_knows_nothing_stands_no_noise(colour_model, faint):
    black = Signs(faint.image_id, faint.label, faint.track, np.zeros_like(faint.image))
    assert set(noise_thresholds(keras.saving.load_model(colour_model), black, seed=0).values()) == {0.0}


def test_measures_are_of_the_finished_network(colour_model, faint):
    model = keras.saving.load_model(colour_model)
    plan = Plan("cnn", 3, ("f1_macro",), ("threshold", "parameters", "load"))
    measured = measure_trained(model, plan, faint)
    each = noise_thresholds(model, faint, seed=0)
    assert {name: measured[f"threshold/{name}"] for name in each} == each
    assert measured["threshold"] == pytest.approx(np.mean(list(each.values())))
    assert measured["parameters"] == 81
    assert measure_trained(model, Plan("cnn", 3, ("f1_macro",)), faint) == {}


def test_the_load_of_a_network_is_measured_over_its_layers(faint):
    recipe = RECIPES["lenet"]
    measured = measure_trained(recipe.build(3, 16), Plan("cnn", 3, ("f1_macro",), ("load",)), faint)
    assert 0 <= measured["load/activation_gini"] <= 1
    assert not [name for name in measured if "layer_" in name]


def test_measures_are_reported_at_the_end_alone(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "measure_trained", lambda model, plan, validation: {"load/dead": 0.5})
    reports = run(tmp_path, measures=("load",))
    assert [report["measured"] for report in reports] == [{}, {}, {}, {"load/dead": 0.5}]
