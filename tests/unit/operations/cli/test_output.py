"""What strangers wrote reaches a terminal as text only, and a program as JSON."""

import ast
import inspect
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish
from operations.cli.exit_codes import with_exit_code
from operations.cli.main import COMMANDS
from operations.cli.output import Output, visible
from operations.verify import ledger as verify_ledger
from tests.support.command_line import Ran
from tests.support.factories import event, item
from tests.support.paths import ROOT

Run = Callable[..., Ran]
OPERATIONS = ROOT / "functions" / "operations"
# Sets the window's title, clears the screen (also by C1), turns the direction, hides, goes back to the line's start;
# and what Rich would take for markup, a link, and an emoji.
HOSTILE = "\x1b]0;x\x07\x1b[2J\x9b31m\u202egpj\u200b\u2066\r\n\x7f[red]y[/red] [link=http://e]z :warning: [/]"
SHOWN = r"\x1b]0;x\x07\x1b[2J\x9b31m\u202egpj\u200b\u2066\r\n\x7f[red]y[/red] [link=http://e]z :warning: [/]"


def is_clean(text: str) -> bool:
    """Say whether a text is printable, line by line; the spinner of a progress bar is no terminal's here."""
    return all(line.isprintable() for line in text.split("\n"))


def test_what_cannot_be_seen_is_shown_by_number() -> None:
    """What can be seen stays as it is, in every script."""
    assert visible(HOSTILE) == SHOWN
    assert visible("Brücke 測量 😀 [a]") == "Brücke 測量 😀 [a]"
    ranges = ((0x180B, 0x180D), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    unseen = "\u034f\u115f\u1160\u17b4\u17b5\u180f\u2800\u3164\uffa0" + "".join(
        chr(one) for pair in ranges for one in pair
    )
    assert visible(f"a{unseen}") == f"a{unseen.encode('unicode_escape').decode()}"
    assert visible("\ud800") == r"\ud800"


def test_every_way_to_print_shows_strangers_text_as_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines, notes, errors, names, tables and progress; a way that is added later has to come here."""
    monkeypatch.setenv("COLUMNS", "300")
    ways: dict[str, Callable[[Output], object]] = {
        "say": lambda output: output.say(HOSTILE),
        "note": lambda output: output.note(HOSTILE),
        "error": lambda output: output.error(ValueError(HOSTILE.replace("\r\n", "")), HOSTILE),
        "fault": lambda output: output.fault(ValueError(HOSTILE)),
        "pairs": lambda output: output.pairs({HOSTILE: HOSTILE}),
        "table": lambda output: output.table([HOSTILE], [[HOSTILE]]),
        "progress": _progress,
        "result": lambda output: output.result({HOSTILE: HOSTILE}),
    }
    assert set(ways) == {name for name, _ in inspect.getmembers(Output, inspect.isfunction) if not name.startswith("_")}
    for name, way in ways.items():
        way(Output(as_json=False))
        printed = "".join(capsys.readouterr())
        assert is_clean(printed), name
        assert (SHOWN in printed) == (name != "result"), (name, printed)
    ways["result"](Output(as_json=True))
    printed = capsys.readouterr().out
    assert (json.loads(printed), printed.isascii(), is_clean(printed)) == ({HOSTILE: HOSTILE}, True, True)


def test_what_is_wider_than_the_terminal_stays_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line stays one line, to be found and copied; a value goes on below, every digit of it; JSON has all."""
    monkeypatch.setenv("COLUMNS", "40")
    long = "f0 " + "0123456789" * 9
    for way in (Output.say, Output.note):
        way(Output(as_json=False), long)
        assert "".join(capsys.readouterr()) == f"{long}\n"
    Output(as_json=False).pairs({"tree": long[3:], "none": None})
    shown = capsys.readouterr().out.splitlines()
    assert "".join(line[6:].strip() for line in shown[:-1]) == long[3:]
    assert shown[-1].strip() == "none"
    Output(as_json=True).result({"path": Path("a"), "at": datetime(2026, 11, 25, tzinfo=UTC), "long": long * 9})
    told = json.loads(capsys.readouterr().out)
    assert told == {"path": "a", "at": "2026-11-25 00:00:00+00:00", "long": long * 9}


def test_an_error_without_a_text_is_told_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty line would help nobody."""
    Output(as_json=True).error(TimeoutError(), "")
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"error": "TimeoutError", "message": "TimeoutError"}, "skyledger: TimeoutError\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_whose_output_nobody_reads_on_ends_as_a_pipe_does(
    stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quietly, with what a shell tells of SIGPIPE, and not with 1: no check has found a difference."""
    ways: dict[str, Callable[[Output], object]] = {
        "say": lambda output: output.say("a"),
        "pairs": lambda output: output.pairs({"a": "b"}),
        "table": lambda output: output.table(["a"], [["b"]]),
        "result": lambda output: output.result({}),
        "note": lambda output: output.note("a"),
        "error": lambda output: output.error(ValueError("a"), ""),
        "fault": lambda output: output.fault(ValueError("a")),
        "progress": _progress,
    }
    there = {name for name in ways if (name in ("say", "pairs", "table", "result")) == (stream == "stdout")}
    for name in there:
        reading, writing = os.pipe()
        with os.fdopen(writing, "w") as pipe:
            monkeypatch.setattr(f"sys.{stream}", pipe)
            output = Output(as_json=name == "result")
            if name != "progress":
                ways[name](output)
                assert os.read(reading, 100), f"{name} is written at once"
            os.close(reading)

            def command(*, as_json: bool, way: Callable[[Output], object] = ways[name], to: Output = output) -> None:
                way(to)

            with pytest.raises(SystemExit) as ended:
                with_exit_code(command)(as_json=False)
            assert ended.value.code == 141, name


def test_what_is_done_of_nobody_knows_how_much_is_told_as_that(capfd: pytest.CaptureFixture[str]) -> None:
    """And with its end, when that is known."""
    output = Output(as_json=False)
    with output.progress() as progress:
        progress("packing", 5, 0)
        progress("copying", 5, 0)
        progress("copying", 7, 7)
    told = dict(re.findall(r"(\w+ing) .*?(\S+/\S+)", capfd.readouterr().err))
    assert told == {"packing": "5/?", "copying": "7/7"}


def _progress(output: Output) -> None:
    with output.progress() as progress:
        progress(HOSTILE, 1, 2)


def _prints(path: Path) -> list[str]:
    """Name what a module has that can write to the terminal."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found += [one.name for one in names if one.name.partition(".")[0] in ("rich", "click", "logging")]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in ("rich", "click", "logging"):
                found.append(module)
            case ast.Name(id="print" | "pprint" | "input" as name):
                found.append(name)
            case ast.Attribute(attr="stdout" | "stderr" | "echo" | "secho" | "console" | "print_exc" as name):
                found.append(name)
            case _:
                pass
    return found


def test_no_other_module_prints() -> None:
    """So what holds for `Output` holds for every command, and for those to come."""
    assert "rich.console" in _prints(OPERATIONS / "cli" / "output.py")
    modules = [*OPERATIONS.rglob("*.py"), *(ROOT / "functions" / "ledger").rglob("*.py")]
    others = {path.name: found for path in modules if (found := _prints(path)) and path.name != "output.py"}
    assert others == {}


ARGUMENTS: dict[str, tuple[str, ...]] = {
    "pull": ("copy", "--format", "geo.txt", "--format", "csvt"),
    "ddl": ("athena",),
    "status": (),
    "history": (f"{1:032x}",),
    "verify": ("tree", "csv", "journal", "--processes", "1"),
    "replay": ("--processes", "1"),
    "snapshot": (),
    "restore": ("none", "--yes"),
    "collect": (),
    "redrive": ("batches", "quarantine"),
    "forget": (f"{1:032x}", "--dry-run"),
    "ingest": ("--stack", "sky"),
}
ELSEWHERE = {
    "view",
    "stream",
    "backfill",
    "reread",
}  # print nothing of a row, or no more than others: the rule above holds them


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - ELSEWHERE))
def test_a_hostile_key_is_text_in_what_every_command_prints(
    command: str,
    skyledger: Run,
    ledger: Ledger,
    store: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key and a title of the live CSV, of an event, of a row that the journal lacks, and of a quarantined event."""
    texts = {"key": {"S": f"site/{HOSTILE}.jpg"}, "title": {"S": HOSTILE}}
    commit(ledger, [event("INSERT", item(1, **texts), sequence=1, seconds=1)])
    lost = {*store.objects}
    commit(ledger, [event("INSERT", item(2, **texts), sequence=2, seconds=2)])
    commit(ledger, [event(HOSTILE, item(3, **texts), sequence=3, seconds=3)])
    commit(ledger, [event("MODIFY", item(1, 2, title={"S": HOSTILE}), item(1, **texts), sequence=4, seconds=4)])
    publish(ledger)
    if command == "verify":
        monkeypatch.setattr(verify_ledger, "ROUND_SECONDS", 0.0)
        store.delete([key for key in store.objects if key.startswith("journal/") and key not in lost][:1])
    given = [str(tmp_path / one) if one == "copy" else one for one in ARGUMENTS[command]]
    ran = skyledger(command, *given)
    assert is_clean(ran.out), ran.out
    assert is_clean(ran.err), ran.err
    shown = visible(HOSTILE)[:20] in ran.out
    assert shown == (command in ("history", "verify", "redrive")), ran.out
    told = skyledger(command, *given, "--json").out
    assert told.isascii()
    assert is_clean(told)
    json.loads(told)
