"""Networks as people save them: each row of docs/networks.md is one of these, and its right accuracy is known."""

import re
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

from pipelines.classifier import Predictor, answers, load_predictor, open_classifier
from pipelines.errors import InputError
from pipelines.preprocessing import SCALES, usual_readings
from pipelines.signs import Signs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "networks.md"
CLASSES, SIDE, EVERY = 12, 8, 6
RIGHT = 1 - 1 / EVERY
"""Share of the images whose label is the colour that they show."""
NAMES = tuple(f"sign {label}" for label in range(CLASSES))
STRINGS = sorted(range(CLASSES), key=str)


def colours() -> np.ndarray:
    """A colour a class, (12, 3): no two are alike in brightness or in hue, with red and blue changed or not."""
    turns = 2 * np.pi * (np.arange(CLASSES) * 5 % CLASSES) / CLASSES + 0.2
    across, along = np.array([1, -0.509, 0]), np.array([-0.114, -0.114, 1.0 - 0.114])
    hues = np.cos(turns)[:, None] * across + np.sin(turns)[:, None] * along
    return 20 + 12 * np.arange(CLASSES)[:, None] + 16 * hues


def some_signs(count: int, seed: int) -> Signs:
    """Images of one colour with a little noise; every sixth has a wrong label."""
    random = np.random.default_rng(seed)
    shown = np.arange(count) // 2 % CLASSES
    images = colours()[shown][:, None, None, :] + random.normal(0, 0.5, (count, SIDE, SIDE, 3))
    wrong = np.arange(count) // 2 % EVERY == random.permutation(EVERY)[0]
    labels = np.where(wrong, (shown + 1) % CLASSES, shown)
    names = np.array([f"{seed}/{place}" for place in range(count)])
    order = random.permutation(count)
    return Signs(names, labels, names, images.clip(0, 255).astype(np.uint8)).take(order)


BESIDE, MEASURED = some_signs(480, 1), some_signs(240, 2)


def network(scale="255", *, channels="rgb", first=False, head="logits", order=None, wrap=None) -> keras.Model:
    """Names the nearest colour, of images that are read in one way: any other way brings it far from them."""
    forced = scale if channels == "grey" else f"{scale}:{channels}"
    (reading,) = usual_readings(BESIDE.image, forced, grey=channels == "grey", channels_first=first)
    seen = np.asarray(reading(np.tile(colours()[:, None, None, :], (1, SIDE, SIDE, 1)).astype(np.float32)))
    seen = seen.mean(axis=(2, 3) if first else (1, 2))
    if scale == "image":  # else it would not matter to a linear network how images of one contrast are scaled
        seen, wrap = np.maximum(seen, 0), keras.layers.ReLU()
    apart = np.square(seen[:, None] - seen[None]).sum(-1)
    sharp = 6 / apart[apart > 0].min()
    planes = seen.shape[1]
    images = keras.Input((planes, SIDE, SIDE) if first else (SIDE, SIDE, planes), name="images")
    inner = images if wrap is None else wrap(images)
    order_of = "channels_first" if first else "channels_last"
    pooled = keras.layers.GlobalAveragePooling2D(data_format=order_of)(inner)
    places = list(range(CLASSES)) if order is None else order
    last = keras.layers.Dense(CLASSES, name="scores")
    scores = last(pooled)
    last.set_weights([(2 * sharp * seen.T)[:, places], (-sharp * np.square(seen).sum(axis=1))[places]])
    if head == "logits":
        return keras.Model(images, scores)
    if head.startswith("sigmoid"):  # one against the rest: 0.95 for the nearest colour, less than 0.05 for any other
        scores = scores - keras.ops.max(scores, axis=-1, keepdims=True) + 3
    activation, dtype = head.split()
    return keras.Model(images, keras.layers.Activation(activation, dtype=dtype)(scores))


def write(folder: Path, model: keras.Model, name: str = "network.keras") -> str:
    model.save(folder / name)
    return str(folder / name)


def right(name: str, **forced: str) -> tuple[float, str]:
    """The share of the measured images that a network names right as it is opened, and how it reads them."""
    classifier = open_classifier(name, BESIDE, NAMES, **forced)
    scores = Predictor(classifier.load(), classifier, 64)(MEASURED.image)
    return float((scores.argmax(axis=1) == MEASURED.label).mean()), classifier.said["reads"]


def saved_model(folder: Path) -> str:
    network("1").export(folder / "saved", verbose=False)
    return str(folder / "saved")


def both(folder: Path, outputs) -> str:
    model = network("-1")
    other = keras.layers.Dense(4, name="shape")(model.get_layer("scores").output)
    return write(folder, keras.Model(model.input, outputs(other, model.output)))


def function(folder: Path, body: str, name: str = "predict") -> str:
    (folder / "mine.py").write_text(textwrap.dedent(body))
    return f"{folder}/mine.py:{name}"


def own(folder: Path) -> str:
    """Any framework: here numpy alone, with a reading of its own (YUV would do as well)."""
    np.save(folder / "colours.npy", colours())
    return function(
        folder,
        """
        from pathlib import Path

        import numpy as np

        colours = np.load(Path(__file__).with_name("colours.npy"))

        def predict(images):
            assert images.dtype == np.uint8
            return -np.square(images.mean(axis=(1, 2))[:, None] - colours).sum(axis=-1) / 100
        """,
    )


TAKEN = {
    **{
        f"reads {scale}": lambda folder, scale=scale: write(folder, network(scale))
        for scale in SCALES
        if scale != "caffe"
    },
    **{
        f"reads {scale}, BGR": lambda folder, scale=scale: write(folder, network(scale, channels="bgr"))
        for scale in ("255", "1", "-1", "imagenet", "caffe")
    },
    **{
        f"reads {scale}, grey": lambda folder, scale=scale: write(folder, network(scale, channels="grey"))
        for scale in ("255", "1", "-1")
    },
    "channels first": lambda folder: write(folder, network("1", first=True)),
    "softmax": lambda folder: write(folder, network(head="softmax float32")),
    "float16 softmax": lambda folder: write(folder, network(head="softmax float16")),
    "sigmoid": lambda folder: write(folder, network(head="sigmoid float32")),
    "strings": lambda folder: write(folder, network("-1", order=STRINGS)),
    ".h5": lambda folder: write(folder, network("1"), "network.h5"),
    ".hdf5": lambda folder: write(folder, network("1"), "network.hdf5"),
    "SavedModel": saved_model,
    "several outputs": lambda folder: both(folder, lambda other, scores: [other, scores]),
    "dict of outputs": lambda folder: both(folder, lambda other, scores: {"kind": other, "sign": scores}),
    "my.py:predict": own,
}


@keras.saving.register_keras_serializable(package="elsewhere")
class Doubled(keras.layers.Layer):
    """A layer whose code the reader of the file does not have."""

    def call(self, images):
        return images * 2


def custom(folder: Path) -> str:
    name = write(folder, network(wrap=Doubled()))
    keras.saving.get_custom_objects().pop("elsewhere>Doubled")
    return name


def subclassed(folder: Path) -> str:
    @keras.saving.register_keras_serializable(package="elsewhere")
    class Own(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.last = keras.layers.Dense(CLASSES)

        def call(self, images):
            return self.last(keras.ops.mean(images, axis=(1, 2)))

    model = Own()
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))
    name = write(folder, model)
    keras.saving.get_custom_objects().pop("elsewhere>Own")
    return name


def weights_alone(folder: Path) -> str:
    network().save_weights(folder / "network.weights.h5")
    (folder / "network.weights.h5").rename(folder / "network.h5")
    return str(folder / "network.h5")


def foreign(ending: str):
    def make(folder: Path) -> str:
        (folder / f"network{ending}").write_bytes(b"something")
        return str(folder / f"network{ending}")

    return make


def two_inputs(folder: Path) -> str:
    one, other = keras.Input((SIDE, SIDE, 3)), keras.Input((SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([one, other]))
    return write(folder, keras.Model([one, other], keras.layers.Dense(CLASSES)(pooled)))


def vector(folder: Path) -> str:
    return write(folder, keras.Sequential([keras.Input((SIDE * SIDE * 3,)), keras.layers.Dense(CLASSES)]))


def shaped(folder: Path, side: int, planes: int, classes: int) -> str:
    layers = [keras.Input((side, side, planes)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes)]
    return write(folder, keras.Sequential(layers))


REFUSED = {
    "Lambda layer": lambda folder: write(folder, network(wrap=keras.layers.Lambda(lambda images: images * 2))),
    "custom layer": custom,
    "subclassed model": subclassed,
    "weights alone": weights_alone,
    "PyTorch": foreign(".pt"),
    "ONNX": foreign(".onnx"),
    "TensorFlow Lite": foreign(".tflite"),
    "two inputs": two_inputs,
    "vectors": vector,
    "other size": lambda folder: shaped(folder, 16, 3, CLASSES),
    "other planes": lambda folder: shaped(folder, SIDE, 4, CLASSES),
    "other classes": lambda folder: shaped(folder, SIDE, 3, 5),
    "damaged .h5": foreign(".h5"),
    "damaged .keras": foreign(".keras"),
    "no function named": lambda folder: function(folder, "def predict(images): return images").partition(":")[0],
    "no such function": lambda folder: function(folder, "def predict(images): return images", "other"),
    "function that fails": lambda folder: function(folder, "def predict(images):\n    raise ValueError('no')"),
    "function of other scores": lambda folder: function(folder, "def predict(images):\n    return images"),
    "function that exits": lambda folder: function(folder, "import sys\nsys.exit(0)"),
}


def rows(title: str) -> dict[str, str]:
    """The second column of a table of the page by its first."""
    part = PAGE.read_text().split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", part, flags=re.MULTILINE)[1:]
    return {name.strip("` "): line.strip() for name, line in found if not name.startswith("---")}


def test_the_page_lists_all_forms():
    assert set(rows("What is taken")) == set(TAKEN)
    assert set(rows("What is refused")) == set(REFUSED)


@pytest.mark.parametrize("form", TAKEN)
def test_what_is_taken_is_read_right(form, tmp_path):
    share, reads = right(TAKEN[form](tmp_path))
    assert share == RIGHT
    assert reads == rows("What is taken")[form].strip("`")


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_refused_says_what_it_is_and_what_to_do(form, tmp_path):
    with pytest.raises(InputError) as refused:
        open_classifier(REFUSED[form](tmp_path), BESIDE, NAMES)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith("--model ")
    for part in rows("What is refused")[form].strip("`").split(" ... "):
        assert part in said


@pytest.mark.parametrize("head", ["softmax float32", "softmax float16", "sigmoid float32"])
def test_probabilities_are_known_as_such_so_confidence_is_right(head, tmp_path):
    """As logits they would all have a confidence of some 0.2: the calibration error was 0.83."""
    classifier = open_classifier(write(tmp_path, network(head=head)), BESIDE, NAMES)
    said = answers(Predictor(classifier.load(), classifier, 64)(MEASURED.image), MEASURED.label)
    assert classifier.outputs != "logits"
    assert said["confidence"].mean() > 0.6


@pytest.mark.parametrize("order", ["auto", "strings"])
def test_the_order_of_strings_is_found_on_other_images_and_said(order, tmp_path, caplog):
    caplog.set_level("INFO", "pipelines")
    classifier = open_classifier(write(tmp_path, network(order=STRINGS)), BESIDE, NAMES, class_order=order)
    assert list(classifier.order) == STRINGS
    assert "classes in the order of strings" in caplog.text


def test_what_is_forced_is_not_tried(tmp_path, caplog):
    name = write(tmp_path, network("-1", order=STRINGS))
    assert right(name, pixel_range="-1", class_order="strings")[0] == RIGHT
    assert right(name, pixel_range="-1", class_order="numbers")[0] < 0.5
    assert "WARNING" in caplog.text
    assert "--class-order" in caplog.text
    given = ",".join(map(str, STRINGS))
    assert right(name, class_order=given)[0] == RIGHT
    for forced, line in (
        ({"pixel_range": "3"}, "--pixel-range 3: choose auto"),
        ({"class_order": "1,2"}, "--class-order"),
    ):
        with pytest.raises(InputError, match=line):
            open_classifier(name, BESIDE, NAMES, **forced)


def test_a_network_that_no_way_fits_is_warned_of_with_the_usual_causes(tmp_path, caplog):
    random = np.random.default_rng(0).permutation(CLASSES).tolist()
    open_classifier(write(tmp_path, network(order=random)), BESIDE, NAMES)
    assert "WARNING" in caplog.text
    assert "usual causes" in caplog.text


@pytest.mark.parametrize("form", [".h5", "SavedModel", "my.py:predict"])
def test_a_worker_loads_it_from_what_travels(form, tmp_path, monkeypatch):
    monkeypatch.setattr("tensorflow.config.threading.set_intra_op_parallelism_threads", lambda threads: None)
    monkeypatch.setattr("tensorflow.config.threading.set_inter_op_parallelism_threads", lambda threads: None)
    classifier = open_classifier(TAKEN[form](tmp_path), BESIDE, NAMES)
    own = Predictor(classifier.load(), classifier, 64)(MEASURED.image)
    there = load_predictor(classifier.content(), classifier, batch_size=64, threads=1)
    np.testing.assert_array_equal(there(MEASURED.image), own)
