"""The 43 signs drawn by code: shape, border, colours and pictogram, in sign units (the sign spans -1..1)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.sources.canvas import Canvas, Colour, Points, arc, mirrored, path, points
from pipelines.sources.numerals import write

WHITE: Colour = (238, 238, 238)
BLACK: Colour = (22, 22, 24)


@dataclass(frozen=True)
class Look:
    """What differs between two signs of one class: paint, border and the exact cut of the pictogram.

    Attributes:
        red, blue, yellow, grey: paints.
        border: width of the red border as a share of the radius.
        rim: width of the white (or dark) outermost line.
        scale, offset, weight: of the pictogram within the frame; weight multiplies the width of its lines.
        lines: draw the stripe of an end-of-restriction sign as separate lines instead of one band.
        turn: turns the pictogram's angle where makes differ (roundabout arrows), in degrees.
    """

    red: Colour = (192, 28, 26)
    blue: Colour = (16, 84, 176)
    yellow: Colour = (244, 176, 14)
    grey: Colour = (96, 96, 98)
    border: float = 0.21
    rim: float = 0.035
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    weight: float = 1.0
    lines: bool = True
    turn: float = 0.0


def vary(random: np.random.Generator) -> Look:
    """A random look, within what is seen on real roads."""

    def paint(*base: float) -> Colour:
        r, g, b = np.clip(np.array(base) * random.uniform(0.85, 1.12) + random.normal(0, 7, 3), 0, 255)
        return float(r), float(g), float(b)

    return Look(
        red=paint(186, 34, 26),
        blue=paint(18, 84, 176),
        yellow=paint(240, 172, 20),
        grey=paint(*[float(random.uniform(40, 130))] * 3),
        border=float(random.uniform(0.17, 0.25)),
        rim=float(random.uniform(0.015, 0.06)),
        scale=(float(random.uniform(0.9, 1.08)), float(random.uniform(0.9, 1.08))),
        offset=(float(random.uniform(-0.03, 0.03)), float(random.uniform(-0.03, 0.03))),
        weight=float(random.uniform(0.7, 1.1)),
        lines=bool(random.random() < 0.5),
        turn=float(random.choice([0.0, 0.0, 60.0, 30.0])),
    )


def draw_sign(label: int, size: int, look: Look) -> NDArray[np.uint8]:
    """The sign of a class as RGBA (size, size, 4), premultiplied; it spans -1..1 of a canvas of +-canvas.EXTENT."""
    frame, pictogram = _SIGNS[label]
    canvas = Canvas(size)
    frame(canvas, look)
    canvas.scale, canvas.offset, canvas.weight = look.scale, look.offset, look.weight
    pictogram(canvas, look)
    return canvas.finish()


# Frames


def _prohibition(canvas: Canvas, look: Look) -> None:
    canvas.disc((0, 0), 1.0, WHITE)
    canvas.disc((0, 0), 1.0 - look.rim, look.red)
    canvas.disc((0, 0), 1.0 - look.rim - look.border, WHITE)


def _end(canvas: Canvas, look: Look) -> None:
    canvas.disc((0, 0), 1.0, WHITE)
    canvas.disc((0, 0), 0.985, BLACK)
    canvas.disc((0, 0), 0.985 - look.rim, WHITE)


def _mandatory(canvas: Canvas, look: Look) -> None:
    canvas.disc((0, 0), 1.0, WHITE)
    canvas.disc((0, 0), 1.0 - look.rim, look.blue)


def _no_entry(canvas: Canvas, look: Look) -> None:
    canvas.disc((0, 0), 1.0, WHITE)
    canvas.disc((0, 0), 1.0 - look.rim, look.red)


_TRIANGLE = points((0.0, -0.96), (1.06, 0.88), (-1.06, 0.88))  # its corners are rounded, so it ends at +-1
_CENTROID = _TRIANGLE.mean(axis=0)
_INRADIUS = 0.61


def _inset(corners: Points, centre: Points, share: float) -> Points:
    return centre + (corners - centre) * (1.0 - share)


def _triangle_frame(canvas: Canvas, look: Look, corners: Points) -> None:
    centre, corner = corners.mean(axis=0), 0.07
    body = _inset(corners, centre, corner / _INRADIUS)
    red = _inset(corners, centre, (corner + look.rim) / _INRADIUS)
    white = _inset(corners, centre, (0.9 * look.border + look.rim) / _INRADIUS)
    canvas.rounded(body, corner, WHITE)
    canvas.rounded(red, corner, look.red)
    canvas.rounded(white, 0.015, WHITE)


def _warning(canvas: Canvas, look: Look) -> None:
    _triangle_frame(canvas, look, _TRIANGLE)


def _yield(canvas: Canvas, look: Look) -> None:
    _triangle_frame(canvas, look, _TRIANGLE * points((1.0, -1.0)))


def _octagon(canvas: Canvas, look: Look) -> None:
    corners = arc((0, 0), 1.0 / np.cos(np.pi / 8), 22.5, 337.5, 8)
    canvas.rounded(corners * 0.96, 0.035, WHITE)
    canvas.rounded(corners * (0.94 - look.rim), 0.02, look.red)


def _diamond(canvas: Canvas, look: Look) -> None:
    corners = points((0, -1), (1, 0), (0, 1), (-1, 0))
    canvas.rounded(corners * 0.93, 0.05, (150, 150, 150))
    canvas.rounded(corners * 0.91, 0.05, WHITE)
    canvas.rounded(corners * (0.50 + look.border * 0.25), 0.03, (60, 55, 40))
    canvas.rounded(corners * (0.48 + look.border * 0.25), 0.03, look.yellow)


# Round signs


def _nothing(canvas: Canvas, look: Look) -> None:
    """A sign whose frame says all."""


def _speed(text: str, colour: Colour | None = None) -> Callable[[Canvas, Look], None]:
    def pictogram(canvas: Canvas, _: Look) -> None:
        wide = len(text) == 2
        write(
            canvas,
            text,
            colour or BLACK,
            height=0.88 if wide else 0.83,
            width=0.46 if wide else 0.315,
            stroke=0.11 if wide else 0.10,
            gap=0.13 if wide else 0.09,
        )

    return pictogram


def _stripe(canvas: Canvas, look: Look, colour: Colour) -> None:
    canvas.scale, canvas.offset = (1.0, 1.0), (0.0, 0.0)
    reach, along, across = 0.99 - look.rim, points((1.0, -1.0)) / np.sqrt(2), points((1.0, 1.0)) / np.sqrt(2)
    shifts = np.linspace(-0.17, 0.17, 5) if look.lines else np.array([0.0])
    width = 0.05 if look.lines else 0.34
    for shift in shifts:
        half = float(np.sqrt(reach**2 - (abs(shift) + width / 2) ** 2))
        canvas.bar(np.concatenate([across * shift - along * half, across * shift + along * half]), width, colour)


def _end_of_speed(canvas: Canvas, look: Look) -> None:
    _speed("80", look.grey)(canvas, look)
    _stripe(canvas, look, BLACK if look.lines else look.grey)


def _end_of_all(canvas: Canvas, look: Look) -> None:
    _stripe(canvas, look, BLACK if look.lines else look.grey)


def _car(canvas: Canvas, x: float, y: float, colour: Colour, size: float = 1.0) -> None:
    """A passenger car from behind, its middle at x and its wheels standing on y."""

    def at(*pairs: tuple[float, float]) -> Points:
        return points((x, y)) + size * points(*pairs)

    canvas.polygon(at((-0.17, -0.36), (0.17, -0.36), (0.25, -0.19), (-0.25, -0.19)), colour)
    canvas.polygon(at((-0.13, -0.32), (0.13, -0.32), (0.18, -0.20), (-0.18, -0.20)), WHITE)
    canvas.rounded(at((-0.27, -0.17), (0.27, -0.17), (0.27, -0.07), (-0.27, -0.07)), 0.03 * size, colour)
    for side in (-1, 1):
        left, right = side * 0.15, side * 0.25
        canvas.polygon(at((left, -0.07), (right, -0.07), (right, 0.02), (left, 0.02)), colour)


def _lorry(canvas: Canvas, x: float, y: float, colour: Colour) -> None:
    """A lorry from behind, its middle at x and its wheels standing on y."""

    def at(*pairs: tuple[float, float]) -> Points:
        return points((x, y)) + points(*pairs)

    canvas.polygon(at((-0.25, -0.57), (0.25, -0.57), (0.25, -0.13), (-0.25, -0.13)), colour)
    canvas.polygon(at((-0.27, -0.10), (0.27, -0.10), (0.27, -0.05), (-0.27, -0.05)), colour)
    for side in (-1, 1):
        left, right = side * 0.10, side * 0.24
        canvas.polygon(at((left, -0.12), (right, -0.12), (right, 0.02), (left, 0.02)), colour)


def _no_passing(canvas: Canvas, look: Look) -> None:
    _car(canvas, -0.33, 0.16, look.red, 0.95)
    _car(canvas, 0.32, 0.16, BLACK, 0.95)


def _no_passing_lorries(canvas: Canvas, look: Look) -> None:
    _lorry(canvas, -0.24, 0.23, look.red)
    _car(canvas, 0.32, 0.23, BLACK, 0.86)


def _end_no_passing(canvas: Canvas, look: Look) -> None:
    _car(canvas, -0.36, 0.19, look.grey, 1.12)
    _car(canvas, 0.36, 0.19, look.grey, 1.12)
    _stripe(canvas, look, BLACK if look.lines else look.grey)


def _end_no_passing_lorries(canvas: Canvas, look: Look) -> None:
    _lorry(canvas, -0.34, 0.27, look.grey)
    _car(canvas, 0.34, 0.27, look.grey, 1.1)
    _stripe(canvas, look, BLACK if look.lines else look.grey)


def _no_lorries(canvas: Canvas, _: Look) -> None:
    canvas.polygon(points((-0.10, -0.32), (0.58, -0.32), (0.58, 0.14), (-0.10, 0.14)), BLACK)
    canvas.polygon(points((-0.54, 0.20), (0.58, 0.20), (0.58, 0.14), (-0.54, 0.14)), BLACK)
    canvas.polygon(points((-0.42, -0.16), (-0.14, -0.16), (-0.14, 0.20), (-0.56, 0.20), (-0.56, 0.03)), BLACK)
    canvas.polygon(points((-0.38, -0.11), (-0.22, -0.11), (-0.22, 0.01), (-0.47, 0.01)), WHITE)
    for x in (-0.36, 0.36):
        canvas.disc((x, 0.22), 0.125, WHITE)
        canvas.disc((x, 0.22), 0.10, BLACK)


def _dash(canvas: Canvas, _: Look) -> None:
    canvas.polygon(points((-0.77, -0.16), (0.77, -0.16), (0.77, 0.16), (-0.77, 0.16)), WHITE)


def _stop(canvas: Canvas, _: Look) -> None:
    write(canvas, "STOP", WHITE, height=0.66, width=0.34, stroke=0.115, gap=0.085)


# Arrows


def _arrow(canvas: Canvas, line: Points, *, width: float = 0.17, head: float = 0.36, spread: float = 42.0) -> None:
    """A white arrow along a line (N, 2) with an open head of two strokes at its end."""
    tip, before = line[-1], line[-2]
    along = (tip - before) / np.hypot(*(tip - before))
    tip = tip - along * width * 0.55
    canvas.bar(np.concatenate([line[:-1], tip[None]]), width, WHITE)
    angle = np.radians(180.0 - spread)
    for turn in (angle, -angle):
        c, s = np.cos(turn), np.sin(turn)
        end = tip + head * np.array([c * along[0] - s * along[1], s * along[0] + c * along[1]])
        canvas.bar(np.stack([tip, end]), width * 0.92, WHITE)
    canvas.disc((tip[0], tip[1]), 0.46 * width * canvas.weight, WHITE)
    nose = np.array([-along[1], along[0]])
    canvas.polygon(np.stack([tip + nose * width * 0.4, tip - nose * width * 0.4, line[-1]]), WHITE)


def _turn_right_line() -> Points:
    return path(
        points((-0.29, 0.68), (-0.29, 0.05)), arc((0.0, 0.02), (0.29, 0.27), 180, 90, 10), points((0.66, -0.25))
    )


def _turn_right(canvas: Canvas, _: Look) -> None:
    _arrow(canvas, _turn_right_line(), width=0.19, head=0.42)


def _turn_left(canvas: Canvas, _: Look) -> None:
    _arrow(canvas, mirrored(_turn_right_line()), width=0.19, head=0.42)


def _ahead(canvas: Canvas, _: Look) -> None:
    _arrow(canvas, points((0.0, 0.72), (0.0, -0.74)), width=0.19, head=0.50)


def _straight_or_right(canvas: Canvas, _: Look) -> None:
    _straight_or_side(canvas, 1.0)


def _straight_or_left(canvas: Canvas, _: Look) -> None:
    _straight_or_side(canvas, -1.0)


def _straight_or_side(canvas: Canvas, side: float) -> None:
    flip = points((side, 1.0))
    _arrow(canvas, points((-0.14, 0.70), (-0.14, -0.76)) * flip, width=0.18, head=0.42)
    line = path(points((-0.14, 0.52)), arc((0.09, 0.44), (0.23, 0.24), 180, 90, 8), points((0.76, 0.20)))
    _arrow(canvas, line * flip, width=0.18, head=0.40)


def _keep_right(canvas: Canvas, _: Look) -> None:
    _arrow(canvas, points((-0.52, -0.52), (0.52, 0.52)), width=0.19, head=0.50, spread=45.0)


def _keep_left(canvas: Canvas, _: Look) -> None:
    _arrow(canvas, points((0.52, -0.52), (-0.52, 0.52)), width=0.19, head=0.50, spread=45.0)


def _roundabout(canvas: Canvas, look: Look) -> None:
    for start in (20.0, 140.0, 260.0):
        line = arc((0, 0), 0.58, start + look.turn, start + look.turn + 92, 14)
        tangent = line[-1] - line[-3]
        inward = -line[-1] / np.hypot(*line[-1])
        tip = line[-1] + 0.08 * tangent / np.hypot(*tangent) + 0.01 * inward
        _arrow(canvas, path(line, tip[None]), width=0.125, head=0.27, spread=46.0)


# Warning triangles


def _priority_here(canvas: Canvas, _: Look) -> None:
    canvas.polygon(points((-0.15, 0.04), (0.15, 0.04), (0.17, 0.65), (0.0, 0.56), (-0.17, 0.65)), BLACK)
    canvas.polygon(points((0.0, -0.22), (0.24, 0.07), (0.24, 0.12), (-0.24, 0.12), (-0.24, 0.07)), BLACK)
    canvas.bar(points((-0.38, 0.28), (0.38, 0.28)), 0.09, BLACK)


def _caution(canvas: Canvas, _: Look) -> None:
    canvas.rounded(points((-0.06, -0.24), (0.06, -0.24), (0.025, 0.30), (-0.025, 0.30)), 0.04, BLACK)
    canvas.disc((0.0, 0.50), 0.09, BLACK)


def _curve_right_shape() -> Points:
    return points(
        (-0.26, 0.62), (-0.26, 0.32), (-0.21, 0.18), (-0.09, 0.09), (0.08, 0.06), (0.20, 0.06), (0.28, 0.14),
        (0.20, 0.22), (0.08, 0.22), (-0.02, 0.26), (-0.08, 0.36), (-0.08, 0.62), (-0.17, 0.55),
    )  # fmt: skip


def _curve_right(canvas: Canvas, _: Look) -> None:
    canvas.polygon(_curve_right_shape(), BLACK)


def _curve_left(canvas: Canvas, _: Look) -> None:
    canvas.polygon(mirrored(_curve_right_shape()), BLACK)


def _double_curve(canvas: Canvas, _: Look) -> None:
    line = points((0.24, 0.66), (0.24, 0.34), (0.18, 0.26), (-0.05, 0.26), (-0.12, 0.19), (-0.12, -0.02))
    canvas.bar(line, 0.175, BLACK)
    canvas.polygon(points((-0.21, -0.01), (-0.08, -0.24), (-0.05, -0.01)), BLACK)


def _bumps(canvas: Canvas, _: Look) -> None:
    line = np.linspace(-0.44, 0.44, 60)
    height = 0.18 * np.exp(-(((np.abs(line) - 0.21) / 0.115) ** 2)) + 0.05
    top = np.stack([line, 0.58 - height], axis=1)
    canvas.polygon(path(top, points((0.44, 0.61), (-0.44, 0.61))), BLACK)


def _skid(canvas: Canvas, _: Look) -> None:
    tilt = np.radians(10.0)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])

    def at(*pairs: tuple[float, float]) -> Points:
        return np.asarray(points((0.0, 0.08)) + points(*pairs) @ turn)

    canvas.polygon(at((-0.17, -0.24), (0.17, -0.24), (0.25, -0.05), (-0.25, -0.05)), BLACK)
    canvas.polygon(at((-0.13, -0.20), (0.13, -0.20), (0.18, -0.07), (-0.18, -0.07)), WHITE)
    canvas.polygon(at((-0.28, -0.06), (0.28, -0.06), (0.28, 0.12), (-0.28, 0.12)), BLACK)
    for side in (-0.21, 0.19):
        canvas.polygon(at((side - 0.06, 0.1), (side + 0.06, 0.1), (side + 0.06, 0.2), (side - 0.06, 0.2)), BLACK)
    left = points((-0.20, 0.36), (-0.34, 0.40), (-0.36, 0.46), (-0.18, 0.51), (-0.20, 0.57), (-0.42, 0.62))
    right = points((0.10, 0.36), (0.00, 0.41), (0.02, 0.46), (0.22, 0.51), (0.24, 0.57), (0.44, 0.61))
    canvas.strokes([left, right], 0.05, BLACK)


def _narrows_right(canvas: Canvas, _: Look) -> None:
    canvas.bar(points((-0.15, 0.61), (-0.15, -0.13)), 0.11, BLACK)
    canvas.bar(points((0.18, 0.61), (0.18, 0.31), (0.05, 0.12), (0.05, -0.13)), 0.11, BLACK)


def _works(canvas: Canvas, _: Look) -> None:
    canvas.disc((-0.05, -0.22), 0.085, BLACK)
    canvas.strokes([points((-0.09, -0.09), (-0.20, 0.14))], 0.16, BLACK)
    legs = [points((-0.20, 0.16), (-0.14, 0.36), (-0.10, 0.63)), points((-0.22, 0.16), (-0.32, 0.38), (-0.42, 0.62))]
    canvas.strokes(legs, 0.085, BLACK)
    canvas.strokes([points((-0.05, -0.08), (0.08, 0.12), (-0.08, 0.18))], 0.06, BLACK)
    canvas.strokes([points((-0.22, 0.10), (0.16, 0.46))], 0.04, BLACK)
    canvas.polygon(points((0.02, 0.65), (0.14, 0.48), (0.26, 0.35), (0.38, 0.37), (0.50, 0.50), (0.60, 0.65)), BLACK)


def _signals(canvas: Canvas, look: Look) -> None:
    for y, colour in ((-0.15, look.red), (0.16, look.yellow), (0.47, (24.0, 120.0, 90.0))):
        canvas.disc((0.0, y), 0.125, BLACK)
        canvas.disc((0.0, y), 0.11, colour)


def _walker(canvas: Canvas, _: Look) -> None:
    canvas.disc((0.0, -0.21), 0.075, BLACK)
    canvas.stroke(points((0.0, -0.06), (0.0, 0.18)), 0.14, BLACK)
    legs = [points((0.01, 0.18), (0.09, 0.38), (0.20, 0.63)), points((-0.01, 0.18), (-0.08, 0.38), (-0.20, 0.63))]
    canvas.strokes(legs, 0.085, BLACK)
    arms = [points((0.04, -0.07), (0.15, 0.08), (0.20, 0.20)), points((-0.04, -0.07), (-0.15, 0.06), (-0.17, 0.22))]
    canvas.strokes(arms, 0.06, BLACK)


def _child(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A running child, the feet standing on y."""

    def at(*pairs: tuple[float, float]) -> Points:
        return points((x, y)) + size * points(*pairs)

    head = at((0.03, -0.86))[0]
    canvas.disc((head[0], head[1]), 0.085 * size, BLACK)
    canvas.stroke(at((0.01, -0.68), (0.0, -0.42)), 0.17 * size, BLACK)
    legs = [at((0.01, -0.40), (0.14, -0.24), (0.14, -0.02)), at((-0.02, -0.40), (-0.14, -0.18), (-0.32, -0.04))]
    canvas.strokes(legs, 0.09 * size, BLACK)
    arms = [at((0.02, -0.68), (0.18, -0.56), (0.31, -0.62)), at((0.0, -0.68), (-0.18, -0.64), (-0.30, -0.50))]
    canvas.strokes(arms, 0.07 * size, BLACK)


def _children(canvas: Canvas, _: Look) -> None:
    _child(canvas, 0.17, 0.65, 0.82)
    _child(canvas, -0.27, 0.63, 0.62)


def _bicycle(canvas: Canvas, _: Look) -> None:
    for x in (-0.29, 0.29):
        canvas.stroke(arc((x, 0.47), 0.18, 0, 360, 30), 0.045, BLACK)
    frame = [
        points((-0.29, 0.47), (-0.14, 0.20), (0.15, 0.18), (0.29, 0.47)),
        points((-0.29, 0.47), (-0.02, 0.49), (0.15, 0.18)),
        points((-0.02, 0.49), (-0.17, 0.12)),
        points((-0.25, 0.11), (-0.10, 0.11)),
        points((0.16, 0.20), (0.12, 0.05), (0.22, 0.04)),
    ]
    canvas.strokes(frame, 0.05, BLACK)


def _snowflake(canvas: Canvas, _: Look) -> None:
    centre = points((0.0, 0.28))
    for angle in np.radians([30.0, 90.0, 150.0, 210.0, 270.0, 330.0]):
        out, side = np.array([np.cos(angle), -np.sin(angle)]), np.array([np.sin(angle), np.cos(angle)])
        canvas.stroke(np.concatenate([centre, centre + 0.34 * out]), 0.068, BLACK)
        for sign in (-1.0, 1.0):
            canvas.stroke(np.concatenate([centre + 0.18 * out, centre + 0.28 * out + sign * 0.10 * side]), 0.055, BLACK)


def _deer(canvas: Canvas, _: Look) -> None:
    body = points(
        (-0.24, -0.03), (-0.14, -0.07), (-0.10, 0.04), (-0.06, 0.17), (0.06, 0.20), (0.21, 0.31), (0.27, 0.44),
        (0.20, 0.48), (0.06, 0.39), (-0.08, 0.37), (-0.18, 0.28), (-0.20, 0.14), (-0.17, 0.04), (-0.26, 0.04),
    )  # fmt: skip
    canvas.polygon(body, BLACK)
    limbs = [
        points((-0.14, 0.30), (-0.28, 0.31), (-0.35, 0.26)),
        points((-0.10, 0.33), (-0.22, 0.40), (-0.33, 0.41)),
        points((0.22, 0.40), (0.30, 0.55), (0.41, 0.63)),
        points((0.24, 0.37), (0.35, 0.50), (0.45, 0.56)),
        points((-0.15, -0.06), (-0.17, -0.17), (-0.12, -0.24)),
        points((-0.13, -0.06), (-0.05, -0.14)),
    ]
    canvas.strokes(limbs, 0.05, BLACK)


Drawing = Callable[[Canvas, Look], None]
_SIGNS: tuple[tuple[Drawing, Drawing], ...] = (
    (_prohibition, _speed("20")),
    (_prohibition, _speed("30")),
    (_prohibition, _speed("50")),
    (_prohibition, _speed("60")),
    (_prohibition, _speed("70")),
    (_prohibition, _speed("80")),
    (_end, _end_of_speed),
    (_prohibition, _speed("100")),
    (_prohibition, _speed("120")),
    (_prohibition, _no_passing),
    (_prohibition, _no_passing_lorries),
    (_warning, _priority_here),
    (_diamond, _nothing),
    (_yield, _nothing),
    (_octagon, _stop),
    (_prohibition, _nothing),
    (_prohibition, _no_lorries),
    (_no_entry, _dash),
    (_warning, _caution),
    (_warning, _curve_left),
    (_warning, _curve_right),
    (_warning, _double_curve),
    (_warning, _bumps),
    (_warning, _skid),
    (_warning, _narrows_right),
    (_warning, _works),
    (_warning, _signals),
    (_warning, _walker),
    (_warning, _children),
    (_warning, _bicycle),
    (_warning, _snowflake),
    (_warning, _deer),
    (_end, _end_of_all),
    (_mandatory, _turn_right),
    (_mandatory, _turn_left),
    (_mandatory, _ahead),
    (_mandatory, _straight_or_right),
    (_mandatory, _straight_or_left),
    (_mandatory, _keep_right),
    (_mandatory, _keep_left),
    (_mandatory, _roundabout),
    (_end, _end_no_passing),
    (_end, _end_no_passing_lorries),
)
