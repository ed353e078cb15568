"""`skyledger collect` tells what goes, and ends with a code of its own if another one is at it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from tests.support.command_line import Ran

Run = Callable[..., Ran]


@pytest.fixture
def store() -> MemoryStore:
    """A bucket in which everything is three days old."""
    return MemoryStore(lambda: datetime.now(UTC) - timedelta(days=3))


def test_what_nothing_names_goes_and_is_told(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """A dry run says that it would, and deletes nothing; whoever comes second is told to try again."""
    store.put_new(f"shards/{'0' * 64}.csv", b"nobody's", "text/csv")
    before = dict(store.objects)
    ran = skyledger("collect", "--dry-run")
    would = ran.out
    assert re.search(r"what nothing names any longer .* [1-9]\d*/\?", ran.err), "nobody knows how much there is"
    assert would.startswith("would delete ")
    assert " of shards/" in would
    assert store.objects == before
    assert skyledger("collect").out == would.replace("would delete", "deleted")
    assert f"shards/{'0' * 64}.csv" not in store.objects
    assert skyledger("collect").out.startswith("deleted nothing: 0 bytes")
    assert store.put_new("collecting.json", b"another's", "application/json")
    stored, content_type = store.objects["collecting.json"]
    store.objects["collecting.json"] = (replace(stored, modified=datetime.now(UTC)), content_type)
    ran = skyledger("collect")
    assert (ran.code, ran.out, ran.err.splitlines()[-1]) == (5, "", "another collection is at it")
