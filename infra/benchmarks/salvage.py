"""Mutated XMP packets: what is salvaged of them is what they said, and how long the worst of them takes.

    ./infra/bench salvage [--mutations N] [--seed S]

Sound packets of every form, each mutation in one place and out of its seed (`infra/survey/flawed_packets.py`). `wrong`
are those of which the reader made what it may not, or raised an error at; `salvaged` those that were not well-formed.
Milliseconds are CPU time.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from image_processor.budget import Budget
from image_processor.tags import xmp
from infra.benchmarks._report import arguments_of, console
from infra.survey.flawed_packets import mutation, packets, wrong

BATCH = 1000
PACKETS = 40  # sound ones for each batch


def main(argv: list[str]) -> int:
    """Read the mutated packets; returns 1 if one of them was read wrong."""
    parser = arguments_of("salvage", __doc__)
    parser.add_argument("--mutations", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first (1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time (all cores)")
    arguments = parser.parse_args(argv)
    starts = range(arguments.seed, arguments.seed + arguments.mutations, BATCH)
    faults: list[str] = []
    salvaged, slowest = 0, 0.0
    with ProcessPoolExecutor(arguments.processes) as pool:
        for found, flawed, seconds in pool.map(partial(batch, last=starts.stop), starts):
            faults += found
            salvaged += flawed
            slowest = max(slowest, seconds)
    for fault in faults[:20]:
        console.print(fault, markup=False)
    result = {
        "mutations": arguments.mutations,
        "salvaged": salvaged,
        "wrong": len(faults),
        "slowest_ms": round(1000 * slowest, 1),
    }
    print(json.dumps(result))
    return 1 if faults else 0


def batch(start: int, last: int) -> tuple[list[str], int, float]:
    """Read the mutations of some seeds; give the faults, how many were salvaged, and the seconds of the slowest."""
    salvaged, slowest, faults = 0, 0.0, []
    for seed, data, fault in readings(start, min(start + BATCH, last)):
        started = time.process_time()
        warnings = xmp.read([data], Budget()).warnings
        slowest = max(slowest, time.process_time() - started)
        salvaged += any(warning.startswith("xmp: salvaged") for warning in warnings)
        if fault:
            faults.append(f"seed {seed}: {fault}")
    return faults, salvaged, slowest


def readings(start: int, end: int) -> Iterator[tuple[int, bytes, str | None]]:
    """Give seed, mutated packet, and what is wrong with what is made of it."""
    sound = packets(PACKETS, start)
    for seed in range(start, end):
        mutated = mutation(sound[seed % PACKETS], seed)
        yield seed, mutated.data, wrong(mutated)
