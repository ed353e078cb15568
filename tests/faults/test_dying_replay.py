"""A replay that dies at any write goes on where it was."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from operations.rebuild import steps
from operations.rebuild.scratch import FolderScratch
from operations.replay.local import Wishes, replay
from tests.support.factories import insert, make_ledger
from tests.support.histories import deliver, history
from tests.support.small_pieces import cut_small


class _Dies(Exception):
    pass


@cache
def _life() -> dict[str, Any]:
    store = MemoryStore()
    deliver(make_ledger(store), history(4, 250))
    return store.objects


def _lived() -> MemoryStore:
    """Give a bucket of its own in which a history was journaled and merged."""
    store = MemoryStore()
    store.objects = dict(_life())
    return store


@pytest.mark.parametrize("dies_at", [*range(0, 70, 23), "mapped/", "/done"])
def test_a_replay_that_died_goes_on_where_it_was(
    dies_at: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write to scratch was the last: the next run ends with the same tree and repeats no finished step.

    So too if it was the mark that a step is done: then all that the step leaves is there.
    """
    ledger = make_ledger(_lived())
    writes = 0
    real = FolderScratch.write

    def write(self: FolderScratch, name: str, body: bytes) -> None:
        nonlocal writes
        writes += 1
        if isinstance(dies_at, int) and writes > dies_at:
            raise _Dies
        real(self, name, body)
        if isinstance(dies_at, str) and dies_at in name:
            raise _Dies

    cut_small(monkeypatch)
    if dies_at == "mapped/":
        monkeypatch.setattr(steps, "BUFFER_BYTES", 1 << 20)  # a chunk's statements are all written at its end
    monkeypatch.setattr(FolderScratch, "write", write)
    with pytest.raises(_Dies):
        replay(ledger, FolderScratch(tmp_path / "scratch"), Wishes())
    monkeypatch.setattr(FolderScratch, "write", real)
    commit(ledger, [insert(10**6)])  # later segments are for the swap to catch up with
    mapped = len(FolderScratch(tmp_path / "scratch").names("mapped"))
    had_plan = (tmp_path / "scratch" / "plan.json").exists()
    replayed = replay(ledger, FolderScratch(tmp_path / "scratch"), Wishes())
    assert replayed.resumed == (mapped if had_plan else 0)
    expected = make_ledger(_lived())
    if not had_plan:
        commit(expected, [insert(10**6)])
    assert replayed.root.tree_hash == expected.load_root()[0].tree_hash
    monkeypatch.setattr(FolderScratch, "write", None)
    assert replay(ledger, FolderScratch(tmp_path / "scratch"), Wishes()).root == replayed.root, "nothing is left to do"
