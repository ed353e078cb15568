"""An error is told in one clear line, and every error has its exit code."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer
from botocore.exceptions import BotoCoreError, ClientError

import ledger
import operations
from infra.doubles.memory_store import MemoryStore
from ledger.errors import LedgerError, Unavailable
from ledger.ledger import Ledger
from operations.cli.exit_codes import (
    A_FAULT,
    DIFFERENT,
    ENDINGS,
    EXIT_CODES,
    INTERRUPTED,
    NEEDS_AN_OPERATOR,
    NO_ANSWER,
    TRY_AGAIN,
    WRONG_USE,
    with_exit_code,
)
from operations.cli.output import NOBODY_READS
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ONE = ("--processes", "1")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("restore", "none", "--yes"), 2, "there is no snapshot none"),
        (("restore",), 2, "say a snapshot, --to TIME, or --undo"),
        (("restore", "--to", "yesterday"), 2, "write it as 2026-11-24T14:00:00Z"),
        (("snapshot", "a/b"), 2, "is no name"),
        (("restore", "--undo", "--yes"), 2, "there is nothing to undo"),
        (("replay", "--dry-run", "--swap"), 2, "--dry-run writes nothing"),
        (("replay", "--dry-run", "--snapshot", "a"), 2, "--dry-run writes nothing"),
        (("restore", "a", "--undo"), 2, "say a snapshot, --to TIME, or --undo"),
    ],
)
def test_wrong_use_exits_with_two(
    arguments: tuple[str, ...], code: int, line: str, skyledger: Run, filled: Ledger
) -> None:
    """And says in one line what is wrong."""
    ran = skyledger(*arguments)
    assert ran.code == code
    assert line in ran.err


def test_a_ledger_that_needs_an_operator_exits_with_three(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """The line names the repair, and the repair works."""
    store.delete(["manifest.json"])
    ran = skyledger("status")
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert "manifest.json is missing" in ran.err
    assert "skyledger replay --swap" in ran.err
    assert skyledger("status", "--json").json["error"] == "ManifestLost"
    assert skyledger("replay", "--swap", *ONE).code == 0
    assert skyledger("status", "--json").json["rows"] == 2


def test_a_store_that_does_not_answer_exits_with_four(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials, network, S3 itself: one line, no traceback."""

    def get(key: str, **more: Any) -> None:
        raise Unavailable(f"{key}: AccessDenied")

    monkeypatch.setattr(store, "get", get)
    ran = skyledger("status")
    assert (ran.code, ran.err.strip()) == (4, "skyledger: exports: manifest.json: AccessDenied")


def test_an_error_that_nobody_thought_of_is_told_as_text_and_is_no_difference(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its traceback, in which a stranger's text gives the terminal no orders; 1 is what a check found."""

    def head(key: str) -> None:
        raise RuntimeError("\x1b]0;x\x07\u202e")

    monkeypatch.setattr(store, "head", head)
    ran = skyledger("status")
    assert ran.code == 70
    assert ran.err.splitlines()[-1] == r"RuntimeError: \x1b]0;x\x07\u202e"
    assert "Traceback" in ran.err
    assert skyledger("status", "--json").json["error"] == "RuntimeError"


def test_an_interrupted_command_exits_with_130(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is no error to be explained."""

    def head(key: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "head", head)
    ran = skyledger("status")
    assert (ran.code, ran.err.strip()) == (130, "interrupted")


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Give all errors that are of this kind, and of their kinds."""
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


def _errors() -> list[type[Exception]]:
    """Give every error of ledger and operations, wherever it is defined."""
    for package in (ledger, operations):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    return [kind for kind in _kinds(LedgerError) if kind.__module__.startswith(("ledger.", "operations."))]


def test_every_error_stands_in_one_file_and_has_an_exit_code_of_its_own() -> None:
    """One that nobody mapped must not read as the operator's mistake."""
    errors = _errors()
    assert len(errors) > 15
    assert {kind.__module__ for kind in errors} == {"ledger.errors", "operations.errors"}
    assert [kind for kind in errors if kind not in ENDINGS] == []
    assert LedgerError not in ENDINGS


def test_exit_codes_are_those_of_the_help() -> None:
    """Scripts rest on them."""
    all_codes = (0, DIFFERENT, WRONG_USE, NEEDS_AN_OPERATOR, NO_ANSWER, TRY_AGAIN, A_FAULT, INTERRUPTED, NOBODY_READS)
    assert all_codes == (0, 1, 2, 3, 4, 5, 70, 130, 141)
    assert tuple(map(int, re.findall(r"\d+", EXIT_CODES))) == all_codes
    codes: dict[int, set[str]] = {}
    for kind, ending in ENDINGS.items():
        codes.setdefault(ending.code, set()).add(kind.__name__)
    assert codes == {
        2: {
            "BadName",
            "BadTime",
            "InvalidRegionError",
            "InvalidConfigError",
            "InvalidRetryConfigurationError",
            "ConfigParseError",
            "MissingDependencyException",
            "NoLedger",
            "NoRegionError",
            "OtherLedger",
            "OtherTable",
            "ProfileNotFound",
            "BadWish",
            "NoPlace",
            "NoSource",
            "NotOurs",
            "NotPulled",
            "OldColumns",
            "BadExpression",
            "BadInventory",
            "TooManyRows",
            "TooOld",
            "UnknownImage",
        },
        3: {"ManifestLost", "RootDamaged", "Damaged", "SegmentGone", "NewerFormat", "BadEvent"},
        4: {"Unavailable", "Denied", "NotFound", "ExportFailed", "ClientError", "BotoCoreError", "ResponseParserError"},
        5: {
            "EOFError",
            "NotAgreed",
            "NotSwapped",
            "NotCalled",
            "OutOfTime",
            "ExecutionFailed",
            "Busy",
            "DiskFull",
            "Refused",
            "Unknown",
            "StillThere",
        },
    }


@pytest.mark.parametrize("kind", [*ENDINGS, type("NoSuchKey", (ClientError,), {})])
def test_an_error_ends_with_its_code_in_one_line(kind: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    """The SDK makes kinds of its own at run time: they end as the one that they are of."""
    names = ("profile", "region_name", "error_msg", "retry_config_option", "valid_options", "path", "msg")
    named = dict.fromkeys(names, "none") if issubclass(kind, BotoCoreError) else {}
    error = (
        kind({"Error": {"Code": "X", "Message": "why\n"}}, "Get") if issubclass(kind, ClientError) else kind(**named)
    )

    def command(*, as_json: bool) -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        with_exit_code(command)(as_json=False)
    assert ended.value.exit_code == ENDINGS[kind if kind in ENDINGS else ClientError].code
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("skyledger: ")) == ("", 1, True)


def test_an_error_that_nobody_mapped_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither wrong use nor AWS: a mistake of ours."""

    class NewError(LedgerError):
        """Nobody thought of it."""

    def command(*, as_json: bool) -> None:
        raise NewError

    with pytest.raises(typer.Exit) as ended:
        with_exit_code(command)(as_json=True)
    assert ended.value.exit_code == 70
    assert "raise NewError" in capsys.readouterr().err
