"""What a simulation plays with, drawn from its seed."""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from infra.doubles.fault_store import Fault
from ledger.manifest import Targets
from tests.faults.limits import SMALL_PARTS, SMALL_SLICES, scaled


@dataclass(frozen=True)
class Settings:
    """What a seed plays with."""

    writes: int
    images: int
    targets: Targets
    shards: int
    pause: float
    batch: int
    bisect: bool
    splits: int
    tries: int
    fault_rate: float
    faults: frozenset[Fault]
    stall_rate: float
    echo_rate: float
    small_parts: bool
    small_slices: bool
    jump_hours: Sequence[float]
    replays: int
    collectors: int
    publishers: int

    @classmethod
    def drawn(cls, chance: random.Random) -> "Settings":
        """Draw the settings."""
        risky = chance.random() < 0.3
        return cls(
            writes=chance.choice([20, 40, 80]),
            images=chance.choice([2, 8, 20]),
            targets=Targets(chance.choice([1, 400, 900, 5000]), chance.choice([1, 2, 3, 50])),
            shards=chance.choice([1, 2, 4, 8]),
            pause=chance.choice([0.01, 0.2, 10.0]),
            batch=chance.choice([1, 3, 10]),
            bisect=chance.random() < 0.5,
            splits=chance.choice([0, 0, 1, 2]),
            tries=chance.choice([4, 50]),
            fault_rate=chance.choice([0.0, 0.01, 0.04, 0.1]),
            faults=frozenset(Fault) - (frozenset() if risky else {Fault.MISSING, Fault.TRUNCATED}),
            stall_rate=chance.choice([0.0, 0.01, 0.05]),
            echo_rate=chance.choice([0.0, 0.2, 0.6]),
            small_parts=chance.random() < 0.4,
            small_slices=chance.random() < 0.3,
            jump_hours=chance.choice([(), (1, 27), (27, 30), (13, 13, 13), (30, 60), (60, 60)]),
            replays=chance.choice([0, 0, 0, 1]),
            collectors=chance.choice([0, 1, 1]),
            publishers=chance.choice([0, 1]),
        )

    def scaled(self) -> ExitStack:
        """Put scaled down limits in force."""
        return scaled([*SMALL_PARTS * self.small_parts, *SMALL_SLICES * self.small_slices])
