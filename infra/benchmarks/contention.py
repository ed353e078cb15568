"""What many exporters commit together, and how old events are in the root and in the file, in a simulation.

usage: ./infra/bench contention [--exporters N ...] [--rows N ...] [--rate EVENTS_PER_SECOND] [--seconds S] [--alone]
                                [--step EVENTS_PER_SECOND] [--root-age S] [--age S ...]
                                [--line MB] [--copy-rate MB] [--copy-total MB] [--packed N]
       ./infra/bench contention --measure

Real commits run under a simulated clock on a ledger of --rows rows, and CsvPublisher beside them. Calls take what S3
Standard takes: one key takes 15 swaps a second, a swap 60 ms, a GET 30 ms, a PUT of 4 MB 40 ms. All that a function has
in flight shares its line, --line MB a second in each direction; S3 copies --copy-rate MB a second for one request, and
--copy-total for all of the bucket together. What is compressed counts as 1/--packed of its plain bytes. Computing takes
what was measured (--measure does it again), on a whole processor for each function. Events are gathered for one second
or 1,000 events, as Lambda does. An event's *root age* is the time from its arrival until the root holds it, its
*age* that until image-data.csv shows it. Figures leave out the time in which the streams set in.

A rate is kept up if it is committed as it comes (at least 99 % of it), all is seen in the end, and neither age grows:
its mean over the last third of the time is not half as much again, and half a second, above that over the first third
(a table that grows takes longer to copy). For the largest number of --exporters the bench searches the highest rate
that is kept up with 99 % of the events in the root within --root-age seconds and in the file within --age (one for each
of --rows), in steps of --step for all together; smaller numbers get 525 a second each. With --rate there is no search:
each stream gets that. With --alone exporters also run without combining: whoever is refused just tries again.

The second table tells what crossed lines, as multiples of the new rows' bytes. The last line is one JSON object:
events_per_second_40_1e6, p99_age_s_40_1e6, p99_root_age_s_40_1e6, and the same for 1e5.
"""

import json
import math
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from statistics import mean
from typing import NamedTuple
from unittest.mock import patch

from rich.table import Table

from infra.benchmarks._computing import measured
from infra.benchmarks._report import arguments_of, console, make_table, percentile, show
from infra.doubles.exporters import Batch, Exporters, Outcome, Traffic
from infra.doubles.simulated_store import Network
from infra.paths import ROOT
from infra.survey.items import ROW_BYTES
from ledger.combine import Queue
from ledger.ledger import Ledger

# Seconds that a function computes for a plain byte, measured on one core by --measure, and rounded up.
COMPUTE = {
    "put_new shards": 2.5e-9,
    "get shards": 1.6e-9,
    "put_new pending": 0.6e-9,
    "get pending": 1.2e-9,
    "upload_part image-data.csv": 1.7e-9,
}
# A survey's rows are compressed to a 13th, photos unlike each other to a third.
DEFAULT = Network(compute=COMPUTE, packed=1 / 6)
PATIENCE = 30.0  # seconds after the last event in which all should be seen
RATE = 525.0  # of a stream where no rate is searched
MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
PROCESSOR = 1769  # MB of a function that has a whole processor (Lambda Developer Guide, "Configure memory")
MOST = 21_000  # the highest rate that is tried
MOVED = {
    "shards written": "put_new shards",
    "shards read": "get shards",
    "CSV uploaded": "upload_part image-data.csv",
    "CSV read": "get_range image-data.csv",
    "waiting written": "put_new pending",
    "waiting read": "get pending",
    "journal": "put_new journal",
    "copied": "copy_part image-data.csv",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave.

    Attributes:
        offered, per_second: events that came, and that were committed.
        ages, root_ages: median and 99th percentile, in seconds.
        unseen: events that no CSV showed in the end.
        kept_up: whether the rate was.
        swaps, refused: of the root.
        published: how often the CSV was written.
        slowest: the highest age of the slowest stream.
        moved: bytes by kind of request, as multiples of the new rows' bytes.
    """

    offered: float
    per_second: float
    ages: tuple[float, float]
    root_ages: tuple[float, float]
    unseen: int
    kept_up: bool
    swaps: int
    refused: int
    published: int
    slowest: float
    moved: Mapping[str, float] = field(default_factory=dict)


class Run(NamedTuple):
    """One simulation, and what it gave."""

    traffic: Traffic
    combining: bool
    figures: Figures


class _Alone(Queue):
    """Combines nothing: whoever was refused waits and tries again."""

    def __init__(self, ledger: Ledger, redelivered: bool) -> None:
        super().__init__(ledger, redelivered=False)


def main(argv: Sequence[str]) -> int:
    """Run the simulations, print the tables and the JSON line."""
    arguments = _arguments(argv)
    if os.environ.get(MEMORY) != str(PROCESSOR):  # what is kept in memory is fixed when the ledger is imported
        command = [sys.executable, "-m", "infra.benchmarks", "contention", *argv]
        return subprocess.call(command, cwd=ROOT, env={**os.environ, MEMORY: str(PROCESSOR)})
    if arguments.measure:
        show("\n".join(f"{name}: {seconds * 1e9:,.2f} ns" for name, seconds in measured().items()))
        return 0
    megabytes = {"line": arguments.line, "copy_rate": arguments.copy_rate, "copy_total": arguments.copy_total}
    rates = {name: rate * 1e6 for name, rate in megabytes.items()}
    network = replace(DEFAULT, packed=1 / arguments.packed, **rates)
    runs: list[Run] = []
    result: dict[str, float] = {}
    ages = arguments.age + arguments.age[-1:] * len(arguments.rows)
    for rows, age in zip(arguments.rows, ages, strict=False):
        for run in _runs(arguments, rows, age, network):
            runs.append(run)
            if run.combining and run.traffic.exporters == max(arguments.exporters):
                result |= _named(run)
    show(_rates(runs), _bytes(runs))
    print(json.dumps(result))
    return 0


def _arguments(argv: Sequence[str]) -> Namespace:
    parser = arguments_of("contention", __doc__)
    parser.add_argument("--exporters", type=int, nargs="+", default=[1, 40])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 100_000])
    parser.add_argument("--rate", type=float)
    parser.add_argument("--step", type=float, default=1_000.0)
    parser.add_argument("--root-age", type=float, default=2.5)
    parser.add_argument("--age", type=float, nargs="+", default=[7.0, 6.0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--line", type=float, default=DEFAULT.line / 1e6)
    parser.add_argument("--copy-rate", type=float, default=DEFAULT.copy_rate / 1e6)
    parser.add_argument("--copy-total", type=float, default=DEFAULT.copy_total / 1e6)
    parser.add_argument("--packed", type=float, default=6.0)
    parser.add_argument("--measure", action="store_true")
    return parser.parse_args(argv)


def _runs(arguments: Namespace, rows: int, age: float, network: Network) -> Iterator[Run]:
    """Run all numbers of exporters on a ledger of so many rows; give each with whether it combined."""
    for count in arguments.exporters:

        def run(rate: float, combining: bool = True, count: int = count) -> Run:
            traffic = Traffic(count, rate, seconds=arguments.seconds, rows=rows)
            what = f"{rows:,} rows, {count} exporters, {count * rate:,.0f}/s"
            with console.status(f"{what} ..."):
                found = measure(traffic, network, combining)
            ages = f"root age {found.root_ages[1]:.2f} s, age {found.ages[1]:.2f} s"
            console.print(f"{what}: {ages}, {'' if found.kept_up else 'not '}kept up")
            return Run(traffic, combining, found)

        if arguments.rate is None and count == max(arguments.exporters):
            steps = round(MOST / arguments.step)
            wanted = partial(is_fresh, root_age=arguments.root_age, age=age)
            yield from highest(lambda number: run(number * arguments.step / count), steps, wanted)  # noqa: B023
            continue
        yield run(arguments.rate or RATE)
        if arguments.alone:
            yield run(arguments.rate or RATE, combining=False)


def is_fresh(one: Run, root_age: float, age: float) -> bool:
    """Say whether a rate is kept up, and all but one of a hundred events are no older than that."""
    found = one.figures
    return found.kept_up and found.root_ages[1] <= root_age and found.ages[1] <= age


def highest(run: Callable[[int], Run], steps: int, wanted: Callable[[Run], bool]) -> Iterator[Run]:
    """Search the highest of 1 to `steps` whose run is wanted, by halves; give all runs, that one last."""
    least, most = 0, steps + 1
    found: dict[int, Run] = {}
    while most - least > 1:
        number = (least + most) // 2
        found[number] = run(number)
        least, most = (number, most) if wanted(found[number]) else (least, number)
    last = found.pop(least) if least else found.pop(min(found))
    yield from found.values()
    yield last


def measure(traffic: Traffic, network: Network, combining: bool = True) -> Figures:
    """Run one simulation."""
    exporters = Exporters(traffic, network)
    if combining:
        return figures(exporters.run(PATIENCE), traffic)
    with patch.object(import_module("ledger.commit"), "Queue", _Alone):
        return figures(exporters.run(PATIENCE), traffic)


def figures(outcome: Outcome, traffic: Traffic) -> Figures:
    """Judge a run by the batches that came when all streams had set in."""
    since = traffic.ramp + 2 * traffic.window
    batches = [batch for batch in outcome.batches if batch.arrived[0] >= since]
    seen = [batch for batch in batches if batch.seen is not None]
    ages = [batch.seen - time for batch in seen if batch.seen is not None for time in batch.arrived]
    root_ages = [batch.held - time for batch in batches if batch.held is not None for time in batch.arrived]
    unseen = sum(len(batch.arrived) for batch in batches if batch.seen is None)
    offered, per_second = traffic.rate * traffic.exporters, _rate(outcome.batches, since, traffic.seconds)
    grows = [_grows(batches, since, traffic.seconds, of) for of in (lambda batch: batch.held, lambda batch: batch.seen)]
    rows = ROW_BYTES * sum(len(batch.arrived) for batch in outcome.batches)
    oldest: dict[int, float] = {}
    for batch in seen:
        assert batch.seen is not None
        oldest[batch.exporter] = max(oldest.get(batch.exporter, 0.0), batch.seen - batch.arrived[0])
    return Figures(
        offered=offered,
        per_second=per_second,
        ages=_percentiles(ages),
        root_ages=_percentiles(root_ages),
        unseen=unseen,
        kept_up=not unseen and per_second >= 0.99 * offered and not any(grows),
        swaps=outcome.swaps,
        refused=outcome.refused,
        published=len(outcome.published),
        slowest=max(oldest.values(), default=math.nan),
        moved={name: outcome.moved[kind] / rows for name, kind in MOVED.items()},
    )


def _percentiles(ages: Sequence[float]) -> tuple[float, float]:
    return (percentile(ages, 50), percentile(ages, 99)) if ages else (math.nan, math.nan)


def _rate(batches: Sequence[Batch], since: float, until: float) -> float:
    """Say how many events were committed in a second: the slope of the straight line through their number."""
    times = sorted({batch.held for batch in batches if batch.held is not None and since <= batch.held <= until})
    if len(times) < 2:
        return 0.0
    held = [(batch.held, len(batch.arrived)) for batch in batches if batch.held is not None]
    counts = [sum(number for time, number in held if time <= each) for each in times]
    middle, average = mean(times), mean(counts)
    above = sum((time - middle) * (number - average) for time, number in zip(times, counts, strict=True))
    return above / sum((time - middle) ** 2 for time in times)


def _grows(batches: Sequence[Batch], since: float, until: float, of: Callable[[Batch], float | None]) -> bool:
    third = (until - since) / 3
    early, late = (
        [
            end - batch.arrived[0]
            for batch in batches
            if (end := of(batch)) is not None and first <= batch.arrived[0] < last
        ]
        for first, last in ((since, since + third), (until - third, until))
    )
    return bool(early and late) and mean(late) > 1.5 * mean(early) + 0.5


def _named(run: Run) -> dict[str, float]:
    traffic, _, found = run
    exponent = math.log10(traffic.rows)
    name = f"{traffic.exporters}_{f'1e{exponent:.0f}' if exponent.is_integer() else traffic.rows}"
    return {
        f"events_per_second_{name}": round(found.per_second),
        f"p99_age_s_{name}": round(found.ages[1], 2),
        f"p99_root_age_s_{name}": round(found.root_ages[1], 2),
    }


def _rates(runs: Sequence[Run]) -> Table:
    table = make_table("rows", "exporters", "combining", "offered/s", "committed/s", "root age p50, p99 (s)",
                       "age p50, p99 (s)", "slowest", "unseen", "kept up", "swaps", "refused", "published")  # fmt: skip
    for traffic, combining, found in runs:
        table.add_row(
            f"{traffic.rows:,}", str(traffic.exporters), _yes(combining), f"{found.offered:,.0f}",
            f"{found.per_second:,.0f}", f"{found.root_ages[0]:.2f}  {found.root_ages[1]:.2f}",
            f"{found.ages[0]:.2f}  {found.ages[1]:.2f}", f"{found.slowest:.1f}", f"{found.unseen:,}",
            _yes(found.kept_up), str(found.swaps), str(found.refused), str(found.published),
        )  # fmt: skip
    return table


def _bytes(runs: Sequence[Run]) -> Table:
    table = make_table("rows", "exporters", "offered/s", *MOVED)
    for traffic, _, found in runs:
        cells = [f"{found.moved[name]:.2f}" for name in MOVED]
        table.add_row(f"{traffic.rows:,}", str(traffic.exporters), f"{found.offered:,.0f}", *cells)
    return table


def _yes(value: bool) -> str:
    return "yes" if value else "no"
