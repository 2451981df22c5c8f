"""Noises of one's own: from a Python file, or from an installed package (see `noise.registry.PLUGINS`).

A file travels as its text, so that workers on other machines have its noises too.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import entry_points, version
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from noise.exits import staying
from noise.registry import PLUGINS

LIBRARIES = ("numpy", "numba", "scipy", "opencv-python-headless")
"""Distributions whose code is in the pixels."""


@dataclass(frozen=True)
class Plugin:
    """A Python file whose functions register noises.

    Attributes:
        name: what errors call it.
        source: its text.
    """

    name: str
    source: str


def read(path: Path) -> Plugin:
    """Read a plug-in file and register its noises.

    Raises:
        ValueError: it cannot be read or run.
    """
    try:
        plugin = Plugin(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable Python file ({error}); give one that registers noises") from None
    install(plugin)
    return plugin


@cache
def install(plugin: Plugin) -> None:
    """Register the noises of a plug-in in this process, once.

    Raises:
        ValueError: its code fails; the error and its line are named.
    """
    module = ModuleType(Path(plugin.name).stem)
    try:
        with staying("the plug-in"):
            exec(compile(plugin.source, plugin.name, "exec"), module.__dict__)  # noqa: S102  (the user's own code)
    except Exception as error:
        raise ValueError(
            f"{plugin.name}{_line(error, plugin.name)}: {type(error).__name__}: {error}; mend the plug-in"
        ) from error


def code_version(plugin: Plugin | None) -> str:
    """A digest of all code that makes noise: this package and the libraries that it uses, and the plug-ins.

    Of an installed plug-in it knows the release, of a plug-in file its text but not what that imports.
    """
    digest = blake2b(_own_digest())
    if plugin:
        digest.update(plugin.source.encode())
    releases = {f"{point.dist.name} {point.dist.version}" for point in entry_points(group=PLUGINS) if point.dist}
    releases |= {f"{name} {version(name)}" for name in LIBRARIES}
    digest.update("".join(sorted(releases)).encode())
    return digest.hexdigest()


@cache
def _own_digest() -> bytes:
    digest = blake2b()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def _line(error: Exception, name: str) -> str:
    """Where in the plug-in an error arose, or what it comes from (an exit that was caught)."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    raised = error.__cause__ if isinstance(error.__cause__, SystemExit) else error
    lines = [frame.lineno for frame in extract_tb(raised.__traceback__) if frame.filename == name]
    return f", line {lines[0]}" if lines else ""
