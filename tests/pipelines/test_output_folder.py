"""Only what a manifest of ours names is written over or deleted."""

import pytest

from pipelines import output_folder as outputs
from pipelines.errors import InputError
from pipelines.output_folder import MANIFEST_FILE, output_folder, write_whole, written_beside

LEAVES = ("units", "report", "curves.csv", "network-*", "ray")


def holding(folder):
    return output_folder(folder, "noise_grid", LEAVES)


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST_FILE}


def test_nothing_half_written(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "deep" / "file", b"old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--output"):
        write_whole(tmp_path / "file" / "picture.png", b"")


def test_what_a_run_wrote_the_next_one_writes_over_and_deletes(tmp_path):
    for content in (b"first", b"second"):
        with holding(tmp_path):
            outputs.discard(tmp_path / "report")
            assert not (tmp_path / "report").exists()
            write_whole(tmp_path / "report" / "strips" / "fog.png", content)
            write_whole(tmp_path / "curves.csv", content)
        assert (tmp_path / "curves.csv").read_bytes() == content
    assert files(tmp_path) == {"report/strips/fog.png", "curves.csv"}


@pytest.mark.parametrize(
    "own", ["units/thesis.txt", "report/2024/scan.pdf", "network-7/notes", "ray/tracing.c", "curves.csv"]
)
def test_a_folder_with_files_of_our_names_is_refused_and_left_alone(tmp_path, own):
    path = tmp_path / own
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("dear")
    first = own.split("/")[0]
    said = rf"{first}: no run of this program has left it.*another --output"
    with pytest.raises(InputError, match=said), holding(tmp_path):
        pytest.fail("it was let in")
    assert files(tmp_path) == {own}
    assert path.read_text() == "dear"


def test_other_files_and_empty_folders_are_no_hindrance(tmp_path):
    (tmp_path / "units").mkdir()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("dear")
    with holding(tmp_path):
        pass
    assert files(tmp_path) == {"thesis/thesis.txt"}


def test_what_a_person_put_among_our_files_stays(tmp_path):
    with holding(tmp_path):
        write_whole(tmp_path / "report" / "report.html", b"ours")
    (tmp_path / "report" / "notes.txt").write_text("dear")
    with holding(tmp_path):
        outputs.discard(tmp_path / "report")
    assert files(tmp_path) == {"report/notes.txt"}


def test_a_file_that_appears_while_the_run_works_is_not_written_over(tmp_path):
    with holding(tmp_path):
        (tmp_path / "curves.csv").write_text("dear")
        with pytest.raises(InputError, match=r"curves\.csv: no run of this program has left it"):
            write_whole(tmp_path / "curves.csv", b"ours")
    assert (tmp_path / "curves.csv").read_text() == "dear"


def test_a_file_that_we_left_and_a_person_removed_is_forgotten(tmp_path):
    with holding(tmp_path):
        write_whole(tmp_path / "curves.csv", b"ours")
    (tmp_path / "curves.csv").unlink()
    with holding(tmp_path):
        pass
    assert not (tmp_path / MANIFEST_FILE).exists()
    (tmp_path / "curves.csv").write_text("dear")
    with pytest.raises(InputError, match=r"curves\.csv"), holding(tmp_path):
        pass


def test_a_whole_folder_of_other_peoples_code_is_ours_if_it_was_not_there(tmp_path):
    with holding(tmp_path):
        outputs.claim_folder(tmp_path / "ray")
        (tmp_path / "ray" / "search").mkdir(parents=True)
        (tmp_path / "ray" / "search" / "state.json").write_text("{}")
    with holding(tmp_path):
        outputs.discard(tmp_path / "ray")
        assert not (tmp_path / "ray").exists()
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "tracing.c").write_text("dear")
        with pytest.raises(InputError, match="ray: no run"):
            outputs.claim_folder(tmp_path / "ray")


def test_files_are_named_before_they_are_there_and_what_a_killed_run_was_writing_is_swept_up(tmp_path):
    with holding(tmp_path):
        write_whole(tmp_path / "units" / "b.parquet", b"whole")
        with written_beside(tmp_path / "units" / "a.parquet") as beside:
            assert "units/a.parquet" in (tmp_path / MANIFEST_FILE).read_text().split("\n")
            half = beside.name
    (tmp_path / "units" / half).write_text("torn")
    (tmp_path / "units" / half.replace("a.parquet", "thesis.txt")).write_text("dear")
    with holding(tmp_path):
        pass
    assert files(tmp_path) == {"units/a.parquet", "units/b.parquet", f"units/{half.replace('a.parquet', 'thesis.txt')}"}


def test_a_torn_last_line_names_nothing(tmp_path):
    with holding(tmp_path):
        write_whole(tmp_path / "units" / "a.parquet", b"ours")
    with (tmp_path / MANIFEST_FILE).open("a") as file:
        file.write("curves.cs")
    with holding(tmp_path):
        write_whole(tmp_path / "report" / "report.html", b"ours")
    assert sorted((tmp_path / MANIFEST_FILE).read_text().split()) == ["report/report.html", "units/a.parquet"]


def test_a_file_belongs_to_the_nearest_folder_that_is_held(tmp_path):
    inner = tmp_path / "network-1"
    inner.mkdir()
    with holding(tmp_path), holding(inner):
        write_whole(inner / "curves.csv", b"ours")
    assert (inner / MANIFEST_FILE).read_text() == "curves.csv\n"
    assert not (tmp_path / MANIFEST_FILE).exists()
    with holding(tmp_path):
        pass


def test_where_no_folder_is_held_nothing_is_deleted(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("dear")
    outputs.discard(tmp_path / "report")
    assert files(tmp_path) == {"report/report.html"}
