"""`skyledger forget` shows what it finds, asks, and ends with a code that scripts can rest on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.keys import FORGETTING_KEY, FORGOTTEN
from operations.cli import deployment
from tests.support.command_line import Ran
from tests.support.factories import event, insert
from tests.support.forgotten_person import ETAG, Clock, lived_and_died, open_ledger, person, places_with_values
from tests.support.store_calls import WatchedStore, first

Run = Callable[..., Ran]


@pytest.fixture
def clock() -> Clock:
    """The time of the bucket."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    """A bucket in which a photo that was removed stands in every place, two days later."""
    store = lived_and_died(clock)
    clock.later(hours=36)
    return store


def test_a_dry_run_shows_all_places_and_changes_nothing(skyledger: Run, store: MemoryStore) -> None:
    """It ends with 1 while something is there, so it is a check as well."""
    before = dict(store.objects)
    ran = skyledger("forget", ETAG, "--dry-run")
    assert ran.code == 1
    assert [line.split()[-1] for line in ran.out.splitlines() if line.startswith("journal")] == ["8"]
    told = skyledger("forget", f'"{ETAG}"', "--dry-run", "--json").json
    assert len(told["found"]["journal"]) == 8
    assert told["still_there"] == []
    assert any("35 days" in one["until"] for one in told["stays"])
    assert store.objects == before


def test_forgotten_means_that_a_dry_run_finds_nothing(skyledger: Run, store: MemoryStore, tmp_path: Path) -> None:
    """And what an interrupted replay left on this machine is gone."""
    folders = [tmp_path / "cache" / "skyledger" / "exports" / name for name in ("replay", "verify", "backfill")]
    for folder in folders:
        (folder / "ranges").mkdir(parents=True)
        (folder / "ranges" / "x").write_text("Zoe")
    ran = skyledger("forget", ETAG, "--yes")
    assert ran.code == 0
    assert "searched again: nothing is found" in ran.out
    assert "publishing image-data.csv" in ran.err
    assert "35 days" in ran.out
    assert not [left for folder in folders for left in folder.rglob("*")]
    assert "->" not in ran.out
    assert [*places_with_values(store)] == []
    assert skyledger("forget", ETAG, "--dry-run").code == 0
    told = skyledger("forget", ETAG, "--yes", "--json").json
    assert told["finished"] == (not told["again_after"])
    assert told["proof"] in store.objects
    assert told["proof"].startswith(FORGOTTEN)


def test_a_photo_that_is_still_there_is_named(skyledger: Run, store: MemoryStore) -> None:
    """Delete it first: 5. One that nobody knows, and what is no ETag: 2."""
    ran = skyledger("forget", ETAG, f"{8:032x}", "--yes")
    assert (ran.code, "not gone yet" in ran.err, f"-> {8:032x} is not gone yet" in ran.out) == (5, True, True)
    ran = skyledger("forget", "77", "--yes")
    assert (ran.code, "no event is about 77" in ran.err, "-> no event is about 77\n" in ran.out) == (2, True, True)
    assert skyledger("forget", "site/7.jpg,", "--yes").code == 2
    assert skyledger("forget", ETAG, "--json").code == 2


def test_what_is_left_to_do_is_told(skyledger: Run, store: MemoryStore, clock: Clock) -> None:
    """What was written meanwhile: 1, and run it again. The stream may still bring something: 0, and from when on."""
    store.put_new("mine/notes.txt", b"", "text/plain")
    watched = WatchedStore(store)
    late = [event("INSERT", person(), sequence=8, seconds=1), insert(8), insert(9)]
    watched.on("delete_if_match", FORGETTING_KEY, first(lambda: commit(open_ledger(store, clock, 3), late)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployment, "open_bucket", lambda bucket, arguments: watched)
        ran = skyledger("forget", ETAG, "--yes")
    assert ran.code == 1
    assert "-> not Skyledger's, and not searched: mine/\n" in ran.out
    assert "searched again: 1 objects were written meanwhile\n-> run it again\n" in ran.out
    commit(open_ledger(store, clock, 4), [event("REMOVE", old=person(3), sequence=41, seconds=180_000)])
    ran = skyledger("forget", ETAG, "--yes")
    assert ran.code == 0
    assert "nothing is found\n-> run it again after 2026-11-28T11:00:00Z, when the stream has forgotten\n" in ran.out
