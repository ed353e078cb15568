"""What is shared: an even share for everyone at each moment, never more than there is."""

import random
from functools import partial
from itertools import pairwise
from math import inf

import pytest

from infra.doubles.scheduler import Scheduler
from infra.doubles.shared_line import SharedLine


def moved(line: SharedLine, scheduler: Scheduler[float], *moves: tuple[float, float]) -> list[float]:
    """Let each begin at its moment and move its amount; give the moments at which they were through."""
    ended = [0.0] * len(moves)

    def move(number: int) -> None:
        begins, amount = moves[number]
        scheduler.wait(begins)
        line.move(amount)
        ended[number] = scheduler.now

    for number in range(len(moves)):
        scheduler.start(partial(move, number))
    scheduler.run()
    return ended


@pytest.mark.parametrize(
    ("moves", "ended"),
    [
        ([(0, 100)], [20]),  # alone: 5 a second, though there are 10
        ([(0, 100), (0, 100)], [20, 20]),  # two fill the line
        ([(0, 100), (0, 100), (0, 100), (0, 100)], [40, 40, 40, 40]),  # four have 2.5 a second each
        ([(0, 100), (0, 100), (0, 50)], [25, 25, 15]),  # three have 3.3 until the third is through, then two 5
        ([(0, 100), (10, 100), (10, 100)], [25, 35, 35]),  # who comes makes others slower: 50 by 10, 50 by 25
        ([(0, 100), (1, 1)], [20, 1.2]),  # who comes later may leave before
        ([(0, 0), (7, 0)], [0, 7]),  # nothing takes no time
    ],
)
def test_all_who_are_on_a_line_have_the_same_share(moves: list[tuple[float, float]], ended: list[float]) -> None:
    """Ten a second for all together, five for one."""
    scheduler = Scheduler(0.0)
    assert moved(SharedLine(scheduler, 10.0, 5.0), scheduler, *moves) == pytest.approx(ended)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_passes_faster_than_the_line_lets_it(seed: int) -> None:
    """Whoever comes and goes: neither one alone, nor all together in any time in which they are on it."""
    chance, scheduler = random.Random(seed), Scheduler(0.0)
    total, each = chance.uniform(1, 20), chance.uniform(1, 10)
    moves = [(chance.uniform(0, 30), chance.choice((0.0, 1.0, chance.uniform(0, 60)))) for _ in range(30)]
    ended = moved(SharedLine(scheduler, total, each), scheduler, *moves)
    for (begins, amount), end in zip(moves, ended, strict=True):
        assert end - begins >= amount / min(each, total) - 1e-9
    moments = sorted({moment for moment, _ in moves} | {*ended})
    for first in moments:
        for last in moments:
            inside = sum(
                amount for (begins, amount), end in zip(moves, ended, strict=True) if first <= begins <= end <= last
            )
            assert inside <= total * max(0.0, last - first) + 1e-6
    idle = sum(
        after - before
        for before, after in pairwise(moments)
        if not any(begins < after and end > before for (begins, _), end in zip(moves, ended, strict=True))
    )
    busy = max(ended) - min(begins for begins, _ in moves) - idle
    assert busy <= sum(amount for _, amount in moves) / min(each, total) + 1e-6, "the line is never idle in vain"


def test_a_line_without_a_limit_takes_no_time() -> None:
    """And who is on it need not wait for the clock."""
    scheduler = Scheduler(3.0)
    assert moved(SharedLine(scheduler, inf), scheduler, (3.0, 1e12)) == [3.0]
