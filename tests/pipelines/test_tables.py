import pandas as pd
import pytest

from pipelines.tables import write_tables

TABLES = {
    "short.csv": pd.DataFrame({"noise": ["a", "b"], "threshold": [0.1, float("inf")], "censored": ["", "above"]}),
    "long.parquet": pd.DataFrame({"image": ["x", "y"], "level": [0.5, 0.25]}),
}


def test_tables_come_back_from_their_files(tmp_path):
    paths = write_tables(TABLES, tmp_path / "new")
    assert [path.name for path in paths] == list(TABLES)
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    back = pd.read_csv(paths[0], keep_default_na=False)
    assert back["threshold"].to_numpy() == pytest.approx(TABLES["short.csv"]["threshold"].to_numpy())
    pd.testing.assert_frame_equal(pd.read_parquet(paths[1]), TABLES["long.parquet"])


def test_an_interrupted_write_leaves_the_table_before(tmp_path, monkeypatch):
    [path] = write_tables({"short.csv": TABLES["short.csv"]}, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda self, file, **_: file.write_text("half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_tables({"short.csv": TABLES["short.csv"] * 2}, tmp_path)
    assert path.read_bytes() == before
