"""A large CSV on a real S3 server: ranges copied inside it, what changed uploaded beside them, through S3Store."""

from threading import Barrier

import pytest

from infra.local.seaweed import SeaweedFS
from ledger import Ledger, commit, publish
from ledger.keys import CSV_KEY
from ledger.publish import PUT_BELOW
from ledger.store import Store
from tests.support.factories import insert, item, model_csv, modify
from tests.support.store_calls import WatchedStore, first
from tests.support.store_kinds import Kind

ROWS = 60
WIDE = {"exif": {"S": '{"a": "' + "x" * 300_000 + '"}'}}  # a CSV of 18 MB


@pytest.fixture
def store(seaweed: SeaweedFS) -> Store:
    return Kind("seaweed", seaweed.client(), seaweed.credentials).new()


def test_a_large_csv_is_made_anew_by_copies_and_uploads_at_the_same_time(store: Store) -> None:
    """Twice: from the shards, then from itself, each kind of part waiting until the other is in flight."""
    watched = WatchedStore(store)
    ledger = Ledger(watched, makes_first_root=True)  # type: ignore[arg-type]
    commit(ledger, [insert(number, **WIDE) for number in range(ROWS)])
    rebuilt = publish(ledger)
    assert (rebuilt.rebuilt, rebuilt.copied) == (True, 0)
    assert rebuilt.uploaded > PUT_BELOW
    commit(ledger, [modify(ROWS // 2, 2, **WIDE), insert(ROWS, **WIDE)])
    meet = Barrier(2, timeout=20.0)
    for verb in ("upload_part", "copy_part"):
        watched.on(verb, CSV_KEY, first(meet.wait))
    done = publish(ledger)
    assert (done.written, done.rebuilt) == (True, False)
    assert done.uploaded > 0
    assert done.copied > done.uploaded / 2
    stored = store.get(CSV_KEY)
    revisions = {ROWS // 2: 2}
    assert stored.body == model_csv(item(number, revisions.get(number, 1), **WIDE) for number in range(ROWS + 1))
    assert len(stored.body) == done.copied + done.uploaded
