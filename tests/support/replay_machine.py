"""The replay state machine over a bucket, in this process."""

from typing import Any

from infra.doubles.memory_store import MemoryStore
from operations.replay import lambda_steps
from tests.support import state_machine
from tests.support.factories import make_ledger
from tests.support.paths import ROOT
from tests.support.state_machine import StateMachine

DEFINITION = ROOT / "infra" / "replay.asl.yaml"


def machine(store: MemoryStore, seed: int = 0, **functions: Any) -> StateMachine:
    """Make the state machine over a bucket; each function has its own ledger, as on machines of their own."""
    numbers = iter(range(100, 10**6))
    made = {
        "worker": lambda event: lambda_steps.do(make_ledger(store, next(numbers)), event),
        "finisher": lambda event: lambda_steps.end(make_ledger(store, next(numbers)), event),
        **functions,
    }
    substitutions = {"Partition": "aws", "ExportBucket": "exports", "Worker": "worker", "Finisher": "finisher"}
    return StateMachine(state_machine.load(DEFINITION, substitutions), made, store, seed)
