import pytest

from pipelines.errors import InputError
from pipelines.sources.detect import open_source


def test_what_does_not_exist_is_named_with_what_is_taken(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder or file: --data takes .*gtsrb or rendered"):
        open_source(str(tmp_path / "nowhere"))


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt: a file that is neither a folder nor a zip archive"):
        open_source(str(tmp_path / "notes.txt"))


def test_a_text_file_called_zip(tmp_path):
    (tmp_path / "notes.zip").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.zip: not a zip archive"):
        open_source(str(tmp_path / "notes.zip")).plan(0)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="an empty folder"):
        open_source(str(tmp_path)).plan(0)


def test_a_damaged_official_archive_is_named(make, tmp_path):
    folder = make.archived(make.official_files(), tmp_path)
    path = folder / "GTSRB_Final_Training_Images.zip"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"GTSRB_Final_Training_Images\.zip: not a zip archive, or cut short"):
        open_source(str(folder)).plan(0)
