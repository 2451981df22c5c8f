"""No figure on the page is copied by hand: each comes from a file that a command wrote."""

from pathlib import Path

from benchmarks.readme import with_results

PAGE = Path(__file__).resolve().parents[1] / "README.md"


def test_the_figures_of_the_page_are_those_of_the_result_files():
    page = PAGE.read_text()
    assert with_results(page) == page


def test_every_picture_and_link_of_the_page_is_there():
    import re

    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert target.startswith("https://") or (PAGE.parent / target).exists(), target
