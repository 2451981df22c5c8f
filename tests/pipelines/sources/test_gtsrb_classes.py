from pipelines.sources.gtsrb_classes import CLASS_NAMES, SHAPE_CLASSES, shapes_of
from pipelines.sources.rendered import TRIANGLES


def test_every_class_has_one_shape():
    assert sorted(c for classes in SHAPE_CLASSES.values() for c in classes) == list(range(len(CLASS_NAMES)))
    assert len(shapes_of(CLASS_NAMES)) == len(CLASS_NAMES)


def test_triangles_are_those_that_are_drawn_as_such():
    assert {*SHAPE_CLASSES["triangle"], *SHAPE_CLASSES["inverted triangle"]} == TRIANGLES


def test_shapes_go_by_name_whatever_the_order_and_other_names_have_none():
    assert shapes_of(["Stop", "my own sign", "Yield"]) == {0: "octagon", 2: "inverted triangle"}
    assert shapes_of(["Keep right"]) == {0: "blue disc"}
    assert shapes_of(["End of no passing"]) == {0: "end ring"}
