import stat
import zipfile

import pytest

from pipelines.errors import InputError
from pipelines.sources.detect import open_source
from pipelines.sources.trees import open_archive, open_folder, stamp


def test_folder_and_archive_list_and_read_the_same(make, tmp_path):
    files = {"b/1.png": b"one", "a.csv": b"two"}
    folder, archive = make.unpacked(files, tmp_path / "f"), make.packed(files, tmp_path / "f.zip")
    for tree in (open_folder(folder), open_archive(archive)):
        assert tree.names == ("a.csv", "b/1.png")
        assert {name: tree.read(name) for name in tree.names} == files


def test_hidden_files_are_left_out(make, tmp_path):
    files = {".DS_Store": b"", "__MACOSX/a/._1.png": b"", "a/.x": b"", "a/1.png": b"", "..b/2.png": b""}
    assert open_archive(make.packed(files, tmp_path / "f.zip")).names == ("a/1.png",)
    assert open_folder(make.unpacked(files, tmp_path / "f")).names == ("a/1.png",)


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "..\\x.png"])
def test_entries_that_point_outside_are_refused(make, tmp_path, name):
    path = make.packed({"a/1.png": b"", name: b""}, tmp_path / "f.zip")
    with pytest.raises(InputError, match=r"f\.zip: entry .* points outside"):
        open_archive(path)


def test_links_in_an_archive_are_refused(tmp_path):
    link = zipfile.ZipInfo("a/1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"'a/1\.png' is a link"):
        open_archive(tmp_path / "f.zip")


@pytest.mark.parametrize("kept", [0, 10, 60])
def test_what_is_not_a_whole_archive_is_refused(make, tmp_path, kept):
    path = make.packed({"a/1.png": b"x" * 100}, tmp_path / "f.zip")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"f\.zip: not a zip archive, or cut short"):
        open_archive(path)


def test_a_damaged_member_is_named(make, tmp_path):
    path = make.packed({"a.csv": b"x" * 100}, tmp_path / "f.zip")
    path.write_bytes(path.read_bytes().replace(b"xxx", b"xyx", 1))
    with pytest.raises(InputError, match=r"f\.zip:a\.csv: cannot be read"):
        open_archive(path).read("a.csv")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="an empty folder"):
        open_folder(tmp_path)


def test_csv_without_a_column_or_not_text(make, tmp_path):
    tree = open_folder(make.unpacked({"a.csv": b"x;y\n1;2", "b.csv": b"\xff\xfe\x00"}, tmp_path))
    assert tree.read_csv("a.csv", ";", ("x",)) == [{"x": "1", "y": "2"}]
    with pytest.raises(InputError, match=r"a\.csv: no column z"):
        tree.read_csv("a.csv", ";", ("x", "z"))
    with pytest.raises(InputError, match=r"b\.csv: not a text file"):
        tree.read_csv("b.csv", ";", ("x",))


def test_the_stamp_follows_names_and_sizes_and_not_the_place(make, tmp_path):
    files = {"a/1": b"x", "b": b"yy"}
    first = make.unpacked(files, tmp_path / "one")
    before = stamp(first)
    first.rename(tmp_path / "two")
    assert stamp(tmp_path / "two") == before
    (tmp_path / "two/b").write_bytes(b"yyy")
    changed = stamp(tmp_path / "two")
    assert changed != before
    (tmp_path / "two/b").rename(tmp_path / "two/c")
    assert stamp(tmp_path / "two") not in (before, changed)


@pytest.mark.parametrize(
    ("link", "target"), [("self", "."), ("a/up", ".."), ("a/b/own", "."), ("0", "a"), ("a/z", "b")]
)
def test_a_folder_is_read_once_whatever_links_lead_to_it(make, tmp_path, link, target):
    folder = make.unpacked({"a/1.png": b"", "a/b/2.png": b""}, tmp_path / "f")
    before = stamp(folder)
    (folder / link).symlink_to(target, target_is_directory=True)
    tree = open_folder(folder)
    assert tree.names == ("a/1.png", "a/b/2.png")
    assert tree.notes == (f"{folder / link}: a link to a folder that is read already, so it is left out",)
    assert stamp(folder) == before


def test_folders_that_link_to_each_other_are_read_once(make, tmp_path):
    folder = make.unpacked({"a/1.png": b"", "b/2.png": b""}, tmp_path / "f")
    (folder / "a/x").symlink_to("../b", target_is_directory=True)
    (folder / "b/y").symlink_to("../a", target_is_directory=True)
    assert open_folder(folder).names == ("a/1.png", "b/2.png")


def test_a_link_to_its_own_folder_gives_no_copies(make, tmp_path):
    folder = make.unpacked(make.class_files(10), tmp_path / "trees")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    plan = open_source(str(folder)).plan(0)
    assert len(plan.rows) == 30
    assert "again: a link to a folder that is read already" in plan.notes[0]


def test_other_links_are_followed(make, tmp_path):
    away = make.unpacked({"1.png": b"x"}, tmp_path / "away")
    folder = make.unpacked({"b/2.png": b"y"}, tmp_path / "f")
    (folder / "a").symlink_to(away)
    (tmp_path / "g").symlink_to(folder)
    assert open_folder(tmp_path / "g").names == ("a/1.png", "b/2.png")
