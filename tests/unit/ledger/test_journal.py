"""The journal and the quarantine: everything as received, once, under names that its content gives."""

import gzip
import hashlib
import json
from typing import Any

import orjson
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.errors import Damaged
from ledger.event import read_event
from ledger.journal import dates, journal_parts, list_segments, quarantine, segment_of, write_segment
from tests.support.factories import event, insert, item, modify, remove, segment_with
from tests.support.reader import read_segment

BATCH = [insert(1, sequence=100), modify(1, 2, sequence=9_000_000_000_000_000_000_000), remove(1, 2, sequence=102)]


def test_a_segment_holds_the_records_as_received(store: MemoryStore) -> None:
    """One record a line, gzipped, in the order of the batch; X4: also what caused a removal."""
    by_service = remove(3) | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    segment = segment_with([*BATCH, by_service])
    assert write_segment(store, segment)
    assert read_segment(store, segment.name) == [*BATCH, by_service]
    lines = gzip.decompress(store.objects[segment.key][0].body).splitlines()
    assert [orjson.loads(line) for line in lines] == [*BATCH, by_service]
    assert store.objects[segment.key][1] == "application/gzip"


def test_a_segments_name_says_when_which_and_what() -> None:
    """`date=/hour=/first-last-digest`: to be read in time order, and found by sequence number."""
    segment = segment_with(BATCH)
    digest = segment.name.rpartition("-")[2]
    assert segment.name == f"date=2026-11-25/hour=08/100-102-{digest}"
    lines = b"".join(orjson.dumps(record) + b"\n" for record in BATCH)
    assert digest == hashlib.sha256(lines).hexdigest()[:20], "of the records: another packer gives the same name"
    assert segment.key == f"journal/{segment.name}.jsonl.gz"


def test_a_batch_delivered_twice_is_one_segment(store: MemoryStore) -> None:
    """X1: the name comes from the content, the bytes too; a shorter cut is another segment."""
    assert write_segment(store, segment_with(BATCH))
    before = dict(store.objects)
    assert not write_segment(store, segment_with(json.loads(json.dumps(BATCH))))
    assert store.objects == before
    assert segment_with(BATCH[:2]).name != segment_with(BATCH).name


def test_a_batch_and_its_first_half_have_the_same_first_record_and_nobody_else_has() -> None:
    """Sequence numbers are those of a stream shard, and may be another's as well; an eventID is one record's."""
    batch = [read_event(insert(number, sequence=5)) for number in range(4)]
    assert segment_of(batch).first_record == segment_of(batch[:2]).first_record != ""
    assert len({segment_of([event]).first_record for event in batch}) == 4


def test_no_stray_key_hides_a_day_or_holds_up_the_listing(store: MemoryStore) -> None:
    """`date=2026` sorts before all folders of that year, and `~~` after all that a folder of ours holds."""
    segments = {segment_with([remove(1)]).key, segment_with([remove(2)]).key}
    days = ["date=2026-11-24/x", "date=2026-11-25/~~", "date=2026-11-25/é", "date=2026-11-26/x"]
    for key in segments | {f"journal/{name}" for name in ("date=2026", "date=2026-11-25", "notes/x", "é", *days)}:
        store.put_new(key, b"", "text/plain")
    assert [*dates(store)] == ["date=2026-11-24", "date=2026-11-25", "date=2026-11-26"]
    assert segments <= {listed.key for listed in list_segments(store)}
    assert [name for name in journal_parts(store) if name[:-1] not in {*dates(store)}] == [
        "date=2026",
        "date=2026-11-25",
        "notes/",
        "é",
    ]


def test_a_record_without_a_time_takes_that_of_its_batch() -> None:
    timeless: dict[str, Any] = {"eventName": "INSERT"}
    assert segment_with([timeless, BATCH[0]]).name.startswith("date=2026-11-25/hour=08/none-100-")
    assert segment_with([timeless]).name.startswith("date=1970-01-01/hour=00/none-none-")


@pytest.mark.parametrize("number", ["../../x", "1/2", "", "٣", "1" * 41, "12a"])
def test_a_sequence_number_cannot_leave_its_folder(number: str) -> None:
    """Only digits of a sane length go into a key; a hostile record's number may be anything."""
    one = insert(1)
    one["dynamodb"]["SequenceNumber"] = number
    assert segment_with([one]).name.startswith("date=2026-11-25/hour=08/none-none-")


@pytest.mark.parametrize(
    "strange",
    [
        event("INSERT", item(1, make={"S": "\ud800"})),
        event("INSERT", item(1)) | {"huge": 2**70},
        {"eventName": "INSERT", "dynamodb": {"NewImage": None}},
        "text",
        None,
    ],
)
def test_a_record_that_no_json_of_dynamodb_holds_is_journaled_all_the_same(strange: Any, store: MemoryStore) -> None:
    """Lone surrogates, integers beyond 64 bits, no record at all: a replay reads what came."""
    segment = segment_with([strange, BATCH[0]])
    write_segment(store, segment)
    assert read_segment(store, segment.name) == [strange, BATCH[0]]


def test_a_segment_that_is_missing_or_torn_is_damaged_and_named(store: MemoryStore) -> None:
    segment = segment_with(BATCH)
    with pytest.raises(Damaged, match="gone"):
        read_segment(store, segment.name)
    whole = segment.body
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    lines = (b"{not json}\n", b'{"torn": \n')
    for torn in (b"", whole[:-9], bytes(flipped), b"not gzip", *map(gzip.compress, lines)):
        store.objects.clear()
        store.put_new(segment.key, torn, "application/gzip")
        with pytest.raises(Damaged, match="not readable"):
            read_segment(store, segment.name)


def test_quarantine_keeps_the_event_whole_with_its_reason(store: MemoryStore) -> None:
    """Under the day and number of the event, once however often it comes."""
    poison = event("INSERT", item(1, ingested_at={"S": "never"}), sequence=101)
    key = quarantine(store, read_event(poison), 'make is "bad"')
    assert key.startswith("quarantine/date=2026-11-25/101-")
    assert orjson.loads(store.objects[key][0].body) == {"reason": 'make is "bad"', "event": poison}
    assert quarantine(store, read_event(poison), 'make is "bad"') == key
    assert len(store.objects) == 1


def test_quarantine_takes_records_of_any_shape(store: MemoryStore) -> None:
    keys = {quarantine(store, read_event(poison), "no record") for poison in (None, [], {"dynamodb": 1}, "\ud800")}
    assert len(keys) == 4
    assert all(key.startswith("quarantine/date=1970-01-01/none-") for key in keys)
    assert [json.loads(stored.body)["event"] for stored, _ in store.objects.values()] == [
        None,
        [],
        {"dynamodb": 1},
        "\ud800",
    ]
