"""A batch exported as the handler does it, for benchmarks that run in one process."""

import time
from collections.abc import Sequence

from csv_exporter.handler import export
from csv_exporter.measures import metrics
from infra.doubles.counting_store import CountingStore
from ledger.event import Record
from ledger.ledger import Ledger, no_limit


def export_batch(ledger: Ledger, events: Sequence[Record]) -> None:
    """Commit and publish a batch.

    Raises:
        AssertionError: not all of it was committed.
    """
    answer = export(ledger, {"Records": events}, no_limit)
    metrics.clear_metrics()
    if answer["batchItemFailures"]:
        raise AssertionError("a batch was not committed")


def cpu_seconds(ledger: Ledger, store: CountingStore, events: Sequence[Record]) -> float:
    """Export a batch; give the seconds of the processor without those that the ledger's store took, counted anew."""
    store.reset()
    began = time.process_time()
    export_batch(ledger, events)
    return time.process_time() - began - store.seconds
