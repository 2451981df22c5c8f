"""The 43 classes of the German Traffic Sign Recognition Benchmark (Stallkamp et al. 2012), in official order."""

from collections.abc import Sequence

CLASS_NAMES: tuple[str, ...] = (
    "Speed limit (20km/h)",
    "Speed limit (30km/h)",
    "Speed limit (50km/h)",
    "Speed limit (60km/h)",
    "Speed limit (70km/h)",
    "Speed limit (80km/h)",
    "End of speed limit (80km/h)",
    "Speed limit (100km/h)",
    "Speed limit (120km/h)",
    "No passing",
    "No passing for vehicles over 3.5 tons",
    "Right-of-way at the next intersection",
    "Priority road",
    "Yield",
    "Stop",
    "No vehicles",
    "Vehicles over 3.5 tons prohibited",
    "No entry",
    "General caution",
    "Dangerous curve to the left",
    "Dangerous curve to the right",
    "Double curve",
    "Bumpy road",
    "Slippery road",
    "Road narrows on the right",
    "Road work",
    "Traffic signals",
    "Pedestrians",
    "Children crossing",
    "Bicycles crossing",
    "Beware of ice/snow",
    "Wild animals crossing",
    "End of all speed and passing limits",
    "Turn right ahead",
    "Turn left ahead",
    "Ahead only",
    "Go straight or right",
    "Go straight or left",
    "Keep right",
    "Keep left",
    "Roundabout mandatory",
    "End of no passing",
    "End of no passing by vehicles over 3.5 tons",
)

# Images per class of the complete official archives: 39,209 of training and 12,630 of test.
# fmt: off
OFFICIAL_TRAIN_COUNTS: tuple[int, ...] = (
    210, 2220, 2250, 1410, 1980, 1860, 420, 1440, 1410, 1470, 2010,
    1320, 2100, 2160, 780, 630, 420, 1110, 1200, 210, 360, 330,
    390, 510, 270, 1500, 600, 240, 540, 270, 450, 780, 240, 689, 420, 1200, 390, 210, 2070, 300, 360, 240, 240,
)
OFFICIAL_TEST_COUNTS: tuple[int, ...] = (
    60, 720, 750, 450, 660, 630, 150, 450, 450, 480, 660, 420, 690, 720, 270, 210, 150, 360, 390, 60, 90, 90,
    120, 150, 90, 480, 180, 60, 150, 90, 150, 270, 60, 210, 120, 390, 120, 60, 690, 90, 90, 60, 90,
)
# fmt: on

SHAPE_CLASSES: dict[str, tuple[int, ...]] = {
    "red ring": (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16),
    "red disc": (17,),
    "end ring": (6, 32, 41, 42),
    "blue disc": (33, 34, 35, 36, 37, 38, 39, 40),
    "triangle": (11, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
    "inverted triangle": (13,),
    "diamond": (12,),
    "octagon": (14,),
}
"""Outline and colour, and the classes that have them; an end ring is white with a grey or black edge and stripe."""

_SHAPES = {CLASS_NAMES[c]: shape for shape, classes in SHAPE_CLASSES.items() for c in classes}


def shapes_of(class_names: Sequence[str]) -> dict[int, str]:
    """The shape of each class whose name is one of GTSRB's; no other data set has shapes."""
    return {c: _SHAPES[name] for c, name in enumerate(class_names) if name in _SHAPES}
