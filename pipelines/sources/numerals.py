"""Digits and letters as strokes of one width, after the road-sign lettering of DIN 1451."""

from collections.abc import Mapping

from pipelines.sources.canvas import Canvas, Colour, Points, arc, path, points

# Each glyph is a list of lines in a cell of width 1 (x 0..1) and height 2 (y 0..2, downwards).
_GLYPHS: Mapping[str, tuple[Points, ...]] = {
    "0": (path(arc((0.5, 0.5), 0.5, 180, 0), arc((0.5, 1.5), 0.5, 0, -180), points((0.0, 0.5))),),
    "1": (points((-0.1, 0.55), (0.6, 0.0), (0.6, 2.0)),),
    "2": (path(arc((0.5, 0.52), (0.48, 0.52), 170, -35), points((0.02, 2.0), (1.0, 2.0))),),
    "3": (
        path(arc((0.47, 0.5), (0.47, 0.5), 165, -80), points((0.4, 0.98))),
        path(points((0.4, 0.98)), arc((0.47, 1.48), (0.53, 0.52), 80, -165)),
    ),
    "5": (path(points((0.95, 0.0), (0.12, 0.0), (0.05, 0.95)), arc((0.48, 1.35), (0.52, 0.65), 135, -160)),),
    "6": (
        path(arc((0.5, 1.4), (0.5, 0.6), 0, 360, 40)),
        path(points((0.72, 0.0)), arc((0.95, 1.4), (0.95, 1.1), 130, 180, 10)),
    ),
    "7": (points((0.0, 0.0), (1.0, 0.0), (0.35, 2.0)),),
    "8": (
        arc((0.5, 0.49), (0.46, 0.49), 0, 360, 40),
        arc((0.5, 1.48), (0.5, 0.52), 0, 360, 40),
    ),
    "S": (
        path(
            arc((0.5, 0.5), (0.48, 0.5), 20, 240, 20),
            arc((0.5, 1.48), (0.5, 0.52), 60, -160, 20),
        ),
    ),
    "T": (points((0.0, 0.0), (1.0, 0.0)), points((0.5, 0.0), (0.5, 2.0))),
    "O": (path(arc((0.5, 0.5), 0.5, 180, 0), arc((0.5, 1.5), 0.5, 0, -180), points((0.0, 0.5))),),
    "P": (
        path(
            points((0.05, 2.0), (0.05, 0.0), (0.5, 0.0)),
            arc((0.5, 0.55), (0.5, 0.55), 90, -90),
            points((0.05, 1.1)),
        ),
    ),
}
_NARROW = {"1": 0.65}


def write(
    canvas: Canvas,
    text: str,
    colour: Colour,
    *,
    height: float,
    width: float,
    stroke: float,
    gap: float,
    centre: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Write `text` centred on a point; height and width of a glyph, stroke and gap are in sign units, ink to ink."""
    widths = [width * _NARROW.get(glyph, 1.0) for glyph in text]
    x = centre[0] - 0.5 * (sum(widths) + gap * (len(text) - 1))
    for glyph, cell in zip(text, widths, strict=True):
        inner = max(cell - stroke, 0.01), 0.5 * (height - stroke)
        origin = points((x + 0.5 * stroke, centre[1] - 0.5 * (height - stroke)))
        canvas.strokes([origin + line * points(inner) for line in _GLYPHS[glyph]], stroke, colour)
        x += cell + gap
