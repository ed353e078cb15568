"""Real code in turns: who goes on is the policy's choice, when is the clock's, and each run is like the other."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from infra.doubles.scheduler import Scheduler

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def scheduler() -> Scheduler[float]:
    """A clock in seconds; the first to come goes on."""
    return Scheduler(0.0)


def sleeper(scheduler: Scheduler[float], seen: list[tuple[str, float]], name: str, *naps: float) -> Callable[[], None]:
    """Make a process that sleeps some times, and says when it woke."""

    def run() -> None:
        for seconds in naps:
            scheduler.wait(scheduler.now + seconds)
            seen.append((name, scheduler.now))

    return run


def test_a_process_goes_on_when_its_time_has_come(scheduler: Scheduler[float]) -> None:
    """The clock jumps to whoever wakes first."""
    seen: list[tuple[str, float]] = []
    scheduler.start(sleeper(scheduler, seen, "slow", 2.5, 2.5))
    scheduler.start(sleeper(scheduler, seen, "fast", 1, 1, 1))
    scheduler.run()
    assert seen == [("fast", 1.0), ("fast", 2.0), ("slow", 2.5), ("fast", 3.0), ("slow", 5.0)]


def test_of_those_who_wake_together_the_first_to_come_goes_on(scheduler: Scheduler[float]) -> None:
    """Not the first that was started: b has waited for this moment since 0, a since 1."""
    seen: list[tuple[str, float]] = []
    scheduler.start(sleeper(scheduler, seen, "a", 1, 1))
    scheduler.start(sleeper(scheduler, seen, "b", 2))
    scheduler.run()
    assert seen == [("a", 1.0), ("b", 2.0), ("a", 2.0)]


def test_a_moment_that_is_past_is_now(scheduler: Scheduler[float]) -> None:
    """The clock never goes back."""
    seen: list[tuple[str, float]] = []
    scheduler.start(sleeper(scheduler, seen, "late", 1, -5, 1))
    scheduler.run()
    assert seen == [("late", 1.0), ("late", 1.0), ("late", 2.0)]


def test_a_policy_may_choose_anybody_whose_time_has_come() -> None:
    """It is asked with the processes in the order in which they were started; the clock may be a date."""
    seen: list[str] = []
    scheduler = Scheduler(BEGIN, lambda ready: ready[-1])

    def run(name: str) -> None:
        scheduler.wait(BEGIN + timedelta(seconds=1))
        seen.append(name)

    for name in "abc":
        scheduler.start(partial(run, name))
    scheduler.run()
    assert seen == ["c", "b", "a"]
    assert scheduler.now == BEGIN + timedelta(seconds=1)


def test_the_same_seed_gives_the_same_run() -> None:
    """And another one another."""

    def order(seed: int) -> list[tuple[str, float]]:
        scheduler = Scheduler(0.0, random.Random(seed).choice)
        seen: list[tuple[str, float]] = []
        for name in "abcdef":
            scheduler.start(sleeper(scheduler, seen, name, 0, 0, 1, 0))
        scheduler.run()
        return seen

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_a_process_may_wait_for_what_another_does(scheduler: Scheduler[float]) -> None:
    """Its time may have come long before."""
    seen: list[float] = []
    done: list[bool] = []

    def waits() -> None:
        scheduler.wait(scheduler.now + 1, lambda: bool(done))
        seen.append(scheduler.now)

    def does() -> None:
        scheduler.wait(scheduler.now + 7)
        done.append(True)

    scheduler.start(waits)
    scheduler.start(does)
    scheduler.run()
    assert seen == [7.0]


def test_those_who_wait_for_each_other_are_told(scheduler: Scheduler[float]) -> None:
    """Instead of waiting for ever."""
    ended: list[bool] = []

    def waits() -> None:
        try:
            scheduler.wait(scheduler.now, lambda: False)
        finally:
            ended.append(True)

    scheduler.start(waits)
    with pytest.raises(RuntimeError, match="every process waits"):
        scheduler.run()
    assert ended == [True]


def test_a_process_starts_others(scheduler: Scheduler[float]) -> None:
    """They begin at the time that it is then."""
    seen: list[tuple[str, float]] = []

    def parent() -> None:
        scheduler.wait(scheduler.now + 3)
        scheduler.start(sleeper(scheduler, seen, "child", 1))

    scheduler.start(parent)
    scheduler.run()
    assert seen == [("child", 4.0)]


def test_the_run_is_over_when_all_have_ended_but_those_that_last(scheduler: Scheduler[float]) -> None:
    """They end where they stand: what they would do afterwards is not done, and they wait for nothing any more."""
    seen: list[tuple[str, float]] = []
    after: list[str] = []

    def lasts() -> None:
        try:
            sleeper(scheduler, seen, "lasting", *[2.0] * 100)()
        finally:
            after.append("tidied up")
            scheduler.wait(scheduler.now + 1)
            after.append("went on")

    scheduler.start(lasts, lasting=True)
    scheduler.start(sleeper(scheduler, seen, "other", 5))
    scheduler.run()
    assert seen == [("lasting", 2.0), ("lasting", 4.0), ("other", 5.0)]
    assert after == ["tidied up"]


def test_the_run_is_over_at_a_moment(scheduler: Scheduler[float]) -> None:
    """What was due by then has been done; the clock stands where something last happened."""
    seen: list[tuple[str, float]] = []
    scheduler.start(sleeper(scheduler, seen, "a", 2, 2, 2))
    scheduler.run(until=4.5)
    assert seen == [("a", 2.0), ("a", 4.0)]
    assert scheduler.now == 4.0


def test_what_a_process_raises_ends_the_run(scheduler: Scheduler[float]) -> None:
    """The others end where they stand, and one that had not begun does not begin."""
    seen: list[tuple[str, float]] = []

    def fails() -> None:
        scheduler.start(sleeper(scheduler, seen, "new", 0))
        raise ValueError("on purpose")

    scheduler.start(sleeper(scheduler, seen, "other", 1))
    scheduler.start(fails)
    with pytest.raises(ValueError, match="on purpose"):
        scheduler.run()
    assert seen == []


def test_only_one_process_runs_at_a_time() -> None:
    """Between two waits nobody else does anything."""
    scheduler = Scheduler(0.0, random.Random(3).choice)
    inside: list[int] = []
    most: list[int] = []

    def run(number: int) -> None:
        for _ in range(20):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)
            scheduler.wait(scheduler.now)

    for number in range(10):
        scheduler.start(partial(run, number))
    scheduler.run()
    assert len(most) == 200
    assert set(most) == {1}
