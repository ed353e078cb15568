"""A rebuilt tree is swapped in while exporters commit and publish."""

import threading
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.keys import is_swapped_in
from ledger.manifest import Targets
from ledger.publish import publish
from operations.live.swap import swap
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import FolderScratch
from operations.replay.local import Wishes, replay
from tests.support.factories import make_ledger, model_csv
from tests.support.histories import batches, history
from tests.support.reader import read_csv, read_root, read_rows

COLUMNS = (*NAMES[:9], "description", "title")


@pytest.mark.parametrize("chances", range(6))
def test_a_swap_under_load_loses_nothing(chances: int, store: MemoryStore, tmp_path: Path) -> None:
    """Three exporters commit and publish while a tree with other columns is rebuilt and swapped in.

    They go on under the old schema until the swap and under the new one after it; in the end the CSV is the table.
    """
    made = history(chances, 600, images=80)
    ledger = make_ledger(store, chances, Targets(1500, 4))
    half = len(made.events) // 2
    for batch in batches(chances, made.events[:half]):
        commit(ledger, batch)
    # One image's records go to one exporter, in order, as a stream shard's do.
    queues: list[list[dict[str, Any]]] = [[], [], []]
    for one in made.events[half:]:
        queues[int(one["dynamodb"]["Keys"]["etag"]["S"], 16) % 3].append(one)
    columns_seen: set[int] = set()
    errors: list[BaseException] = []
    swapped = threading.Event()

    def export(number: int) -> None:
        exporter = make_ledger(store, chances * 10 + number)
        try:
            for batch in batches(number, queues[number], size=4):
                report = commit(exporter, batch)
                columns_seen.add(len(report.root.columns))
                publish(exporter)
            swapped.wait()
            commit(exporter, queues[number][-1:])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=export, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    operator = make_ledger(store, chances + 1000)
    try:
        scratch = FolderScratch(tmp_path)
        rebuilt = replay(operator, scratch, Wishes(columns=COLUMNS))
        done = swap(operator, rebuilt.root, lambda: listed_segments(scratch, rebuilt.plan))
    finally:
        swapped.set()
        for thread in threads:
            thread.join()
    assert errors == []
    publish(ledger)
    expected = model_csv(made.items.values(), COLUMNS)
    assert read_rows(store) == expected
    assert read_csv(store) == expected
    assert read_root(store).version > done.replaced
    assert is_swapped_in(done.root.copy_key), "collection keeps what it names for its readers"
    assert len(COLUMNS) in columns_seen | {len(done.root.columns)}
