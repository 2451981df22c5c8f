import numpy as np

from pipelines.reports.figures import save_png
from pipelines.reports.samples import MOST_CLASSES, samples_sheet


def test_every_class_has_a_strip_under_its_name(tmp_path):
    labels = np.repeat(np.arange(5), [1, 3, 8, 30, 0])
    images = np.full((len(labels), 16, 16, 3), 90, np.uint8)
    figure = samples_sheet(images, labels, [f"class {i}" for i in range(5)], "five classes")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{i}  class {i}" for i in range(5)]
    filled = [int((axes.images[0].get_array() == 90).all(axis=2).any(axis=0).sum()) // 16 for axes in figure.axes]
    assert filled == [1, 3, 8, 8, 0]
    assert save_png(figure, tmp_path / "sheet.png").stat().st_size > 1000


def test_sets_of_very_many_classes_show_the_first():
    labels = np.arange(200)
    figure = samples_sheet(np.zeros((200, 8, 8, 3), np.uint8), labels, [str(i) for i in labels], "many")
    assert len(figure.axes) == MOST_CLASSES
