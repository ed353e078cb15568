"""Lists of shards: each names the shards of one root, whole, and never those of an older one than it named before."""

import gzip
import json

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger import shard_list
from ledger.commit import commit
from ledger.errors import Unknown
from ledger.keys import COPY_MANIFEST_KEY, ENGINES, ROOT_KEY, SYMLINKS_KEY
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets
from ledger.row import header
from ledger.shard_list import LISTS, RENEWING_SECONDS, put_list, renew_lists, shards_of
from tests.support.factories import insert, item, make_ledger, model_csv, modify
from tests.support.reader import read_root, read_rows
from tests.support.store_calls import Do, WatchedStore, first, land_and_lose

ROWS = 40
BUCKET = "exports"


@pytest.fixture
def ledger(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """One that cuts small pages, too, more than are read at once."""
    monkeypatch.setattr(shard_list, "PAGES_AT_ONCE", 2)
    return make_ledger(store, targets=Targets(shard_bytes=400, page_shards=2))


def make(ledger: Ledger) -> Root:
    """Let there be both lists, of a ledger with some pages."""
    root = commit(ledger, [insert(number) for number in range(ROWS)]).root
    shards = list(shards_of(ledger, root))
    assert len(root.rows.pages) > shard_list.PAGES_AT_ONCE
    assert all(put_list(ledger, root, shards, key, BUCKET, None) for key in LISTS)
    return root


def read(store: MemoryStore, root: Root, key: str = SYMLINKS_KEY) -> bytes:
    """Read the CSV by a list, as an engine does: the list once, then what it names."""
    body = store.get(key).body
    addresses = body.decode().split() if key == SYMLINKS_KEY else [one["url"] for one in json.loads(body)["entries"]]
    names = [address.removeprefix(f"s3://{BUCKET}/") for address in addresses]
    return header(root.columns) + b"".join(gzip.decompress(store.get(name).body) for name in names)


def test_each_list_is_one_version_and_is_renewed_when_the_root_is_another(store: MemoryStore, ledger: Ledger) -> None:
    """Whole, in the order of the rows; and only when there is something to say, since each renewal is paid for."""
    root = make(ledger)
    for key in LISTS:
        assert read(store, root, key) == read_rows(store)
    assert renew_lists(ledger) == 0
    commit(ledger, [modify(3, 2), insert(ROWS)])
    watched = WatchedStore(store)
    assert renew_lists(make_ledger(watched, 2)) == 2  # type: ignore[arg-type]
    for key in LISTS:
        assert read(store, root, key) == model_csv(item(number, 2 if number == 3 else 1) for number in range(ROWS + 1))
        assert store.get(key).metadata["version"] == "2"
    assert watched.verbs(ENGINES) == ["head", "head", "put_if_match", "put_if_match"]
    assert read_root(store).name == store.get(SYMLINKS_KEY).metadata["root"], "collection keeps what it names"


def test_no_list_is_made_that_nobody_has_asked_for(store: MemoryStore, ledger: Ledger) -> None:
    """It costs two looks; and where one of the two was deleted, the other alone is renewed."""
    commit(ledger, [insert(0)])
    watched = WatchedStore(store)
    assert renew_lists(make_ledger(watched, 2)) == 0  # type: ignore[arg-type]
    assert watched.calls == [("head", key) for key in LISTS]
    make(ledger)
    store.delete([COPY_MANIFEST_KEY])
    commit(ledger, [insert(ROWS)])
    assert renew_lists(ledger) == 1
    assert COPY_MANIFEST_KEY not in store.objects


@pytest.mark.parametrize("moment", [("get", ROOT_KEY), ("put_if_match", SYMLINKS_KEY)])
def test_a_list_never_goes_back_to_an_older_version(
    moment: tuple[str, str], store: MemoryStore, ledger: Ledger
) -> None:
    """Somebody renews it while we have seen an older root, or are about to read it: his stands."""
    make(ledger)
    commit(ledger, [insert(ROWS)])
    watched, other = WatchedStore(store), make_ledger(store, 3)

    def rival() -> None:
        commit(other, [insert(ROWS + 1)])
        assert renew_lists(other) == 2

    def afterwards(proceed) -> object:  # type: ignore[no-untyped-def]
        answer = proceed()
        rival()
        return answer

    do: Do = afterwards if moment[0] == "get" else first(rival)
    watched.on(*moment, do)
    assert renew_lists(make_ledger(watched, 2)) in (0, 1)  # type: ignore[arg-type]
    root = read_root(store)
    assert root.version == 3
    assert {store.get(key).metadata["root"] for key in LISTS} == {root.name}
    assert read(store, root) == read_rows(store)


def test_a_list_that_is_deleted_meanwhile_stays_deleted(store: MemoryStore, ledger: Ledger) -> None:
    """That is how somebody who wants none any longer says so."""
    make(ledger)
    commit(ledger, [insert(ROWS)])
    watched = WatchedStore(store)
    watched.on("put_if_match", SYMLINKS_KEY, first(lambda: store.delete([SYMLINKS_KEY])))
    assert renew_lists(make_ledger(watched, 2)) == 1  # type: ignore[arg-type]
    assert SYMLINKS_KEY not in store.objects


def test_an_answer_that_was_lost_is_left_to_the_next_run(store: MemoryStore, ledger: Ledger) -> None:
    """It may have landed: the next look tells, a minute later."""
    make(ledger)
    commit(ledger, [insert(ROWS)])
    watched = WatchedStore(store)
    watched.on("put_if_match", SYMLINKS_KEY, land_and_lose(Unknown("no answer")))
    assert renew_lists(make_ledger(watched, 2)) == 1  # type: ignore[arg-type]
    assert renew_lists(ledger) == 0


@pytest.mark.parametrize(("left", "renewed"), [(RENEWING_SECONDS - 1, 0), (RENEWING_SECONDS, 2), (None, 2)])
def test_what_there_is_no_time_for_is_left_to_the_next_run(left: float | None, renewed: int, ledger: Ledger) -> None:
    """Killed half-way, an invocation would count as one that failed."""
    make(ledger)
    commit(ledger, [insert(ROWS)])
    assert renew_lists(ledger, lambda: left) == renewed


def test_lists_are_written_as_their_readers_want_them(store: MemoryStore, ledger: Ledger) -> None:
    """Hive takes each line for a path, and an empty one for an error; COPY passes over what is not `mandatory`."""
    root = make(ledger)
    shards = list(shards_of(ledger, root))
    lines = store.get(SYMLINKS_KEY).body.decode().split("\n")
    assert lines == [*(f"s3://exports/{shard}" for shard in shards), ""]
    entries = json.loads(store.get(COPY_MANIFEST_KEY).body)["entries"]
    assert entries == [{"url": line, "mandatory": True} for line in lines[:-1]]
    folder = SYMLINKS_KEY.rpartition("/")[0]
    assert [key for key in LISTS if key.startswith(f"{folder}/")] == [SYMLINKS_KEY], "Hive reads all that lies there"
    assert put_list(ledger, Root(), [], SYMLINKS_KEY, BUCKET, store.get(SYMLINKS_KEY).etag)
    assert store.get(SYMLINKS_KEY).body == b""
