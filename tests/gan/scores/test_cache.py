from dataclasses import replace

import numpy as np
import pytest

from gan.scores.cache import cached_features
from gan.scores.extractors import load_extractor


@pytest.fixture
def extractor(tiny_classifier):
    return load_extractor("tiny_cnn8", tiny_classifier)


def test_features_are_extracted_once_for_each_network_and_set(extractor, tiny_images, tmp_path, monkeypatch):
    calls = []
    extract = type(extractor).features
    monkeypatch.setattr(type(extractor), "features", lambda self, images: calls.append(1) or extract(self, images))
    folder, few = tmp_path / "new", tiny_images[:20]
    found, again = cached_features(folder, extractor, few), cached_features(folder, extractor, few)
    np.testing.assert_array_equal(again, found)
    assert len(calls) == 1
    for other, images in ((replace(extractor, hash="abc"), few), (extractor, few[::-1]), (extractor, few[:19])):
        cached_features(folder, other, images)
    assert len(calls) == 4
    assert len(list(folder.iterdir())) == 4


def test_a_damaged_file_is_made_again(extractor, tiny_images, tmp_path):
    found = cached_features(tmp_path, extractor, tiny_images)
    (path,) = tmp_path.iterdir()
    for content in (b"", b"PK\x03\x04 torn", b"\x93NUMPY"):
        path.write_bytes(content)
        np.testing.assert_array_equal(cached_features(tmp_path, extractor, tiny_images), found)
    assert list(tmp_path.iterdir()) == [path]
