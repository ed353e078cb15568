"""Scratch holds what a rebuild still needs, and asks for its room."""

from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import Targets
from operations.rebuild import scratch as scratch_module
from operations.rebuild.scratch import FolderScratch, StoreScratch
from operations.replay.local import Wishes, replay
from tests.support.factories import insert


def silent(line: str) -> None:
    """Tell nobody."""


@pytest.mark.parametrize("targets", [None, Targets(700, 3)])
def test_what_a_rebuild_is_done_with_is_dropped(ledger: Ledger, tmp_path: Path, targets: Targets | None) -> None:
    """Runs go when their range is reduced; a shard that the live tree has is read there, and not made again."""
    for start in range(0, 400, 100):
        commit(ledger, [insert(number) for number in range(start, start + 100)])
    scratch = FolderScratch(tmp_path / "scratch")
    rebuilt = replay(ledger, scratch, Wishes(keep="scratch", targets=targets))
    assert scratch.names("ranges") == []
    live = ledger.load_root()[0]
    assert (rebuilt.root.tree_hash == live.tree_hash) == (targets is None)
    made = {name.rpartition("/")[2].partition(".")[0] for name, _ in scratch.names("objects/shards")}
    shared = {one.sha256 for shards in ledger.objects.pages(live.rows.pages).values() for one in shards}
    assert len(made & shared) <= 2, "those at the ends of the one range"
    assert (len(made) > 2) == (targets is not None)
    assert replay(ledger, scratch, Wishes(keep="scratch", targets=targets)).root == rebuilt.root, "it is done already"


def test_a_rebuild_that_goes_on_asks_only_for_what_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a disk that has room for it would be too small the second time."""
    asked: list[int] = []
    monkeypatch.setattr(scratch_module, "make_room", lambda folder, needed, report: asked.append(needed))
    scratch = FolderScratch(tmp_path / "scratch")
    scratch.reserve(100, silent)
    scratch.write("runs/1", b"x" * 30)
    scratch.reserve(100, silent)
    scratch.write("runs/2", b"x" * 90)
    scratch.reserve(100, silent)
    assert asked == [100, 70, 0]


def test_scratch_in_the_bucket_costs_no_request_to_reserve_or_drop() -> None:
    """It has room, and goes with the rest after a week."""
    store = MemoryStore()
    scratch = StoreScratch(store, "replay/x/")
    scratch.write("ranges/1", b"x")
    scratch.reserve(1 << 60, silent)
    scratch.drop("ranges")
    assert scratch.read("ranges/1") == b"x"
