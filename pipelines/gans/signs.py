"""Which signs a GAN learns from, which choose its best generator, and which judge that one in the end.

The training split teaches, the validation split chooses, the test split judges once. A generator that translates images
is never compared with the images that it was given: these are of other tracks.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    from gan.recipes import GanRecipe
    from pipelines.gan import GanSettings
    from pipelines.signs import SignDataset, Signs

FEWEST = {"train": 32, "validation": 8, "test": 8}
"""Images of each split that a GAN is trained on, chosen by and scored against, at least."""


def find_class(asked: str, class_names: tuple[str, ...]) -> int | None:
    """The number of a class given by name or number; None for all.

    Raises:
        InputError: there is no such class.
    """
    if not asked:
        return None
    folded = [name.casefold() for name in class_names]
    if asked.casefold() in folded:
        return folded.index(asked.casefold())
    if asked.isdecimal() and int(asked) < len(class_names):
        return int(asked)
    near = [class_names[folded.index(name)] for name in difflib.get_close_matches(asked.casefold(), folded, cutoff=0.5)]
    names = ", ".join(near or class_names[:3])
    raise InputError(
        f"--class {asked}: there is no such class; give a number from 0 to {len(class_names) - 1} or a name, as {names}"
    )


def read_signs(settings: GanSettings, dataset: SignDataset, split: str, label: int | None) -> Signs:
    """The images of a split, of one class or all; to compare with, of all no more than there are samples.

    Raises:
        InputError: there are too few.
    """
    limits = [settings.limit, settings.samples if split != "train" and label is None else None]
    signs = dataset.read(split, limit=min([limit for limit in limits if limit], default=None))
    if label is not None:
        signs = signs.take(signs.label == label)
    if len(signs) < FEWEST[split]:
        of = "" if label is None else f" of class {label}, {dataset.class_names[label]}"
        raise InputError(
            f"{dataset.folder}: {len(signs)} {split} images{of}; a GAN needs {FEWEST[split]} or more: "
            "choose another class, more data or a larger --limit"
        )
    return signs


def entering(recipe: GanRecipe, dataset: SignDataset, signs: Signs) -> Signs:
    """The signs that a generator is given in place of these: drawn ones of their classes if it translates pictograms.

    Raises:
        InputError: classes that cannot be drawn.
    """
    if recipe.latent != "pictogram":
        return signs
    from pipelines.sources.rendered import render
    from pipelines.training import drawable

    if not drawable(dataset):
        raise InputError(
            f"--latent pictogram: the classes of {dataset.folder} are not those of GTSRB; choose edges or blurred"
        )
    return replace(signs, image=render(signs.label, keys=signs.image_id.tolist(), size=dataset.size))


def halves(signs: Signs, recipe: GanRecipe) -> tuple[Signs, Signs]:
    """Validation signs to translate, and those of all other tracks to compare with.

    Raises:
        InputError: too few of them or of their tracks.
    """
    from pipelines.trials import track_subset

    given = np.isin(np.arange(len(signs)), track_subset(signs, 0.5, seed=0))
    parts = signs.take(given), signs.take(~given)
    if min(map(len, parts)) < FEWEST["validation"]:
        raise InputError(
            f"--latent {recipe.latent}: {len(signs)} validation images in two halves of the tracks are "
            f"{len(parts[0])} and {len(parts[1])}, and either needs {FEWEST['validation']}: "
            "choose another class, more data, or a larger --limit or --samples"
        )
    return parts
