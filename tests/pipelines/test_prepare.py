import json
import logging
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines import ingest
from pipelines.errors import InputError
from pipelines.output_folder import output_folder, write_whole
from pipelines.prepare import PrepareSettings, counts_table, prepare
from pipelines.signs import open_signs, prepared
from pipelines.sources.plan import Source


def read(path):
    return json.loads((path / "dataset.json").read_text())


def test_ray_gives_what_one_process_gives_in_the_same_order(make, tmp_path, ray_session, monkeypatch):
    monkeypatch.setattr(ingest, "ROWS_A_GROUP", 16)
    folder = make.archived(make.official_files(), tmp_path / "gtsrb")
    on_ray = prepared(folder, size=12, output=tmp_path / "ray")
    blocks = []

    def decoded(plan, *, size, crop):
        for block in ingest._blocks(plan.rows, size):
            blocks.append(block)
            yield ingest.decode_block(block, load=plan.load, size=size, crop=crop)

    monkeypatch.setattr(ingest, "_decoded", decoded)
    alone = prepared(folder, size=12, output=tmp_path / "alone")
    assert len(blocks) > 5
    assert on_ray.digest == alone.digest
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(on_ray.read(split).image_id, alone.read(split).image_id)
        np.testing.assert_array_equal(on_ray.read(split).image, alone.read(split).image)


def test_damaged_images_end_a_ray_run_with_one_line(make, tmp_path, ray_session):
    files = make.class_files(10)
    files["birch/3.png"], files["ash/1.png"] = b"", files["ash/1.png"][:50]
    folder = make.unpacked(files, tmp_path / "trees")
    with pytest.raises(InputError, match=r"\.png: .*\(and 1 more\): replace the image, or remove it"):
        prepared(folder, output=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["trees"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [("empty", b""), ("text", b"hello"), ("cut", None)],
)
def test_a_damaged_image_is_named(make, tmp_path, in_process, kind, content):
    files = make.class_files(10)
    files["birch/3.png"] = files["birch/3.png"][:60] if content is None else content
    with pytest.raises(InputError, match=r"birch/3\.png: .*: replace the image"):
        prepared(make.unpacked(files, tmp_path / "trees"), output=tmp_path / "out")
    with pytest.raises(InputError, match=r"trees\.zip:birch/3\.png: .*: replace the image"):
        prepared(make.packed(files, tmp_path / "trees.zip"), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_member_with_another_checksum_is_named(make, tmp_path, in_process):
    files = make.class_files(10)
    path = make.packed(files, tmp_path / "trees.zip")
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("ash/5.png")
    content = bytearray(path.read_bytes())
    content[entry.header_offset + 80] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"trees\.zip:ash/5\.png: Bad CRC-32"):
        prepared(path, output=tmp_path / "out")


def test_the_digest_follows_the_content_and_not_the_layout(make, tmp_path, in_process, monkeypatch):
    files = make.class_files(10)
    first = prepared(make.unpacked(files, tmp_path / "a"), output=tmp_path / "1")
    monkeypatch.setattr(ingest, "ROWS_A_GROUP", 3)
    monkeypatch.setattr(ingest, "ROWS_A_FILE", 6)
    again = prepared(make.packed(dict(reversed(files.items())), tmp_path / "b.zip"), output=tmp_path / "2")
    assert len(again.files("train")) > len(first.files("train"))
    assert again.digest == first.digest
    assert prepared(tmp_path / "a", size=16, output=tmp_path / "3").digest != first.digest
    assert prepared(tmp_path / "a", seed=1, output=tmp_path / "4").digest != first.digest
    files["ash/0.png"] = files["ash/1.png"]
    assert prepared(make.unpacked(files, tmp_path / "a"), output=tmp_path / "5").digest != first.digest


def test_a_second_call_does_no_work_until_the_input_changes(make, tmp_path, in_process, monkeypatch):
    files = make.class_files(10)
    folder = make.unpacked(files, tmp_path / "trees")
    first = prepared(folder)
    assert first.folder.parent == tmp_path / "cache" / "prepared"
    with monkeypatch.context() as patched:
        patched.setattr(Source, "plan", None, raising=False)
        patched.setattr(ingest, "_decoded", None)
        assert prepared(folder) == first
        assert prepared(first.folder) == first
    make.unpacked({"ash/new.png": make.encoded(99, "PNG")}, folder)
    assert sum(map(sum, prepared(folder).counts.values())) == 31


def test_an_output_is_replaced_only_if_it_is_a_prepared_one(make, tmp_path, in_process):
    folder = make.unpacked(make.class_files(10), tmp_path / "trees")
    out = tmp_path / "out"
    out.mkdir()
    small = prepared(folder, size=16, output=out)
    assert prepared(folder, size=24, output=out).size == 24 != small.size
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="mine: not empty, and not a prepared data set"):
        prepared(folder, output=tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out", "trees"]


RESULTS = {"thresholds.csv": "mine", "units/a.parquet": "mine", "thesis.txt": "dear"}


def with_results(folder):
    for name, content in RESULTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)


def results(folder):
    return {name: (folder / name).read_text() for name in RESULTS}


def test_in_a_folder_that_holds_results_too_only_the_data_are_replaced(make, tracked, in_process, monkeypatch):
    """By the entry point, which holds the folder, and by a call; whether data of ours were copied there or made."""
    folder, out = make.unpacked(make.class_files(10), tracked / "trees"), tracked / "out"
    with monkeypatch.context() as patched:
        patched.setattr(ingest, "ROWS_A_GROUP", 3)
        patched.setattr(ingest, "ROWS_A_FILE", 6)
        assert len(prepared(folder, size=16, output=out).files("train")) > 1
    with_results(out)
    sheets = set()
    for size in (20, 24):
        assert prepare.execute(PrepareSettings(data=str(folder), size=size, output=out)) == 0
        signs = open_signs(out)
        assert (signs.size, len(signs.files("train"))) == (size, 1)
        sheets.add((out / "samples.png").read_bytes())
        assert results(out) == RESULTS
    assert len(sheets) == 2
    assert prepared(folder, size=28, output=out).size == 28
    assert results(out) == RESULTS


@pytest.mark.parametrize("lost", ["train-00000.parquet", "test-00000.parquet"])
def test_data_that_lost_a_file_are_made_again_and_nothing_else_is_deleted(make, tmp_path, in_process, lost):
    folder = make.unpacked(make.class_files(10), tmp_path / "trees")
    whole = prepared(folder, size=16, output=tmp_path / "out")
    with_results(tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    assert prepared(folder, size=16, output=tmp_path / "out").digest == whole.digest
    assert results(tmp_path / "out") == RESULTS


@pytest.mark.parametrize("name", ["dataset.json", "train-00000.parquet", "samples.png"])
def test_files_of_a_data_sets_names_among_results_of_ours_are_refused(make, tracked, in_process, capsys, name):
    folder, out = make.unpacked(make.class_files(10), tracked / "trees"), tracked / "out"
    out.mkdir()
    with output_folder(out, "noise_grid", []):
        write_whole(out / "thresholds.csv", b"ours")
    (out / name).write_text("dear")
    assert prepare.execute(PrepareSettings(data=str(folder), output=out)) == 2
    assert f"{name}: no run of this program has left it" in capsys.readouterr().err
    assert (out / name).read_text() == "dear"
    (out / name).unlink()
    assert prepare.execute(PrepareSettings(data=str(folder), output=out)) == 0
    assert (out / "thresholds.csv").read_bytes() == b"ours"


def test_a_prepared_folder_is_copied_to_another_output(make, tmp_path, in_process):
    first = prepared(make.unpacked(make.class_files(10), tmp_path / "trees"), output=tmp_path / "first")
    copy = prepared(first.folder, output=tmp_path / "copy")
    assert copy.folder == tmp_path / "copy"
    assert copy.digest == first.digest
    assert prepared(first.folder, output=first.folder) == first


def test_an_output_that_cannot_be_written(make, tmp_path, in_process):
    folder = make.unpacked(make.class_files(10), tmp_path / "trees")
    (tmp_path / "file").write_text("in the way")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"name a new folder|cannot be written.*choose another folder"):
            prepared(folder, output=output)


def test_another_process_that_was_first_wins(make, tmp_path, in_process, monkeypatch):
    folder = make.unpacked(make.class_files(10), tmp_path / "trees")
    decode = ingest._decoded

    def overtaken(plan, *, size, crop):
        monkeypatch.setattr(ingest, "_decoded", decode)
        prepared(folder)
        yield from decode(plan, size=size, crop=crop)

    monkeypatch.setattr(ingest, "_decoded", overtaken)
    assert sum(map(sum, prepared(folder).counts.values())) == 30
    assert len(list((tmp_path / "cache/prepared").iterdir())) == 1


@pytest.mark.parametrize("size", [0, 7, 8, 200, 5000])
def test_sizes_out_of_range(size):
    with pytest.raises(InputError, match=f"--size {size}: out of range"):
        prepared("rendered", size=size)


def test_sizes_and_regions(make, tmp_path, in_process):
    folder = make.archived(make.official_files(), tmp_path / "gtsrb")
    whole, cropped = prepared(folder, size=8), prepared(folder, size=8, crop=True)
    table = pq.read_table(whole.files("test")[0])
    assert table["width"].unique().to_pylist() == [16]
    before, after = whole.read("test").image[0], cropped.read("test").image[0]
    inner = np.asarray(Image.fromarray(before).crop((2, 2, 6, 6)).resize((8, 8), Image.Resampling.BICUBIC))
    assert np.abs(after.astype(int) - inner).mean() < 12
    assert whole.digest != cropped.digest


def test_differences_from_the_published_counts_are_said_once_and_kept(make, tmp_path, in_process, caplog):
    with caplog.at_level(logging.WARNING):
        signs = prepared(make.archived(make.official_files(), tmp_path / "gtsrb"))
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "train: 258 images where the published set has 39209 (43 classes differ)",
        "test: 43 images where the published set has 12630 (43 classes differ)",
    ]
    assert read(signs.folder)["official_differences"]["train"]["0"] == [6, 210]


def test_rendered_signs_are_prepared_in_the_size_asked_for(in_process):
    signs = prepared("rendered:10", size=16)
    assert signs.read("test").image.shape == (86, 16, 16, 3)
    assert (signs.name, signs.source) == ("rendered", "rendered:10")


def test_real_images_of_all_sizes(shared, tmp_path, in_process):
    signs = prepared(shared / "gtsrb" / "original-size-sample.zip", output=tmp_path / "out")
    assert {split: sum(counts) for split, counts in signs.counts.items()} == {
        "train": 278,
        "validation": 67,
        "test": 85,
    }
    train = pq.read_table(signs.files("train")[0], columns=["width", "height"])
    assert max(train["width"].to_pylist()) > 64 > 32 > min(train["height"].to_pylist())


def test_the_entry_point_prints_counts_and_logs_them(make, tracked, in_process, capsys):
    import mlflow

    folder = make.unpacked(make.class_files(10), tracked / "trees")
    settings = PrepareSettings(data=str(folder), size=16, output=tracked / "out", results=tracked / "results.json")
    assert prepare.execute(settings) == 0
    printed = capsys.readouterr().out
    signs = open_signs(tracked / "out")
    assert counts_table(signs) in printed
    assert signs.digest in printed
    results = json.loads((tracked / "results.json").read_text())
    assert results["metrics"] == {"data/train": 18, "data/validation": 6, "data/test": 6, "data/classes": 3}
    run = mlflow.get_run(results["run_id"])
    assert run.data.metrics == results["metrics"]
    assert run.data.tags["data_digest"] == signs.digest
    logged = {item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id, "data")}
    assert logged == {"data/dataset.json", "data/samples.png"}


def test_a_wrong_source_ends_with_one_line_and_code_2(tracked):
    asked = [sys.executable, "-m", "pipelines.prepare", "--data", "nowhere", "--output", str(tracked / "out")]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=tracked)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: nowhere: no such folder or file")
    assert "Traceback" not in ended.stderr


def test_an_image_that_is_listed_twice_is_named(make, tmp_path):
    files = make.kaggle_files()
    lines = files["Train.csv"].splitlines(keepends=True)
    files["Train.csv"] = b"".join([*lines[:2], *lines[1:]])
    source = make.unpacked(files, tmp_path / "kaggle")
    with pytest.raises(InputError, match=r"is listed 2 times: take the others out"):
        prepared(str(source), size=8, output=tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()
