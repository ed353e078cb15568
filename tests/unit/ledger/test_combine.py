"""Queueing and leading: one exporter commits for many, and nobody depends on a leader who dies."""

from collections.abc import Iterator

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger import combine
from ledger.commit import commit
from ledger.errors import Refused, Unavailable
from ledger.ledger import CONTENDED_SECONDS, Ledger
from tests.support.factories import insert, item, leave_waiting, make_ledger, model_csv
from tests.support.reader import read_root, read_rows
from tests.support.store_calls import WatchedStore, first, refuse

ROOT = "manifest.json"
REFUSED = Refused("PreconditionFailed")


class Clock:
    """A clock that only waiting moves, and what happens at each wait."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits = 0
        self.meanwhile: Iterator[object] = iter(())

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.waits += 1
        next(self.meanwhile, None)


@pytest.fixture
def watched(store: MemoryStore) -> WatchedStore:
    return WatchedStore(store)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def exporter(watched: WatchedStore, clock: Clock) -> Ledger:
    made = make_ledger(watched)  # type: ignore[arg-type]
    made.sleep, made.monotonic = clock.sleep, lambda: clock.time
    made.load_root()
    watched.calls.clear()
    return made


def keys(store: MemoryStore, prefix: str) -> list[str]:
    return [listed.key for listed in store.list(prefix)]


def test_who_was_refused_claims_to_lead_and_takes_the_claim_away(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    rival = make_ledger(store, 7)
    watched.on("put_if_match", ROOT, first(lambda: commit(rival, [insert(1)])))
    commit(exporter, [insert(2)])
    assert [key for verb, key in watched.calls if verb == "put_new" and key.startswith("leading/")]
    assert not keys(store, "leading/")
    assert not keys(store, "pending/")
    assert read_rows(store) == model_csv([item(1), item(2)])


def test_while_somebody_leads_the_others_look_at_the_root_and_do_no_work(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """The root that somebody leads on is claimed: no swap, and then no merge either, until it is another."""
    store.put_new(f"leading/{read_root(store).name}", b"somebody", "text/plain")

    def five_looks_then_a_commit() -> Iterator[None]:
        for _ in range(5):
            yield
        commit(make_ledger(store, 7), [insert(1)], redelivered=False)  # as if it held the claim
        yield

    clock.meanwhile = five_looks_then_a_commit()
    report = commit(exporter, [insert(2)])
    assert watched.verbs(ROOT).count("put_if_match") == 1, "the one that won"
    assert watched.verbs("leading/").count("put_new") == 2, "one claim for each root"
    assert (report.conflicts, report.commits, clock.waits) == (1, 1, 6)
    assert read_rows(store) == model_csv([item(1), item(2)])


def test_a_leader_that_has_died_is_waited_for_so_long_and_no_longer(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """Its claim stays on a root that stays: after some seconds anybody leads without the claim."""
    store.put_new(f"leading/{read_root(store).name}", b"dead", "text/plain")
    assert commit(exporter, [insert(1)]).commits == 1
    assert clock.waits == combine.LEADER_LOOKS + 1
    assert 2 < clock.time < 8
    assert read_rows(store) == model_csv([item(1)])


def test_who_met_others_lately_queues_at_once_and_who_did_not_goes_ahead(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """Under contention a swap without queueing would only be refused; the quiet path stays without it."""
    watched.on("put_if_match", ROOT, first(lambda: commit(make_ledger(store, 7), [insert(1)])))
    commit(exporter, [insert(2)])
    watched.calls.clear()
    report = commit(exporter, [insert(3)])
    assert (report.conflicts, report.commits) == (0, 1)
    assert "put_new" in watched.verbs("pending/"), "queued"
    clock.time += CONTENDED_SECONDS
    watched.calls.clear()
    commit(exporter, [insert(4)])
    assert not watched.verbs("pending/"), "that was long ago"


def _lead_another(exporter: Ledger, store: MemoryStore) -> None:
    leave_waiting(make_ledger(store, 10), [insert(10)])
    exporter.met_others()
    assert commit(exporter, [insert(1)]).led == 1


def test_who_finds_that_the_last_commit_led_others_queues_at_once(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """A function that is new, or met nobody yet, sees by the root whether others are at it."""
    _lead_another(exporter, store)
    for number, queues in ((2, True), (3, False)):
        watched.calls.clear()
        assert commit(make_ledger(watched, number), [insert(number)]).commits == 1  # type: ignore[arg-type]
        assert ("put_new" in watched.verbs("pending/")) == queues


def test_what_the_last_leader_committed_and_could_not_delete_is_led_by_nobody(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """The root names those that it took along: they are no work, and nobody who comes back. Its own is not there."""
    leave_waiting(make_ledger(store, 10), [insert(10)])
    exporter.met_others()
    watched.on("delete", "", refuse(Unavailable("SlowDown")))
    assert commit(exporter, [insert(1)]).led == 1
    assert len(keys(store, "pending/")) == 2
    assert commit(exporter, [insert(2)]).led == 1
    assert read_rows(store) == model_csv(map(item, [1, 2, 10]))


def test_a_batch_that_nobody_delivers_again_leads_nobody(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """An operator's command may be killed for good: exporters must not rely on it."""
    dead = make_ledger(dying := WatchedStore(store), 5)  # type: ignore[arg-type]
    dying.on("put_if_match", ROOT, refuse(REFUSED))
    dying.on("list", "pending/", refuse(KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        commit(dead, [insert(5)])
    watched.on("put_if_match", ROOT, refuse(REFUSED), times=2)
    report = commit(exporter, [insert(1)], redelivered=False)
    assert (report.commits, report.conflicts, report.led) == (1, 2, 0)
    assert read_rows(store) == model_csv([item(1)])
    assert len(keys(store, "pending/")) == 1
    assert not watched.verbs("leading/") + watched.verbs("pending/")


def test_a_batch_alone_does_not_push_before_who_leads(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """A leader takes longer than a batch alone: if those who met nobody went ahead, it would be refused for ever."""
    store.put_new(f"leading/{read_root(store).name}", b"somebody", "text/plain")
    leader = make_ledger(store, 7)

    def the_leader_swaps() -> Iterator[None]:
        assert not watched.verbs(ROOT).count("put_if_match")
        commit(leader, [insert(1)], redelivered=False)
        yield

    clock.meanwhile = the_leader_swaps()
    report = commit(exporter, [insert(2)])
    assert (report.conflicts, report.commits) == (1, 1)
    assert read_rows(store) == model_csv([item(1), item(2)])


def test_a_leader_waits_until_nearly_as_many_are_back_as_the_last_commit_merged(
    exporter: Ledger, store: MemoryStore, clock: Clock
) -> None:
    """They were all let go by that commit: what is merged with them is written once, and not once for each."""
    leave_waiting(make_ledger(store, 10), [insert(10)])
    leave_waiting(make_ledger(store, 11), [insert(11)])
    exporter.met_others()
    assert commit(exporter, [insert(1)]).led == 2

    def they_come_back_one_by_one() -> Iterator[None]:
        yield  # before the first look at the root
        leave_waiting(make_ledger(store, 12), [insert(12)])
        yield
        leave_waiting(make_ledger(store, 13), [insert(13)])
        yield

    clock.waits, clock.meanwhile = 0, they_come_back_one_by_one()
    assert commit(exporter, [insert(2)]).led == 2
    assert clock.waits == 3
    assert read_rows(store) == model_csv(map(item, [1, 2, 10, 11, 12, 13]))


def test_a_leader_waits_for_who_does_not_come_back_so_long_and_no_longer(
    exporter: Ledger, store: MemoryStore, clock: Clock
) -> None:
    """A stream may have ended; the next leader then expects fewer."""
    _lead_another(exporter, store)
    before = clock.time
    assert commit(exporter, [insert(2)]).commits == 1
    waited = clock.time - before
    longest = combine.GATHER_LOOKS * combine.LOOK_SECONDS
    assert longest <= waited < longest + 0.3
    before = clock.time
    commit(exporter, [insert(3)])
    assert clock.time - before < 0.2


def test_a_leader_whose_root_is_replaced_while_it_gathers_queues_again(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """It would be refused in the end: it saves the work."""
    _lead_another(exporter, store)

    def somebody_commits() -> Iterator[None]:
        yield
        commit(make_ledger(store, 7), [insert(20)], redelivered=False)
        yield

    clock.meanwhile = somebody_commits()
    watched.calls.clear()
    report = commit(exporter, [insert(2)])
    assert (report.conflicts, report.commits) == (0, 1)
    assert watched.verbs(ROOT).count("put_if_match") == 1
    assert read_rows(store) == model_csv(map(item, [1, 2, 10, 20]))
