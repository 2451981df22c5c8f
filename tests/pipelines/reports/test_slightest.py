import numpy as np
import pandas as pd
import pytest

from pipelines.reports.slightest import similarity, slightest_cells, slightest_sheet

NAMES = ["Stop", "Yield", "No entry"]


@pytest.fixture
def rows():
    table = {"noise": "salt_pepper", "level": 0.01, "label": [0, 1, 2, 0, 1, 2, 0], "predicted": [1, 2, 0, 1, 2, 0, 1]}
    return pd.DataFrame(table).assign(ssim=0.99)


@pytest.fixture
def pictures():
    clean = np.random.default_rng(0).integers(0, 256, (7, 24, 32, 3), dtype=np.uint8)
    return clean, 255 - clean


def test_each_pair_is_drawn_with_what_it_was_taken_for(rows, pictures):
    figure = slightest_sheet(rows, *pictures, NAMES)
    assert len(figure.axes) == 7
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["Stop", "→ Yield", "salt and pepper 0.01, SSIM 0.9900"]
    (image,) = figure.axes[1].images
    shown = np.asarray(image.get_array())
    np.testing.assert_array_equal(shown[:, :32], pictures[0][1])
    np.testing.assert_array_equal(shown[:, -32:], pictures[1][1])


def test_cells_of_the_page(rows, pictures):
    cells = slightest_cells(rows, *pictures, NAMES)
    assert [(cell["true"], cell["said"]) for cell in cells[:2]] == [("Stop", "Yield"), ("Yield", "No entry")]
    assert all(cell["picture"].startswith("data:image/webp;base64,") for cell in cells)


def test_nothing_fails(rows, pictures):
    assert slightest_cells(rows.iloc[:0], pictures[0][:0], pictures[1][:0], NAMES) == []


def test_similarity():
    assert [similarity(value) for value in (0.9, 0.99994, 0.99999)] == ["0.9000", "0.9999", "> 0.9999"]
