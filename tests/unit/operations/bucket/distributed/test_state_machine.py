"""The state machine finds what differs, whatever order its children run in and however often, and nothing else."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import orjson
import pytest

from infra.doubles.inventories import packed, write_inventory
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.keys import LAST_CHECK_KEY
from operations.bucket import rows
from operations.bucket.check import Named, check_buckets
from operations.bucket.compare import Kind
from operations.bucket.distributed import cut, lambda_steps, outcome, pieces, rounds
from operations.bucket.distributed.job import LEAST_RATE, open_job
from operations.bucket.gather import Wanted
from operations.bucket.lane import send
from operations.bucket.recheck import Looker
from operations.errors import BadWish, ExportFailed
from operations.progress import silent
from operations.rebuild.scratch import FolderScratch
from operations.table_export.take import ExportRequest
from tests.support import state_machine
from tests.support.checked_buckets import EXPORTED, NOW, OLD, CheckedBuckets
from tests.support.factories import event, item, make_ledger
from tests.support.paths import ROOT
from tests.support.state_machine import StateMachine

DEFINITION = ROOT / "infra" / "bucket.asl.yaml"
CHUNK = rounds.CHUNK
RESULT = "bucket-check/first/result.json"
COLUMNS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
VERIFY = {"mode": "verify", "repair": False}


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ranges and chunks so small that the tests' few objects make many."""
    for module in (cut, pieces):
        monkeypatch.setattr(module, "RANGE_OBJECTS", 20)
    monkeypatch.setattr(pieces, "ETAG_RECORDS", 40)
    monkeypatch.setattr(rounds, "MOST_OBJECTS", 40)
    monkeypatch.setattr(rounds, "CHUNK", 3)
    monkeypatch.setattr(pieces, "BUFFER_BYTES", 500)


def machine(world: CheckedBuckets, seed: int = 0, worker: Callable[[Any], Any] | None = None, **more: Any) -> Any:
    """Make the state machine over a world; each call has a ledger of its own, as on machines of their own."""

    def work(event: dict[str, Any]) -> Any:
        ledger = make_ledger(world.store, 5)
        ledger.now = NOW.timestamp
        return lambda_steps.do(ledger, world.aws, world.sources, event)

    made = state_machine.load(DEFINITION, {"Partition": "aws", "ExportBucket": "exports", "Worker": "worker"})
    return StateMachine(
        made, {"worker": (lambda event: worker(event, work)) if worker else work}, world.store, seed, **more
    )


def surveyed(store: MemoryStore, count: int = 300) -> CheckedBuckets:
    """Make a world whose records are as its objects are."""
    world = CheckedBuckets(store)
    for number in range(count):
        world.put(f"2026/{number % 7}/DJI_{number:04d}.JPG", f"{number:032x}")
        world.know(f"2026/{number % 7}/DJI_{number:04d}.JPG", f"{number:032x}")
    world.know("x.jpg", "a" * 32, bucket="another")
    world.export_rows()
    return world


@pytest.mark.parametrize("seed", range(3))
def test_what_agrees_is_found_to_agree_and_leaves_nothing(seed: int, store: MemoryStore) -> None:
    """Of thousands of objects in many ranges; only the result stays, here and as the last check."""
    world = surveyed(store)
    running = machine(world, seed)
    result = running.run("first", VERIFY)
    assert (result["count"], result["checked"]["objects"], result["checked"]["records"]) == (0, 300, 301)
    assert [key for key in store.objects if key.startswith("bucket-check")] == [RESULT, LAST_CHECK_KEY]
    assert orjson.loads(store.get(LAST_CHECK_KEY).body)["good"]
    assert running.children > 20


def differing(world: CheckedBuckets) -> dict[str, list[str]]:
    """Make an object of every kind that differs, and of every kind that does not; give those that do, by kind."""
    world.put("lost.jpg")
    world.put("2026/3/new name.jpg", "f" * 32)
    world.put("2026/0/DJI_0007.JPG", "0" * 32)  # overwritten
    world.put("2026/1/DJI_0008.JPG", f"{8:032x}", at=NOW - timedelta(days=1))  # by the same bytes, later
    del world.objects["photos"]["2026/2/DJI_0009.JPG"]
    world.put("empty.jpg", size=0)
    world.put("just now.jpg", at=NOW - timedelta(minutes=14))
    world.tables.objects["photos/gone.jpg"] = {"object": {"S": "photos/gone.jpg"}, "expires_at": {"N": "1"}}
    world.put("notes.txt", "t")
    world.tables.objects["photos/notes.txt"] = {"object": {"S": "photos/notes.txt"}, "refused": {"S": "t"}}
    return {
        "missing": ["photos/2026/3/new name.jpg", "photos/lost.jpg"],
        "stale": ["photos/2026/0/DJI_0007.JPG", "photos/2026/1/DJI_0008.JPG"],
        "phantom": ["photos/2026/2/DJI_0009.JPG"],
    }


def named(result: dict[str, Any], store: MemoryStore) -> dict[str, list[str]]:
    """Give the differences that a result names, by kind; the files beside it name the same."""
    told = orjson.loads(store.get(f"{result['prefix']}result.json").body)
    lines = [line for name in told["files"] for line in store.get(result["prefix"] + name).body.splitlines()]
    assert [orjson.loads(line) for line in lines] == told["differences"]
    kinds: dict[str, list[str]] = {}
    for one in told["differences"]:
        kinds.setdefault(one["kind"], []).append(f"{one['bucket']}/{one['key']}")
    return {kind: sorted(names) for kind, names in kinds.items()}


@pytest.mark.parametrize("seed", range(3))
def test_every_difference_is_found_and_named_and_nothing_else(seed: int, store: MemoryStore) -> None:
    """Without a wish to repair, nothing is sent; counted is what is young, or no source's."""
    world = surveyed(store)
    expected = differing(world)
    result = machine(world, seed).run("check", VERIFY)
    assert named(result, store) == expected
    assert {kind: result[kind] for kind in expected} == {kind: len(names) for kind, names in expected.items()}
    assert (result["count"], result["checked"]["on_their_way"], result["checked"]["outside"]) == (5, 1, 1)
    assert world.messages == []


def test_what_is_to_be_repaired_is_sent_and_an_ingest_sends_what_is_to_be_read(store: MemoryStore) -> None:
    """A phantom too, if it is a proof: ImageProcessor looks, and finds it gone. An ingest takes young ones along."""
    world = surveyed(store)
    expected = differing(world)
    assert machine(world).run("repair", VERIFY | {"repair": True})["repaired"] == 5
    assert world.sent == sorted(name for names in expected.values() for name in names)
    assert {message["detail"]["reason"] for message in world.messages} == {"verify"}
    world.messages.clear()
    assert machine(world).run("ingest", {"mode": "ingest"})["repaired"] == 6
    assert world.sent == sorted([*expected["missing"], *expected["stale"], "photos/just now.jpg", "photos/notes.txt"])
    assert {message["detail"]["reason"] for message in world.messages} == {"ingest"}


def test_what_was_on_its_way_is_no_difference(store: MemoryStore) -> None:
    """Events arrive while the state machine waits: it looks again, at the table first, and at S3."""
    world = surveyed(store)
    differing(world)
    waits = []

    def arrive(seconds: int) -> None:
        waits.append(seconds)
        if seconds == 300:
            world.know("lost.jpg")
            world.put("2026/3/new name.jpg", "9" * 32, at=NOW)  # again, a moment ago
            world.know("2026/0/DJI_0007.JPG", "0" * 32)
            world.tables.objects.pop("photos/2026/2/DJI_0009.JPG", None)

    result = machine(world, while_waiting=arrive).run("check", VERIFY)
    assert named(result, store) == {"stale": ["photos/2026/1/DJI_0008.JPG"]}
    assert result["checked"]["on_their_way"] == 2
    assert waits == [30, 30, 300]


def test_children_that_die_are_tried_again(store: MemoryStore) -> None:
    """Whatever they had done: an answer that is lost, or a child that ends in the middle of its work."""
    world = surveyed(store)
    expected = differing(world)
    calls = 0

    def flaky(event: dict[str, Any], work: Callable[[Any], Any]) -> Any:
        nonlocal calls
        calls += 1
        died = calls % 3 == 0
        if died and calls % 2:  # in the middle: after some of its requests
            count = len(world.asked) + 1
            world.before = lambda operation, arguments: refuse() if len(world.asked) > count else None
        try:
            result = work(event)
        finally:
            world.before = lambda operation, arguments: None
        if died:
            raise Unavailable("the answer was lost")
        return result

    def refuse() -> None:
        raise Unavailable("it ended")

    running = machine(world, 1, flaky)
    result = running.run("flaky", VERIFY | {"repair": True})
    assert named(result, store) == expected
    assert world.sent == sorted(name for names in expected.values() for name in names)
    assert running.retries > 10
    assert len(world.tokens) == 1, "an export costs"


@pytest.mark.parametrize("known", [0, 1, 30])
def test_a_range_that_is_too_large_goes_on_in_pieces(known: int, store: MemoryStore) -> None:
    """A new stack knows nothing, or some: no name says where the bucket's objects are."""
    world = surveyed(store)
    for name in sorted(name for name in world.tables.objects if name.startswith("photos/"))[: 300 - known]:
        del world.tables.objects[name]
    rounds_seen = []

    def watching(event: dict[str, Any], work: Callable[[Any], Any]) -> Any:
        if event["step"] == "compare":
            rounds_seen.append(event["item"]["round"])
        return work(event)

    result = machine(world, 2, watching).run("ingest", {"mode": "ingest"})
    assert (result["missing"], result["checked"]["objects"], result["checked"]["records"]) == (
        300 - known,
        300,
        known + 1,
    )
    assert len(world.sent) == 300 - known
    assert max(rounds_seen) >= 1
    assert len(set(rounds_seen)) < 5


def test_an_empty_table_and_an_empty_bucket_agree(store: MemoryStore) -> None:
    """Nothing to sort: a Distributed Map over nothing is passed by."""
    assert machine(CheckedBuckets(store)).run("empty", VERIFY)["good"]


def test_only_as_many_as_were_asked_for_are_sent(store: MemoryStore) -> None:
    """And only from there; a part of the buckets proves nothing, so that the last check stays what it was."""
    world = surveyed(store, 50)
    world.tables.objects.clear()
    assert machine(world).run("some", {"mode": "ingest", "limit": 10})["repaired"] == len(world.sent) == 10
    world.messages.clear()
    result = machine(world).run("there", VERIFY | {"place": "s3://photos/2026/3/", "repair": True})
    assert world.sent == [name for name in sorted(f"photos/{key}" for key in world.objects["photos"]) if "/3/" in name]
    assert result["repaired"] == len(world.sent) == 7
    assert LAST_CHECK_KEY not in store.objects


def test_an_ingest_counts_and_waits_for_nothing_and_takes_what_is_new_enough(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who send share the rate; a dry run sends nothing."""
    world, waits, rates = surveyed(store, 30), list[int](), set[float]()
    for number in range(9):
        world.put(f"new {number}.jpg", at=OLD + timedelta(hours=number))
    monkeypatch.setattr(outcome, "send", lambda *given, rate: (rates.add(rate), send(*given, rate=0.0))[1])
    wishes = {"mode": "ingest", "newer_than": f"{OLD + timedelta(hours=6):%Y-%m-%dT%H:%M:%SZ}", "rate": 40.0}
    dry = machine(world, while_waiting=waits.append).run("dry", wishes | {"dry_run": True})
    assert (dry["count"], dry["repaired"], world.messages) == (2, 0, [])
    assert machine(world).run("ingest", wishes)["repaired"] == 2
    assert world.sent == ["photos/new 7.jpg", "photos/new 8.jpg"]
    assert (waits, rates) == ([30, 30, 0], {10.0})


def test_an_attempt_that_died_leaves_nothing_to_the_next(store: MemoryStore) -> None:
    """What differs may be less by then: chunks of two attempts, put together, would lack what stood at their seam."""
    world = CheckedBuckets(store)
    for number in range(9):
        world.put(f"{number}.jpg")

    def dying(event: dict[str, Any], work: Callable[[Any], Any]) -> Any:
        if event["step"] == "compare" and event["item"]["number"] == 0 and "0.jpg" in world.objects["photos"]:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(MemoryStore, "put_new", die_at_second_chunk(MemoryStore.put_new))
                with suppress(Unavailable):
                    work(event)
            del world.objects["photos"]["0.jpg"]
        return work(event)

    def die_at_second_chunk(put_new: Any) -> Any:
        def put(self: MemoryStore, key: str, body: bytes, content_type: str) -> bool:
            if "/found/" in key and key.endswith("1"):
                raise Unavailable("it ended")
            return put_new(self, key, body, content_type)  # type: ignore[no-any-return]

        return put

    result = machine(world, 0, dying).run("seam", VERIFY)
    assert named(result, store) == {"missing": [f"photos/{number}.jpg" for number in range(1, 9)]}


def test_an_export_that_does_not_end_fails_the_check_and_the_first_to_decide_is_heeded(store: MemoryStore) -> None:
    """After a day, so that somebody is told; of two who decide something at once, both go by the same."""
    world = CheckedBuckets(store)
    world.looks = 10**6
    ledger = make_ledger(store, 1)
    ledger.now = NOW.timestamp

    def do(**event: Any) -> Any:
        return lambda_steps.do(ledger, world.aws, world.sources, event)

    prefix = do(step="start", run="x", wishes=VERIFY)["prefix"]
    assert do(step="look", prefix=prefix) == {"unfinished": 1}
    ledger.now = (NOW + timedelta(days=1, seconds=1)).timestamp
    with pytest.raises(ExportFailed):
        do(step="look", prefix=prefix)
    job = open_job(ledger, world.aws, world.sources, prefix)

    def decide() -> int:
        job.scratch.write("decision", b"1")  # somebody else, a moment before
        return 2

    assert job.once("decision", decide) == job.once("decision", decide) == 1
    key = write_inventory(world.reports, [b"PAR1"], "Parquet", "message")
    prefix = do(step="start", run="y", wishes={"mode": "ingest", "all_new": True, "inventory": f"s3://r/{key}"})[
        "prefix"
    ]
    with pytest.raises(BadWish, match="Parquet"):
        do(step="cut", prefix=prefix)


def test_strange_wishes_are_refused_before_anything_is_exported(store: MemoryStore) -> None:
    """A word that is not known would be passed over, and the check be another than was meant."""
    world = CheckedBuckets(store)
    slow = {"mode": "ingest", "rate": LEAST_RATE - 1}
    assert CHUNK / (LEAST_RATE / outcome.SETTLERS) < 900 / 2, "a chunk is sent in half of a function's time"
    strange = ({"mode": "verify", "repairs": True}, {}, {"mode": "scan"}, VERIFY | {"place": "s3://elsewhere/"}, slow)
    for wishes in strange:
        with pytest.raises(state_machine.Failed):
            machine(world).run("strange", wishes)
    assert world.tokens == []


def test_every_object_of_every_source_is_compared(store: MemoryStore) -> None:
    """Several buckets, and prefixes of them; what is elsewhere in them does not count."""
    world = CheckedBuckets(store, "photos", "archive", prefixes="a/,b")
    for bucket in ("photos", "archive"):
        for key in ("a/1", "a", "b", "bb", "c", "a/\U0001f600", "b\n\x01", "a/\uffff"):
            world.put(key, bucket=bucket)
    world.know("c")
    world.export_rows()
    result = machine(world).run("check", VERIFY)
    names = [
        f"{bucket}/{key}"
        for bucket in ("archive", "photos")
        for key in sorted(world.objects["photos"])
        if key not in "ac"
    ]
    assert named(result, store) == {"missing": names}
    assert (result["checked"]["outside"], result["checked"]["objects"]) == (1, 12)


def wrong_rows(world: CheckedBuckets) -> dict[str, list[str]]:
    """Delete a row, write one that no record is behind, change what one counts, and give one image two."""

    def etag(number: int) -> str:
        return f"{number:032x}"

    lost, doubled, counted = (world.tables.images[etag(number)] for number in (21, 22, 23))
    phantom = item(10**6, etag={"S": "d" * 32}, key={"S": "nowhere.jpg"})
    again = doubled | item(10**6 + 1, etag={"S": etag(22)}, key=doubled["key"])
    commit(
        make_ledger(world.store, 9),
        [
            event("REMOVE", old=lost, sequence=10**4),
            event("INSERT", phantom, sequence=10**4 + 1),
            event("INSERT", again, sequence=10**4 + 2),
            event("MODIFY", counted | {"copies": {"N": "3"}, "revision": {"N": "2"}}, counted, sequence=10**4 + 3),
        ],
    )
    return {
        "missing": [f"photos/{lost['key']['S']}"],
        "phantom": ["photos/nowhere.jpg"],
        "stale": sorted(f"photos/{row['key']['S']}" for row in (doubled, counted)),
    }


def test_rows_that_do_not_belong_to_the_records_are_found_and_those_on_their_way_are_not(store: MemoryStore) -> None:
    """A row deleted by hand, a row of nothing, two rows, a wrong count: each is looked up in the tree as it is then."""
    world = surveyed(store)
    expected = wrong_rows(world)
    result = machine(world).run("rows", VERIFY | {"repair": True})
    assert named(result, store) == expected
    assert (result["checked"]["rows"], result["checked"]["images"]) == (302, 301)
    assert world.sent == sorted(name for names in expected.values() for name in names)
    wrong = {one["detail"]["object"]["etag"]: one["detail"].get("wrong_row") for one in world.messages}
    assert wrong[f"{22:032x}"] == world.tables.images[f"{22:032x}"]["ingested_at"]["S"]
    world.messages.clear()
    world.put("copy.jpg", f"{22:032x}")
    assert named(machine(world).run("copy", VERIFY | {"repair": True}), store)["missing"][1] == "photos/copy.jpg"
    told = [one["detail"] for one in world.messages if one["detail"]["object"]["key"] == "copy.jpg"]
    assert {one["wrong_row"] for one in told} == {wrong[f"{22:032x}"]}, "who joins a wrong row has to know it"
    del world.objects["photos"]["copy.jpg"]

    def mend(seconds: int) -> None:
        if seconds == 300:
            lost = world.tables.images[f"{21:032x}"]
            commit(make_ledger(world.store, 8), [event("INSERT", lost | {"revision": {"N": "7"}}, sequence=10**5)])

    del expected["missing"]
    assert named(machine(world, while_waiting=mend).run("again", VERIFY), store) == expected


def test_every_object_of_a_crowded_image_is_told_that_its_row_is_wrong(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are too many to be named with it: else they would stay in a life that has ended."""
    monkeypatch.setattr(rows, "_MOST_NAMES", 2)
    world = CheckedBuckets(store)
    for number in range(6):
        world.put(f"crowd/{number}.jpg", "c" * 32)
        world.know(f"crowd/{number}.jpg", "c" * 32)
    world.export_rows()
    world.tables.objects["photos/crowd/5.jpg"]["ingested_at"] = {"S": "2026-11-01T00:00:00.000000Z"}
    result = machine(world).run("crowd", VERIFY | {"repair": True})
    assert (result["stale"], result["count"]) == (1, 1)
    assert world.sent == [f"photos/crowd/{number}.jpg" for number in range(6)]
    assert len(world.messages) == 6


def test_the_result_is_that_of_the_check_on_one_machine(store: MemoryStore, tmp_path: Path) -> None:
    """The same objects, kinds and words, of objects and rows."""
    world = surveyed(store)
    differing(world)
    wrong_rows(world)
    there = machine(world).run("there", VERIFY)
    ledger = make_ledger(store, 5)
    request = ExportRequest(world.aws.dynamodb, "exports", lambda bucket: store, arn=EXPORTED)
    wanted = Wanted(world.sources, world, lambda bucket: store, request, by_etag=True)
    looker = Looker(world, world, "objects-table", "images-table")
    here = check_buckets(ledger, wanted, looker, FolderScratch(tmp_path), progress=silent, note=lambda line: None)
    told = orjson.loads(store.get("bucket-check/there/result.json").body)
    assert here.count == there["count"] == 9
    found = [Named(Kind(one["kind"]), one["bucket"], one["key"], one["why"]) for one in told["differences"]]
    assert sorted(found) == sorted(here.named)
    assert {name: here.checked[name] for name in told["checked"]} == told["checked"]


def test_an_inventory_is_read_instead_of_listing(store: MemoryStore) -> None:
    """It is days old: what was written since is not judged, what was deleted since is looked at. Nothing is listed."""
    world = surveyed(store)
    expected = differing(world)
    expected["phantom"].append("photos/2026/5/DJI_0012.JPG")
    world.put("2026/1/DJI_0008.JPG", f"{8:032x}", at=OLD + timedelta(hours=2))
    rows = [
        [
            "photos",
            quote_plus(key),
            "",
            "true",
            "false",
            str(one["Size"]),
            one["LastModified"],
            one["ETag"].strip('"'),
            "",
        ]
        for key, one in world.objects["photos"].items()
        if key not in ("2026/5/DJI_0012.JPG", "2026/6/DJI_0013.JPG")
    ]
    del world.objects["photos"]["2026/5/DJI_0012.JPG"]
    rows.append(["photos", "deleted.jpg", "", "true", "false", "5", "2026-11-20T00:00:00.000Z", "e", ""])
    key = write_inventory(world.reports, [packed(rows[number::5]) for number in range(5)], "CSV", COLUMNS)
    world.know("after.jpg", at=NOW - timedelta(days=1))
    world.put("after.jpg", at=NOW - timedelta(days=1))
    found: list[str] = []
    world.before = lambda operation, arguments: found.append(operation) if "MaxKeys" not in arguments else None
    result = machine(world, 3).run("check", VERIFY | {"inventory": f"s3://reports/{key}"})
    assert "list_objects_v2" not in found
    assert named(result, store) == {kind: sorted(names) for kind, names in expected.items()}
    assert (result["checked"]["objects"], result["whole"]) == (len(rows), False)
    assert result["checked"]["on_their_way"] == 2, "what came after the inventory, and just now"
    sent = machine(world, 4).run("ingest", {"mode": "ingest", "inventory": f"s3://reports/{key}", "all_new": True})
    assert (sent["repaired"], len(world.tokens)) == (len(rows) - 1, 1), "all but the empty one"
