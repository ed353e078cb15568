"""What all readers see, and what cannot be taken back, is asked for first: in one way, and "no" ends in one way."""

import inspect
import json
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.cli import consent, work_folder
from operations.cli.interrupt import INTERRUPTED
from operations.cli.main import COMMANDS, app
from operations.live.snapshot import pin
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import event, item, make_ledger, model_csv
from tests.support.paths import ROOT
from tests.support.reader import read_csv, read_root
from tests.support.replay_machine import machine

Run = Callable[..., Ran]
TIME = "2026-11-25T08:00:30Z"
ONE = ("--processes", "1")
NOW = "Now the CSV has 2 rows (version 2)"
STREAM_ON = "; the stream is on: what comes from now on is merged into it (skyledger stream off). Restore it?"
THERE = ("replay", "--swap", "--until", TIME, "--distributed")
# Each call that asks, what it asks, and whether it takes what it asks about from the journal.
ASKING = [
    (("restore", "monday"), f"{NOW}; restored to monday it has 2{STREAM_ON}"),
    (("restore", "--undo"), f"{NOW}; restored to before-restore-0 it has 2{STREAM_ON}"),
    (("restore", "--to", TIME, *ONE), f"{NOW}; restored to {TIME} it has 3{STREAM_ON}"),
    (("replay", "--swap", "--until", TIME, *ONE), f"{NOW}; restored to {TIME} it has 3{STREAM_ON}"),
    (THERE, f"{NOW}; restored to {TIME} it has 3{STREAM_ON}"),
    (("forget", f"{3:032x}"), "Erase all of it for good?"),
]
BEFORE_IT_IS_KNOWN = f"{NOW}; how many it had at {TIME} is known when the tree is built"


def test_no_command_that_asks_is_forgotten_here() -> None:
    """Those that can be answered beforehand are those that ask."""
    asking = {name for name, command in COMMANDS.items() if "yes" in inspect.signature(command).parameters}
    assert asking == {call[0] for call, _ in ASKING}


def test_no_other_module_asks() -> None:
    """Typer's own "no" would end with 1, which says that a check found differences."""
    asks = re.compile(r"\b(?:[Cc]onfirm|[Pp]rompt|confirmation_prompt|getpass)\b *[(=]")
    modules = (ROOT / "functions" / "operations").rglob("*.py")
    assert [path.name for path in modules if asks.search(path.read_text(encoding="utf-8"))] == ["consent.py"]


@pytest.fixture
def asked(
    skyledger: Run, filled: Ledger, services: Services, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> Callable[[tuple[str, ...], str], Ran]:
    """Call a command at a terminal, and answer it; Step Functions runs the replay of the ledger here."""
    for name in ("monday", "before-restore-0"):
        pin(filled, name, read_root(store))
    monkeypatch.setattr(consent, "_has_terminal", lambda: True)
    monkeypatch.setenv("SKYLEDGER_STACK", "sky")

    def start(**arguments: Any) -> dict[str, str]:
        services.started.append(arguments)
        services.output = machine(store).run("execution", json.loads(arguments["input"]))
        services.statuses = ["RUNNING", "SUCCEEDED"]
        return {"executionArn": "execution"}

    monkeypatch.setattr(services, "start_execution", start)

    def call(arguments: tuple[str, ...], answer: str) -> Ran:
        result = CliRunner().invoke(app, arguments, input=answer)
        while work_folder._held:  # a process of its own would have ended
            work_folder._held.popitem()[1].close()
        return Ran(result.exit_code, result.stdout, result.stderr)

    return call


def _what_counts(store: MemoryStore) -> dict[str, Any]:
    """Give what readers see and what can be gone back to; a tree that nobody names may stay."""
    return {key: found for key, found in store.objects.items() if not key.startswith(("shards/", "manifest/"))}


@pytest.mark.parametrize(("arguments", "question"), ASKING)
def test_whatever_is_not_a_yes_changes_nothing_and_ends_with_five(
    arguments: tuple[str, ...], question: str, asked: Callable[..., Ran], store: MemoryStore, filled: Ledger
) -> None:
    """No, just Enter, the end of the input: one line, and the code for what was not done this time."""
    before = _what_counts(store)
    for answer in ("n\n", "what?\n\n", ""):
        ran = asked(arguments, answer)
        assert (ran.code, question in ran.err) == (5, True), (answer, ran.err)
        assert ran.err.count("skyledger: not agreed to: nothing was changed") == 1, ran.err
        assert "Abort" not in ran.err
        after = _what_counts(store)
        if arguments == THERE:
            (pinned,) = after.keys() - before.keys()
            name = pinned.removeprefix("snapshots/").removesuffix(".json")
            assert f"skyledger restore {name}, or skyledger snapshot {name} --remove" in ran.err
            assert BEFORE_IT_IS_KNOWN in ran.err
            store.delete([pinned])
            del after[pinned]
        assert after == before, answer


@pytest.mark.parametrize(("arguments", "question"), ASKING)
def test_where_nobody_can_be_asked_no_work_is_done(
    arguments: tuple[str, ...],
    question: str,
    skyledger: Run,
    asked: Callable[..., Ran],
    services: Services,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script, or a program that reads on: wrong use, said before anything is read or started."""
    before = dict(store.objects)
    ran = [skyledger(*arguments, "--json")]
    monkeypatch.setattr(consent, "_has_terminal", lambda: False)
    ran.append(skyledger(*arguments))
    for one in ran:
        assert (one.code, "give --yes" in " ".join(one.err.split())) == (2, True)
        assert "reading events" not in one.err
    assert (store.objects, services.started) == (before, [])


@pytest.mark.usefixtures("heard")
def test_ctrl_c_at_a_question_is_no_answer(asked: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the command as it does everywhere; Typer makes Abort of it."""

    def interrupted(question: str, **_: Any) -> bool:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise consent.typer.Abort from None
        return True

    monkeypatch.setattr(consent.typer, "confirm", interrupted)
    ran = asked(("restore", "monday"), "")
    assert (ran.code, ran.err) == (INTERRUPTED, "interrupted\n")


def test_what_step_functions_built_is_swapped_in_when_its_rows_are_known_and_agreed_to(
    asked: Callable[..., Ran], services: Services, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state machine itself is told not to; the snapshot goes, unless it was asked for; and it can be undone."""
    ran = asked(THERE, "y\n")
    assert ran.code == 0, ran.err
    (started,) = services.started
    wishes = json.loads(started["input"])
    assert (wishes["swap"], wishes["until"]) == (False, TIME)
    root = read_root(store)
    assert (root.version, root.restored and root.restored.to) == (3, TIME)
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])
    assert f"snapshots/{wishes['snapshot']}.json" not in store.objects
    lines = [line.split() for line in ran.out.splitlines()[1:]]  # behind the answer
    told = {line[0]: line[-1] for line in lines}
    assert (told["rows"], told["version"], told["tree"], told["undo"]) == ("3", "3", root.tree_hash, "before-restore-2")
    assert "snapshot" not in told
    with monkeypatch.context() as unasked:
        unasked.delattr(Services, "get_event_source_mapping")  # only for the question
        assert asked(("restore", "--undo", "--yes"), "").code == 0
    assert read_csv(store) == model_csv([item(1), item(2)])
    assert asked((*THERE, "--snapshot", "kept"), "yes\n").code == 0
    assert "snapshots/kept.json" in store.objects


def test_a_yes_given_beforehand_goes_through(asked: Callable[..., Ran], services: Services, store: MemoryStore) -> None:
    """The state machine swaps itself, and catches up with what exporters did meanwhile; nobody is asked."""
    ran = asked((*THERE, "--yes"), "")
    assert (ran.code, "[y/N]" in ran.err) == (0, False)
    assert json.loads(services.started[0]["input"])["swap"]
    assert read_root(store).rows.rows == 3


def test_the_question_counts_what_is_live_when_it_is_asked(
    asked: Callable[..., Ran], services: Services, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild may take hours, in which exporters go on."""
    start = services.start_execution

    def slowly(**arguments: Any) -> Any:
        commit(make_ledger(store, 2), [event("INSERT", item(7), sequence=70, seconds=100)])
        return start(**arguments)

    monkeypatch.setattr(services, "start_execution", slowly)
    ran = asked(THERE, "n\n")
    assert BEFORE_IT_IS_KNOWN in ran.err
    assert f"Now the CSV has 3 rows (version 3); restored to {TIME} it has 3" in ran.err
