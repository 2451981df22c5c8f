import pytest

from pipelines.main import main


def test_a_wrong_grid_is_told_before_anything_is_drawn_or_trained(capsys, tracked):
    with pytest.raises(SystemExit) as ended:
        main.command(["--noise", "gausian", "--output", str(tracked / "out")])
    assert ended.value.code == 2
    assert "did you mean gaussian?" in capsys.readouterr().err
    assert not list((tracked / "out").iterdir())
