"""ImageProcessor's queue and the invocations that empty it, in a simulation; what a message means is for the caller.

A queue's promises are those of the SQS Developer Guide, "Visibility timeout"; a batch is one invocation, and all of its
messages run side by side, each in a thread of its own, as in `image_processor.handler`.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from cfnlint.decode import decode

from infra.doubles.scheduler import Scheduler
from infra.paths import ROOT

IDLE_SECONDS = 10.0

Work = Callable[[int, int, float], bool]
"""Does a message: number of the function's environment, number of the message, moment at which the invocation ends."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the queue and the function are set up for.

    Attributes:
        invocations: that run at once, all of them from the first second on: Lambda's slow start would be a help.
        batch: messages of an invocation.
        timeout: seconds of an invocation.
        visibility: seconds after which a message that failed comes again, counted from its last receive.
        receives: of one message, before it goes to the dead letters.
    """

    invocations: int
    batch: int = 10
    timeout: float = 60.0
    visibility: float = 360.0
    receives: int = 5


@cache
def of_template(queue: str = "ImageQueue", concurrency: str = "ProcessorConcurrency") -> Deployment:
    """Give what the template sets up, with its parameters' defaults.

    Args:
        queue: resource.
        concurrency: parameter that says how many functions work on that queue.
    """
    template, faults = decode(str(ROOT / "template.yaml"))
    assert template is not None, faults
    parameters, resources = template["Parameters"], template["Resources"]
    properties = resources[queue]["Properties"]
    return Deployment(
        invocations=parameters[concurrency]["Default"],
        batch=parameters["QueueBatchSize"]["Default"],
        timeout=resources["ImageProcessor"]["Properties"]["Timeout"],
        visibility=properties["VisibilityTimeout"],
        receives=properties["RedrivePolicy"]["maxReceiveCount"],
    )


@dataclass(slots=True)
class Drained:
    """What became of the messages.

    Attributes:
        receives: messages by the number of their receives.
        dead: messages that went to the dead letters.
        seconds: until the last message was done.
        longest: seconds of the longest invocation.
    """

    receives: Counter[int] = field(default_factory=Counter)
    dead: int = 0
    seconds: float = 0.0
    longest: float = 0.0

    def left(self, deliveries: int) -> int:
        """Count the messages that were not done after so many deliveries."""
        return self.dead + sum(count for receives, count in self.receives.items() if receives > deliveries)


@dataclass(slots=True)
class Account:
    """The concurrency of an account (Lambda Developer Guide, "Understanding Lambda function scaling").

    Attributes:
        limit: invocations that run at once, of all functions and for all queues.
        running: those that do.
    """

    limit: int = 1_000
    running: int = 0


class ImageQueue:
    """A queue of a simulation, and the functions that work on it.

    Args:
        scheduler: its clock, in seconds.
        deployment: how many functions, and how patient they are.
        work: does one message, and says whether that is done.
        account: in which other queues may have functions at work, too.
    """

    def __init__(
        self, scheduler: Scheduler[float], deployment: Deployment, work: Work, account: Account | None = None
    ) -> None:
        self._scheduler, self._deployment, self._work = scheduler, deployment, work
        self._account = account or Account()
        self._visible: list[tuple[float, int, int]] = []  # from then on: number, receives so far
        self._open = 0
        self._drained = Drained()

    def drain(self, arrivals: Sequence[float]) -> Drained:
        """Let messages come, and wait until every one is done or dead.

        Args:
            arrivals: when each of them comes, in seconds.
        """
        drained = self.fill(arrivals)
        self._scheduler.run()
        return drained

    def fill(self, arrivals: Sequence[float]) -> Drained:
        """Let messages come when the scheduler runs; give what will have become of them, as far as it has run."""
        self._visible = sorted((time, number, 0) for number, time in enumerate(arrivals))
        self._open = len(arrivals)
        for environment in range(self._deployment.invocations):
            self._scheduler.start(partial(self._poll, environment))
        return self._drained

    def _poll(self, environment: int) -> None:
        """Do as one of Lambda's pollers does: one invocation after the other."""
        while self._open:
            if self._account.running == self._account.limit:
                self._scheduler.wait(self._scheduler.now, lambda: self._account.running < self._account.limit)
            elif batch := list(self._receive()):
                self._invoke(environment, batch)
            elif self._open:
                self._scheduler.wait(self._visible[0][0] if self._visible else self._scheduler.now + IDLE_SECONDS)

    def _receive(self) -> Iterator[tuple[int, int]]:
        """Give a batch of what is visible; whoever was received too often goes to the dead letters instead."""
        taken = 0
        while taken < self._deployment.batch and self._visible and self._visible[0][0] <= self._scheduler.now:
            _, number, receives = heapq.heappop(self._visible)
            if receives == self._deployment.receives:
                self._drained.dead += 1
                self._open -= 1
                continue
            taken += 1
            yield number, receives + 1

    def _invoke(self, environment: int, batch: list[tuple[int, int]]) -> None:
        began = self._scheduler.now
        self._account.running += 1
        running = [len(batch)]

        def one(number: int, receives: int) -> None:
            if self._work(environment, number, began + self._deployment.timeout):
                self._drained.receives[receives] += 1
                self._open -= 1
                self._drained.seconds = self._scheduler.now
            else:
                heapq.heappush(self._visible, (began + self._deployment.visibility, number, receives))
            running[0] -= 1

        for message in batch:
            self._scheduler.start(partial(one, *message))
        self._scheduler.wait(began, lambda: not running[0])
        self._account.running -= 1
        if self._account.running == self._account.limit - 1:
            self._scheduler.wait(self._scheduler.now)  # it is the turn of whoever waits for this place
        self._drained.longest = max(self._drained.longest, self._scheduler.now - began)
