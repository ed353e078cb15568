"""Every call of every protocol meets every fault: afterwards all is as if nothing had happened."""

import pytest

from faults.scenarios import SCENARIOS, Scenario
from faults.world import Outcome, World
from infra.local.fault_store import ANSWERS, Call, Fault, Faults

COUNTED: dict[str, int] = {}


def _run(scenario: Scenario, at: int = 0, fault: Fault = Fault.DIE_BEFORE, backwards: bool = False) -> World:
    """Prepare, tell the story with this fault, and let Lambda deliver until all is done."""
    with scenario.scaled():
        world = World(Faults(backwards=backwards))
        scenario.prepare(world)
        world.faults.calls.clear()
        world.faults.at, world.faults.fault = at, fault
        scenario.run(world, backwards)
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
def test_a_fault_at_any_call_leaves_what_the_run_without_faults_leaves(name: str) -> None:
    """For each call and each fault: tree, CSV, removals, checkpoint, journal and quarantine are the same bytes."""
    scenario = SCENARIOS[name]
    cases = 0
    for backwards in (False, True):
        whole = _run(scenario, backwards=backwards)
        calls, expected = [*whole.faults.calls], _without_count(whole.outcome(), scenario)
        at = 0
        while at < len(calls):
            at += 1
            for fault in faults_of(calls[at - 1]):
                case = f"{name}: {fault} at call {calls[at - 1]}{', backwards' * backwards}"
                try:
                    world = _run(scenario, at, fault, backwards)
                    found = _without_count(world.outcome(), scenario)
                except Exception as error:
                    raise AssertionError(case) from error
                assert world.faults.fired, case
                for field in Outcome.__match_args__:
                    assert getattr(found, field) == getattr(expected, field), f"{case}: {field}"
                cases += 1
    COUNTED[name] = cases
    assert cases > 100


def test_the_matrix_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """The number of cases is printed, to be quoted."""
    with capsys.disabled():
        print(f"\ncrash points: {sum(COUNTED.values())} cases in {len(COUNTED)} scenarios")
