"""Every noise of the catalogue on one rendered sign, at two levels that show equally much.

Run as `python -m benchmarks.noise_gallery`; writes results/noise_gallery.png.
"""

import sys

import noise
from benchmarks.record import RESULTS
from pipelines.output_folder import write_whole
from pipelines.reports.gallery import Layout, draw_gallery, shown_sign, strips_of, to_png

WEAK, STRONG = 0.8, 0.5


def main() -> None:
    """Draw the gallery and write it."""
    kinds = list(noise.catalogue().values())
    heading = (
        f"{len(kinds)} noises\n"
        "Each is shown on the clean sign at the left, at two levels that show equally much for all:\n"
        f"weak (mean structural similarity {WEAK} over 43 rendered signs) and strong ({STRONG}).\n"
        'Below a picture its level, in the noise\'s own unit; "max" is the end of its range.'
    )
    picture = draw_gallery(strips_of(kinds, (WEAK, STRONG)), Layout(columns=7), heading, shown_sign())
    path = write_whole(RESULTS / "noise_gallery.png", to_png(picture))
    sys.stdout.write(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    main()
