"""Search spaces: data in YAML files that is read and checked here, and turned into what Ray Tune draws from."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import InputError
from pipelines.options import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    import numpy as np

    from models.recipes import Recipe

SPACES = Path(__file__).with_name("search_spaces")


@dataclass(frozen=True)
class Family:
    """What tells the families apart in a search; the values here are those of classifiers.

    Attributes:
        network: The recipe whose values trials have where the space says nothing; empty: that of the search's tag.
        objectives: What may be sought; by the first, epochs are compared.
        mutable: What population based training may change: all else decides the state of a training.
        columns: Numbers of each epoch by their name in the table of epochs.
    """

    network: str
    objectives: tuple[str, ...] = ("f1_macro", "parameters", "latency", "threshold")
    mutable: tuple[str, ...] = ("learning_rate", "weight_decay", "label_smoothing", "augmentation")
    columns: tuple[tuple[str, str], ...] = (
        ("f1_macro", "val_f1_macro"),
        ("accuracy", "val_accuracy"),
        ("loss", "loss"),
        ("learning_rate", "learning_rate"),
    )


FAMILIES = {
    "cnn": Family("default"),
    "transfer": Family("mobilenet_v2"),
    "dcgan": Family(
        "",
        objectives=("distance",),
        mutable=(
            "generator_rate",
            "discriminator_rate",
            "loss",
            "augmentation",
            "r1",
            "label_smoothing",
            "instance_noise",
            "class_weight",
            "l1",
        ),
        columns=(
            ("distance", "val_distance"),
            ("generator_loss", "generator_loss"),
            ("discriminator_loss", "discriminator_loss"),
        ),
    ),
}
DISTRIBUTIONS = ("choice", "uniform", "log_uniform", "integer")
FIXED = {
    "epochs": "give --epochs",
    "steps": "give --epochs and --scores-every",
    "all_tracks": "the best trial alone is trained on all tracks",
    "rendered": "train alone adds drawn signs",
    "holdout": "trials are compared on the validation tracks; train --holdout frames shows what frames would say",
    "options": "name the options themselves",
}
"""Fields of recipes that no space may hold, and what to do instead."""
OF_PRETRAINED = ("head_epochs", "trainable")
"""Recipe fields that decide nothing in the training of a network of our own."""
NOT_OF_THE_RECIPE = ("network", "seed", "tracks")
TRIES = 16


@dataclass(frozen=True)
class Parameter:
    """One axis of a space: `values` are the choices, or the two ends of a range (both included)."""

    name: str
    distribution: str
    values: tuple[Any, ...]

    @property
    def continuous(self) -> bool:
        """Whether a grid over it would have no end."""
        return self.distribution in ("uniform", "log_uniform")

    def sample(self, random: np.random.Generator) -> Any:
        """Draw one value."""
        if self.distribution == "choice":
            return self.values[int(random.integers(len(self.values)))]
        low, high = self.values
        if self.distribution == "integer":
            return int(random.integers(low, high + 1))
        if self.distribution == "log_uniform":
            return float(math.exp(random.uniform(math.log(low), math.log(high))))
        return float(random.uniform(low, high))

    def every(self) -> list[Any]:
        """All its values, for a grid."""
        return list(self.values) if self.distribution == "choice" else list(range(self.values[0], self.values[1] + 1))

    def domain(self) -> Any:
        """What Ray Tune draws from."""
        from ray import tune

        if self.distribution == "choice":
            return tune.choice(list(self.values))
        low, high = self.values
        if self.distribution == "integer":
            return tune.randint(low, high + 1)
        return (tune.loguniform if self.distribution == "log_uniform" else tune.uniform)(low, high)


@dataclass(frozen=True)
class Space:
    """A checked search space; `source` is its file."""

    source: str
    parameters: tuple[Parameter, ...]

    @property
    def digest(self) -> str:
        """Names the content, whatever the file is called."""
        return hashlib.sha256(json.dumps(self.described(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def combinations(self) -> int:
        """Points of its grid."""
        return math.prod(len(parameter.every()) for parameter in self.parameters)

    def described(self) -> dict[str, Any]:
        """The space as its file says it."""
        return {part.name: {part.distribution: list(part.values)} for part in self.parameters}

    def sample(self, random: np.random.Generator) -> dict[str, Any]:
        """Draw one point."""
        return {parameter.name: parameter.sample(random) for parameter in self.parameters}

    def domains(self) -> dict[str, Any]:
        """The space as Ray Tune takes it for searchers that draw."""
        return {parameter.name: parameter.domain() for parameter in self.parameters}

    def grid(self) -> dict[str, Any]:
        """The space as Ray Tune takes it for every combination once.

        Raises:
            InputError: a parameter is continuous.
        """
        from ray import tune

        for parameter in self.parameters:
            if parameter.continuous:
                raise InputError(
                    f"{self.source}, {parameter.name}: a grid over {parameter.distribution} has no end; "
                    "use choice or integer, or another --algorithm"
                )
        return {parameter.name: tune.grid_search(parameter.every()) for parameter in self.parameters}


def read_space(name: str) -> Space:
    """Read a space of `search_spaces/` by its name, or a YAML file by its path.

    Raises:
        InputError: there is none, or it is not one.
    """
    import yaml

    path = Path(name) if name.endswith((".yaml", ".yml")) else SPACES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in SPACES.glob("*.yaml")))
        raise InputError(f"--space {name}: there is no such file; choose one of {known}, or give a YAML file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict) or set(content) != {"parameters"} or not isinstance(content["parameters"], dict):
        raise InputError(f"{path}: write one key `parameters`, and under it each name with its distribution")
    if not content["parameters"]:
        raise InputError(f"{path}: no parameters; name one at least, such as learning_rate")
    return Space(str(path), tuple(_read(str(path), str(key), said) for key, said in content["parameters"].items()))


def _read(source: str, name: str, said: Any) -> Parameter:
    """One parameter, checked.

    Raises:
        InputError: of the file, the parameter and what is wrong with it.
    """

    def wrong(what: str) -> InputError:
        return InputError(f"{source}, {name}: {what}")

    if name in FIXED:
        raise wrong(f"not a parameter of a search; {FIXED[name]}")
    if not isinstance(said, dict) or len(said) != 1:
        raise wrong(f"write one distribution ({', '.join(DISTRIBUTIONS)}), such as {{uniform: [0.1, 0.6]}}")
    ((distribution, values),) = said.items()
    if distribution not in DISTRIBUTIONS:
        raise wrong(f"{distribution!r} is not a distribution; choose one of {', '.join(DISTRIBUTIONS)}")
    if not isinstance(values, list) or not values:
        raise wrong(f"{distribution} needs a list of values, not {values!r}")
    if distribution == "choice":
        return _choice(name, values, wrong)
    if len(values) != 2 or not all(_is_number(value) for value in values) or not values[0] < values[1]:
        raise wrong(f"{distribution} needs [low, high] with low < high, not {values}")
    if distribution == "log_uniform" and values[0] <= 0:
        raise wrong(f"log_uniform needs a range above 0, not {values}; 1e-3 is written 1.0e-3 in YAML")
    if distribution == "integer" and not all(isinstance(value, int) for value in values):
        raise wrong(f"integer needs whole numbers, not {values}")
    return _within(Parameter(name, distribution, tuple(values)), wrong)


def _choice(name: str, values: list[Any], wrong: Any) -> Parameter:
    if any(not isinstance(value, (str, int, float, bool)) for value in values):
        raise wrong(f"choice needs texts, numbers or switches, not {values}")
    if len({(type(value), value) for value in values}) < len(values):
        raise wrong(f"choice holds a value twice: {values}")
    return _within(Parameter(name, "choice", tuple(values)), wrong)


def _within(parameter: Parameter, wrong: Any) -> Parameter:
    """The parameter, if it is none of the two that no recipe checks, or in range."""
    values = parameter.values
    whole = parameter.distribution in ("choice", "integer")
    if parameter.name == "seed" and not (whole and all(_is_whole(value) and value >= 0 for value in values)):
        raise wrong(f"a seed is a whole number of 0 or more, not {list(values)}")
    if parameter.name == "tracks" and not all(_is_number(value) and 0 < value <= 1 for value in values):
        raise wrong(f"a share of the training tracks lies above 0 and is 1 at most, not {list(values)}")
    return parameter


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def recipe_at(point: dict[str, Any], family: str, epochs: int) -> Recipe:
    """The recipe of a point of a space: that of its `network`, or the family's, with the point's values.

    A pretrained network's head epochs are a part of `epochs`, all but one at most, so that no trial has more of them.
    Drawn signs are left out, which trials do not learn from.

    Raises:
        ValueError: an unknown network or parameter, a value that it cannot have, or a network of another family.
    """
    from models.recipes import RECIPES

    network = point.get("network", FAMILIES[family].network)
    if network not in RECIPES:
        raise ValueError(f"there is no network {network}; choose one of {', '.join(RECIPES)}")
    changes = {key: value for key, value in point.items() if key not in NOT_OF_THE_RECIPE}
    recipe = RECIPES[network].updated(**changes, rendered=0)
    if recipe.pretrained != (family == "transfer"):
        other = "transfer" if recipe.pretrained else "cnn"
        raise ValueError(f"{recipe.architecture} is not of the family {family}; leave it out, or give --family {other}")
    if not recipe.pretrained:
        return recipe.updated(epochs=epochs)
    head = min(recipe.head_epochs, epochs - 1)
    return recipe.updated(epochs=epochs - head, head_epochs=head)


def require_valid_point(
    space: Space, family: str, epochs: int, *, classes: int, size: int, weights: str | None = None
) -> None:
    """Build the classifiers of up to 16 points of the space, until one can be built.

    Raises:
        InputError: a parameter that no network of the space has, or no point that is valid.
    """
    from models.transfer import WeightsError

    def build(point: dict[str, Any]) -> None:
        recipe = recipe_at(point, family, epochs)
        recipe.build(classes, size, weights=weights if recipe.pretrained else None)

    require_known(space, _known(space, family, epochs))
    alone = len({head.get("network") for head in _heads(space)}) == 1
    try:
        require_buildable(space, build, final=(WeightsError,) if alone else ())
    except WeightsError as error:
        raise InputError(f"--weights {error}") from None


def require_buildable(
    space: Space, build: Callable[[dict[str, Any]], object], *, final: tuple[type[ValueError], ...] = ()
) -> None:
    """Build up to 16 points of the space, until one can be built.

    Raises:
        InputError: `build` raised a ValueError for each.
        ValueError: `build` raised one that is `final`: other points would not do either.
    """
    import numpy as np

    random = np.random.default_rng(0)
    last = ""
    for _ in range(TRIES):
        try:
            build(space.sample(random))
        except final:
            raise
        except ValueError as error:
            last = reason(error)
        else:
            return
    raise InputError(f"{space.source}: no valid point among {TRIES}; the last: {last}")


def require_known(space: Space, known: Set[str]) -> None:
    """Refuse a parameter that is none of the known.

    Raises:
        InputError: of the first, with the choices.
    """
    for parameter in space.parameters:
        if parameter.name not in known:
            raise InputError(
                f"{space.source}, {parameter.name}: there is no such parameter; choose of {', '.join(sorted(known))}"
            )


def _known(space: Space, family: str, epochs: int) -> set[str]:
    """The parameters that some network of the space has, whatever its value."""
    known: set[str] = set(NOT_OF_THE_RECIPE)
    for head in _heads(space):
        try:
            known |= _names(recipe_at(head, family, epochs))
        except ValueError as error:
            raise InputError(f"{space.source}: {reason(error)}") from None
    return known


def _heads(space: Space) -> list[dict[str, Any]]:
    """The networks and architectures that are tried, each with each."""
    choices = {part.name: part.values for part in space.parameters if part.distribution == "choice"}
    return [
        {name: value for name, value in (("network", network), ("architecture", architecture)) if value}
        for network in choices.get("network", [None])
        for architecture in choices.get("architecture", [None])
    ]


def _names(recipe: Recipe) -> set[str]:
    from dataclasses import fields

    ignored = set(FIXED) | set(() if recipe.pretrained else OF_PRETRAINED)
    return {part.name for kind in (recipe, recipe.style()) for part in fields(kind)} - ignored
