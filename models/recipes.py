"""Recipes: a network together with all that decides its training, by the name that `train --network` takes."""

from collections.abc import Mapping
from dataclasses import asdict, field, fields, replace
from typing import Annotated, Any, Literal

import keras
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from models.cnn import NETWORKS, Style
from models.fit import Balance
from models.policies import known
from models.transfer import BACKBONES, build_transfer


@dataclass(frozen=True)
class TransferStyle:
    """What can be chosen in a pretrained network.

    Attributes:
        image_size: Side in pixels to which it enlarges the images.
        dropout: Share of its features dropped while training.
    """

    image_size: Annotated[int, Field(ge=32)] = 96
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


@dataclass(frozen=True)
class Recipe:
    """All that decides a training but the data, the initial weights and the seed.

    Attributes:
        architecture: Of `models.cnn.NETWORKS` or `models.transfer.BACKBONES`.
        options: Of the architecture: fields of `models.cnn.Style`, or image_size and dropout of a pretrained network.
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Largest learning rate.
        weight_decay: AdamW's.
        label_smoothing: Share of each label spread over all classes.
        augmentation: A policy of `models.policies`.
        balance: Against unequal classes: weights of the loss, or sampling; both by the square root of the frequency.
        ema: Decay of the moving average of the weights (Polyak and Juditsky 1992) that is kept; 0: none.
        patience: Epochs without a better validation macro-F1 after which training stops.
        rendered: Drawn signs a class beside the training images.
        holdout: What validation holds out: whole tracks, or, as naive splits do, single frames of the same tracks.
        all_tracks: Train on the validation tracks too, for all epochs.
        head_epochs: Of a pretrained network: epochs of its head alone, on frozen features, before the others.
        trainable: Of a pretrained network: share of its layers, from the top, that is fine-tuned.
    """

    architecture: str = "residual"
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    augmentation: Annotated[str, AfterValidator(known)] = "signs"
    balance: Balance = "none"
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Annotated[int, Field(ge=1)] = 12
    rendered: Annotated[int, Field(ge=0)] = 0
    holdout: Literal["tracks", "frames"] = "tracks"
    all_tracks: bool = False
    head_epochs: Annotated[int, Field(ge=0)] = 0
    trainable: Annotated[float, Field(ge=0, le=1)] = 1.0

    @property
    def pretrained(self) -> bool:
        """Whether the architecture is one that has ImageNet weights."""
        return self.architecture in BACKBONES

    @property
    def all_epochs(self) -> int:
        """Epochs of all phases."""
        return self.epochs + (self.head_epochs if self.pretrained else 0)

    def updated(self, **changes: Any) -> "Recipe":
        """The recipe with other values: of its fields, or, by any other name, of the architecture's options.

        Raises:
            ValueError: a name that is neither, an unknown architecture, a value that the option cannot have.
        """
        own = {key: value for key, value in changes.items() if key in _FIELDS}
        options = {key: value for key, value in changes.items() if key not in _FIELDS}
        recipe = replace(self, **own)
        style = recipe.style()
        choices = [option.name for option in fields(style)]
        for key in options:
            if key not in choices:
                raise ValueError(f"{key}: {recipe.architecture} has no such option; it has {', '.join(choices)}")
        options = {**{key: value for key, value in recipe.options.items() if key in choices}, **options}
        read = style(**options)
        return replace(recipe, options={key: getattr(read, key) for key in options})

    def style(self) -> type[Style] | type[TransferStyle]:
        """The kind of options that the architecture has.

        Raises:
            ValueError: there is no such architecture.
        """
        if self.architecture in NETWORKS:
            return Style
        if self.pretrained:
            return TransferStyle
        known = ", ".join([*NETWORKS, *BACKBONES])
        raise ValueError(f"there is no architecture {self.architecture}; choose one of {known}")

    def build(self, classes: int, size: int, *, weights: str | None = None) -> keras.Model:
        """The untrained network: float32 images (N, size, size, 3) in 0..255 -> float32 logits (N, classes).

        Args:
            classes: Number of classes, 2 or more.
            size: Side of the images in pixels, 16 or more.
            weights: Of a pretrained network: a file, `imagenet`, or None for random ones.

        Raises:
            ValueError: options out of range, or weights that do not fit.
        """
        if classes < 2 or size < 16:
            raise ValueError(f"a network needs 2 classes and 16 pixels or more, not {classes} and {size}")
        options = self.style()(**self.options)
        if isinstance(options, TransferStyle):
            return build_transfer(self.architecture, classes, size, weights=weights, **asdict(options))
        if weights:
            raise ValueError(f"{self.architecture} starts from random weights; pretrained are {', '.join(BACKBONES)}")
        return NETWORKS[self.architecture](classes, size, options)


_FIELDS = {part.name for part in fields(Recipe)} - {"options"}

FINE_TUNED = Recipe(
    "mobilenet_v2",
    {"image_size": 96},
    epochs=8,
    batch_size=64,
    learning_rate=5e-4,
    ema=0.99,
    rendered=200,
    all_tracks=True,
    head_epochs=10,
)

RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "lenet": Recipe("lenet", {"dropout": 0.2}),
    "reference": Recipe("multi_scale", {"dropout": 0.3, "contrast": "local"}, ema=0.998, rendered=200, all_tracks=True),
    "separable": Recipe("separable"),
    "best": Recipe("residual", {"depth": 2}, ema=0.998, rendered=200, all_tracks=True),
    **{name: FINE_TUNED.updated(architecture=name) for name in BACKBONES},
}
"""Recipes by name; `best` is the one whose results the README publishes."""
