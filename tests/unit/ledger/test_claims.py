"""Claims to publish a large CSV: one copy in flight, and nobody waits for the dead."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from infra.doubles import memory_store
from infra.doubles.memory_store import MemoryStore
from ledger import layout
from ledger.commit import commit
from ledger.errors import OutOfTime, Unavailable
from ledger.keys import CSV_KEY, ROOT_KEY, pending_key
from ledger.ledger import Ledger
from ledger.limits import INVOCATION_SECONDS
from ledger.publish import HAND_OVER_SECONDS, publish
from tests.support.factories import START, insert, item, leave_waiting, make_ledger, model_csv, segment_with
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import WatchedStore, first, refuse

publishing = import_module("ledger.publish")  # the module: the package gives the function

ROWS = 150  # far above PUT_BELOW in the small limits below
CLAIMS = "publishing/"


class Clock:
    """The time of store and exporters."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[MemoryStore]:
    """A bucket with a published CSV of many parts, under S3's limits in small."""
    with (
        mock.patch.object(memory_store, "SMALLEST_PART", 2000),
        mock.patch.object(layout, "SMALLEST_PART", 2000),
        mock.patch.object(layout, "UPLOAD_PART", 3000),
        mock.patch.object(publishing, "PUT_BELOW", 4000),
    ):
        made = MemoryStore(clock)
        start = make_ledger(made)
        publish(start, report=commit(start, [insert(number) for number in range(ROWS)]))
        yield made


@pytest.fixture
def watched(store: MemoryStore) -> WatchedStore:
    return WatchedStore(store)


@pytest.fixture
def exporter(watched: WatchedStore, clock: Clock) -> Ledger:
    return exporter_of(watched, clock, 2)


def exporter_of(store: Any, clock: Clock, seed: int) -> Ledger:
    made = make_ledger(store, seed)
    made.now = lambda: clock.now.timestamp()
    return made


def claim(store: MemoryStore, by: bytes = b"7") -> None:
    """Claim the present CSV for somebody else."""
    store.put_new(CLAIMS + store.head(CSV_KEY).metadata["root"], by, "text/plain")


def claims(store: MemoryStore) -> list[str]:
    return [listed.key for listed in store.list(CLAIMS)]


def rows_with(*numbers: int) -> bytes:
    return model_csv(map(item, [*range(ROWS), *numbers]))


def test_what_somebody_has_claimed_is_left_to_him(exporter: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """He looks at the root after he has replaced the CSV, and so finds this commit: a second copy would be wasted."""
    claim(store)
    done = publish(exporter, report=commit(exporter, [insert(2000)]))
    assert (done.handed_over, done.written) == (True, False)
    assert "start_upload" not in watched.verbs()
    assert len(claims(store)) == 1, "the claim is his"


@pytest.mark.parametrize(("age", "taken"), [(INVOCATION_SECONDS - 1, False), (INVOCATION_SECONDS, True)])
def test_a_claim_older_than_an_invocation_is_nobodys(
    age: float, taken: bool, exporter: Ledger, store: MemoryStore, clock: Clock
) -> None:
    """Its owner has died, and nobody delivers his batch again any more."""
    claim(store)
    clock.now += timedelta(seconds=age)
    done = publish(exporter, report=commit(exporter, [insert(2000)]))
    assert (done.written, done.handed_over) == (taken, not taken)
    assert read_csv(store) == rows_with(*[2000] * taken)
    assert len(claims(store)) == (0 if taken else 1)


def test_a_claim_that_goes_in_this_very_moment_is_claimed_anew(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Who wrote without one would have a second copy in flight beside whoever claims next."""
    claim(store)
    watched.on("get", CLAIMS, first(lambda: store.delete(claims(store))))
    assert publish(exporter, report=commit(exporter, [insert(2000)])).written
    assert watched.verbs(CLAIMS).count("put_new") == 2
    assert read_csv(store) == rows_with(2000)
    assert claims(store) == []


def test_a_second_copy_is_begun_only_if_there_is_time_for_one_like_the_first(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """A commit came meanwhile: it is left to the schedule, and not half copied."""
    seconds = [0.0]
    exporter.monotonic = lambda: seconds[0]

    def commit_and_take_long() -> None:
        commit(exporter_of(store, clock, 7), [insert(3000)])
        seconds[0] = 10.0

    watched.on("finish_upload", CSV_KEY, first(commit_and_take_long))
    with pytest.raises(OutOfTime):
        publish(exporter, lambda: 28.0 - seconds[0], commit(exporter, [insert(2000)]))
    assert watched.verbs().count("start_upload") == 1
    assert read_csv(store) == rows_with(2000)
    assert claims(store) == []


def test_a_batch_that_comes_again_takes_up_its_own_claim(exporter: Ledger, store: MemoryStore, clock: Clock) -> None:
    """The claim carries the batch's first sequence number, so whoever gets the batch next goes on at once."""
    claim(store, b"2001")
    clock.now += timedelta(seconds=1)
    assert publish(exporter, report=commit(exporter, [insert(2000), insert(2001)])).written
    assert read_csv(store) == rows_with(2000, 2001)
    assert claims(store) == []


@pytest.mark.parametrize("reported", [True, False])
def test_an_operators_command_does_not_claim(
    reported: bool, exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """It may be killed for good, so exporters must not leave anything to it; what they claim it leaves to them."""
    report = commit(exporter, [insert(2000)], redelivered=False)
    assert publish(exporter, report=report if reported else None).written
    assert CLAIMS not in "".join(key for verb, key in watched.calls if verb == "put_new")
    claim(store)
    report = commit(exporter, [insert(2001)], redelivered=False)
    assert publish(exporter, report=report if reported else None).handed_over
    assert read_csv(store) == rows_with(2000)


def test_the_csv_that_is_copied_from_is_the_one_that_is_claimed(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """A rival replaces the CSV while we claim the one before: that claim is given back, and the new one claimed."""
    rival = exporter_of(store, clock, 7)
    old = store.head(CSV_KEY).metadata["root"]

    def replace_and_commit() -> None:
        publish(rival, report=commit(rival, [insert(3000)]))
        commit(rival, [insert(4000)])

    watched.on("put_new", CLAIMS, first(replace_and_commit))
    publish(exporter, report=commit(exporter, [insert(2000)]))
    assert read_csv(store) == rows_with(2000, 3000, 4000)
    claimed = [key for verb, key in watched.calls if verb == "put_new" and key.startswith(CLAIMS)]
    assert claimed[0] == CLAIMS + old
    assert len(claimed) == 2
    assert watched.verbs().count("start_upload") == 1
    assert claims(store) == []


def test_whoever_publishes_again_lets_the_newer_commits_author_go_first(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """A commit came while we copied; its author left it to us, but may have come back: a jittered moment for him."""
    waits: list[float] = []
    exporter.sleep, exporter.chance = waits.append, lambda: 0.75
    rival = exporter_of(store, clock, 7)
    left: list[bool] = []

    def commit_and_leave() -> None:
        left.append(publish(rival, report=commit(rival, [insert(3000)])).handed_over)

    watched.on("finish_upload", CSV_KEY, first(commit_and_leave))
    done = publish(exporter, report=commit(exporter, [insert(2000)]))
    assert left == [True]
    assert read_csv(store) == rows_with(2000, 3000)
    assert done.version == read_root(store).version
    assert waits == [0.75 * HAND_OVER_SECONDS]
    assert watched.verbs().count("finish_upload") == 2


@pytest.mark.parametrize(
    ("verb", "key", "after"),
    [("copy_part", CSV_KEY, 0), ("finish_upload", CSV_KEY, 0), ("get", ROOT_KEY, 1)],
)
def test_a_publish_that_fails_gives_its_claim_back(
    verb: str, key: str, after: int, exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Others need not wait until the batch comes again."""
    report = commit(exporter, [insert(2000)])
    watched.on(verb, key, refuse(Unavailable("SlowDown")), after=after)
    with pytest.raises(Unavailable):
        publish(exporter, report=report)
    assert claims(store) == []


def test_a_csv_that_somebody_wrote_by_hand_is_claimed_by_its_etag(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Its metadata names no root, or what might leave the folder of the claims."""
    for name in ("", "../../x", "a/b"):
        present = store.head(CSV_KEY)
        etag = store.put_if_match(CSV_KEY, b"mine\n" * 2000, present.etag, "text/csv", {"root": name})
        watched.calls.clear()
        number = 2000 + len(store.objects)
        publish(exporter, report=commit(exporter, [insert(number)]))
        assert ("put_new", CLAIMS + etag) in watched.calls
    assert claims(store) == []


def test_a_publisher_leaves_a_newer_commit_to_those_whose_changes_wait(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """They will commit after its look and then publish; meanwhile the records of its own stream wait for it."""
    exporter.met_others()
    report = commit(exporter, [insert(2000)])
    waiting = exporter_of(store, clock, 8)

    def commit_and_wait() -> None:
        commit(exporter_of(store, clock, 7), [insert(3000)], redelivered=False)
        leave_waiting(waiting, [insert(4000)])

    watched.on("finish_upload", CSV_KEY, first(commit_and_wait))
    done = publish(exporter, report=report)
    assert (done.handed_over, done.written) == (True, True)
    assert read_csv(store) == rows_with(2000), "left"
    assert claims(store) == []
    waiting.sleep = lambda seconds: None
    assert publish(waiting, report=commit(waiting, [insert(4000)])).written
    assert read_csv(store) == rows_with(2000, 3000, 4000)


@pytest.mark.parametrize("case", ["held", "dead", "calm"])
def test_a_publisher_relies_on_nobody_who_may_not_come(
    case: str, exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """What waits may be held by the root already, or be a dead function's; and without contention nobody waits."""
    if case != "calm":
        exporter.met_others()
    report = commit(exporter, [insert(2000)])

    def commit_and_wait() -> None:
        rival = exporter_of(store, clock, 7)
        if case == "held":
            commit(rival, [insert(3000)])
            store.put_new(pending_key(segment_with([insert(3000)]).name), b"not deleted yet", "text/plain")
        else:
            commit(rival, [insert(3000)], redelivered=False)
            leave_waiting(exporter_of(store, clock, 8), [insert(4000)])
        if case == "dead":
            clock.now += publishing.ALIVE

    watched.on("finish_upload", CSV_KEY, first(commit_and_wait))
    done = publish(exporter, report=report)
    assert (done.handed_over, done.written) == (False, True)
    assert read_csv(store) == rows_with(2000, 3000)
