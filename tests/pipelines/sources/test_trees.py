import stat
import zipfile

import pytest

from pipelines.errors import InputError
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


@pytest.mark.parametrize("target", [".", "..", "../..", "b"], ids=["itself", "root", "above", "links to each other"])
def test_links_that_lead_back_are_not_followed(make, tmp_path, target):
    folder = make.unpacked({"a/1.png": b"x", "b/2.png": b"y"}, tmp_path / "outer" / "f")
    link = folder / "a" / "link"
    if target == "b":
        link.symlink_to(folder / "b")
        (folder / "b" / "link").symlink_to(folder / "a")
        assert open_folder(folder).names == ("a/1.png", "a/link/2.png", "b/2.png", "b/link/1.png")
    else:
        link.symlink_to(target)
        before = stamp(folder)
        assert open_folder(folder).names == ("a/1.png", "b/2.png")
        link.unlink()
        assert stamp(folder) == before


def test_other_links_are_followed(make, tmp_path):
    away = make.unpacked({"1.png": b"x"}, tmp_path / "away")
    folder = make.unpacked({"b/2.png": b"y"}, tmp_path / "f")
    (folder / "a").symlink_to(away)
    (tmp_path / "g").symlink_to(folder)
    assert open_folder(tmp_path / "g").names == ("a/1.png", "b/2.png")
