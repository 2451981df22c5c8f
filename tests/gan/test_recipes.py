import pytest

from gan.recipes import GAN_RECIPES, GanRecipe


@pytest.mark.parametrize("name", GAN_RECIPES)
def test_recipes_can_be_built(name: str) -> None:
    recipe = GAN_RECIPES[name].updated(width=8, discriminator_width=8)
    generator, discriminator = recipe.build(32, 43)
    assert generator.output_shape == (None, 32, 32, 3)
    assert generator.inputs[0].shape[1:] == recipe.source.shape(32)
    assert len(generator.inputs) == 1 + recipe.conditional
    beside = (recipe.conditioning == "projection") + (recipe.source.kind == "image")
    assert len(discriminator.inputs) == 1 + beside


def test_values_are_read_from_text() -> None:
    recipe = GanRecipe().updated(width="8", spectral="true", r1="0.5")
    assert (recipe.width, recipe.spectral, recipe.r1) == (8, True, 0.5)
    assert recipe == GanRecipe(width=8, spectral=True, r1=0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "colour: a GAN has no such option; it has generator,"),
        ({"loss": "hings"}, "there is no loss hings; choose one of minimax"),
        ({"generator": "vae"}, "there is no generator vae"),
        ({"discriminator": "judge"}, "there is no discriminator judge"),
        ({"latent": "salt"}, "there is no latent salt"),
        ({"augmentation": "mirror"}, "augmentation 'mirror' is unknown"),
        ({"width": "wide"}, "valid integer"),
        ({"ema": 1}, "less than 1"),
        ({"latent": "edges", "augmentation": "color"}, "augmentation color .* set augmentation to none"),
        ({"generator": "unet"}, "generator unet translates maps, latent gaussian is a vector"),
        ({"l1": 1}, "l1 1: what is made of gaussian has no real image to be near; set l1 to 0"),
        ({"conditioning": "k_plus_one", "loss": "hinge"}, "leave loss at non_saturating"),
        ({"conditioning": "k_plus_one", "label_smoothing": 0.1}, "label_smoothing at 0"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "hinge has no labels to smooth"),
        ({"adaptive": True}, "adaptive has nothing to adapt with augmentation none"),
        ({"adaptive": True, "augmentation": "color", "loss": "wasserstein"}, "set adaptive to false"),
    ],
)
def test_wrong_values_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GanRecipe().updated(**changes).build(32, 43)
