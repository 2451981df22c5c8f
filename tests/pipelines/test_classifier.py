from pathlib import Path

import keras
import mlflow
import numpy as np
import pytest

from pipelines.classifier import Predictor, answers, load_predictor, open_classifier, open_classifiers
from pipelines.errors import InputError
from pipelines.signs import open_signs


@pytest.fixture(scope="module")
def signs(tmp_path_factory, write_signs):
    folder = write_signs(tmp_path_factory.mktemp("signs") / "colours", counts={"train": 9, "validation": 9, "test": 60})
    return open_signs(folder)


def save(model, path: Path) -> str:
    model.save(path)
    return str(path)


def test_our_own_form_is_taken_as_it_is(signs, colour_model):
    probes = signs.read("test")
    classifier = open_classifier(str(colour_model), probes, signs.class_names)
    assert (str(classifier.reading), classifier.outputs) == ("0..255, RGB", "logits")
    predict = Predictor(classifier.load(), classifier, 7)
    assert (predict(probes.image).argmax(axis=1) == probes.label).mean() == 1.0


def test_a_model_of_unit_range_and_probabilities_is_detected(signs, colour_model, tmp_path):
    inner = keras.saving.load_model(colour_model)
    images = keras.Input((16, 16, 3))
    lit = keras.layers.ReLU(max_value=255.0)(keras.layers.Rescaling(255.0)(images))
    path = save(keras.Model(images, keras.layers.Softmax()(inner(lit))), tmp_path / "unit.keras")
    probes = signs.read("test")
    classifier = open_classifier(path, probes, signs.class_names)
    assert (str(classifier.reading), classifier.outputs) == ("0..1, RGB", "probabilities")
    scores = load_predictor_here(path, classifier)(probes.image)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, atol=1e-5)
    forced = open_classifier(path, probes, signs.class_names, pixel_range="255")
    assert str(forced.reading) == "0..255, RGB"


def load_predictor_here(path, classifier):
    return Predictor(classifier.load(), classifier, 16)


def test_scores_do_not_depend_on_how_images_are_divided_up(signs, colour_model):
    probes = signs.read("test")
    classifier = open_classifier(str(colour_model), probes, signs.class_names)
    predict = Predictor(classifier.load(), classifier, 16)
    whole = predict(probes.image)
    np.testing.assert_array_equal(whole[:5], predict(probes.image[:5]))
    np.testing.assert_array_equal(whole[37:], predict(probes.image[37:]))
    order = np.random.default_rng(0).permutation(len(probes))
    np.testing.assert_array_equal(whole[order], predict(probes.image[order]))


def test_a_model_logged_in_mlflow_is_found_by_its_uris(signs, colour_model, tracked):
    with mlflow.start_run() as run:
        info = mlflow.keras.log_model(
            keras.saving.load_model(colour_model),
            name="model",
            registered_model_name="signs",
            pip_requirements=["keras"],
        )
        mlflow.MlflowClient().set_registered_model_alias("signs", "champion", info.registered_model_version)
    probes = signs.read("test")
    for uri in (f"runs:/{run.info.run_id}/model", "models:/signs@champion", "models:/signs/1", info.model_uri):
        assert open_classifier(uri, probes, signs.class_names).name == uri


@pytest.mark.parametrize("uri", ["models:/nothing@champion", "runs:/0123456789abcdef0123456789abcdef/model"])
def test_a_model_that_mlflow_does_not_have_is_named(signs, tracked, uri):
    with pytest.raises(InputError, match=f"--model {uri}: MLflow has no such model"):
        open_classifier(uri, signs.read("test"), signs.class_names)


def test_files_that_are_no_model_are_named(signs, tmp_path):
    probes = signs.read("test")
    with pytest.raises(InputError, match="no such file"):
        open_classifier(str(tmp_path / "none.keras"), probes, signs.class_names)
    with pytest.raises(InputError, match=r"holds 0 \.keras files"):
        open_classifier(str(tmp_path), probes, signs.class_names)
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"not a model")
    with pytest.raises(InputError, match="Keras cannot load it"):
        open_classifier(str(broken), probes, signs.class_names)


def test_a_damaged_model_file_is_named(signs, colour_model, tmp_path):
    damaged = tmp_path / "damaged.keras"
    content = bytearray(colour_model.read_bytes())
    content[60:300] = bytes(240)
    damaged.write_bytes(content)
    with pytest.raises(InputError, match="Keras cannot load it"):
        open_classifier(str(damaged), signs.read("test"), signs.class_names)


def test_a_model_of_other_images_or_classes_is_refused(signs, colour_model, tmp_path):
    probes = signs.read("test")
    with pytest.raises(InputError, match="gives 3 classes, the data set has 2"):
        open_classifier(str(colour_model), probes, ("a", "b"))
    large = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(InputError, match="takes images of 32 x 32 x 3, the data set has 16 x 16 x 3"):
        open_classifier(save(large, tmp_path / "large.keras"), probes, signs.class_names)
    flat = keras.Sequential([keras.Input((768,)), keras.layers.Dense(3)])
    with pytest.raises(InputError, match="a model of one batch of images"):
        open_classifier(save(flat, tmp_path / "flat.keras"), probes, signs.class_names)


def test_a_worker_loads_the_model_from_its_bytes(signs, colour_model, monkeypatch):
    import tensorflow as tf

    asked = []
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", asked.append)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", asked.append)
    probes = signs.read("test")
    classifier = open_classifier(str(colour_model), probes, signs.class_names)
    predict = load_predictor(colour_model.read_bytes(), classifier, batch_size=8, threads=2)
    assert asked == [2, 1]
    assert predict(probes.image).shape == (60, 3)


class TestSeveral:
    """Trainings of one recipe."""

    @pytest.fixture
    def probes(self, signs):
        return signs.read("test")

    @pytest.fixture
    def trained(self, colour_model, tmp_path):
        """Files of networks that differ in their weights, as `train --repeats` lays them out."""
        files = []
        for seed in range(3):
            model = keras.saving.load_model(colour_model)
            model.get_layer("local").set_weights([model.get_layer("local").get_weights()[0] * (1 + seed)])
            (tmp_path / f"seed-{seed}").mkdir()
            files.append(save(model, tmp_path / f"seed-{seed}" / "model.keras"))
        save(model, tmp_path / "model.keras")
        return files

    def test_names_are_separated_by_commas(self, signs, probes, trained):
        found = open_classifiers(f"{trained[0]}, {trained[2]}", probes, signs.class_names)
        assert [classifier.name for classifier in found] == [trained[0], trained[2]]
        assert [classifier.name for classifier in open_classifiers(trained[1], probes, signs.class_names)] == [
            trained[1]
        ]

    def test_a_folder_of_repeats_holds_them(self, signs, probes, trained, tmp_path):
        assert [classifier.name for classifier in open_classifiers(str(tmp_path), probes, signs.class_names)] == trained

    def test_a_file_may_have_a_comma_in_its_name(self, signs, probes, trained, tmp_path):
        name = str(tmp_path / "a,b.keras")
        (tmp_path / "a,b.keras").write_bytes(Path(trained[0]).read_bytes())
        assert [classifier.name for classifier in open_classifiers(name, probes, signs.class_names)] == [name]

    def test_a_tag_names_the_trainings_but_not_the_run_around_them(self, signs, probes, trained, tracked):
        def log(name, file):
            mlflow.set_tags({"entry_point": name, "model": "colours"})
            mlflow.keras.log_model(keras.saving.load_model(file), name="model", pip_requirements=["keras"])

        with mlflow.start_run() as around:
            log("train", trained[0])
            children = []
            for file in trained[:2]:
                with mlflow.start_run(nested=True) as child:
                    log("train/seed-0", file)
                children.append(f"runs:/{child.info.run_id}/model")
        with mlflow.start_run(), mlflow.start_run(nested=True):
            mlflow.set_tags({"entry_point": "noise_grid", "model": "colours"})
        for tag in ("tag:model=colours", f"tag:mlflow.parentRunId={around.info.run_id}"):
            assert [classifier.name for classifier in open_classifiers(tag, probes, signs.class_names)] == children
        for wrong, why in (("tag:model=other", "no finished run"), ("tag:a`=b", "not tag:NAME=VALUE")):
            with pytest.raises(InputError, match=f"--model {wrong}: {why}"):
                open_classifiers(wrong, probes, signs.class_names)

    def test_the_same_network_twice_is_named_though_its_files_differ(self, signs, probes, trained, tmp_path):
        """`train --repeats` leaves the network that it keeps once more, beside the seeds."""
        kept = str(tmp_path / "model.keras")
        with pytest.raises(InputError, match=f"{kept} is the same network as {trained[2]}"):
            open_classifiers(f"{trained[2]},{kept}", probes, signs.class_names)

    def test_networks_that_do_not_fit_are_named(self, signs, probes, trained, tmp_path):
        with pytest.raises(InputError, match=r"--model none\.keras: no such file"):
            open_classifiers(f"{trained[0]},none.keras", probes, signs.class_names)
        images = keras.Input((16, 16, 3))
        wider = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 5)(images))
        other = save(keras.Model(images, wider), tmp_path / "wider.keras")
        with pytest.raises(InputError, match=f"{other} and {trained[0]} differ in their layers"):
            open_classifiers(f"{trained[0]},{other}", probes, signs.class_names)
        fewer = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 5)(images))
        other = save(keras.Model(images, fewer), tmp_path / "fewer.keras")
        with pytest.raises(InputError, match="gives 2 classes, the data set has 3"):
            open_classifiers(f"{trained[0]},{other}", probes, signs.class_names)


def test_what_a_network_says_of_an_image():
    scores = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]], np.float32)
    said = answers(scores, np.array([0, 2]))
    assert said["predicted"].tolist() == [0, 0]
    np.testing.assert_allclose(said["confidence"], np.e**2 / (np.e**2 + np.e + 1), rtol=1e-6)
    assert said["margin"].tolist() == [1.0, -2.0]
