"""Measure how many signs are rendered a second on one core.

Run as `python -m benchmarks.render_speed`; writes results/render_speed.json.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.record import RESULTS, Target, write_result
from pipelines.sources.gtsrb_classes import CLASS_NAMES
from pipelines.sources.rendered import render


def main() -> None:
    """Time several rounds at each size; wall and processor time, the latter fair on a busy machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=43 * 40, help="images in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS / "render_speed.json")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    result = {
        "images_per_round": options.images,
        "rounds": options.rounds,
        "images_per_second": {str(size): _speed(size, options.images, options.rounds) for size in (32, 48, 64)},
    }
    speed = result["images_per_second"]["32"]["processor_median"]
    target = Target("rendered signs a second on one core at 32 x 32", speed, at_least=1000)
    write_result(options.output, result, targets=[target], packages=("numpy", "opencv-python-headless"))
    sys.stdout.write(json.dumps(result["images_per_second"]) + "\n")


def _speed(size: int, images: int, rounds: int) -> dict[str, float]:
    labels = np.arange(images) % len(CLASS_NAMES)
    render(labels, keys=[f"warm/{i}" for i in range(images)], size=size)
    wall, processor = [], []
    for turn in range(rounds):
        start, start_processor = time.perf_counter(), time.process_time()
        render(labels, keys=[f"{turn}/{i}" for i in range(images)], size=size)
        wall.append(images / (time.perf_counter() - start))
        processor.append(images / (time.process_time() - start_processor))
    return {
        "wall_median": round(statistics.median(wall), 1),
        "processor_median": round(statistics.median(processor), 1),
        "processor_worst": round(min(processor), 1),
    }


if __name__ == "__main__":
    main()
