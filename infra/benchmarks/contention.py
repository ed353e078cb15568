"""What many exporters on one ledger commit together, and how old events are when readers see them, in a simulation.

usage: ./infra/bench contention [--exporters 1 4 16 40] [--rate EVENTS_PER_SECOND] [--seconds S] [--rows N] [--alone]

Real commits and publishes run under a simulated clock on a ledger of --rows rows. Calls take what S3 Standard takes:
one key takes 15 swaps a second, a swap 60 ms, a GET 30 ms, a PUT of 4 MB 40 ms; computing takes what was measured.
Events come at --rate on each stream shard (by default all together 21,000 a second for 40 exporters), and are gathered
for one second or 1,000 events, as Lambda does. Figures leave out the time in which the streams set in. A larger CSV
takes longer to copy (a GB in 64 parts, 0.2 s), and events are that much older when it shows them. What is left out is
the line of a function to S3: at 21,000 rows of 3.3 KB a second a leader moves some 200 MB a second. With --alone each
number of exporters also runs without combining: whoever is refused just tries again. The last line is one JSON object:
events_per_second_40, p99_age_s_40.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from unittest.mock import patch

from infra.benchmarks._report import arguments_of, console, make_table, percentile, show
from infra.doubles.exporters import Exporters, Outcome, Traffic
from infra.doubles.simulated_store import Network
from ledger.combine import Queue
from ledger.ledger import Ledger

# Seconds that a function computes for a byte of these objects (hashing, merging, splitting), measured on one core.
COMPUTE = {"get shards": 1.0e-9, "put_new shards": 1.0e-9, "get pending": 1.6e-9, "put_new pending": 1.6e-9}
PATIENCE = 30.0  # seconds after the last event in which all should be seen


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave; ages in seconds, of events between arrival and the CSV that shows them."""

    per_second: float
    p50: float
    p99: float
    unseen: int
    swaps: int
    refused: int
    slowest: float


class _Alone(Queue):
    """Combines nothing: whoever was refused waits and tries again."""

    def __init__(self, ledger: Ledger, redelivered: bool) -> None:
        super().__init__(ledger, redelivered=False)


def main(argv: Sequence[str]) -> int:
    """Run the simulations, print a table and the JSON line."""
    parser = arguments_of("contention", __doc__)
    parser.add_argument("--exporters", type=int, nargs="+", default=[1, 4, 16, 40])
    parser.add_argument("--rate", type=float, default=525.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--alone", action="store_true")
    arguments = parser.parse_args(argv)
    table = make_table("exporters", "combining", "offered/s", "committed/s", "p50 age (s)", "p99 age (s)",
                       "unseen", "swaps", "refused", "slowest stream (s)")  # fmt: skip
    last = None
    for count in arguments.exporters:
        for combining in (True, False) if arguments.alone else (True,):
            with console.status(f"{count} exporters, {'with' if combining else 'without'} combining ..."):
                found = measure(
                    Traffic(count, arguments.rate, seconds=arguments.seconds, rows=arguments.rows), combining
                )
            last = found if combining else last
            table.add_row(
                str(count), "yes" if combining else "no", f"{count * arguments.rate:,.0f}", f"{found.per_second:,.0f}",
                f"{found.p50:.2f}", f"{found.p99:.2f}", f"{found.unseen:,}", str(found.swaps), str(found.refused),
                f"{found.slowest:.2f}",
            )  # fmt: skip
    show(table)
    assert last is not None
    number = arguments.exporters[-1]
    result = {f"events_per_second_{number}": round(last.per_second), f"p99_age_s_{number}": round(last.p99, 2)}
    print(json.dumps(result))
    return 0


def measure(traffic: Traffic, combining: bool = True) -> Figures:
    """Run one simulation."""
    exporters = Exporters(traffic, Network(compute=COMPUTE))
    if combining:
        return _figures(exporters.run(PATIENCE), traffic)
    with patch.object(import_module("ledger.commit"), "Queue", _Alone):
        return _figures(exporters.run(PATIENCE), traffic)


def _figures(outcome: Outcome, traffic: Traffic) -> Figures:
    since = traffic.ramp + 2 * traffic.window
    batches = [batch for batch in outcome.batches if batch.arrived[0] >= since]
    ages = [batch.seen - time for batch in batches if batch.seen is not None for time in batch.arrived]
    done = [batch for batch in outcome.batches if batch.done is not None and since <= batch.done <= traffic.seconds]
    times = sorted({batch.done for batch in done if batch.done is not None})
    first, last = times[0], times[-1]
    oldest: dict[int, float] = {}
    for batch in batches:
        if batch.seen is not None:
            oldest[batch.exporter] = max(oldest.get(batch.exporter, 0.0), batch.seen - batch.arrived[0])
    return Figures(
        per_second=sum(len(batch.arrived) for batch in done if batch.done != first) / (last - first),
        p50=percentile(ages, 50) if ages else float("nan"),
        p99=percentile(ages, 99) if ages else float("nan"),
        unseen=sum(len(batch.arrived) for batch in batches if batch.seen is None),
        swaps=outcome.swaps,
        refused=outcome.refused,
        slowest=max(oldest.values(), default=float("nan")),
    )
