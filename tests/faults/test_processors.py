"""What many ImageProcessors meet at, in virtual time: a table that is new, one photo's row, one object's record.

The first minute of a flood is 2,000 photos a second, of which a new table takes the rows of 666: photos, invocations
and what the table takes are a fiftieth of the real ones, so that their ratios are the same.
"""

from dataclasses import replace

import pytest

from infra.benchmarks import hot
from infra.doubles.capacity import NEW_TABLE
from infra.doubles.crowds import Crowd, Met
from infra.doubles.image_queue import Deployment, of_template
from infra.doubles.processors import Flood, Processors
from tests.support.template import TEMPLATE

SCALE = 50


def flood(invocations: int) -> Flood:
    """Give the flood as the template's queue and function meet it."""
    deployment = replace(of_template(), invocations=invocations // SCALE)
    return Flood(rate=2_000 / SCALE, seconds=60, units=NEW_TABLE / SCALE, deployment=deployment)


def test_with_as_many_processors_as_the_template_allows_no_message_comes_twice() -> None:
    """Fifty of them hold the flood back: it waits in the queue, and drains as fast as the table takes it."""
    processors = Processors(flood(TEMPLATE["Parameters"]["ProcessorConcurrency"]["Default"]))
    drained = processors.run()
    assert processors.capacity.cancelled > 1000, "the table throttles"
    assert drained.receives == {1: 2400}
    assert drained.dead == 0
    assert drained.seconds < 1.1 * 120_000 / (NEW_TABLE / 6)
    assert drained.longest < 10


def test_with_a_thousand_processors_hardly_a_message_comes_twice_and_none_is_dead() -> None:
    """Ten thousand threads ask the table at once: being throttled must not use up the five receives of a message."""
    processors = Processors(flood(TEMPLATE["Parameters"]["ProcessorConcurrency"]["MaxValue"]))
    drained = processors.run()
    assert len(processors.tables.images) == len(processors.tables.objects) == 2400
    assert drained.dead == 0
    assert drained.receives[1] > 2350
    assert drained.receives[1] + drained.receives[2] == 2400
    assert drained.longest <= of_template().timeout - 5, "it ends before Lambda ends it"


@pytest.mark.parametrize(("units", "dead"), [(0.0, 20), (1e9, 0)])
def test_the_queue_of_the_simulation_gives_up_what_never_went_through(units: float, dead: int) -> None:
    """A table that takes nothing: five receives, six minutes apart, then the dead letters."""
    drained = Processors(Flood(rate=20, seconds=1, units=units, deployment=Deployment(invocations=2))).run()
    assert (drained.dead, drained.receives.total()) == (dead, 20 - dead)


def check(met: Met) -> None:
    """Nothing is left after two deliveries, and the tables agree with each other and with the bucket."""
    assert not met.faults
    assert met.drained.left(2) == 0
    assert met.drained.longest <= of_template().timeout - 5, "it ends before Lambda ends it"


def test_a_hundred_copies_of_one_photo_at_once_are_all_in_after_two_deliveries() -> None:
    """All want one row, and the list's last record; ten are deleted meanwhile. Who loses loses few transactions."""
    crowd = Crowd()
    met = crowd.copies(100)
    check(met)
    assert {row["copies"]["N"] for row in crowd.tables.images.values()} == {"90"}
    assert met.refused["TransactionConflict"] > 100, "they did meet"
    assert met.transactions < 7 * met.messages
    assert met.reads < 10 * met.messages


def test_one_object_that_changes_fifty_times_at_once_ends_as_it_is() -> None:
    """Its events come out of order: whoever comes late looks once, and writes nothing."""
    met = Crowd().overwrites(50)
    check(met)
    assert met.transactions < 2 * met.messages


def test_sixty_copies_that_are_deleted_at_once_leave_no_row() -> None:
    """Every one has neighbours that leave, too."""
    crowd = Crowd()
    met = crowd.clearance(60)
    check(met)
    assert not crowd.tables.images
    assert met.refused["TransactionConflict"] > 60, "they did meet"
    assert met.transactions < 7 * met.messages


def test_the_benchmark_fails_if_the_tables_end_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its figures would say nothing then: here one of ten copies is not in the bucket, whatever the tables say."""
    tiny = ["--copies", "10", "--overwrites", "3", "--deleted", "3"]
    assert hot.main(tiny) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith('{"left_10": 0, "transactions_per_copy_10": ')
    meet = Crowd._meet

    def losing(crowd: Crowd) -> Met:
        crowd._happens(1.5, lambda: crowd._bucket.put("lost.jpg", b""))
        crowd._happens(1.6, lambda: (crowd._bucket.put("lost.jpg", b"x"), crowd._bucket.put("other.jpg", b""))[1])
        return meet(crowd)

    monkeypatch.setattr(Crowd, "_meet", losing)
    assert hot.main(tiny) == 1
    assert "wrong: " in capsys.readouterr().out
