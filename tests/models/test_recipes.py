import pytest

from models.recipes import RECIPES, Recipe


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.pretrained])
def test_every_recipe_of_our_own_builds_a_network_of_raw_images_to_logits(name: str) -> None:
    network = RECIPES[name].build(43, 32)
    assert network.input_shape == (None, 32, 32, 3)
    assert network.output_shape == (None, 43)
    assert network.layers[-1].name == "logits"


def test_the_best_recipe_has_at_most_one_and_a_half_million_parameters() -> None:
    assert RECIPES["best"].build(43, 32).count_params() <= 1_500_000


def test_changes_go_to_the_recipe_or_to_the_options_of_its_network() -> None:
    changed = RECIPES["default"].updated(epochs=3, width="1.5", dropout_kind="spatial")
    assert changed.epochs == 3
    assert changed.options == {"width": 1.5, "dropout_kind": "spatial"}
    assert RECIPES["default"].options == {}


def test_another_architecture_keeps_only_the_options_that_it_has() -> None:
    changed = Recipe("residual", {"dropout": 0.3, "depth": 2}).updated(architecture="mobilenet_v2", image_size=64)
    assert changed.options == {"dropout": 0.3, "image_size": 64}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_of_kernel": 3}, "residual has no such option; it has width, depth, norm"),
        ({"image_size": 96}, "residual has no such option"),
        ({"architecture": "vgg"}, "no architecture vgg; choose one of lenet"),
        ({"width": "wide"}, "valid number"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"augmentation": "sings"}, "augmentation 'sings' is unknown; choose none"),
        ({"balance": "some"}, "'none', 'weights' or 'sampling'"),
    ],
)
def test_wrong_changes_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RECIPES["default"].updated(**changes)


@pytest.mark.parametrize(("classes", "size"), [(1, 32), (43, 8)])
def test_what_does_not_fit_is_refused(classes: int, size: int) -> None:
    with pytest.raises(ValueError, match="needs 2 classes and 16 pixels"):
        RECIPES["default"].build(classes, size)


def test_weights_are_for_pretrained_networks() -> None:
    with pytest.raises(ValueError, match="starts from random weights; pretrained are mobilenet_v2"):
        RECIPES["default"].build(43, 32, weights="imagenet")
