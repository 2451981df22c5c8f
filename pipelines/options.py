"""Options that hold several values, and what is said of a value that cannot be."""

from collections.abc import Iterable


def read_options(text: str, own: Iterable[str] = ()) -> dict[str, str]:
    """Read NAME=VALUE[,...].

    Args:
        text: As the user gave it.
        own: Names that have an option of their own, and so do not belong here.

    Raises:
        ValueError: it is written otherwise, or names something twice or of `own`.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    names = [name.strip() for name, _, _ in pairs]
    if any(not sign for _, sign, _ in pairs) or len(set(names)) < len(names):
        raise ValueError("write NAME=VALUE, each name once, with commas between")
    for name in set(names).intersection(own):
        raise ValueError(f"{name} does not go here; give --{name.replace('_', '-')}")
    return {name: value.strip() for name, (_, _, value) in zip(names, pairs, strict=True)}


def reason(error: ValueError) -> str:
    """One line of what is wrong, whether we or pydantic found it."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return "; ".join(
            f"{item['loc'][-1]} {item['input']!r}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        )
    return str(error)
