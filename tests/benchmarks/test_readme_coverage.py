import pytest

from benchmarks.readme_coverage import comparisons, coverage, mutants, recipes

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


COMPARED = {
    "scenario": "even falls", "images": 300, "ratio": 1.0, "share": 0.5, "criterion": "fails", "coverage": 0.96,
    "coverage_low": 0.94, "coverage_high": 0.97, "apart": 0.04, "apart_low": 0.03, "apart_high": 0.06, "factor": 1.2,
    "simulations": 400, "infinite": 0,
}  # fmt: skip


def test_false_alarms_are_those_of_networks_that_are_alike():
    unlike = COMPARED | {"ratio": 1.2, "apart": 0.9, "apart_low": 0.88, "apart_high": 0.92, "coverage": 0.93}
    nothing = {name: COMPARED[name] for name in ("scenario", "images", "ratio", "share", "criterion")}
    said = comparisons({"command": "compare", "rows": [COMPARED, unlike, nothing]})
    assert "93.0% [94.0%, 97.0%] in the lowest of 2 rows (even falls, 300 images, fails)" in said
    assert "told apart in 4.0% [3.0%, 6.0%] in the highest" in said
    assert "1 rows more have no interval" in said
    assert said.count("| even falls |") == 3


def test_a_recipe_is_not_read_off_one_of_its_networks():
    row = {
        "trainings": 3,
        "images": 1000,
        "sudden": False,
        "share": 0.5,
        "coverage_by_one_network": 0.96,
        "spread": 0.0,
    }
    for name, value in (("coverage", 0.97), ("ratio_coverage", 0.98), ("false_alarms", 0.01)):
        row |= {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}
    apart = row | {"spread": 3.0, "coverage": 0.94, "coverage_by_one_network": 0.55, "false_alarms": 0.015}
    said = recipes({"command": "simulate", "scenarios": [row, apart]})
    assert "94.0% [96.0%, 98.0%] in the lowest of 2 rows" in said
    assert "covers in as little as 55%" in said
    assert "told apart in 1.5% [0.0%, 2.0%] in the highest" in said


def test_mutants_that_live_and_those_that_change_nothing_are_counted_apart():
    killed = {"list": "drawn", "outcome": "killed", "equivalent": ""}
    rows = [killed, killed, killed | {"outcome": "survived"}]
    rows += [killed | {"outcome": "survived", "equivalent": "why"}, killed | {"list": "plausible"}]
    said = mutants({"command": "mutate", "seed": 7, "mutants": rows})
    assert "2 of 3 drawn by seed 7 from all that a tool makes (1 more cannot" in said
    assert "1 of 1 plausible ones" in said
