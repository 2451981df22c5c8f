"""A unit counts as done only if its file holds all that was written, and nothing else."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import grid, unit_files
from pipelines.errors import InputError
from pipelines.output_folder import MANIFEST_FILE, output_folder
from pipelines.unit_files import missing, read_unit, unit_file, write_unit


class Piece:
    """A piece of work of a key and a number of rows."""

    noise = "fog"

    def __init__(self, key, size):
        self.key, self.size = key, size


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "noise": np.full(count, "fog"),
            "level": np.repeat([0.25, 0.5], count // 2),
            "repeat": np.zeros(count, np.int16),
            "image_id": np.tile([f"test/{number:05d}" for number in range(count // 2)], 2),
            "label": random.integers(0, 3, count),
            "predicted": random.integers(0, 3, count),
            "margin": random.normal(size=count).astype(np.float32),
        }
    )


UNITS = [Piece("a" * 24, 20), Piece("b" * 24, 20)]


@pytest.fixture
def folder(tmp_path):
    for seed, unit in enumerate(UNITS):
        write_unit(tmp_path, unit.key, rows(unit.size, seed))
    return tmp_path


def torn(path):
    path.write_bytes(path.read_bytes()[:-50])


def empty(path):
    path.write_bytes(b"")


def half(path):
    table = pq.read_table(path)
    pq.write_table(table.slice(0, len(table) // 2), path)


def no_rows(path):
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def altered(path):
    """Other answers in as many rows, with all that the file says of itself."""
    table = pq.read_table(path)
    other = pa.array((table["predicted"].to_numpy() + 1) % 3)
    pq.write_table(table.set_column(table.column_names.index("predicted"), "predicted", other), path)


def rewritten(path):
    """The same rows by another program, which does not say what they are."""
    pd.read_parquet(path).to_parquet(path)


def swapped(path):
    """The whole file of another unit."""
    path.write_bytes(unit_file(path.parent, UNITS[1].key).read_bytes())


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


def text(path):
    path.write_text("not Parquet at all, but longer than a footer")


SPOIL = [torn, empty, half, no_rows, altered, rewritten, swapped, flipped, text]


def test_units_that_are_whole_are_done(folder, caplog):
    assert missing(UNITS, folder) == {}
    assert read_unit(folder, UNITS[1]).equals(rows(20, 1))
    assert not caplog.text


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_unit_that_is_not_what_was_written_is_done_again_and_said(folder, spoil, caplog):
    path = unit_file(folder, UNITS[0].key)
    spoil(path)
    assert missing(UNITS, folder) == {UNITS[0].key: UNITS[0]}
    assert f"1 of 2 units are torn, cut short or altered, the first is {path}: they are done again" in caplog.text
    assert not path.exists()
    assert unit_file(folder, UNITS[1].key).exists()


@pytest.mark.parametrize("spoil", [*SPOIL, lambda path: path.unlink()])
def test_a_unit_that_is_spoilt_while_the_grid_runs_is_named(folder, spoil):
    spoil(unit_file(folder, UNITS[0].key))
    with pytest.raises(InputError, match=r"a{24}\.parquet: lost or altered while the grid ran; --resume does"):
        read_unit(folder, UNITS[0])


def test_a_unit_of_another_size_is_another_unit(folder):
    assert list(missing([Piece("a" * 24, 30)], folder)) == ["a" * 24]


def test_the_checksum_is_of_the_rows_and_not_of_the_layout(folder):
    table = rows(20)
    cut = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    assert unit_files.checksum(cut) == unit_files.checksum(table)
    pq.write_table(table, folder / "other.parquet", use_dictionary=False, compression="none", row_group_size=3)
    assert unit_files.checksum(pq.read_table(folder / "other.parquet")) == unit_files.checksum(table)
    for name in table.column_names:
        assert unit_files.checksum(table.drop_columns([name])) != unit_files.checksum(table)


@pytest.mark.parametrize("spoil", [torn, empty, half, altered, text, lambda path: path.unlink()])
def test_predictions_are_read_by_content_and_not_by_place(folder, spoil, caplog):
    """Whatever took the place of a run's predictions, it reads its own."""
    whole = grid.compact(UNITS, folder, folder / "predictions", {"fog": (0.0, 0.25, 0.5)})
    before = whole["fog"]
    assert before["level_index"].tolist() == [1] * 20 + [2] * 20
    path = folder / "predictions" / "noise=fog" / "predictions.parquet"
    spoil(path)
    pd.testing.assert_frame_equal(whole["fog"], before)
    assert "it is made anew" in caplog.text
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)


def test_a_run_that_joined_its_predictions_in_the_same_place_changes_nothing_of_anothers(folder):
    levels = {"fog": (0.0, 0.25, 0.5)}
    first = grid.compact(UNITS[:1], folder, folder / "predictions", levels)
    mine = first["fog"]
    second = grid.compact(UNITS[1:], folder, folder / "predictions", levels)
    assert not second["fog"].equals(mine)
    pd.testing.assert_frame_equal(first["fog"], mine)


def test_only_files_whose_rows_are_others_are_written_again(folder):
    rain = Piece("c" * 24, 20)
    rain.noise = "rain"
    write_unit(folder, rain.key, rows(20, seed=2))
    levels = {"fog": (0.0, 0.25, 0.5), "rain": (0.0, 0.25, 0.5)}
    files = [folder / "predictions" / f"noise={noise}" / "predictions.parquet" for noise in levels]
    grid.compact([*UNITS, rain], folder, folder / "predictions", levels)
    fog, rain_file = (path.stat().st_ino for path in files)
    found = grid.compact([*UNITS, rain], folder, folder / "predictions", levels | {"rain": (0.0, 0.1, 0.25, 0.5)})
    assert files[0].stat().st_ino == fog
    assert files[1].stat().st_ino != rain_file
    assert found["rain"]["level_index"].tolist() == [2] * 10 + [3] * 10
    torn(files[0])
    grid.compact([*UNITS, rain], folder, folder / "predictions", levels)
    assert len(pd.read_parquet(files[0])) == 40


def test_predictions_of_noises_of_an_earlier_grid_are_deleted_and_a_persons_stay(folder):
    for noise in ("rain", "fog"):
        for unit in UNITS:
            unit.noise = noise
        with output_folder(folder, "noise_grid", ["predictions"]):
            grid.compact(UNITS, folder, folder / "predictions", {noise: (0.0, 0.25, 0.5)})
        (folder / "predictions" / "mine.txt").write_text("dear")
    found = {path.relative_to(folder).as_posix() for path in (folder / "predictions").rglob("*.*")}
    assert found == {"predictions/noise=fog/predictions.parquet", "predictions/mine.txt"}
    assert "noise=fog" in (folder / MANIFEST_FILE).read_text()
