import json
import re

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest

import noise
from noise import registry
from noise.levels import by_name
from pipelines.noise_grid import PRESETS, NoiseGridSettings, noise_grid, read_levels

COUNTS = {"train": 9, "validation": 9, "test": 90}


@pytest.fixture(scope="module")
def data(tmp_path_factory, write_signs):
    return write_signs(tmp_path_factory.mktemp("noise-grid") / "colours", counts=COUNTS, group=40)


def run(capsys, *argv):
    with pytest.raises(SystemExit) as ended:
        noise_grid.command([str(word) for word in argv])
    return ended.value.code, capsys.readouterr()


@pytest.mark.slow
def test_a_grid_leaves_tables_report_and_metrics(capsys, data, colour_model, tracked, ray_session, undeclared):
    output, results = tracked / "out", tracked / "results.json"
    grid = ["--noise", "gaussian:0:0.5:5,colour_patches:0:1:5,gaussian_blur:0:5:3", "--size", 16]
    where = ["--data", data, "--model", colour_model, "--output", output, "--results", results]
    code, said = run(capsys, *grid, *where, "--workers", 1)
    assert code == 0, said.err
    assert "colour patches" in said.out
    assert (output / "report" / "report.html").resolve().as_uri() in said.out

    assert not undeclared(output, noise_grid.leaves)
    thresholds = pd.read_csv(output / "thresholds.csv")
    assert set(thresholds["noise"]) == {"gaussian", "colour_patches", "gaussian_blur"}
    columns = ["noise", "unit", "criterion", "threshold", "low", "high", "censored", "n", "groups", "method"]
    assert list(thresholds.columns)[:10] == columns
    patches = thresholds.set_index(["noise", "criterion"]).loc[("colour_patches", "fails")]
    assert 0 < patches["low"] <= patches["threshold"] <= patches["high"] <= 1
    assert patches["groups"] == 30
    blur = thresholds.set_index(["noise", "criterion"]).loc[("gaussian_blur", "fails")]
    assert blur["censored"] == "above"

    logged = mlflow.get_run(json.loads(results.read_text())["run_id"]).data
    assert logged.metrics["threshold/colour_patches/fails"] == pytest.approx(patches["threshold"])
    assert "threshold/gaussian_blur/fails" not in logged.metrics
    assert logged.tags["censored/gaussian_blur/fails"] == "above"
    history = mlflow.MlflowClient().get_metric_history(
        json.loads(results.read_text())["run_id"], "noise/gaussian/accuracy"
    )
    assert [point.step for point in history] == [0, 250, 500, 750, 1000]
    assert history[0].value == 1.0

    rows = pd.read_parquet(output / "predictions" / "noise=gaussian" / "predictions.parquet")
    assert len(rows) == 90 * 4
    assert rows["level"].dtype == np.float64
    metrics = pd.read_parquet(output / "class_metrics.parquet")
    assert list(metrics.columns) == ["noise", "level", "class", "precision", "recall", "fpr", "f1", "support"]
    shown = pd.read_csv(output / "visibility.csv").set_index(["noise", "criterion"]).loc[("colour_patches", "fails")]
    assert logged.metrics["visibility/colour_patches/fails_ssim"] == pytest.approx(shown["ssim"])
    assert shown["ssim_low"] <= shown["ssim"] <= shown["ssim_high"] < 1


@pytest.fixture(scope="module")
def trainings(tmp_path_factory, colour_model):
    """What two trainings of one recipe might leave, as `train --repeats` lays it out."""
    folder = tmp_path_factory.mktemp("trainings")
    for seed in range(2):
        model = keras.saving.load_model(colour_model)
        moved = np.random.default_rng(seed).normal(0, 0.15, (3, 3, 3, 3))
        model.get_layer("local").set_weights([model.get_layer("local").get_weights()[0] + moved.astype(np.float32)])
        (folder / f"seed-{seed}").mkdir()
        model.save(folder / f"seed-{seed}" / "model.keras")
    model.save(folder / "model.keras")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trainings_of_a_recipe_are_measured_together(capsys, data, trainings, tracked, ray_session):
    """Each has the tables that it has alone; beside them are the recipe's, which --resume finds again."""
    files = [trainings / f"seed-{seed}" / "model.keras" for seed in range(2)]
    grid = ["--noise", "colour_patches:0:1:6,gaussian:0:0.5:3", "--size", 16, "--data", data, "--saliency", "none"]
    output, results = tracked / "out", tracked / "results.json"
    where = ["--output", output, "--results", results, "--workers", 1]
    code, said = run(capsys, *grid, *where, "--model", ",".join(map(str, files)))
    assert code == 0, said.err

    recipe = pd.read_csv(output / "recipe_thresholds.csv").set_index(["noise", "criterion"])
    alone = pd.read_csv(output / "thresholds.csv").set_index(["network", "noise", "criterion"])["threshold"]
    assert set(recipe["networks"]) == {2}
    assert set(recipe["n"]) == {90}
    patches = recipe.loc[("colour_patches", "fails")]
    each = [alone[f"network-{number}", "colour_patches", "fails"] for number in (1, 2)]
    half_a_step = 0.5 / 16**2
    assert patches["threshold"] == pytest.approx(np.exp(np.mean(np.log(each))), abs=half_a_step)
    assert (patches["lowest"], patches["highest"]) == pytest.approx((min(each), max(each)))
    assert patches["low"] < min(each)
    assert "2 networks" in said.out
    assert (output / "report" / "report.html").resolve().as_uri() in said.out
    page = (output / "report" / "report.html").read_text()
    for link in re.findall('href="([^"]+)"', page):
        assert (output / "report" / link).is_file()

    code, said = run(capsys, *grid, "--output", tracked / "one", "--workers", 1, "--model", files[1])
    assert code == 0, said.err
    for name in ("thresholds.csv", "curves.csv", "slight.csv"):
        assert (output / "network-2" / name).read_text() == (tracked / "one" / name).read_text()

    run_id = json.loads(results.read_text())["run_id"]
    logged = mlflow.get_run(run_id)
    assert logged.data.metrics["threshold/colour_patches/fails"] == pytest.approx(patches["threshold"])
    inside = mlflow.search_runs(
        [logged.info.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{run_id}'", output_format="list"
    )
    assert sorted(child.data.metrics["threshold/colour_patches/fails"] for child in inside) == pytest.approx(
        sorted(each)
    )
    assert {child.data.tags["model"] for child in inside} == set(map(str, files))

    made = {path: path.stat().st_mtime_ns for path in (output / "units").iterdir() if path.suffix == ".parquet"}
    code, said = run(capsys, *grid, *where, "--model", trainings, "--resume")
    assert code == 0, said.err
    assert {path: path.stat().st_mtime_ns for path in made} == made
    pd.testing.assert_frame_equal(pd.read_csv(output / "recipe_thresholds.csv").set_index(recipe.index.names), recipe)


OWN = '''
from noise import noise

@noise(family="own", unit="share of the height", high=1.0, source="this test")
def waterline(images, level, random):
    """Black out the lower `level` of the image."""
    sunk = images.copy()
    sunk[:, images.shape[1] - round(level * images.shape[1]):] = 0
    return sunk
'''


@pytest.mark.slow
def test_a_search_with_a_noise_of_ones_own(capsys, data, colour_model, tracked, ray_session, monkeypatch):
    """Levels are added where the curves cross, and each image's own failing level is halved from its bracket."""
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))
    (tracked / "own.py").write_text(OWN)
    output = tracked / "out"
    given = {"--data": data, "--size": 16, "--model": colour_model, "--output": output, "--workers": 1}
    given |= {"--plugin": tracked / "own.py", "--noise": "colour_patches:0:1:11,waterline:0:1:5", "--bisect": 3}
    code, said = run(capsys, *(word for pair in given.items() for word in pair), "--refine")
    assert code == 0, said.err

    curves = pd.read_csv(output / "curves.csv")
    levels = curves.groupby("noise")["level"].apply(list)
    assert {"colour_patches", "waterline"} == set(levels.index)
    assert set(levels["colour_patches"]) > {0.0, 0.3, 0.5, 0.8, 1.0}
    threshold = pd.read_csv(output / "thresholds.csv").set_index(["noise", "criterion"])["threshold"]
    added = np.array(levels["colour_patches"])
    assert np.abs(added - threshold[("colour_patches", "fails")]).min() < 0.05
    rows = pd.read_parquet(output / "predictions" / "noise=colour_patches" / "predictions.parquet")
    assert [levels["colour_patches"][index] for index in rows["level_index"]] == rows["level"].tolist()

    images = pd.read_parquet(output / "image_thresholds.parquet").query("noise == 'colour_patches'")
    failing = images[np.isfinite(images["level"])]
    assert len(failing) > 20
    assert ((failing["level"] - failing["level_below"]) <= 0.3 / 2**3 + 1e-9).all()
    assert failing["ssim"].between(-1, 1).all()
    assert images.loc[~np.isfinite(images["level"]), "ssim"].isna().all()


@pytest.mark.slow
def test_levels_are_added_where_a_fall_lies_between_wide_ones_unless_they_were_given(
    capsys, data, colour_model, tracked, ray_session
):
    """By default, and never to levels that a person gave."""
    given = {"--data": data, "--size": 16, "--model": colour_model, "--workers": 1, "--limit": 60, "--saliency": "none"}
    grids = {"named": "occlusion_centre", "counted": "occlusion_centre:0:1:11"}
    measured = {}
    for name, grid in grids.items():
        options = given | {"--output": tracked / name, "--noise": grid}
        code, said = run(capsys, *(word for pair in options.items() for word in pair))
        assert code == 0, said.err
        measured[name] = set(pd.read_csv(tracked / name / "curves.csv")["level"])
        assert ("levels were added around thresholds" in said.out) is (name == "named")
    assert measured["counted"] == set(np.linspace(0, 1, 11).round(12))
    assert measured["named"] > measured["counted"]


def test_the_catalogue_is_listed_as_text_and_json(capsys):
    code, said = run(capsys, "--list")
    assert code == 0
    assert "gaussian_blur" in said.out
    code, said = run(capsys, "--list", "--json")
    listed = {row["name"]: row for row in json.loads(said.out)}
    assert listed["occlusion"]["unit"] == "share of the area"
    assert listed["gaussian"]["summary"] == "Add N(0, level^2) to each channel of each pixel."


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--noise", "gausian"], "did you mean gaussian?"),
        (["--noise", "gaussian:0:2:2"], "level 2 is out of range; choose 0 to 0.5"),
        (["--noise", ","], "the grid is empty"),
        (
            ["--preset", "nothing"],
            "--preset nothing: there is no such grid; choose one of all, cifar-c, quick, standard, weather",
        ),
        (["--plugin", "/nowhere.py"], "--plugin /nowhere.py: not a readable Python file"),
        (["--data", "/nowhere"], "/nowhere"),
        (["--model", "none.keras"], "--model none.keras: no such file"),
        (["--size", "32"], "prepared at --size 16, not 32"),
        (["--pixel-range", "3"], "--pixel-range 3: choose auto, one of 255"),
        (["--saliency", "cam"], "--saliency cam: no such method"),
    ],
)
def test_a_wrong_input_is_one_line_and_code_2(capsys, data, colour_model, tracked, argv, message):
    given = {"--data": data, "--model": colour_model, "--size": 16, "--noise": "gaussian", "--output": tracked / "out"}
    given |= dict(zip(argv[::2], argv[1::2], strict=True))
    if "--preset" in given:
        del given["--noise"]
    code, said = run(capsys, *(word for pair in given.items() for word in pair))
    assert code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not list((tracked / "out").glob("*"))


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_every_preset_is_a_grid_of_the_catalogue(preset):
    levels = by_name(read_levels(NoiseGridSettings(preset=preset)))
    assert len(levels) >= 4
    assert all(len(values) >= 6 for values in levels.values())


def test_some_presets_follow_from_the_catalogue():
    everything = by_name(read_levels(NoiseGridSettings(preset="all")))
    assert list(everything) == list(noise.catalogue())
    assert {len(values) for values in everything.values()} == {13}
    marks = by_name(read_levels(NoiseGridSettings(preset="cifar-c")))
    assert marks["gaussian"] == (0.0, 0.04, 0.06, 0.08, 0.09, 0.1)


def test_a_noise_given_by_name_takes_the_place_of_the_preset():
    assert list(by_name(read_levels(NoiseGridSettings(preset="standard", noise="speckle:0:1:3")))) == ["speckle"]
