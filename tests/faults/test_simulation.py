"""Seeded runs of everything at once."""

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from tests.faults.seeded_run import told
from tests.faults.simulation import Simulation

# A clock, or a source of chance, that is not the run's own: a compressor is one, too (`ledger.packing`).
FOREIGN = {"now", "time", "monotonic", "perf_counter", "urandom", "getpid"}
COMPRESSOR = "isal.isal_zlib"


def test_all_is_well_whatever_the_seed(seed: int) -> None:
    """At every write the ledger is whole; in the end the CSV is the table."""
    failed, again = Simulation(seed), Simulation(seed)
    try:
        failed.run()
    except BaseException as error:
        with suppress(BaseException):
            again.run()
        print(f"once more: ./infra/test tests/faults/test_simulation.py --seed {seed}")
        print(told(error, failed.trace.steps, again.trace.steps))
        raise


@contextmanager
def _in_every_thread(profile: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)
        threading.setprofile(before)


@pytest.mark.parametrize("seed_twice", [8, 12, 13])  # of 8 a replay is a part
def test_the_same_seed_gives_the_same_run(seed_twice: int) -> None:
    """A failing seed replays exactly, on any day: each call, fault and time is the same; no other clock is read."""
    foreign: list[str] = []

    def profile(frame: FrameType, kind: str, called: Any) -> None:
        name, of = getattr(called, "__name__", ""), getattr(called, "__self__", None)
        if "hypothesis" in frame.f_code.co_filename:  # it times the garbage collector, which runs whenever it likes
            return
        compresses = name.startswith("compress") and getattr(called, "__module__", None) == COMPRESSOR
        if kind == "c_call" and (name in FOREIGN or compresses or of is random._inst):  # type: ignore[attr-defined]
            foreign.append(f"{name} in {frame.f_code.co_filename}:{frame.f_lineno}")

    first, second = Simulation(seed_twice), Simulation(seed_twice)
    first.run()
    with _in_every_thread(profile):
        second.run()
    assert len(first.trace.steps) > 20
    assert first.trace.steps == second.trace.steps
    assert foreign == []


def test_a_run_that_failed_tells_what_befell_its_objects_and_whether_only_its_seed_had_a_say() -> None:
    """Where a second run parts from it, what both did before is told, and the step of each."""
    key = f"shards/{'a' * 64}.csv.gz"
    steps = [f"{number} a put_new {key if number == 30 else number}" for number in range(100)]
    error = KeyError(f"{key}: NoSuchKey")
    same = told(error, steps, [*steps])
    assert f"what befell {key}:\n{steps[30]}\na second run was the same" in same
    assert steps[-1] in same
    assert steps[31] not in same
    other = told(error, steps, [*steps[:50], "another"])
    assert f"another from step 51 of 51 on: not only the seed has a say\n...\n{steps[45]}\n" in other
    assert other.endswith(f"{steps[49]}\nanother")
    assert f"{steps[50]}\n..." in other
    assert "from step 51 of 50" in told(error, steps, steps[:50])
