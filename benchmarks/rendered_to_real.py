"""Train a CNN on rendered signs alone and measure it on real GTSRB test images.

Run as `python -m benchmarks.rendered_to_real --images 43000 --epochs 8`; writes results/rendered_to_real.json.
"""

import argparse
import csv
import io
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.record import RESULTS, Target, write_result
from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.sources.rendered import render

ROOT = Path(__file__).resolve().parents[1]
Images = NDArray[np.uint8]


def main() -> None:
    """Render, train, classify the real test images, write the result."""
    options = _options()
    start = time.perf_counter()
    model = train_on_rendered(options.images, options.epochs, options.seed)
    images, labels = read_real_test(options.real)
    predicted = model.predict(images.astype(np.float32), batch_size=256, verbose=0).argmax(axis=1)
    result = _score(labels, predicted) | {
        "train_images": options.images,
        "epochs": options.epochs,
        "seed": options.seed,
        "parameters": model.count_params(),
        "seconds": round(time.perf_counter() - start, 1),
    }
    target = Target("accuracy on real test images of a CNN trained on rendered signs", result["accuracy"], at_least=0.6)
    write_result(options.output, result, targets=[target], packages=("tensorflow", "keras"))
    sys.stdout.write(f"accuracy on {len(labels)} real test images: {result['accuracy']:.4f} ({options.output})\n")


def train_on_rendered(images: int, epochs: int, seed: int) -> keras.Model:
    """A small CNN trained on `images` rendered signs, all classes alike."""
    keras.utils.set_random_seed(seed)
    labels = np.arange(images) % len(CLASS_NAMES)
    signs = render(labels, keys=[f"train/{i}" for i in range(images)], seed=seed).astype(np.float32)
    model = small_cnn(len(CLASS_NAMES))
    batch = 128
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-6, epochs * images // batch, warmup_target=2e-3, warmup_steps=images // batch
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
        jit_compile=False,  # oneDNN is far faster than XLA on a CPU
    )
    model.fit(signs, keras.utils.to_categorical(labels), batch_size=batch, epochs=epochs, verbose=2)
    return model


def small_cnn(classes: int) -> keras.Model:
    """Four convolutions on the image standardised by its own mean and spread; logits out."""
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)(inputs)
    for filters, kernel, strides, pool in ((32, 5, 2, False), (64, 3, 1, True), (96, 3, 1, True), (128, 3, 1, False)):
        x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D()(x) if pool else x
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(192, use_bias=False)(x)))
    return keras.Model(inputs, layers.Dense(classes)(layers.Dropout(0.2)(x)))


def read_real_test(folder: Path) -> tuple[Images, NDArray[np.int64]]:
    """The official test images (N, 32, 32, 3) and their classes from the archives in `folder`."""
    with zipfile.ZipFile(folder / "GTSRB_Final_Test_GT.zip") as archive:
        text = archive.read("GT-final_test.csv").decode()
    classes = {row["Filename"]: int(row["ClassId"]) for row in csv.DictReader(io.StringIO(text), delimiter=";")}
    with zipfile.ZipFile(folder / "GTSRB_Final_Test_Images.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".ppm"))
        images = np.stack([_decode(archive.read(name)) for name in names])
    return images, np.array([classes[Path(name).name] for name in names])


def _decode(data: bytes) -> Images:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA)[:, :, ::-1], np.uint8)


def _score(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, Any]:
    correct = labels == predicted
    interval = binomtest(int(correct.sum()), len(correct)).proportion_ci(method="wilson")
    recall = {name: round(float(correct[labels == k].mean()), 4) for k, name in enumerate(CLASS_NAMES)}
    return {
        "accuracy": round(float(correct.mean()), 4),
        "wilson_95": [round(interval.low, 4), round(interval.high, 4)],
        "test_images": len(labels),
        "balanced_accuracy": round(float(np.mean(list(recall.values()))), 4),
        "recall": recall,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=43000, help="rendered training images")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--real", type=Path, default=ROOT.parent / "shared" / "gtsrb", help="folder of the official archives"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "rendered_to_real.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
