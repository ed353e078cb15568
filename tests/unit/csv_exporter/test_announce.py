"""The event that EventBridge gets whenever readers see another image-data.csv."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from csv_exporter import announce as announcing
from csv_exporter import handler as exporter
from csv_exporter import publisher
from infra.doubles.memory_store import MemoryStore
from ledger.age import shown_version
from ledger.commit import commit
from ledger.errors import Refused, Unavailable, Unknown
from ledger.keys import ANNOUNCED_KEY, CSV_KEY, ROOT_KEY, root_copy_key
from ledger.publish import publish
from operations.live.snapshot import load, pin, restore
from tests.support.factories import insert, make_ledger, modify, remove
from tests.support.lambda_context import LambdaContext
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import WatchedStore, first, refuse
from tests.unit.csv_exporter.conftest import answered, client_of, emf, log_lines

SWEEP = {"source": "aws.events", "id": "1"}


@dataclass
class Bus:
    """What EventBridge is sent, and what it answers: an error code of the entry, a status, or an error of the line."""

    answer: str | int | Exception = ""
    entries: list[dict[str, Any]] = field(default_factory=list)

    def take(self, request: Any, **_: Any) -> AWSResponse:
        (entry,) = json.loads(request.body)["Entries"]
        self.entries.append(entry)
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, int):
            return answered(request, self.answer)
        told = {"ErrorCode": self.answer} if self.answer else {"EventId": "1"}
        body = {"FailedEntryCount": int(bool(self.answer)), "Entries": [told]}
        return answered(request, 200, json.dumps(body).encode())

    @property
    def details(self) -> list[dict[str, Any]]:
        """What each event says."""
        return [json.loads(entry["Detail"]) for entry in self.entries]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    """The bus of a stack that has one."""
    made = Bus()
    client = client_of("events", "PutEvents", made.take)
    monkeypatch.setattr(announcing, "_client", lambda: client)
    monkeypatch.setenv("EVENT_BUS", "photos")
    monkeypatch.setenv("EXPORT_BUCKET", "export")
    return made


def export(*events: Any, seconds: float = 60.0) -> None:
    context = LambdaContext(int(seconds * 1000))
    assert exporter.handler({"Records": list(events)}, context) == {"batchItemFailures": []}


def test_a_publish_is_announced_with_what_readers_see(watched: WatchedStore, store: MemoryStore, bus: Bus) -> None:
    """The first event knows of none before; a rule matches source and detail type."""
    export(insert(1), insert(2))
    (entry,) = bus.entries
    assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == ("photos", "Skyledger", "CSV published")
    root = read_root(store)
    assert json.loads(entry["Detail"]) == {
        "schema": 1,
        "bucket": "export",
        "key": "image-data.csv",
        "etag": store.head(CSV_KEY).etag.strip('"'),
        "version": 1,
        "previous_version": None,
        "tree": root.tree_hash,
        "rows": 2,
        "bytes": len(read_csv(store)),
        "rows_put": None,
        "rows_removed": None,
        "newest_event": root.checkpoint.newest_event,
    }


def test_an_event_counts_what_changed_since_the_one_before(
    watched: WatchedStore, store: MemoryStore, bus: Bus, logged: io.StringIO
) -> None:
    """Over all commits between them, whoever made them; what comes again changes nothing and is not announced."""
    export(insert(1), insert(2))
    other = make_ledger(store, 7)
    commit(other, [modify(1, 2), insert(3)])
    commit(other, [remove(2)])
    export(insert(4))
    export(insert(4))
    assert len(bus.entries) == 2
    assert [line["message"] for line in log_lines(logged)].count("announced") == 2
    told = bus.details[1]
    assert (told["previous_version"], told["version"], told["rows"]) == (1, 4, 3)
    assert (told["rows_put"], told["rows_removed"]) == (3, 1)
    export(remove(4))
    assert (bus.details[2]["rows_put"], bus.details[2]["rows_removed"]) == (0, 1)


def test_what_a_restore_changed_is_counted_nowhere(watched: WatchedStore, store: MemoryStore, bus: Bus) -> None:
    """Nobody compares the trees: so it is not said, and never told as nothing. The schedule finds what was restored."""
    export(insert(1))
    ledger = make_ledger(store, 7)
    pin(ledger, "before", ledger.load_root()[0])
    export(insert(2))
    restore(ledger, load(ledger, "before"), "before")
    publisher.handler(SWEEP, LambdaContext())
    told = bus.details[-1]
    assert (told["previous_version"], told["version"], told["rows"]) == (2, 3, 1)
    assert (told["rows_put"], told["rows_removed"]) == (None, None)
    export(insert(3))
    assert (bus.details[-1]["rows_put"], bus.details[-1]["rows_removed"]) == (1, 0)


@pytest.mark.parametrize("answer", ["ThrottlingException", 400, 500, ReadTimeoutError(endpoint_url="events")])
def test_an_event_that_is_not_taken_fails_no_batch_and_is_sent_by_the_schedule(
    answer: str | int | Exception,
    watched: WatchedStore,
    store: MemoryStore,
    bus: Bus,
    logged: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sent once; an entry that EventBridge refuses comes back with HTTP 200."""
    bus.answer = answer
    export(insert(1))
    assert len(bus.entries) == 1
    assert emf(capsys)["EventsUnsent"] == [1]
    warning, line = log_lines(logged)
    assert (warning["message"], line["message"]) == ("the publish is not announced", "batch committed")
    assert not isinstance(answer, str) or answer in warning["reason"]
    bus.answer = ""
    publisher.handler(SWEEP, LambdaContext())
    assert [told["version"] for told in bus.details] == [1, 1]
    publisher.handler(SWEEP, LambdaContext())
    assert len(bus.entries) == 2, "it is known that this was told"


def test_a_publisher_announces_each_version_that_it_publishes(
    watched: WatchedStore, store: MemoryStore, bus: Bus
) -> None:
    """Also what was committed while it copied."""
    other = make_ledger(store, 7)
    commit(other, [insert(1)])
    watched.on("put_if_match", CSV_KEY, first(lambda: commit(other, [insert(2)])))
    publisher.handler(SWEEP, LambdaContext())
    assert [(told["version"], told["rows_put"]) for told in bus.details] == [(1, None), (2, 1)]


def test_who_announces_at_the_same_time_is_no_trouble(
    watched: WatchedStore, store: MemoryStore, bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two may tell of one version; what was told is written by one of them."""
    watched.on("put_if_match", ANNOUNCED_KEY, refuse(Refused("PreconditionFailed")))
    export(insert(1))
    assert "EventsUnsent" not in emf(capsys)
    failures = [("get", Unavailable("503")), ("put_if_match", Unavailable("503")), ("put_if_match", Unknown("timeout"))]
    for number, (verb, error) in enumerate(failures, 2):
        watched.on(verb, ANNOUNCED_KEY, refuse(error))
        export(insert(number))
        assert emf(capsys)["EventsUnsent"] == [1]
        assert read_root(store).version == shown_version(store.head(CSV_KEY)) == number


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version": 1}'])
def test_a_record_that_cannot_be_read_is_none(body: bytes, watched: WatchedStore, store: MemoryStore, bus: Bus) -> None:
    """An object damaged by hand must not end the events for ever."""
    store.put_new(ANNOUNCED_KEY, body, "application/json")
    export(insert(1))
    export(insert(2))
    assert [(told["version"], told["rows_put"]) for told in bus.details] == [(1, None), (2, 1)]


def test_nothing_is_announced_where_no_bus_is(watched: WatchedStore, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no publish costs a request more."""
    monkeypatch.setenv("EVENT_BUS", "")
    export(insert(1))
    publisher.handler(SWEEP, LambdaContext())
    assert not bus.entries
    assert not watched.verbs(ANNOUNCED_KEY)


def test_an_exporter_in_a_hurry_leaves_it_to_the_schedule(watched: WatchedStore, bus: Bus) -> None:
    """What is left of the invocation belongs to commits."""
    export(insert(1), seconds=exporter.ANNOUNCE_SECONDS - 1)
    assert not bus.entries
    publisher.handler(SWEEP, LambdaContext())
    assert [told["version"] for told in bus.details] == [1]


def test_a_csv_of_somebody_else_is_not_announced(watched: WatchedStore, store: MemoryStore, bus: Bus) -> None:
    """One that names no version, or a root that is not there or another one, says nothing that could be told."""
    export(insert(1))
    store.put_new(root_copy_key("7-y"), store.get(ROOT_KEY).body, "application/json")
    for metadata in ({}, {"version": "7", "root": "7-x"}, {"version": "7", "root": "7-y"}):
        store.put_if_match(CSV_KEY, b"x", store.head(CSV_KEY).etag, "text/csv", metadata)
        assert announcing.announce(make_ledger(store), "export", "photos") is None
    assert len(bus.entries) == 1


def test_a_version_is_not_announced_behind_a_newer_one(watched: WatchedStore, store: MemoryStore, bus: Bus) -> None:
    """The CSV was read, and replaced and announced by others before the record was: their record must stay."""
    other = make_ledger(store, 7)
    commit(other, [insert(1)])
    publish(other)
    present = store.head(CSV_KEY)

    def overtake() -> None:
        commit(other, [insert(2)])
        publish(other)
        announcing.announce(other, "export", "photos")

    watched.on("get", ANNOUNCED_KEY, first(overtake))
    watched.on("head", CSV_KEY, lambda proceed: present)
    assert announcing.announce(exporter.ledger(), "export", "photos") is None
    assert [told["version"] for told in bus.details] == [2]


def test_what_is_not_known_is_null(store: MemoryStore, bus: Bus) -> None:
    """A ledger has no newest event before its first; an older exporter counted no removals, and forgot the count."""
    ledger = make_ledger(store)
    publish(ledger)
    announcing.announce(ledger, "export", "photos")
    assert (bus.details[0]["rows"], bus.details[0]["newest_event"]) == (0, None)
    root, present = ledger.load_root()[0], ledger.present_csv()
    assert present is not None
    told = announcing.detail("export", root, present, announcing.Announced(version=0, changes=0, removed=1, rebuilt=0))
    assert (told["rows_put"], told["rows_removed"]) == (None, None)


def test_a_csv_that_is_left_to_the_publisher_is_not_looked_at(
    watched: WatchedStore, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who publishes it, announces it."""
    monkeypatch.setenv("PUBLISHER", "publisher")
    monkeypatch.setattr(exporter, "call_publisher", lambda *_: None)
    exporter.ledger().met_others()
    export(insert(1))
    assert not watched.verbs(ANNOUNCED_KEY)


def test_an_event_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule sends it again; all that it takes is over before commits lack the time."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = announcing._client.__wrapped__().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= exporter.ANNOUNCE_SECONDS / 2
