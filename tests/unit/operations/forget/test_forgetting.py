"""A forgotten image: no search, no replay and no snapshot finds a value of it, whatever went wrong on the way."""

import gzip
from dataclasses import replace
from functools import partial

import orjson
import pytest

from infra.doubles.export_files import write_full_export
from infra.doubles.memory_store import MemoryStore
from ledger import keys
from ledger.commit import commit
from ledger.errors import Damaged, SegmentGone, Unknown
from ledger.event import read_event
from ledger.journal import quarantine
from ledger.keys import (
    FAILED_BATCHES,
    FORGETTING_KEY,
    FORGOTTEN,
    JOURNAL,
    PAGES,
    QUARANTINE,
    SHARDS,
    SNAPSHOTS,
    plain_key,
)
from ledger.objects import Objects
from ledger.publish import publish
from ledger.shard_list import LISTS, put_list
from ledger.shard_list import shards_of as shards_of_root
from operations.collection.collect import collect
from operations.errors import Busy, StillThere, UnknownImage
from operations.forget.erase import erase
from operations.forget.forgetting import forget
from operations.forget.search import OURS, search
from operations.live.catch_up import RebuiltTree, catch_up
from operations.live.redrive import redrive_batches
from operations.live.snapshot import load, pin, restore
from operations.rebuild.destination import ScratchObjects
from operations.rebuild.plan import listed_segments, make_plan
from operations.rebuild.scratch import StoreScratch
from operations.replay.local import Wishes, replay
from operations.verify.ledger import check_tree, compare_with_journal
from operations.verify.published import check_csv
from tests.support.bucket_keys import keys_spelt
from tests.support.factories import START, event, insert, item, model_csv, remove
from tests.support.failed_batches import put_aside
from tests.support.forgotten_person import (
    ETAG,
    NUMBER,
    OTHERS,
    Clock,
    forget_person,
    lived_and_died,
    open_ledger,
    person,
    places_with_values,
    replayed,
)
from tests.support.reader import read_csv, read_root, read_tree
from tests.support.store_calls import WatchedStore, first, land_and_lose

ROWS = [number for number in OTHERS if number not in (11, 12)]  # these two lie in batches that were put aside
MOMENTS = [0, 1, 599, 600, 601, 700, 10_999, 11_000]


@pytest.fixture
def clock() -> Clock:
    """The time of bucket and functions."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    """A bucket with the photo in every place, half a day after it was removed."""
    return lived_and_died(clock)


def _moment(seconds: int) -> str:
    return START.fromtimestamp(START.timestamp() + seconds, START.tzinfo).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_verified(store: MemoryStore, clock: Clock) -> bool:
    ledger = open_ledger(store, clock, 4)
    checks = check_tree(ledger, ledger.load_root()[0]), check_csv(ledger)
    by_journal = compare_with_journal(ledger, StoreScratch(MemoryStore(), "scratch/"))
    return all(findings.good for findings in (*checks, by_journal))


def test_the_photo_stands_in_every_place_before(store: MemoryStore) -> None:
    """So that finding nothing afterwards says something; it was delivered in several segments."""
    places = [key.partition("/")[0] for key in places_with_values(store)]
    assert {*places} == {
        "journal",
        "quarantine",
        "aws",
        "pending",
        "replay",
        "bucket-check.json",
        "table-exports",
        "shards",
    }
    assert places.count("journal") == 8
    assert places.count("shards") >= 4


def test_no_value_is_found_in_the_bucket_afterwards(store: MemoryStore, clock: Clock) -> None:
    """All of it unpacked and searched; the live tree and the CSV are the bytes that they were."""
    before = read_root(store)
    done = forget_person(store, clock)
    assert [*places_with_values(store)] == []
    assert done.after.is_clean
    assert read_root(store) == before
    assert read_csv(store) == model_csv(item(number) for number in ROWS)


def test_a_replay_to_any_time_has_the_others_and_no_row_of_it(store: MemoryStore, clock: Clock) -> None:
    """The events of all others stay; the present tree, the removals and the checkpoint come out as before."""
    mine = f",{ETAG},".encode()
    before = {until: replayed(store, clock, until)[0] for until in map(_moment, MOMENTS)}
    assert sum(mine in rows for rows in before.values()) >= 4
    now = replayed(store, clock)
    forget_person(store, clock)
    assert replayed(store, clock) == now
    root = read_root(store)
    assert (now[1], now[2]) == (read_tree(store, root.removals), root.tree_hash)
    for until, rows in before.items():
        without = b"".join(line for line in rows.splitlines(keepends=True) if mine not in line)
        assert replayed(store, clock, until)[0] == without, until


def test_everything_verifies_afterwards(store: MemoryStore, clock: Clock) -> None:
    """Tree, CSV and journal; also when a collection has run."""
    forget_person(store, clock)
    assert _is_verified(store, clock)
    clock.later(hours=30)
    assert collect(open_ledger(store, clock, 6)).finished
    assert _is_verified(store, clock)


def test_snapshots_are_the_same_without_the_row(store: MemoryStore, clock: Clock) -> None:
    """Each can be restored, also after a collection; one that never had the row is not touched."""
    untouched = store.get(f"{SNAPSHOTS}before.json")
    forget_person(store, clock)
    assert store.get(f"{SNAPSHOTS}before.json") == untouched
    clock.later(hours=30)
    collect(open_ledger(store, clock, 6))
    for name, rows in (("monday", [*range(6), 8, 9, 10]), ("before", range(6))):
        ledger = open_ledger(store, clock, 5)
        assert check_tree(ledger, load(ledger, name)).good
        restore(ledger, load(ledger, name), name)
        assert read_csv(store) == model_csv(map(item, rows))
        assert [*places_with_values(store)] == []


@pytest.mark.parametrize("as_text", [True, False])
def test_what_was_put_aside_is_merged_without_it(as_text: bool, store: MemoryStore, clock: Clock) -> None:
    """The others of a batch that Lambda gave up on come into the CSV by a redrive; its payload stays what it was."""
    for listed in store.list(FAILED_BATCHES) if not as_text else ():
        batch = orjson.loads(store.get(listed.key).body)
        batch["payload"] = orjson.loads(batch["payload"])
        store.put_if_match(listed.key, orjson.dumps(batch), listed.etag, "application/json", {})
    forget_person(store, clock)
    batches = [orjson.loads(store.get(listed.key).body) for listed in store.list(FAILED_BATCHES)]
    assert [isinstance(batch["payload"], str) for batch in batches] == [as_text] * 2
    assert redrive_batches(open_ledger(store, clock, 5)).merged == 2
    assert read_csv(store) == model_csv(map(item, sorted(OTHERS)))
    assert [*places_with_values(store)] == []
    assert _is_verified(store, clock)


def test_an_event_that_the_stream_delivers_again_brings_nothing_back(store: MemoryStore, clock: Clock) -> None:
    """It is journaled anew, so the proof says when to run it again; that run finds it, and the next one nothing."""
    first = forget_person(store, clock)
    assert first.again_after == "2026-11-26T12:03:20Z"
    assert not first.proof["finished"]
    ledger = open_ledger(store, clock, 3)
    commit(ledger, [insert(8), event("INSERT", person(), sequence=8, seconds=1)])
    publish(ledger)
    assert read_csv(store) == model_csv(map(item, ROWS))
    assert [key.partition("/")[0] for key in places_with_values(store)] == ["journal"]
    clock.later(hours=24)
    second = forget_person(store, clock)
    assert len(second.before.places["journal"].found) == 1
    assert (second.again_after, second.proof["finished"]) == ("", True)
    assert [*places_with_values(store)] == []
    assert forget_person(store, clock).before.is_clean


def test_an_image_that_is_still_there_is_not_forgotten(store: MemoryStore, clock: Clock) -> None:
    """Its row is in the CSV, or its removal has not come; one of many is enough, and nothing is changed."""
    before = dict(store.objects)
    with pytest.raises(StillThere, match=f"{8:032x}"):
        forget_person(store, clock, ETAG, f"{8:032x}")
    with pytest.raises(StillThere, match=f"{11:032x}"):  # known by a batch that was put aside alone: no row yet
        forget_person(store, clock, f"{11:032x}")
    for unknown, named in (("7", "7"), ("12345", "1, 2, 3, 4, 5"), ("1234567", "1, 2, 3, 4, 5 and 2 more")):
        with pytest.raises(UnknownImage, match=f"no event is about {named}: skyledger history"):
            forget_person(store, clock, ETAG, *unknown)
    assert store.objects == before


def test_a_row_that_was_restored_is_still_there(store: MemoryStore, clock: Clock) -> None:
    """An old tree was made the live one, so the row is in the CSV although its removal is journaled."""
    ledger = open_ledger(store, clock, 5)
    restore(ledger, load(ledger, "monday"), "monday")
    with pytest.raises(StillThere):
        forget_person(store, clock)


@pytest.mark.parametrize("at_work", ["replay/other/plan.json", "bucket-check/other/plan.json"])
def test_who_is_at_work_is_waited_for(at_work: str, store: MemoryStore, clock: Clock) -> None:
    """A replay reads segments and writes rows, a check of the buckets names; only what they left behind is deleted."""
    store.put_new(at_work, b"{}", "application/json")
    clock.later(minutes=119)
    with pytest.raises(Busy):
        forget_person(store, clock)
    clock.later(minutes=2)
    for done in ("bucket-check/1/result.json", "bucket-check/1/differences/0"):
        store.put_new(done, b"{}", "application/json")
    forget_person(store, clock)
    assert [key for key in store.objects if key.startswith(("replay", "bucket-check"))] == []


def test_another_life_of_the_image_is_forgotten_with_it(store: MemoryStore, clock: Clock) -> None:
    """A photo that was uploaded again and removed again has two keys."""
    again = person() | {"ingested_at": {"S": "2026-11-25T20:00:00.000000Z"}}
    ledger = open_ledger(store, clock, 5)
    commit(ledger, [event("INSERT", again, sequence=50, seconds=43_200)])
    pin(ledger, "again", read_root(store))
    commit(ledger, [event("REMOVE", old=again, sequence=51, seconds=43_300)])
    done = forget_person(store, clock)
    assert len(done.before.lives) == 2
    assert [*places_with_values(store)] == []
    assert _is_verified(store, clock)


def test_the_csv_is_brought_level_first(clock: Clock) -> None:
    """A removal that is merged and not yet published stands in image-data.csv: that is bound to go as well."""
    store = MemoryStore(clock)
    ledger = open_ledger(store, clock)
    commit(ledger, [insert(1), event("INSERT", person(), sequence=8)])
    publish(ledger)
    commit(ledger, [remove(NUMBER)])
    assert "image-data.csv" in [*places_with_values(store)]
    forget_person(store, clock)
    assert [*places_with_values(store)] == []


def test_the_proof_says_what_was_done_and_no_value(store: MemoryStore, clock: Clock) -> None:
    """Beside what was found and searched again: what stays, and what in the bucket is not Skyledger's."""
    for key in ("notes.txt", "mine/a", "mine/b", "journal/notes", "journal/\u00fc/odd", "shards/notes", "zebra/x"):
        store.put_new(key, b"", "text/plain")
    done = forget_person(store, clock)
    (listed,) = store.list(FORGOTTEN)
    assert listed.key == done.key
    proof = orjson.loads(store.get(listed.key).body)
    assert proof == done.proof
    assert (proof["etags"], proof["lives"]) == ([ETAG], [f"2026-11-25T08:00:00.007000Z,{ETAG}"])
    assert {place: len(keys) for place, keys in proof["erased"].items()} == {
        "replays": 1,
        "bucket checks": 1,
        "journal": 8,
        "failed batches": 1,
        "quarantine": 1,
        "waiting": 1,
        "table exports": 2,
        "snapshots": 2,
        "shards": sum(key.startswith(SHARDS) for key in proof["erased"]["shards"]),
    }
    assert proof["searched_again"]["journal"][0] == sum(key.startswith(f"{JOURNAL}date=") for key in store.objects)
    assert not any(proof["found_again"].values())
    assert proof["not_searched"] == ["journal/notes", "journal/\u00fc/", "mine/", "notes.txt", "zebra/"]
    assert proof["tree_before"] == proof["tree"] == read_root(store).tree_hash
    assert any("35 days" in one["until"] for one in proof["stays"])


def test_an_image_that_only_a_table_export_has_is_forgotten_too(clock: Clock) -> None:
    """It was gone before the exporter came: no event is about it, and its values lie there for a month."""
    store = MemoryStore(clock)
    commit(open_ledger(store, clock), [insert(0)])
    write_full_export(store, [person(), item(0)], clock.now)
    assert [*places_with_values(store)]
    assert forget_person(store, clock).after.is_clean
    assert [*places_with_values(store)] == []


def test_what_is_not_what_it_should_be_is_searched_by_name(store: MemoryStore, clock: Clock) -> None:
    """Deleted if it names the image; a torn batch may hold others' events, so it is for an operator to look into."""
    text = f"Zoe, {ETAG}".encode()
    key = f"2026-11-25T08:00:00.007000Z,{ETAG},Zoe".encode()
    odd = {"quarantine/odd": text, "pending/odd": text, "shards/odd": key, "shards/odd.gz": gzip.compress(key)}
    for name, body in {**odd, "table-exports/mine/1.ion.gz": gzip.compress(text)}.items():
        store.put_new(name, body, "text/plain")
        store.put_new(name.replace("odd", "other"), b"of nobody", "text/plain")
    forget_person(store, clock)
    assert [*places_with_values(store)] == []
    assert {name.replace("odd", "other") for name in odd} <= store.objects.keys()
    store.put_new("aws/lambda/torn", text, "application/json")
    with pytest.raises(Damaged, match="aws/lambda/torn"):
        forget_person(store, clock)
    assert store.get("aws/lambda/torn").body == text


def test_rows_go_however_they_lie_there(store: MemoryStore, clock: Clock) -> None:
    """Shards that an older version wrote, plain, also beside the compressed one, and what waits plain, or torn."""
    for number, name in enumerate(sorted(key for key in store.objects if key.startswith(SHARDS))):
        lines = gzip.decompress(store.get(name).body)
        store.put_new(plain_key(name), lines, "text/csv")
        if number % 2:
            store.delete([name])
    (waiting,) = store.list("pending/")
    packed = store.get(waiting.key).body
    store.put_new("pending/plain", gzip.decompress(packed), "text/plain")
    kept = {key for key in store.objects if key.startswith(SHARDS)} - {*places_with_values(store)}
    assert {key.endswith(".gz") for key in places_with_values(store) if key.startswith(SHARDS)} == {True, False}
    store.put_new("pending/torn", packed[:-9], "application/gzip")
    forget_person(store, clock)
    assert [*places_with_values(store)] == []
    assert kept <= store.objects.keys()
    assert "pending/torn" not in store.objects


def test_a_shard_that_cannot_be_unpacked_is_named(store: MemoryStore, clock: Clock) -> None:
    """It cannot be said what it holds."""
    store.put_new("shards/torn.csv.gz", gzip.compress(b"Zoe")[:-1], "application/gzip")
    with pytest.raises(Damaged, match=r"shards/torn\.csv\.gz is cut off"):
        forget_person(store, clock)


def test_a_copy_under_a_folder_that_is_not_searched_is_named(store: MemoryStore, clock: Clock) -> None:
    """Nobody looks into the page's files, claims, roots, proofs, or what is no data of an export: the proof says so."""
    folders = ("engines/", "forgotten/", "leading/", "page/", "publishing/", "roots/", "table-exports/")
    odd = [f"{folder}copy.csv" for folder in folders]
    for key in (*odd, "page/", "page/map.mjs", "page/vendor/x.LICENSE.txt", "table-exports/AWSDynamoDB/1/_started"):
        store.put_new(key, b"Zoe", "text/csv")
    assert [*forget_person(store, clock).proof["not_searched"]] == odd
    assert forget_person(store, clock).proof["not_searched"] == odd  # and not the proof before


def test_a_stray_key_of_the_journal_hides_no_event(store: MemoryStore, clock: Clock) -> None:
    """One that sorts before all dates of a year, and one that sorts behind all hours of a date."""
    for key in ("journal/date=2026", "journal/date=2026-11-25/~~.jsonl.gz"):
        store.put_new(key, gzip.compress(b""), "application/gzip")
    assert "journal/date=2026" in forget_person(store, clock).proof["not_searched"]
    assert [*places_with_values(store)] == []


def test_no_place_of_the_bucket_is_a_stranger() -> None:
    """Whoever adds one to `ledger.keys` is asked here whether it has to be searched."""
    in_folders_of_their_kind = {keys.PAGE_CONFIG_KEY, keys.SYMLINKS_KEY, keys.COPY_MANIFEST_KEY}
    assert {*OURS} == keys_spelt() - in_folders_of_their_kind


@pytest.mark.parametrize("key", LISTS)
def test_a_list_of_shards_names_none_that_is_erased(key: str, store: MemoryStore, clock: Clock) -> None:
    """Engines go on reading: the list that they find has been renewed before the first shard goes."""
    ledger = open_ledger(store, clock, 5)
    old = load(ledger, "monday")
    put_list(ledger, old, shards_of_root(ledger, old), key, "exports", None)
    done = forget_person(store, clock)
    body = store.get(key).body.decode()
    assert not [listed.key for listed in done.before.places["shards"].found if listed.key in body]
    assert store.get(key).metadata["root"] == read_root(store).name
    assert done.proof["not_searched"] == []


def test_a_shard_that_holds_others_too_goes_only_where_the_row_is(store: MemoryStore, clock: Clock) -> None:
    """What the live tree names stays, and so does every page: pages hold keys and hashes."""
    pages = {key for key in store.objects if key.startswith(PAGES)}
    gone = {key for key in places_with_values(store) if key.startswith(SHARDS)}
    shards = {key for key in store.objects if key.startswith(SHARDS)}
    forget_person(store, clock)
    assert pages <= store.objects.keys()
    assert shards - store.objects.keys() == gone


def test_what_is_written_meanwhile_is_found_by_the_second_search(store: MemoryStore, clock: Clock) -> None:
    """An exporter journals an old event again while it runs: the proof says that it is not finished."""
    clock.later(hours=30)  # so that the second search alone says that it is not finished
    ledger = open_ledger(store, clock, 9)
    found = search(ledger, {ETAG})
    late = [event("INSERT", person(), sequence=8, seconds=1), insert(8), insert(9)]
    commit(open_ledger(store, clock, 3), late)
    done = forget(ledger, found)
    assert [len(place.found) for name, place in done.after.places.items() if name == "journal"] == [1]
    assert (done.after.is_clean, done.again_after, done.proof["finished"]) == (False, "", False)
    assert forget_person(store, clock).after.is_clean
    assert [*places_with_values(store)] == []


def test_what_was_changed_since_it_was_listed_is_left_alone(store: MemoryStore, clock: Clock) -> None:
    """In every place: it may be another object by now, or none, and is searched again; so is one without an answer."""
    watched = WatchedStore(store)
    ledger = open_ledger(watched, clock, 9)
    found = search(ledger, {ETAG})
    for place, searched in found.places.items():
        assert searched.found, place
        for listed in searched.found:
            before = store.objects[listed.key]
            erase(ledger, found, place, replace(listed, etag="another"))
            assert store.objects[listed.key] == before, listed.key
            store.delete([listed.key])
            erase(ledger, found, place, listed)
            assert listed.key not in store.objects
            store.objects[listed.key] = before
            for verb in ("delete_if_match", "put_if_match"):
                watched.on(verb, listed.key, land_and_lose(Unknown("no answer")))
            erase(ledger, found, place, listed)
            assert store.objects.get(listed.key) != before, listed.key
    assert search(ledger, {ETAG}).is_clean


def test_a_row_that_is_restored_while_it_is_erased_is_still_there(store: MemoryStore, clock: Clock) -> None:
    """Its shards are the live tree's again: nothing of them is deleted."""
    rival, watched = open_ledger(store, clock, 5), WatchedStore(store)
    old = load(rival, "monday")
    watched.on("put_if_match", SNAPSHOTS, first(lambda: restore(rival, old, "monday")))
    ledger = open_ledger(watched, clock, 9)
    with pytest.raises(StillThere):
        forget(ledger, search(ledger, {ETAG}))
    assert read_root(store).tree_hash == old.tree_hash
    assert check_tree(rival, read_root(store)).good


@pytest.mark.parametrize("seen", ["before", "after"])
def test_the_last_event_is_that_of_both_searches(seen: str, store: MemoryStore, clock: Clock) -> None:
    """In quarantine, which goes, or journaled meanwhile; that of another image in the same batch does not count."""
    last = event("REMOVE", old=person(3), sequence=41, seconds=12_000)
    put_aside(store, event("INSERT", person()), event("INSERT", item(13), seconds=50_000), name="later")
    if seen == "before":
        quarantine(store, read_event(last), "why")
    ledger = open_ledger(store, clock, 9)
    found = search(ledger, {ETAG})
    if seen == "after":
        commit(open_ledger(store, clock, 3), [last])
    assert forget(ledger, found).again_after == "2026-11-26T12:20:00Z"


def test_many_are_searched_for_as_each_of_them(store: MemoryStore, clock: Clock) -> None:
    """What holds something of one of them is found, and not only what holds something of all."""
    ledger = open_ledger(store, clock, 9)
    one, other, both = (
        {name: {listed.key for listed in place.found} for name, place in search(ledger, etags).places.items()}
        for etags in ({ETAG}, {f"{0:032x}"}, {ETAG, f"{0:032x}"})
    )
    assert both == {name: one[name] | other[name] for name in one}
    assert [name for name in one if other[name] - one[name]] == ["journal", "table exports", "snapshots", "shards"]


def test_what_is_gone_when_it_is_to_be_read_holds_nothing(store: MemoryStore, clock: Clock) -> None:
    """Its owner was done with it between listing and reading."""
    watched = WatchedStore(store)
    (listed,) = store.list(QUARANTINE)
    watched.on("get", QUARANTINE, first(lambda: store.delete([listed.key])))
    found = search(open_ledger(watched, clock, 9), {ETAG}).places["quarantine"]
    assert (found.found, found.objects) == ([], 0)


def test_nobody_brings_back_what_another_takes_out_of_the_same_segment(clock: Clock) -> None:
    """Two at once, with an image each: whoever comes second is told to wait, and its images go when it is run again."""
    store, others = MemoryStore(clock), f"{1:032x}"
    ledger = open_ledger(store, clock)
    commit(ledger, [insert(1), event("INSERT", person(), sequence=8)])
    commit(ledger, [remove(1), remove(NUMBER)])
    first, second = open_ledger(store, clock, 3), open_ledger(store, clock, 4)
    found = search(first, {ETAG}), search(second, {others})
    meanwhile = iter([partial(forget, second, found[1])])

    class Slow(MemoryStore):
        def put_new(self, key: str, *arguments: object) -> bool:
            if key.startswith(JOURNAL) and (come := next(meanwhile, None)):
                with pytest.raises(Busy, match="other images"):
                    come()
            return store.put_new(key, *arguments)  # type: ignore[arg-type]

    slow = Slow(clock)
    slow.objects = store.objects
    done = forget(open_ledger(slow, clock, 5), found[0])
    assert next(meanwhile, None) is None
    assert done.after.is_clean
    forget_person(store, clock, others)
    assert [*places_with_values(store)] == []
    assert search(first, {ETAG, others}).is_clean
    assert keys.FORGETTING_KEY not in store.objects


def test_a_claim_of_somebody_who_died_holds_for_an_hour(store: MemoryStore, clock: Clock) -> None:
    """The same images are not held up by it, as the test of runs that died shows."""
    store.put_new(keys.FORGETTING_KEY, b'["of others"]', "application/json")
    clock.later(minutes=59)
    with pytest.raises(Busy):
        forget_person(store, clock)
    clock.later(minutes=2)
    assert forget_person(store, clock).after.is_clean


@pytest.mark.parametrize("key", [SHARDS, FORGETTING_KEY])
def test_a_claim_of_others_is_not_released(key: str, store: MemoryStore, clock: Clock) -> None:
    """Ours was void after an hour, and they took it over: before we look at it again, or after that."""
    watched, theirs = WatchedStore(store), b'["of others"]'

    def take_over() -> None:
        store.delete([FORGETTING_KEY])
        store.put_new(FORGETTING_KEY, theirs, "application/json")

    watched.on("delete_if_match", key, first(take_over))
    assert forget_person(watched, clock).after.is_clean
    assert store.get(FORGETTING_KEY).body == theirs


@pytest.mark.parametrize("held", [True, False])
def test_two_who_claim_in_one_moment_do_not_both_erase(held: bool, store: MemoryStore, clock: Clock) -> None:
    """One ends, or begins, after we looked who claims it: then nothing is erased, and we are told to try again."""
    watched = WatchedStore(store)
    if held:
        store.put_new(FORGETTING_KEY, orjson.dumps([ETAG]), "application/json")
        rival: partial[object] = partial(store.delete, [FORGETTING_KEY])
    else:
        rival = partial(store.put_new, FORGETTING_KEY, b'["of others"]', "application/json")
    watched.on("put_if_match", FORGETTING_KEY, first(rival))
    before = [*places_with_values(store)]
    with pytest.raises(Busy, match="at this moment"):
        forget_person(watched, clock)
    assert [*places_with_values(store)] == before


def test_what_cannot_be_read_ends_the_search(store: MemoryStore, clock: Clock) -> None:
    """Where a segment or a snapshot is torn it cannot be said what it holds, so nothing is said to be clean."""
    for key in (f"{JOURNAL}date=2026-11-25/hour=09/1-1-torn.jsonl.gz", f"{SNAPSHOTS}torn.json"):
        store.put_new(key, b"torn", "application/gzip")
        with pytest.raises(Damaged):
            search(open_ledger(store, clock, 9), {ETAG})
        store.delete([key])


def test_a_replay_that_had_listed_the_journal_before_starts_over(store: MemoryStore, clock: Clock) -> None:
    """It misses a segment and says so once; it does not go on for ever with a list that is no longer true."""
    scratch, ledger = StoreScratch(MemoryStore(), "scratch/"), open_ledger(store, clock, 3)
    root = read_root(store)
    wishes = {"columns": root.columns, "targets": root.targets, "until": "", "keep": "nothing"}
    make_plan(store, scratch, version=root.version, now=ledger.now(), **wishes)
    forget_person(store, clock)
    with pytest.raises(SegmentGone, match="start over"):
        replay(ledger, scratch, Wishes(**wishes))
    assert replay(ledger, scratch, Wishes(**wishes)).root.tree_hash == root.tree_hash


def test_a_rebuilt_tree_follows_the_live_one_past_segments_that_were_replaced(clock: Clock) -> None:
    """The copies of roots name the segments as they were; so the journal is listed again, and nothing is missing."""
    store = MemoryStore(clock)
    ledger = open_ledger(store, clock)
    commit(ledger, [insert(1), event("INSERT", person(), sequence=8)])
    scratch = StoreScratch(MemoryStore(), "scratch/")
    rebuild = replay(ledger, scratch, Wishes(keep="scratch"))
    commit(ledger, [insert(2), remove(NUMBER)])
    forget_person(store, clock)
    objects = Objects(ScratchObjects(scratch))  # type: ignore[arg-type]
    tree = RebuiltTree(rebuild.root, objects, partial(listed_segments, scratch, rebuild.plan))
    notes: list[str] = []
    catch_up(ledger, tree, read_root(store), notes.append)
    assert notes == ["listing the journal again"]
    assert tree.root.tree_hash == read_root(store).tree_hash
