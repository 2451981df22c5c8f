import dataclasses
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from PIL import Image

from pipelines.errors import InputError
from pipelines.reports.robustness import write_robustness_report
from pipelines.reports.summary import summarise

HOSTILE = "<script>alert('x')</script> & \"quoted\" $x$"


@pytest.fixture(scope="session")
def report(tmp_path_factory, few, levels, strip, class_names):
    """The report of four noises, with a strip of one; class 1 and a label of `about` carry markup."""
    names = [HOSTILE if c == 1 else name for c, name in enumerate(class_names)]
    per_class = few.per_class.assign(class_name=[names[c] for c in few.per_class["class"]])
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    files = write_robustness_report(
        folder,
        dataclasses.replace(few, per_class=per_class),
        levels=levels,
        strips={"gaussian": strip},
        class_names=names,
        about={"Model": "models:/signs@champion", "Run": "<i>17</i>"},
    )
    return folder, files


@pytest.fixture(scope="session")
def html(report):
    return (report[0] / "report.html").read_text()


def test_files_are_whole_and_named_by_noise(report):
    folder, files = report
    names = {file.relative_to(folder).as_posix() for file in files}
    curves = {f"curves/{name}.png" for name in ("gaussian", "black_columns", "speckle", "brightness")}
    assert names == {"report.html", "curves.png", "macro.png", "per_class.png", "strips/gaussian.png"} | curves
    assert files[0] == folder / "report.html"
    assert {path for path in folder.rglob("*") if path.is_file()} == set(files)
    for file in files[1:]:
        with Image.open(file) as picture:
            picture.verify()


def test_page_needs_no_other_file(html):
    assert re.findall(r"""(?:src|href|url|action|data)\s*[=(]\s*["']?([^"')\s>]+)""", html) != []
    for target in re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)["']""", html):
        assert target.startswith(("#", "data:")), target
    for target in re.findall(r"""url\(["']?([^"')]+)""", html):
        assert target.startswith(("#", "data:")), target
    assert not re.search(r"<(script|link|iframe|object|embed|img)\b|@import|<metadata|<!DOCTYPE svg", html)


def test_page_is_well_formed(html):
    class Balance(HTMLParser):
        void = {"meta", "line", "path", "circle", "rect", "image", "use"}  # noqa: RUF012
        open: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            if tag not in self.void:
                assert self.open.pop() == tag

        def handle_startendtag(self, tag, attrs):
            pass

    parser = Balance()
    parser.feed(html)
    assert parser.open == []


def test_every_noise_and_number_is_in_the_table(html, few, levels):
    text = plain(html[html.index('id="thresholds"') : html.index('id="curves"')])
    for noise in summarise(few, levels):
        for word in (noise.title, noise.name, noise.unit):
            assert word in text
        for found in (noise.begins, noise.fails, noise.significant):
            assert found.text() in text


def test_censored_thresholds_are_spelt_out(html):
    text = plain(html)
    assert "not reached up to 0.3" in text
    assert "at or below 0.1" in text
    assert "inf" not in re.findall(r"\w+", text)
    assert "nan" not in re.findall(r"\w+", text.lower())


def test_per_class_numbers_are_all_there(html, few):
    text = plain(html[html.index('id="classes"') : html.index('id="method"')])
    row = few.per_class[(few.per_class["noise"] == "gaussian") & (few.per_class["class"] == 7)].iloc[0]
    assert f"{row['threshold']:.2f}"[:4] in text
    assert "fewer than 60 images: not ranked" in text
    assert text.count("Sign of the kind number") >= 2 * 34  # in the figure and in the table


def test_first_paragraph_answers(html):
    text = plain(re.search(r'<p class="lead">(.*?)</p>', html, re.DOTALL)[1])
    assert text.startswith("Of 4 noises, black columns needs the least of its range")
    assert "brightness (up to 0.3 added on the [0, 1] scale)" in text
    assert "98.9%" in text
    assert "6,315 images" in text


def test_sections_come_in_the_order_of_reading(html):
    order = [html.index(f'id="{name}"') for name in ("thresholds", "curves", "strips", "macro", "classes", "method")]
    assert html.index("lead") < order[0]
    assert order == sorted(order)


def test_a_noise_without_a_strip_has_none(html):
    strips = html[html.index('id="strips"') : html.index('id="macro"')]
    assert "<h3>gaussian</h3>" in strips
    assert "<h3>speckle</h3>" not in strips


def test_markup_in_names_is_shown_not_obeyed(html):
    assert "<script" not in html
    assert "<i>17</i>" not in html
    assert "&lt;i&gt;17&lt;/i&gt;" in html
    assert HOSTILE in plain(html)


def test_what_was_measured_is_told(html):
    text = plain(html[html.index('id="method"') :])
    assert "Model models:/signs@champion" in text
    assert "each counts as its own group" in text


def test_known_tracks_are_told(tmp_path, few, levels, class_names):
    one = few.thresholds[few.thresholds["noise"] == "gaussian"]
    grouped = dataclasses.replace(few, thresholds=one.assign(groups=421), per_class=few.per_class.iloc[:0])
    write_robustness_report(tmp_path, grouped, levels=levels, strips={}, class_names=class_names, about={})
    html = (tmp_path / "report.html").read_text()
    assert "421 groups" in html
    assert 'id="strips"' not in html
    assert 'id="classes"' not in html


def test_size_allows_ten_noises(html):
    with_strip, without = (len(part) for part in html.split('id="strips"'))
    assert with_strip + without < 800_000


def test_a_folder_that_cannot_be_written(tmp_path, few, levels, class_names):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="taken"):
        write_robustness_report(tmp_path / "taken", few, levels=levels, strips={}, class_names=class_names, about={})


def test_an_analysis_without_noise(tmp_path, few, class_names):
    empty = dataclasses.replace(few, thresholds=few.thresholds.iloc[:0])
    with pytest.raises(InputError, match="no noise"):
        write_robustness_report(tmp_path, empty, levels={}, strips={}, class_names=class_names, about={})


def test_colours_follow_the_page(html):
    figures = html[html.index('id="curves"') :]
    assert "var(--curve)" in figures
    assert not re.search(r"(fill|stroke): #(004488|1d232b|bb5566)", figures)


def plain(html):
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))
    return re.sub(r" ([,)])", r"\1", text).strip()
