"""Fixtures that every test folder shares."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as pipelines.quiet does: the fast kernels, on CPUs with AVX2 too
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
os.environ["PYTHONPATH"] = str(ROOT)  # for the processes that tests start in other folders


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real data not found: ../shared is absent")
    return SHARED


@pytest.fixture
def random() -> np.random.Generator:
    """Draws the same in every test, whichever ran before."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making its tables takes seconds, copying it none."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    mlflow.search_experiments()
    return path


@pytest.fixture
def tracked(migrated_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an MLflow database of its own, to which all that the test logs goes."""
    import mlflow

    shutil.copy(migrated_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)  # it is in another test's database
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    yield tmp_path
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture(scope="session")
def undeclared() -> Callable[..., set[str]]:
    """What an entry point left in a folder, checkpoints aside, and does not say that it leaves."""

    def look(folder: Path, leaves: Sequence[str]) -> set[str]:
        names = {line.split("/")[0] for line in (folder / "sign-to-noise.files").read_text().splitlines()}
        return {name for name in names if not any(fnmatch(name, one) for one in (*leaves, "checkpoint-*.npz"))}

    return look


@pytest.fixture
def eagerly() -> Iterator[None]:
    """For trainings of a few steps: to compile one takes seconds."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray of two CPUs for all tests that need one."""
    import ray

    from pipelines.cluster import connect

    connect()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def write_signs() -> Callable[..., Path]:
    """Write the prepared form of signs of one colour each: a class is easy to tell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.findings import IDENTITY, content_digest, image_digest

    names = ("red", "green", "blue")

    def write(
        folder: Path, *, counts: dict[str, int], size: int = 16, shuffled: bool = False, group: int = 512
    ) -> Path:
        folder.mkdir(parents=True)
        digests = {}
        for split, count in ((split, count) for split, count in counts.items() if count):
            random = np.random.default_rng(len(split))
            labels = np.arange(count) % 3
            images = random.integers(0, 90, (count, size, size, 3))
            images[np.arange(count), :, :, labels] += 120
            order = random.permutation(count) if shuffled else np.arange(count)
            columns = {
                "image_id": [f"{split}/{index:05d}" for index in order],
                "split": [split] * count,
                "label": labels[order],
                "track": [f"{split}/{index // 3}" for index in order],
                "width": pa.array([size] * count, pa.int32()),
                "height": pa.array([size] * count, pa.int32()),
                "image": pa.FixedShapeTensorArray.from_numpy_ndarray(images[order].astype(np.uint8)),
            }
            rows = zip(*(columns[name] for name in IDENTITY), images[order].astype(np.uint8), strict=True)
            digests |= {row[0]: image_digest(row[0], row[1], int(row[2]), row[3], row[4]) for row in rows}
            pq.write_table(pa.table(columns), folder / f"{split}-00000.parquet", row_group_size=group)
        described = {
            "name": "colours", "class_names": names, "size": size, "source": "here", "seed": 0,
            "digest": content_digest(digests), "validation_share": 0.2, "crop": False, "key": "k", "notes": [],
            "counts": {split: [(count + 2 - k) // 3 for k in range(3)] for split, count in counts.items()},
        }  # fmt: skip
        (folder / "dataset.json").write_text(json.dumps(described))
        return folder

    return write


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.keras` classifier that tells the three colours: float32 images in 0..255 in, logits out."""
    import keras

    images = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 255)(images)
    local = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="local")(scaled)
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(local)))
    kernel = np.full((3, 3, 3, 3), -0.2) + 0.9 * np.eye(3)
    model.get_layer("local").set_weights([kernel.astype(np.float32)])
    path = tmp_path_factory.mktemp("model") / "colours.keras"
    model.save(path)
    return path
