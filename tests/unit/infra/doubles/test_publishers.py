"""CsvPublisher as Lambda runs it: asynchronously, in an environment that is free or new, and again if it failed."""

from collections.abc import Callable

import pytest

from infra.doubles import publishers
from infra.doubles.publishers import ANSWER, COLD_START, QUEUE, RETRIES, SCHEDULE, Publishers
from infra.doubles.scheduler import Scheduler
from ledger.errors import Unavailable
from ledger.ledger import Ledger

TAKES = 5.0


class Runs:
    """What the function did: when it began, with what, in which environment; it fails so many times first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int = 0) -> None:
        self.scheduler = Scheduler(0.0)
        self.seen: list[tuple[float, str, str, object]] = []
        self.made: list[str] = []
        self._failures = failures
        self.publishers = Publishers(self.scheduler, self._make, 900.0)
        monkeypatch.setattr(publishers, "keep_current", self._keep_current)

    def run(self, process: Callable[[], None], until: float | None = None) -> list[tuple[float, str, str]]:
        """Run a process that calls it; give when which call began."""
        self.scheduler.start(process)
        self.scheduler.run(until)
        return [each[:3] for each in self.seen]

    def _make(self, name: str) -> Ledger:
        self.made.append(name)
        return object()  # type: ignore[return-value]

    def _keep_current(
        self, ledger: Ledger, time_left: Callable[[], float], claim: str, holder: str, published: object
    ) -> None:
        assert time_left() == 900.0
        self.seen.append((round(self.scheduler.now, 3), claim, holder, ledger))
        self.scheduler.wait(self.scheduler.now + TAKES)
        if len(self.seen) <= self._failures:
            raise Unavailable("no")


def test_a_call_is_not_waited_for_and_runs_warm_if_an_environment_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is a cold start, the second comes before it has ended and is another one, the third finds both free."""
    runs = Runs(monkeypatch)

    def process() -> None:
        for claim, waits in (("a", 0.5), ("b", 20.0), ("c", 0.0)):
            began = runs.scheduler.now
            runs.publishers.call(claim, claim * 2)
            assert runs.scheduler.now == pytest.approx(began + ANSWER)
            runs.scheduler.wait(runs.scheduler.now + waits)

    cold, between = ANSWER + QUEUE + COLD_START, ANSWER + 0.5
    third = round(2 * between + 19.5 + ANSWER + QUEUE, 3)
    assert runs.run(process) == [(round(cold, 3), "a", "aa"), (round(between + cold, 3), "b", "bb"), (third, "c", "cc")]
    assert runs.made == ["publisher 1", "publisher 2"]


def test_a_call_that_fails_is_made_again_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same event, after one and two minutes; then Lambda gives it up."""
    runs = Runs(monkeypatch, failures=3)
    first = ANSWER + QUEUE + COLD_START
    second = first + TAKES + RETRIES[0]
    third = second + TAKES + RETRIES[1]
    expected = [(round(time, 3), "a", "id") for time in (first, second, third)]
    assert runs.run(lambda: runs.publishers.call("a", "id")) == expected
    assert runs.publishers.failures == 3


def test_the_schedule_calls_each_minute_without_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time with an id of its own."""
    runs = Runs(monkeypatch)
    begun = runs.run(runs.publishers.on_schedule, until=3 * SCHEDULE)
    assert [(claim, holder) for _, claim, holder in begun] == [("", "schedule 1"), ("", "schedule 2")]
