from pathlib import Path

import numpy as np
import pytest

from models.recipes import RECIPES, Recipe
from models.transfer import WeightsError
from pipelines.errors import InputError
from pipelines.spaces import SPACES, Space, read_space, recipe_at, require_valid_point


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Space:
        (tmp_path / "own.yaml").write_text(text)
        return read_space(str(tmp_path / "own.yaml"))

    return write


def one(name: str, said: str) -> str:
    return f"parameters: {{{name}: {said}}}"


def test_a_space_says_what_its_file_says(write):
    space = write(
        "parameters: {learning_rate: {log_uniform: [3.0e-4, 1.0e-2]}, network: {choice: [default, reference]},"
        " dropout: {uniform: [0.1, 0.6]}, depth: {integer: [1, 3]}, seed: {choice: [0, 1]}, tracks: {choice: [0.5, 1]}}"
    )
    assert space.described()["depth"] == {"integer": [1, 3]}
    assert list(space.described()) == ["learning_rate", "network", "dropout", "depth", "seed", "tracks"]
    assert set(space.domains()) == set(space.described())


def test_draws_lie_within_the_space_and_follow_the_seed(write):
    space = write("parameters: {a: {uniform: [0.1, 0.6]}, b: {log_uniform: [1.0e-4, 1.0]}, c: {integer: [1, 3]}}")
    draws = [space.sample(random) for random in [np.random.default_rng(0)] for _ in range(2000)]
    a, b, c = (np.array([draw[name] for draw in draws]) for name in "abc")
    assert 0.1 <= a.min() < 0.11 < 0.59 < a.max() <= 0.6
    assert abs(np.mean(b < 1e-2) - 0.5) < 0.05  # half of the decades
    assert set(c.tolist()) == {1, 2, 3}
    assert space.sample(np.random.default_rng(5)) == space.sample(np.random.default_rng(5))


def test_the_digest_is_of_the_content(write, tmp_path):
    space = write(one("dropout", "{uniform: [0.1, 0.6]}"))
    (tmp_path / "other.yaml").write_text("# the same\nparameters:\n  dropout:\n    uniform: [0.1, 0.6]\n")
    assert read_space(str(tmp_path / "other.yaml")).digest == space.digest
    assert write(one("dropout", "{uniform: [0.1, 0.5]}")).digest != space.digest


def test_a_grid_has_every_combination(write):
    space = write("parameters: {dropout: {choice: [0.0, 0.2]}, depth: {integer: [1, 3]}}")
    assert space.combinations == 6
    assert space.grid() == {"dropout": {"grid_search": [0.0, 0.2]}, "depth": {"grid_search": [1, 2, 3]}}


def test_a_grid_over_a_range_has_no_end(write):
    with pytest.raises(InputError, match="dropout: a grid over uniform has no end"):
        write(one("dropout", "{uniform: [0.1, 0.6]}")).grid()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write one key `parameters`"),
        ("parameters: {}", "no parameters"),
        ("parameters: {a: {choice: [1]}}\nmore: 1", "write one key `parameters`"),
        ("parameters: [", "not YAML"),
        (one("dropout", "0.5"), "dropout: write one distribution"),
        (one("dropout", "{normal: [0, 1]}"), "'normal' is not a distribution; choose one of choice, uniform"),
        (one("dropout", "{choice: []}"), "choice needs a list of values"),
        (one("dropout", "{choice: [1, 1]}"), "holds a value twice"),
        (one("dropout", "{choice: [[1]]}"), "choice needs texts, numbers or switches"),
        (one("dropout", "{uniform: [0.6, 0.1]}"), "low < high"),
        (one("dropout", "{uniform: [0.1]}"), "low < high"),
        (one("dropout", "{uniform: [a, b]}"), "low < high"),
        (one("dropout", "{uniform: [0, .inf]}"), "low < high"),
        (one("rate", "{log_uniform: [0, 1]}"), "log_uniform needs a range above 0"),
        (one("depth", "{integer: [1, 2.5]}"), "integer needs whole numbers"),
        (one("seed", "{choice: [-1]}"), "a seed is a whole number"),
        (one("seed", "{uniform: [0, 1]}"), "a seed is a whole number"),
        (one("tracks", "{choice: [0.0, 0.5]}"), "share of the training tracks"),
        (one("epochs", "{integer: [1, 5]}"), "epochs: not a parameter of a search; give --epochs"),
        (one("holdout", "{choice: [tracks, frames]}"), "holdout: not a parameter of a search; trials are compared on"),
    ],
)
def test_a_wrong_space_is_named(text: str, message: str, write):
    with pytest.raises(InputError, match=message):
        write(text)


def test_a_space_that_is_not_there_is_named():
    with pytest.raises(InputError, match="--space cnm: there is no such file; choose one of cnn, dcgan"):
        read_space("cnm")


def test_a_point_changes_the_recipe_of_its_network():
    recipe = recipe_at({"network": "reference", "dropout": 0.3, "learning_rate": 0.01, "seed": 4}, "cnn", 7)
    assert (recipe.architecture, recipe.options["dropout"]) == ("multi_scale", 0.3)
    assert (recipe.learning_rate, recipe.epochs) == (0.01, 7)


def test_epochs_of_the_head_are_a_part_of_the_epochs():
    recipe = recipe_at({"head_epochs": 2}, "transfer", 5)
    assert (recipe.pretrained, recipe.head_epochs, recipe.epochs) == (True, 2, 3)


@pytest.mark.parametrize(("head", "epochs", "expected"), [(10, 4, (3, 1)), (0, 1, (0, 1)), (10, 1, (0, 1))])
def test_no_trial_has_more_epochs_than_it_was_given(head: int, epochs: int, expected: tuple[int, int]):
    recipe = recipe_at({"head_epochs": head}, "transfer", epochs)
    assert (recipe.head_epochs, recipe.epochs) == expected


@pytest.mark.parametrize(
    ("family", "said", "message"),
    [
        (
            "cnn",
            one("network", "{choice: [default, mobilenet]}"),
            "mobilenet is not of the family cnn; .* --family tra",
        ),
        ("cnn", one("architecture", "{choice: [mobilenet_v2]}"), "mobilenet_v2 is not of the family cnn"),
        ("transfer", one("network", "{choice: [lenet]}"), "lenet is not of the family transfer; .* --family cnn"),
        ("cnn", one("head_epochs", "{integer: [0, 2]}"), "head_epochs: there is no such parameter"),
        ("cnn", one("trainable", "{choice: [0.5]}"), "trainable: there is no such parameter"),
    ],
)
def test_what_is_of_another_family_is_refused(family: str, said: str, message: str, write):
    with pytest.raises(InputError, match=message):
        require_valid_point(write(said), family, 3, classes=3, size=16)


@pytest.mark.parametrize("name", sorted(path.stem for path in SPACES.glob("*.yaml") if "gan" not in path.stem))
def test_the_spaces_of_the_project_have_valid_points(name: str):
    family = "transfer" if name in ("transfer", "fine_tuning") else "cnn"
    space = read_space(name)
    require_valid_point(space, family, 3, classes=3, size=16)
    for seed in range(20):
        recipe_at(space.sample(np.random.default_rng(seed)), family, 3)


@pytest.mark.parametrize(("network", "family"), [("best", "cnn"), ("mobilenet_v2", "transfer")])
def test_neither_trials_nor_their_champion_learn_from_drawn_signs(network: str, family: str):
    assert RECIPES[network].rendered
    assert recipe_at({"network": network}, family, 3).rendered == 0


def test_weights_that_cannot_be_had_are_no_fault_of_a_space_with_one_network(write):
    with pytest.raises(InputError, match=r"^--weights nowhere\.h5: there is no such file; give a file of mobilenet_v2"):
        require_valid_point(
            write(one("trainable", "{choice: [0.5]}")), "transfer", 3, classes=3, size=16, weights="nowhere.h5"
        )


def test_weights_of_one_network_are_enough_for_a_space_that_has_it(write, monkeypatch):
    built = []

    def build(recipe: Recipe, *_: object, **__: object) -> None:
        built.append(recipe.architecture)
        if recipe.architecture == "mobilenet":
            raise WeightsError("here.h5: not the weights of mobilenet")

    monkeypatch.setattr(Recipe, "build", build)
    space = write(one("network", "{choice: [mobilenet, mobilenet_v2]}"))
    require_valid_point(space, "transfer", 3, classes=3, size=16, weights="here.h5")
    assert built[-1] == "mobilenet_v2"


def test_an_unknown_parameter_is_named_with_the_choices(write):
    space = write("parameters: {network: {choice: [lenet]}, dropuot: {uniform: [0.1, 0.2]}}")
    with pytest.raises(InputError, match=r"dropuot: there is no such parameter; choose of .*dropout, dropout_kind"):
        require_valid_point(space, "cnn", 3, classes=3, size=16)


def test_an_unknown_network_is_named(write):
    with pytest.raises(InputError, match="no network lenett; choose one of default"):
        require_valid_point(write(one("network", "{choice: [lenett]}")), "cnn", 3, classes=3, size=16)


def test_a_space_without_a_valid_point_says_why(write):
    with pytest.raises(InputError, match=r"no valid point among 16; the last: dropout 1.* less than 1$"):
        require_valid_point(write(one("dropout", "{uniform: [1.1, 2]}")), "cnn", 3, classes=3, size=16)
