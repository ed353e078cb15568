"""How often a large CSV is published, and what that costs."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger import pace
from ledger.commit import commit
from ledger.keys import CSV_KEY
from ledger.layout import LARGEST_COPY, SMALLEST_PART, most_copies
from ledger.ledger import Ledger
from ledger.pace import MOST_WAIT_SECONDS, cost_of, due_in, interval
from ledger.prices import LAMBDA_GB_SECOND
from ledger.publish import keep_current, publish
from ledger.store import Stored
from tests.support.factories import START, insert, make_ledger
from tests.support.store_calls import WatchedStore

publishing = import_module("ledger.publish")  # the module: the package gives the function

ROW, GB = 3300, 1 << 30
SIZES = [ROW * 10**rows for rows in (5, 6, 7, 8)]
HALF_A_GB = GB // 2


def a_day(size: int, every: float) -> float:
    """Price a day of publishes that begin so many seconds apart, by a function of half a GB."""
    cost = cost_of(size)
    running = min(every, cost.seconds + MOST_WAIT_SECONDS) if every > cost.seconds else cost.seconds
    every = max(every, cost.seconds)
    return 86_400 / every * (cost.requests + running * 0.5 * LAMBDA_GB_SECOND)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dollars", [0.3, 1, 5, 25])
def test_a_day_costs_no_more_than_it_may_and_no_less_if_it_could_be_fresher(size: int, dollars: float) -> None:
    """Waiting costs as well; what is left to the schedule costs a minute of it at most."""
    apart = interval(size, dollars, HALF_A_GB)
    fastest = a_day(size, 0.0)
    if apart > cost_of(size).seconds:
        assert a_day(size, apart) <= dollars * 1.0001
        assert a_day(size, apart) > dollars / 2
    else:
        assert fastest <= dollars


@pytest.mark.parametrize("size", SIZES)
def test_without_a_bound_nobody_waits(size: int) -> None:
    assert interval(size, 0.0) == 0.0


def test_there_are_as_many_copies_as_are_of_use_and_as_many_as_it_takes() -> None:
    """Each of 5 MiB at least and 512 MB at most; 32 of them copy as fast as S3 does."""
    counts = [most_copies(size) for size in (2 * SMALLEST_PART, 50 * SMALLEST_PART, 32 * LARGEST_COPY)]
    assert counts == [2, 32, 32]
    assert most_copies(32 * LARGEST_COPY + 1) == 33


def test_a_publish_is_due_so_long_after_the_last_one_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there, or S3's clock is ahead: then it is not due later than that from now."""
    monkeypatch.setattr(pace, "DOLLARS_PER_DAY", 1.0)
    apart = interval(SIZES[1], 1.0)
    began = datetime(2026, 11, 26, tzinfo=UTC)
    present = Stored(b"", "etag", modified=began)
    for passed, left in ((0.0, apart), (10.0, apart - 10), (apart, 0.0), (apart + 1, 0.0), (-500.0, apart)):
        assert due_in(SIZES[1], present, began.timestamp() + passed) == pytest.approx(left, abs=1e-6)
    assert due_in(SIZES[1], None, 0.0) == due_in(SIZES[1], Stored(b"", "etag"), 0.0) == 0.0


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A publish may begin so many seconds after the last: 40, until the test says otherwise."""
    monkeypatch.setattr(publishing, "PUT_BELOW", 100)
    monkeypatch.setattr("ledger.layout.SMALLEST_PART", 100)
    monkeypatch.setattr("infra.doubles.memory_store.SMALLEST_PART", 100)
    waits = [40.0]
    monkeypatch.setattr(pace, "interval", lambda size, dollars: waits[0])
    return waits


def _behind(now: list[float]) -> tuple[WatchedStore, Ledger]:
    store = WatchedStore(MemoryStore(lambda: START))
    ledger = make_ledger(store)  # type: ignore[arg-type]
    ledger.now = lambda: START.timestamp() + now[0]
    commit(ledger, [insert(1)])
    publish(ledger)
    commit(ledger, [insert(2)])
    store.calls.clear()
    return store, ledger


def test_a_publisher_waits_for_less_than_a_minute_and_looks_again(waits: list[float]) -> None:
    """With its claim, so that others leave; what was committed meanwhile is published along."""
    now, slept = [10.0], []
    store, ledger = _behind(now)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert [*store.store.list("publishing/")]
        now[0] += seconds
        commit(make_ledger(store.store, 7), [insert(3)])

    ledger.sleep = sleep
    keep_current(ledger)
    assert slept == [pytest.approx(30.0)]
    assert store.verbs(CSV_KEY).count("finish_upload") == 1
    assert store.head(CSV_KEY).metadata["version"] == "3"


def test_a_wait_that_leaves_no_time_to_publish_is_left_to_the_schedule(waits: list[float]) -> None:
    """Lambda would end it in its sleep, with the claim that keeps others away."""
    now = [10.0]
    store, ledger = _behind(now)
    ledger.sleep = lambda seconds: pytest.fail("it sleeps into its end")
    keep_current(ledger, lambda: 30.0 + publishing.RESERVE_SECONDS - 1)
    assert store.verbs("publishing/") == ["put_new", "delete"]
    assert not [*store.store.list("publishing/")]
    ledger.sleep = lambda seconds: now.__setitem__(0, now[0] + seconds)
    keep_current(ledger, lambda: 40.0 + publishing.RESERVE_SECONDS - now[0])
    assert store.head(CSV_KEY).metadata["version"] == "2"


def test_what_is_not_due_within_a_minute_is_left_to_the_schedule(waits: list[float]) -> None:
    """Nobody is called and nothing is claimed: each call would cost, too. When its time has come it is published."""
    waits[0] = 100.0
    now = [39.0]
    store, ledger = _behind(now)
    called: list[tuple[str, str]] = []
    assert publish(ledger, call=lambda *to: called.append(to)).handed_over
    keep_current(ledger)
    assert called == []
    assert not [*store.store.list("publishing/")]
    assert "start_upload" not in store.verbs()
    now[0] = 41.0
    ledger.sleep = lambda seconds: now.__setitem__(0, now[0] + timedelta(seconds=seconds).total_seconds())
    keep_current(ledger)
    assert store.head(CSV_KEY).metadata["version"] == "2"
