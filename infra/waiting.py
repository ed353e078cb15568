"""Waiting for something to become true, with one bound for all.

A busy machine is slow, and that alone is no fault: the bound is there to tell what is stuck, not to measure.
"""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 900.0
"""A hundred times what anything needs that is waited for when nothing else runs."""

LOOK_SECONDS = 0.05

T = TypeVar("T")


def until(
    condition: Callable[[], T],
    what: str | Callable[[], str],
    *,
    seconds: float = PATIENCE_SECONDS,
    every: float = LOOK_SECONDS,
) -> T:
    """Wait until a condition holds.

    Args:
        condition: looks once.
        what: is waited for; if it is a function, it tells how far things are when the time is over.
        seconds: how long to wait at most.
        every: seconds between two looks.

    Returns:
        What the condition gave in the end.

    Raises:
        TimeoutError: it still does not hold.
    """
    deadline = time.monotonic() + seconds
    while not (held := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s there is still no {what if isinstance(what, str) else what()}")
        time.sleep(every)
    return held
