"""`status` says how the ledger is and what to do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger import columns
from ledger.claim import claim_key
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.keys import page_key, shard_key
from ledger.ledger import Ledger
from ledger.limits import INVOCATION_SECONDS
from ledger.manifest import decode_page, encode_root
from ledger.publish import publish
from ledger.row import RowEncoder
from operations import status
from operations.freshness import Freshness
from operations.status import COUNTED, read_status, todo, with_services
from tests.support.factories import START, event, insert, item, make_ledger

NOW = START + timedelta(seconds=90)
Clocked = tuple[Ledger, Callable[[int], None]]
MESSAGES = {"waiting_events": 5, "waiting_seen": 6, "dead_letters": 7, "seen_dead_letters": 8}


@pytest.fixture
def clocked() -> Clocked:
    """A ledger whose objects are stamped by a clock, and what sets that to so many seconds after START."""
    seconds = [0]
    ledger = make_ledger(MemoryStore(now=lambda: START + timedelta(seconds=seconds[0])))
    return ledger, lambda now: seconds.__setitem__(0, now)


def test_a_healthy_ledger_needs_nothing(ledger: Ledger, store: MemoryStore) -> None:
    """Numbers are the root's, the age is that of the newest event, and there is nothing to do."""
    commit(ledger, [event("INSERT", item(1), seconds=30)])
    publish(ledger)
    root, _ = ledger.load_root()
    found = read_status(ledger, NOW)
    assert (found.version, found.rows, found.bytes, found.tree) == (1, 1, root.rows.bytes, root.tree_hash)
    assert (found.newest_event, found.event_age_seconds) == ("2026-11-25T08:00:30Z", 60)
    assert (found.published, found.published_version, found.todo) == (True, 1, [])


def test_rows_of_an_older_reader_are_counted_where_that_is_cheap(
    ledger: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older than any is a row that names none. A tree that is large, or does not say it, is not read for that."""
    versions: list[dict[str, dict[str, str]]] = [{}, {}, {"N": "1"}, {"N": "2"}, {"N": "3"}]
    commit(ledger, [insert(number, **({"reader_version": one} if one else {})) for number, one in enumerate(versions)])
    publish(ledger)
    monkeypatch.setattr(columns, "READER", 2)
    found = read_status(ledger, NOW)
    assert (found.older_rows, found.todo) == (3, [])
    monkeypatch.setattr(status, "READ_BYTES", found.bytes)
    assert read_status(make_ledger(store), NOW).older_rows == 3
    monkeypatch.setattr(status, "READ_BYTES", found.bytes - 1)
    assert read_status(make_ledger(store), NOW).older_rows is None
    monkeypatch.setattr(status, "READ_BYTES", found.bytes)
    root, etag = ledger.load_root()
    (page,) = root.rows.pages
    store.delete([shard_key(shard.sha256) for shard in decode_page(store.get(page_key(page.sha256)).body)])
    assert read_status(make_ledger(store), NOW).older_rows is None
    others = tuple(name for name in NAMES if name != "reader_version")
    store.put_if_match("manifest.json", encode_root(replace(root, columns=others)), etag, "application/json", {})
    assert read_status(make_ledger(store), NOW).older_rows is None


def test_both_ages_are_told_of_a_csv_that_is_behind(clocked: Clocked) -> None:
    """The root's by its last commit and by what waits; the file's by the first commit that it does not show."""
    ledger, wait = clocked
    commit(ledger, [event("INSERT", item(1), seconds=0)])
    publish(ledger)
    for second in (10, 20):
        wait(second + 3)
        commit(ledger, [event("INSERT", item(second), sequence=second, seconds=second)])
    wait(63)
    ledger.store.put_new("pending/somebody", b"", "text/plain")
    stranger = make_ledger(ledger.store)  # type: ignore[arg-type]
    found = read_status(stranger, NOW).freshness
    assert found == Freshness(
        committed="2026-11-25T08:00:23Z",
        root_age_seconds=3,
        waiting_seconds=27,
        file_age_seconds=80,
        behind_seconds=77,
        behind_versions=2,
        behind_rows=2,
        behind_bytes=2 * len(RowEncoder(NAMES).line(item(10))),
    )
    assert "nobody publishes" in read_status(stranger, NOW).todo[-1]
    claim = claim_key(ledger.present_csv())
    ledger.store.put_new(claim, b"somebody", "text/plain")
    claimed = read_status(stranger, NOW)
    assert (claimed.freshness, claimed.todo) == (replace(found, publishing_since="2026-11-25T08:01:03Z"), [])
    late = read_status(stranger, NOW + timedelta(seconds=INVOCATION_SECONDS))
    assert late.freshness.publishing_since == "", "whoever claimed is dead"
    ledger.store.delete([claim])
    publish(ledger)
    ledger.store.delete(["pending/somebody", stranger.load_root()[0].copy_key])
    current = Freshness("2026-11-25T08:00:23Z", 3, None, *[0] * 5)
    assert read_status(stranger, NOW).freshness == current, "of a root whose copy is collected, too"


def test_an_empty_ledger_has_no_age(ledger: Ledger) -> None:
    """Before the first event there is nothing to be late."""
    publish(ledger)
    found = read_status(ledger, NOW)
    assert (found.rows, found.newest_event, found.event_age_seconds, found.published) == (0, "", None, True)
    assert (found.freshness.root_age_seconds, found.freshness.file_age_seconds) == (None, 0)


def test_everything_that_waits_is_counted_and_its_repair_named(ledger: Ledger, store: MemoryStore) -> None:
    """Each line of what is to do names a command."""
    commit(ledger, [insert(1), insert(2, ingested_at={"S": "never"})])
    commit(ledger, [insert(4)])
    publish(ledger)
    commit(ledger, [insert(3)])
    for count, folder in ((2, "aws/lambda/uuid/shardId-1/2026/11/25/"), (4, "pending/"), (3, "snapshots/")):
        for number in range(count):
            store.put_new(f"{folder}{number}", b"{}", "application/json")
    told = {"finished": "2026-11-25T08:00:00Z", "count": 5}
    store.put_new("bucket-check.json", orjson.dumps(told), "application/json")
    root, etag = ledger.load_root()
    store.put_if_match("manifest.json", encode_root(replace(root, columns=NAMES[:9])), etag, "application/json", {})
    found = with_services(read_status(make_ledger(store), NOW), stream="Disabled", **MESSAGES)
    assert (found.failed_batches, found.quarantined, found.waiting_segments, found.snapshots) == (2, 1, 4, 3)
    assert (found.waiting_events, found.waiting_seen) == (5, 6)
    assert (found.dead_letters, found.seen_dead_letters, found.stream, found.columns) == (7, 8, "Disabled", 9)
    assert (found.published, found.published_version, found.columns_current) == (False, 2, False)
    advice = [
        "(Disabled): skyledger stream on, within 24 hours",
        "2 batches were given up: skyledger redrive",
        "1 events are in quarantine: look at them, then skyledger redrive",
        "7 S3 events could not be processed: skyledger redrive",
        "8 objects that were seen could not be processed: skyledger redrive",
        "5 differences between buckets and CSV were found on 2026-11-25T08:00:00Z: skyledger verify bucket",
        "image-data.csv is behind",
        "skyledger replay --columns current --swap",
    ]
    assert [text in line for text, line in zip(advice, found.todo, strict=True)] == [True] * 8


def test_a_csv_that_is_missing_or_nobodys_is_not_published(ledger: Ledger, store: MemoryStore) -> None:
    """It shows no version that is known."""
    commit(ledger, [insert(1)])
    found = read_status(ledger, NOW)
    assert (found.published, found.published_version) == (False, None)
    store.put_if_match("image-data.csv", b"x", None, "text/csv", {"rows": "7"})
    found = read_status(ledger, NOW)
    assert (found.published, found.published_version) == (False, -1)
    assert (found.freshness.file_age_seconds, found.freshness.behind_versions) == (None, None)


def test_counting_ends_where_the_number_no_longer_matters(
    ledger: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing has its price."""
    for number in range(5):
        store.put_new(f"pending/{number}", b"{}", "text/plain")
    for most, counted in ((COUNTED, 5), (4, 4)):
        monkeypatch.setattr(status, "COUNTED", most)
        assert read_status(ledger, NOW).waiting_segments == counted


def test_a_gap_names_its_times_and_the_backfill(ledger: Ledger) -> None:
    """A stream that was made anew may have lost what was written in between."""
    other = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-26T07:00:00.000"
    commit(ledger, [event("INSERT", item(1), seconds=0)])
    commit(ledger, [event("INSERT", item(2), seconds=7200, stream=other)])
    publish(ledger)
    found = read_status(ledger, NOW)
    assert [gap.kind for gap in found.gaps] == ["new-stream"]
    assert "between 2026-11-25T08:00:00Z and 2026-11-25T10:00:00Z" in found.todo[0]
    assert "may be lost (the stream was made anew): skyledger backfill" in found.todo[0]
    found.gaps = [replace(found.gaps[0], kind="late")]
    assert "(records came when others may have been gone): skyledger backfill" in todo(found)[0]
