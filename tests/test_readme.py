"""No figure on the page is copied by hand: each comes from a file that a command wrote."""

import re
from pathlib import Path

import numpy as np

import noise
from benchmarks.readme import with_results
from noise import plugins, registry

PAGE = Path(__file__).resolve().parents[1] / "README.md"


def test_the_figures_of_the_page_are_those_of_the_result_files():
    page = PAGE.read_text()
    assert with_results(page) == page


def test_every_picture_and_link_of_the_page_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert target.startswith("https://") or (PAGE.parent / target).exists(), target


def test_the_noise_of_the_page_works_as_it_stands_there(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))
    [own] = [code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "waterline" in code]
    (tmp_path / "own.py").write_text(own)
    plugins.read(tmp_path / "own.py")
    images = np.full((2, 32, 32, 3), 255, np.uint8)
    half, all_of_it = (noise.apply("waterline", images, level, image_ids=["a", "b"]) for level in (0.5, 1.0))
    assert abs((half != 255).mean() - 0.5) < 0.1
    assert (all_of_it != 255).mean() > 0.8
