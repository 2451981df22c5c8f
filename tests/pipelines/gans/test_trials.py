"""The training inside a trial of GANs without Ray, and one search with it."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from gan.training import Gan
from pipelines.errors import InputError
from pipelines.gan import GanSettings, gan
from pipelines.gans.trials import GanTask, adopt, epoch_numbers
from pipelines.signs import SignDataset, open_signs
from pipelines.spaces import SPACES, read_space
from pipelines.trials import Plan, train_and_report
from pipelines.tune import TuneSettings, tune

COUNTS = {"train": 120, "validation": 48, "test": 3}
EPOCHS = 3
POINT = {"width": 4, "discriminator_width": 4, "batch_size": 4, "latent": "uniform", "r1": 0.1}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> Path:
    return write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=COUNTS)


@pytest.fixture(scope="module")
def dataset(colours: Path) -> SignDataset:
    return open_signs(colours)


@pytest.fixture
def task(dataset: SignDataset) -> GanTask:
    given = {"size": 16, "class": "green", "samples": 16, "scores_every": 2, "steps": 2 * EPOCHS, "seed": 3}
    return GanTask.of(GanSettings.model_validate(given), dataset)


def run(task: GanTask, folder: Path, reported: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Train at `POINT` and keep the state that each report carries, in folders named by its epoch."""
    reports: list[dict[str, Any]] = []

    def report(metrics: dict[str, Any], state: Path | None) -> None:
        reports.append(metrics)
        if state:
            shutil.copytree(state, folder.with_name(f"{folder.name}-{metrics['epoch']}"))

    folder.mkdir(exist_ok=True)
    plan = Plan("dcgan", EPOCHS, ("distance",), gan=task)
    train_and_report({**POINT, **changes}, plan, task.read(), folder=folder, reported=reported, report=report)
    return reports


def without_time(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**report, "numbers": {**report["numbers"], "seconds": 0}} for report in reports]


@pytest.mark.usefixtures("eagerly")
def test_each_scoring_is_an_epoch_and_a_killed_trial_ends_as_one_that_was_not(task, tmp_path, monkeypatch):
    whole = run(task, tmp_path / "whole")
    distances = [report["numbers"]["val_distance"] for report in whole]
    assert [(report["epoch"], report["status"]) for report in whole] == [(1, ""), (2, ""), (3, "finished")]
    assert [report["distance"] for report in whole] == np.minimum.accumulate(distances).tolist()
    assert whole[-1]["curve"] == [report["distance"] for report in whole]
    assert whole[-1]["best_epoch"] == int(np.argmin(distances)) + 1
    assert whole[0]["numbers"]["val_kd_pca39"] == distances[0]
    step, trained = Gan.step, list[int]()
    monkeypatch.setattr(Gan, "step", lambda self, batch: trained.append(int(self.done)) or step(self, batch))
    again = run(task, tmp_path / "whole-2", reported=2)
    assert without_time(again) == without_time(whole[2:])
    assert trained == [4, 5]  # the steps after the second report, and none before it


@pytest.mark.usefixtures("eagerly")
def test_a_population_goes_on_with_other_rates_and_losses_but_not_widths(task, tmp_path):
    run(task, tmp_path / "good")
    changed = {"loss": "hinge", "generator_rate": 1e-3, "augmentation": "color", "r1": 0.0}
    (last,) = run(task, tmp_path / "good-2", reported=2, **changed)
    assert (last["epoch"], last["status"], len(last["curve"])) == (3, "finished", 3)
    adopt(tmp_path / "good-2" / "checkpoint.npz", task.recipe_at({**POINT, **changed}))
    (refused,) = run(task, tmp_path / "good-2", reported=2, **changed, width=8)
    assert refused["status"] == "failed"
    assert "width 4, not 8" in refused["reason"]


@pytest.mark.usefixtures("eagerly")
def test_a_diverged_trial_is_the_worst_and_no_error(task, tmp_path):
    last = run(task, tmp_path / "lost", discriminator_rate=1e37)[-1]
    assert (last["status"], last["distance"]) == ("diverged", 1e9)
    assert "not finite at step" in last["reason"]


def test_numbers_are_named_as_curves_without_those_of_each_class_and_what_is_not_finite():
    report = {"step": 2.0, "real_accuracy": np.nan, "kd_cnn": 0.5, "called/01_cnn": 0.1, "seconds": 1.0}
    named = epoch_numbers(report, "kd_cnn")
    assert named == {"step": 2.0, "seconds": 1.0, "val_kd_cnn": 0.5, "val_distance": 0.5}


def test_the_command_of_a_point_gives_its_options(task, monkeypatch):
    point = {**POINT, "network": "style", "loss": "hinge", "seed": 7, "generator_rate": 2e-05, "adaptive": False}
    given: list[GanSettings] = []
    monkeypatch.setattr("pipelines.entry.EntryPoint.execute", lambda point, settings: given.append(settings) or 0)
    words = shlex.split(task.command(point))
    monkeypatch.setattr("pipelines.entry._configure_logging", lambda settings: None)
    with pytest.raises(SystemExit):
        gan.command(words[3:])
    assert words[:3] == ["python", "-m", "pipelines.gan"]
    assert given == [task.at(point)]
    assert (given[0].seed, given[0].recipe().generator_rate) == (7, 2e-5)


def test_networks_are_found_from_any_folder(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cnn.keras").touch()
    for given, found in {
        "": "",
        "cnn.keras": str(tmp_path / "cnn.keras"),
        "mobilenet_v2:cnn.keras": f"mobilenet_v2:{tmp_path / 'cnn.keras'}",
        "mobilenet_v2:imagenet": "mobilenet_v2:imagenet",
    }.items():
        task = GanTask.of(GanSettings(extractor=given), dataset)
        assert task.settings.extractor == found
        assert (f"--extractor {given}" in task.command({})) == bool(given)
        task = GanTask.of(GanSettings(classifier=given), dataset)
        assert task.settings.classifier == found
        assert (f"--classifier {given}" in task.command({})) == bool(given)


def test_one_class_has_no_conditional_gan(task):
    with pytest.raises(InputError, match="--class green: projection needs all classes"):
        task.recipe_at({"network": "conditional"})


@pytest.mark.parametrize("name", sorted(path.stem for path in SPACES.glob("*gan*.yaml")))
@pytest.mark.parametrize("label", ["", "green"])
def test_the_spaces_of_the_project_have_valid_points(name, label, dataset):
    space, task = read_space(name), GanTask.of(GanSettings.model_validate({"class": label}), dataset)
    task.require_valid_point(space)
    for seed in range(20):
        task.recipe_at(space.sample(np.random.default_rng(seed)))


@pytest.mark.slow
def test_a_population_of_gans_on_ray(colours, tracked, ray_session):
    (tracked / "tiny.yaml").write_text(
        "parameters: {width: {choice: [4]}, discriminator_width: {choice: [4]}, batch_size: {choice: [4]},"
        " generator: {choice: [transposed]}, generator_rate: {log_uniform: [1.0e-5, 1.0e-2]}}"
    )
    options = {"data": str(colours), "size": 16, "family": "dcgan", "class": "red", "space": str(tracked / "tiny.yaml"),
               "algorithm": "pbt", "trials": 2, "epochs": 3, "scores_every": 2, "output": tracked / "tune",
               "results": tracked / "results.json"}  # fmt: skip
    assert tune.execute(TuneSettings.model_validate(options)) == 0
    trials = pd.read_csv(tracked / "tune" / "trials.csv")
    assert trials["status"].tolist() == ["finished", "finished"]
    best = json.loads((tracked / "tune" / "best.json").read_text())
    assert best["distance"] == pytest.approx(trials["distance"].min())
    parent = json.loads((tracked / "results.json").read_text())["run_id"]
    runs = mlflow.MlflowClient().search_runs(["0", "1"], filter_string=f"tags.mlflow.parentRunId = '{parent}'")
    assert {found.info.run_name for found in runs} == {"tune/dcgan-000", "tune/dcgan-001"}
    for found in runs:
        assert {"model": "dcgan", "class": "red", "status": "finished"}.items() <= found.data.tags.items()
        curve = mlflow.MlflowClient().get_metric_history(found.info.run_id, "validation/distance")
        assert sorted(point.step for point in curve) == [0, 1, 2]
