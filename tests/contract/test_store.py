"""One contract for every store: each verb, each outcome.

memory, moto, the local stack's emulator and a real SeaweedFS answer alike, or the difference is named here. Where S3
itself has two ways to refuse (a condition on a key that is not there is 404 on AWS and 412 on SeaweedFS), the contract
is what the ledger relies on: refused, and nothing written.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.errors import LedgerError, NotFound, Refused, Unavailable
from ledger.store import ByteRange, Store
from tests.support.reader import read_body
from tests.support.store_kinds import Kind

TEXT = "text/plain"
PART = 5 << 20
KEY = "folder/some key+ä%20.csv"
NOT_DONE = (Refused, NotFound)
RACERS = 8


def put(store: Store, key: str, body: bytes, **metadata: str) -> str:
    return store.put_if_match(key, body, None, TEXT, metadata)


def race(act: Callable[[int], Any]) -> list[Any]:
    """Do something in several threads at once; give what each got, or how it was refused."""
    start = threading.Barrier(RACERS)

    def run(number: int) -> Any:
        start.wait()
        try:
            return act(number)
        except LedgerError as error:
            return error

    with ThreadPoolExecutor(RACERS) as threads:
        return list(threads.map(run, range(RACERS)))


# Reading


@pytest.mark.parametrize("body", [b"", b"x", b"bytes \x00\xff of any kind\n" * 1000])
def test_an_object_is_read_as_it_was_written(body: bytes, bucket: Store) -> None:
    etag = put(bucket, KEY, body, version="3", root="3-c0ffee")
    stored = bucket.get(KEY)
    assert (stored.body, stored.etag, stored.size) == (body, etag, len(body))
    assert dict(stored.metadata) == {"version": "3", "root": "3-c0ffee"}
    assert stored.modified is not None
    assert abs(datetime.now(UTC) - stored.modified) < timedelta(minutes=5)
    assert '"' not in etag


def test_a_head_is_all_but_the_bytes(bucket: Store) -> None:
    etag = put(bucket, KEY, b"12345", rows="7")
    stored = bucket.head(KEY)
    assert (stored.body, stored.etag, stored.size) == (b"", etag, 5)
    assert dict(stored.metadata) == {"rows": "7"}
    assert stored.modified is not None


def test_a_known_etag_is_answered_with_nothing(bucket: Store) -> None:
    """A warm function asks whether the root is still the one that it knows."""
    etag = put(bucket, KEY, b"1")
    assert bucket.get_if_changed(KEY, etag) is None
    bucket.put_if_match(KEY, b"2", etag, TEXT, {})
    stored = bucket.get_if_changed(KEY, etag)
    assert stored is not None
    assert stored.body == b"2"


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.get("gone"),
        lambda store: store.get_if_changed("gone", "etag"),
        lambda store: store.get_range("gone", 0, 1),
        lambda store: store.head("gone"),
    ],
)
def test_what_is_not_there_is_not_found(read: Callable[[Store], Any], bucket: Store) -> None:
    """Told from a store that does not answer: the one is a fact, the other a reason to ask again."""
    with pytest.raises(NotFound):
        read(bucket)


def test_a_pinned_range_of_what_is_not_there_is_no_range(bucket: Store) -> None:
    with pytest.raises(NOT_DONE):
        bucket.get_range("gone", 0, 1, etag="0" * 32)


@pytest.mark.parametrize(("first", "last"), [(0, 9), (0, 0), (3, 6), (9, 9)])
def test_a_range_includes_both_ends(first: int, last: int, bucket: Store) -> None:
    etag = put(bucket, KEY, b"0123456789")
    assert bucket.get_range(KEY, first, last) == b"0123456789"[first : last + 1]
    assert bucket.get_range(KEY, first, last, etag=etag) == b"0123456789"[first : last + 1]


@pytest.mark.parametrize(("first", "last"), [(5, 10), (10, 12), (100, 200)])
def test_a_range_past_the_end_is_never_short(first: int, last: int, bucket: Store) -> None:
    """S3 answers a range that ends past the end with fewer bytes: they must not pass for the range."""
    put(bucket, KEY, b"0123456789")
    with pytest.raises(Unavailable):
        bucket.get_range(KEY, first, last)


def test_a_range_is_pinned_to_an_etag(bucket: Store) -> None:
    """C1: bytes of two versions are never mixed."""
    etag = put(bucket, KEY, b"old bytes")
    bucket.put_if_match(KEY, b"new bytes", etag, TEXT, {})
    with pytest.raises(Refused):
        bucket.get_range(KEY, 0, 3, etag=etag)


# Creating and replacing


def test_an_object_is_created_once(bucket: Store) -> None:
    """Content-addressed writes: 'exists' is fine, and changes nothing."""
    assert bucket.put_new(KEY, b"first", TEXT) is True
    assert bucket.put_new(KEY, b"second", TEXT) is False
    assert read_body(bucket, KEY) == b"first"


def test_of_many_who_create_an_object_one_does(bucket: Store) -> None:
    answers = race(lambda number: bucket.put_new(KEY, b"%d" % number, TEXT))
    assert sorted(answers) == [False] * (RACERS - 1) + [True]
    assert read_body(bucket, KEY) == b"%d" % answers.index(True)


def test_a_creation_by_swap_is_refused_where_something_is(bucket: Store) -> None:
    put(bucket, KEY, b"first")
    with pytest.raises(Refused):
        put(bucket, KEY, b"second")
    assert read_body(bucket, KEY) == b"first"


def test_a_swap_replaces_what_it_was_made_for_and_nothing_else(bucket: Store) -> None:
    """Bytes and metadata are replaced together; a stale ETag is refused and writes nothing."""
    old = put(bucket, KEY, b"1", version="1", only_in="the first")
    new = bucket.put_if_match(KEY, b"2", old, TEXT, {"version": "2"})
    assert new != old
    with pytest.raises(Refused):
        bucket.put_if_match(KEY, b"3", old, TEXT, {"version": "3"})
    stored = bucket.get(KEY)
    assert (stored.body, stored.etag, dict(stored.metadata)) == (b"2", new, {"version": "2"})


def test_a_swap_of_what_is_not_there_is_no_creation(bucket: Store) -> None:
    """X12: a deleted root is not made anew by whoever had it."""
    with pytest.raises(NOT_DONE):
        bucket.put_if_match(KEY, b"1", "0" * 32, TEXT, {})
    with pytest.raises(NotFound):
        bucket.get(KEY)


def test_of_many_who_swap_one_etag_one_wins(bucket: Store) -> None:
    etag = put(bucket, KEY, b"start")
    answers = race(lambda number: bucket.put_if_match(KEY, b"by %d" % number, etag, TEXT, {}))
    winners = [number for number, answer in enumerate(answers) if isinstance(answer, str)]
    assert len(winners) == 1
    assert all(isinstance(answer, Refused) for number, answer in enumerate(answers) if number != winners[0])
    assert read_body(bucket, KEY) == b"by %d" % winners[0]


def test_no_increment_is_lost_by_compare_and_swap(bucket: Store) -> None:
    """The protocol in small: read, add, swap, and on a refusal again."""
    put(bucket, KEY, b"0")

    def increment(number: int) -> None:
        for _ in range(3):
            while True:
                stored = bucket.get(KEY)
                try:
                    bucket.put_if_match(KEY, b"%d" % (int(stored.body) + 1), stored.etag, TEXT, {})
                except Refused:
                    continue
                break

    assert race(increment) == [None] * RACERS
    assert read_body(bucket, KEY) == b"%d" % (3 * RACERS)


# Listing and deleting


def test_a_listing_is_in_order_within_a_folder(bucket: Store) -> None:
    for name in ("b", "a", "c", "a1", "A", "z z", "ä"):
        bucket.put_new(f"list/{name}", name.encode(), TEXT)
    bucket.put_new("list-not", b"", TEXT)
    bucket.put_new("lis", b"", TEXT)
    listed = list(bucket.list("list/"))
    assert [one.key for one in listed] == [f"list/{name}" for name in ("A", "a", "a1", "b", "c", "z z", "ä")]
    assert [one.size for one in listed] == [1, 1, 2, 1, 1, 3, 2]
    assert all(abs(datetime.now(UTC) - one.modified) < timedelta(minutes=5) for one in listed)
    assert [one.etag for one in listed] == [bucket.head(one.key).etag for one in listed]
    assert next(one.key for one in bucket.list("list/", after="list/a1")) == "list/b"
    assert list(bucket.list("nothing/")) == []
    assert next(iter(bucket.list("list/"))).key == "list/A"


def test_a_listing_and_a_deletion_go_beyond_a_thousand(bucket: Store) -> None:
    """Both are paged by S3 at 1,000; keys that are gone already are fine."""
    keys = [f"many/{number:04d}" for number in range(1003)]
    bucket.map(lambda key: bucket.put_new(key, b"", TEXT), keys)
    bucket.put_new("other", b"", TEXT)
    assert [one.key for one in bucket.list("many/")] == keys
    assert [one.key for one in bucket.list("many/", after=keys[500])] == keys[501:]
    bucket.delete([*keys, "many/never"])
    assert list(bucket.list("many/")) == []
    assert [one.key for one in bucket.list("")] == ["other"]


def test_nothing_is_deleted_by_an_empty_list(bucket: Store) -> None:
    bucket.put_new(KEY, b"1", TEXT)
    bucket.delete([])
    assert read_body(bucket, KEY) == b"1"


def test_a_deletion_keeps_its_condition(bucket: Store) -> None:
    """Collection deletes only what it listed, not what was written again meanwhile."""
    old = put(bucket, KEY, b"1")
    new = bucket.put_if_match(KEY, b"2", old, TEXT, {})
    with pytest.raises(Refused):
        bucket.delete_if_match(KEY, old)
    assert read_body(bucket, KEY) == b"2"
    bucket.delete_if_match(KEY, new)
    with pytest.raises(NotFound):
        bucket.head(KEY)


# Uploads in parts


def upload(store: Store, key: str, *bodies: bytes, etag: str | None, **metadata: str) -> str:
    started = store.start_upload(key, TEXT, metadata)
    tags = [store.upload_part(key, started, number, body) for number, body in enumerate(bodies, 1)]
    return store.finish_upload(key, started, tags, etag)


def test_parts_become_one_object_with_its_metadata(bucket: Store) -> None:
    bodies = (b"a" * PART, b"b" * (PART + 1), b"tail")
    etag = upload(bucket, KEY, *bodies, etag=None, version="9")
    stored = bucket.get(KEY)
    assert stored.body == b"".join(bodies)
    assert (stored.etag, stored.size, dict(stored.metadata)) == (etag, 2 * PART + 5, {"version": "9"})


def test_a_part_may_be_sent_again(bucket: Store) -> None:
    """Parts are idempotent by their number: the SDK may repeat them."""
    started = bucket.start_upload(KEY, TEXT, {})
    bucket.upload_part(KEY, started, 1, b"first try")
    tag = bucket.upload_part(KEY, started, 1, b"second try")
    bucket.finish_upload(KEY, started, [tag], None)
    assert read_body(bucket, KEY) == b"second try"


def test_an_object_is_made_anew_from_its_own_ranges(bucket: Store) -> None:
    """Publishing: unchanged ranges of the present CSV are copied onto itself; until the end readers see the old one."""
    old = b"a" * PART + b"old" + b"c" * PART
    etag = put(bucket, KEY, old)
    started = bucket.start_upload(KEY, TEXT, {"version": "2"})
    tags = [
        bucket.copy_part(KEY, started, 1, ByteRange(KEY, etag, 0, PART - 1)),
        bucket.upload_part(KEY, started, 2, b"new" + b"b" * PART),
        bucket.copy_part(KEY, started, 3, ByteRange(KEY, etag, PART + 3, len(old) - 1)),
    ]
    assert read_body(bucket, KEY) == old
    new = bucket.finish_upload(KEY, started, tags, etag)
    stored = bucket.get(KEY)
    assert stored.body == b"a" * PART + b"new" + b"b" * PART + b"c" * PART
    assert (stored.etag, dict(stored.metadata)) == (new, {"version": "2"})


def test_a_part_below_5_mib_must_be_the_last(bucket: Store) -> None:
    """Nothing is written, and it is not mistaken for a refused condition."""
    with pytest.raises(Unavailable):
        upload(bucket, KEY, b"short", b"tail", etag=None)
    with pytest.raises(NotFound):
        bucket.head(KEY)


def test_a_completion_with_a_part_that_is_another_is_no_object(bucket: Store) -> None:
    started = bucket.start_upload(KEY, TEXT, {})
    bucket.upload_part(KEY, started, 1, b"one")
    with pytest.raises(Unavailable):
        bucket.finish_upload(KEY, started, ["0" * 32], None)
    with pytest.raises(NotFound):
        bucket.head(KEY)


def test_a_completion_of_another_size_is_no_object(bucket: Store) -> None:
    """The size of the whole is named, so that a part too few or too many never becomes the CSV."""
    for size in (3, 5):
        started = bucket.start_upload(KEY, TEXT, {})
        tags = [bucket.upload_part(KEY, started, 1, b"four")]
        with pytest.raises(Unavailable):
            bucket.finish_upload(KEY, started, tags, None, size=size)
        with pytest.raises(NotFound):
            bucket.head(KEY)
    tags = [bucket.upload_part(KEY, started, 1, b"four")]
    bucket.finish_upload(KEY, started, tags, None, size=4)
    assert read_body(bucket, KEY) == b"four"


def test_a_copy_is_pinned_to_the_etag_of_its_source(bucket: Store) -> None:
    etag = put(bucket, KEY, b"a" * (PART + 1))
    started = bucket.start_upload(KEY, TEXT, {})
    bucket.put_if_match(KEY, b"b" * (PART + 1), etag, TEXT, {})
    with pytest.raises(Refused):
        bucket.copy_part(KEY, started, 1, ByteRange(KEY, etag, 0, PART - 1))


def test_a_copy_past_the_end_is_no_part(bucket: Store) -> None:
    etag = put(bucket, KEY, b"a" * (PART + 1))
    started = bucket.start_upload(KEY, TEXT, {})
    with pytest.raises(Unavailable):
        bucket.copy_part(KEY, started, 1, ByteRange(KEY, etag, 0, PART + 1))


def test_a_copy_of_what_is_not_there_is_not_found(bucket: Store) -> None:
    started = bucket.start_upload(KEY, TEXT, {})
    with pytest.raises(NOT_DONE):
        bucket.copy_part(KEY, started, 1, ByteRange("gone", "0" * 32, 0, PART - 1))


def test_a_completion_keeps_its_condition(bucket: Store) -> None:
    """A stale ETag, or none where something is: refused, nothing written; the upload can still be aborted."""
    old = put(bucket, KEY, b"old")
    present = bucket.put_if_match(KEY, b"present", old, TEXT, {})
    for etag in (old, None):
        started = bucket.start_upload(KEY, TEXT, {})
        tags = [bucket.upload_part(KEY, started, 1, b"new")]
        with pytest.raises(Refused):
            bucket.finish_upload(KEY, started, tags, etag)
        assert read_body(bucket, KEY) == b"present"
        bucket.abort_upload(KEY, started)
    upload(bucket, KEY, b"new", etag=present)
    assert read_body(bucket, KEY) == b"new"


def test_a_put_in_the_middle_of_an_upload_refuses_it(bucket: Store) -> None:
    """An upload is not seen by others until it ends: whoever replaces the object meanwhile wins."""
    etag = put(bucket, KEY, b"old")
    started = bucket.start_upload(KEY, TEXT, {})
    tags = [bucket.upload_part(KEY, started, 1, b"ours")]
    bucket.put_if_match(KEY, b"theirs", etag, TEXT, {})
    with pytest.raises(Refused):
        bucket.finish_upload(KEY, started, tags, etag)
    assert read_body(bucket, KEY) == b"theirs"


def test_a_completion_on_a_missing_object_is_no_creation(bucket: Store) -> None:
    with pytest.raises(NOT_DONE):
        upload(bucket, KEY, b"new", etag="0" * 32)
    with pytest.raises(NotFound):
        bucket.head(KEY)


def test_of_many_who_complete_on_one_etag_one_wins(bucket: Store) -> None:
    etag = put(bucket, KEY, b"start")
    started = [bucket.start_upload(KEY, TEXT, {}) for _ in range(RACERS)]
    tags = [[bucket.upload_part(KEY, one, 1, b"by %d" % number)] for number, one in enumerate(started)]
    answers = race(lambda number: bucket.finish_upload(KEY, started[number], tags[number], etag))
    winners = [number for number, answer in enumerate(answers) if isinstance(answer, str)]
    assert len(winners) == 1
    assert all(isinstance(answer, Refused) for number, answer in enumerate(answers) if number != winners[0])
    assert read_body(bucket, KEY) == b"by %d" % winners[0]


def test_an_aborted_upload_is_gone(bucket: Store) -> None:
    """Aborting twice is fine; nobody completes it or adds to it any more, and no object comes of it."""
    started = bucket.start_upload(KEY, TEXT, {})
    tag = bucket.upload_part(KEY, started, 1, b"x")
    bucket.abort_upload(KEY, started)
    bucket.abort_upload(KEY, started)
    with pytest.raises(NotFound):
        bucket.finish_upload(KEY, started, [tag], None)
    with pytest.raises(NotFound):
        bucket.upload_part(KEY, started, 1, b"x")
    with pytest.raises(NotFound):
        bucket.head(KEY)


# Many at a time


def test_a_map_keeps_the_order_and_raises_the_first_error(bucket: Store) -> None:
    assert list(bucket.map(lambda number: number * 2, range(100))) == [2 * number for number in range(100)]
    assert list(bucket.map(str, [])) == []

    def fail(number: int) -> int:
        if number % 2:
            raise Unavailable(f"number {number}")
        return number

    with pytest.raises(Unavailable, match="number 1"):
        bucket.map(fail, range(10))


def test_two_buckets_know_nothing_of_each_other(kind: Kind) -> None:
    one, two = kind.new(), kind.new()
    put(one, KEY, b"1")
    with pytest.raises(NotFound):
        two.head(KEY)
