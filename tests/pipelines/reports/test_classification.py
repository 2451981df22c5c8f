import numpy as np
import pytest

from pipelines.reports.classification import confusion_figure, mistakes_sheet
from pipelines.reports.figures import save_png


@pytest.mark.parametrize("classes", [3, 43])
def test_counts_stand_in_their_cells(classes):
    confusion = np.diag(np.full(classes, 30))
    confusion[0, 2], confusion[2, 1], confusion[1, 1] = 7, 4, 0
    axes = confusion_figure(confusion, [f"class {c}" for c in range(classes)]).axes[0]
    cells = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert cells.pop((0, 2)) == "7"
    assert cells.pop((2, 1)) == "4"
    assert (1, 1) not in cells
    assert cells == {(c, c): "30" for c in range(classes) if c != 1}


def test_confusion_says_the_worst_first():
    figure = confusion_figure([[8, 2], [5, 5]], ["stop", "<b>$yield$</b>"])
    title, pairs = (text.get_text() for text in figure.texts)
    assert title == "13 of 20 images right (65.00%), 7 wrong"
    assert pairs == "Most often: <b>$yield$</b> → stop (5),  stop → <b>$yield$</b> (2)"


def test_confusion_without_mistakes_or_images(tmp_path):
    assert confusion_figure(np.eye(3, dtype=int), list("abc")).texts[1].get_text() == "No mistakes"
    save_png(confusion_figure(np.zeros((3, 3), dtype=int), list("abc")), tmp_path / "empty.png")


def test_confusion_of_another_size():
    with pytest.raises(ValueError, match="3 class names"):
        confusion_figure(np.eye(2), list("abc"))


@pytest.fixture
def answers():
    labels = np.array([0, 1, 2, 0, 1])
    return {
        "images": np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8),
        "labels": labels,
        "predicted": np.array([0, 2, 2, 1, 0]),
        "confidence": np.array([0.9, 0.5, 0.8, 0.97, 0.6]),
        "class_names": ["stop", "yield", "a very long name of a class that does not fit"],
    }


def captions(figure):
    return [tuple(text.get_text() for text in axes.texts) for axes in figure.axes]


def test_mistakes_most_confident_first(answers):
    figure = mistakes_sheet(**answers)
    assert captions(figure)[:2] == [("stop", "→ yield 0.97"), ("yield", "→ stop 0.60")]
    assert captions(figure)[2][1].endswith("… 0.50")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), answers["images"][3])
    assert figure.texts[0].get_text().startswith("3 of 5 images classified wrongly, all shown")


def test_only_so_many_mistakes(answers, tmp_path):
    figure = mistakes_sheet(**answers, most=2)
    assert len(figure.axes) == 2
    assert "the 2 most confident shown" in figure.texts[0].get_text()
    assert save_png(figure, tmp_path / "mistakes.png").stat().st_size > 1000


def test_no_mistakes(answers):
    figure = mistakes_sheet(**answers | {"predicted": answers["labels"]})
    assert figure.axes == []
    assert figure.texts[0].get_text() == "None of 5 images is classified wrongly"
