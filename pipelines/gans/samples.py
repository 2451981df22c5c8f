"""What a generator is asked for, always alike: samples to score, a few to watch it grow, a sheet to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from gan.recipes import GanRecipe
    from pipelines.signs import Signs

PREVIEWED = 64


@dataclass(frozen=True)
class Sampler:
    """Asks generators for images.

    Attributes:
        recipe: What the generator takes.
        inputs: Signs whose classes are asked for as often as they have them; if the generator translates images, these.
        count: Samples in a scoring: of a generator that translates, no more than inputs, each of which enters once.
        classes: Number of classes.
        label: The one class, or None.
        seed: Of the latents.
    """

    recipe: GanRecipe
    inputs: Signs
    count: int
    classes: int
    label: int | None
    seed: int

    @property
    def translates(self) -> bool:
        """Whether images enter the generator."""
        return self.recipe.source.kind == "image"

    @property
    def by_class(self) -> bool:
        """Whether each sample is of one class of several."""
        return self.label is None and (self.recipe.conditional or self.translates)

    def samples(self, generator: keras.Model, *, draw: int = 0) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Classes asked for (N,), as frequent as in the inputs, and images (N, H, W, 3).

        Args:
            generator: Of the recipe.
            draw: Another number, other latents; 0 is that of the scorings that choose.
        """
        rows = evenly(len(self.inputs), self.count)
        return self.inputs.label[rows], self._generate(generator, rows, self.inputs.label[rows], draw)

    def preview(self, generator: keras.Model) -> NDArray[np.uint8]:
        """A few images (N, H, W, 3), of the same latents and classes at each call."""
        rows = evenly(len(self.inputs), PREVIEWED)
        return self._generate(generator, rows, self.inputs.label[rows], draw=-1)

    def sheet(self, generator: keras.Model, columns: int) -> NDArray[np.uint8]:
        """Images (N, H, W, 3) in rows of `columns`: a row a class, white where it has no inputs; else a square."""
        if not self.by_class:
            count = min(columns**2, len(self.inputs)) if self.translates else columns**2
            rows = evenly(len(self.inputs), count)
            return self._generate(generator, rows, self.inputs.label[rows], draw=2)
        labels = np.repeat(np.arange(self.classes), columns)
        if not self.translates:
            return self._generate(generator, np.zeros_like(labels), labels, draw=2)
        rows = np.concatenate([self._inputs_of(label, columns) for label in range(self.classes)])
        made = self._generate(generator, rows[rows >= 0], self.inputs.label[rows[rows >= 0]], draw=2)
        sheet = np.full((len(rows), *made.shape[1:]), 255, np.uint8)
        sheet[rows >= 0] = made
        return sheet

    def example(self) -> dict[str, NDArray[Any]]:
        """Two inputs, by name, as they enter a generator."""
        rows, size = evenly(len(self.inputs), 2), self.inputs.image.shape[1]
        images = self.inputs.image[rows] if self.translates else None
        latent = self.recipe.source.sample(2, size, self._random(draw=-2), images=images)
        labels = {"label": self.inputs.label[rows].astype(np.int32)} if self.recipe.conditional else {}
        return {"latent": latent, **labels}

    def _inputs_of(self, label: int, columns: int) -> NDArray[np.int64]:
        """Rows (columns,) of the inputs of a class; -1 beyond their number."""
        known = np.flatnonzero(self.inputs.label == label)
        chosen = known[evenly(len(known), min(columns, len(known)))]
        return np.pad(chosen, (0, columns - len(chosen)), constant_values=-1)

    def _generate(
        self, generator: keras.Model, rows: NDArray[Any], labels: NDArray[np.int64], draw: int
    ) -> NDArray[np.uint8]:
        """Images of these classes, where the generator knows them, or made from these of the inputs."""
        from gan.sampling import generate

        return generate(
            generator,
            self.recipe.source,
            labels if self.recipe.conditional else None,
            n=len(rows),
            random=self._random(draw),
            images=self.inputs.image[rows] if self.translates else None,
        )

    def _random(self, draw: int) -> np.random.Generator:
        """Of latents, for a draw from -2 on; those of the training are of (seed, step)."""
        return np.random.default_rng((self.seed, 1, draw + 2))


def evenly(length: int, count: int) -> NDArray[np.int64]:
    """Rows (count,) of `length`, in order and in even steps; none twice unless there are fewer."""
    return np.arange(count) * length // max(count, 1)
