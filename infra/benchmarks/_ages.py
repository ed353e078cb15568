"""How old events are in the root and in the file, by the rows of the table and the images a second: for `growth`."""

import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from infra.benchmarks.contention import DEFAULT, MEMORY, PATIENCE, PROCESSOR, figures
from infra.doubles.exporters import Exporters, Traffic
from infra.survey.items import ROW_BYTES
from ledger.pace import cost_of

ROWS = (10**5, 10**6, 10**7, 10**8)
STREAM = 250.0  # images a second of one exporter
LEAST = 15.0  # seconds of a simulation
AFFORDABLE = 250_000  # events of a simulation: it takes a minute of this machine


class Ages(NamedTuple):
    """99th percentiles in seconds.

    Attributes:
        rows, rate: of which table, and of how many images a second.
        root, file: until the root holds an event, and until the file shows it.
        simulated: whether they were; otherwise the root's is that of the next smaller table, on whose size it does not
            depend, and the file's is that and two publishes: the one under way, and the own one.
    """

    rows: int
    rate: float
    root: float
    file: float
    simulated: bool


def measured(rates: Sequence[float]) -> Iterator[Ages]:
    """Give the ages at each rate on each table, in processes that have a function's memory."""
    os.environ[MEMORY] = str(PROCESSOR)  # what is kept in memory is fixed when the ledger is imported
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        asked = [(rows, rate) for rows in ROWS for rate in rates]
        found = {each: pool.submit(_simulated, *each) for each in asked if each[1] * _seconds(each[0]) <= AFFORDABLE}
        root: dict[float, float] = {}
        for rows, rate in asked:
            if (rows, rate) in found:
                ages = found[rows, rate].result()
                root[rate] = ages.root
            else:
                ages = Ages(rows, rate, root[rate], root[rate] + 2 * _publish(rows), simulated=False)
            yield ages


def _simulated(rows: int, rate: float) -> Ages:
    count = math.ceil(rate / STREAM)
    traffic = Traffic(count, rate / count, seconds=_seconds(rows), rows=rows)
    found = figures(Exporters(traffic, DEFAULT).run(PATIENCE + 2 * _publish(rows)), traffic)
    return Ages(rows, rate, found.root_ages[1], found.ages[1], simulated=True)


def _publish(rows: int) -> float:
    return cost_of(rows * ROW_BYTES).seconds


def _seconds(rows: int) -> float:
    """Give the time that is simulated: three publishes, when the streams have set in."""
    return max(LEAST, 7.0 + 3 * _publish(rows))
