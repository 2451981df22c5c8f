from pathlib import Path

import numpy as np
import pytest

from gan.checkpoint import load_checkpoint, save_checkpoint

SETTINGS = {"steps": 4, "rate": 2e-4, "loss": "hinge"}
ARRAYS = {"weights": [np.arange(6.0).reshape(2, 3), np.array(7, np.int64)], "none": []}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new" / "c.npz", SETTINGS, {"reports": [{"step": 4}]}, ARRAYS)
    state, arrays = load_checkpoint(tmp_path / "new" / "c.npz", SETTINGS)
    assert state == {"reports": [{"step": 4}]}
    assert arrays["none"] == []
    for loaded, saved in zip(arrays["weights"], ARRAYS["weights"], strict=True):
        np.testing.assert_array_equal(loaded, saved)
        assert loaded.dtype == saved.dtype
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.npz"]


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.npz", SETTINGS, {}, {})
    with pytest.raises(ValueError, match=r"c\.npz: .* rate 0.0002, not 0.1, loss hinge, not minimax; give the same"):
        load_checkpoint(tmp_path / "c.npz", {**SETTINGS, "rate": 0.1, "loss": "minimax"})


@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_file_is_refused(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, SETTINGS, {}, ARRAYS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"c\.npz: not a checkpoint, or a damaged one .*; remove it"):
        load_checkpoint(path, SETTINGS)


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, SETTINGS, {"step": 1}, ARRAYS)

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, SETTINGS, {"step": 2}, ARRAYS)
    assert load_checkpoint(path, SETTINGS)[0] == {"step": 1}
