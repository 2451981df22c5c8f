from dataclasses import replace

import pytest

import noise
from noise.levels import at_severities, by_name, by_unit, evenly, every_noise, make_grid, read_grid, usual_levels


def test_a_line_gives_levels_from_the_clean_image_up():
    grid = by_name(read_grid("gaussian:0:0.5:6, black_rows:0.5:1:2"))
    assert grid == {"gaussian": (0, 0.1, 0.2, 0.3, 0.4, 0.5), "black_rows": (0, 0.5, 1)}


def test_a_name_alone_means_its_whole_range():
    (part,) = read_grid("speckle")
    assert part.levels == evenly(0, 1.5, 11)
    assert part.levels[1] == 0.15


def test_usual_levels_are_shares_of_the_range_from_low_to_high():
    kind = noise.find("gaussian")
    assert usual_levels(kind)[:5] == (0.0015, 0.005, 0.015, 0.03, 0.05)
    assert usual_levels(kind)[-1] == kind.high == 0.5
    assert usual_levels(replace(kind, low=1.0, high=3.0))[-2:] == (2.64, 3.0)


def test_a_grid_of_every_noise_and_one_of_the_severities():
    every = by_name(every_noise())
    assert set(every) == set(noise.catalogue())
    assert all(len(levels) == 13 and levels[0] == 0 for levels in every.values())
    severe = by_name(at_severities())
    assert severe["gaussian"] == (0, 0.04, 0.06, 0.08, 0.09, 0.1)
    assert set(severe) == {name for name, kind in noise.catalogue().items() if kind.corruption}


def test_units_by_name():
    grid = make_grid([("hue", [10.0]), ("gaussian", [0.1])])
    assert by_unit(grid) == {"hue": "degrees", "gaussian": "sigma on the [0, 1] scale"}


def test_one_level_alone_and_a_range_of_one_level():
    assert by_name(read_grid("gaussian:0.2:0.2:1")) == {"gaussian": (0, 0.2)}


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
