from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gan.scores.cache import cached_features
from gan.scores.extractors import Extractor


@pytest.fixture
def extractor():
    """Three features: the mean of each channel. A real network takes TensorFlow, and seconds to import."""
    network = SimpleNamespace(input_shape=(None, 8, 8, 3), predict_on_batch=lambda images: images.mean(axis=(1, 2)))
    return Extractor("means", 3, "0123456789ab", 8, network, None)


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
    with_other_name = cached_features(folder, replace(extractor, name="other"), few)
    np.testing.assert_array_equal(with_other_name, few.mean(axis=(1, 2), dtype=np.float32))
    assert len(calls) == 5
    assert len(list(folder.iterdir())) == 5


def test_a_damaged_file_is_made_again(extractor, tiny_images, tmp_path):
    found = cached_features(tmp_path, extractor, tiny_images)
    (path,) = tmp_path.iterdir()
    for content in (b"", b"PK\x03\x04 torn", b"\x93NUMPY"):
        path.write_bytes(content)
        np.testing.assert_array_equal(cached_features(tmp_path, extractor, tiny_images), found)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_costs_no_features(extractor, tiny_images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = cached_features(tmp_path / "file" / "folder", extractor, tiny_images)
    np.testing.assert_array_equal(found, extractor.features(tiny_images))
