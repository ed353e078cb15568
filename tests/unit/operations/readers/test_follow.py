"""`pull --follow` goes on through what passes, and ends where waiting does not help."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Damaged, Denied, LedgerError, ManifestLost, NoLedger, Unavailable
from ledger.keys import ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.cli import deployment
from operations.readers.follow import follow
from tests.support.command_line import Ran
from tests.support.factories import insert, make_ledger


class _Enough(Exception):
    """The test has seen what it wants."""


class _Followed:
    """What is told while a ledger is followed, whose store is disturbed between two looks.

    Args:
        steps: done one at each wait; then it ends.
    """

    def __init__(self, store: MemoryStore, *steps: Callable[[], object]) -> None:
        self._steps = [*steps]
        self.ledger = replace(make_ledger(store), sleep=self._sleep, chance=lambda: 1.0)
        self.waits: list[float] = []
        self.rows: list[int] = []
        self.told: list[str] = []
        self.copies: list[Exception | None] = []

    def run(self, ends: type[Exception] = _Enough) -> None:
        with pytest.raises(ends):
            follow(self.ledger, 7.0, self._copy, lambda error: self.told.append(str(error)))

    def _copy(self, root: Root) -> None:
        if self.copies and (error := self.copies.pop(0)):
            raise error
        self.rows.append(root.rows.rows)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if not self._steps:
            raise _Enough
        self._steps.pop(0)()


def test_every_new_tree_is_copied_once(store: MemoryStore) -> None:
    """It looks, waits, and copies only when the rows are others."""
    writer = make_ledger(store, 2)
    steps = [lambda: commit(writer, [insert(1)])] * 2 + [lambda: commit(writer, [insert(2)])]
    followed = _Followed(store, *steps)
    followed.run()
    assert (followed.rows, followed.waits, followed.told) == ([0, 1, 2], [7.0] * 4, [])


def test_an_outage_is_told_once_and_waited_for(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer each time, up to half a minute; then it goes on, also where a copy had been broken off."""
    writer, real = make_ledger(store, 2), store.get
    commit(writer, [insert(1)])

    def down(key: str) -> Any:
        raise Unavailable(f"{key}: EndpointConnectionError")

    def back() -> None:
        monkeypatch.setattr(store, "get", real)
        monkeypatch.setattr(store, "get_if_changed", changed)
        commit(writer, [insert(2)])

    def away() -> None:
        monkeypatch.setattr(store, "get", down)
        monkeypatch.setattr(store, "get_if_changed", lambda key, etag: down(key))

    changed = store.get_if_changed
    nothing = [lambda: None] * 11
    followed = _Followed(store, away, *nothing, back, away, back)
    followed.copies = [None, Unavailable("shards/x: ReadTimeoutError")]
    followed.run()
    outage, over = "manifest.json: EndpointConnectionError", "None"
    assert followed.told == [outage, over, "shards/x: ReadTimeoutError", over]
    assert followed.rows == [1, 2]
    assert followed.waits[0] == 7.0
    assert followed.waits[1:13] == sorted(followed.waits[1:13])
    assert followed.waits[12] == 30.0 > followed.waits[2]
    assert followed.waits[13] < 7.0, "another outage begins with a short wait"


@pytest.mark.parametrize("error", [Denied("ExpiredToken"), ManifestLost("gone"), NoLedger("gone")])
def test_what_waiting_does_not_change_ends_it(
    error: LedgerError, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that expired come to nothing by themselves."""
    followed = _Followed(store)
    followed.copies = [error]
    followed.run(type(error))
    assert (followed.waits, followed.told) == ([], [])


def test_a_copy_whose_shards_were_collected_meanwhile_is_begun_anew_once(store: MemoryStore) -> None:
    """The machine slept for a day: the next look finds another tree. The same tree twice is damaged indeed."""
    followed = _Followed(store)
    followed.copies = [Damaged("shards/x is missing"), None]
    followed.run()
    assert followed.rows == [0]
    followed.copies = [Damaged("shards/x is missing"), Damaged("shards/x is missing")]
    followed.run(Damaged)


def test_the_command_tells_people_and_programs_of_an_outage(
    skyledger: Callable[..., Ran], ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, store: MemoryStore
) -> None:
    """With --json each a line of its own, as the copies are; with the remedy, as an error that ends a command."""
    commit(ledger, [insert(1)])
    answers: list[Exception | None] = [None, Unavailable("s3://b/manifest.json: x"), Unavailable("again"), None]

    class Disturbed(MemoryStore):
        def get_if_changed(self, key: str, etag: str) -> Any:
            if not answers:
                raise Denied("ExpiredToken")
            if error := answers.pop(0):
                raise error from OSError()
            return super().get_if_changed(key, etag)

    made = Disturbed()
    made.objects = store.objects
    monkeypatch.setattr(deployment, "open_bucket", lambda bucket, arguments: made)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(Ledger, "__init__", _instant(Ledger.__init__))
    ran = skyledger("pull", str(tmp_path / "copy"), "--follow", "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line.get("rows", line.get("waiting", line.get("error"))) for line in lines] == [1, True, False, "Denied"]
    assert lines[1]["message"] == "s3://b/manifest.json: x"
    assert ran.err.count("(nobody answers: look at the network, --region and --endpoint-url); waiting") == 1
    assert ran.err.count("it answers again") == 1
    assert (ran.code, store.objects[ROOT_KEY] == made.objects[ROOT_KEY]) == (4, True)


def _instant(init: Any) -> Any:
    def made(self: Any, *given: Any, **named: Any) -> None:
        init(self, *given, **{"sleep": lambda seconds: None, **named})

    return made
