import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory):
    """A `.keras` classifier of 8 x 8 images: 12 features, 5 classes."""
    import keras

    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = keras.layers.Conv2D(12, 3, strides=2, activation="relu")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(images, keras.layers.Dense(5, name="logits", bias_initializer="normal")(x))
    path = tmp_path_factory.mktemp("extractor") / "tiny.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def tiny_images():
    """Images of blobs, 8 x 8: (300, 8, 8, 3) in uint8."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (300, 2, 2, 3))
    noise = random.normal(0, 10, (300, 8, 8, 3))
    return np.clip(coarse.repeat(4, axis=1).repeat(4, axis=2) + noise, 0, 255).astype(np.uint8)
