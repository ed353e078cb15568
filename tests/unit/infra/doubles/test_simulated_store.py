"""Calls take their time on the scheduler's clock: one after the other, side by side, or in a queue for a key."""

from collections.abc import Callable
from functools import partial
from math import inf

import pytest

from infra.doubles.memory_store import MemoryStore
from infra.doubles.scheduler import Scheduler
from infra.doubles.simulated_store import Keys, Network, SimulatedStore
from ledger.errors import Refused
from ledger.keys import ROOT_KEY
from ledger.store import PARALLEL_REQUESTS

BODY = b"x" * 1000
NETWORK = Network(
    get=2.0, put=3.0, swap=5.0, listing=7.0, get_rate=1000.0, put_rate=500.0, copy_rate=inf, swaps_per_second=0.5
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


def test_a_call_takes_its_latency_and_the_time_of_its_bytes(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """A PUT of 1,000 bytes 3 + 2 s, the GET of them 2 + 1 s, a listing 7 s."""
    simulated = SimulatedStore(store, scheduler, NETWORK, Keys())
    seconds: list[float] = []

    def process() -> None:
        for call in (lambda: simulated.put_new("a", BODY, ""), lambda: simulated.get("a"), lambda: simulated.list("")):
            began = scheduler.now
            call()
            seconds.append(scheduler.now - began)

    run(scheduler, process)
    assert seconds == [5.0, 3.0, 7.0]


def test_functions_do_not_wait_for_each_other(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Each has a line of its own."""
    stores = [SimulatedStore(store, scheduler, NETWORK, Keys()) for _ in range(3)]
    puts = [partial(one.put_new, f"shards/{number}", BODY, "") for number, one in enumerate(stores)]
    assert run(scheduler, *puts) == [5.0] * 3


def test_swaps_of_one_key_queue(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """The root takes one every two seconds, refused ones too; whose comes first is created, the others are refused."""
    keys = Keys()
    refused: list[float] = []

    def swap() -> None:
        try:
            SimulatedStore(store, scheduler, NETWORK, keys).put_if_match(ROOT_KEY, b"", None, "", {})
        except Refused:
            refused.append(scheduler.now)

    assert run(scheduler, swap, swap, swap) == [5.0, 7.0, 9.0]
    assert refused == [7.0, 9.0]


def test_a_map_does_as_many_calls_side_by_side_as_the_real_store(
    store: MemoryStore, scheduler: Scheduler[float]
) -> None:
    """One more than fit side by side takes the time of two."""
    simulated = SimulatedStore(store, scheduler, NETWORK, Keys())
    names = [str(number) for number in range(PARALLEL_REQUESTS + 1)]
    made: list[bool] = []
    put = partial(simulated.put_new, body=BODY, content_type="")
    assert run(scheduler, lambda: made.extend(simulated.map(put, names))) == [10.0]
    assert made == [True] * len(names)


def test_all_calls_of_a_function_share_its_line(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Ten bodies of 1,000 bytes through a line of 400 bytes a second."""
    network = Network(put=3.0, put_rate=500.0, function_rate=400.0)
    simulated = SimulatedStore(store, scheduler, network, Keys())
    put = partial(simulated.put_new, body=BODY, content_type="")
    assert run(scheduler, lambda: simulated.map(put, map(str, range(10)))) == [25.0]


def test_computing_takes_one_core(store: MemoryStore, scheduler: Scheduler[float]) -> None:
    """Side by side only the passing of bytes is."""
    network = Network(put=3.0, put_rate=500.0, compute={"shards": 0.001})
    simulated = SimulatedStore(store, scheduler, network, Keys())
    put = partial(simulated.put_new, body=BODY, content_type="")
    assert run(scheduler, lambda: simulated.map(put, ["shards/1", "shards/2", "other/3"])) == [5.0 + 2 * 1.0]
