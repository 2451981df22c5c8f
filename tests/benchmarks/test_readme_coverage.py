import pytest

from benchmarks.readme_coverage import coverage

ROW = {
    "scenario": "even falls", "images": 300, "share": 0.9, "criterion": "begins", "coverage": 0.951, "low": 0.93,
    "high": 0.968, "width": 0.021, "cell": 0.1, "simulations": 500, "infinite": 0, "predictions": 3300,
}  # fmt: skip
STEEP = {"scenario": "steep falls", "images": 6000, "coverage": 0.807, "low": 0.77, "high": 0.84, "criterion": "fails"}


def found(fixed, refined=({},)):
    tables = {"fixed": [ROW | row for row in fixed], "refined": [ROW | row for row in refined]}
    return tables | {"command": "python -m benchmarks.threshold_coverage"}


def sentences(said):
    fixed, refined = (line for line in said.split("\n") if line.startswith("- "))
    return fixed, refined


def test_the_lowest_row_of_a_table_is_in_its_sentence_and_no_row_is_left_out():
    said = coverage(found([{}, STEEP, {"coverage": 0.99, "low": 0.97, "high": 1.0, "images": 100}]))
    fixed, _ = sentences(said)
    assert "80.7% [77.0%, 84.0%] in the lowest of 3 rows (steep falls, 6,000 images, fails)" in fixed
    assert "99.0% [97.0%, 100.0%] in the highest" in fixed
    assert said.count("| even falls |") == 3
    assert "| steep falls | 6,000 | fails, 0.9 | 80.7% [77.0%, 84.0%] | 0.021 | 0.1 | 0 of 500 | 3,300 |" in said


def test_the_two_tables_speak_for_themselves():
    fixed, refined = sentences(coverage(found([{}], [STEEP | {"predictions": 8000}, {"predictions": 12000}])))
    assert "80.7%" in refined
    assert "80.7%" not in fixed
    assert "for 8,000 to 12,000 predictions" in refined


def test_rows_without_an_interval_are_counted_apart():
    nothing = {"scenario": "three tracks", "infinite": 500, "coverage": 0.0, "low": 0.0, "high": 0.0}
    said = coverage(found([{}, nothing, STEEP | {"infinite": 2}]))
    fixed, _ = sentences(said)
    assert "80.7% [77.0%, 84.0%] in the lowest of 2 rows" in fixed
    assert "in 1 of them some simulations give no interval; 1 rows more give none at all" in fixed
    assert "| three tracks | 300 | begins, 0.9 | no interval | 0.021 | 0.1 | 500 of 500 |" in said


def test_a_row_of_another_form_is_refused():
    bare = found([{}])
    del bare["fixed"][0]["coverage"]
    with pytest.raises(KeyError):
        coverage(bare)


def test_the_table_of_an_earlier_estimator_is_not_quoted():
    assert "%" not in coverage({"scenarios": [{"coverage": 0.95, "bar": True}]})
