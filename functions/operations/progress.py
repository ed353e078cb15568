"""What long work asks of whoever started it: to hear its progress, and in how many processes it may go on."""

import os
from collections.abc import Callable

from ledger.store import Store

Progress = Callable[[str, int, int], None]
"""Is told a step, how much of it is done, and how much there is to do."""

OpenStore = Callable[[], Store]
"""Opens the export bucket; in another process, too, so it must be one that can be pickled."""


def silent(step: str, done: int, total: int) -> None:
    """Show no progress."""


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
