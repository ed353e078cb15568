"""Every call of every protocol meets every fault: afterwards all is as if nothing had happened."""

import pytest

from infra.doubles.fault_store import ANSWERS, Call, Fault, Faults
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.world import Outcome, World

# A store that denies what it has, or gives half of it, may rightly be called damaged. Nothing else may.
LOOKS_LIKE_DAMAGE = {Fault.MISSING, Fault.TRUNCATED}


def _run(scenario: Scenario, prepared: World, faults: Faults) -> World:
    """Tell the story with this fault, and let Lambda deliver until all is done."""
    with scenario.scaled():
        world = prepared.copy(faults)
        scenario.run(world, faults.backwards)
        faults.land()
        world.store.check_tree()
        return world


def faults_of(call: Call) -> list[Fault]:
    """Say what may happen at a call.

    A create-only write may be told that its object exists although a moment later it does not (a collection took it);
    but nobody collects what stands in the journal or the quarantine.
    """
    kept = call.verb == "put_new" and call.key.startswith(("journal/", "quarantine/"))
    return [fault for fault in ANSWERS[call.verb] if not (kept and fault is Fault.PRECONDITION)]


def _without_count(outcome: Outcome, scenario: Scenario) -> Outcome:
    if scenario.ordered:
        return outcome
    checkpoint = type(outcome.checkpoint)(0, outcome.checkpoint.newest_event, outcome.checkpoint.streams)
    return Outcome(**{name: getattr(outcome, name) for name in Outcome.__match_args__} | {"checkpoint": checkpoint})


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_call_leaves_what_the_run_without_faults_leaves(name: str, matrix: dict[str, int]) -> None:
    """For each call and each fault: tree, CSV, removals, checkpoint, journal and quarantine are the same bytes."""
    scenario = SCENARIOS[name]
    prepared = World()
    with scenario.scaled():
        scenario.prepare(prepared)
    cases = 0
    for backwards in (False, True):
        whole = _run(scenario, prepared, Faults(backwards=backwards))
        expected = _without_count(whole.outcome(), scenario)
        for call in whole.faults.calls:
            for fault in faults_of(call):
                case = f"{name}: {fault} at call {call}{', backwards' * backwards}"
                try:
                    world = _run(scenario, prepared, Faults(call.number, fault, backwards))
                    found = _without_count(world.outcome(), scenario)
                except Exception as error:
                    raise AssertionError(case) from error
                assert world.faults.fired, case
                assert not world.alarms or fault in LOOKS_LIKE_DAMAGE, f"{case}: a false alarm: {world.alarms}"
                for field in Outcome.__match_args__:
                    assert getattr(found, field) == getattr(expected, field), f"{case}: {field}"
                cases += 1
    matrix[name] = cases
    assert cases > 100
