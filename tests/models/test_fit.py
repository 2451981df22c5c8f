import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from models.cnn import Style, lenet, residual
from models.fit import Examples, FitHistory, _order, _rarity, fit, predict_logits, training_twin

ROOT = Path(__file__).resolve().parents[2]


def tiny(*, kernel: int = 3) -> keras.Model:
    keras.utils.set_random_seed(1)
    images = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = layers.Conv2D(4, kernel, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(x))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, layers.Dense(3, name="logits")(x))


def coloured(count: int, seed: int) -> Examples:
    """Images of one colour each, red, green or blue, under noise: easy to tell apart."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 3)
    images = random.integers(0, 80, (count, 8, 8, 3))
    images[np.arange(count), :, :, labels] += 120
    return Examples(images.astype(np.uint8), labels)


TRAIN, VALIDATION = coloured(300, 1), coloured(60, 2)


def fit_tiny(model: keras.Model, **options: object) -> FitHistory:
    return fit(model, TRAIN, VALIDATION, **{"epochs": 6, "batch_size": 32, "learning_rate": 0.05, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, FitHistory]:
    model = tiny()
    return model, fit_tiny(model)


def test_learns_what_can_be_learnt(trained: tuple[keras.Model, FitHistory]) -> None:
    model, history = trained
    assert history.best_f1_macro == 1.0
    test = coloured(90, 3)
    assert (predict_logits(model, test.images).argmax(axis=1) == test.labels).mean() == 1.0


def test_history_holds_each_epoch_and_the_schedule(trained: tuple[keras.Model, FitHistory]) -> None:
    _, history = trained
    names = {"loss", "accuracy", "val_accuracy", "val_f1_macro", "learning_rate", "seconds"}
    assert all(set(epoch) == names for epoch in history.epochs)
    rates = [epoch["learning_rate"] for epoch in history.epochs]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-3)


def test_the_best_epoch_is_kept_and_patience_ends_training() -> None:
    model = tiny()
    scores: list[float] = []
    history = fit_tiny(model, epochs=12, patience=3, on_epoch=lambda _, numbers: scores.append(numbers["val_f1_macro"]))
    assert len(scores) == history.best_epoch + 4 < 12
    assert history.best_f1_macro == max(scores)
    predicted = predict_logits(model, VALIDATION.images).argmax(axis=1)
    assert (predicted == VALIDATION.labels).mean() == history.epochs[history.best_epoch]["val_accuracy"]


def test_the_same_seed_gives_the_same_training() -> None:
    models = tiny(), tiny()
    for model in models:
        fit_tiny(model, epochs=2)
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_interrupted_training_continues_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, stopped, continued = tiny(), tiny(), tiny()
    fit_tiny(whole, epochs=4, augment=noisy)

    def interrupt(epoch: int, _: dict[str, float]) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    file = tmp_path / "checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        fit_tiny(stopped, epochs=4, augment=noisy, checkpoint=file, on_epoch=interrupt)
    told: list[int] = []
    history = fit_tiny(
        continued, epochs=4, augment=noisy, checkpoint=file, on_epoch=lambda epoch, _: told.append(epoch)
    )
    assert told == [0, 1, 2, 3]
    assert len(history.epochs) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    for one, other in zip(whole.get_weights(), continued.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    first, again = tiny(), tiny()
    options = {"epochs": 12, "patience": 2, "checkpoint": tmp_path / "checkpoint.npz"}
    history = fit_tiny(first, **options)
    assert fit_tiny(again, **options) == history
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    fit_tiny(tiny(), epochs=1, checkpoint=file)
    with pytest.raises(ValueError, match=r"checkpoint\.npz: .*another network"):
        fit_tiny(tiny(kernel=5), epochs=1, checkpoint=file)


def noisy(images: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return (images + random.normal(0, 5, images.shape)).astype(np.float32), labels


def test_augmentation_sees_each_image_once_an_epoch() -> None:
    seen: list[int] = []

    def count(images: np.ndarray, labels: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        seen.extend(images[:, 0, 0].sum(axis=1, dtype=int).tolist())
        return images.astype(np.float32), labels

    fit_tiny(tiny(), epochs=1, batch_size=50, augment=count)
    assert sorted(seen) == sorted(TRAIN.images[:, 0, 0].sum(axis=1, dtype=int).tolist())


def weights_by_epoch(**options: object) -> tuple[keras.Model, list[list[np.ndarray]]]:
    """The trained weights, and after each epoch of one step the weights in training, statistics last."""
    model, steps = tiny(), []
    count = len(model.weights)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.npz"

        def keep(_: int, __: dict[str, float]) -> None:
            with np.load(file) as saved:
                steps.append([saved[f"now_{i}"] for i in range(count)])

        fit(model, TRAIN, None, epochs=4, batch_size=300, checkpoint=file, on_epoch=keep, **options)  # type: ignore[arg-type]
    return model, steps


def ordered(model: keras.Model) -> list[keras.Variable]:
    return [*model.trainable_weights, *model.non_trainable_weights]


def test_without_validation_the_last_epoch_is_kept() -> None:
    model, steps = weights_by_epoch()
    for variable, last in zip(ordered(model), steps[-1], strict=True):
        np.testing.assert_array_equal(variable.numpy(), last)


def test_a_moving_average_of_weights_and_statistics_is_kept() -> None:
    model, steps = weights_by_epoch(ema=0.7)
    average = steps[0]
    for weights in steps[1:]:
        average = [0.7 * kept + 0.3 * now for kept, now in zip(average, weights, strict=True)]
    assert any("moving" in variable.path for variable in model.non_trainable_weights)
    for variable, expected in zip(ordered(model), average, strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-4, atol=1e-6)
    _, plain = weights_by_epoch()
    for one, other in zip(steps[-1], plain[-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_interrupted_training_with_an_average_continues(tmp_path: Path) -> None:
    whole, continued = tiny(), tiny()
    options = {"epochs": 4, "ema": 0.9, "patience": 9}
    fit_tiny(whole, **options)

    def interrupt(epoch: int, _: dict[str, float]) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_tiny(tiny(), **options, checkpoint=tmp_path / "checkpoint.npz", on_epoch=interrupt)
    fit_tiny(continued, **options, checkpoint=tmp_path / "checkpoint.npz")
    for one, other in zip(whole.get_weights(), continued.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("ema", [-0.1, 1.0])
def test_an_average_out_of_range_is_refused(ema: float) -> None:
    with pytest.raises(ValueError, match="0 or more and less than 1"):
        fit_tiny(tiny(), ema=ema)


def unequal() -> Examples:
    labels = np.repeat([0, 1, 2], [256, 64, 16])
    return Examples(np.zeros((len(labels), 8, 8, 3), np.uint8), labels)


def test_rare_classes_are_drawn_or_weighed_by_the_root_of_their_share() -> None:
    few = unequal()
    drawn = _order(_rarity(few.labels), "sampling", np.random.default_rng(0))
    share = np.bincount(few.labels[drawn]) / len(drawn)
    np.testing.assert_allclose(share, np.array([16, 8, 4]) / 28, atol=0.07)
    weights = _rarity(few.labels)
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(weights[[0, 256, 320]] / weights[0], [1, 2, 4], rtol=1e-6)


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balanced_training_learns(balance: str) -> None:
    assert fit_tiny(tiny(), balance=balance).best_f1_macro > 0.95


def test_few_images_make_one_smaller_batch() -> None:
    few = Examples(TRAIN.images[:5], TRAIN.labels[:5])
    assert len(fit(tiny(), few, few, epochs=2, batch_size=128).epochs) == 2


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_are_refused(count: int) -> None:
    few = Examples(TRAIN.images[:count], TRAIN.labels[:count])
    with pytest.raises(ValueError, match="two training images"):
        fit(tiny(), few, VALIDATION, epochs=1)


def test_divergence_is_named() -> None:
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        fit_tiny(tiny(), epochs=2, augment=lambda x, y, _: (np.full(x.shape, np.nan, np.float32), y))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_a_model_that_stays_float32(precision: str) -> None:
    model = tiny()
    assert fit_tiny(model, precision=precision).best_f1_macro > 0.9
    assert {variable.dtype for variable in model.weights} == {"float32"}
    assert model.compute_dtype == "float32"


def test_fused_normalisation_keeps_the_statistics_of_stock_keras() -> None:
    stock = tiny()
    twin = training_twin(stock, "float32", 0)
    images = TRAIN.images[:64].astype(np.float32)
    normal, fused = (next(x for x in m.layers if "batch" in x.name) for m in (stock, twin))
    values = np.random.default_rng(0).normal(3, 2, (64, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(normal(values, training=True), fused(values, training=True), atol=1e-4)
    np.testing.assert_allclose(normal.moving_mean, fused.moving_mean, rtol=1e-4)
    np.testing.assert_allclose(normal.moving_variance, fused.moving_variance, rtol=2e-3)
    np.testing.assert_allclose(stock(images, training=False), twin(images, training=False), rtol=5e-3, atol=1e-3)


def test_each_column_learns_from_its_share_of_a_batch_and_all_answer_together() -> None:
    keras.utils.set_random_seed(1)
    model = residual(3, 16, Style(columns=3, norm="none", dropout=0, width=0.25))
    twin = training_twin(model, "float32")
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(twin(images, training=False), model(images), atol=1e-6)
    apart = keras.Model(model.input, [model.get_layer(f"logits_{number}").output for number in range(3)])
    each = [logits.numpy() for logits in apart(images)]
    shares = [each[row % 3][row] for row in range(8)]
    np.testing.assert_allclose(twin(images, training=True), shares, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_columns_learn_what_can_be_learnt(precision: str) -> None:
    keras.utils.set_random_seed(1)
    model = lenet(3, 16, Style(columns=2, dropout=0.1))
    train, validation = (
        Examples(images.images.repeat(2, axis=1).repeat(2, axis=2), images.labels) for images in (TRAIN, VALIDATION)
    )
    assert fit(model, train, validation, epochs=4, batch_size=32, precision=precision).best_f1_macro > 0.95  # type: ignore[arg-type]


def test_logits_do_not_depend_on_the_batches() -> None:
    model = tiny()
    logits = predict_logits(model, TRAIN.images[:70])
    np.testing.assert_allclose(predict_logits(model, TRAIN.images[:70], batch_size=32), logits, rtol=1e-4, atol=1e-5)
    assert predict_logits(model, TRAIN.images[:0]).shape == (0, 3)


MIRRORED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, "tests/models")
from test_fit import VALIDATION, fit_tiny, predict_logits, tiny
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
model = tiny()
assert fit_tiny(model, strategy=strategy).best_f1_macro > 0.95
assert (predict_logits(model, VALIDATION.images).argmax(axis=1) == VALIDATION.labels).mean() > 0.95
print("mirrored over two devices")
"""


def test_one_model_trains_on_two_devices() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "mirrored over two devices" in done.stdout, done.stderr[-2000:]
