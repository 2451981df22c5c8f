"""All 43 classes side by side: two real signs, the drawing, four renders (the clearest of 24 real, of 12 rendered).

Run as `python -m benchmarks.rendered_contact_sheet`; writes results/rendered_contact_sheet.png.
"""

import argparse
import os
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.sources.rendered import master, render

ROOT = Path(__file__).resolve().parents[1]
TILE, COLUMNS, LABEL_WIDTH, GAP = 64, 3, 160, 4
Picture = NDArray[np.uint8]


def main() -> None:
    """Collect the tiles of each class, lay them out in columns, write a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared" / "gtsrb", help="folder of the archives")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "rendered_contact_sheet.png")
    options = parser.parse_args()
    with zipfile.ZipFile(options.real / "GTSRB_Final_Training_Images.zip") as archive:
        rows = [_row(archive, label) for label in range(len(CLASS_NAMES))]
    sheet = _lay_out(rows)
    beside = options.output.with_suffix(".part")
    posterised = sheet.point(lambda value: value // 20 * 21)  # 13 levels a channel keep the file small
    posterised.save(beside, format="PNG", optimize=True)
    os.replace(beside, options.output)
    sys.stdout.write(f"{options.output}: {options.output.stat().st_size // 1024} KB\n")


def _row(archive: zipfile.ZipFile, label: int) -> Picture:
    """Seven tiles of one class (TILE, 7 * TILE + gaps, 3)."""
    drawing = master(label, TILE).astype(np.float64)
    alpha = drawing[..., 3:] / 255.0
    drawn = (drawing[..., :3] * alpha + 110 * (1 - alpha)).astype(np.uint8)
    renders = render(np.full(12, label), keys=[f"sheet/{i}" for i in range(12)])
    tiles = [*_clearest(_real(archive, label), 2), drawn, *_clearest(list(renders), 4)]
    gap = np.full((TILE, GAP, 3), 255, np.uint8)
    return np.concatenate([piece for tile in tiles for piece in (tile, gap)], axis=1)


def _real(archive: zipfile.ZipFile, label: int) -> list[Picture]:
    """Late frames of the first tracks of a class, (32, 32, 3) each."""
    folder = f"GTSRB/Final_Training/Images/{label:05d}/"
    names = sorted(name for name in archive.namelist() if name.startswith(folder) and name.endswith("_00027.ppm"))
    images = [cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR) for name in names[:24]]
    return [cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)[:, :, ::-1] for image in images]


def _clearest(pictures: list[Picture], count: int) -> list[Picture]:
    """The pictures of most contrast where the sign is, enlarged."""
    ranked = sorted(pictures, key=lambda picture: -float(picture[8:24, 8:24].astype(np.float64).std()))
    return [_enlarged(picture) for picture in ranked[:count]]


def _enlarged(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_NEAREST), np.uint8)


def _lay_out(rows: list[Picture]) -> Image.Image:
    deep = -(-len(rows) // COLUMNS)
    block = LABEL_WIDTH + rows[0].shape[1] + 12
    sheet = Image.new("RGB", (COLUMNS * block, 24 + deep * (TILE + GAP)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for column in range(COLUMNS):
        heads = (("real", 0), ("drawn", 2), ("rendered", 3))
        for text, tile in heads:
            pen.text((column * block + LABEL_WIDTH + tile * (TILE + GAP), 5), text, fill="black", font=font)
    for label, row in enumerate(rows):
        x, y = label // deep * block, 24 + label % deep * (TILE + GAP)
        sheet.paste(Image.fromarray(row), (x + LABEL_WIDTH, y))
        pen.multiline_text((x + 4, y + 8), _wrapped(f"{label} {CLASS_NAMES[label]}"), fill="black", font=font)
    return sheet


def _wrapped(text: str, width: int = 22) -> str:
    lines = [""]
    for word in text.split():
        lines = [*lines, word] if len(lines[-1]) + len(word) > width else [*lines[:-1], f"{lines[-1]} {word}".strip()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
