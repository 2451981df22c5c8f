"""How the figures of the reports look, and the two forms they are kept in: PNG on disk, SVG inside a page."""

import base64
import io
import re
import textwrap
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from pipelines.output_folder import write_whole

INK, MUTED, RULE, PAPER = "#1d232b", "#5f6873", "#d9dee4", "#fefefe"
# The high-contrast triple of Paul Tol's colour schemes: told apart by every kind of colour vision and in grey.
CURVE, BEGINS, FAILS = "#004488", "#ddaa33", "#bb5566"
WRONG = "#cc3311"

THEME = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper", CURVE: "--curve", BEGINS: "--begins"}
THEME |= {FAILS: "--fails", WRONG: "--wrong"}

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 7.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 9.5,
    "axes.unicode_minus": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "image.composite_image": False,
    "svg.fonttype": "none",
}


def styled(**more: Any) -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws and saves in the style of the reports."""
    style: Any = STYLE | more
    return matplotlib.rc_context(style)


def short_name(name: str, width: int = 13, lines: int = 2) -> str:
    """Return a name on at most `lines` lines of `width` characters, cut with an ellipsis where it is longer."""
    wrapped = textwrap.wrap(name, width, max_lines=lines, placeholder="…")
    return name[: width - 1] + "…" if wrapped == ["…"] else "\n".join(wrapped)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches that no global state knows of."""
    return Figure(figsize=(width, height), facecolor=PAPER)


def save_png(figure: Figure, path: Path, *, dpi: int = 160) -> Path:
    """Write `figure` as a PNG picture and return its path."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format="png", dpi=dpi)
    return write_whole(path, buffer.getvalue())


def inline_svg(figure: Figure, alt: str) -> str:
    """Return `figure` as an `<svg>` element for a page, in the page's own font and colours.

    Its colours become the CSS variables of `THEME`, so the figure follows a light or dark page; `alt` is what a
    screen reader says.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with styled(**{"svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"data:image/png;base64,([^\"]+)", _as_jpeg, svg)
    svg = svg.replace("'DejaVu Sans'", "inherit").replace("font-family: inherit", "")
    for colour, variable in THEME.items():
        svg = svg.replace(colour, f"var({variable})")
    head = f'<svg role="img" aria-label="{escape(alt)}"'
    return re.sub(r"<svg", lambda _: head, svg, count=1)


def webp_uri(picture: NDArray[np.uint8], quality: int = 82) -> str:
    """Return a picture (H, W, 3) as a `data:` address of WebP, which a page scales up pixel by pixel."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _as_jpeg(found: re.Match[str]) -> str:
    """Swap an embedded PNG for a JPEG without colour subsampling: a third of the bytes where pixels are noise."""
    picture = Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=90, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
