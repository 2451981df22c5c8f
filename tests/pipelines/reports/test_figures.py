from pipelines.reports.figures import INK, inline_svg, new_figure, save_png, short_name, styled


def test_svg_takes_text_and_colours_of_the_page():
    with styled():
        figure = new_figure(1, 1)
        figure.text(0, 0, "<b> & $x$")
    svg = inline_svg(figure, 'of "<b>"')
    assert svg.startswith('<svg role="img" aria-label="of &quot;&lt;b&gt;&quot;"')
    assert "&lt;b&gt; &amp; $x$" in svg
    assert INK not in svg
    assert "var(--ink)" in svg
    assert inline_svg(figure, 'of "<b>"') == svg


def test_pictures_are_the_same_each_time(tmp_path):
    figure = new_figure(1, 1)
    assert save_png(figure, tmp_path / "a.png").read_bytes() == save_png(figure, tmp_path / "b.png").read_bytes()


def test_short_names():
    assert short_name("Stop") == "Stop"
    assert short_name("Right-of-way at the next intersection", 12) == "Right-of-way\nat the next…"
    assert short_name("Donaudampfschifffahrt", 10, 1) == "Donaudamp…"
    assert short_name("") == ""
