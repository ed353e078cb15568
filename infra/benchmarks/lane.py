"""Does a new photo wait while a million old ones go through? Their lane beside the uploads' queue, in a simulation.

usage: ./infra/bench lane [--rate N] [--old N] [--seconds S] [--part P] [--account N] [--seed S]

Photos are uploaded at --rate a second; --old objects that were in the bucket before wait from the beginning on. Three
times the same uploads, with the template's settings:
- alone;
- with the old objects in their lane: a queue and SeenConcurrency functions of their own, beside ProcessorConcurrency
  for the uploads. Both write to the same two tables, new ones of 4,000 write units a second, and lend --account's
  concurrency;
- with the old objects in the uploads' own queue, which the lane avoids.

ImageProcessor's code is the real one from the message on, and so is each conditional write. A --part of it is
simulated, a fifth of functions, uploads and write units, for --seconds, in which the old ones never run out: it goes on
as it began. From the objects a second that go through follows how long all of --old take. In one queue an upload stands
behind all old ones that are left, so of the waits while there are any, the 95th percentile is 95 % of that time. The
last line is one JSON object: p95_alone_s, p95_with_lane_s, p95_one_queue_s, lane_objects_per_second, lane_hours (for
--old).
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from infra.benchmarks._report import arguments_of, console, make_table, percentile, show
from infra.doubles.capacity import NEW_TABLE
from infra.doubles.image_queue import Deployment, of_template
from infra.doubles.lanes import Lanes, Load, Passed

MARGIN = 3.0
"""Seconds at the beginning and at the end whose uploads are left out: nothing is at work yet, or not done yet."""

FASTEST = 100.0
"""Objects a second that one function of ten threads never does: so many are put in that they do not run out."""


def main(argv: Sequence[str]) -> int:
    """Run the simulations, print a table and the JSON line; 1 if messages were given up."""
    parser = arguments_of("lane", __doc__)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--old", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--part", type=int, default=5)
    parser.add_argument("--account", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    uploads, lane = of_template(), of_template("SeenQueue", "SeenConcurrency")
    part, seconds = min(arguments.part, lane.invocations), max(arguments.seconds, 3 * MARGIN)
    uploads, lane = _part(uploads, part), _part(lane, part)
    rate = arguments.rate / part
    ways = {"alone": (lane, 0), "with lane": (lane, lane.invocations), "one queue": (None, uploads.invocations)}
    passed: dict[str, Passed] = {}
    for name, (beside, busy) in ways.items():
        with console.status(f"{name} ..."):
            load = Load(rate, seconds, round(busy * FASTEST * seconds), NEW_TABLE / part)
            passed[name] = Lanes(load, uploads, beside, arguments.account // part, arguments.seed).run()
    rates = {
        name: part * sum(done > MARGIN for done in one.old_done) / (seconds - MARGIN) for name, one in passed.items()
    }
    waits = {name: _waits(one, rate) for name, one in passed.items()}
    waits["one queue"] = _behind(arguments.old, rates["one queue"])
    table = make_table("old objects", "old/s", f"{arguments.old:,} take", "uploads' p50", "p95", "transactions",
                       "writes throttled", "given up", left=("old objects",))  # fmt: skip
    for name, one in passed.items():
        takes = f"{arguments.old / rates[name] / 3600:.1f} h" if rates[name] else ""
        figures = f"{percentile(waits[name], 50):,.2f} s", f"{percentile(waits[name], 95):,.2f} s"
        counts = f"{one.transactions:,}", f"{one.throttled:,}", f"{one.dead:,}"
        table.add_row(name, f"{rates[name]:,.0f}", takes, *figures, *counts)
    show(
        f"{arguments.rate:g} uploads a second. {seconds:g} s of each way are simulated, for 1/{part} of functions,"
        f" uploads and write units; the old objects do not run out. What {arguments.old:,} take, and the waits in one"
        " queue, follow from the objects a second:",
        table,
    )
    p95 = {f"p95_{name.replace(' ', '_')}_s": round(percentile(one, 95), 2) for name, one in waits.items()}
    lane_rate = rates["with lane"]
    hours = round(arguments.old / lane_rate / 3600, 2)
    print(json.dumps(p95 | {"lane_objects_per_second": round(lane_rate), "lane_hours": hours}))
    return 1 if any(one.dead for one in passed.values()) else 0


def _part(whole: Deployment, part: int) -> Deployment:
    return replace(whole, invocations=whole.invocations // part)


def _waits(passed: Passed, rate: float) -> list[float]:
    margin = round(rate * MARGIN)
    return passed.waits[margin:-margin]


def _behind(old: int, rate: float) -> list[float]:
    """Give what uploads wait that come, evenly, while so many objects stand before them: less and less, to nothing."""
    whole = old / rate
    return [whole * number / 1_000 for number in range(1, 1_001)]
