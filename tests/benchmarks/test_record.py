import json

from benchmarks import record
from benchmarks.record import write_result


def test_a_result_says_what_made_it_and_by_which_code(tmp_path, monkeypatch):
    started = {
        "command": "python -m benchmarks.speed",
        "date": "2026-11-30T20:00+00:00",
        "commit": "0123456",
        "machine": {},
    }
    monkeypatch.setattr(record, "STARTED", started)
    digests = []
    for value in (1, 2, 2):
        monkeypatch.setattr(record, "SOURCES", {"benchmarks/speed.py": f"def main():\n    return {value}\n"})
        write_result(tmp_path / "speed.json", {"digest": "of the data"}, packages=("numpy",))
        written = json.loads((tmp_path / "speed.json").read_text())
        assert started.items() <= written.items()
        assert written["digest"] == "of the data"
        digests.append(written["code_digest"])
    assert digests[0] != digests[1] == digests[2]
