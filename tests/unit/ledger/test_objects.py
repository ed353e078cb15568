"""Shards and pages by hash: what does not have its name's lines is never used, and the cache is bounded."""

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.errors import Damaged, Refused, Unavailable
from ledger.keys import page_key, plain_key, shard_key
from ledger.manifest import Entry, encode_page, sha256
from ledger.objects import YOUNG, Objects
from ledger.packing import pack
from tests.support.store_calls import WatchedStore, refuse

START = datetime(2026, 11, 25, 3, 9, tzinfo=UTC)
SHARDS = [b"row %d\n" % number * 40 for number in range(10)]
FIRST = sha256(SHARDS[0])


@pytest.fixture
def watched(store: MemoryStore) -> WatchedStore:
    return WatchedStore(store)


def entry(body: bytes) -> Entry:
    return Entry(b"", 1, len(body), sha256(body))


def page_of(*bodies: bytes) -> bytes:
    return encode_page([entry(body) for body in bodies])


def write(objects: Objects, *bodies: bytes) -> None:
    page = page_of(*bodies)
    objects.write({sha256(page): page}, {sha256(body): body for body in bodies}, {"roots/1-x.json": b"{}"})


def test_what_was_written_is_read_back_by_hash(store: MemoryStore) -> None:
    write(Objects(store), *SHARDS)
    cold = Objects(store)
    assert cold.shards([entry(body) for body in SHARDS]) == {sha256(body): body for body in SHARDS}
    page = page_of(*SHARDS)
    assert cold.pages([entry(page)]) == {sha256(page): tuple(entry(body) for body in SHARDS)}
    stored, content_type = store.objects[shard_key(sha256(SHARDS[0]))]
    assert (gzip.decompress(stored.body), content_type) == (SHARDS[0], "application/gzip")
    assert store.objects[page_key(sha256(page))][1] == "application/json"
    assert store.get("roots/1-x.json").body == b"{}"  # type: ignore[union-attr]


def test_writing_again_is_fine(store: MemoryStore) -> None:
    """Create-only: an object that exists has these bytes, whoever wrote it."""
    write(Objects(store), *SHARDS)
    before = dict(store.objects)
    write(Objects(store), *SHARDS)
    assert store.objects == before


@pytest.mark.parametrize("key", [shard_key(FIRST), plain_key(shard_key(FIRST))], ids=["compressed", "plain"])
@pytest.mark.parametrize("spoilt", [b"", b"other bytes\n", SHARDS[0][:-1], SHARDS[0] + b"\n"])
def test_a_shard_without_its_bytes_is_damaged_and_named(spoilt: bytes, key: str, store: MemoryStore) -> None:
    """Whichever way it lies there; and its lines alone are no compressed object."""
    store.put_new(key, pack(spoilt) if key == shard_key(FIRST) else spoilt, "")
    with pytest.raises(Damaged, match=f"{key} does not have the bytes"):
        Objects(store).shard(FIRST)
    store.objects.clear()
    store.put_new(shard_key(FIRST), spoilt, "")
    with pytest.raises(Damaged, match=shard_key(FIRST)):
        Objects(store).shard(FIRST)


def test_a_shard_that_an_older_version_wrote_is_read_as_it_is(watched: WatchedStore) -> None:
    """After the compressed one was not found; where both are, that is read. Neither is a third request."""
    plain = plain_key(shard_key(FIRST))
    watched.put_new(plain, SHARDS[0], "text/csv")
    reader = Objects(watched)  # type: ignore[arg-type]
    for _ in range(2):
        assert reader.shards([entry(SHARDS[0])]) == {FIRST: SHARDS[0]}
    assert [key for verb, key in watched.calls if verb == "get"] == [shard_key(FIRST), plain]
    assert reader.read == len(SHARDS[0])
    Objects(watched).write({}, {FIRST: SHARDS[0]})  # type: ignore[arg-type]
    watched.calls.clear()
    reader = Objects(watched)  # type: ignore[arg-type]
    assert reader.shard(FIRST) == SHARDS[0]
    assert watched.calls == [("get", shard_key(FIRST))]
    assert reader.read == watched.head(shard_key(FIRST)).size < len(SHARDS[0])


def test_a_shard_that_unpacks_to_more_than_its_page_says_is_not_unpacked(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash would be found wrong after it has filled the memory; where no page tells, there is a bound, too."""
    large = b"x" * 1001
    store.put_new(shard_key(sha256(large)), pack(large), "application/gzip")
    with pytest.raises(Damaged, match="more than the 1,000 bytes"):
        Objects(store).shards([entry(large)._replace(bytes=1000)])
    assert Objects(store).shards([entry(large)]) == {sha256(large): large}
    monkeypatch.setattr(Objects.shard, "__defaults__", (1000,))
    with pytest.raises(Damaged, match="more than the 1,000 bytes"):
        Objects(store).shard(sha256(large))


@pytest.mark.usefixtures("packed_alike")
def test_what_another_compressor_made_of_the_same_lines_is_left_alone() -> None:
    """Its size differs, as do processors' and libraries' gzip; what has other lines, or none, is written anew."""
    times = [START]
    watched = WatchedStore(MemoryStore(lambda: times[0]))
    key, other = shard_key(FIRST), gzip.compress(SHARDS[0], 0)
    assert len(other) != len(pack(SHARDS[0]))
    watched.put_new(key, other, "application/gzip")
    objects = Objects(watched, now=lambda: times[0])  # type: ignore[arg-type]
    objects.write({}, {FIRST: SHARDS[0]})
    assert watched.get(key).body == other
    for torn in (other[:-5], gzip.compress(SHARDS[1] + b"\n"), SHARDS[0]):
        watched.put_if_match(key, torn, watched.head(key).etag, "", {})
        objects.write({}, {FIRST: SHARDS[0]})
        assert watched.get(key).body == pack(SHARDS[0])
    times[0] += 2 * YOUNG
    watched.put_if_match(key, other, watched.head(key).etag, "", {})
    times[0] += 2 * YOUNG
    objects.write({}, {FIRST: SHARDS[0]})
    assert watched.head(key).modified == times[0], "an old one is touched, whoever made it"


@pytest.mark.parametrize("spoilt", [b"", b"{}", page_of(SHARDS[1]), page_of(SHARDS[0]).strip()])
def test_a_page_without_its_bytes_is_damaged_and_named(spoilt: bytes, store: MemoryStore) -> None:
    digest = sha256(page_of(SHARDS[0]))
    store.put_new(page_key(digest), spoilt, "application/json")
    with pytest.raises(Damaged, match=digest):
        Objects(store).pages([Entry(b"", 1, 1, digest)])


def test_a_missing_object_is_damage_and_an_unanswered_read_is_not(watched: WatchedStore) -> None:
    """A tree that names what is not there needs an operator; a store that is down needs patience."""
    digest = sha256(SHARDS[0])
    with pytest.raises(Damaged, match="missing although the tree names it"):
        Objects(watched).shard(digest)  # type: ignore[arg-type]
    watched.on("get", shard_key(digest), refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        Objects(watched).shard(digest)  # type: ignore[arg-type]


def test_what_is_in_memory_is_not_read_again(watched: WatchedStore) -> None:
    """What was read or written stays, up to the cache's size; equal shards are loaded once."""
    objects = Objects(watched)  # type: ignore[arg-type]
    write(objects, *SHARDS)
    objects.shards([entry(body) for body in SHARDS])
    objects.pages([entry(page_of(*SHARDS))])
    assert "get" not in watched.verbs()
    cold = Objects(watched)  # type: ignore[arg-type]
    for _ in range(2):
        cold.shards([entry(SHARDS[0]), entry(SHARDS[0])])
        cold.pages([entry(page_of(*SHARDS))])
    assert watched.verbs().count("get") == 2


def test_the_cache_is_bounded_and_forgets_what_was_not_used_longest(watched: WatchedStore) -> None:
    size = len(SHARDS[0])
    objects = Objects(watched, cache_bytes=5 * size)  # type: ignore[arg-type]
    write(Objects(watched), *SHARDS)  # type: ignore[arg-type]

    def reads(*numbers: int) -> int:
        watched.calls.clear()
        for number in numbers:
            objects.shard(sha256(SHARDS[number]))
        return watched.verbs().count("get")

    assert reads(0, 1, 2, 3, 4) == 5
    assert reads(0, 1, 2, 3, 4) == 0
    assert reads(0, 5) == 1, "the sixth pushes the oldest out, which is 1, for 0 was just used"
    assert reads(0, 2, 3, 4, 5) == 0
    assert reads(1) == 1


def test_an_object_too_large_for_the_cache_does_not_empty_it(watched: WatchedStore) -> None:
    large: Any = b"x" * 1000
    objects = Objects(watched, cache_bytes=2000)  # type: ignore[arg-type]
    write(objects, large, SHARDS[0])
    watched.calls.clear()
    objects.shard(sha256(SHARDS[0]))
    assert "get" not in watched.verbs()
    objects.shard(sha256(large))
    assert watched.verbs() == ["get"]


def test_pages_count_in_the_cache_as_what_they_take_decoded(watched: WatchedStore) -> None:
    """Twice their bytes; counted as less, a large table would fill the function's memory."""
    pages = [page_of(body) for body in SHARDS[:5]]
    objects = Objects(watched, cache_bytes=4 * 2 * max(map(len, pages)))  # type: ignore[arg-type]
    objects.write({sha256(page): page for page in pages[:4]}, {})
    objects.pages([entry(page) for page in pages[:4]])
    assert "get" not in watched.verbs()
    objects.write({sha256(pages[4]): pages[4]}, {})
    objects.pages([entry(pages[0])])
    assert watched.verbs().count("get") == 1, "the fifth has pushed the oldest out"


def test_an_old_object_that_others_touch_too_is_looked_at_again() -> None:
    """Several commits may name it at once: each refusal is somebody's progress, and says nothing of the object."""
    times = [START]
    watched = WatchedStore(MemoryStore(lambda: times[0]))
    objects = Objects(watched, now=lambda: times[0])  # type: ignore[arg-type]
    objects.put("shards/x.csv", b"x\n", "text/csv")
    times[0] += 2 * YOUNG
    watched.on("finish_upload", "shards/x.csv", refuse(Refused("412")), times=4)
    objects.put("shards/x.csv", b"x\n", "text/csv")
    assert watched.head("shards/x.csv").modified == times[0]
    times[0] += 2 * YOUNG
    watched.on("put_if_match", "shards/x.csv", refuse(Refused("412")), times=100)
    with pytest.raises(Unavailable, match="could not be kept"):
        objects.put("shards/x.csv", b"x\n", "text/csv")
