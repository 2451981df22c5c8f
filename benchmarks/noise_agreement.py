"""Whether noises mean what their names say: statistics of each beside those of a peer's, on the same images.

    python -m benchmarks.noise_agreement

Two groups of checks. Severities: our marks of CIFAR-10-C's severities, beside imagecorruptions' code with CIFAR-10-C's
constants. Peers: the contests of `noise_speed`, at its strengths. Each check has a tolerance; where the two differ on
purpose it says why, and is shown but not counted.

Writes results/noise_agreement.json and the same as tables in results/noise_agreement.md.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NO_ALBUMENTATIONS_UPDATE="1")

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

import noise
from benchmarks.agreements import BY_RANK, NOT_COMPARED, PEERS, SEVERITIES, Check
from benchmarks.cifar_10_c import cifar_10_c
from benchmarks.contests import Contest, Images, contests
from benchmarks.image_statistics import BORDER, DISTANCE, INNER, STATISTICS, Floats, l2
from benchmarks.record import RESULTS, Target, write_result, write_whole
from pipelines.sources.rendered import render

SIZE, COUNT = 32, 256
PACKAGES = ("numpy", "opencv-python-headless", "imagecorruptions-imaug", "albumentations", "keras-cv", "keras")
HEADINGS = {
    "severities": "Our marks of severities beside CIFAR-10-C",
    "peers": "Other libraries, at the strengths of `noise_speed`",
}


def severities(images: Images) -> Iterator[dict[str, Any]]:
    """Our marks of CIFAR-10-C's severities beside CIFAR-10-C."""
    for kind in noise.catalogue().values():
        if kind.corruption not in SEVERITIES:
            continue
        change = cifar_10_c(kind.corruption)
        theirs = {severity: _rounded([change(image, severity) for image in images]) for severity in kind.severities}
        order = list(theirs)
        if kind.corruption in BY_RANK:
            order.sort(key=lambda severity: float(l2(images / 255, theirs[severity]).mean()))
        for level, severity in zip(kind.severities.values(), order, strict=True):
            title = {"noise": kind.name, "level": level, "peer": f"CIFAR-10-C {kind.corruption} {severity}"}
            ours = _ours(kind.name, images, level)
            for check in SEVERITIES[kind.corruption]:
                yield title | judged(check, images / 255, ours, theirs[severity])


def peers(images: Images, known: Mapping[str, Contest]) -> Iterator[dict[str, Any]]:
    """Our noises beside their peers of `noise_speed`."""
    given = {"signs": images, "grey": np.full_like(images, 128)}
    for (name, text), checks in PEERS.items():
        contest = known[name]
        for on in sorted({check.on for check in checks}):
            clean = given[on]
            theirs = _rounded(contest.peers[text].change(clean))
            ours = _ours(name, clean, contest.level)
            title = {"noise": name, "level": contest.level, "peer": text}
            for check in (one for one in checks if one.on == on):
                yield title | judged(check, clean / 255, ours, theirs)


def _ours(name: str, images: Images, level: float) -> Floats:
    ids = [f"agreement/{index}" for index in range(len(images))]
    return noise.apply(name, images, level, image_ids=ids) / np.float64(255)


def _rounded(images: Sequence[Any]) -> Floats:
    """Images on 0..255 as bytes hold them, on [0, 1]."""
    return np.clip(np.rint(np.asarray(images, np.float64)), 0, 255) / 255


def judged(check: Check, clean: Floats, ours: Floats, theirs: Floats) -> dict[str, Any]:
    """What a check finds, as a row of the result."""
    found = _apart(check, clean, ours, theirs)
    row: dict[str, Any] = {"on": check.on, "statistic": check.statistic}
    row |= {name: float(f"{value:.4g}") for name, value in found.items()}
    row |= {"tolerance": check.tolerance, "within": bool(found["difference"] <= check.tolerance)}
    return row | ({"by_design": check.by_design} if check.by_design else {})


def _apart(check: Check, clean: Floats, ours: Floats, theirs: Floats) -> dict[str, float]:
    """The difference, and what it is the difference of, with the standard error of the difference of two means."""
    if check.statistic in (DISTANCE, INNER):
        part = slice(BORDER, -BORDER) if check.statistic == INNER else slice(None)
        own, other, before = (images[:, part, part] for images in (ours, theirs, clean))
        return {"difference": float(l2(other, own).mean() / l2(before, other).mean())}
    statistic = STATISTICS[check.statistic]
    own, other = statistic.of(clean, ours), statistic.of(clean, theirs)
    scale = abs(float(other.mean())) if statistic.relative else 1.0
    return {
        "ours": float(own.mean()),
        "theirs": float(other.mean()),
        "difference": abs(float(own.mean() - other.mean())) / scale,
        "standard_error": float(np.std(own - other)) / len(own) ** 0.5 / scale,
    }


Rows = Sequence[Mapping[str, Any]]


def table(groups: Mapping[str, Rows]) -> str:
    """The result for people."""
    lines = []
    for name, rows in groups.items():
        lines += [
            f"### {HEADINGS[name]}",
            "",
            "| noise | level | peer | on | statistic | ours | theirs | difference | tolerance | |",
            "|---|---:|---|---|---|---:|---:|---:|---:|---|",
            *map(_line, rows),
            "",
        ]
    ending = [
        *(
            f"- {name}: {one.says}; difference {'relative to theirs' if one.relative else 'absolute'}."
            for name, one in STATISTICS.items()
        ),
        f"- {DISTANCE}: root mean square difference between our images and theirs, over that of their change.",
        f"- {INNER}: the same without a border of {BORDER} pixels, which each library fills in its own way.",
        "",
        f"{' and '.join(sorted(BY_RANK))}: CIFAR-10-C's severities do not rise in L2; ours stand beside them by rank.",
        "",
        "Not compared:",
        "",
        *(f"- {what}: {why}." for what, why in NOT_COMPARED.items()),
    ]
    return "\n".join([*lines, *ending, ""])


def _line(row: Mapping[str, Any]) -> str:
    verdict = "agrees" if row["within"] else "**differs**"
    verdict = f"not counted: {row['by_design']}" if "by_design" in row else verdict
    own, other = (f"{row[key]:.4g}" if key in row else "" for key in ("ours", "theirs"))
    cells = [row["noise"], f"{row['level']:.3g}", row["peer"], row["on"], row["statistic"], own, other]
    cells += [f"{row['difference']:.3g}", f"{row['tolerance']:g}", verdict]
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--repeats", default=2, show_default=True, help="How often each image is used.")
@click.option("--output", default=RESULTS / "noise_agreement.json", type=click.Path(path_type=Path))
def main(repeats: int, output: Path) -> None:
    """Compare all noises that have a peer."""
    cv2.setNumThreads(1)
    np.random.seed(0)  # noqa: NPY002  (imagecorruptions draws from the global generator)
    signs = render(np.arange(COUNT) % 43, keys=[f"agreement/{index}" for index in range(COUNT)], size=SIZE)
    images = np.tile(signs, (repeats, 1, 1, 1))
    groups = {"severities": list(severities(images)), "peers": list(peers(images, contests(SIZE)))}
    counted = [row for rows in groups.values() for row in rows if "by_design" not in row]
    agreed = sum(row["within"] for row in counted)
    noises = len({row["noise"] for row in counted})
    result = {"checks": len(counted), "within": agreed, "noises": noises, "groups": groups}
    share = Target("share of agreements with peers within tolerance", agreed / len(counted), at_least=1)
    write_result(output, result, targets=[share], packages=PACKAGES)
    write_whole(output.with_suffix(".md"), table(groups))


if __name__ == "__main__":
    main()
