"""Recipes: a GAN together with all that decides its training, by the name that `gan --network` takes."""

from dataclasses import fields, replace
from typing import Annotated, Any, Literal

import keras
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from gan.augmentation import known
from gan.discriminators import DISCRIMINATORS, build_discriminator
from gan.generators import GENERATORS, build_generator
from gan.latents import Latent, latent
from gan.losses import LOSSES, adversarial_loss


def _one_of(what: str, choices: Any) -> AfterValidator:
    def listed(name: str) -> str:
        if name not in choices:
            raise ValueError(f"there is no {what} {name}; choose one of {', '.join(choices)}")
        return name

    return AfterValidator(listed)


def _latent(name: str) -> str:
    latent(name)
    return name


@dataclass(frozen=True)
class GanRecipe:
    """All that decides the training of a GAN but the images, the initial weights and the seed.

    Attributes:
        generator: Of `gan.generators.GENERATORS`.
        discriminator: Of `gan.discriminators.DISCRIMINATORS`.
        conditioning: How the discriminator learns of the class: projection (Miyato and Koyama 2018), auxiliary
            classifier (Odena 2016), classifier of K + 1 classes (Salimans 2016); none: the GAN knows no classes.
        latent: What enters the generator, of `gan.latents.LATENTS`.
        loss: Of `gan.losses.LOSSES`.
        width: Channels of the generator's widest images; other layers have multiples of it.
        discriminator_width: Channels of the discriminator's first layer.
        batch_size: Real images, and generated ones, a step.
        steps: Updates of the generator.
        generator_rate: Learning rate of the generator.
        discriminator_rate: Learning rate of the discriminator (two time scales, Heusel 2017).
        beta_1: Adam's decay of the mean gradient; both networks.
        beta_2: Adam's decay of the mean squared gradient.
        discriminator_steps: Updates of the discriminator for each of the generator.
        ema: Decay of the moving average of the generator that makes the samples; less in the first steps.
        spectral: Spectral normalisation of the discriminator (Miyato 2018).
        minibatch_deviation: The discriminator sees how much the images of a batch differ (Karras 2018).
        dropout: Share dropped in the discriminator.
        label_smoothing: One-sided: by how much the target of real images is less than 1 (Salimans 2016).
        instance_noise: Deviation of the noise on all images that the discriminator sees, in units of the [-1, 1]
            scale, at the first step; it falls to 0 with the last (Sonderby 2017).
        augmentation: Differentiable augmentation of all images that the discriminator sees, a policy of
            `gan.augmentation`; none.
        adaptive: The augmentation's probability follows the discriminator's overfitting (Karras 2020); else it is 1.
        r1: Gamma of the gradient penalty on real images (Mescheder 2018), taken every `R1_EVERY` steps.
        class_weight: Weight of the auxiliary classifier's loss in both networks' losses.
        l1: Weight of the difference from the real image, where the generator is given one (Isola 2017).
        balance: Draw images of all classes equally often; else as often as the data have them.
    """

    generator: Annotated[str, _one_of("generator", GENERATORS)] = "resize"
    discriminator: Annotated[str, _one_of("discriminator", DISCRIMINATORS)] = "convolutional"
    conditioning: Literal["none", "projection", "auxiliary", "k_plus_one"] = "none"
    latent: Annotated[str, AfterValidator(_latent)] = "gaussian"
    loss: Annotated[str, _one_of("loss", LOSSES)] = "non_saturating"
    width: Annotated[int, Field(ge=4)] = 32
    discriminator_width: Annotated[int, Field(ge=4)] = 32
    batch_size: Annotated[int, Field(ge=2)] = 64
    steps: Annotated[int, Field(ge=1)] = 6000
    generator_rate: Annotated[float, Field(gt=0)] = 2e-4
    discriminator_rate: Annotated[float, Field(gt=0)] = 2e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    discriminator_steps: Annotated[int, Field(ge=1)] = 1
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    spectral: bool = False
    minibatch_deviation: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    instance_noise: Annotated[float, Field(ge=0)] = 0.0
    augmentation: Annotated[str, AfterValidator(known)] = "none"
    adaptive: bool = False
    r1: Annotated[float, Field(ge=0)] = 0.0
    class_weight: Annotated[float, Field(ge=0)] = 1.0
    l1: Annotated[float, Field(ge=0)] = 0.0
    balance: bool = False

    def updated(self, **changes: Any) -> "GanRecipe":
        """The recipe with other values of its fields.

        Raises:
            ValueError: a name that is none of them, or a value that it cannot have.
        """
        names = [field.name for field in fields(type(self))]
        for name in changes:
            if name not in names:
                raise ValueError(f"{name}: a GAN has no such option; it has {', '.join(names)}")
        return replace(self, **changes)

    @property
    def conditional(self) -> bool:
        """Whether the generator is asked for a class."""
        return self.conditioning != "none"

    @property
    def source(self) -> Latent:
        """What enters the generator."""
        return latent(self.latent)

    def build(self, size: int, classes: int) -> tuple[keras.Model, keras.Model]:
        """The two networks, untrained: see `build_generator` and `build_discriminator`.

        Args:
            size: Side of the images in pixels.
            classes: Of the labels that are trained with; used by a conditional GAN alone.

        Raises:
            ValueError: the latent, the class or other choices do not fit the networks or each other, or the size is
                none that they have.
        """
        adversarial_loss(self.loss, label_smoothing=self.label_smoothing)
        source, known = self.source, classes if self.conditional else 0
        generator = build_generator(self.generator, source, size=size, classes=known, width=self.width)
        if misfit := self._misfit():
            raise ValueError(misfit)
        discriminator = build_discriminator(
            self.discriminator,
            size=size,
            classes=known,
            conditioning=self.conditioning,
            width=self.discriminator_width,
            dropout=self.dropout,
            spectral=self.spectral,
            minibatch_deviation=self.minibatch_deviation,
            condition_channels=source.shape(size)[-1] if source.kind == "image" else 0,
        )
        return generator, discriminator

    def _misfit(self) -> str:
        """What of its values would do nothing or harm beside the others, and the remedy; empty if all is well."""
        translates = self.source.kind == "image"
        if translates and self.augmentation != "none":
            return (
                f"augmentation {self.augmentation} would part images from the {self.latent} that they are made from; "
                "take the recipe image_to_image, or set augmentation to none"
            )
        if self.l1 and not translates:
            return f"l1 {self.l1:g}: what is made of {self.latent} has no real image to be near; set l1 to 0"
        if self.adaptive and (self.augmentation == "none" or self.loss.startswith("wasserstein")):
            return (
                f"adaptive has nothing to adapt with augmentation {self.augmentation} and loss {self.loss}: it needs "
                "an augmentation, and a loss other than wasserstein and wasserstein_gp; set adaptive to false"
            )
        if self.conditioning == "k_plus_one" and (self.loss != "non_saturating" or self.label_smoothing):
            return "k_plus_one is a loss of its own: leave loss at non_saturating and label_smoothing at 0"
        return ""


GAN_RECIPES: dict[str, GanRecipe] = {
    "tutorial": GanRecipe(
        generator="transposed",
        width=64,
        discriminator_width=64,
        batch_size=256,
        steps=2000,
        generator_rate=1e-4,
        discriminator_rate=1e-4,
        beta_1=0.9,
        dropout=0.3,
        ema=0.0,
    ),
    "dcgan": GanRecipe(
        augmentation="color+translation+cutout",
        r1=0.1,
        steps=3200,
        generator_rate=1e-3,
        discriminator_rate=8e-4,
        beta_1=0.0,
        ema=0.999,
    ),
    "conditional": GanRecipe(
        conditioning="projection",
        loss="hinge",
        width=48,
        minibatch_deviation=True,
        generator_rate=1e-3,
        discriminator_rate=8e-4,
        beta_1=0.0,
        r1=0.05,
        steps=12_000,
        ema=0.999,
        balance=True,
    ),
    "style": GanRecipe(generator="style", minibatch_deviation=True, r1=1.0, beta_1=0.0, beta_2=0.99),
    "image_to_image": GanRecipe(generator="unet", discriminator="patch", latent="edges", l1=100.0, steps=10_000),
}
"""Recipes by name: `tutorial` is TensorFlow's DCGAN tutorial in colour; `dcgan` is for the images of one class."""
