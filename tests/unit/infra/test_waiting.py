"""Waiting has one bound, and limits on CPU time hold on a busy machine."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from infra.waiting import until
from tests.support import cpu_time, worst_cases
from tests.support.cpu_time import TRIES, in_time
from tests.support.worst_cases import LARGE, grows_faster_than_its_input


def test_what_comes_in_the_end_is_given() -> None:
    """The condition's own answer, after as many looks as it takes."""
    looks = itertools.count()
    assert until(lambda: next(looks) // 3 * 7, "fourth look", every=0) == 7


def test_what_is_stuck_is_told() -> None:
    """How far it came when the time was over, and not when it began."""
    looks = itertools.count(1)
    with pytest.raises(TimeoutError, match=r"after 0 s there is still no end of 2 messages"):
        until(lambda: next(looks) > 10**9, lambda: f"end of {next(looks)} messages", seconds=0, every=0)


@pytest.mark.parametrize(("slow", "holds"), [([3, 3, 1], True), ([3] * TRIES, False)], ids=["in the end", "never"])
def test_a_limit_is_broken_by_what_always_takes_longer(
    slow: list[float], holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One try in time is enough, and none is made after it."""
    times = iter([*slow, 99.0])
    monkeypatch.setattr(cpu_time, "timed", lambda work: (next(times), work()))
    monkeypatch.setattr(cpu_time, "slowness", lambda: 1.0)
    if holds:
        assert in_time(2, lambda: "done") == "done"
    else:
        with pytest.raises(AssertionError, match=r"it takes 3.00 s of CPU, and 2 s are allowed"):
            in_time(2, lambda: "done")
    assert [*times] == [99.0]


def test_on_a_machine_that_is_half_as_fast_work_may_take_twice_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The yardstick takes twice its time then, too."""
    monkeypatch.setattr(cpu_time, "timed", lambda work: (2 * cpu_time.YARD_SECONDS, None))
    assert cpu_time.slowness() == 2
    monkeypatch.setattr(cpu_time, "timed", lambda work: (0.5 * cpu_time.YARD_SECONDS, None))
    assert cpu_time.slowness() == 1, "a faster one has no tighter limit"


@pytest.mark.parametrize(("power", "slow", "noticed"), [(1, 8, 0), (2, 3, 100)])
def test_the_measure_of_growth_is_not_led_astray_by_other_work(
    power: int, slow: float, noticed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a measurement takes too long: linear work stays linear, and quadratic work is noticed."""
    chance = random.Random(1)

    def seconds(work: Callable[[], Any]) -> float:
        done = work()  # once, or several times over
        return float(sum(done) if isinstance(done, list) else done) * chance.uniform(1, slow)

    monkeypatch.setattr(worst_cases, "seconds", seconds)
    told = [grows_faster_than_its_input(lambda size: (size / LARGE) ** power) for _ in range(100)]
    assert len([one for one in told if one]) == pytest.approx(noticed, abs=2)
