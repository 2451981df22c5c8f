import dataclasses
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import InputError
from pipelines.reports.robustness import Pictures, write_robustness_report
from pipelines.reports.summary import summarise

HOSTILE = "<script>alert('x')</script> & \"quoted\" $x$"
NOTHING = np.zeros((0, 32, 32, 3), np.uint8)
NO_PICTURES = Pictures({}, NOTHING, NOTHING)


@pytest.fixture(scope="session")
def report(tmp_path_factory, study, strip, class_names):
    """The report of four noises, with a strip of one; class 1 and a label of `about` carry markup."""
    names = [HOSTILE if c == 1 else name for c, name in enumerate(class_names)]
    per_class = study.analysis.per_class
    renamed = per_class.assign(class_name=[names[c] for c in per_class["class"]])
    flow = study.failures.confusion_flow
    hostile = {column: flow[column].replace(class_names[1], HOSTILE) for column in ("label_name", "predicted_name")}
    changed = dataclasses.replace(
        study,
        analysis=dataclasses.replace(study.analysis, per_class=renamed),
        failures=dataclasses.replace(study.failures, confusion_flow=flow.assign(**hostile)),
    )
    changed.search.signs.class_names = names
    pictures = Pictures({"gaussian": strip}, strip.images[:, 0], strip.images[:, 3])
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    about = {"Model": "models:/signs@champion", "Run": "<i>17</i>"}
    files = write_robustness_report(folder, changed, pictures, about=about)
    changed.search.signs.class_names = class_names
    return folder, files


@pytest.fixture(scope="session")
def html(report):
    return (report[0] / "report.html").read_text()


def part(html, start, end="</section>"):
    begin = html.index(f'id="{start}"')
    return html[begin : html.index(end, begin)]


def plain(html):
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))
    return re.sub(r" ([,)])", r"\1", text).strip()


def test_files_are_whole(report):
    folder, files = report
    names = {file.relative_to(folder).as_posix() for file in files}
    figures = (
        "ranking",
        "distortion",
        "slightest",
        "flow",
        "warning",
        "confidence",
        "class_heat_map",
        "curves",
        "macro",
    )
    assert names == {"report.html", "findings.md", "strips/gaussian.png", *(f"{name}.png" for name in figures)}
    assert (folder / "findings.md").read_text().startswith("**")
    assert files[0] == folder / "report.html"
    assert {path for path in folder.rglob("*") if path.is_file()} == set(files)
    for file in files[2:]:
        with Image.open(file) as picture:
            picture.verify()


def test_page_needs_no_other_file(html):
    for target in re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)["']""", html):
        assert target.startswith(("#", "data:")), target
    for target in re.findall(r"""url\(["']?([^"')]+)""", html):
        assert target.startswith(("#", "data:")), target
    assert not re.search(r"<(script|link|iframe|object|embed)\b|@import|<metadata|<!DOCTYPE svg", html)


def test_page_is_well_formed(html):
    class Balance(HTMLParser):
        void = {"meta", "line", "path", "circle", "rect", "image", "use", "img", "br"}  # noqa: RUF012
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


def test_links_within_the_page_lead_somewhere(html):
    for target in re.findall(r'<a href="#([^"]+)"', html):
        assert f'id="{target}"' in html


def test_it_answers_first(html):
    header = plain(html[html.index("<header>") : html.index("</header>")])
    assert "Gaussian noise disrupts most for how little it shows" in header
    assert "98.9%" in header
    assert "6,315 images" in header
    assert "of this one network" in header
    assert header.index("Least to see") < header.index("What must show most") < header.index("Where answers go")


def test_sections_come_in_the_order_of_reading(html):
    sections = ("visibility", "slight", "failures", "thresholds", "curves", "strips", "corruptions", "method")
    order = [html.index(f'<section id="{name}"') for name in sections]
    assert html.index("lead") < order[0]
    assert order == sorted(order)


def test_every_threshold_is_in_its_table(html, study):
    text = plain(part(html, "thresholds"))
    for noise in summarise(study.analysis, study.measured.levels):
        for word in (noise.title, noise.family, noise.unit):
            assert word in text
        for found in (noise.begins, noise.fails, noise.significant):
            assert found.text() in text


def test_no_number_is_missing_or_infinite(html):
    text = plain(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))
    assert not set(re.findall(r"\w+", text)) & {"nan", "NaN", "inf", "None"}
    assert "not reached up to 0.3" in text
    assert "at or below 0.1" in text


def test_visibility_has_its_table(html):
    text = plain(part(html, "visibility"))
    assert "SSIM PSNR CSF level SSIM PSNR, dB L2" in text
    assert "gaussian random 1 [1, " in text


def test_pairs_of_the_slightest_change(html, strip):
    slight = part(html, "slight")
    assert slight.count("<figure>") == len(strip.labels)
    assert slight.count('src="data:image/webp') == len(strip.labels)


def test_a_noise_without_a_strip_has_none(html):
    strips = part(html, "strips")
    assert strips.count('<svg class="strip"') == 1
    assert "<h4>gaussian" in strips
    assert "<h4>speckle" not in strips


def test_corruption_errors(html):
    text = plain(part(html, "corruptions"))
    assert "gaussian noise gaussian 10.0% 20.0% 30.0% 40.0% 50.0% 30.0% [29.0%, 31.0%]" in text
    assert "does not hold all 15 corruptions" in text


def test_markup_in_names_is_shown_not_obeyed(html):
    assert "<script" not in html
    assert "<i>17</i>" not in html
    assert "&lt;i&gt;17&lt;/i&gt;" in html
    assert HOSTILE in plain(html)


def test_what_was_measured_is_told(html):
    text = plain(part(html, "method"))
    assert "Model models:/signs@champion" in text
    assert "each counts as its own group" in text
    assert "not of its recipe" in text


def test_what_there_is_none_of_has_no_section(tmp_path, study):
    few = study.analysis
    one = few.thresholds[few.thresholds["noise"] == "gaussian"]
    empty = {name: study.tables[name].iloc[:0] for name in ("slightest", "corruption_errors")}
    only = {name: table[table["noise"] == "gaussian"] for name, table in study.tables.items() if "noise" in table}
    failures = dataclasses.replace(
        study.failures,
        confusion_flow=study.failures.confusion_flow.iloc[:0],
        confidence=study.failures.confidence[study.failures.confidence["noise"] == "gaussian"],
        class_factors=study.failures.class_factors.iloc[:0],
        margins=study.failures.margins.iloc[:0],
    )
    bare = dataclasses.replace(
        study,
        analysis=dataclasses.replace(few, thresholds=one.assign(groups=421), per_class=few.per_class.iloc[:0]),
        failures=failures,
        tables=study.tables | only | empty,
    )
    write_robustness_report(tmp_path, bare, NO_PICTURES, about={})
    html = (tmp_path / "report.html").read_text()
    assert "421 groups" in html
    for absent in ('id="strips"', 'id="corruptions"', "Where the wrong answers go", "slightest change</h3>"):
        assert absent not in html
    assert not (tmp_path / "flow.png").exists()


def test_size_allows_sixty_noises(html):
    assert len(html) / 4 < 100_000


def test_a_folder_that_cannot_be_written(tmp_path, study):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="taken"):
        write_robustness_report(tmp_path / "taken", study, NO_PICTURES, about={})


def test_an_analysis_without_noise(tmp_path, study):
    empty = dataclasses.replace(study.analysis, thresholds=study.analysis.thresholds.iloc[:0])
    with pytest.raises(InputError, match="no noise"):
        write_robustness_report(tmp_path, dataclasses.replace(study, analysis=empty), NO_PICTURES, about={})


def test_colours_follow_the_page(html):
    figures = part(html, "curves")
    assert "var(--curve)" in figures
    assert not re.search(r"(fill|stroke): #(004488|1d232b|bb5566)", figures)
