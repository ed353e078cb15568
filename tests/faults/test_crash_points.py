"""Every call of every protocol meets every fault: afterwards all is as if nothing had happened."""

from importlib import import_module

import pytest

from infra.doubles import memory_store
from infra.doubles.fault_store import ANSWERS, Call, Fault, Faults
from ledger import layout
from ledger.claim import claim_key
from ledger.commit import commit
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from ledger.manifest import Targets
from ledger.publish import publish
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.world import Outcome, World
from tests.support.factories import event, insert, item, model_csv, modify, remove
from tests.support.reader import read_csv, read_root, read_rows

publishing = import_module("ledger.publish")  # the module: the package gives the function

# A store that denies what it has, or gives half of it, may rightly be called damaged. Nothing else may.
LOOKS_LIKE_DAMAGE = {Fault.MISSING, Fault.TRUNCATED}


def _run(scenario: Scenario, prepared: World, faults: Faults) -> World:
    """Tell the story with this fault, let Lambda deliver until all is done, and the schedule come."""
    with scenario.scaled():
        world = prepared.copy(faults)
        scenario.run(world, faults.backwards)
        world.sweep()
        faults.land()
        world.store.check_tree()
        key = claim_key(world.store.head(CSV_KEY))
        assert key not in world.store.objects, "a claim that nobody works on keeps the next commit's publisher away"
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


# A batch of everything, on a table whose CSV is large enough to be published by self-copy.
BEFORE = [insert(number) for number in range(60)]
BATCH = [
    modify(7, 2, sequence=101),
    remove(20, sequence=102),
    event("INSERT", item(99, ingested_at={"S": "never"}), sequence=103),  # cannot become a row
    *(insert(number, sequence=number + 100) for number in range(70, 80)),
]
CSV_BEFORE = model_csv(item(number) for number in range(60))
CSV_AFTER = model_csv([item(number, 1 + (number == 7)) for number in [*range(60), *range(70, 80)] if number != 20])


def _export(ledger: Ledger) -> None:
    """Commit the batch and publish, as two that know nothing of each other."""
    assert not commit(ledger, BATCH).unfinished
    publish(ledger)


EVERYTHING = Scenario(
    prepare=lambda world: world.deliver(BEFORE, "before"),
    run=lambda world, bisect: world.repeat("exporter", _export),
    limits=(
        (publishing, "PUT_BELOW", 4000),
        (layout, "SMALLEST_PART", 2000),
        (layout, "UPLOAD_PART", 3000),
        (memory_store, "SMALLEST_PART", 2000),
    ),
)


def _lasting(world: World) -> dict[str, bytes]:
    """Give what a run leaves without its ids: all but roots, and shards and pages that a dead run wrote."""
    kept = ("journal/", "quarantine/", "pending/", "image-data.csv")
    return {key: stored.body for key, (stored, _) in world.store.objects.items() if key.startswith(kept)}


@pytest.mark.parametrize("fault", [Fault.DIE_BEFORE, Fault.DIE_AFTER])
def test_death_between_any_two_store_calls_costs_and_doubles_nothing(fault: Fault) -> None:
    """For every call: die there, and the CSV is not torn; do it again, and not even one commit more was needed."""
    with EVERYTHING.scaled():
        prepared = World(targets=Targets(shard_bytes=1000, page_shards=4))
        EVERYTHING.prepare(prepared)
        calm = _run(EVERYTHING, prepared, Faults())
        assert read_csv(calm.store) == CSV_AFTER
        assert len(calm.faults.calls) > 20
        for call in calm.faults.calls:
            world = prepared.copy(Faults(call.number, fault))
            world.run("exporter", _export)
            assert read_csv(world.store) in (CSV_BEFORE, CSV_AFTER), f"torn at {call}"
            world.repeat("exporter", _export)
            assert read_csv(world.store) == read_rows(world.store) == CSV_AFTER
            root, wanted = read_root(world.store), read_root(calm.store)
            assert (root.version, root.tree_hash, root.checkpoint, root.removals) == (
                wanted.version,
                wanted.tree_hash,
                wanted.checkpoint,
                wanted.removals,
            )
            assert _lasting(world) == _lasting(calm)
