"""The commit protocol: conflicts, lost answers, leaders, slices, quarantine, and what the time left does not allow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import orjson
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger import combine, slices
from ledger.batch import StreamBatch
from ledger.checkpoint import OPEN_GAPS, add_gap, raise_highest
from ledger.commit import MERGED_NAMES, Report, commit
from ledger.errors import Damaged, ManifestLost, NotFound, Refused, Unavailable, Unknown
from ledger.event import Event, Record
from ledger.ledger import Ledger
from ledger.manifest import Gap, Root, Targets, decode_root, encode_root
from ledger.pending import Waiting, decode, encode
from ledger.publish import publish
from tests.support.factories import (
    START,
    STREAM,
    event,
    events_of,
    insert,
    item,
    make_ledger,
    model_csv,
    modify,
    remove,
)
from tests.support.reader import read_csv, read_root, read_rows, read_segment, read_tree
from tests.support.store_calls import WatchedStore, first, land_and_lose, refuse

committing = import_module("ledger.commit")  # the module: the package gives the function

ROOT = "manifest.json"
REFUSED = Refused("PreconditionFailed")
CONFLICT = Refused("ConditionalRequestConflict")
LOST = Unknown("ReadTimeoutError")


@pytest.fixture
def watched(store: MemoryStore) -> WatchedStore:
    return WatchedStore(store)


@pytest.fixture
def exporter(watched: WatchedStore) -> Ledger:
    """A ledger whose store calls the test can get in the way of, with its first root in place."""
    made = make_ledger(watched)  # type: ignore[arg-type]
    made.load_root()
    watched.calls.clear()
    return made


@pytest.fixture
def rival(store: MemoryStore) -> Ledger:
    return make_ledger(store, seed=7)


def keys(store: MemoryStore, prefix: str) -> list[str]:
    return [listed.key for listed in store.list(prefix)]


def test_a_batch_becomes_rows_a_segment_and_a_version(store: MemoryStore, ledger: Ledger) -> None:
    """Steps 1 to 5: journaled, merged, everything written, and the root swapped once."""
    batch = [insert(2), insert(1), modify(1, 2)]
    report = commit(ledger, batch)
    assert read_rows(store) == model_csv([item(1, 2), item(2)])
    assert read_segment(store, report.segment) == batch
    root = read_root(store)
    assert (root.version, report.root, report.commits, report.conflicts) == (1, root, 1, 0)
    assert root.segments == (report.segment,)
    assert report.counts.put == root.checkpoint.changes == 2
    assert not report.unfinished
    assert decode_root(store.objects[root.copy_key][0].body) == root


def test_everything_that_a_root_names_is_written_before_it(exporter: Ledger, watched: WatchedStore) -> None:
    """Segment, shards, pages and the root's copy first; the swap last. A crash in between leaves the old root whole."""
    commit(exporter, [insert(number) for number in range(30)])
    swap = watched.calls.index(("put_if_match", ROOT))
    prefixes = [key.partition("/")[0] for verb, key in watched.calls[:swap] if verb == "put_new"]
    assert set(prefixes) == {"journal", "shards", "manifest", "roots"}
    assert watched.calls[swap + 1 :] == []


def test_a_segment_that_cannot_be_written_stops_the_commit(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Nothing may reach the CSV that the journal does not have."""
    watched.on("put_new", "journal/", refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        commit(exporter, [insert(1)])
    assert read_root(store).version == 0


def test_a_redelivered_batch_changes_nothing(store: MemoryStore, ledger: Ledger) -> None:
    """X1: the same batch again, then a new cut of it: each row once, no byte changed, no commit."""
    batch = [insert(1, sequence=100), insert(2, sequence=101)]
    commit(ledger, batch)
    publish(ledger)
    before = dict(store.objects)
    report = commit(ledger, batch)
    publish(ledger)
    assert store.objects == before
    assert (report.commits, report.counts.stale, report.counts.put) == (0, 2, 0)
    commit(ledger, [insert(2, sequence=101), insert(3, sequence=102)])
    publish(ledger)
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])
    assert read_root(store).checkpoint.changes == 3


@pytest.mark.parametrize("refusal", [REFUSED, CONFLICT])
def test_a_refused_swap_is_done_again_on_the_new_root(
    refusal: Refused, exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """X12: 412 or 409: somebody else was first; both exporters' rows are there, and written shards are reused."""
    watched.on("put_if_match", ROOT, first(lambda: commit(rival, [insert(1)])))
    report = commit(exporter, [insert(2)])
    assert read_rows(store) == model_csv([item(1), item(2)])
    assert (report.conflicts, report.commits, read_root(store).version) == (1, 1, 2)
    assert not keys(store, "pending/")
    copies = [decode_root(store.objects[key][0].body) for key in keys(store, "roots/")]
    assert [copy.version for copy in copies] == [1, 1, 2], "the one that lost is there, too"
    assert len({copy.commit_id for copy in copies}) == 3, "each attempt has its own"


def test_a_refusal_without_a_rival_is_tried_again(exporter: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """S3 may answer 409 although nobody else wins: the root is still ours to swap."""
    watched.on("put_if_match", ROOT, refuse(CONFLICT), times=3)
    assert commit(exporter, [insert(1)]).conflicts == 3
    assert read_rows(store) == model_csv([item(1)])


def test_a_lost_answer_to_a_swap_that_landed_is_recognised(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """X12: the root is our candidate: we had won. It is not swapped again, and its changes count once."""
    watched.on("put_if_match", ROOT, land_and_lose(LOST))
    report = commit(exporter, [insert(1)])
    assert watched.verbs(ROOT).count("put_if_match") == 1
    assert (report.commits, report.conflicts) == (1, 0)
    assert read_root(store).version == 1
    assert read_root(store).checkpoint.changes == 1


def test_a_412_to_our_own_success_is_recognised(exporter: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """X12: a PUT that was sent twice is refused by itself; the reloaded root tells."""
    watched.on("put_if_match", ROOT, land_and_lose(REFUSED))
    report = commit(exporter, [insert(1)])
    assert (report.commits, report.conflicts, read_root(store).version) == (1, 0, 1)


def test_a_lost_answer_to_a_swap_that_did_not_land_is_done_again(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """The root is not our candidate: as refused. What was written stays, for it may yet be named."""
    watched.on("put_if_match", ROOT, refuse(LOST))
    report = commit(exporter, [insert(1)])
    assert read_rows(store) == model_csv([item(1)])
    assert (report.commits, report.conflicts, read_root(store).version) == (1, 1, 1)
    assert "delete" not in watched.verbs("shards/") + watched.verbs("roots/") + watched.verbs("manifest/")


def test_a_swap_that_landed_and_was_built_upon_is_not_doubled(
    exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Landed, answer lost, and a rival committed on it before we looked: the merge finds nothing left to do."""

    def land(proceed: Callable[[], Any]) -> Any:
        proceed()
        commit(rival, [insert(2)])
        raise LOST

    watched.on("put_if_match", ROOT, land)
    commit(exporter, [insert(1)])
    assert read_rows(store) == model_csv([item(1), item(2)])
    assert read_root(store).version == 2
    assert read_root(store).checkpoint.changes == 2


def test_the_root_that_is_read_after_a_lost_answer_may_be_unreadable(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Then nothing can be promised; the batch is delivered again, and adds nothing twice."""
    watched.on("put_if_match", ROOT, land_and_lose(LOST))
    watched.on("get", ROOT, refuse(Unavailable("SlowDown")), after=1)
    with pytest.raises(Unavailable):
        commit(exporter, [insert(1)])
    assert commit(exporter, [insert(1)]).commits == 0
    assert read_root(store).version == 1


def test_a_manifest_that_is_deleted_in_the_middle_is_an_alarm(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """X12: 404 to If-Match beside existing shards is no first run, and never an empty table."""
    commit(exporter, [insert(1)])
    watched.on("put_if_match", ROOT, first(lambda: store.delete([ROOT])))
    with pytest.raises(ManifestLost):
        commit(exporter, [insert(2)])
    assert ROOT not in store.objects


def test_conflicts_without_end_are_reported_as_unfinished(exporter: Ledger, watched: WatchedStore) -> None:
    """Bounded also without a time limit."""
    watched.on("put_if_match", ROOT, refuse(CONFLICT), times=10_000)
    report = commit(exporter, [insert(1)])
    assert report.conflicts == committing.MAX_CONFLICTS
    assert _records(report.unfinished) == [insert(1)]


def test_waiting_between_tries_is_jittered(watched: WatchedStore) -> None:
    """Short at first; then about half of what a leader's commit takes; never the same for two exporters."""
    waits: list[float] = []
    chances = iter([0.5, 0.0, 1.0] * 20)
    exporter = make_ledger(watched)  # type: ignore[arg-type]
    exporter.sleep, exporter.chance = waits.append, lambda: next(chances)
    exporter.load_root()
    watched.on("put_if_match", ROOT, refuse(CONFLICT), times=4)
    commit(exporter, [insert(1)])
    look = combine.LOOK_SECONDS
    assert waits == pytest.approx([0.5 * combine.FIRST_WAIT_SECONDS, 0.5 * look, 1.5 * look, look])


# Combining


def test_a_follower_whose_segment_a_leader_merged_is_done(
    exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """After a conflict we leave our changes; a leader merges them and names our segment in `merged`."""
    watched.on("put_if_match", ROOT, first(lambda: commit(rival, [insert(1)])))
    led: list[Report] = []

    def lead() -> None:
        """The rival is refused in its turn, finds what we left, and leads."""
        watched_rival = WatchedStore(store)
        watched_rival.on("put_if_match", ROOT, refuse(REFUSED))
        leader = make_ledger(watched_rival, seed=9)  # type: ignore[arg-type]
        led.append(commit(leader, [insert(3)]))

    exporter.sleep = lambda seconds: lead()
    report = commit(exporter, [insert(2)])
    assert read_rows(store) == model_csv([item(1), item(2), item(3)])
    assert report.combined
    assert (report.commits, report.conflicts, led[0].led) == (0, 1, 1)
    root = read_root(store)
    assert root.merged == (report.segment,)
    assert root.segments == (led[0].segment, report.segment)
    assert root.checkpoint.streams == {"Images/2026-11-25T07:00:00.000": "4"}
    assert not keys(store, "pending/"), "the leader has taken the markers away"
    assert watched.verbs(ROOT).count("put_if_match") == 1


def test_a_leader_takes_along_what_dead_exporters_left(store: MemoryStore, exporter: Ledger) -> None:
    """Markers outlive their exporters; the next leader merges them in the same commit."""
    watched = exporter.store
    assert isinstance(watched, WatchedStore)
    for number in (5, 6, 7):
        dead = make_ledger(dying := WatchedStore(store), seed=number)  # type: ignore[arg-type]
        dying.on("put_if_match", ROOT, refuse(REFUSED))
        dying.on("list", "pending/", refuse(KeyboardInterrupt()))  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            commit(dead, [insert(number)])
    assert len(keys(store, "pending/")) == 3
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    report = commit(exporter, [insert(1)])
    assert (report.led, report.commits, read_root(store).version) == (3, 1, 1)
    assert read_rows(store) == model_csv(item(number) for number in (1, 5, 6, 7))
    assert not keys(store, "pending/")
    redelivered = commit(make_ledger(store), [insert(6)])
    assert redelivered.commits == 0


def test_a_marker_that_a_leader_could_not_delete_does_no_harm(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """The next leader merges it again, which changes nothing, and takes it away."""
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    watched.on("delete", "pending/", refuse(Unavailable("SlowDown")))
    commit(exporter, [insert(1)])
    assert len(keys(store, "pending/")) == 1
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    assert commit(exporter, [insert(2)]).led == 1
    assert read_rows(store) == model_csv([item(1), item(2)])
    assert not keys(store, "pending/")
    assert read_root(store).checkpoint.changes == 2


def test_a_leaders_changes_and_those_that_wait_are_ordered_by_revision(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """A waiting old change of a key does not undo the leader's newer one, and the other way round."""
    streams = {"Images/x": "9"}
    for name, changed in (("a", modify(1, 2)), ("b", insert(2)), ("c", remove(3, 1))):
        batch = StreamBatch(events_of([changed]), None)
        body = encode(Waiting(name, Root().columns, batch.changes(Root().columns), "", streams))
        store.put_new(f"pending/{name}", body, "text/plain")
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    commit(exporter, [insert(1), modify(2, 5), insert(3)])
    assert read_rows(store) == model_csv([item(1, 2), item(2, 5)])


def test_what_waits_under_other_columns_is_left_to_its_owner(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    store.put_new("pending/old", encode(Waiting("old", Root().columns[:9], [])), "text/plain")
    store.put_new("pending/torn", b"no waiting object", "text/plain")
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    assert commit(exporter, [insert(1)]).led == 0
    assert keys(store, "pending/") == ["pending/old", "pending/torn"]


def test_the_root_remembers_a_bounded_number_of_merged_segments(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    root, etag = exporter.load_root()
    full = replace(root, merged=tuple(f"old-{number}" for number in range(MERGED_NAMES)))
    store.put_if_match(ROOT, encode_root(full), etag, "application/json", {})
    store.put_new("pending/new", encode(Waiting("new", root.columns, [])), "text/plain")
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    commit(exporter, [insert(1)])
    assert len(read_root(store).merged) == MERGED_NAMES
    assert (read_root(store).merged[0], read_root(store).merged[-1]) == ("old-1", "new")


# Slices


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of about ten rows, and one slice a commit."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 3000)
    monkeypatch.setattr(slices, "SLICES_PER_COMMIT", 1)


def _wide_batch() -> list[dict[str, Any]]:
    return [modify(number, 2, sequence=number + 1000) for number in range(0, 100, 5)]


def test_a_batch_over_many_shards_is_several_commits(store: MemoryStore, ledger: Ledger, small_slices: None) -> None:
    """Each slice is a commit of its own; the checkpoint moves with the last one only."""
    commit(ledger, [insert(number) for number in range(100)])
    before = read_root(store)
    report = commit(ledger, _wide_batch())
    assert report.commits > 5
    assert read_rows(store) == model_csv(item(number, 1 + (number % 5 == 0)) for number in range(100))
    copies = [decode_root(store.objects[key][0].body) for key in keys(store, "roots/")]
    steps = sorted((root for root in copies if root.version > before.version), key=lambda root: root.version)
    assert [root.checkpoint.streams for root in steps[:-1]] == [before.checkpoint.streams] * (report.commits - 1)
    assert steps[-1] == read_root(store)
    assert steps[-1].checkpoint.streams == {"Images/2026-11-25T07:00:00.000": "1095"}
    assert {root.segments for root in steps} == {(report.segment,)}


@pytest.mark.parametrize("slices_per_commit", [1, 3, 100])
def test_a_commit_takes_a_bounded_number_of_slices(
    slices_per_commit: int, store: MemoryStore, ledger: Ledger, small_slices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slice by slice in memory, and one swap for some of them; what comes out is the same."""
    commit(ledger, [insert(number) for number in range(100)])
    slices_in_all = commit(ledger, _wide_batch()).commits
    monkeypatch.setattr(slices, "SLICES_PER_COMMIT", slices_per_commit)
    again = MemoryStore()
    commit(make_ledger(again), [insert(number) for number in range(100)])
    report = commit(make_ledger(again, 2), _wide_batch())
    assert report.commits == -(-slices_in_all // slices_per_commit)
    assert report.counts.put == 20
    assert read_root(again).tree_hash == read_root(store).tree_hash
    assert read_rows(again) == read_rows(store)


def test_a_slice_is_bounded_in_pages_too(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small its shards are: each page that is decoded is half a megabyte of memory."""
    monkeypatch.setattr(slices, "SLICE_PAGES", 2)
    monkeypatch.setattr(slices, "SLICES_PER_COMMIT", 1)
    ledger = make_ledger(store, targets=Targets(500, 2))
    commit(ledger, [insert(number) for number in range(100)])
    pages = len(read_root(store).rows.pages)
    report = commit(ledger, _wide_batch())
    assert pages > 10
    assert report.commits > 4, "of twenty changes all over the table"
    assert read_rows(store) == model_csv(item(number, 1 + (number % 5 == 0)) for number in range(100))


def test_slices_end_in_the_same_tree_as_one_commit(store: MemoryStore, ledger: Ledger, small_slices: None) -> None:
    commit(ledger, [insert(number) for number in range(100)])
    commit(ledger, _wide_batch())
    fresh = MemoryStore()
    commit(make_ledger(fresh), [event("INSERT", item(number, 1 + (number % 5 == 0))) for number in range(100)])
    assert read_root(store).tree_hash == read_root(fresh).tree_hash


def test_time_that_ends_between_slices_leaves_the_rest_to_be_delivered_again(
    store: MemoryStore, ledger: Ledger, small_slices: None
) -> None:
    """What is committed stays, what is left is named in stream order, and when it is delivered again all is done."""
    commit(ledger, [insert(number) for number in range(100)])
    left = iter([60.0, 60.0, 60.0])
    report = commit(ledger, _wide_batch(), lambda: next(left, 1.0))
    assert report.commits == 3
    assert 0 < len(report.unfinished) < 20
    assert _records(report.unfinished) == _wide_batch()[-len(report.unfinished) :]
    done = 20 - len(report.unfinished)
    assert read_rows(store).count(b",2,photos,") == done
    assert read_root(store).checkpoint.streams == {"Images/2026-11-25T07:00:00.000": "100"}
    again = commit(ledger, _records(report.unfinished))
    assert not again.unfinished
    assert read_rows(store) == model_csv(item(number, 1 + (number % 5 == 0)) for number in range(100))


def test_a_commit_takes_no_further_slice_when_its_time_is_up(
    store: MemoryStore, ledger: Ledger, small_slices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has merged until then is swapped in: progress survives a time-out."""
    commit(ledger, [insert(number) for number in range(100)])
    monkeypatch.setattr(slices, "SLICES_PER_COMMIT", 100)
    left = iter([60.0, 60.0, 60.0])
    report = commit(ledger, _wide_batch(), lambda: next(left, 1.0))
    assert report.commits == 1
    assert 0 < len(report.unfinished) < 20
    assert read_rows(store).count(b",2,photos,") == 20 - len(report.unfinished)


def test_a_follower_that_committed_a_slice_leaves_only_the_rest(
    small_slices: None, exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """The first slice is won, the second refused: what waits is the remainder; a death now loses nothing."""
    commit(rival, [insert(number) for number in range(100)])
    watched.on("put_if_match", ROOT, first(lambda: commit(rival, [insert(200)])), after=1)
    watched.on("list", "pending/", refuse(Unavailable("died here")))
    with pytest.raises(Unavailable):
        commit(exporter, _wide_batch())
    (key,) = keys(store, "pending/")
    assert 0 < len(decode(store.objects[key][0].body).changes) < 20
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    commit(make_ledger(watched, 3), _wide_batch())  # type: ignore[arg-type]
    everything = [item(number, 1 + (number % 5 == 0)) for number in range(100)]
    assert read_rows(store) == model_csv([*everything, item(200)])
    assert not keys(store, "pending/")


# Time


@pytest.mark.parametrize(
    ("left", "finished"), [(None, True), (8.1, True), (8.0, False), (0.0, False), (-1.0, False), (900.0, True)]
)
def test_an_attempt_is_begun_only_while_enough_time_is_left(
    left: float | None, finished: bool, store: MemoryStore, ledger: Ledger
) -> None:
    """None is no limit; 0 is no time: the batch is journaled and reported, nothing is merged."""
    batch = [insert(1, sequence=5), insert(2, sequence=6)]
    report = commit(ledger, batch, lambda: left)
    assert _records(report.unfinished) == ([] if finished else batch)
    assert read_root(store).version == int(finished)
    assert read_segment(store, report.segment) == batch


def test_time_that_ends_while_waiting_leaves_the_changes_for_a_leader(
    exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """What we report as unfinished may still be merged by a leader, and delivered again it changes nothing."""
    left = iter([60.0, 60.0])
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    watched.on("put_new", "leading/", lambda proceed: False)  # somebody leads
    report = commit(exporter, [insert(1)], lambda: next(left, 0.0))
    assert _records(report.unfinished) == [insert(1)]
    assert len(keys(store, "pending/")) == 1
    leading = WatchedStore(store)
    leading.on("put_if_match", ROOT, refuse(REFUSED))
    commit(make_ledger(leading, 5), [insert(2)])  # type: ignore[arg-type]
    assert read_rows(store) == model_csv([item(1), item(2)])
    assert commit(exporter, [insert(1)]).commits == 0


def test_an_event_is_reported_while_any_of_its_changes_is_left() -> None:
    """An item that got another key is a removal and a put, and they may stand far apart in the tree."""
    batch = StreamBatch(events_of([event("MODIFY", item(900, 2, etag=item(1)["etag"]), item(1)), insert(5)]), None)
    removal, other, put = batch.changes(Root().columns)
    for left, told in (([removal], 0), ([put], 0), ([other], 1)):
        assert batch.events_of(left) == [batch.events[told]]


def test_events_that_are_done_are_not_reported(exporter: Ledger, watched: WatchedStore) -> None:
    """Only events of changes that are not committed return; a bad one has been put aside and never returns."""
    watched.on("put_if_match", ROOT, refuse(CONFLICT), times=10_000)
    batch = [event("INSERT", item(1) | {"revision": {"N": "x"}}, sequence=1), insert(2), modify(3, 2), remove(4)]
    assert _records(commit(exporter, batch).unfinished) == batch[1:]


# Quarantine


def test_a_bad_event_is_put_aside_whole_and_blocks_nothing(store: MemoryStore, ledger: Ledger) -> None:
    """X2 as this design answers it: neighbours are committed, the record lies in quarantine with its reason."""
    poison = event("INSERT", item(2, ingested_at={"S": "never"}), sequence=101)
    report = commit(ledger, [insert(1, sequence=100), poison, insert(3, sequence=102)])
    assert read_rows(store) == model_csv([item(1), item(3)])
    assert not report.unfinished
    (key,) = report.quarantined
    kept = orjson.loads(store.objects[key][0].body)
    assert kept["event"] == poison
    assert "ingested_at" in kept["reason"]
    assert poison in read_segment(store, report.segment)


def test_the_same_poison_for_ever_lies_there_once(store: MemoryStore, ledger: Ledger) -> None:
    poison = event("INSERT", item(2, ingested_at={"S": "never"}), sequence=101)
    for batch in ([poison], [insert(1), poison], [poison]):
        commit(ledger, batch)
    assert len(keys(store, "quarantine/")) == 1


@pytest.mark.parametrize(
    "poison", [None, 7, "INSERT", [], {}, {"dynamodb": None}, {"dynamodb": []}, {"eventName": "INSERT", "dynamodb": 1}]
)
def test_a_record_of_any_shape_blocks_nothing(poison: Any, store: MemoryStore, ledger: Ledger) -> None:
    """Whatever stands in the batch: journaled, put aside, counted."""
    for batch in ([poison], [poison, insert(1)]):
        report = commit(ledger, batch)
        assert len(report.quarantined) == 1
        assert read_segment(store, report.segment) == batch
    assert read_rows(store) == model_csv([item(1)])


def test_a_quarantine_that_cannot_be_written_stops_the_commit(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """An event is put aside or delivered again, never dropped."""
    watched.on("put_new", "quarantine/", refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        commit(exporter, [event("INSERT", item(1, ingested_at={"S": "never"})), insert(2)])
    assert read_root(store).version == 0


# What the root says


def _with_columns(store: MemoryStore, ledger: Ledger, columns: Sequence[str]) -> None:
    root, etag = ledger.load_root()
    store.put_if_match(ROOT, encode_root(replace(root, columns=tuple(columns))), etag, "application/json", {})


@pytest.mark.parametrize("columns", [Root().columns[:12], (*Root().columns, "wind_speed_mps", "pilot")])
def test_a_root_with_other_columns_is_honoured(columns: tuple[str, ...], store: MemoryStore, ledger: Ledger) -> None:
    """An older or newer schema than the code's: exporters write what the root says, header and rows alike."""
    _with_columns(store, ledger, columns)
    extra: dict[str, Any] = {"wind_speed_mps": {"N": "3.5"}, "pilot": {"S": "Ada"}}
    commit(ledger, [insert(1, **extra), insert(2)])
    publish(ledger)
    assert read_csv(store) == model_csv([item(1, **extra), item(2)], columns)
    assert read_root(store).columns == columns


def test_a_schema_that_is_swapped_in_between_is_honoured(
    exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """The swap is refused, the root has other columns: the batch is encoded anew, by these."""
    columns = (*Root().columns[:9], "pilot")
    watched.on("put_if_match", ROOT, first(lambda: _with_columns(store, rival, columns)))
    report = commit(exporter, [insert(1, pilot={"L": []}), insert(2, pilot={"S": "Ada"})])
    assert read_rows(store) == model_csv([item(1), item(2, pilot={"S": "Ada"})], columns)
    assert (report.quarantined, report.unfinished) == ([], [])


def test_a_schema_that_is_swapped_in_while_waiting_is_honoured(
    exporter: Ledger, rival: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """The root that is read after the wait may have other columns too: no line of the old schema may get into it."""
    columns = Root().columns[:12]
    watched.on("put_if_match", ROOT, refuse(REFUSED))
    exporter.sleep = lambda seconds: _with_columns(store, rival, columns)
    commit(exporter, [insert(1), insert(2)])
    assert read_rows(store) == model_csv([item(1), item(2)], columns)
    assert not keys(store, "pending/")


def test_an_existing_root_keeps_its_targets(store: MemoryStore, ledger: Ledger) -> None:
    """Targets are part of the tree hash: code with other constants goes on with the root's."""
    commit(ledger, [insert(number) for number in range(20)])
    commit(make_ledger(store, targets=Targets(77, 77)), [insert(30)])
    assert read_root(store).targets == ledger.targets


def test_sequence_numbers_are_compared_as_integers(store: MemoryStore, ledger: Ledger) -> None:
    """X3: "9" is not above "101"; the checkpoint keeps the highest as received."""
    commit(ledger, [insert(1, sequence=101), insert(2, sequence=9)])
    assert read_root(store).checkpoint.streams == {"Images/2026-11-25T07:00:00.000": "101"}
    streams = {"s": "101"}
    for number, highest in (("9", "101"), ("0000000102", "0000000102"), ("", "0000000102"), ("x", "0000000102")):
        raise_highest(streams, "s", number)
        assert streams["s"] == highest


def test_a_new_stream_starts_its_own_checkpoint_line_and_marks_a_gap(store: MemoryStore, ledger: Ledger) -> None:
    """X11: numbers that restart lower are never taken as done; what lay between the streams may be lost."""
    again = STREAM.replace("11-25T07", "11-26T09")
    commit(ledger, [event("INSERT", item(1), sequence=900, seconds=10)])
    commit(ledger, [event("INSERT", item(2), sequence=5, seconds=500, stream=again)])
    assert read_rows(store) == model_csv([item(1), item(2)])
    checkpoint = read_root(store).checkpoint
    labels = {"Images/2026-11-25T07:00:00.000": "900", "Images/2026-11-26T09:00:00.000": "5"}
    assert checkpoint.streams == labels
    assert checkpoint.gaps == (
        Gap("new-stream", "Images/2026-11-26T09:00:00.000", "2026-11-25T08:00:10Z", "2026-11-25T08:08:20Z"),
    )
    commit(ledger, [event("INSERT", item(3), sequence=6, seconds=600, stream=again)])
    assert read_root(store).checkpoint.gaps == checkpoint.gaps


@pytest.mark.parametrize(("hours", "late"), [(22.9, False), (23.0, False), (23.1, True), (25, True)])
def test_records_that_come_when_the_stream_forgets_mark_a_gap(
    hours: float, late: bool, store: MemoryStore, ledger: Ledger
) -> None:
    """X11: an exporter that was off for a day is told of it by the age of what it gets then."""
    commit(ledger, [insert(1)], arrived=START.timestamp())
    arrived = (START + timedelta(hours=hours)).timestamp()
    commit(ledger, [insert(2)], arrived=arrived)
    gaps = read_root(store).checkpoint.gaps
    start = "2026-11-25T08:00:00Z"
    assert gaps == ((Gap("late", "Images/2026-11-25T07:00:00.000", start, start),) if late else ())


def test_neighbouring_gaps_of_a_stream_are_one() -> None:
    one, two = Gap("late", "s", "2", "5"), Gap("late", "s", "4", "9")
    other = Gap("new-stream", "s", "0", "1")
    assert add_gap((one, other), two) == (Gap("late", "s", "2", "9"), other)
    assert add_gap((two,), one) == (Gap("late", "s", "2", "9"),), "whichever is told of first"
    many: tuple[Gap, ...] = ()
    for number in range(150):
        many = add_gap(many, Gap("late", str(number), "", ""))
    assert len(many) == OPEN_GAPS
    assert many[-1].stream == "149", "the oldest go"


# Removals


def test_a_late_put_does_not_bring_a_removed_row_back(store: MemoryStore, ledger: Ledger) -> None:
    """X3: a zombie's late commit of an old change, also of the removal's own revision."""
    commit(ledger, [insert(1)])
    commit(ledger, [remove(1, 3)])
    assert read_root(store).checkpoint.changes == 2, "a removal is a change, too"
    report = commit(ledger, [modify(1, 3)])
    assert read_rows(store) == model_csv([])
    assert report.counts.after_removal == 1
    commit(ledger, [modify(1, 4)])
    assert read_rows(store) == model_csv([item(1, 4)]), "an operator who restores an item bumps its revision"


def test_a_removal_of_what_was_never_seen_is_remembered(store: MemoryStore, ledger: Ledger) -> None:
    """X4: no error, no row; the put that comes after it, late, is dropped."""
    commit(ledger, [remove(9)])
    assert read_tree(store, read_root(store).removals).count(b"\n") == 1
    commit(ledger, [insert(9)])
    assert read_rows(store) == model_csv([])
    assert commit(ledger, [remove(9), remove(9)]).commits == 0


def test_a_removal_without_an_old_image_is_put_aside(store: MemoryStore, ledger: Ledger) -> None:
    """X4: the row's key is not in the record's Keys (ingested_at is missing there), so it cannot be guessed."""
    commit(ledger, [insert(1)])
    report = commit(ledger, [event("REMOVE", sequence=201)])
    assert len(report.quarantined) == 1
    assert read_rows(store) == model_csv([item(1)])


def test_a_foreign_writer_is_followed_and_counted(store: MemoryStore, ledger: Ledger) -> None:
    """Equal revision, other bytes: the later one in the stream wins, and a metric tells."""
    commit(ledger, [insert(1)])
    edited = item(1, description={"S": "by hand"})
    report = commit(ledger, [event("MODIFY", edited, item(1), sequence=7)])
    assert report.counts.foreign == 1
    assert read_rows(store) == model_csv([edited])
    assert commit(ledger, [insert(1)]).commits == 0, "an old delivery does not undo it"


def test_a_damaged_shard_stops_the_commit_and_names_itself(store: MemoryStore, ledger: Ledger) -> None:
    """Never replaced by an empty one: an operator has to look."""
    commit(ledger, [insert(1)])
    (key,) = keys(store, "shards/")
    store.put_if_match(key, b"spoilt", store.head(key).etag, "text/csv", {})
    with pytest.raises(Damaged, match=key):
        commit(make_ledger(store), [insert(2)])
    store.delete([key])
    with pytest.raises(Damaged, match="missing"):
        commit(make_ledger(store), [insert(2)])
    assert read_root(store).version == 1


@pytest.mark.usefixtures("packed_alike")
def test_a_warm_exporter_reads_no_shard_that_it_wrote(exporter: Ledger, watched: WatchedStore) -> None:
    """Content-addressed objects stay in memory: a commit at the tail reads the root alone."""
    commit(exporter, [insert(number) for number in range(50)])
    watched.calls.clear()
    commit(exporter, [insert(60)])
    assert [call for call in watched.calls if call[0].startswith("get")] == [("get", ROOT)]


def test_bytes_written_follow_the_change_and_not_the_table(store: MemoryStore) -> None:
    """X10: one more row costs the same on a table of 300 and of 3,000."""
    written = []
    for rows in (300, 3000):
        fresh = MemoryStore()
        ledger = make_ledger(fresh, targets=Targets(4000, 20))
        commit(ledger, [insert(number) for number in range(rows)])
        before = dict(fresh.objects)
        commit(ledger, [insert(10**6)])
        new = [kept for key, (kept, _) in fresh.objects.items() if before.get(key, ("",))[0] != kept]
        written.append(sum(stored.size for stored in new))
        assert read_root(fresh).rows.rows == rows + 1
    assert written[1] < written[0] + 30_000


def test_one_huge_row_is_a_row_like_any_other(store: MemoryStore, ledger: Ledger) -> None:
    """X10: a row of 300 KB stands in a shard of its own and moves nobody else's cut."""
    huge = {"exif": {"S": '"' + "x" * 300_000 + '"'}}
    commit(ledger, [insert(number) for number in range(50)])
    commit(ledger, [modify(25, 2, **huge)])
    items = [item(number) for number in range(50)]
    items[25] = item(25, 2, **huge)
    assert read_rows(store) == model_csv(items)


def test_a_swap_on_a_missing_root_is_not_a_first_run(exporter: Ledger, watched: WatchedStore) -> None:
    """X12: 404 to If-Match with nothing else in the bucket: the first root is made anew and the batch lands on it."""
    watched.on("put_if_match", ROOT, refuse(NotFound("NoSuchKey")))
    assert commit(exporter, [insert(1)]).commits == 1


def _records(events: Iterable[Event]) -> list[Record]:
    return [event.record for event in events]
