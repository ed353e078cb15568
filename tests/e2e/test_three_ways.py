"""Three ways, one hash: live tree, replay of the journal, replay on many machines, and a table export.

`--history 200000` runs it at the size of a real survey; by default it is as many events as fit into some seconds.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.doubles.export_files import write_full_export
from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets
from ledger.row import header
from operations.rebuild import plan, steps
from operations.rebuild.scratch import FolderScratch
from operations.replay import lambda_steps
from operations.replay.local import Wishes, replay
from operations.table_export.files import read_export
from operations.verify.ledger import check_tree
from operations.verify.table import compare_with_export
from tests.support import state_machine
from tests.support.factories import START, make_ledger, model_csv
from tests.support.histories import History, deliver, history
from tests.support.paths import ROOT
from tests.support.reader import read_root, read_rows, read_tree

TARGETS = Targets(16 << 10, 50)


@dataclass
class World:
    """A table's life, and a bucket to which exporters brought it."""

    made: History
    store: MemoryStore
    ledger: Ledger
    end: datetime

    @property
    def root(self) -> Root:
        """The live root."""
        return read_root(self.store)


@pytest.fixture(scope="module")
def world(pytestconfig: pytest.Config) -> World:
    """Events of some days, delivered in batches, some of them twice."""
    count: int = pytestconfig.getoption("--history")
    made = history(42, count, seconds=172_800 / count)
    store = MemoryStore()
    ledger = make_ledger(store, targets=TARGETS)
    deliver(ledger, made, size=500)
    last = made.events[-1]["dynamodb"]["ApproximateCreationDateTime"]
    return World(made, store, ledger, datetime.fromtimestamp(last, START.tzinfo))


@pytest.fixture
def _in_pieces(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the work into some ten pieces, whatever its size."""
    count: int = pytestconfig.getoption("--history")
    monkeypatch.setattr(plan, "CHUNK_BYTES", count * 3)
    monkeypatch.setattr(plan, "RANGE_BYTES", count * 2)
    monkeypatch.setattr(steps, "BUFFER_BYTES", count * 50)


def test_the_live_tree_is_the_sorted_final_items(world: World) -> None:
    """And every object of it is as it should be."""
    assert read_rows(world.store) == model_csv(world.made.items.values())
    assert check_tree(world.ledger, world.root).good


@pytest.mark.usefixtures("_in_pieces")
def test_a_replay_gives_the_same_hash(world: World, tmp_path: Path) -> None:
    """From the journal alone."""
    done = replay(world.ledger, FolderScratch(tmp_path / "scratch"), Wishes(keep="nothing"))
    assert done.root.tree_hash == world.root.tree_hash
    assert done.journal.events >= len(world.made.events)
    assert done.plan.chunks > 2
    assert done.plan.ranges > 2


@pytest.mark.usefixtures("_in_pieces")
def test_a_replay_on_many_machines_gives_the_same_hash(world: World) -> None:
    """The state machine that the template deploys, its children in any order and some of them twice."""
    definition = ROOT / "infra" / "replay.asl.yaml"
    names = {"Partition": "aws", "ExportBucket": "exports", "Worker": "worker", "Finisher": "finisher"}
    functions = {
        "worker": lambda event: lambda_steps.do(make_ledger(world.store), event),
        "finisher": lambda event: lambda_steps.end(make_ledger(world.store), event),
    }
    machine = state_machine.StateMachine(state_machine.load(definition, names), functions, world.store, seed=1)
    result = machine.run("three-ways", {})
    assert (result["tree"], result["same"]) == (world.root.tree_hash, True)
    assert machine.children > 2


def test_an_export_of_the_table_gives_the_same_hash(world: World, tmp_path: Path) -> None:
    """From the items alone."""
    key = write_full_export(world.store, world.made.items.values(), world.end + timedelta(hours=1), files=7)
    export = read_export(world.store, key)
    found = compare_with_export(world.ledger, world.store, export, world.root, FolderScratch(tmp_path / "scratch"))
    assert found.good
    assert found.checked["table"] == found.checked["tree"] == world.root.tree_hash


def test_at_twenty_random_times_a_replay_is_the_table_of_that_time(world: World, tmp_path: Path) -> None:
    """A plain model of the table says what it was."""
    chance = random.Random(20)
    for number in range(20):
        seconds = chance.randrange(int((world.end - START).total_seconds()) + 1)
        until = (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        scratch = FolderScratch(tmp_path / str(number))
        root = replay(world.ledger, scratch, Wishes(until=until)).root
        assert header(root.columns) + read_tree(world.store, root.rows) == model_csv(world.made.items_at(seconds))
        scratch.clear()
