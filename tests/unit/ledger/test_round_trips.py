"""Round trips that wait for each other, counted on a clock on which every call takes one second."""

from math import inf

from infra.doubles.memory_store import MemoryStore
from infra.doubles.scheduler import Scheduler
from infra.doubles.simulated_store import Bucket, Network, SimulatedStore
from ledger.commit import commit
from ledger.publish import publish
from tests.support.factories import insert, make_ledger

ONE_EACH = Network(
    get=1,
    put=1,
    swap=1,
    listing=1,
    get_rate=inf,
    put_rate=inf,
    line=inf,
    copy_rate=inf,
    copy_total=inf,
    swaps_per_second=inf,
)


def test_a_warm_commit_that_meets_nobody_reads_writes_and_swaps(store: MemoryStore) -> None:
    """Three round trips, as `ledger.commit` says, and two of the publish: the CSV, and the last look at the root."""
    scheduler = Scheduler(0.0)
    ledger = make_ledger(SimulatedStore(store, Bucket(scheduler, ONE_EACH)))  # type: ignore[arg-type]
    took: list[tuple[float, float]] = []

    def run() -> None:
        for number in range(4):
            began = scheduler.now
            report = commit(ledger, [insert(number)])
            committed = scheduler.now
            publish(ledger, report=report)
            took.append((committed - began, scheduler.now - committed))

    scheduler.start(run)
    scheduler.run()
    assert took[1:] == [(3, 2)] * 3
