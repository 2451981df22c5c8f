"""How many small faults the mirrored tests find: mutants of the code, drawn by a seed from all that cosmic-ray makes.

    python -m benchmarks.mutation [--count 150] [--seed 0] [FILE...]

Each mutant is put into a copy of the tree, where the tests of its own file alone run (`noise/levels.py`:
`tests/noise/test_levels.py`); a mutant that they pass survives. The faults that a person listed as plausible in
mutants.yaml run likewise, in a table of their own; a mutant that cannot be told from the code stands there with the
reason, is run all the same, and does not count while it survives.

No mutants are made of what is no behaviour: annotations, `if TYPE_CHECKING`, decorators for speed (`njit`,
`lru_cache`), and the texts of errors (all inside `raise`: tests look for the part that names the remedy, not for each
word). What does not compile is none either. cosmic-ray's two operators for variables need names and are left out.

Writes results/mutation.json and .md after each mutant, and goes on from there: what is done is not run again while its
function is the same, and, for a survivor, its tests too.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import import_module
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from numba.core import caching

from benchmarks.digest import ROOT
from benchmarks.record import RESULTS, STARTED, Target, write_result, write_whole

COPIED = ("gan", "models", "noise", "pipelines", "tests")
DEFAULT = ("noise", "pipelines/analysis.py", "models/scores.py", "gan/scores")
LISTED = Path(__file__).with_name("mutants.yaml")
NEED_NAMES = ("VariableReplacer", "VariableInserter")
FOR_SPEED = ("@njit", "@lru_cache", "@cache")
IMPORTED_ONCE = (
    "cv2",
    "hypothesis.extra.numpy",
    "numba",
    "pandas",
    "scipy.stats",
    "skimage.metrics",
    "sklearn.metrics",
)
"""What tests import takes longer than most of them: each run is a fork of a process that has it."""
LEAST_SECONDS, TIMES_AS_LONG = 20, 4
"""A mutant has so many seconds more than the unchanged code took, and so many times its time."""
KILLED = ("killed", "timed out")
HEADINGS = {"drawn": "Mutants drawn from all that cosmic-ray makes", "plausible": "Faults that a person thought of"}
EXCLUDED = "no mutants are made of annotations, decorators for speed and the texts of errors"

Row = dict[str, Any]


@dataclass(frozen=True)
class Mutant:
    """A file with one fault.

    Attributes:
        file: path in the repository.
        line: where the first changed line is.
        function: qualified name of the function, or "" at the top of the file.
        before: the changed lines, without indentation.
        after: what became of them.
        source: the whole changed file.
    """

    file: str
    line: int
    function: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """What names it while the code around it changes."""
        return f"{self.file} {self.function}: {self.before} -> {self.after}"

    @property
    def digest(self) -> str:
        """Of its name and of all of the changed function or class."""
        around = [
            ast.dump(node)
            for node in ast.parse(self.source).body
            if min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) <= self.line
            and self.line <= (node.end_lineno or node.lineno)
        ]
        return hashlib.sha256("".join([self.key, *around]).encode()).hexdigest()[:16]


def files_of(paths: Iterable[str]) -> list[str]:
    """Python files at or under these paths of the repository, without `__init__.py`."""
    found = [file for path in paths for file in ([ROOT / path] if path.endswith(".py") else (ROOT / path).glob("*.py"))]
    return sorted(file.relative_to(ROOT).as_posix() for file in found if file.name != "__init__.py")


def tests_of(file: str) -> str:
    """The mirrored test file."""
    return f"tests/{Path(file).parent.as_posix()}/test_{Path(file).name}"


def draw(files: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Mutants in an order that the seed decides; a change of one line of code changes few of them."""
    order = sorted(
        (hashlib.sha256(f"{seed} {place} {name} {index}".encode()).hexdigest(), file, name, occurrence)
        for file in files
        for place, name, index, occurrence in _places(file)
    )
    found: dict[str, Mutant] = {}
    for _, file, name, occurrence in order:
        mutant = _mutated(file, name, occurrence)
        if mutant:
            found.setdefault(mutant.source, mutant)
        if len(found) == count:
            break
    return sorted(found.values(), key=lambda mutant: (mutant.file, mutant.line, mutant.after))


def _places(file: str) -> Iterator[tuple[str, str, int, int]]:
    """Where, by which operator, in which way, and which occurrence of the operator in the file."""
    source = (ROOT / file).read_text(encoding="utf-8")
    nodes, lines = list(ast_nodes(get_ast(source))), source.splitlines()
    for name in operator_names():
        if name.endswith(NEED_NAMES):
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in nodes:
            for index, ((line, column), _) in enumerate(operator.mutation_positions(node)):
                if not _no_behaviour(node):
                    yield f"{file} {_function(node)} {lines[line - 1].strip()} {column}", name, index, occurrence
                occurrence += 1


def _no_behaviour(node: Any) -> bool:
    """Whether a node of the syntax tree is, or lies in, what the docstring above leaves out."""
    if node.type == "if_stmt" and node.children[1].get_code().strip() == "TYPE_CHECKING":
        return True
    while parent := node.parent:
        annotation = {"tfpdef": 2, "annassign": 1}.get(parent.type)
        if annotation and node is parent.children[annotation]:
            return True
        if parent.type == "funcdef" and node is parent.annotation:
            return True
        if parent.type == "raise_stmt" or (node.type == "decorator" and node.get_code().strip().startswith(FOR_SPEED)):
            return True
        node = parent
    return False


def _function(node: Any) -> str:
    names = []
    while node := node.parent:
        if node.type in ("funcdef", "classdef"):
            names.append(node.name.value)
    return ".".join(reversed(names))


def _mutated(file: str, name: str, occurrence: int) -> Mutant | None:
    """The mutant, unless it does not compile or says the same."""
    source = (ROOT / file).read_text(encoding="utf-8")
    changed = mutate_code(source, get_operator(name)(), occurrence)
    try:
        same = ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source))
    except SyntaxError:
        return None
    return None if same else _compared(file, source, changed)


def _compared(file: str, source: str, changed: str) -> Mutant:
    old, new = source.splitlines(), changed.splitlines()
    edits = [edit for edit in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if edit[0] != "equal"]
    first, last = edits[0], edits[-1]
    before = " ".join(map(str.strip, old[first[1] : last[2]]))
    after = " ".join(map(str.strip, new[first[3] : last[4]]))
    line = old[first[1]]
    leaf = get_ast(source).get_leaf_for_position((first[1] + 1, len(line) - len(line.lstrip())), include_prefixes=True)
    return Mutant(file, first[1] + 1, _function(leaf), before, after, changed)


def plausible(listed: Iterable[Mapping[str, str]], files: Sequence[str]) -> list[Mutant]:
    """The mutants that a person listed for these files; a text that its file does not hold exactly once is named."""
    found = []
    for one in listed:
        if one["file"] not in files:
            continue
        source = (ROOT / one["file"]).read_text(encoding="utf-8")
        if source.count(one["before"]) == 1:
            changed = source.replace(one["before"], one["after"])
            found.append(_compared(one["file"], source, changed))
        else:
            click.echo(f"{LISTED.name}: {one['before']!r} is not once in {one['file']}; take what is there", err=True)
    return found


class Scratch:
    """A copy of the tree in which mutants are tested, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = {}
        for name in IMPORTED_ONCE:
            import_module(name)
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def digest(self, mutant: Mutant) -> str:
        """Of the tests that a mutant meets."""
        return hashlib.sha256((self._folder / tests_of(mutant.file)).read_bytes()).hexdigest()[:16]

    def outcome(self, mutant: Mutant) -> str:
        """`killed`, `timed out` or `survived`.

        Raises:
            click.ClickException: the tests do not pass without the mutant.
        """
        tests = tests_of(mutant.file)
        if tests not in self._seconds:
            began = time.perf_counter()
            if (outcome := self._run(tests, None)) != "survived":
                raise click.ClickException(f"{tests}: {outcome} by the code as it is; mend that first")
            self._seconds[tests] = time.perf_counter() - began
        path = self._folder / mutant.file
        whole = path.read_text(encoding="utf-8")
        path.write_text(mutant.source, encoding="utf-8")
        found = self._run(tests, LEAST_SECONDS + TIMES_AS_LONG * self._seconds[tests])
        path.write_text(whole, encoding="utf-8")
        return found

    def _run(self, tests: str, seconds: float | None) -> str:
        process = get_context("fork").Process(target=_test, args=(self._folder, tests))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            return "timed out"
        return "killed" if process.exitcode else "survived"


def _test(folder: Path, tests: str) -> None:
    """Run tests in the copy. No bytecode is written: one of the same size and second would be taken for another."""
    os.chdir(folder)
    sys.path = [str(folder), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] in COPIED]:
        del sys.modules[name]  # what this benchmark has imported of the tree itself
    caching._hash_source_file = _compiled_part
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    sys.exit(pytest.main(["-x", "-q", tests]))


def _compiled_part(path: str, *_: object) -> str:
    """Digest of a file without its plain functions, for Numba's cache: to compile again takes longer than most tests.

    It holds as long as no plain function makes a value that compiled ones take from the module; none does.
    """
    kept = [
        ast.dump(node)
        for node in ast.parse(Path(path).read_bytes()).body
        if not isinstance(node, ast.FunctionDef) or any("njit" in ast.dump(each) for each in node.decorator_list)
    ]
    return hashlib.sha256("".join(kept).encode()).hexdigest()


def run_all(mutants: Mapping[str, Sequence[Mutant]], reasons: Mapping[str, str], output: Path, seed: int) -> list[Row]:
    """Run what is not done yet; all rows are written after each."""
    known = json.loads(output.read_text(encoding="utf-8"))["mutants"] if output.exists() else []
    before = {(row["list"], row["digest"]): row for row in known}
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        scratch = Scratch(Path(folder))
        wanted = [(_row(name, one, scratch, reasons), one) for name, each in mutants.items() for one in each]
        for row, _ in wanted:
            found = before.get((row["list"], row["digest"]))
            if found and (found["outcome"] in KILLED or found["tests"] == row["tests"]):
                row["outcome"] = found["outcome"]  # tests that were added let no fault through that was found
        for row, mutant in wanted:
            if not row["outcome"]:
                began = time.perf_counter()
                row["outcome"] = scratch.outcome(mutant)
                click.echo(f"{row['outcome']:10} {time.perf_counter() - began:4.0f} s  {mutant.key}")
                _write(output, [row for row, _ in wanted], seed)
    rows = [row for row, _ in wanted]
    _write(output, rows, seed)
    return rows


def _row(name: str, mutant: Mutant, scratch: Scratch, reasons: Mapping[str, str]) -> Row:
    """A mutant that was not run yet."""
    return {
        "list": name,
        "file": mutant.file,
        "line": mutant.line,
        "function": mutant.function,
        "before": mutant.before,
        "after": mutant.after,
        "outcome": "",
        "equivalent": reasons.get(mutant.key, ""),
        "digest": mutant.digest,
        "tests": scratch.digest(mutant),
    }


def share_killed(rows: Iterable[Row]) -> float:
    """Of those that were run and are not equivalent."""
    killed = [row["outcome"] in KILLED for row in rows if row["outcome"] and not _equivalent(row)]
    return sum(killed) / max(1, len(killed))


def _equivalent(row: Row) -> bool:
    return bool(row["equivalent"]) and row["outcome"] == "survived"


def _write(output: Path, rows: Sequence[Row], seed: int) -> None:
    """Both result files."""
    share = share_killed(row for row in rows if row["list"] == "drawn")
    target = Target("share of drawn mutants that the mirrored tests kill", share, at_least=0.85)
    result = {"seed": seed, "mutants": rows}
    write_result(output, result, targets=[target], packages=("cosmic-ray", "pytest"))
    write_whole(output.with_suffix(".md"), table(rows))


def table(rows: Iterable[Row]) -> str:
    """The result for people: both lists, survivors first."""
    lines = [f"Made by `{STARTED['command']}`; {EXCLUDED}.", ""]
    for name, heading in HEADINGS.items():
        listed = sorted((row for row in rows if row["list"] == name), key=lambda row: KILLED.count(row["outcome"]))
        lines += [
            f"### {heading}",
            "",
            summary(listed),
            "",
            "| file | line | code | mutant | |",
            "|---|---:|---|---|---|",
        ]
        lines += [_line(row) for row in listed] + [""]
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """How many there are and what became of them, in a sentence."""
    equal, waiting = sum(map(_equivalent, rows)), sum(not row["outcome"] for row in rows)
    killed = sum(row["outcome"] in KILLED for row in rows)
    told = f"{killed} of {len(rows) - equal - waiting} killed ({share_killed(rows):.0%}), {equal} more cannot be told"
    return f"{told} from the code as it is{f', {waiting} not run yet' if waiting else ''}."


def _line(row: Row) -> str:
    verdict = f"equivalent: {row['equivalent']}" if _equivalent(row) else row["outcome"] or "not run yet"
    code, mutant = (f"`{row[key]}`".replace("|", "\\|") if row[key] else "" for key in ("before", "after"))
    return f"| {row['file']} | {row['line']} | {code} | {mutant} | {verdict} |"


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@click.option("--count", default=150, show_default=True, help="Mutants that are drawn.")
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@click.option("--output", default=RESULTS / "mutation.json", type=click.Path(path_type=Path))
def main(paths: tuple[str, ...], count: int, seed: int, output: Path) -> None:
    """Test mutants of these files or folders; by default of the noises, the analysis and the scores."""
    files = files_of(paths or DEFAULT)
    listed = yaml.safe_load(LISTED.read_text(encoding="utf-8"))
    reasons = {one["mutant"]: one["because"] for one in listed["equivalent"]}
    mutants = {"drawn": draw(files, count, seed), "plausible": plausible(listed["plausible"], files)}
    for name, rows in groupby(run_all(mutants, reasons, output, seed), key=lambda row: row["list"]):
        click.echo(f"{name}: {summary(list(rows))}")


if __name__ == "__main__":
    main()
