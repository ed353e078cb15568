"""Work that takes long says how far it is, in as much memory as it is meant for."""

from functools import partial
from pathlib import Path
from queue import SimpleQueue
from unittest import mock

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.keys import CSV_KEY
from ledger.publish import publish
from ledger.store import ByteRange
from operations import progress
from operations.live import publishing
from operations.live.publishing import publish_watched, watched
from tests.faults.limits import SMALL_PARTS, scaled
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.reader import read_csv
from tests.support.store_calls import WatchedStore


def test_items_are_given_on_and_counted_a_thousand_times_in_all() -> None:
    """By what they weigh; a total that was too small an estimate is never passed."""
    told: list[tuple[str, int, int]] = []
    items = [*range(5000)]
    given = progress.counted(items, "step", 10_000, lambda *one: told.append(one), lambda item: 2)
    assert [*given] == items
    assert (len(told), told[0], told[-1]) == (1000, ("step", 10, 10_000), ("step", 10_000, 10_000))
    told.clear()
    assert [*progress.counted("abc", "step", 2, lambda *one: told.append(one))] == ["a", "b", "c"]
    assert [done for _, done, _ in told] == [1, 2, 2]


def test_what_a_library_writes_is_told_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes; a file that it deletes meanwhile was written all the same, and nobody knows how many will come."""
    monkeypatch.setattr(progress, "_LOOK_SECONDS", 0.001)
    (tmp_path / "before").write_bytes(bytes(1000))
    told: SimpleQueue[tuple[str, int, int]] = SimpleQueue()

    def written(size: int) -> tuple[str, int, int]:
        while (one := told.get(timeout=60))[1] < size:
            pass
        return one

    with progress.watching_folder(tmp_path, "packing", lambda *one: told.put(one)):
        (tmp_path / "rows").write_bytes(bytes(30))
        assert written(1) == ("packing", 30, 0)
        (tmp_path / "rows").unlink()
        (tmp_path / "packed").write_bytes(bytes(5))
        assert written(31) == ("packing", 35, 0)
        with (tmp_path / "packed").open("ab") as file:
            file.write(bytes(2))
    while not told.empty():
        last = told.get()
    assert last == ("packing", 37, 37)


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 2), (64, 2)])
def test_a_rebuild_takes_no_more_processes_than_memory_is_meant_for(
    cores: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many cores the machine has."""
    monkeypatch.setattr(progress, "cores", lambda: cores)
    assert progress.processes() == processes


def test_a_publish_tells_what_was_uploaded_and_copied() -> None:
    """Of the whole CSV; what has to be done again does not go beyond it; and that it is being put together."""
    store = MemoryStore()
    ledger = make_ledger(store)
    commit(ledger, [insert(number) for number in range(20)])
    root, _ = ledger.load_root()
    told: list[int] = []
    there = watched(ledger, root, lambda step, done, total: told.append(total - done))
    size = told[0]
    store.put_new("source", bytes(6 << 20), "text/csv")
    etag = store.head("source").etag
    upload = there.store.start_upload("copy", "text/csv", {})
    tags = [
        there.store.copy_part("copy", upload, 1, ByteRange("source", etag, 0, 9)),
        there.store.upload_part("copy", upload, 2, b"x" * 10),
        there.store.upload_part("copy", upload, 2, b"x" * size),
    ]
    assert (len({*tags}), told) == (3, [size, size - 10, size - 20, 0])
    told.clear()
    whole = [
        there.store.upload_part("copy", upload, 1, bytes(6 << 20)),
        there.store.upload_part("copy", upload, 2, b"x"),
    ]
    there.store.finish_upload("copy", upload, whole, None)
    assert told[-2:] == [1, 0], "begun, and done"
    assert there.load_root()[0] == root


def test_a_csv_that_somebody_waits_for_is_copied_in_small_parts() -> None:
    """S3 says nothing while it copies; and one that nobody waits for takes as few requests as before."""
    copies, told = [], []
    watch = partial(publish_watched, progress=lambda *step: told.append(step))
    for do in (watch, lambda ledger: publish(ledger), publish_watched):
        store = MemoryStore()
        with scaled(SMALL_PARTS), mock.patch.object(publishing, "WATCHED_COPY", 800):
            commit(make_ledger(store), [insert(number) for number in range(30)])
            publish(make_ledger(store))
            commit(make_ledger(store), [insert(30)])
            calls = WatchedStore(store)
            do(make_ledger(calls))  # type: ignore[arg-type]
        assert read_csv(store) == model_csv([item(number) for number in range(31)])
        copies.append(calls.verbs(CSV_KEY).count("copy_part"))
    size = len(model_csv([item(number) for number in range(30)]))
    assert copies[0] >= size // 800 > copies[1] > 0
    assert copies[2] == copies[1], "told to nobody, as in a function"
    whole = len(read_csv(store))
    assert told[-1] == ("publishing image-data.csv", whole, whole)
    assert len({done for step, done, _ in told if step == told[-1][0]}) > copies[0]
