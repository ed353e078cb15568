"""How a run of many exporters is judged, and how the highest rate that they keep up is found."""

from types import SimpleNamespace

import pytest

from infra.benchmarks.contention import figures, highest, is_fresh
from infra.doubles.exporters import Batch, Outcome, Traffic

TRAFFIC = Traffic(exporters=2, rate=10.0, seconds=37.0)  # judged from second 7 on


def outcome(
    held: tuple[float, float] = (1.0, 0.0), seen: tuple[float, float] = (2.0, 0.0), share: float = 1.0, unseen: int = 0
) -> Outcome:
    """Make what comes of a batch a second and stream: ages in root and file, and by how much each grows in a second."""
    made = Outcome()
    for second in range(37):
        for exporter in range(2):
            batch = Batch(exporter, [second + number / 10 for number in range(round(10 * share))])
            batch.held = second + held[0] + held[1] * second
            batch.seen = second + seen[0] + seen[1] * second
            made.batches.append(batch)
    for batch in made.batches[-unseen:] if unseen else ():
        batch.seen = None
    return made


@pytest.mark.parametrize(
    ("run", "kept_up"),
    [
        (outcome(), True),
        (outcome(seen=(9.0, 0.0)), True),  # old is not behind
        (outcome(seen=(4.0, 0.05)), True),  # a table that grows takes longer to copy
        (outcome(seen=(4.0, 0.3)), False),
        (outcome(held=(1.0, 0.1), seen=(9.0, 0.0)), False),
        (outcome(share=0.9), False),
        (outcome(unseen=1), False),
    ],
)
def test_a_rate_is_kept_up_if_nothing_falls_behind(run: Outcome, kept_up: bool) -> None:
    """All is committed as it comes, neither age grows, and all is seen in the end."""
    assert figures(run, TRAFFIC).kept_up == kept_up


def test_ages_are_those_of_events_from_their_arrival() -> None:
    """The first of a batch waits for the last: up to 0.9 s here; streams that set in do not count."""
    run = outcome()
    for batch in run.batches[:14]:
        batch.held = batch.seen = batch.arrived[0] + 100
    found = figures(run, TRAFFIC)
    assert found.root_ages == pytest.approx((0.5, 1.0))
    assert found.ages == pytest.approx((1.5, 2.0))
    assert found.per_second == pytest.approx(20.0)
    assert found.slowest == pytest.approx(2.0)


@pytest.mark.parametrize(("best", "found"), [(5, 5), (21, 21), (1, 1), (0, 1)])
def test_the_highest_rate_is_found_by_halves_and_given_last(best: int, found: int) -> None:
    """If none is fresh, the lowest that was tried."""
    numbers = list(highest(lambda number: number, 21, lambda number: number <= best))  # type: ignore[arg-type,return-value,operator]
    assert numbers[-1] == found
    assert len(set(numbers)) == len(numbers) <= 5
    assert best in (0, 21) or best + 1 in numbers


@pytest.mark.parametrize(
    ("kept_up", "root_age", "age", "fresh"),
    [(True, 2.5, 7.0, True), (True, 2.6, 7.0, False), (True, 2.5, 7.1, False), (False, 1.0, 1.0, False)],
)
def test_a_rate_is_fresh_if_it_is_kept_up_and_events_are_no_older_than_asked(
    kept_up: bool, root_age: float, age: float, fresh: bool
) -> None:
    found = SimpleNamespace(kept_up=kept_up, root_ages=(0.0, root_age), ages=(0.0, age))
    assert is_fresh(SimpleNamespace(figures=found), 2.5, 7.0) == fresh  # type: ignore[arg-type]
