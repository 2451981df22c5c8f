import numpy as np
import pandas as pd
import pytest
from click import ClickException

from benchmarks.network_robustness import _predictions, accuracies_table, comparisons_table, verdicts

LEVELS = np.linspace(0, 1, 11)
IMAGES = [f"test/{image:03d}" for image in range(200)]


def write_grid(folder, centres, hard, images=IMAGES):
    """What `noise_grid` leaves of networks that are right up to a tolerance of each image about their centre."""
    known = {"image_id": images, "track": "", "label": np.arange(len(images)) % 4, "repeat": 0}
    for number, centre in enumerate(centres, start=1):
        own = folder / f"network-{number}"
        tables = {"clean": pd.DataFrame(known | {"level": 0.0, "level_index": 0, "predicted": known["label"]})}
        for name, factor in (("fog", 1.0), ("rain", 0.5)):
            rows = [
                pd.DataFrame(known | {"level": level, "level_index": index})
                for index, level in enumerate(LEVELS)
                if index
            ]
            for part in rows:
                right = factor * centre * np.exp(0.3 * hard) > part["level"]
                part["predicted"] = np.where(right, part["label"], 9)
            tables[name] = pd.concat(rows)
        for name, table in tables.items():
            (own / "predictions" / f"noise={name}").mkdir(parents=True)
            table.to_parquet(own / "predictions" / f"noise={name}" / "predictions.parquet", index=False)
        curves = [{"noise": name, "level": level} for name in ("fog", "rain") for level in LEVELS]
        pd.DataFrame(curves).to_csv(own / "curves.csv", index=False)
    return folder


def test_recipes_are_compared_under_each_noise_by_all_their_networks(tmp_path, random):
    hard = random.normal(size=len(IMAGES))
    best = write_grid(tmp_path / "best", [0.6, 0.62, 0.64], hard)
    default = write_grid(tmp_path / "default", [0.4, 0.41, 0.42], hard)
    table = comparisons_table({"best": best, "default": default}).set_index(["noise", "criterion"])
    assert set(table["networks"]) == {"3, 3"}
    assert table["ratio"].to_numpy() == pytest.approx(np.full(4, 1.51), rel=0.08)
    fog = table.loc[("fog", "fails")]
    assert 1.3 < fog["low"] < fog["ratio"] < fog["high"] < 1.75
    two = table.loc[["fog", "rain"]].xs("fails", level="criterion")
    assert two["p_holm"].min() == pytest.approx(2 * two["p"].min())
    assert comparisons_table({"best": best}).empty
    begins, fails = verdicts(table.reset_index())
    assert fails["noises"] == 2
    assert set(fails["more"]) == set(begins["more"]) == {"fog", "rain"}
    assert fails["less"] == []
    assert fails["median_ratio"] == pytest.approx(1.51, rel=0.08)


def test_single_networks_are_compared_as_such(tmp_path, random):
    hard = random.normal(size=len(IMAGES))
    grids = {name: write_grid(tmp_path / name, [centre], hard) for name, centre in (("best", 0.6), ("default", 0.4))}
    single = {name: grid / "network-1" for name, grid in grids.items()}
    table = comparisons_table(single).set_index(["noise", "criterion"])
    assert set(table["networks"]) == {"1, 1"}
    fog = table.loc[("fog", "fails")]
    assert 1.4 < fog["low"] < fog["ratio"] < fog["high"] < 1.6


def test_grids_of_other_images_are_refused(tmp_path, random):
    hard = random.normal(size=len(IMAGES))
    one = write_grid(tmp_path / "one", [0.5, 0.52], hard)
    other = write_grid(tmp_path / "other", [0.5, 0.52], hard, [name.replace("test", "rest") for name in IMAGES])
    with pytest.raises(ClickException, match="different noises or images"):
        comparisons_table({"best": one, "default": other})


def answers(*wrong, order=1):
    label = np.arange(100) % 4
    predicted = np.where(np.isin(np.arange(100), wrong), 9, label)
    return pd.DataFrame({"label": label, "predicted": predicted}, index=[f"{image:02d}" for image in range(100)])[
        ::order
    ]


def test_accuracies_are_compared_by_mcnemars_exact_test():
    networks = {"best/seed-0": answers(1, 2), "reference": answers(2, 3, 4, 5, 6, 7, 8, order=-1)}
    [row] = accuracies_table(networks).to_dict("records")
    assert (row["one_right"], row["other_right"], row["n"]) == (98, 93, 100)
    assert (row["only_one_right"], row["only_other_right"]) == (6, 1)
    assert row["p"] == pytest.approx(2 * (1 + 7) / 2**7)
    [same] = accuracies_table({"one": answers(1), "other": answers(1)}).to_dict("records")
    assert same["p"] == 1.0


def test_accuracies_on_other_images_are_refused():
    with pytest.raises(ClickException, match="different images"):
        accuracies_table({"one": answers(1), "other": answers(1).iloc[1:]})


def test_the_seeds_of_a_recipe_are_among_the_networks(tmp_path):
    for place in ("best_seeds/seed-0", "best_seeds/seed-1", "reference", "elsewhere"):
        (tmp_path / place).mkdir(parents=True)
        table = pd.DataFrame({"image_id": ["test/0"], "label": [1], "predicted": [1]})
        table.to_parquet(tmp_path / place / "predictions.parquet")
    assert set(_predictions(tmp_path)) == {"best_seeds/seed-0", "best_seeds/seed-1", "reference"}
