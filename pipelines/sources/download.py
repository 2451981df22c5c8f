"""GTSRB from its official archive, kept in a cache."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pipelines.errors import InputError
from pipelines.sources.official import LABELS_ARCHIVE, TEST_ARCHIVE, TRAIN_ARCHIVE

BASE_URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
MD5 = {
    TRAIN_ARCHIVE: "f33fd80ac59bff73c82d25ab499e03a3",
    TEST_ARCHIVE: "c7e4e6327067d32654124b0fe9e82185",
    LABELS_ARCHIVE: "fe31e9c9270bbcd7b84b7f21a9d9d9e5",
}
TIMEOUT = 30.0
"""Seconds without an answer after which the server counts as unreachable."""

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where downloads and prepared data sets are kept: $SIGN_TO_NOISE_CACHE, or the cache of the user."""
    if given := os.environ.get("SIGN_TO_NOISE_CACHE"):
        return Path(given)
    import pooch

    return Path(pooch.os_cache("sign-to-noise"))


def download(folder: Path, *, base_url: str = BASE_URL, md5: dict[str, str] = MD5) -> Path:
    """Fetch the archives that are not complete in the folder yet, with a progress bar, and return the folder.

    Raises:
        InputError: the server cannot be reached, lacks a file, or sends one with another checksum.
    """
    import pooch
    import requests

    store = pooch.create(folder, base_url, registry={name: f"md5:{checksum}" for name, checksum in md5.items()})
    pooch.get_logger().setLevel(logging.WARNING)
    for name in md5:
        try:
            store.fetch(name, downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT))
        except (requests.RequestException, OSError, ValueError) as error:
            raise InputError(
                f"{base_url}{name}: cannot be downloaded ({_reason(error)}): try again later, or put the archives "
                f"{', '.join(md5)} in a folder and pass --data FOLDER"
            ) from error
    return folder


def _reason(error: Exception) -> str:
    """The innermost cause in a few words: requests wraps it in several layers."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"
