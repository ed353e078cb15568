"""Whatever a record looks like, the exporter ends well, and every record is merged, in quarantine, or reported."""

import csv
import io
import json
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csv_exporter.handler import export
from csv_exporter.publisher import SCHEDULE, keep
from infra.doubles.memory_store import MemoryStore
from ledger.change import Change, changes_of
from ledger.columns import COLUMNS
from ledger.errors import BadEvent
from ledger.event import read_event
from ledger.journal import read_segments
from ledger.ledger import no_limit
from ledger.row import RowEncoder, key_of, revision_of
from tests.support.factories import event, insert, item, make_ledger, modify, remove
from tests.support.reader import read_body, read_csv, read_root, read_tree

HOSTILE = st.sampled_from(
    [
        "=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r\n=1", "'=1", '"', '","', "a\nb", "\0", "\u202egpj",
        "../../etc", "manifest.json", "\ud800", "%0a", "${jndi:x}", "é" * 300, "9" * 400, "-0", "1e400", "NaN", "0x10",
        " 1", "",
    ]
)  # fmt: skip
TEXT = st.one_of(HOSTILE, st.text(max_size=12))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
ATTRIBUTE = st.one_of(
    st.builds(lambda text: {"S": text}, TEXT),
    st.builds(lambda text: {"N": text}, st.one_of(TEXT, st.integers().map(str), st.decimals().map(str))),
    st.sampled_from([{"NULL": True}, {"BOOL": False}, {"M": {}}, {"L": []}, {"B": "AA=="}, {}, {"S": 1}, {"N": 1}]),
    JSON,
)
NAMES = st.one_of(st.sampled_from([column.name for column in COLUMNS]), TEXT)


@st.composite
def records(draw: st.DrawFn) -> Any:
    """Draw a stream record that something is wrong with, more or less; now and then any JSON at all."""
    number = draw(st.integers(0, 4))
    made: Any = draw(
        st.sampled_from([insert(number), modify(number, 2), remove(number), event("MODIFY", item(number, 3), item(9))])
    )
    made = orjson.loads(orjson.dumps(made))
    record = made["dynamodb"]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(["image", "image", "record", "top", "gone", "time", "number", "all"]))
        image = record.get("NewImage") if isinstance(record, dict) else None
        if place == "image" and isinstance(image, dict):
            image[draw(NAMES)] = draw(ATTRIBUTE)
        elif place == "record":
            record[draw(st.sampled_from([*record, "NewImage", "OldImage"]))] = draw(JSON)
        elif place == "top":
            made[draw(st.sampled_from([*made]))] = draw(JSON)
        elif place == "gone":
            made.pop(draw(st.sampled_from([*made])), None)
        elif place == "time":
            record["ApproximateCreationDateTime"] = draw(
                st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
            )
        elif place == "number":
            record["SequenceNumber"] = draw(st.one_of(TEXT, st.integers()))
        elif place == "all":
            return draw(JSON)
    return made


def _equal(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(st.lists(records(), min_size=1, max_size=5), st.sampled_from([300.0, 300.0, 300.0, 0.0, None]))
@settings(max_examples=400)
@example([remove(1, seconds=-60_000_000_000), remove(2)], 300.0)
@example([insert(1, description={"S": "\ud800"})], 300.0)
@example([insert(1, exif={"S": "=1+1"})], 300.0)
def test_every_record_is_accounted_for(batch: list[Any], time_left: float | None) -> None:
    """No error; the record is in the journal; its changes are in the trees, or it is in quarantine, or reported."""
    store = MemoryStore()
    ledger = make_ledger(store)
    answer = export(ledger, {"Records": batch}, lambda: time_left)
    if time_left == 0.0:  # too little to publish in: that is for the schedule
        keep(ledger, {"source": SCHEDULE}, no_limit)
    journaled = {
        _equal(record) for key in store.objects if key.startswith("journal/") for record in _records(store, key)
    }
    quarantined = {
        _equal(json.loads(read_body(store, key))["event"]) for key in store.objects if key.startswith("quarantine/")
    }
    assert {_equal(record) for record in batch} <= journaled
    root = read_root(store)
    rows = {key_of(line): revision_of(line) for line in read_tree(store, root.rows).splitlines(keepends=True)}
    encoder = RowEncoder(root.columns)
    told: dict[bytes, list[Change]] = {}
    for record in batch:
        try:
            for change in changes_of(read_event(record), encoder):
                told.setdefault(change.key, []).append(change)
        except BadEvent:
            assert _equal(record) in quarantined
    if answer["batchItemFailures"]:
        assert time_left == 0.0
        return
    for key, changes in told.items():
        put = max((change.revision for change in changes if change.line is not None), default=-1)
        removed = max((change.revision for change in changes if change.line is None), default=-1)
        assert rows.pop(key, -1) == (put if put > removed else -1)
    assert not rows
    _is_a_good_csv(read_csv(store), len(read_tree(store, root.rows).splitlines()))


def _is_a_good_csv(body: bytes, rows: int) -> None:
    """One line a row, one width, nothing that a spreadsheet would run."""
    assert body.count(b"\n") == rows + 1
    text = body.decode()
    parsed = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(row) for row in parsed} == {len(COLUMNS)}
    for row in parsed[1:]:
        for column, cell in zip(COLUMNS, row, strict=True):
            if column.type in ("text", "json"):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (column.name, cell)
            elif column.type in ("integer", "decimal"):
                assert not cell.strip("-0123456789."), (column.name, cell)


def _records(store: MemoryStore, key: str) -> list[Any]:
    return [json.loads(line) for _, lines in read_segments(store, [key]) for line in lines]


@given(st.lists(records(), min_size=1, max_size=4))
@settings(max_examples=100)
def test_no_record_reaches_beyond_its_folders(batch: list[Any]) -> None:
    """Texts of a record name no object: keys are made of dates, digits and hashes."""
    store = MemoryStore()
    export(make_ledger(store), {"Records": batch}, lambda: None)
    for key in store.objects:
        assert key.isascii()
        assert ".." not in key
        assert key.count("/") <= 3
        assert key.startswith(
            ("journal/date=", "quarantine/date=", "roots/", "shards/", "manifest/", "manifest.json", "image-data.csv")
        )
