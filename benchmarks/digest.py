"""What a figure rests on: the functions, classes and constants that are reached from what its command runs.

Their digest is over what they say, not where they stand: docstrings, comments, annotations, imports, messages of errors
and paths of modules do not count, so a module may be renamed and a function moved. What a name means is found without
running it: a method counts with all of its class; a registry (a constant that starts empty) with all that a decorator
puts into it, or, as a table of names does, with those alone that the command names.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shlex
import symtable
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from pipelines.provenance import UNKNOWN

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("benchmarks", "gan", "models", "noise", "pipelines")
CODE_DIGEST = "code_digest"
"""What result files call it."""
BOOKKEEPING = {
    "write_result",
    "write_whole",
    "RESULTS",
    "Target",
    "git_commit",
    "TrackedRun",
    "log_outcome",
    "_describe",
}
ENTERING = {"entry_point", "Settings", "Results", "InputError", "WeightsError", "reason", "load_tensorflow", "connect"}
NO_FIGURE = BOOKKEEPING | ENTERING | {"summarise", "logger", "webp_uri", "inline_svg"}
"""Names that are not followed: they keep the books, talk to a cluster or a person, or say what is wrong."""
TOLD = frozenset({"run", "logger", "click"})
"""Statements that begin with one of these tell MLflow or a person."""
DRAWING = frozenset({"styled", "new_figure"})
"""What names one of these draws, and is not followed either: how a picture looks is no number."""
ONLY_WITH = {
    "ingest": "pipelines.prepare",
    **dict.fromkeys(("GanTask", "GanSettings", "GAN_RECIPES", "gan"), "dcgan"),
    **dict.fromkeys(("BACKBONES", "build_transfer", "fit_transfer"), "--weights"),
}
"""Names that are followed only where the command has this word."""
IMPLIED = {"threshold": "quick"}
"""A word of a command, and the table that it needs without naming it."""

Name = tuple[str, str]
"""A module, and what it defines."""
Figure = dict[str, list[str]]
"""Hashes of all that a figure rests on, by name; several where modules use a name for different things."""


def is_code(path: str) -> bool:
    """Whether figures may rest on a file of the project: sources, and tables (YAML)."""
    return path.split("/")[0] in PACKAGES and path.endswith((".py", ".yaml"))


def sources() -> dict[str, str]:
    """What figures may rest on in the working tree, by path."""
    paths = {file.relative_to(ROOT).as_posix(): file for package in PACKAGES for file in (ROOT / package).rglob("*.*")}
    return {path: file.read_text(encoding="utf-8") for path, file in sorted(paths.items()) if is_code(path)}


def code_digest(command: str, files: Mapping[str, str]) -> str:
    """One word for all that a command's figures rest on in these sources; `unknown` where they do not tell."""
    try:
        return digest(Code(files).figure(command))
    except (LookupError, SyntaxError):  # a result is never lost for want of a digest
        return UNKNOWN


def digest(figure: Figure) -> str:
    """One word for all of it."""
    return _hash(json.dumps(figure, sort_keys=True))


def changed(figure: Figure, other: Figure) -> list[str]:
    """The names that mean something else in the two, or are in one of them alone."""
    return sorted(name for name in figure.keys() | other.keys() if figure.get(name) != other.get(name))


class Module:
    """What a source file defines and imports, by name."""

    def __init__(self, source: str) -> None:
        self.defined: dict[str, list[ast.stmt]] = {}
        self.imported: dict[str, str] = {}
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self.imported |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
            elif isinstance(node, ast.Import):
                own = [one.name if one.asname else one.name.split(".")[0] for one in node.names]
                self.imported |= {one.asname or name: name for one, name in zip(node.names, own, strict=True)}
        for statement in tree.body:
            for name in _bound(statement):
                self.defined.setdefault(name, []).append(statement)

    def has(self, name: str) -> bool:
        """Whether the module defines a name, or passes it on."""
        return name in self.defined or name in self.imported

    def defaults(self) -> dict[str, str]:
        """Options of an entry point that are words, and what they are where they are left out."""
        fields = [
            part for each in self.defined.values() for part in ast.walk(each[0]) if isinstance(part, ast.AnnAssign)
        ]
        given = {ast.unparse(part.target): part.value.args for part in fields if isinstance(part.value, ast.Call)}
        return {
            name: args[0].value
            for name, args in given.items()
            if args and isinstance(args[0], ast.Constant) and isinstance(args[0].value, str)
        }


@cache
def _module(source: str) -> Module:
    """Sources are the same in most commits, and need not be read again."""
    return Module(source)


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module defines, or changes as `TABLE[key] = value` does."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    stored = [node for node in ast.walk(statement) if isinstance(getattr(node, "ctx", None), ast.Store)]
    return {part.id for node in stored for part in ast.walk(node) if isinstance(part, ast.Name)}


class Code:
    """One state of the project, by its sources and tables."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.modules = {
            path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text
            for path, text in files.items()
            if path.endswith(".py")
        }
        self.tables = {Path(path).stem: yaml.safe_load(text) for path, text in files.items() if path.endswith(".yaml")}

    def module(self, name: str) -> Module:
        """A module by its name; raises LookupError if there is none."""
        return _module(self.modules[name])

    def figure(self, command: str) -> Figure:
        """What the figures of a command rest on.

        Raises:
            LookupError: there is no such command.
        """
        words = shlex.split(command)
        module = dict(pairwise(words))["-m"]
        defaults = self.module(module).defaults().items()
        words += [word for name, word in defaults if f"--{name.replace('_', '-')}" not in words]
        chosen = {part for word in words for part in re.split("[,:]", word) if part}
        chosen |= {IMPLIED[word] for word in chosen & IMPLIED.keys()}
        tables = {name: str(self.tables[name]) for name in chosen & self.tables.keys()}
        chosen |= set(re.findall(r"\w+", str(tables)))
        found = {name: {_hash(text)} for name, text in tables.items()}
        waiting, seen = [self.entry(module)], set[Name]()
        while waiting:
            at = waiting.pop()
            if at in seen or at[1] in NO_FIGURE or ONLY_WITH.get(at[1], at[1]) not in chosen | {at[1]}:
                continue
            seen.add(at)
            for statement in self.module(at[0]).defined[at[1]]:
                said = _Said(self, at[0], statement, chosen)
                if len(seen) > 1 and said.decides_nothing():
                    continue
                found.setdefault(at[1], set()).add(_hash(said.text))
                waiting += said.reached
            registered = self._registered(at)
            waiting += [one for one in registered if one[1] in chosen] or registered
        return {name: sorted(hashes) for name, hashes in sorted(found.items())}

    def find(self, module: str, dotted: str) -> tuple[Name | None, str]:
        """What a dotted name in a module means: something of ours, if it is, and how it is written in full."""
        first, *rest = dotted.split(".")
        own = self.module(module)
        if first in own.defined:
            return (module, first), dotted
        parts = [*own.imported.get(first, first).split("."), *rest]
        for end in range(len(parts) - 1, 0, -1):
            where = ".".join(parts[:end])
            if where in self.modules.keys() - {module} and self.module(where).has(parts[end]):
                return self.find(where, ".".join(parts[end:]))
        return None, ".".join(parts)

    def entry(self, module: str) -> Name:
        """What `python -m` runs."""
        name = module.split(".")[-1]
        return module, name if name in self.module(module).defined else "main"

    def _registered(self, at: Name) -> list[Name]:
        """What decorators put into a registry: those of its own module that name it."""
        own = self.module(at[0]).defined
        if not isinstance(own[at[1]][0], ast.AnnAssign | ast.Assign) or not ast.unparse(own[at[1]][0]).endswith("= {}"):
            return []
        makers = {(at[0], name) for name, [maker, *_] in own.items() if at[1] in _plain(maker)[1]}
        return [
            (module, name)
            for module in self.modules
            for name, [one, *_] in self.module(module).defined.items()
            for decorator in getattr(one, "decorator_list", ())
            if self.find(module, ast.unparse(getattr(decorator, "func", decorator)))[0] in makers
        ]


class _Plain(ast.NodeTransformer):
    """Without what decides no figure: docstrings, annotations, imports, messages of errors, help."""

    def generic_visit(self, node: ast.AST) -> Any:
        """Drop what became empty, and docstrings."""
        super().generic_visit(node)
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                kept = [one for one in statements if not isinstance(one, ast.Pass) and not _is_text(one)]
                setattr(node, block, kept or ([ast.Pass()] if block == "body" else []))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        if node.name.lstrip("_").startswith("require"):  # refuses what is wrong, and no more
            node.body = [ast.Pass()]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        plain = ast.Assign([node.target], node.value) if node.value else ast.Expr(node.target)
        return self.generic_visit(ast.fix_missing_locations(plain))

    def visit_Import(self, _: ast.Import) -> ast.AST:
        return ast.Pass()

    def visit_ImportFrom(self, _: ast.ImportFrom) -> ast.AST:
        return ast.Pass()

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise(getattr(node.exc, "func", node.exc))

    def visit_Try(self, node: ast.Try) -> Any:
        self.generic_visit(node)
        node.handlers = [one for one in node.handlers if not isinstance(one.body[-1], ast.Raise)]
        return node if node.handlers or node.finalbody else [*node.body, *node.orelse]

    def visit_Expr(self, node: ast.Expr) -> Any:
        return ast.Pass() if ast.unparse(node).split(".")[0] in TOLD else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        node.keywords = [one for one in node.keywords if one.arg not in ("help", "description")]
        return self.generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@cache
def _plain(statement: ast.stmt) -> tuple[str, frozenset[str]]:
    """What a statement says without what decides no figure, and the names in it that are the module's."""
    text = ast.unparse(_Plain().visit(deepcopy(statement)))
    tables = [symtable.symtable(text, "", "exec")]
    for table in tables:
        tables += table.get_children()
    names = {one.get_name() for table in tables for one in table.get_symbols() if one.is_global() or table is tables[0]}
    return text, frozenset(names)


class _Said(ast.NodeTransformer):
    """What a statement says whatever modules and imports are called, and what of ours it names."""

    def __init__(self, code: Code, module: str, statement: ast.stmt, chosen: set[str]) -> None:
        self.code, self.module, self.chosen = code, module, chosen
        self.reached: list[Name] = []
        text, self.names = _plain(statement)
        [tree] = ast.parse(text).body
        if isinstance(tree, ast.Assign) and isinstance(tree.value, ast.Dict):
            self._choose(tree.value)
        self.text = ast.unparse(self.visit(tree))

    def _choose(self, table: ast.Dict) -> None:
        """Of a table of names, leave what the command names, if it names something in it."""
        items = list(zip(table.keys, table.values, strict=True))
        named = [one for one in items if isinstance(one[0], ast.Constant) and one[0].value in self.chosen]
        kept = named or items
        table.keys, table.values = [key for key, _ in kept], [value for _, value in kept]

    def decides_nothing(self) -> bool:
        """Whether it draws, or is where a file lies."""
        draws = DRAWING & {name for _, name in self.reached}
        return bool(draws) or (self.text.isprintable() and "__file__" in self.names)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._resolved(node) if node.id in self.names else node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        first: ast.expr = node
        while isinstance(first, ast.Attribute):
            first = first.value
        if isinstance(first, ast.Name) and first.id in self.names:
            return self._resolved(node)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if node.value in self.code.modules and "." in node.value:
            module, name = self.code.entry(node.value)
            if name in self.code.module(module).defined:  # a command that is run as a process
                self.reached.append((module, name))
        return node

    def _resolved(self, node: ast.Name | ast.Attribute) -> ast.AST:
        ours, full = self.code.find(self.module, ast.unparse(node))
        self.reached += [ours] if ours else []
        return ast.Name(full)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
