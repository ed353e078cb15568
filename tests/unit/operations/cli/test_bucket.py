"""`skyledger ingest` and `skyledger verify bucket`: what they say, what they send, and how they end."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from operations.bucket import check
from operations.cli import deployment
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import make_ledger
from tests.support.whole_stack import PHOTOS, WholeStack
from tests.unit.operations.cli.test_output import HOSTILE, SHOWN, is_clean

Run = Callable[..., Ran]
HERE = ("--stack", "sky")


@pytest.fixture
def stack(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> WholeStack:
    """A stack with an image, in place of AWS."""
    made = WholeStack()
    made.store, made.ledger = store, make_ledger(store)
    made.upload("a.jpg", PHOTOS[0])
    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: made)
    monkeypatch.setattr(deployment, "listing_client", lambda arguments: made.s3)
    monkeypatch.setattr(check, "ROUND_SECONDS", 0.0)
    return made


def test_what_is_missing_is_counted_with_its_cost_and_sent(skyledger: Run, stack: WholeStack) -> None:
    """--dry-run ends before it sends; the same command then sends what was found, and JSON has all numbers."""
    stack.upload(f"b{HOSTILE}.jpg", PHOTOS[1], told=False)
    dry = skyledger("ingest", *HERE, "--dry-run")
    assert (dry.code, stack.lane) == (0, [])
    assert re.search(r"comparing objects .* 2/2", dry.err)
    assert dry.out.splitlines() == [
        "2 objects: 1 missing, 0 stale; 1 to send, less than $0.01",
        "nothing was sent: the same command without --dry-run sends it, and need not look again",
    ]
    requests = stack.s3.requests
    sent = skyledger("ingest", *HERE, "--json")
    assert (sent.code, stack.s3.requests, len(stack.lane)) == (0, requests, 1)
    told = sent.json
    assert {name: told[name] for name in ("objects", "missing", "to_send", "sent", "dry_run")} == {
        "objects": 2,
        "missing": 1,
        "to_send": 1,
        "sent": 1,
        "dry_run": False,
    }
    assert is_clean(dry.err + sent.err)
    stack.settle()
    stack.remove("a.jpg", told=False)
    stack.upload("kept.jpg", PHOTOS[1])
    none = skyledger("ingest", *HERE).out.splitlines()
    assert "0 to send, less than $0.01; 1 records without an object are left: skyledger verify bucket" in none[0]
    assert none[1] == "nothing is to be sent; skyledger verify bucket proves that all is in the CSV"
    empty = skyledger("ingest", "s3://photos/typo/", *HERE)
    assert (empty.code, empty.out.splitlines()[1]) == (0, "nothing is there: s3://photos/typo/")


def test_what_a_dry_run_found_is_sent_but_the_next_dry_run_looks_anew(skyledger: Run, stack: WholeStack) -> None:
    """Who counts again wants the number of now; what was sent is said once, and how far an interrupted run came."""
    keys = [f"{number:03}.jpg" for number in range(150)]
    assert skyledger("ingest", *HERE, "--dry-run").out.splitlines()[1].startswith("nothing is to be sent")
    for key in keys:
        stack.upload(key, PHOTOS[1], told=False)
    stack.refuse_after = 100
    stopped = skyledger("ingest", *HERE)
    assert stopped.code == 130
    assert "150 to send, less than $0.01" in stopped.err, "also though nothing was to be sent just now"
    came_to = re.search(r"^(\d+) of 150 were sent: the same command goes on there$", stopped.err, re.MULTILINE)
    assert came_to, stopped.err
    stack.refuse_after = 10**9
    dry = skyledger("ingest", *HERE, "--dry-run")
    assert f"Z: {came_to[1]} of 150 objects were sent" in dry.err, "in part is not forgotten by a look"
    ended = skyledger("ingest", *HERE)
    assert ended.out.startswith("150 objects sent; skyledger status shows what waits")
    stack.settle()
    for count in (1, 2):
        stack.upload(f"later-{count}.jpg", PHOTOS[2], told=False)
        assert f"; {count} to send" in skyledger("ingest", *HERE, "--dry-run").out


def test_an_ingest_from_where_no_images_are_taken_is_refused_by_name(skyledger: Run, stack: WholeStack) -> None:
    """And says what to do; nothing is exported, listed or sent."""
    ran = skyledger("ingest", "s3://holiday/x", *HERE)
    assert ran.code == 2
    assert "holiday is no source of this stack (these are: photos, archive)" in ran.err
    assert "ExistingBuckets" in ran.err
    typo = skyledger("ingest", *HERE, "--inventory", "s3://reports/m/")
    assert (typo.code, "say where an inventory's manifest.json is, s3://BUCKET/KEY\n" in typo.err) == (2, True)
    assert skyledger("ingest", *HERE, "--new", "--export", "arn").code == 2
    assert skyledger("ingest", "--bucket", "exports").code == 2, "which buckets, only the stack says"
    assert (stack.exports, stack.s3.requests, stack.lane) == ([], 0, [])


def test_verify_bucket_tells_by_its_exit_code_and_names_what_differs(skyledger: Run, stack: WholeStack) -> None:
    """Good is 0, different is 1, each with its place; --repair sends it, and says how to see the end of it."""
    good = skyledger("verify", "bucket", *HERE)
    assert good.code == 0
    assert good.out.startswith("bucket: good (objects 1, records 1, images 1, rows 1, ")
    told = re.findall(r"(\w+ \w+) .* 1/1", good.err)
    assert told[-3:] == ["comparing objects", "sorting rows", "comparing rows"]
    stack.upload(f"b{HOSTILE}.jpg", PHOTOS[1], told=False)
    stack.remove("a.jpg", told=False)
    bad = skyledger("verify", "bucket", *HERE)
    assert bad.code == 1
    assert bad.out.splitlines()[1:] == [
        "  1 missing, 0 stale, 1 phantom",
        "  phantom  s3://photos/a.jpg  no object",
        f"  missing  s3://photos/b{SHOWN}.jpg  no record",
        "  skyledger verify bucket --repair sends them to be looked at",
    ]
    assert stack.lane == []
    just_now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stack.s3.modified[f"b{HOSTILE}.jpg"] = just_now
    known = stack.tables.objects["photos/a.jpg"]
    stack.tables.objects["photos/a.jpg"] = {**known, "last_modified": {"S": just_now}}
    young = skyledger("verify", "bucket", *HERE, "--in-flight", "10000")
    assert (young.code, young.out.splitlines()[1:]) == (0, ["  2 were written too lately to be judged (--in-flight)"])
    stack.s3.modified.clear()
    repair = skyledger("verify", "bucket", "--repair", *HERE)
    assert (repair.code, len(stack.lane)) == (1, 2)
    assert repair.out.splitlines()[-1] == "  2 objects sent to be looked at: verify again when none waits in the lane"
    waiting = skyledger("verify", "bucket", "--json", *HERE)
    assert (waiting.code, waiting.json["good"]) == (1, False)
    told = waiting.json["bucket"]
    assert (told["count"], told["missing"], told["stale"], told["phantom"], told["repaired"]) == (2, 1, 0, 1, 0)
    assert told["checked"]["messages_waiting"] == 2
    assert "2 messages wait to be processed" in waiting.err
    assert told["differences"][0] == {"kind": "phantom", "bucket": "photos", "key": "a.jpg", "why": "no object"}
    assert is_clean(bad.out + bad.err + repair.out + repair.err + waiting.out)
    stack.settle()
    both = skyledger("verify", "tree", "bucket", *HERE, "--json")
    assert both.code == 0
    assert json.loads(both.out)["bucket"]["good"]


def test_the_first_differences_are_named_and_all_are_counted(
    skyledger: Run, stack: WholeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line says how many more there are."""
    monkeypatch.setattr(check, "LISTED", 2)
    for number in range(5):
        stack.upload(f"{number}.jpg", PHOTOS[1], told=False)
    ran = skyledger("verify", "bucket", *HERE)
    assert (ran.code, ran.out.count("missing  "), "  and 3 more\n" in ran.out) == (1, 2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("table", "bucket", "--export", "arn"),
        ("tree", "--repair"),
        ("--repair",),
        ("journal", "--distributed"),
        ("bucket", "--rate", "-1"),
    ],
)
def test_what_makes_no_sense_together_is_refused(arguments: tuple[str, ...], skyledger: Run, stack: WholeStack) -> None:
    """An export is of one table, and only what differs from the bucket is repaired here."""
    assert skyledger("verify", *arguments, *HERE).code == 2


RESULT = {
    "good": False,
    "checked": {"objects": 1000, "exported_at": "2026-11-26T12:00:00Z"},
    "count": 3,
    "missing": 2,
    "stale": 0,
    "phantom": 1,
    "unread": 0,
    "repaired": 0,
    "prefix": "bucket-check/x/",
    "differences": [{"kind": "missing", "bucket": "photos", "key": f"a{HOSTILE}.jpg", "why": "no record"}],
}


def test_a_check_on_aws_is_shown_and_ends_as_one_on_this_machine(
    skyledger: Run, filled: Ledger, services: Services, store: MemoryStore
) -> None:
    """What differs is read from the bucket, for all names do not fit into what a state machine gives."""
    services.output = {"prefix": "bucket-check/x/", "good": False}
    store.put_new("bucket-check/x/result.json", orjson.dumps(RESULT), "application/json")
    bad = skyledger("verify", "bucket", "--distributed", *HERE)
    assert bad.code == 1
    assert bad.out.splitlines() == [
        "bucket: NOT GOOD (objects 1,000, exported_at 2026-11-26T12:00:00Z)",
        "  2 missing, 0 stale, 1 phantom",
        f"  missing  s3://photos/a{SHOWN}.jpg  no record",
        "  and 2 more, in bucket-check/x/differences/ of the export bucket",
        "  skyledger verify bucket --repair sends them to be looked at",
    ]
    assert "3/7" in bad.err
    services.statuses = ["SUCCEEDED"]
    sent = skyledger("ingest", "--distributed", "--json", *HERE)
    assert sent.code == 0
    assert {name: sent.json[name] for name in ("objects", "count", "repaired")} == {
        "objects": 1000,
        "count": 3,
        "repaired": 0,
    }
    services.statuses = ["FAILED"]
    assert skyledger("verify", "bucket", "--distributed", *HERE).code == 5
