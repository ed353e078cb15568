"""What several share that move something at the same time: a function's line, what S3 copies for a bucket, a processor.

Whoever moves gets an even share of what there is at each moment, and no more than one alone may have (processor
sharing). So the sum of what passes never exceeds the whole, and whoever comes makes the others slower.
"""

from heapq import heappop, heappush
from itertools import count
from math import inf

from infra.doubles.scheduler import Process, Scheduler


class SharedLine:
    """A line on a scheduler's clock.

    All who are on it get the same share, so they leave in the order of what each has left. One number tells what
    everyone has got since the line exists; who comes leaves when it has grown by his amount. Only the first to leave
    has a time at which he wakes; it is set anew when somebody comes or leaves.

    Args:
        scheduler: on whose clock, in seconds.
        total: what passes in a second, of all together.
        each: of one at most.
    """

    def __init__(self, scheduler: Scheduler[float], total: float, each: float = inf) -> None:
        self._scheduler, self._total, self._each = scheduler, total, each
        self._on_it: list[tuple[float, int, Process[float]]] = []  # who leaves first comes first
        self._numbers = count()
        self._passed = 0.0  # what each has got that was always there
        self._since = 0.0  # when that was so

    def move(self, amount: float) -> None:
        """Move so much; called by the process that waits for it."""
        if amount <= 0 or self._rate(1) == inf:
            return
        self._catch_up()
        own = (self._passed + amount, next(self._numbers), self._scheduler.running)
        if self._on_it and own < self._on_it[0]:
            self._scheduler.wake(self._on_it[0][2], inf)
        heappush(self._on_it, own)
        leaves = self._plan()
        self._scheduler.wait(leaves if self._on_it[0] is own else inf)
        self._catch_up()
        self._passed = own[0]  # without what rounding makes of it
        heappop(self._on_it)
        self._plan()

    def _rate(self, number: int) -> float:
        return min(self._each, self._total / number)

    def _catch_up(self) -> None:
        now = self._scheduler.now
        if self._on_it:
            self._passed += (now - self._since) * self._rate(len(self._on_it))
        self._since = now

    def _plan(self) -> float:
        """Wake the first to leave when he has got all; say when that is."""
        if not self._on_it:
            return inf
        end, _, process = self._on_it[0]
        leaves = self._scheduler.now + max(0.0, end - self._passed) / self._rate(len(self._on_it))
        self._scheduler.wake(process, leaves)
        return leaves
