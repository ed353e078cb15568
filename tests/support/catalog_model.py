"""Facts about objects, what they should come to in the tables, and a clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.catalog.facts import UNREAD, Absent, Fact, Outcome, Present
from infra.doubles.memory_tables import MemoryTables, disagreements

START = datetime(2026, 11, 25, 3, 9, tzinfo=UTC)
BUCKET = "photos"
PLENTY = 60.0


def present(key: str, etag: str, sequencer: int | None, **changes: Any) -> Present:
    """State that an object holds an image, with what an event and an extraction would say of it."""
    number = sequencer if sequencer is not None else 0
    values: dict[str, Any] = {
        "sequencer": f"{sequencer:X}" if sequencer is not None else None,
        "size_bytes": 1000 + len(etag),
        "last_modified": f"2026-11-25T03:{number // 60 % 60:02}:{number % 60:02}Z",
        "content_type": "image/jpeg",
        "attributes": {"make": {"S": f"maker of {etag}"}, "iso": {"N": "100"}},
        "user_metadata": f'{{"job":"{key} {number}"}}' if number % 3 else "",
    }
    return Present(BUCKET, key, etag=etag, **(values | changes))


def absent(key: str, sequencer: int | None, etag: str | None = None) -> Absent:
    return Absent(BUCKET, key, f"{sequencer:X}" if sequencer is not None else None, etag)


def unread(key: str, etag: str, sequencer: int | None) -> Present:
    """State that an object is archived: a row without metadata."""
    warnings = {"warnings": {"S": '["archived"]'}}
    return present(key, etag, sequencer, content_type=UNREAD, attributes=warnings, user_metadata=None)


class Clock:
    """Moves on by a microsecond whenever somebody looks."""

    def __init__(self, minutes: int = 0) -> None:
        self.time = START + timedelta(minutes=minutes)

    def __call__(self) -> datetime:
        self.time += timedelta(microseconds=1)
        return self.time


class Waits(list[float]):
    """Remembers waits instead of waiting."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def catalog_of(client: Any, *, waits: Waits | None = None, clock: Clock | None = None) -> Catalog:
    waits = Waits() if waits is None else waits
    return Catalog(client, "images-table", "objects-table", now=clock or Clock(), sleep=waits, chance=lambda: 1.0)


def apply(catalog: Catalog, *facts: Fact) -> list[Outcome]:
    return [catalog.apply(fact, lambda: PLENTY).outcome for fact in facts]


def check_lists(tables: MemoryTables) -> None:
    """Check that the tables agree: every row's list runs over exactly the objects that hold its image."""
    assert not disagreements(tables)


def watch_lives(tables: MemoryTables) -> None:
    """Check after every transaction what the stream would show: revisions by one, one time for a whole life."""
    before = {etag: dict(row) for etag, row in tables.images.items()}
    born = {(etag, row["ingested_at"]["S"]) for etag, row in before.items()}

    def look(name: str, _: dict[str, Any]) -> None:
        if name != "transact_write_items":
            return
        for etag, row in tables.images.items():
            old = before.get(etag)
            if old is None:
                life = (etag, row["ingested_at"]["S"])
                assert row["revision"]["N"] == "1"
                assert life not in born
                born.add(life)
            elif old != row:
                assert int(row["revision"]["N"]) == int(old["revision"]["N"]) + 1
                assert row["ingested_at"] == old["ingested_at"]
        before.clear()
        before.update({etag: dict(row) for etag, row in tables.images.items()})
        check_lists(tables)

    tables.after = look


def truth(facts: list[Fact]) -> dict[str, Fact]:
    """Give the last fact of each object: what S3 holds when everything has happened."""
    return {fact.object: fact for fact in facts}  # facts are in the order in which they became true


def check_truth(tables: MemoryTables, facts: list[Fact]) -> None:
    check_lists(tables)
    final = truth(facts)
    assert set(tables.objects) == set(final)
    for name, fact in final.items():
        record = tables.objects[name]
        assert record["sequencer"]["S"] == fact.sequencer
        assert record.get("etag", {}).get("S") == (fact.etag if isinstance(fact, Present) else None)
        if isinstance(fact, Present):
            assert record["last_modified"]["S"] == fact.last_modified
            assert record.get("user_metadata", {"S": ""})["S"] == fact.user_metadata
            assert tables.images[fact.etag]["make"]["S"] == f"maker of {fact.etag}"
            assert tables.images[fact.etag]["content_type"]["S"] == "image/jpeg"
