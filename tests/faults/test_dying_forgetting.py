"""Forgetting that dies at any change of the bucket, and is run again."""

from contextlib import suppress

from infra.doubles.fault_store import Died, Fault, Faults, FaultStore
from infra.doubles.memory_store import MemoryStore
from ledger.errors import LedgerError
from ledger.keys import JOURNAL
from tests.support.forgotten_person import Clock, forget_person, lived_and_died, places_with_values, replayed
from tests.support.reader import read_root

CHANGES = {"put_new", "put_if_match", "delete_if_match", "delete", "start_upload", "finish_upload"}
FAULTS = (Fault.DIE_BEFORE, Fault.ANSWER_LOST)  # dying after a change is dying before the next one


def _journal(store: MemoryStore) -> set[str]:
    return {key for key in store.objects if key.startswith(JOURNAL)}


def test_a_run_that_dies_anywhere_is_run_again() -> None:
    """At each change of the bucket: a replay has no row in between, and the next run leaves what a calm one leaves."""
    clock, calm = Clock(), Faults()
    whole = lived_and_died(clock)
    forget_person(FaultStore(whole, calm), clock)
    changes = [call for call in calm.calls if call.verb in CHANGES]
    assert len(changes) > 30
    for call in changes:
        for fault in FAULTS:
            case, store = f"{fault} at {call}", lived_and_died(clock)
            faults = Faults(call.number, fault)
            with suppress(Died, LedgerError):
                forget_person(FaultStore(store, faults), clock)
            assert faults.fired, case
            assert replayed(store, clock)[2] == read_root(store).tree_hash, case
            forget_person(store, clock)
            assert [*places_with_values(store)] == [], case
            assert (_journal(store), read_root(store)) == (_journal(whole), read_root(whole)), case
