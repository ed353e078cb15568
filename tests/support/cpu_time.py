"""Limits on CPU time that hold on a busy machine, too.

Neighbours make also CPU time longer, for they take a core's other half and its caches: up to three times. So what
takes too long is measured again, beside a yardstick, a piece of work that is always the same: when that takes twice its
time, so may the rest.
"""

import time
from collections.abc import Callable
from typing import TypeVar

TRIES = 5
YARD_SECONDS = 0.0057
"""What the yardstick takes on a cloud machine of 2026 (two cores, CPython 3.11) that does nothing else."""

T = TypeVar("T")


def slowness() -> float:
    """Tell how many times longer than alone this machine takes for the same work now; never less than 1."""
    return max(1.0, timed(lambda: sum(len(f"{number}<") for number in range(60_000)))[0] / YARD_SECONDS)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Do some work; return its seconds of CPU and what it gave."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def in_time(limit: float, work: Callable[[], T]) -> T:
    """Do some work that may take so many seconds of CPU, and return what it gave; if it took longer, once more.

    Raises:
        AssertionError: it always takes longer.
    """
    least = float("inf")
    for _ in range(TRIES):
        seconds, result = timed(work)
        if seconds < limit or (least := min(least, seconds / slowness())) < limit:
            return result
    raise AssertionError(f"it takes {least:.2f} s of CPU, and {limit:g} s are allowed")
