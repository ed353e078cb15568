"""A new table and the first minute of a flood: 2,000 photos a second, of which it takes the rows of 666.

Photos, invocations and what a table takes are a fiftieth of the real ones, so that their ratios are the same.
"""

from dataclasses import replace

import pytest

from infra.doubles.capacity import NEW_TABLE
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
