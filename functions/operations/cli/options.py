"""What all commands share: where to work, how to print, and which exit code an error has."""

import fcntl
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ledger.errors import (
    Damaged,
    LedgerError,
    ManifestLost,
    NewerFormat,
    NotFound,
    OutOfTime,
    Refused,
    Unavailable,
    Unknown,
)
from ledger.event import time_text
from operations.cli.deployment import Place, make_place
from operations.cli.output import Output
from operations.errors import Busy, ExecutionFailed, ExportFailed, NotSwapped
from operations.progress import cores
from operations.rebuild.scratch import FolderScratch

_held: list[IO[str]] = []  # a lock ends with its file, that is, with this process, however it ends


DIFFERENT = 1
WRONG_USE = 2
NEEDS_AN_OPERATOR = 3
NO_ANSWER = 4
TRY_AGAIN = 5
INTERRUPTED = 130
EXIT_CODES = """Exit codes: 0 done; 1 the check found differences; 2 wrong use; 3 the ledger is damaged or from a newer
version; 4 AWS did not answer or refused; 5 not done this time, nothing was changed, try again; 130 interrupted."""

Processes = Annotated[int, typer.Option(min=1, help="Processes to work in; the machine's cores if not given.")]
Work = Annotated[
    Path | None, typer.Option(help="Folder for what memory does not hold, and for going on after a crash.")
]
TableName = Annotated[str, typer.Option("--table", help="The Images table; from the stack if not given.")]
ExportArn = Annotated[str, typer.Option("--export", help="Use this export, started before, instead of a new one.")]
CORES = cores()

_WHERE = "Where"
_SHARED: dict[str, tuple[Any, Any]] = {
    "bucket": (
        Annotated[str, typer.Option(help="Export bucket.", envvar="SKYLEDGER_BUCKET", rich_help_panel=_WHERE)],
        "",
    ),
    "stack": (
        Annotated[
            str,
            typer.Option(
                help="CloudFormation stack, to look bucket and tables up.",
                envvar="SKYLEDGER_STACK",
                rich_help_panel=_WHERE,
            ),
        ],
        "",
    ),
    "profile": (Annotated[str, typer.Option(help="Profile of the AWS configuration.", rich_help_panel=_WHERE)], ""),
    "region": (Annotated[str, typer.Option(help="AWS region.", rich_help_panel=_WHERE)], ""),
    "endpoint_url": (
        Annotated[str, typer.Option(help="Another endpoint than AWS's.", rich_help_panel=_WHERE)],
        "",
    ),
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=_WHERE)],
        False,
    ),
}


app = typer.Typer(
    name="skyledger",
    help="Operate a Skyledger: rebuild, prove, repair, and read its CSV.\n\n" + EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)


def command(to: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command: it is called with the place and the output, and gets the shared options."""

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[2:]
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in _SHARED.items()
        ]

        def run(**arguments: Any) -> None:
            as_json = arguments.pop("as_json")
            where = {name: arguments.pop(name) for name in ("bucket", "stack", "profile", "region", "endpoint_url")}
            output = Output(as_json)
            try:
                function(make_place(**where), output, **arguments)
            except (KeyboardInterrupt, Exception) as error:
                raise typer.Exit(_fail(error, output)) from None

        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *shared]
        )
        run.__annotations__ = {one.name: one.annotation for one in (*own, *shared)}
        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        to.command(name)(run)
        return function

    return wrap


def _fail(error: BaseException, output: Output) -> int:
    """Tell an error in one clear line and give its exit code; one that nobody foresaw keeps its traceback."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        output.note("interrupted")
        return INTERRUPTED
    for kinds, code, advice in _ERRORS:
        if isinstance(error, kinds):
            _tell(error, advice, output)
            return code
    raise error


_ERRORS: tuple[tuple[tuple[type[BaseException], ...], int, str], ...] = (
    ((NotSwapped, OutOfTime, ExecutionFailed, Busy, Refused, Unknown), TRY_AGAIN, ""),
    ((ManifestLost,), NEEDS_AN_OPERATOR, "skyledger replay --swap makes it again from the journal"),
    ((Damaged,), NEEDS_AN_OPERATOR, "skyledger verify tells all; skyledger replay --swap makes what is missing again"),
    ((NewerFormat,), NEEDS_AN_OPERATOR, "install the newer skyledger"),
    ((Unavailable, NotFound, ExportFailed, ClientError, BotoCoreError), NO_ANSWER, ""),
    ((LedgerError,), WRONG_USE, ""),
)


def _tell(error: BaseException, advice: str, output: Output) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    output.result({"error": type(error).__name__, "message": text})
    output.errors.print(f"skyledger: {text}" + (f" ({advice})" if advice else ""), markup=False, soft_wrap=True)


def parse_time(text: str) -> str:
    """Read a time as ISO 8601 (UTC if it names no offset) and write it as events have it; empty stays empty."""
    if not text:
        return ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write it as 2026-11-24T14:00:00Z") from error
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time_text(time)


def scratch_folder(place: Place, work: Path | None, name: str) -> FolderScratch:
    """Give the scratch of a command, held against other commands until this process ends.

    Args:
        place: whose bucket it is for.
        work: the folder asked for; None for one in this user's cache.
        name: of the command.

    Raises:
        Busy: another process works in it.
    """
    folder = (work or place.cache(name)).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Busy(f"another skyledger works in {folder}: wait for it, or give --work another folder") from error
    _held.append(lock)
    return FolderScratch(folder)
