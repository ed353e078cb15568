"""CsvPublisher in a simulation: called asynchronously and by the schedule; the code that publishes is the real one.

A call is answered, waits in Lambda's queue, and runs in an environment that is free, or in a new one, which takes a
cold start. One that fails is made again with the same event, after one and after two minutes more (Lambda Developer
Guide, "How Lambda handles errors and retries with asynchronous invocation").
"""

from collections.abc import Callable
from functools import partial

from infra.doubles.scheduler import Scheduler
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.publish import Published, keep_current

# From the call until the function begins, if it is warm: of SNS, which calls so, the 90th percentile is 125 ms with its
# own delivery, the median 73 ("Serverless Messaging: Latency Compared", bitesizedserverless.com, 2022-09).
ANSWER = 0.040
QUEUE = 0.085
# A new environment, and Python with the SDK in it: some 0.2 s and 0.5 s at 512 MB and more; here the slow end.
COLD_START = 1.0
RETRIES = (60.0, 120.0)
SCHEDULE = 60.0  # the template's rate


class Publishers:
    """The function, with the environments that it has.

    Args:
        scheduler: on whose clock, in seconds.
        make_ledger: makes the ledger of a new environment, by its name.
        invocation: seconds that a call may take.
    """

    def __init__(self, scheduler: Scheduler[float], make_ledger: Callable[[str], Ledger], invocation: float) -> None:
        self._scheduler, self._make_ledger, self._invocation = scheduler, make_ledger, invocation
        self._free: list[Ledger] = []
        self._environments = 0
        self.calls = self.failures = 0
        self.published: list[Published] = []

    def call(self, claim: str, holder: str) -> None:
        """Call it for a claim, without waiting for it."""
        self._sleep(ANSWER)
        self._scheduler.start(partial(self._deliver, claim, holder))

    def on_schedule(self) -> None:
        """Call it each minute; runs for as long as the simulation does."""
        number = 0
        while True:
            self._sleep(SCHEDULE)
            number += 1
            self._scheduler.start(partial(self._deliver, "", f"schedule {number}"))

    def _deliver(self, claim: str, holder: str) -> None:
        self._sleep(QUEUE)
        for wait in (*RETRIES, None):
            if self._run(claim, holder) or wait is None:
                return
            self._sleep(wait)

    def _run(self, claim: str, holder: str) -> bool:
        self.calls += 1
        ledger = self._free.pop() if self._free else self._start()
        end = self._scheduler.now + self._invocation
        try:
            keep_current(ledger, lambda: end - self._scheduler.now, claim, holder, self.published.append)
        except LedgerError:
            self.failures += 1
            return False
        finally:
            self._free.append(ledger)
        return True

    def _start(self) -> Ledger:
        self._environments += 1
        name = f"publisher {self._environments}"  # before others start while this one does
        self._sleep(COLD_START)
        return self._make_ledger(name)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)
