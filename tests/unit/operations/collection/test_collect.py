"""A collection deletes what nothing names, long after anybody can have needed it, and nothing else, ever."""

import gzip
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from infra.doubles.fault_store import ANSWERS, Fault, Faults, FaultStore
from ledger import keys
from ledger.errors import Damaged, LedgerError, NotFound, Unavailable, Unknown
from ledger.keys import COLLECTING_KEY, SYMLINKS_KEY, plain_key, root_copy_key, shard_key
from ledger.manifest import Root, encode_root
from ledger.objects import Objects
from ledger.publish import publish
from ledger.shard_list import LISTS, renew_lists
from operations.collection import collect as collecting
from operations.collection.collect import collect
from operations.live.snapshot import pin, restore
from operations.live.snapshot import remove as unpin
from operations.readers.engine_list import make_list
from tests.support.factories import event, insert, item, modify, remove
from tests.support.lambda_context import LambdaContext
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.template import TEMPLATE
from tests.unit.operations.collection.conftest import Bucket

NOBODYS = "f" * 64
ORPHANS = (shard_key(NOBODYS), keys.page_key(NOBODYS), root_copy_key("0-dead"))
LEAVINGS = ("pending/left", "leading/left", "publishing/left")
FOLDERS = {
    value for name, value in vars(keys).items() if name[0] != "_" and isinstance(value, str) and value[-1] == "/"
}


def put(bucket: Bucket, *names: str) -> None:
    """Leave objects that nothing names."""
    for name in names:
        bucket.store.put_new(name, b"four", "text/plain")


def grow(bucket: Bucket) -> None:
    """Let the ledger be some versions and days old, and collected."""
    for number in range(3):
        bucket.commit(*(insert(40 * number + one) for one in range(40)))
    bucket.later(hours=30)
    assert bucket.collect().finished


@pytest.mark.parametrize(
    ("names", "stays", "goes"),
    [
        (ORPHANS, {"hours": 25, "minutes": 59}, {"hours": 26, "minutes": 1}),
        (LEAVINGS, {"hours": 23, "minutes": 59}, {"hours": 24, "minutes": 1}),
    ],
)
def test_what_nothing_names_goes_after_its_time_and_not_before(
    names: tuple[str, ...], stays: dict[str, float], goes: dict[str, float], bucket: Bucket
) -> None:
    """Shards, pages and copies of roots after 26 hours, what the dead left after 24."""
    grow(bucket)
    put(bucket, *names)
    start, rows = bucket.now, read_rows(bucket.store)
    bucket.later(**stays)
    assert (bucket.collect().deleted, bucket.left(*names)) == ({}, [True] * 3)
    bucket.now = start
    bucket.later(**goes)
    told = bucket.collect(dry_run=True)
    assert bucket.left(*names) == [True] * 3
    assert bucket.collect() == told
    assert (told.finished, told.kept, told.unknown) == (True, 0, 0)
    assert (told.deleted, told.bytes) == ({name.partition("/")[0]: 1 for name in names}, 12)
    assert bucket.left(*names, COLLECTING_KEY) == [False] * 4
    assert read_rows(bucket.store) == rows


def test_nothing_else_is_ever_collected(bucket: Bucket) -> None:
    """Journal, quarantine, batches, proofs, exports, the page, the CSV, and keys that this code does not know."""
    grow(bucket)
    bucket.commit(insert(1), event("MODIFY", sequence=7))
    publish(bucket.ledger())
    collected = {*collecting.ORPHAN_PREFIXES, *collecting.WAITING_PREFIXES}
    put(bucket, *(f"{folder}left" for folder in FOLDERS - collected - {keys.SNAPSHOTS}), "left", "shards-of/left")
    pin(bucket.ledger(), "left", read_root(bucket.store))
    put(bucket, *LEAVINGS, *ORPHANS)
    there = {key for key in bucket.store.objects if key not in (*LEAVINGS, *ORPHANS)}
    bucket.later(days=1000)
    assert bucket.collect().finished
    assert bucket.store.objects.keys() == there
    assert len(collected) == 6


@pytest.mark.parametrize(
    ("plain_hours", "packed_hours", "goes"),
    [(30, 30, True), (30, 25, False), (25, 30, False), (30, None, False), (30, 0, False)],
)
def test_a_plain_shard_goes_when_it_has_lain_there_compressed_for_as_long(
    plain_hours: int, packed_hours: int | None, goes: bool, bucket: Bucket
) -> None:
    """Nobody who began to read in between needs it; as long as it is alone, or reads of it may go on, it stays."""
    root = bucket.commit(*map(insert, range(60)))
    packed = shard_key(bucket.ledger().objects.pages(root.rows.pages[:1])[root.rows.pages[0].sha256][0].sha256)
    before, (stored, content_type) = read_rows(bucket.store), bucket.store.objects.pop(packed)
    bucket.later(hours=100)
    for key, hours, body in (
        (plain_key(packed), plain_hours, gzip.decompress(stored.body)),
        (packed, packed_hours, stored.body),
    ):
        if hours is not None:
            kept = replace(stored, body=body, size=len(body), modified=bucket.now - timedelta(hours=hours))
            bucket.store.objects[key] = (kept, content_type)
    assert bucket.collect().deleted.get("shards", 0) == goes
    assert bucket.left(plain_key(packed), packed) == [not goes, packed_hours is not None]
    assert read_rows(bucket.store) == before


def test_only_a_shard_is_taken_for_a_double(bucket: Bucket) -> None:
    """Somebody's gzip file beside a page or root of ours says nothing of it."""
    root = bucket.commit(*map(insert, range(60)))
    live = [*(keys.page_key(page.sha256) for page in root.rows.pages), root_copy_key(root.name)]
    put(bucket, *(f"{one}.gz" for one in live))
    bucket.later(hours=30)
    bucket.collect()
    assert bucket.left(*live) == [True] * len(live)


@pytest.mark.parametrize("kind", ["snapshot", "snapshot of nothing live", "csv", *LISTS])
def test_what_is_pinned_or_published_is_kept_at_any_age(kind: str, bucket: Bucket) -> None:
    """What only a snapshot names, or the root that CSV or a list of shards was made from, is read as before."""
    named = bucket.commit(*map(insert, range(60)), remove(7), remove(33))
    expected = bucket.read(named)
    if kind == "csv":
        publish(bucket.ledger())
    elif kind in LISTS:
        assert make_list(bucket.ledger(), kind, "exports")
    else:
        pin(bucket.ledger(), "monday", named)
    everything = [event("REMOVE", old=item(number), sequence=10**7, seconds=200_000) for number in range(60)]
    bucket.commit(*(everything if kind == "snapshot of nothing live" else [modify(20, 2), modify(50, 2)]))
    for number in (70, 71):
        bucket.commit(insert(number))
    for _ in range(3):
        bucket.later(hours=60)
        bucket.collect()
    assert bucket.read(named) == expected
    assert bucket.left(root_copy_key(named.name)) == [True]
    if kind == "csv":
        assert read_csv(bucket.store).endswith(expected)
        publish(bucket.ledger())
    elif kind in LISTS:
        assert renew_lists(bucket.ledger()) == 1
    else:
        unpin(bucket.ledger(), "monday")
    bucket.later(hours=60)
    assert bucket.collect().deleted["shards"] >= 2
    with pytest.raises(Exception, match=r"(shards|manifest)/"):
        bucket.read(named)
    assert bucket.read(read_root(bucket.store)).count(b"\n") == read_root(bucket.store).rows.rows


def test_who_has_read_a_list_of_shards_reads_by_it_for_a_day(bucket: Bucket) -> None:
    """However often it is renewed meanwhile: Athena ends a query after half an hour, other engines after hours."""
    first = bucket.commit(*map(insert, range(60)))
    assert make_list(bucket.ledger(), SYMLINKS_KEY, "exports")
    taken = bucket.store.get(SYMLINKS_KEY).body.decode().replace("s3://exports/", "").split()
    assert len(taken) > 4
    bucket.later(hours=30)
    for hour in range(24):
        bucket.commit(*(modify(number, hour + 2) for number in range(0, 60, 7)))
        assert renew_lists(bucket.ledger()) == 1
        bucket.later(minutes=59)
        bucket.collect()
        assert all(bucket.left(*taken)), hour
    bucket.later(hours=30)
    assert bucket.collect().deleted["shards"] > 4
    with pytest.raises(NotFound):
        bucket.read(first)


@pytest.mark.parametrize("lying_about", ["", "99-dead"])
def test_a_root_that_stood_within_a_day_is_read_whole(lying_about: str, bucket: Bucket) -> None:
    """By a slow publish or pull; copies above the present version, left by a restoration, tell nothing of its time."""
    first = bucket.commit(*map(insert, range(60)), remove(7))
    if lying_about:
        put(bucket, root_copy_key(lying_about))
    expected = bucket.read(first)
    bucket.later(hours=10)
    bucket.commit(modify(20, 2), modify(50, 2), remove(8))
    for minutes in (-1, 1):  # the copy of the second root may be older than its swap, so the first is kept with it
        bucket.now = bucket.now.replace(hour=18, minute=0)
        bucket.later(hours=24, minutes=minutes)
        bucket.collect()
        assert bucket.read(first) == expected
        bucket.later(hours=-24, minutes=-minutes)
    bucket.later(hours=1)
    bucket.commit(insert(70))
    bucket.later(hours=23, minutes=59)
    bucket.collect()
    assert bucket.read(first) == expected
    bucket.later(minutes=2)
    assert bucket.collect().deleted["shards"] == 4  # three of rows, one of removals
    assert bucket.left(root_copy_key(first.name)) == [False]


def test_a_root_that_was_restored_for_a_while_is_read_whole_for_a_day(bucket: Bucket) -> None:
    """It names again what was not old enough to be touched, and what the root of a day ago did not name."""
    old = bucket.commit(*map(insert, range(60)), remove(7))
    expected = bucket.read(old)
    for revision in (2, 3, 4):
        bucket.commit(modify(20, revision), modify(50, revision), remove(7 + revision))
    bucket.later(hours=11)
    restored, _ = restore(bucket.ledger(), old, "old")
    bucket.commit(modify(20, 5), modify(50, 5), remove(8))
    publish(bucket.ledger())
    bucket.later(hours=23, minutes=59)
    assert bucket.collect().finished
    assert bucket.read(restored) == expected
    bucket.commit(insert(70))
    bucket.later(hours=27)
    assert bucket.collect().deleted["shards"] >= 4
    assert bucket.left(root_copy_key(restored.name)) == [False]


def test_a_copy_of_an_attempt_that_died_may_name_what_is_not_there(bucket: Bucket) -> None:
    """It says nothing of a root that stood; what it does name is kept with the others."""
    live = bucket.commit(*map(insert, range(60)))
    page = live.rows.pages[0]
    unwritten = page._replace(sha256=NOBODYS)
    died = replace(live, commit_id="died", rows=replace(live.rows, pages=(unwritten, *live.rows.pages)))
    copy = root_copy_key("1-died")
    bucket.store.put_new(copy, encode_root(died), "application/json")
    put(bucket, f"{keys.page_key(NOBODYS)}.gz")  # somebody's, and not the page
    bucket.later(hours=30)
    assert bucket.collect().finished
    assert bucket.left(copy, keys.page_key(page.sha256)) == [True, True]


def test_what_the_root_has_come_to_name_since_is_not_even_asked_for(bucket: Bucket) -> None:
    """The root is read again before each batch: after a restoration nothing of the tree that is live again goes."""
    old = bucket.commit(*map(insert, range(60)))
    for number in range(3):
        bucket.commit(modify(20, 2 + number), modify(50, 2 + number))
    bucket.later(hours=30)

    def restored(listing: Callable[[], Any]) -> Any:
        found = listing()
        restore(bucket.ledger(), old, "old")
        return found

    bucket.watched.on("list", keys.SHARDS, restored)
    told = bucket.collect()
    assert (told.finished, told.kept) == (True, 0)
    assert read_rows(bucket.store).endswith(bucket.read(old))


def _with_all_that_is_kept(bucket: Bucket) -> dict[str, Root]:
    """Leave orphans, and roots that have pages of their own: pinned, published, of a day ago, of the present."""
    roots = {"snapshot": bucket.commit(*map(insert, range(60)))}
    put(bucket, *ORPHANS, *LEAVINGS)
    pin(bucket.ledger(), "monday", roots["snapshot"])
    roots["CSV"] = bucket.commit(modify(20, 2), modify(50, 2))
    publish(bucket.ledger())
    for revision in (3, 4):
        bucket.commit(modify(20, revision), modify(50, revision))
    roots["copy"] = bucket.commit(modify(20, 5), modify(50, 5))
    bucket.later(days=9)
    roots["root"] = bucket.commit(modify(20, 6), modify(50, 6))
    return roots


@pytest.mark.parametrize("harmed", ["itself", "a page"])
@pytest.mark.parametrize("name", ["snapshot", "CSV", "copy", "root"])
def test_in_doubt_nothing_is_deleted(name: str, harmed: str, bucket: Bucket) -> None:
    """What cannot be read may name anything: a root, a snapshot, the copy of a root that is kept, or a page of them."""
    roots = _with_all_that_is_kept(bucket)
    root = roots.pop(name)
    others = {page.sha256 for other in roots.values() for page in other.rows.pages}
    key = {"snapshot": keys.snapshot_key("monday"), "root": keys.ROOT_KEY}.get(name, root_copy_key(root.name))
    if harmed == "a page":
        key = next(keys.page_key(page.sha256) for page in root.rows.pages if page.sha256 not in others)
    stored, content_type = bucket.store.objects[key]
    bucket.store.objects[key] = (replace(stored, body=b"four"), content_type)
    before = {**bucket.store.objects}
    with pytest.raises(Damaged, match=key):
        bucket.collect()
    assert bucket.store.objects == before


def test_a_fault_at_any_call_lets_nothing_go_that_would_have_stayed(bucket: Bucket) -> None:
    """Neither a 404 nor half of an object shows that nobody can read it; the run without faults says what may go."""
    roots = _with_all_that_is_kept(bucket)
    before, expected = {**bucket.store.objects}, {name: bucket.read(root) for name, root in roots.items()}
    calm = Faults()
    collect(bucket.ledger(FaultStore(bucket.store, calm)))
    stays = {**bucket.store.objects}
    assert before.keys() - stays.keys() > {*ORPHANS, *LEAVINGS}
    for call in calm.calls:
        for fault in {Fault.MISSING, Fault.TRUNCATED} & ANSWERS[call.verb].keys():
            bucket.store.objects = {**before}
            with suppress(LedgerError):
                collect(bucket.ledger(FaultStore(bucket.store, Faults(call.number, fault))))
            assert bucket.store.objects.keys() >= stays.keys(), f"{fault} at {call}"
    assert {name: bucket.read(root) for name, root in roots.items()} == expected


def test_what_is_touched_after_it_was_listed_stays(bucket: Bucket) -> None:
    """It is deleted by the ETag that was listed, and once; what was perhaps deleted is for the next run."""
    grow(bucket)
    put(bucket, *ORPHANS, *LEAVINGS)
    bucket.later(hours=30)

    def touched(delete: Callable[[], Any]) -> Any:
        Objects(bucket.store, now=lambda: bucket.now).put(ORPHANS[0], b"four", "text/csv")
        return delete()

    def lost(delete: Callable[[], Any]) -> Any:
        raise Unknown("no answer")

    def gone(delete: Callable[[], Any]) -> Any:
        bucket.store.delete([LEAVINGS[0]])
        return delete()

    for name, do in ((ORPHANS[0], touched), (ORPHANS[1], lost), (LEAVINGS[0], gone)):
        bucket.watched.on("delete_if_match", name, do)
    told = bucket.collect()
    assert (told.kept, told.unknown, told.deleted) == (1, 1, {"roots": 1, "leading": 1, "publishing": 1})
    assert bucket.left(*ORPHANS, *LEAVINGS) == [True, True, False, False, False, False]
    assert bucket.watched.verbs(ORPHANS[1]).count("delete_if_match") == 1
    assert bucket.collect().deleted == {"manifest": 1}


def test_one_collection_at_a_time_claims_the_bucket_for_an_hour(bucket: Bucket) -> None:
    """One that died holds it no longer; a dry run needs none."""
    grow(bucket)
    put(bucket, *ORPHANS)
    bucket.later(hours=30)
    put(bucket, COLLECTING_KEY)
    for minutes, done in ((0, False), (59, False), (2, True)):
        bucket.later(minutes=minutes)
        assert bucket.collect(dry_run=True).deleted
        told = bucket.collect()
        assert (told.claimed, told.finished, bucket.left(ORPHANS[0])) == (done, done, [not done])
    assert bucket.left(COLLECTING_KEY) == [False]


@pytest.mark.parametrize("at_it", [True, False])
def test_who_comes_second_to_a_dead_claim_does_nothing(at_it: bool, bucket: Bucket) -> None:
    """Whether the first is still at it when the claim is to be replaced by its ETag, or has died meanwhile."""
    put(bucket, *ORPHANS, COLLECTING_KEY)
    bucket.later(hours=30)

    def meanwhile(take: Callable[[], Any]) -> Any:
        bucket.store.delete([COLLECTING_KEY])
        if at_it:
            bucket.store.put_new(COLLECTING_KEY, b"another's", "application/json")
        return take()

    bucket.watched.on("put_if_match", COLLECTING_KEY, meanwhile, after=1)
    told = bucket.collect()
    assert (told.claimed, told.finished, told.deleted) == (False, False, {})
    assert bucket.left(COLLECTING_KEY, *ORPHANS) == [at_it, True, True, True]


def test_a_claim_that_somebody_took_over_is_not_given_back(bucket: Bucket) -> None:
    """A collection that stood still for an hour may not let a third one in beside the second."""
    grow(bucket)

    def stands_still(listing: Callable[[], Any]) -> Any:
        bucket.later(hours=2)
        bucket.store.delete([COLLECTING_KEY])
        put(bucket, COLLECTING_KEY)
        return listing()

    bucket.watched.on("list", keys.SHARDS, stands_still)
    bucket.collect()
    assert bucket.left(COLLECTING_KEY) == [True]


def test_of_two_that_take_over_a_dead_claim_one_goes_on(bucket: Bucket) -> None:
    """Both find it void; the claim is replaced by its ETag."""
    grow(bucket)
    put(bucket, *ORPHANS, COLLECTING_KEY)
    bucket.later(hours=30)
    told = []

    def meanwhile(take: Callable[[], Any]) -> Any:
        told.append(bucket.collect())
        return take()

    bucket.watched.on("put_if_match", COLLECTING_KEY, meanwhile, after=1)
    assert not bucket.collect().claimed
    assert [one.deleted for one in told] == [{"manifest": 1, "roots": 1, "shards": 1}]


def test_a_run_that_fails_gives_its_claim_back(bucket: Bucket) -> None:
    """So that the next one need not wait for an hour."""
    grow(bucket)
    put(bucket, *ORPHANS)
    bucket.later(hours=30)

    def fail(call: Callable[[], Any]) -> Any:
        raise Unavailable("S3 is away")

    bucket.watched.on("list", keys.SHARDS, fail)
    with pytest.raises(Unavailable):
        bucket.collect()
    assert bucket.left(COLLECTING_KEY) == [False]
    assert bucket.collect().finished


@pytest.mark.parametrize(
    ("left", "seconds", "finished"), [(20.0, 0, False), (21.0, 0, True), (None, 1799, True), (None, 1800, False)]
)
def test_a_run_ends_in_time(left: float | None, seconds: int, finished: bool, bucket: Bucket) -> None:
    """Before its invocation does, and within half of the hour for which it holds the claim."""
    grow(bucket)
    put(bucket, *ORPHANS)
    bucket.later(hours=30)
    ledger = bucket.ledger()
    clock = [0.0]
    ledger.monotonic = lambda: clock[0]

    def time_left() -> float | None:
        clock[0] = seconds
        return left

    told = collecting.collect(ledger, time_left)
    assert (told.finished, bool(told.deleted), bucket.left(ORPHANS[0])) == (finished, finished, [not finished])
    assert collecting.CLAIM_HOLDS.total_seconds() >= 2 * collecting.RUN_SECONDS
    assert TEMPLATE["Resources"]["Collector"]["Properties"]["Timeout"] <= collecting.RUN_SECONDS


def test_a_run_that_ended_early_is_gone_on_with(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It deletes batch by batch, and looks at the clock before each."""
    monkeypatch.setattr(collecting, "_BATCH", 2)
    grow(bucket)
    put(bucket, *ORPHANS, *LEAVINGS)
    bucket.later(hours=30)
    times = iter([100.0, 100.0, 10.0])
    told = bucket.collect(lambda: next(times))
    assert (told.finished, sum(told.deleted.values())) == (False, 4)
    assert sum(bucket.collect().deleted.values()) == 2


def test_the_function_collects_its_bucket_within_its_time(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log and its answer say what was done."""
    grow(bucket)
    put(bucket, *ORPHANS)
    bucket.later(hours=30)
    monkeypatch.setenv("EXPORT_BUCKET", "exports")
    monkeypatch.setattr(collecting, "S3Store", lambda name: bucket.store)
    monkeypatch.setattr(collecting, "Ledger", bucket.ledger)
    assert collecting.handler({}, LambdaContext(left_ms=20_000))["finished"] is False
    told = collecting.handler({}, LambdaContext(left_ms=20_001))
    assert (told["finished"], told["deleted"]) == (True, {"manifest": 1, "roots": 1, "shards": 1})
