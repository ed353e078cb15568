"""Calls take their time on the scheduler's clock: one after the other, side by side, or in a queue for a key."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

import pytest

from infra.doubles.memory_store import SMALLEST_PART, MemoryStore
from infra.doubles.scheduler import Scheduler
from infra.doubles.simulated_store import Bucket, Network, SimulatedStore
from ledger.errors import NotFound, Refused, Unavailable
from ledger.keys import ROOT_KEY
from ledger.store import PARALLEL_REQUESTS, ByteRange

BODY = b"x" * 1000
NETWORK = Network(
    get=2.0,
    put=3.0,
    swap=5.0,
    listing=7.0,
    get_rate=1000.0,
    put_rate=500.0,
    line=inf,
    copy_rate=100.0,
    copy_total=300.0,
    swaps_per_second=0.5,
)


@pytest.fixture
def scheduler() -> Scheduler[float]:
    return Scheduler(0.0)


def run(scheduler: Scheduler[float], *processes: Callable[[], object]) -> list[float]:
    """Run processes side by side; give the time at which each ended."""
    ended = [0.0] * len(processes)

    def until_its_end(number: int) -> None:
        processes[number]()
        ended[number] = scheduler.now

    for number in range(len(processes)):
        scheduler.start(partial(until_its_end, number))
    scheduler.run()
    return ended


def simulated(store: MemoryStore, scheduler: Scheduler[float], **other: Any) -> SimulatedStore:
    """Make the store of one function that is alone with its bucket; `other` says what differs in the network."""
    return SimulatedStore(store, Bucket(scheduler, replace(NETWORK, **other)))


def took(scheduler: Scheduler[float], *calls: Callable[[], object]) -> list[float]:
    """Make calls one after the other; give the seconds that each took."""
    seconds: list[float] = []

    def process() -> None:
        for call in calls:
            began = scheduler.now
            call()
            seconds.append(scheduler.now - began)

    run(scheduler, process)
    return seconds


def test_a_call_takes_its_latency_and_the_time_of_its_bytes(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """A PUT of 1,000 bytes 3 + 2 s, the GET of them 2 + 1 s, a listing 7 s."""
    one = simulated(store, scheduler)
    calls = (lambda: one.put_new("a", BODY, ""), lambda: one.get("a"), lambda: one.list(""))
    assert took(scheduler, *calls) == [5.0, 3.0, 7.0]


def test_functions_do_not_wait_for_each_other(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Each has a line of its own."""
    bucket = Bucket(scheduler, replace(NETWORK, line=500.0))
    stores = [SimulatedStore(store, bucket) for _ in range(3)]
    puts = [partial(one.put_new, f"shards/{number}", BODY, "") for number, one in enumerate(stores)]
    assert run(scheduler, *puts) == [5.0] * 3


def test_swaps_of_one_key_queue(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """The root takes one every two seconds, refused ones too; whose comes first is created, the others are refused."""
    bucket = Bucket(scheduler, NETWORK)
    refused: list[float] = []

    def swap() -> None:
        try:
            SimulatedStore(store, bucket).put_if_match(ROOT_KEY, b"", None, "", {})
        except Refused:
            refused.append(scheduler.now)

    assert run(scheduler, swap, swap, swap) == [5.0, 7.0, 9.0]
    assert refused == [7.0, 9.0]


def test_a_map_does_as_many_calls_side_by_side_as_the_real_store(
    store: MemoryStore, scheduler: Scheduler[float]
) -> None:
    """One more than fit side by side takes the time of two; a map inside a map has no more in flight."""
    one = simulated(store, scheduler)
    names = [str(number) for number in range(PARALLEL_REQUESTS + 1)]
    made: list[bool] = []
    put = partial(one.put_new, body=BODY, content_type="")

    def nested() -> None:
        one.map(lambda names: one.map(put, names), [["a", "b"], ["c"]])

    assert took(scheduler, lambda: made.extend(one.map(put, names)), nested) == [10.0, 10.0]
    assert made == [True] * len(names)


def test_what_a_call_does_is_done_when_its_time_is_over(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Beside others, too: what one of a map writes is read by one that began before and comes later."""
    one = simulated(store, scheduler)
    sizes: list[int] = []

    def late() -> None:
        one.list("")
        sizes.append(one.get("a").size)

    calls = [late, lambda: one.put_new("a", BODY, ""), lambda: sizes.append(len(store.objects))]
    run(scheduler, lambda: one.map(lambda call: call(), calls))
    assert sizes == [0, 1000]


def test_the_first_error_of_a_map_is_raised_when_all_in_flight_are_done(
    store: MemoryStore, scheduler: Scheduler[float]
) -> None:
    """First in the order of the items, as `Executor.map` has it; what had not begun is not begun."""
    one = simulated(store, scheduler)

    calls: list[Callable[[], object]] = [lambda: (one.list(""), one.get("first")), lambda: one.get("second")]
    calls += [partial(one.put_new, str(number), BODY, "") for number in range(100)]

    def all_of_them() -> None:
        with pytest.raises(NotFound, match="first"):
            one.map(lambda call: call(), calls)

    assert took(scheduler, all_of_them) == [8.0]
    assert len(store.objects) == PARALLEL_REQUESTS - 2


def test_all_calls_of_a_function_share_its_line_in_each_direction(
    store: MemoryStore, scheduler: Scheduler[float]
) -> None:
    """Ten bodies of 1,000 bytes go out through a line of 400 bytes a second, and ten come in beside them."""
    one = simulated(store, scheduler, put_rate=inf, get_rate=inf, line=400.0)
    for name in map(str, range(10)):
        store.put_new(f"old/{name}", BODY, "")
    calls = [partial(one.put_new, f"new/{name}", BODY, "") for name in map(str, range(10))]
    both = [*calls, *[partial(one.get, f"old/{name}") for name in map(str, range(10))]]
    assert took(
        scheduler, lambda: one.map(lambda call: call(), calls), lambda: one.map(lambda call: call(), both)
    ) == pytest.approx([28.0, 28.0])


@pytest.mark.parametrize(
    ("functions", "ended"),
    [
        ([(1, 0.0)], [9.0]),  # 100 bytes a second for one copy
        ([(3, 0.0), (3, 0.0)], [15.0, 15.0]),  # 300 for six
        ([(3, 0.0), (3, 3.0)], [12.0, 15.0]),  # half is copied when three more come: six have 50 each until 12
    ],
)
def test_a_bucket_copies_so_much_for_all_functions_together(
    store: MemoryStore, scheduler: Scheduler[float], functions: list[tuple[int, float]], ended: list[float]
) -> None:
    """Whoever begins later makes those slower that are in flight; 600 bytes each, 3 s until the copying begins."""
    store.put_new("source", bytes(SMALLEST_PART + 600), "")
    bucket, upload = Bucket(scheduler, NETWORK), store.start_upload("target", "", {})
    source = ByteRange("source", store.head("source").etag, 0, 599)

    def copies(count: int, begins: float) -> None:
        scheduler.wait(begins)
        one = SimulatedStore(store, bucket)
        one.map(lambda number: one.copy_part("target", upload, number, source), range(1, count + 1))

    assert run(scheduler, *[partial(copies, *each) for each in functions]) == ended


def test_a_copy_that_takes_too_long_is_given_up(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Also if others made it slow."""
    store.put_new("source", bytes(SMALLEST_PART + 600), "")
    source = ByteRange("source", store.head("source").etag, 0, 599)
    one, upload = simulated(store, scheduler), store.start_upload("target", "", {})

    def copy(number: int) -> str:
        return one.copy_part("target", upload, number, source, seconds=10.0)

    def copies() -> None:
        assert len(one.map(copy, [1, 2, 3])) == 3
        with pytest.raises(Unavailable, match="ReadTimeoutError"):
            one.map(copy, range(1, 7))

    run(scheduler, copies)


def test_computing_takes_one_processor(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Before a body is sent, and after it was read; beside it only bytes pass."""
    one = simulated(store, scheduler, compute={"put_new shards": 0.001, "get shards": 0.002})
    put = partial(one.put_new, body=BODY, content_type="")
    names = ["shards/1", "shards/2", "other/3"]
    assert took(scheduler, lambda: one.map(put, names), lambda: one.get("shards/1")) == [2 + 2 + 3, 2 + 1 + 2]


@pytest.mark.parametrize("seed", range(10))
def test_no_map_is_faster_than_its_lines(store: MemoryStore, seed: int) -> None:
    """Reads, uploads and copies at a time, and uploads of what was read just before: none gains by the others."""
    chance, scheduler = random.Random(seed), Scheduler(0.0)
    network = replace(NETWORK, line=chance.uniform(100.0, 2000.0), copy_total=chance.uniform(50.0, 500.0))
    one = SimulatedStore(store, Bucket(scheduler, network))
    store.put_new("source", bytes(SMALLEST_PART + 10_000), "")
    etag, upload = store.head("source").etag, store.start_upload("target", "", {})
    moved: Counter[str] = Counter()

    def read_and_upload(number: int, size: int) -> None:
        moved.update(read=size, sent=size)
        one.upload_part("target", upload, number, one.get_range("source", 0, size - 1))

    def copy(number: int, size: int) -> None:
        moved.update(copied=size)
        one.copy_part("target", upload, number, ByteRange("source", etag, 0, size - 1), seconds=inf)

    sizes = [chance.randint(1, 9_999) for _ in range(60)]
    longest = max(sizes)
    calls = [partial(chance.choice((read_and_upload, copy)), number, size) for number, size in enumerate(sizes, 1)]
    (took,) = run(scheduler, lambda: one.map(lambda call: call(), calls))
    copying = moved["copied"] / network.copy_total
    assert took >= max(moved["read"] / network.line, moved["sent"] / network.line, copying)
    slowest = longest / min(network.copy_rate, network.copy_total, network.line)
    assert took <= (moved["read"] + moved["sent"]) / min(network.line, 500.0) + copying + 2 * slowest + 10.0
