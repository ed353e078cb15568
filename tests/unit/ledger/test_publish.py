"""Publishing: image-data.csv becomes what the root names, whoever else publishes or breaks in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from itertools import count, pairwise
from typing import Any
from unittest import mock

import pytest

from infra.doubles import memory_store
from infra.doubles.memory_store import MemoryStore
from ledger import layout
from ledger.assemble import IDLE
from ledger.commit import commit
from ledger.errors import Damaged, OutOfTime, Refused, Unavailable, Unknown
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import encode_root
from ledger.publish import Published, publish
from ledger.store import PATIENCE_SECONDS
from tests.support.factories import insert, item, make_ledger, model_csv, modify, remove
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.store_calls import WatchedStore, first, land_and_lose, refuse

publishing = import_module("ledger.publish")  # the module: the package gives the function
assembling = import_module("ledger.assemble")

LOST = Unknown("the answer was lost")
SMALLEST = 2000
# A CSV of this many rows is far above PUT_BELOW in the small limits below.
ROWS = 150


@pytest.fixture
def small_limits() -> Iterator[None]:
    """S3's limits and our threshold in small: a part has 2,000 bytes at least, a CSV above 4,000 is made of parts."""
    with (
        mock.patch.object(memory_store, "SMALLEST_PART", SMALLEST),
        mock.patch.object(layout, "SMALLEST_PART", SMALLEST),
        mock.patch.object(layout, "UPLOAD_PART", 3000),
        mock.patch.object(publishing, "PUT_BELOW", 4000),
    ):
        yield


@pytest.fixture
def watched(store: MemoryStore) -> WatchedStore:
    return WatchedStore(store)


@pytest.fixture
def exporter(watched: WatchedStore) -> Ledger:
    """A ledger whose store calls the test can get in the way of."""
    return make_ledger(watched)  # type: ignore[arg-type]


@pytest.fixture
def large(small_limits: None, exporter: Ledger, watched: WatchedStore) -> Ledger:
    """A ledger with a published CSV that is made of parts."""
    commit(exporter, [insert(number) for number in range(ROWS)])
    publish(exporter)
    watched.calls.clear()
    return exporter


def rival_of(store: MemoryStore, seed: int = 7) -> Ledger:
    return make_ledger(store, seed)


def everything(*changed: int, but: int | None = None) -> bytes:
    """The model's CSV of the large ledger after `modify(number, 2)` of some rows, without one."""
    return model_csv(item(number, 2 if number in changed else 1) for number in range(ROWS) if number != but)


def test_an_empty_ledger_has_a_csv_with_the_header_alone(store: MemoryStore, ledger: Ledger) -> None:
    """X7: from the start the object exists; zero bytes would be wrong."""
    assert publish(ledger).written
    assert read_csv(store) == model_csv([]) != b""


def test_a_small_csv_is_put_whole_with_its_root_in_the_metadata(store: MemoryStore, ledger: Ledger) -> None:
    commit(ledger, [insert(1), insert(2)])
    done = publish(ledger)
    root = read_root(store)
    assert read_csv(store) == model_csv([item(1), item(2)])
    assert store.head(CSV_KEY).metadata == {
        "version": str(root.version),
        "root": root.name,
        "tree": root.tree_hash,
        "rows": "2",
    }
    assert done == replace(
        Published(version=1, written=True, uploaded=len(read_csv(store)), tries=done.tries),
        age=0,
        oldest_event="2026-11-25T08:00:00Z",
    )
    assert store.objects[CSV_KEY][1] == "text/csv; charset=utf-8"


def test_a_current_csv_is_left_alone(exporter: Ledger, watched: WatchedStore) -> None:
    """Publishing again reads the root and the CSV's metadata, and writes nothing."""
    commit(exporter, [insert(1)])
    publish(exporter)
    watched.calls.clear()
    assert not publish(exporter).written
    assert sorted(watched.calls) == [("get", "manifest.json"), ("head", CSV_KEY)]


def test_a_large_csv_is_made_of_the_present_one_and_of_what_changed(large: Ledger, store: MemoryStore) -> None:
    """Unchanged ranges are copied inside S3; what passes through the function is the change and its borders."""
    commit(large, [modify(70, 2)])
    done = publish(large)
    assert read_csv(store) == everything(70) == read_rows(store)
    assert not done.rebuilt
    assert done.copied + done.uploaded == len(read_csv(store))
    largest_shard = max(stored.size for key, (stored, _) in store.objects.items() if key.startswith("shards/"))
    assert done.uploaded <= largest_shard + 2 * SMALLEST < len(read_csv(store)) / 2
    assert not store.uploads


@pytest.mark.parametrize("batch", [[insert(999)], [remove(0)], [remove(ROWS - 1)], [modify(0, 2), modify(149, 2)]])
def test_a_large_csv_may_change_at_either_end(batch: list[dict[str, Any]], large: Ledger, store: MemoryStore) -> None:
    commit(large, batch)
    assert publish(large).copied
    assert read_csv(store) == read_rows(store)


def test_many_commits_are_published_at_once(large: Ledger, store: MemoryStore) -> None:
    """The present CSV's own root says how it is laid out, however many versions ago it was."""
    for number in (3, 60, 149):
        commit(large, [modify(number, 2)])
    commit(large, [remove(100)])
    done = publish(large)
    assert read_csv(store) == everything(3, 60, 149, but=100)
    assert done.copied
    assert not done.rebuilt


def test_a_large_csv_may_become_small_and_large_again(large: Ledger, store: MemoryStore) -> None:
    commit(large, [remove(number, sequence=number + 1000) for number in range(ROWS - 2)])
    publish(large)
    assert read_csv(store) == model_csv([item(ROWS - 2), item(ROWS - 1)])
    commit(large, [insert(number) for number in range(1000, 1100)])
    publish(large)
    assert read_csv(store) == read_rows(store)


def test_a_present_csv_too_small_to_be_copied_from_in_ranges_is_not_copied_from(
    small_limits: None, store: MemoryStore, ledger: Ledger
) -> None:
    """S3 copies ranges only of objects above 5 MiB, and a CSV may have just that size."""
    fill = SMALLEST - len(model_csv([item(1)]))
    commit(ledger, [insert(1, description={"S": "x" * fill})])
    publish(ledger)
    assert len(read_csv(store)) == SMALLEST
    own_shard = insert(10, description={"S": "x" * 1000})
    commit(ledger, [own_shard, *(insert(number) for number in range(11, 60))])
    publish(ledger)
    assert read_csv(store) == read_rows(store)


def _forget_roots(store: MemoryStore) -> None:
    store.delete([listed.key for listed in store.list("roots/")])


def _damage_roots(store: MemoryStore) -> None:
    for listed in list(store.list("roots/")):
        store.put_if_match(listed.key, b"{}", store.head(listed.key).etag, "application/json", {})


def _swap_roots(store: MemoryStore) -> None:
    """Every copy of a root is another root, intact in itself."""
    for listed in list(store.list("roots/")):
        body = store.objects["manifest.json"][0].body
        store.put_if_match(listed.key, body, store.head(listed.key).etag, "application/json", {})


def _overwrite(store: MemoryStore) -> None:
    etag = store.head(CSV_KEY).etag
    store.put_if_match(CSV_KEY, b"mine now\n" * 1000, etag, "text/plain", {})


def _overwrite_keeping_metadata(store: MemoryStore) -> None:
    present = store.head(CSV_KEY)
    store.put_if_match(CSV_KEY, b"mine now\n" * 1000, present.etag, "text/csv", present.metadata)


def _overwrite_keeping_size_and_root(store: MemoryStore) -> None:
    present = store.head(CSV_KEY)
    store.put_if_match(CSV_KEY, b"x" * present.size, present.etag, "text/csv", {"root": present.metadata["root"]})


def _delete(store: MemoryStore) -> None:
    store.delete([CSV_KEY])


OVERWRITTEN = (_overwrite, _overwrite_keeping_metadata, _overwrite_keeping_size_and_root)


@pytest.mark.parametrize("harm", [_forget_roots, _damage_roots, _swap_roots, *OVERWRITTEN, _delete])
def test_without_a_usable_present_csv_all_bytes_come_from_the_shards(
    harm: Callable[[MemoryStore], None], large: Ledger, store: MemoryStore
) -> None:
    """Its root is not kept any longer or is not that root, or somebody overwrote or deleted the CSV."""
    commit(large, [modify(5, 2)])
    harm(store)
    done = publish(rival_of(store))  # who remembers no root
    assert read_csv(store) == everything(5)
    assert (done.rebuilt, done.copied) == (True, 0)
    assert not store.uploads


@pytest.mark.parametrize("harm", [*OVERWRITTEN, _delete])
def test_a_csv_that_somebody_spoilt_is_noticed_without_a_new_commit(
    harm: Callable[[MemoryStore], None], large: Ledger, store: MemoryStore
) -> None:
    """The size in the root and the tree in the metadata tell; the next batch, also an empty one, mends it."""
    harm(store)
    assert publish(large).written
    assert read_csv(store) == everything()


@pytest.mark.parametrize("verb", ["copy_part", "upload_part", "finish_upload"])
def test_somebody_who_overwrites_the_csv_in_the_middle_does_not_get_into_it(
    verb: str, large: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Copies are pinned to the ETag that was read, and so is the completion: refused, aborted, done again."""
    commit(large, [modify(70, 2)])
    watched.on(verb, CSV_KEY, first(lambda: _overwrite(store)))
    done = publish(large)
    assert read_csv(store) == everything(70)
    assert done.tries == 2
    assert not store.uploads


def test_who_has_written_the_csv_looks_at_the_root_alone(large: Ledger, watched: WatchedStore) -> None:
    """Whoever replaces it looks later, too: one question less, which each image pays where few come."""
    report = commit(large, [modify(70, 2)])
    watched.calls.clear()
    publish(large, report=report)
    done = watched.calls[watched.verbs().index("finish_upload") :]
    assert [call for call in done if call[1] in (CSV_KEY, ROOT_KEY)] == [("finish_upload", CSV_KEY), ("get", ROOT_KEY)]


def test_a_slower_publisher_of_an_older_version_is_refused_and_leaves(
    large: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """A rival commits and publishes version 3 while we publish 2: ours is refused, we look, all is done."""
    commit(large, [modify(70, 2)])
    rival = rival_of(store)

    def overtake() -> None:
        commit(rival, [modify(71, 2)])
        publish(rival)

    watched.on("finish_upload", CSV_KEY, first(overtake))
    done = publish(large)
    assert read_csv(store) == everything(70, 71)
    assert done.version == read_root(store).version
    assert not done.written
    assert watched.verbs(CSV_KEY).count("finish_upload") == 1
    assert not store.uploads


def test_a_root_that_was_read_before_a_newer_csv_does_not_take_it_back(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Root 1 is read, then a rival commits and publishes 2, then the CSV's metadata is read: 1 must not replace 2."""
    commit(exporter, [insert(1)])
    rival = rival_of(store)

    def overtake() -> None:
        commit(rival, [insert(2)])
        publish(rival)

    watched.on("head", CSV_KEY, first(overtake))
    done = publish(exporter)
    assert "put_if_match" not in watched.verbs(CSV_KEY)
    assert read_csv(store) == model_csv([item(1), item(2)])
    assert done.version == read_root(store).version


def test_shards_are_read_in_their_order_whatever_pythons_hash_seed(
    large: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Two runs of one simulation with a seed must make the same calls in the same order."""
    store.delete([CSV_KEY])
    publish(make_ledger(watched))  # type: ignore[arg-type]  # its cache is empty
    pages = large.objects.pages(read_root(store).rows.pages)
    in_order = [f"shards/{shard.sha256}.csv" for page in pages.values() for shard in page]
    assert len(in_order) > 20
    assert [key for verb, key in watched.calls if verb == "get" and key.startswith("shards/")] == in_order


def test_an_operator_may_still_set_the_root_back(exporter: Ledger, store: MemoryStore) -> None:
    """A root restored by hand to an older version is what the CSV has to show."""
    commit(exporter, [insert(1)])
    older = store.objects["manifest.json"]
    commit(exporter, [insert(2)])
    publish(exporter)
    store.objects["manifest.json"] = older
    publish(exporter)
    assert read_csv(store) == model_csv([item(1)])


def test_the_root_is_looked_at_once_more_after_publishing(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """A commit that lands while we publish, by an author who dies at once, is published by us."""
    commit(exporter, [insert(1)])
    watched.on("put_if_match", CSV_KEY, first(lambda: commit(rival_of(store), [insert(2)])))
    done = publish(exporter)
    assert read_csv(store) == model_csv([item(1), item(2)])
    assert done.version == read_root(store).version


def test_a_csv_that_came_back_to_old_bytes_is_not_mistaken(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """A-B-A: ETags follow content. Header only, one row, header only again: If-Match passes, the look back mends."""
    publish(exporter)
    rival = rival_of(store)
    commit(rival, [insert(1)])

    def there_and_back() -> None:
        publish(rival)
        commit(rival, [remove(1)])
        publish(rival)

    watched.on("put_if_match", CSV_KEY, first(there_and_back))
    publish(exporter)
    assert read_csv(store) == model_csv([]) == read_rows(store)


def test_a_lost_answer_to_a_put_that_landed_needs_no_second_put(exporter: Ledger, watched: WatchedStore) -> None:
    watched.on("put_if_match", CSV_KEY, land_and_lose(LOST))
    commit(exporter, [insert(1)])
    publish(exporter)
    assert watched.verbs(CSV_KEY).count("put_if_match") == 1


def test_a_lost_answer_to_a_put_that_did_not_land_is_put_again(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    watched.on("put_if_match", CSV_KEY, refuse(LOST))
    commit(exporter, [insert(1)])
    assert publish(exporter).tries == 2
    assert read_csv(store) == model_csv([item(1)])


@pytest.mark.parametrize("lose", [refuse, land_and_lose])
def test_a_completion_whose_answer_was_lost_is_looked_up_and_never_aborted(
    lose: Callable[[Exception], Any], large: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """It may still be completing: abort would race with it; the bucket's lifecycle rule ends what nobody completes."""
    commit(large, [modify(70, 2)])
    watched.on("finish_upload", CSV_KEY, lose(LOST))
    publish(large)
    assert read_csv(store) == everything(70)
    assert "abort_upload" not in watched.verbs()


@pytest.mark.parametrize("verb", ["copy_part", "upload_part", "finish_upload"])
@pytest.mark.parametrize("abort_fails", [False, True])
def test_an_upload_that_fails_is_aborted_and_the_failure_is_told(
    verb: str, abort_fails: bool, large: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """S3 does not answer: the batch fails, the present CSV stays whole, no upload is left (if S3 lets us)."""
    commit(large, [modify(70, 2)])
    watched.on(verb, CSV_KEY, refuse(Unavailable("SlowDown")))
    if abort_fails:
        watched.on("abort_upload", CSV_KEY, refuse(Unavailable("not aborted either")))
    with pytest.raises(Unavailable, match="SlowDown"):
        publish(large)
    assert read_csv(store) == everything()
    assert bool(store.uploads) == abort_fails
    publish(large)
    assert read_csv(store) == everything(70)


def test_a_csv_that_is_not_as_long_as_its_root_says_is_never_shown(
    large: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 is told the size of the whole: whatever went wrong with a part on the way, it then completes nothing."""
    commit(large, [modify(70, 2)])
    upload_part = store.upload_part
    monkeypatch.setattr(store, "upload_part", lambda *to: upload_part(*to[:-1], to[-1] + b"x"))
    with pytest.raises(Unavailable):
        publish(large)
    assert read_csv(store) == everything()
    assert not store.uploads


def test_what_is_uploaded_is_read_bit_by_bit(large: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """A CSV that is made of its shards alone may be larger than the function's memory: each lane has one part of it."""
    store.delete([CSV_KEY])
    publish(make_ledger(watched))  # type: ignore[arg-type]
    assert read_csv(store) == everything()
    shards = [verb == "get" for verb, key in watched.calls if verb == "upload_part" or key.startswith("shards/")]
    assert shards.count(False) > 5
    assert shards[0]
    assert not shards[-1]
    assert not any(a is b is False for a, b in pairwise(shards)), "each is read when it is its turn"


@pytest.mark.parametrize(
    ("sizes", "room", "counts"),
    [
        ([5, 5, 5, 5, 5], 16, [2, 2, 1]),
        ([5, 9, 5, 5, 5], 16, [5]),
        ([5, 5], 99, [1, 1]),
        ([40], 16, [1]),
        ([], 16, []),
    ],
)
def test_uploads_share_lanes_that_fit_in_memory(
    sizes: list[int], room: int, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at a time if there is room for them, and always one: a part that is larger than the room has it alone."""
    monkeypatch.setattr(assembling, "UPLOAD_BYTES", room)
    uploads = [(number, layout.Upload((layout.Literal(b"x" * size),))) for number, size in enumerate(sizes, 1)]
    made = assembling.lanes(uploads)
    assert [len(lane) for lane in made] == counts
    assert sorted(number for lane in made for number, _ in lane) == [number for number, _ in uploads]


def test_uploads_begin_beside_the_copies_and_not_after_them(
    large: Ledger, watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One `map` has them all, the lanes of the uploads first: each has a thread, however many copies there are."""
    commit(large, [modify(number, 2) for number in (10, 70, 149)])
    maps: list[list[tuple[str, str]]] = []

    def noted(function: Callable[[Any], Any], items: Any) -> list[Any]:
        began = len(watched.calls)
        done = [function(item) for item in items]
        maps.append([call for call in watched.calls[began:] if call[0] in ("copy_part", "upload_part")])
        return done

    monkeypatch.setattr(watched, "map", noted)
    publish(large)
    (made,) = (verbs for calls in maps if (verbs := [verb for verb, _ in calls]))
    assert made == sorted(made, reverse=True)
    assert set(made) == {"copy_part", "upload_part"}


def test_an_error_of_one_part_ends_the_others(large: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """What is not begun yet is not begun: the upload is abandoned, and nothing of it is of use."""
    commit(large, [modify(number, 2) for number in range(ROWS)])
    pool = ThreadPoolExecutor(2)
    watched.map = lambda function, items: list(pool.map(function, items))  # type: ignore[method-assign]
    watched.on("upload_part", CSV_KEY, refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable, match="SlowDown"):
        publish(large)
    pool.shutdown()
    assert watched.verbs(CSV_KEY).count("upload_part") < 6
    assert not store.uploads


def test_readers_see_a_whole_file_at_every_moment(large: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """C1: until the completion lands the old file is there, then the new one; a pinned range is refused, not mixed."""
    commit(large, [modify(70, 2)])
    before, etag = read_csv(store), store.head(CSV_KEY).etag
    seen = []
    for verb in ("start_upload", "copy_part", "upload_part", "finish_upload"):
        watched.on(verb, CSV_KEY, first(lambda: seen.append(read_csv(store))), times=99)
    publish(large)
    assert set(seen) == {before}
    assert read_csv(store) == everything(70)
    with pytest.raises(Refused):
        store.get_range(CSV_KEY, 0, 99, etag=etag)


@pytest.mark.parametrize(("left", "written"), [(None, True), (60.0, True), (3.9, False), (0.0, False)])
def test_publishing_is_begun_only_while_time_is_left(
    left: float | None, written: bool, store: MemoryStore, ledger: Ledger
) -> None:
    """None means no limit, and 0 seconds is not None."""
    commit(ledger, [insert(1)])
    if written:
        assert publish(ledger, lambda: left).written
    else:
        with pytest.raises(OutOfTime, match="behind"):
            publish(ledger, lambda: left)
        assert CSV_KEY not in store.objects


def test_s3_may_take_for_copies_what_is_left_of_the_invocation(
    large: Ledger, watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked anew for each copy and for the completion, and never more than one request may take."""
    commit(large, [modify(70, 2)])
    asked: list[tuple[str, float]] = []
    for verb in ("copy_part", "finish_upload"):
        call = getattr(watched.store, verb)

        def noted(*arguments: Any, verb: str = verb, call: Any = call, **named: Any) -> Any:
            asked.append((verb, named["seconds"]))
            return call(*arguments, **named)

        monkeypatch.setattr(watched.store, verb, noted)
    left = count(100.0, -1.0)
    publish(large, lambda: next(left))
    seconds = [94.0 - number for number in range(1, len(asked) + 1)]
    assert asked == [*(("copy_part", each + 2) for each in seconds[:-1]), ("finish_upload", seconds[-1] + 2)]
    assert len(asked) > 4
    asked.clear()
    commit(large, [modify(70, 3)])
    publish(large)
    assert {seconds for _, seconds in asked} == {PATIENCE_SECONDS}


def test_copies_that_take_all_the_time_end_the_publish_and_not_the_batch(
    large: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """S3 was silent until the time was up: whoever is bound to publish later finds no upload and no claim."""
    commit(large, [modify(70, 2)])
    left = 60.0

    def used_up(proceed: Any) -> Any:
        nonlocal left
        left = 1.0
        raise Unavailable("ReadTimeoutError")

    watched.on("copy_part", CSV_KEY, used_up)
    with pytest.raises(OutOfTime, match="behind"):
        publish(large, lambda: left)
    assert read_csv(store) == everything()
    assert not store.uploads
    assert [*store.list("publishing/")] == []
    publish(large)
    assert read_csv(store) == everything(70)


def test_an_idle_ledger_is_published_by_few_copies(large: Ledger, watched: WatchedStore) -> None:
    """The CSV that has stood for half a minute is copied as a whole; one that was just made, in many pieces."""
    for age, fewer in ((IDLE.total_seconds() - 1, False), (IDLE.total_seconds(), True)):
        commit(large, [modify(ROWS - 1, 2 + fewer)])
        watched.calls.clear()
        modified = watched.store.head(CSV_KEY).modified.timestamp()
        large.now = lambda now=modified + age: now  # type: ignore[misc]
        publish(large)
        copies = watched.verbs(CSV_KEY).count("copy_part")
        assert (copies == 1) == fewer, copies


def test_changes_share_the_price_of_copies(
    large: Ledger, watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The more are published at once, the more copies run side by side: counted from the root that the CSV shows."""
    monkeypatch.setattr(layout, "FEW_COPIES", 1)
    copies = []
    for changes in (1, 12):
        commit(large, [modify(ROWS - 1, 2 + changes)])
        commit(large, [insert(1000 * changes + number) for number in range(changes - 1)] or [modify(ROWS - 1, 3)])
        watched.calls.clear()
        publish(large)
        copies.append(watched.verbs(CSV_KEY).count("copy_part"))
    assert copies[0] <= 2
    assert 8 < copies[1] <= 13


def test_a_publisher_who_never_wins_says_so(exporter: Ledger, watched: WatchedStore) -> None:
    """Bounded tries; then the batch is delivered again, and whoever keeps winning publishes newer versions.

    Between them it waits for longer and longer, and never for as long as the next one does.
    """
    waits: list[float] = []
    exporter.sleep, exporter.chance = waits.append, lambda: 0.5
    commit(exporter, [insert(1)])
    watched.on("put_if_match", CSV_KEY, refuse(Refused("PreconditionFailed")), times=999)
    with pytest.raises(OutOfTime):
        publish(exporter)
    assert watched.verbs(CSV_KEY).count("put_if_match") == publishing.MAX_TRIES
    assert waits[:6] == pytest.approx([0.025, 0.05, 0.1, 0.2, 0.4, 0.4])


def test_a_damaged_shard_is_never_published(large: Ledger, store: MemoryStore) -> None:
    """What a shard's name does not promise must not reach the CSV; the present one stays."""
    commit(large, [modify(number, 2) for number in range(ROWS)])
    before = read_csv(store)
    changed = [listed.key for listed in store.list("shards/")]
    for key in changed:
        store.put_if_match(key, b"spoilt\n", store.head(key).etag, "text/csv", {})
    with pytest.raises(Damaged, match="shards/"):
        publish(make_ledger(store))
    assert read_csv(store) == before
    assert not store.uploads


def test_another_header_is_published_over_the_present_csv(
    small_limits: None, store: MemoryStore, large: Ledger
) -> None:
    """A rebuilt tree with other columns: other lines everywhere, and nothing of the old CSV is copied under them."""
    root, etag = large.load_root()
    fresh = MemoryStore()
    columns = root.columns[:20]
    other = make_ledger(fresh)
    start, start_etag = other.load_root()
    fresh.put_if_match("manifest.json", encode_root(replace(start, columns=columns)), start_etag, "a", {})
    commit(other, [insert(number) for number in range(ROWS)])
    store.objects |= {key: kept for key, kept in fresh.objects.items() if key.startswith(("shards/", "manifest/"))}
    rebuilt = replace(read_root(fresh), version=root.version + 1)
    store.put_if_match("manifest.json", encode_root(rebuilt), etag, "a", {})
    publish(large)
    assert read_csv(store) == model_csv((item(number) for number in range(ROWS)), columns) == read_rows(store)
