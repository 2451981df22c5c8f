"""The one way in for all entry points: options, the MLflow run, the results file, the exit code."""

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, get_args
from uuid import uuid4

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipelines.errors import InputError
from pipelines.masking import mask_logs, masked
from pipelines.output_folder import output_folder, written_beside
from pipelines.provenance import provenance
from pipelines.run_lock import HeldError
from pipelines.tracking import TrackedRun, open_run

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read by TensorFlow when it is first imported

SUCCESS, FAILURE, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
NO_VALUE = r"-(?!\.?\d|inf|$)"
"""Words that begin an option; negative numbers are values."""
logger = logging.getLogger(__name__)


class Settings(BaseModel):
    """The options that every entry point has; each field is a `--kebab-case` option of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path = Field(Path("output"), description="Folder for everything that is written.")
    results: Path | None = Field(None, description="Write a JSON summary of the run to this file.")
    experiment: str = Field("sign-to-noise", description="MLflow experiment (`mlflow run` sets its own).")
    seed: int = Field(0, ge=0, description="Seed of all random choices.")
    verbose: bool = Field(False, description="Log more (-v).")
    quiet: bool = Field(False, description="Log warnings only (-q).")

    def given(self, name: str) -> bool:
        """Whether the field was set to something else than its default."""
        return name in self.model_fields_set and getattr(self, name) != type(self).model_fields[name].default

    def require_effect(self) -> None:
        """Refuse what would be without effect beside another option; each entry point adds its own.

        Raises:
            InputError: of the first such option.
        """
        if self.verbose and self.quiet:
            raise InputError("--quiet true: --verbose asks for the opposite; leave one of them out")
        if self.given("experiment") and os.environ.get("MLFLOW_RUN_ID"):
            raise InputError(
                f"--experiment {self.experiment}: `mlflow run` has opened the run already; "
                f"give it --experiment-name {self.experiment}"
            )

    def replaced(self, option: str, changes: Mapping[str, Any]) -> Self:
        """These settings with what an option such as --smoke-test stands for; says what it overrules."""
        for name in (name for name in changes if self.given(name) and getattr(self, name) != changes[name]):
            flag = f"--{(type(self).model_fields[name].alias or name).replace('_', '-')}"
            logger.warning("%s %s has no effect: %s makes it %s", flag, getattr(self, name), option, changes[name])
        return self.model_copy(update=dict(changes))


@dataclass(frozen=True)
class Results:
    """What an entry point leaves behind: numbers, files by name, and the text a person reads at the end."""

    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    summary: str = ""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class EntryPoint(Generic[S]):
    """A unit of work that can be called from Python, from the command line, or by another entry point.

    `leaves` are the names, or patterns of names, of what it writes right below its --output.
    """

    name: str
    settings: type[S]
    work: Callable[[S, TrackedRun], Results]
    answer: Callable[[S], str | None]
    leaves: Sequence[str] = ()

    def __call__(self, settings: S, run: TrackedRun) -> Results:
        """Do the work inside a run that is already open."""
        settings.require_effect()
        with self.holding(settings.output):
            return self.work(settings, run)

    @contextmanager
    def holding(self, folder: Path, *, alone: bool = False) -> Iterator[None]:
        """Hold a folder for this entry point's files; unless `alone`, this process may hold it already.

        Raises:
            InputError: it cannot be written, is another run's, or has files of these names that are not ours.
        """
        _require_writable("--output", folder)
        with output_folder(folder, self.name, self.leaves, shared=not alone):
            yield

    def command(self, argv: Sequence[str] | None = None) -> None:
        """Read the command line, do the work, and end the process with an exit code (see the README)."""
        fields = self.settings.model_fields
        own_first = sorted(fields, key=lambda name: name in Settings.model_fields)
        options: list[click.Parameter] = [_option(fields[name].alias or name, fields[name]) for name in own_first]
        command = click.Command(
            f"python -m pipelines.{self.name}",
            params=options,
            callback=self._run_from_options,
            help=self.work.__doc__,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        )
        argv = sys.argv[1:] if argv is None else list(argv)
        try:
            _require_values(argv, {flag: option for option in options for flag in option.opts})
        except InputError as error:
            _fail(_one_line(error), WRONG_INPUT)
        try:
            command.main(args=argv, prog_name=command.name, standalone_mode=False)
        except click.ClickException as error:  # click says the word that it does not know
            _fail(masked(error.format_message()), error.exit_code)
        sys.exit(SUCCESS)

    def _run_from_options(self, **given: str | None) -> None:
        try:
            settings = self.settings.model_validate({key: text for key, text in given.items() if text})
        except ValidationError as error:
            _fail(_one_line(error), WRONG_INPUT)
        _configure_logging(settings)
        sys.exit(self.execute(settings))

    def execute(self, settings: S) -> int:
        """Run in an MLflow run of its own; returns the exit code."""
        started, about = time.perf_counter(), provenance()
        run_id, code, results, held = "", SUCCESS, Results(), True
        try:
            settings.require_effect()
            if (text := self.answer(settings)) is not None:
                click.echo(masked(text))
                return SUCCESS
            if settings.results:
                _require_writable("--results", settings.results.parent)
            with self.holding(settings.output, alone=True), open_run(self.name, settings) as run:
                run_id = run.run_id
                results = self.work(settings, run)
                run.conclude(results.metrics, results.summary)
                summary = f"{results.summary}\n\n{run.where_to_look()}"
        except (InputError, ValidationError) as error:
            code, held = WRONG_INPUT, not isinstance(error, HeldError)
            click.echo(f"error: {_one_line(error)}", err=True)
        except KeyboardInterrupt:
            code = INTERRUPTED
            click.echo("interrupted; --resume continues where an entry point offers it", err=True)
        except SystemExit as error:  # code of others would end the run so, with an exit code that means success
            code = FAILURE
            click.echo(
                f"error: {self.name}{_place(error)}: the work was ended by an exit (code {error.code})", err=True
            )
        except Exception:
            code = FAILURE
            click.echo(masked(traceback.format_exc()), err=True)
        else:
            click.echo(masked(summary.strip()))
        if settings.results and settings.results.parent.is_dir() and held:  # else it may be the other run's file
            about["seconds"] = round(time.perf_counter() - started, 1)
            _write_results(settings.results, self.name, run_id, code, results, about)
        return code


def entry_point(
    name: str,
    settings: type[S],
    *,
    leaves: Sequence[str] = (),
    answer: Callable[[S], str | None] = lambda _: None,
) -> Callable[[Callable[[S, TrackedRun], Results]], EntryPoint[S]]:
    """Make a function an entry point, with the names of what it leaves in its --output.

    `answer` may reply to an option such as --list without a run.
    """
    return lambda work: EntryPoint(name, settings, work, answer, leaves)


def _option(name: str, info: FieldInfo) -> click.Option:
    """One click option for a field; a switch may stand alone or be followed by true or false."""
    flag = "--" + name.replace("_", "-")
    short = {"verbose": ["-v"], "quiet": ["-q"]}.get(name, [])
    default = info.get_default(call_default_factory=True)
    shown = "" if default in (None, "", False) else f"  [default: {default}]"
    switch = bool in (info.annotation, *get_args(info.annotation))
    # For switches only: with is_flag=False any option could stand alone.
    alone: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if switch else {}
    kinds = [kind.__name__ for kind in (get_args(info.annotation) or (info.annotation,)) if isinstance(kind, type)]
    kind = next((word for word in kinds if word != "NoneType"), "str")
    return click.Option(
        [*short, flag, name],
        required=info.is_required(),
        help=f"{info.description}{shown}",
        metavar="[true|false]" if switch else {"str": "TEXT", "int": "N", "float": "X"}.get(kind, kind.upper()),
        callback=_required_value(default),
        **alone,
    )


def _required_value(default: Any) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Refuse an empty value, such as that of a shell variable that is not set, for anything but an empty default."""

    def check(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
        if text is not None and not text.strip() and default not in (None, "", PydanticUndefined):
            _fail(f"{option.opts[-1]} {text!r}: the value is empty; give one, or leave the option out", WRONG_INPUT)
        return text

    return check


def _require_values(argv: Sequence[str], options: Mapping[str, click.Parameter]) -> None:
    """Find values that were forgotten, which click would take from what follows, or that are given twice.

    Raises:
        InputError: an option other than a switch stands alone, or has two values.
    """
    given: dict[str, str] = {}
    words = list(argv)
    while words:
        flag, sign, value = words.pop(0).partition("=")
        if flag not in options:
            continue
        option = options[flag]
        if not sign:
            switch = isinstance(option, click.Option) and option.flag_value == "true"
            follows = words[0] if words else ""
            if words and not re.match(NO_VALUE, follows):
                value = words.pop(0)
            elif switch:
                value = "true"
            else:
                what = f"{follows} follows" if words else "the line ends"
                raise InputError(f"{flag}: its value is missing ({what}); give one, or leave the option out")
        if given.setdefault(str(option.name), value) != value:
            raise InputError(f"{flag} {value}: is {given[str(option.name)]} as well; give one value")


def _one_line(error: Exception) -> str:
    """Name the option, the value and what is wrong with it."""
    if isinstance(error, ValidationError):
        said = "; ".join(
            f"--{str(item['loc'][0]).replace('_', '-')} {item.get('input')!r}: {item['msg']}"
            if item["loc"]
            else item["msg"]
            for item in error.errors()
        )
        return masked(said)
    return masked(" ".join(str(error).split()))


def _place(error: SystemExit) -> str:
    """Which line ended the work."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f", {last.filename}, line {last.lineno}"


def _fail(message: str, code: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


def _configure_logging(settings: Settings) -> None:
    level = logging.DEBUG if settings.verbose else logging.WARNING if settings.quiet else logging.INFO
    mask_logs()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in ("pipelines", "__main__"):  # `python -m` runs an entry point under the second name
        logging.getLogger(name).setLevel(level)


def _require_writable(option: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{option} {folder}: cannot write there ({error.strerror}); choose another folder") from None


def _write_results(path: Path, name: str, run_id: str, code: int, results: Results, about: Mapping[str, Any]) -> None:
    status = {SUCCESS: "finished", INTERRUPTED: "interrupted"}.get(code, "failed")
    document = {
        "entry_point": name,
        "run_id": run_id,
        "status": status,
        "params": results.params,
        "metrics": results.metrics,
        "artifacts": results.artifacts,
        **about,
    }
    with written_beside(path) as beside:
        beside.write_text(masked(json.dumps(document, indent=2, default=str)) + "\n")
