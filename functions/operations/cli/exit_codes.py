"""How a command ends: the exit code of every error, and what an operator does about it."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import NamedTuple, ParamSpec

import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    InvalidConfigError,
    InvalidRegionError,
    InvalidRetryConfigurationError,
    MissingDependencyException,
    NoRegionError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from ledger.errors import (
    BadEvent,
    Damaged,
    Denied,
    ManifestLost,
    NewerFormat,
    NoLedger,
    NotCalled,
    NotFound,
    OutOfTime,
    Refused,
    RootDamaged,
    SegmentGone,
    Unavailable,
    Unknown,
)
from operations import disk
from operations.cli.interrupt import INTERRUPTED, interruptible
from operations.cli.output import Output
from operations.cli.remedies import remedy
from operations.cli.work_folder import clear_held, left_behind
from operations.errors import (
    BadExpression,
    BadInventory,
    BadName,
    BadTime,
    BadWish,
    Busy,
    DiskFull,
    ExecutionFailed,
    ExportFailed,
    NoPlace,
    NoSource,
    NotAgreed,
    NotOurs,
    NotPulled,
    NotSwapped,
    OldColumns,
    OtherLedger,
    OtherTable,
    StillThere,
    TooManyRows,
    TooOld,
    UnknownImage,
)

P = ParamSpec("P")

DIFFERENT = 1
WRONG_USE = 2
NEEDS_AN_OPERATOR = 3
NO_ANSWER = 4
TRY_AGAIN = 5
A_FAULT = 70  # as sysexits.h has it: a check that broke down must not count as one that found differences
EXIT_CODES = """Exit codes: 0 done; 1 differences, or items that cannot be rows, were found, or a format has no row
left; 2 wrong use, as of a bucket without a ledger; 3 the ledger is damaged or from a newer version; 4 AWS did not
answer or refused; 5 not done this time, nothing was changed: a question was not answered with yes, a disk is full,
somebody else was faster or at it: try again; 70 a fault of skyledger itself; 130 interrupted; 141 nobody read on, as
behind a pipe to head."""


class Ending(NamedTuple):
    """How a command ends by an error.

    Attributes:
        code: exit code.
        advice: what to do, beside what the error says itself; empty: what its cause advises (`remedies`), if anything.
    """

    code: int
    advice: str = ""


# Every error of ledger and operations stands here by itself: one that nobody thought of ends with its traceback, and
# not as if the operator had made a mistake.
ENDINGS: Mapping[type[Exception], Ending] = {
    NoLedger: Ending(WRONG_USE, "give --stack, or as --bucket what the stack's output ExportBucketName says"),
    OtherLedger: Ending(WRONG_USE, "give another folder, or delete its image-data.csv.state.json to replace the copy"),
    OtherTable: Ending(WRONG_USE, "give --stack, or as --table what the stack's output ImagesTableName says"),
    BadName: Ending(WRONG_USE),
    BadTime: Ending(WRONG_USE),
    BadInventory: Ending(WRONG_USE),
    BadWish: Ending(WRONG_USE),
    NoPlace: Ending(WRONG_USE),
    NoSource: Ending(WRONG_USE),
    NotPulled: Ending(WRONG_USE),
    NotOurs: Ending(WRONG_USE),
    BadExpression: Ending(WRONG_USE),
    OldColumns: Ending(WRONG_USE, "skyledger replay --columns current --swap gives it those of this version"),
    TooManyRows: Ending(WRONG_USE),
    TooOld: Ending(WRONG_USE),
    UnknownImage: Ending(WRONG_USE),
    ProfileNotFound: Ending(WRONG_USE),
    NoRegionError: Ending(WRONG_USE),
    InvalidRegionError: Ending(WRONG_USE),
    InvalidConfigError: Ending(WRONG_USE),
    InvalidRetryConfigurationError: Ending(WRONG_USE),
    ConfigParseError: Ending(WRONG_USE),
    MissingDependencyException: Ending(WRONG_USE),
    ManifestLost: Ending(NEEDS_AN_OPERATOR, "skyledger replay --swap makes it again from the journal"),
    RootDamaged: Ending(
        NEEDS_AN_OPERATOR, "keep a copy of it and delete it: then skyledger replay --swap makes it from the journal"
    ),
    Damaged: Ending(
        NEEDS_AN_OPERATOR, "skyledger verify tells all; skyledger replay --swap makes what is missing again"
    ),
    SegmentGone: Ending(NEEDS_AN_OPERATOR, "skyledger verify journal tells whether anything is missing"),
    NewerFormat: Ending(NEEDS_AN_OPERATOR, "install the newer skyledger"),
    BadEvent: Ending(NEEDS_AN_OPERATOR),
    Unavailable: Ending(NO_ANSWER),
    Denied: Ending(NO_ANSWER),
    NotFound: Ending(NO_ANSWER),
    ExportFailed: Ending(NO_ANSWER),
    ClientError: Ending(NO_ANSWER),
    BotoCoreError: Ending(NO_ANSWER),
    ResponseParserError: Ending(NO_ANSWER),  # whoever answered, a hotel's login page maybe, is not AWS
    NotAgreed: Ending(TRY_AGAIN),
    NotSwapped: Ending(TRY_AGAIN),
    OutOfTime: Ending(TRY_AGAIN),
    ExecutionFailed: Ending(TRY_AGAIN),
    Busy: Ending(TRY_AGAIN),
    DiskFull: Ending(TRY_AGAIN, "make room there, or name another place"),
    StillThere: Ending(TRY_AGAIN),
    Refused: Ending(TRY_AGAIN),
    Unknown: Ending(TRY_AGAIN),
    NotCalled: Ending(TRY_AGAIN),
    EOFError: Ending(TRY_AGAIN, "a question was not answered: a profile with mfa_serial asks for a code"),  # botocore
}


def with_exit_code(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command that fails tell its error in one clear line, and end with the error's exit code.

    Args:
        command: takes `as_json` by name, as every command does.
    """

    @wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        output = Output(bool(options["as_json"]))
        with interruptible() as interrupt:
            try:
                command(*args, **options)
            except (typer.BadParameter, typer.Exit):
                raise
            except (Exception, KeyboardInterrupt) as error:
                if interrupt.came or isinstance(error, KeyboardInterrupt):
                    code = _interrupted(output)
                else:
                    code = _failed(output, error, str(options.get("bucket", "")), str(options.get("stack", "")))
                raise typer.Exit(code) from None

    return run


def _interrupted(output: Output) -> int:
    output.note("interrupted")
    _tell_what_is_left(output)
    return INTERRUPTED


def _failed(output: Output, error: Exception, bucket: str, stack: str) -> int:
    """Tell an error; give its exit code."""
    if disk.is_full(error):
        error = error if isinstance(error, DiskFull) else disk.full(disk.folder_of(error))
    if isinstance(error, DiskFull):
        clear_held()  # the disk may be everybody's
    ending = _ending(error)
    if ending is None:
        output.fault(error)
    else:
        output.error(error, ending.advice or remedy(error), _where(ending, str(error), bucket, stack))
    _tell_what_is_left(output)
    return A_FAULT if ending is None else ending.code


def _where(ending: Ending, told: str, bucket: str, stack: str) -> str:
    """Name the bucket, or the stack, that the error is of; nothing if that is told, or it is of this machine."""
    if ending.code not in (NEEDS_AN_OPERATOR, NO_ANSWER) or any(
        name in told for name in ("s3://", bucket, stack) if name
    ):
        return ""
    return f"stack {stack}" if stack else bucket


def _tell_what_is_left(output: Output) -> None:
    for folder, size in left_behind():
        output.note(f"{folder} keeps {disk.sized(size)} for the next run, which goes on with it or deletes it")


def _ending(error: Exception) -> Ending | None:
    """Find how a command ends by an error; the SDK's own errors have many kinds, which end alike."""
    return next((ENDINGS[kind] for kind in type(error).__mro__ if kind in ENDINGS), None)
