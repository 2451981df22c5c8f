"""Features of real images, kept in a file: they are the same in every training that is scored by the same network."""

import hashlib
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan.scores.extractors import Extractor


def cached_features(folder: Path, extractor: Extractor, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Features (N, D) of images (N, H, W, 3), extracted once and then read.

    Args:
        folder: Where they are kept, in files that are named by the network and the images.
        extractor: The network.
        images: Those of a real set; files of generated ones would never be read again.

    Raises:
        ValueError: the images are of another kind or size than the network takes.
    """
    key = hashlib.sha256(repr(images.shape).encode())
    key.update(np.ascontiguousarray(images).data)
    path = folder / f"{extractor.name}-{extractor.hash}-{key.hexdigest()[:16]}.npy"
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # not there yet, or damaged
        features = extractor.features(images)
    with suppress(OSError):  # a folder that cannot be written costs time, not the training
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{os.getpid()}-{path.name}")  # trials of a search come here at once
        with beside.open("wb") as file:
            np.save(file, features)
        beside.replace(path)
    return features
