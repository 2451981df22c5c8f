import keras
import numpy as np
import pytest

from gan.scores.extractors import load_extractor, score_name
from gan.scores.moments import Moments


@pytest.fixture(scope="module")
def extractor(tiny_classifier):
    return load_extractor("tiny_cnn8", tiny_classifier)


def test_features_and_head_make_the_logits_of_the_classifier(extractor, tiny_classifier, tiny_images):
    features = extractor.features(tiny_images)
    assert (extractor.name, extractor.dimension, extractor.size) == ("tiny_cnn8", 12, 8)
    assert features.shape == (300, 12)
    wanted = keras.saving.load_model(tiny_classifier).predict(tiny_images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(extractor.logits(features), wanted, rtol=1e-4, atol=1e-5)


def test_batches_serve_streaming_statistics(extractor, tiny_images, monkeypatch):
    whole = Moments.of(extractor.features(tiny_images))
    monkeypatch.setattr("gan.scores.extractors.BATCH", 70)
    streamed = Moments.of_batches(extractor.batches(tiny_images))
    assert streamed.n == 300
    np.testing.assert_allclose(streamed.covariance, whole.covariance, rtol=1e-4, atol=1e-7)


def test_the_hash_is_of_the_weights_and_not_of_the_file(extractor, tiny_classifier, tmp_path):
    model = keras.saving.load_model(tiny_classifier)
    model.save(tmp_path / "same.keras")
    assert load_extractor("other_name", tmp_path / "same.keras").hash == extractor.hash
    assert len(extractor.hash) == 12
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + 1])
    model.save(tmp_path / "changed.keras")
    assert load_extractor("tiny_cnn8", tmp_path / "changed.keras").hash != extractor.hash


@pytest.mark.slow
def test_mobilenet_from_its_weights(shared, tiny_images):
    weights = next((shared / "weights").glob("mobilenet_v2*"), None)
    if weights is None:
        pytest.skip("no weights of MobileNetV2")
    extractor = load_extractor("mobilenet_v2", weights)
    features = extractor.features(tiny_images[:4])
    assert features.shape == (4, extractor.dimension) == (4, 1280)
    assert np.isfinite(features).all()
    assert np.ptp(features, axis=0).max() > 0.1
    with pytest.raises(ValueError, match="mobilenet_v2: these weights have no last layer, so no logits; give weights"):
        extractor.logits(features)


@pytest.mark.parametrize("name", ["mobilenet_v2", "inception_v3"])
def test_weights_with_a_top_give_logits(name, tmp_path, monkeypatch, tiny_images):
    """Tiny stand-ins of the networks of keras.applications: the real ones take seconds."""
    from gan.scores import extractors

    def make(weights, include_top, input_shape, classifier_activation, pooling):
        assert (classifier_activation, pooling) == (None, "avg")
        images = keras.Input(input_shape)
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(6, 3, strides=8)(images))
        model = keras.Model(images, keras.layers.Dense(9)(x) if include_top else x)
        if weights:
            model.load_weights(weights)
        return model

    monkeypatch.setattr(keras.applications, extractors.IMAGENET[name][0], make)
    side = extractors.IMAGENET[name][1]
    for top in (True, False):
        made = make(None, top, (side, side, 3), None, "avg")
        made.save_weights(tmp_path / f"{top}.weights.h5")
        extractor = load_extractor(name, tmp_path / f"{top}.weights.h5")
        assert (extractor.dimension, extractor.size, extractor.head is None) == (6, side, not top)
        features = extractor.features(tiny_images[:2])
        if top:
            resized = keras.ops.image.resize(tiny_images[:2].astype(np.float32), (side, side), antialias=True)
            wanted = made.predict(np.asarray(resized) / 127.5 - 1, verbose=0)
            np.testing.assert_allclose(extractor.logits(features), wanted, rtol=1e-3, atol=1e-4)
    (tmp_path / "torn.weights.h5").write_bytes(b"torn")
    with pytest.raises(ValueError, match=rf"torn\.weights\.h5: no weights of {name} .*give the path of a file of them"):
        load_extractor(name, tmp_path / "torn.weights.h5")


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on somewhere\nmore")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(
        ValueError, match=r"^imagenet: no weights of inception_v3 \(URL fetch failure on somewhere\); give"
    ):
        load_extractor("inception_v3", "imagenet")


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.keras: there are no such weights; for gtsrb_cnn64 give the path of a"):
        load_extractor("gtsrb_cnn64", tmp_path / "gone.keras")
    with pytest.raises(ValueError, match=r"gone\.h5: .*for mobilenet_v2 give the path of its weights, or imagenet"):
        load_extractor("mobilenet_v2", tmp_path / "gone.h5")
    (tmp_path / "torn.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"torn\.keras: no classifier for gtsrb_cnn64 .*; give a \.keras file"):
        load_extractor("gtsrb_cnn64", tmp_path / "torn.keras")
    images = keras.Input((8, 8, 3))
    keras.Model(images, keras.layers.GlobalAveragePooling2D(name="pool")(images)).save(tmp_path / "headless.keras")
    with pytest.raises(ValueError, match=r"headless\.keras: its last layer, pool, is not dense"):
        load_extractor("gtsrb_cnn64", tmp_path / "headless.keras")
    with pytest.raises(ValueError, match="extractor name 'My CNN': give lower-case letters"):
        load_extractor("My CNN", tmp_path)


def test_images_of_another_kind_or_size(extractor, tiny_images):
    for wrong in (tiny_images / 255, tiny_images[:, :7], tiny_images[..., :1], tiny_images[:0]):
        with pytest.raises(ValueError, match=r"tiny_cnn8: images .*; give uint8 images \(N, 8, 8, 3\)"):
            extractor.features(wrong)


def test_bare_names_are_those_of_inception_alone():
    assert [score_name(score, "inception_v3") for score in ("fd", "kd", "is", "fd_infinity", "kd_spread")] == [
        "fid", "kid", "is", "fid_infinity", "kid_spread",
    ]  # fmt: skip
    assert score_name("fd", "gtsrb_cnn64") == "fd_gtsrb_cnn64"
    assert score_name("is", "mobilenet_v2") == "is_mobilenet_v2"
    assert score_name("coverage", "inception_v3") == "coverage_inception_v3"
