"""The decision: whatever happens to objects, in whatever order it is told, the tables end up saying what is true."""

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from hypothesis import example, given
from hypothesis import strategies as st

from image_processor.catalog.catalog import Catalog, Effect
from image_processor.catalog.facts import UNREAD, Fact, Outcome, Present
from image_processor.catalog.items import TOMBSTONE_DAYS
from image_processor.errors import CatalogContended, CatalogDamaged
from infra.doubles.memory_tables import MemoryTables, refusal
from tests.support.catalog_model import (
    PLENTY,
    START,
    Clock,
    Waits,
    absent,
    apply,
    catalog_of,
    check_lists,
    check_truth,
    present,
    unread,
    watch_lives,
)
from tests.support.template import TEMPLATE

# ---- histories ------------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from(["a.jpg", "b.jpg", "c/d e.jpg"]), st.sampled_from(["E1", "E2", "E3", None])), max_size=14
)


def history(changes: list[tuple[str, str | None]]) -> list[Fact]:
    """What became true, in order: an object holds an image, or (None) it was deleted or holds something else.

    The sequencers grow from one digit to two, so that comparing them as text would go wrong.
    """
    return [
        present(key, etag, number) if etag else absent(key, number)
        for number, (key, etag) in enumerate(changes, start=9)
    ]


@given(changes=steps, data=st.data())
def test_any_history_in_any_order_with_any_duplicates_ends_in_the_truth(
    changes: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    """S3 delivers at least once and in no order: the tables depend on what happened only."""
    facts = history(changes)
    again = data.draw(st.lists(st.sampled_from(facts), max_size=5)) if facts else []
    deliveries = data.draw(st.permutations(facts + again))
    tables = MemoryTables()
    watch_lives(tables)
    apply(catalog_of(tables), *deliveries)
    check_truth(tables, facts)
    snapshot = {name: dict(items) for name, items in tables.tables.items()}
    apply(catalog_of(tables), *deliveries)
    assert tables.tables == snapshot


class Interleaving:
    """Deliveries that break into each other: before a transaction is carried out, others may come first."""

    def __init__(self, tables: MemoryTables, deliveries: list[Fact], choices: Iterator[int]) -> None:
        self.tables, self.pending, self.choices = tables, deliveries, choices
        self.depth, self.clock = 0, Clock()
        tables.before = self.before

    def before(self, name: str, _: dict[str, Any]) -> None:
        choice = next(self.choices, 0)
        if choice % 3 == 1 and self.pending and self.depth < 3:
            self.depth += 1
            self.deliver()
            self.depth -= 1
        if choice == 5 and name == "get_item":
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        if choice == 8:
            raise refusal("TransactionCanceledException", 400, [{"Code": "TransactionConflict"}])

    def deliver(self) -> None:
        fact = self.pending.pop()
        apply(catalog_of(self.tables, clock=self.clock), fact)

    def run(self) -> None:
        while self.pending:
            self.deliver()


@given(changes=steps, data=st.data())
@example(changes=[("a.jpg", "E1"), ("b.jpg", "E1"), ("a.jpg", None), ("b.jpg", "E2")], data=None)
def test_deliveries_that_break_into_each_other_end_in_the_truth(
    changes: list[tuple[str, str | None]], data: st.DataObject | None
) -> None:
    """Functions run in parallel: between a decision and its transaction anything may happen, and answers get lost."""
    facts = history(changes)
    if data is None:
        deliveries, choices = [*facts, *facts], [1, 4, 0, 7] * 8
    else:
        again = data.draw(st.lists(st.sampled_from(facts), max_size=5)) if facts else []
        deliveries = data.draw(st.permutations(facts + again))
        choices = data.draw(st.lists(st.integers(0, 9), max_size=40))
    tables = MemoryTables()
    watch_lives(tables)
    look, lost = tables.after, iter(choices[::-1])

    def after(name: str, arguments: dict[str, Any]) -> None:
        look(name, arguments)
        if next(lost, 0) == 6:
            raise ConnectionClosedError(endpoint_url="https://dynamodb.example")

    tables.after = after
    Interleaving(tables, list(deliveries), iter(choices)).run()
    check_truth(tables, facts)


def test_threads_that_copy_and_delete_one_image_end_in_the_truth() -> None:
    """The same with real threads: the most contended case, all objects on one list."""
    tables = MemoryTables()
    facts: list[Fact] = [present(f"{number}.jpg", "E1", 10) for number in range(12)]
    facts += [absent(f"{number}.jpg", 20) for number in range(0, 12, 2)]
    deliveries = random.Random(7).sample(facts * 2, len(facts) * 2)
    failures: list[BaseException] = []

    def work(share: list[Fact]) -> None:
        catalog = Catalog(tables, "images-table", "objects-table", sleep=lambda seconds: None)
        for fact in share:
            while True:
                try:
                    catalog.apply(fact, lambda: PLENTY)
                except CatalogContended:
                    continue  # the queue delivers it again
                except BaseException as error:
                    failures.append(error)
                break

    threads = [threading.Thread(target=work, args=(deliveries[number::6],)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    check_truth(tables, facts)
    assert tables.images["E1"]["copies"]["N"] == "6"


# ---- what each fact does --------------------------------------------------------------------------------------------


def test_a_new_image_is_one_transaction_and_no_read(catalog: Catalog, tables: MemoryTables) -> None:
    """The usual case costs one request."""
    assert catalog.apply(present("a.jpg", "E1", 0x10), lambda: PLENTY) == Effect(
        Outcome.ADDED, image_added=True, image_removed=False, attempts=1
    )
    assert tables.calls == ["transact_write_items"]
    assert tables.images["E1"] == {
        "etag": {"S": "E1"},
        "ingested_at": {"S": "2026-11-25T03:09:00.000001Z"},
        "revision": {"N": "1"},
        "bucket": {"S": "photos"},
        "key": {"S": "a.jpg"},
        "size_bytes": {"N": "1002"},
        "copies": {"N": "1"},
        "content_type": {"S": "image/jpeg"},
        "last_modified": {"S": "2026-11-25T03:00:16Z"},
        "newest_object": {"S": "photos/a.jpg"},
        "make": {"S": "maker of E1"},
        "iso": {"N": "100"},
        "user_metadata": {"S": '{"job":"a.jpg 16"}'},
    }
    assert tables.objects["photos/a.jpg"] == {
        "object": {"S": "photos/a.jpg"},
        "etag": {"S": "E1"},
        "sequencer": {"S": "10"},
        "size_bytes": {"N": "1002"},
        "content_type": {"S": "image/jpeg"},
        "last_modified": {"S": "2026-11-25T03:00:16Z"},
        "user_metadata": {"S": '{"job":"a.jpg 16"}'},
        "ingested_at": {"S": "2026-11-25T03:09:00.000001Z"},
    }


def test_the_time_keeps_its_six_decimals_on_a_whole_second(tables: MemoryTables) -> None:
    """`ingested_at` has a fixed width: rows are sorted by it as text."""
    catalog = Catalog(tables, "images-table", "objects-table", now=lambda: START)
    apply(catalog, present("a.jpg", "E1", 1))
    assert tables.images["E1"]["ingested_at"]["S"] == "2026-11-25T03:09:00.000000Z"


def test_a_copy_raises_the_count_and_joins_the_list(catalog: Catalog, tables: MemoryTables) -> None:
    """Same bytes under another key: one row, two objects, the older one named; the refusal saves any read."""
    assert apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 2)) == [Outcome.ADDED, Outcome.ADDED]
    assert tables.images["E1"]["copies"]["N"] == "2"
    assert tables.images["E1"]["revision"]["N"] == "2"
    assert tables.images["E1"]["key"]["S"] == "a.jpg"
    assert tables.images["E1"]["newest_object"]["S"] == "photos/b.jpg"
    assert tables.objects["photos/a.jpg"]["newer"]["S"] == "photos/b.jpg"
    assert tables.objects["photos/b.jpg"]["older"]["S"] == "photos/a.jpg"
    assert "get_item" not in tables.calls


def test_when_the_named_object_goes_the_row_names_the_next(catalog: Catalog, tables: MemoryTables) -> None:
    """No photo vanishes while an object still holds it (same bytes as a.jpg and b.jpg, a.jpg deleted)."""
    outcomes = apply(catalog, present("a.jpg", "E1", 1), present("x/b.jpg", "E1", 2), absent("a.jpg", 3))
    assert outcomes[-1] is Outcome.REMOVED
    row = tables.images["E1"]
    assert (row["bucket"]["S"], row["key"]["S"]) == ("photos", "x/b.jpg")
    assert row["last_modified"]["S"] == "2026-11-25T03:00:02Z"
    assert (row["copies"]["N"], row["revision"]["N"]) == ("1", "3")
    check_lists(tables)


def test_a_row_has_the_user_metadata_of_the_object_that_it_names(catalog: Catalog, tables: MemoryTables) -> None:
    """A copy's are its own, and no difference; the row takes them over with its name, or loses what it had."""
    first, second, none = '{"job":"a"}', '{"job":"b"}', ""
    apply(catalog, present("a.jpg", "E1", 1, user_metadata=first), present("b.jpg", "E1", 2, user_metadata=second))
    apply(catalog, present("c.jpg", "E1", 3, user_metadata=none))
    assert tables.images["E1"]["user_metadata"]["S"] == first
    assert not {"warnings", "unlike"} & tables.images["E1"].keys()
    apply(catalog, absent("a.jpg", 4))
    assert tables.images["E1"]["user_metadata"]["S"] == second
    apply(catalog, present("c.jpg", "E1", 5, user_metadata=first))
    assert tables.images["E1"]["user_metadata"]["S"] == second
    apply(catalog, present("c.jpg", "E1", 6, user_metadata=none), absent("b.jpg", 7))
    assert "user_metadata" not in tables.images["E1"]
    check_lists(tables)


def test_user_metadata_that_are_not_known_are_left_as_they_are(catalog: Catalog, tables: MemoryTables) -> None:
    """S3 gives them with the bytes, and with HEAD: who gets neither has nothing to say of them. None is known, too."""
    fact = present("a.jpg", "E1", 1, user_metadata='{"job":"a"}')
    apply(catalog, fact, replace(fact, sequencer="2", user_metadata=None))
    assert tables.images["E1"]["user_metadata"]["S"] == '{"job":"a"}'
    assert tables.images["E1"]["revision"]["N"] == "1"
    apply(catalog, replace(fact, sequencer="3", user_metadata=""))
    assert "user_metadata" not in tables.images["E1"]
    assert "user_metadata" not in tables.objects["photos/a.jpg"]
    assert tables.images["E1"]["revision"]["N"] == "2"
    assert apply(catalog, replace(fact, sequencer="4", user_metadata="")) == [Outcome.REFRESHED]
    assert tables.images["E1"]["revision"]["N"] == "2"


def test_a_heir_whose_user_metadata_change_meanwhile_is_looked_at_again(catalog: Catalog, tables: MemoryTables) -> None:
    """Written twice within a second: by its date nobody would notice, and the row would keep what is no more."""
    heir = present("b.jpg", "E1", 2, user_metadata='{"job":"old"}')
    apply(catalog, present("a.jpg", "E1", 1), heir)
    other = catalog_of(tables)
    changes = iter([replace(heir, sequencer="3", user_metadata='{"job":"new"}')])

    def meanwhile(name: str, _: dict[str, Any]) -> None:
        if name == "transact_write_items":
            for change in changes:
                apply(other, change)

    tables.before = meanwhile
    apply(catalog, absent("a.jpg", 4))
    assert tables.images["E1"]["user_metadata"]["S"] == '{"job":"new"}'
    check_lists(tables)


def test_an_etag_is_a_name_and_nothing_more(catalog: Catalog, tables: MemoryTables) -> None:
    """The same photo put twice, uploaded in two parts, copied from that, and put under KMS: four ETags, four rows.

    Then the first of the five objects is deleted, and no photo vanishes.
    """
    etags = {
        "a.jpg": "9b2cf535f27731c974343645a3985328",
        "b.jpg": "9b2cf535f27731c974343645a3985328",
        "c.jpg": "6d0bb00954ceb7fbee436bb55a8397a9-2",
        "d.jpg": "1f3870be274f6c49b3e31a0c6728957f",
        "e.jpg": "opaque:not/an=MD5",
    }
    apply(catalog, *(present(key, etag, 1) for key, etag in etags.items()))
    assert {etag: row["copies"]["N"] for etag, row in tables.images.items()} == {
        etag: "2" if etag.startswith("9b2c") else "1" for etag in etags.values()
    }
    apply(catalog, absent("a.jpg", 2))
    assert sorted(row["key"]["S"] for row in tables.images.values()) == ["b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    check_lists(tables)


@pytest.mark.parametrize("gone", ["a.jpg", "b.jpg", "c.jpg"])
def test_the_list_closes_wherever_an_object_leaves_it(gone: str, catalog: Catalog, tables: MemoryTables) -> None:
    """Head, middle and tail: each time a few writes, whatever the number of copies."""
    apply(catalog, *(present(key, "E1", 1) for key in ("a.jpg", "b.jpg", "c.jpg")))
    assert apply(catalog, absent(gone, 2)) == [Outcome.REMOVED]
    check_lists(tables)
    assert tables.images["E1"]["copies"]["N"] == "2"


def test_the_last_copy_takes_the_row_with_it(catalog: Catalog, tables: MemoryTables) -> None:
    """The item is deleted as it last was, so that the stream's OldImage carries its last revision."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 2), absent("a.jpg", 3))
    assert tables.images["E1"]["revision"]["N"] == "3"
    effect = catalog.apply(absent("b.jpg", 4), lambda: PLENTY)
    assert effect == Effect(Outcome.REMOVED, image_added=False, image_removed=True, attempts=1)
    assert tables.images == {}


def test_a_new_life_starts_over(catalog: Catalog, tables: MemoryTables) -> None:
    """Deleted and uploaded again: the same bytes get another `ingested_at`, hence another row key, and revision 1."""
    apply(catalog, present("a.jpg", "E1", 1))
    first = tables.images["E1"]["ingested_at"]["S"]
    apply(catalog, absent("a.jpg", 2), present("a.jpg", "E1", 3))
    assert tables.images["E1"]["ingested_at"]["S"] > first
    assert tables.images["E1"]["revision"]["N"] == "1"


def test_other_bytes_replace_the_image(catalog: Catalog, tables: MemoryTables) -> None:
    """An overwritten object leaves its old image, which goes if nobody else holds it: all in one transaction."""
    apply(catalog, present("a.jpg", "E1", 1))
    effect = catalog.apply(present("a.jpg", "E2", 2), lambda: PLENTY)
    assert effect == Effect(Outcome.REPLACED, image_added=True, image_removed=True, attempts=2)
    assert set(tables.images) == {"E2"}


def test_the_same_bytes_again_make_no_second_row(catalog: Catalog, tables: MemoryTables) -> None:
    """A repeated upload changes what the row says of the object that it names, and nothing else."""
    apply(catalog, present("a.jpg", "E1", 1))
    before = dict(tables.images["E1"])
    assert apply(catalog, present("a.jpg", "E1", 2)) == [Outcome.REFRESHED]
    assert tables.images == {
        "E1": before
        | {"revision": {"N": "2"}, "last_modified": {"S": "2026-11-25T03:00:02Z"}}
        | {"user_metadata": {"S": '{"job":"a.jpg 2"}'}},
    }
    assert tables.objects["photos/a.jpg"]["sequencer"]["S"] == "2"


def test_the_same_bytes_again_under_the_name_of_a_copy_leave_the_row_alone(
    catalog: Catalog, tables: MemoryTables
) -> None:
    """The row's date is that of the object it names."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 2))
    before = dict(tables.images["E1"])
    assert apply(catalog, present("b.jpg", "E1", 3)) == [Outcome.REFRESHED]
    assert tables.images["E1"] == before
    assert tables.objects["photos/b.jpg"]["last_modified"]["S"] == "2026-11-25T03:00:03Z"


@pytest.mark.parametrize(
    ("late", "outcome"),
    [
        (present("a.jpg", "E2", 9), Outcome.STALE),
        (absent("a.jpg", 9), Outcome.STALE),
        (present("a.jpg", "E1", 0x10), Outcome.DUPLICATE),
        (absent("a.jpg", 0x10), Outcome.DUPLICATE),
    ],
)
def test_stale_and_duplicate_events_change_nothing(
    late: Fact, outcome: Outcome, catalog: Catalog, tables: MemoryTables
) -> None:
    """Sequencers are numbers: 9 comes before 10, whatever their text says."""
    apply(catalog, present("a.jpg", "E1", 0x10))
    before = {name: dict(items) for name, items in tables.tables.items()}
    assert apply(catalog, late) == [outcome]
    assert tables.tables == before


def test_a_removal_without_a_record_leaves_a_tombstone_that_stops_a_late_creation(
    catalog: Catalog, tables: MemoryTables
) -> None:
    """The creation was read, then came the removal, then the creation's transaction: no row may be left behind."""
    assert apply(catalog, absent("a.jpg", 5)) == [Outcome.NOTED]
    record = tables.objects["photos/a.jpg"]
    assert set(record) == {"object", "sequencer", "expires_at"}
    assert record["sequencer"]["S"] == "5"
    expires = datetime.fromtimestamp(int(record["expires_at"]["N"]), UTC)
    queues = (TEMPLATE["Resources"][name]["Properties"] for name in ("ImageQueue", "ImageDeadLetters"))
    assert sum(queue["MessageRetentionPeriod"] for queue in queues) < TOMBSTONE_DAYS * 86400
    assert expires == START + timedelta(days=TOMBSTONE_DAYS)
    assert apply(catalog, present("a.jpg", "E1", 4)) == [Outcome.STALE]
    assert tables.images == {}
    assert apply(catalog, present("a.jpg", "E1", 6)) == [Outcome.ADDED]
    assert "expires_at" not in tables.objects["photos/a.jpg"]


def test_the_version_is_kept_in_the_record(catalog: Catalog, tables: MemoryTables) -> None:
    """In a bucket with versions the record says which one it is about."""
    apply(catalog, present("a.jpg", "E1", 1, version_id="v1"), present("a.jpg", "E1", 2, version_id="v2"))
    assert tables.objects["photos/a.jpg"]["version_id"]["S"] == "v2"


# ---- facts without metadata: archived objects, objects that are visible again ---------------------------------------


def test_a_fact_without_metadata_is_enough_for_an_image_that_is_known(catalog: Catalog, tables: MemoryTables) -> None:
    """A version was deleted and the object is still there: if its image has a row, nobody needs to read it."""
    apply(catalog, present("a.jpg", "E1", 1, version_id="v1"))
    row = dict(tables.images["E1"])
    looked = present("a.jpg", "E1", 3, attributes=None, content_type=UNREAD, version_id="v1")
    looked_same_date = Present(
        **{name: getattr(looked, name) for name in Present.__dataclass_fields__}
        | {"last_modified": "2026-11-25T03:00:01Z", "user_metadata": '{"job":"a.jpg 1"}'}
    )
    assert apply(catalog, looked_same_date) == [Outcome.REFRESHED]
    assert tables.images["E1"] == row
    assert tables.objects["photos/a.jpg"]["content_type"]["S"] == "image/jpeg"
    other = present("b.jpg", "E1", 4, attributes=None, content_type=UNREAD)
    assert apply(catalog, other) == [Outcome.ADDED]
    assert tables.objects["photos/b.jpg"]["content_type"]["S"] == "image/jpeg"
    check_lists(tables)


def test_a_fact_without_metadata_about_an_unknown_image_asks_for_it(catalog: Catalog, tables: MemoryTables) -> None:
    """Nothing is written until the object has been read."""
    apply(catalog, present("a.jpg", "E2", 1))
    before = {name: dict(items) for name, items in tables.tables.items()}
    assert apply(catalog, present("a.jpg", "E1", 2, attributes=None)) == [Outcome.UNKNOWN_IMAGE]
    assert tables.tables == before


def test_an_archived_image_gets_its_columns_when_it_can_be_read(catalog: Catalog, tables: MemoryTables) -> None:
    """A restoration has no sequencer: it speaks of the bytes that the object holds anyway."""
    apply(catalog, unread("a.jpg", "E1", 1))
    assert tables.images["E1"]["warnings"]["S"] == '["archived"]'
    born = tables.images["E1"]["ingested_at"]
    assert apply(catalog, present("a.jpg", "E1", None, last_modified="2026-11-25T03:00:01Z")) == [Outcome.REFRESHED]
    row = tables.images["E1"]
    assert row["content_type"]["S"] == "image/jpeg"
    assert row["make"]["S"] == "maker of E1"
    assert "warnings" not in row
    assert row["ingested_at"] == born
    assert row["revision"]["N"] == "2"
    assert tables.objects["photos/a.jpg"]["sequencer"]["S"] == "1"
    again = present("a.jpg", "E1", None, last_modified="2026-11-25T03:00:01Z")
    assert apply(catalog, again) == [Outcome.UNCHANGED]


def test_a_readable_copy_brings_an_archived_image_its_columns(catalog: Catalog, tables: MemoryTables) -> None:
    """Same etag, same bytes: it does not matter which object was read."""
    apply(catalog, unread("a.jpg", "E1", 1), present("b.jpg", "E1", 2))
    assert tables.images["E1"]["make"]["S"] == "maker of E1"
    assert "warnings" not in tables.images["E1"]
    assert tables.images["E1"]["copies"]["N"] == "2"
    apply(catalog, unread("c.jpg", "E1", 3))
    assert tables.images["E1"]["content_type"]["S"] == "image/jpeg"


def test_a_restoration_of_other_bytes_than_the_object_holds_changes_nothing(
    catalog: Catalog, tables: MemoryTables
) -> None:
    """It may be about a version that is not current, or come late."""
    apply(catalog, present("a.jpg", "E1", 1))
    facts = [present("a.jpg", "E2", None), present("b.jpg", "E2", None), absent("a.jpg", None, "E2")]
    assert apply(catalog, *facts) == [Outcome.STALE] * 3
    assert set(tables.images) == {"E1"}


def test_a_restored_object_that_is_no_image_loses_its_row(catalog: Catalog, tables: MemoryTables) -> None:
    """What was taken for an image while it could not be read was none."""
    apply(catalog, unread("a.zip", "E1", 7))
    assert apply(catalog, absent("a.zip", None, "E1")) == [Outcome.REMOVED]
    assert tables.images == {}
    assert tables.objects["photos/a.zip"]["sequencer"]["S"] == "7"


# ---- foreign hands --------------------------------------------------------------------------------------------------


def test_a_row_deleted_by_hand_does_not_hold_up_the_objects_removal(catalog: Catalog, tables: MemoryTables) -> None:
    """Otherwise its message would end in the dead-letter queue, each time."""
    apply(catalog, *(present(key, "E1", 1) for key in ("a.jpg", "b.jpg", "c.jpg")))
    del tables.images["E1"]
    assert apply(catalog, absent("a.jpg", 2), absent("c.jpg", 2), absent("b.jpg", 2)) == [Outcome.REMOVED] * 3
    assert tables.images == {}
    assert not any("etag" in record for record in tables.objects.values())


def test_a_row_deleted_by_hand_comes_back_with_the_next_upload(catalog: Catalog, tables: MemoryTables) -> None:
    """The objects of the old list rejoin one by one as they are uploaded."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 1))
    del tables.images["E1"]
    apply(catalog, present("b.jpg", "E1", 2))
    assert tables.images["E1"]["copies"]["N"] == "1"
    assert tables.images["E1"]["key"]["S"] == "b.jpg"
    apply(catalog, present("a.jpg", "E1", 2))
    assert tables.images["E1"]["copies"]["N"] == "2"
    check_lists(tables)


def test_an_object_on_no_list_takes_nothing_from_the_row_of_a_later_life(
    catalog: Catalog, tables: MemoryTables
) -> None:
    """The row was deleted by hand, and another object began it anew: the others leave without its counting them."""
    apply(catalog, *(present(key, "E1", 1) for key in ("a.jpg", "b.jpg", "c.jpg")))
    del tables.images["E1"]
    apply(catalog, present("d.jpg", "E1", 1))
    row = dict(tables.images["E1"])
    assert apply(catalog, absent("b.jpg", 2), present("a.jpg", "E2", 2)) == [Outcome.REMOVED, Outcome.REPLACED]
    assert tables.images["E1"] == row
    assert apply(catalog, present("c.jpg", "E1", 2)) == [Outcome.REPLACED]
    assert tables.images["E1"]["copies"]["N"] == "2"
    check_lists(tables)


def test_records_of_an_earlier_version_leave_and_join_as_ever(catalog: Catalog, tables: MemoryTables) -> None:
    """They do not say in which life they are counted."""
    apply(catalog, *(present(key, "E1", 1) for key in ("a.jpg", "b.jpg", "c.jpg")))
    for record in tables.objects.values():
        del record["ingested_at"]
    apply(catalog, present("d.jpg", "E1", 1), absent("a.jpg", 2), present("b.jpg", "E1", 2), absent("c.jpg", 2))
    assert tables.images["E1"]["copies"]["N"] == "2"
    check_lists(tables)
    assert apply(catalog, absent("b.jpg", 3), absent("d.jpg", 3)) == [Outcome.REMOVED] * 2
    assert tables.images == {}


@pytest.mark.parametrize("gone", ["a.jpg", "c.jpg"])
def test_a_list_with_a_hole_is_reported_as_damage(gone: str, catalog: Catalog, tables: MemoryTables) -> None:
    """The record of the neighbour was deleted by hand: at once, and not after a whole invocation of trying."""
    apply(catalog, *(present(key, "E1", 1) for key in ("a.jpg", "b.jpg", "c.jpg")))
    del tables.objects["photos/b.jpg"]
    tables.calls.clear()
    with pytest.raises(CatalogDamaged, match=rf"photos/[{gone[0]}b]\.jpg"):
        apply(catalog, absent(gone, 2))
    assert len(tables.calls) < 15


def test_a_list_whose_end_is_lost_is_reported_as_damage(catalog: Catalog, tables: MemoryTables) -> None:
    """No event can cause this, so no event may paper over it."""
    apply(catalog, present("a.jpg", "E1", 1))
    del tables.objects["photos/a.jpg"]
    with pytest.raises(CatalogDamaged, match=r"photos/a\.jpg"):
        apply(catalog, present("a.jpg", "E1", 2))
    with pytest.raises(CatalogDamaged, match=r"photos/a\.jpg"):
        apply(catalog, present("b.jpg", "E1", 2))
    waits, left = Waits(), iter([*[PLENTY] * 3, 0])
    with pytest.raises(CatalogDamaged, match=r"photos/a\.jpg"):
        catalog_of(tables, waits=waits).apply(present("b.jpg", "E1", 3), lambda: PLENTY)
    assert len(waits) == 2, "seen twice, it may be of different moments; not for the whole invocation"
    with pytest.raises(CatalogDamaged, match=r"photos/a\.jpg"):
        catalog.apply(present("b.jpg", "E1", 3), lambda: next(left))
