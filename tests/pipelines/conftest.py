"""Small data sets in every layout that `prepare` reads, made by the tests themselves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pipelines import ingest

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.sources.plan import Plan

CLASSES = 43
FIELDS = "Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


def encoded(seed: int, kind: str = "PPM", side: int = 8) -> bytes:
    """A random image as the bytes of a file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def official_files(tracks: int = 3, frames: int = 2) -> dict[str, bytes]:
    """The files of the three official archives, by their names in them; recorded as 16 x 16, stored as 8 x 8."""
    files: dict[str, bytes] = {}
    images, labels = "GTSRB/Final_Training/Images", [f"Filename;{FIELDS}"]
    for label in range(CLASSES):
        rows = [f"Filename;{FIELDS}"]
        for track, frame in np.ndindex(tracks, frames):
            name = f"{track:05d}_{frame:05d}.ppm"
            files[f"{images}/{label:05d}/{name}"] = encoded(len(files))
            rows.append(f"{name};16;16;4;4;11;11;{label}")
        files[f"{images}/{label:05d}/GT-{label:05d}.csv"] = "\r\n".join(rows).encode()
        files[f"GTSRB/Final_Test/Images/{label:05d}.ppm"] = encoded(10_000 + label)
        labels.append(f"{label:05d}.ppm;16;16;4;4;11;11;{label}")
    files["GTSRB/Final_Test/Images/GT-final_test.test.csv"] = f"Filename;{FIELDS}".removesuffix(";ClassId").encode()
    files["GT-final_test.csv"] = "\r\n".join(labels).encode()
    return files


def archived(files: dict[str, bytes], folder: Path) -> Path:
    """The files packed as the three official archives."""
    folder.mkdir(parents=True, exist_ok=True)
    for archive, part in (
        ("GTSRB_Final_Training_Images.zip", "Final_Training"),
        ("GTSRB_Final_Test_Images.zip", "Final_Test"),
        ("GTSRB_Final_Test_GT.zip", "GT-final_test.csv"),
    ):
        members = {name: content for name, content in files.items() if part in name.split("/")}
        packed(members, folder / archive)
    return folder


def packed(files: dict[str, bytes], path: Path) -> Path:
    """The files packed as one archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    """The files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def kaggle_files(tracks: int = 2, frames: int = 2) -> dict[str, bytes]:
    """The Kaggle layout."""
    header = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path"
    files: dict[str, bytes] = {}
    train, test = [header], [header]
    for label in range(CLASSES):
        for track, frame in np.ndindex(tracks, frames):
            name = f"Train/{label}/{label:05d}_{track:05d}_{frame:05d}.png"
            files[name] = encoded(len(files), "PNG")
            train.append(f"16,16,4,4,11,11,{label},{name}")
        files[f"Test/{label:05d}.png"] = encoded(10_000 + label, "PNG")
        test.append(f"16,16,4,4,11,11,{label},Test/{label:05d}.png")
    return {**files, "Train.csv": "\n".join(train).encode(), "Test.csv": "\n".join(test).encode()}


def class_files(images: int = 10) -> dict[str, bytes]:
    """Three class folders of PNG images."""
    names = (f"{name}/{index}.png" for name in ("ash", "birch", "cherry") for index in range(images))
    return {name: encoded(seed, "PNG") for seed, name in enumerate(names)}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_TO_NOISE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process, where a test is not about Ray: its first task takes seconds to start."""

    def decoded(plan: Plan, *, size: int, crop: bool) -> Iterator[pa.Table]:
        for block in ingest._blocks(plan.rows, size):
            yield ingest.decode_block(block, load=plan.load, size=size, crop=crop)

    monkeypatch.setattr(ingest, "_decoded", decoded)


@pytest.fixture
def make() -> Makers:
    """The makers of this file, for tests in folders that cannot import it."""
    return Makers()


class Makers:
    """Functions that make files and data sets."""

    encoded: Callable[..., bytes] = staticmethod(encoded)
    official_files: Callable[..., dict[str, bytes]] = staticmethod(official_files)
    kaggle_files: Callable[..., dict[str, bytes]] = staticmethod(kaggle_files)
    class_files: Callable[..., dict[str, bytes]] = staticmethod(class_files)
    archived: Callable[[dict[str, bytes], Path], Path] = staticmethod(archived)
    packed: Callable[[dict[str, bytes], Path], Path] = staticmethod(packed)
    unpacked: Callable[[dict[str, bytes], Path], Path] = staticmethod(unpacked)
