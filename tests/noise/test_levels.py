import pytest

from noise.levels import by_name, evenly, make_grid, read_grid


def test_a_line_gives_levels_from_the_clean_image_up():
    grid = by_name(read_grid("gaussian:0:0.5:6, black_rows:0.5:1:2"))
    assert grid == {"gaussian": (0, 0.1, 0.2, 0.3, 0.4, 0.5), "black_rows": (0, 0.5, 1)}


def test_a_name_alone_means_its_whole_range():
    (part,) = read_grid("speckle")
    assert part.levels == evenly(0, 1.5, 11)
    assert part.levels[1] == 0.15


def test_levels_are_sorted_and_given_once():
    assert by_name(make_grid([("gaussian", [0.3, 0.1, 0.3])])) == {"gaussian": (0, 0.1, 0.3)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the grid is empty"),
        (" , ", "the grid is empty"),
        ("gausian", "did you mean gaussian"),
        ("gaussian:0:0.5", "is not NAME:LOW:HIGH:COUNT"),
        ("gaussian:0:a:3", "is not NAME:LOW:HIGH:COUNT"),
        ("gaussian:0.5:0:3", "is not NAME:LOW:HIGH:COUNT"),
        ("gaussian:0:0.5:3:4", "is not NAME:LOW:HIGH:COUNT"),
        ("gaussian:0:0.5:0", "is not NAME:LOW:HIGH:COUNT"),
        ("gaussian:0:0.9:3", "level 0.9 is out of range; choose 0 to 0.5"),
        ("gaussian:0:0:1", "no level above 0"),
        ("gaussian,gaussian", "named twice"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_grid(text)
    assert "\n" not in str(caught.value)
