"""`skyledger status` tells how the ledger is."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.claim import claim_key
from ledger.commit import commit
from ledger.ledger import Ledger
from operations import status as status_module
from operations.cli import deployment, status
from operations.cli.version import own_version
from tests.support.command_line import Ran
from tests.support.factories import insert
from tests.support.reader import read_root

Run = Callable[..., Ran]
WAITS, HELD = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


def test_status_tells_people_and_programs(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same facts in both ways; with --json standard output holds one object and nothing else."""
    later = datetime(2026, 11, 25, 9, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(status, "now", lambda: later)
    told = skyledger("status", "--json").json
    assert (told["rows"], told["published"], told["tree"]) == (2, True, read_root(store).tree_hash)
    text = skyledger("status")
    assert text.code == 0
    assert told["tree"] in text.out
    shown = {line[:18].strip(): line[18:].strip() for line in text.out.splitlines()}
    assert (shown["version"], shown["rows"], shown["published"]) == ("2", "2", "yes")
    assert "->" not in text.out
    assert (shown["stream"], shown["dead letters"]) == ("not asked (--stack)", "not asked (--stack)")
    assert shown["buckets checked"].startswith("none is noted")
    assert (told["older_rows"], shown["by older readers"]) == (2, "2")
    assert shown["newest event"] == "2026-11-25T08:01:00Z (3,601 s ago)"
    ages = told["freshness"]
    assert shown["root's age"] == f"{ages['root_age_seconds']:,} s when it was committed, {ages['committed']}"
    assert (shown["file's age"], shown["publishing"]) == ("that of the root", "nobody")
    commit(filled, [insert(4)])
    for count, folder in enumerate(("pending", "aws/lambda", "quarantine", "snapshots"), 1):
        for number in range(count):
            store.put_new(f"{folder}/{number}", b"", "text/plain")
    store.put_new("bucket-check.json", b'{"finished": "2026-11-25T07:00:00Z", "count": 0}', "application/json")
    monkeypatch.setattr(status_module, "READ_BYTES", 0)
    behind = skyledger("status").out
    assert "2026-11-25T07:00:00Z, 0 differences" in behind
    assert "not counted (skyledger reread --older --dry-run)" in behind
    assert "no, it shows version 2" in behind
    assert "-> image-data.csv is behind" in behind
    shown = {line[:18].strip(): line[18:].strip() for line in behind.splitlines()}
    counts = ("waiting segments", "failed batches", "quarantined events", "snapshots")
    assert [shown[name] for name in counts] == ["1", "2", "3", "4"]
    assert shown["root's age"].endswith("; changes wait for 0 s")
    assert re.fullmatch(r"3,661 s; lacks 1 commits, the first \d+ s ago, 1 rows, \d+ bytes", shown["file's age"])
    store.put_new(claim_key(filled.present_csv()), b"somebody", "text/plain")
    assert "somebody has been, since 2" in skyledger("status").out
    store.put_if_match("image-data.csv", b"x", store.head("image-data.csv").etag, "text/csv", {})
    assert "? s; lacks ? commits, the first ? s ago, ? rows, ? bytes" in skyledger("status").out


def test_the_stack_knows_the_bucket_and_the_queues(
    skyledger: Run, filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --stack, bucket, dead letters and stream come from the outputs, and status tells of all of them."""

    class Client:
        def __init__(self, service: str) -> None:
            self.service = service

        def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
            dead = {"ImageDeadLettersUrl": "dead", "SeenDeadLettersUrl": "dead seen"}
            outputs = {"ExportBucketName": "b", "StreamMappingId": "m", "ImageQueueUrl": "q", "SeenQueueUrl": "s"}
            outputs |= dead | {"Version": "0.0.1"}
            return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}

        def get_queue_attributes(self, QueueUrl: str, **_: Any) -> Any:  # noqa: N803
            waits, held = {"dead": ("3", "0"), "dead seen": ("4", "0"), "q": ("2", "3"), "s": ("0", "1")}[QueueUrl]
            return {"Attributes": {WAITS: waits, HELD: held}}

        def get_event_source_mapping(self, UUID: str) -> Any:  # noqa: N803
            assert UUID == "m"
            return {"State": "Disabled"}

    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: Client(service))
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    monkeypatch.setenv("SKYLEDGER_STACK", "sky")
    told = skyledger("status", "--json").json
    assert (told["dead_letters"], told["seen_dead_letters"], told["stream"]) == (3, 4, "Disabled")
    assert (told["waiting_events"], told["waiting_seen"]) == (5, 1)
    assert len(told["todo"]) == 4
    assert (told["stack_version"], told["command_version"]) == ("0.0.1", own_version())
    assert f"the stack is of version 0.0.1, and this command of {own_version()}" in told["todo"][-1]
    held = {"dead": "0", "dead seen": "0", "q": "2", "s": "1"}

    def hold(*_: Any, **asked: Any) -> Any:
        return {"Attributes": {WAITS: "0", HELD: held[asked["QueueUrl"]]}}

    monkeypatch.setattr(Client, "get_queue_attributes", hold)
    shown = {line[:18].strip(): line[18:].strip() for line in skyledger("status").out.splitlines()}
    assert (shown["dead letters"], shown["seen, dead letters"], shown["stream"]) == ("0", "0", "Disabled")
    assert shown["skyledger"] == f"{own_version()}; the stack: 0.0.1"
    assert (shown["waiting uploads"], shown["waiting, seen"]) == ("2", "1"), "what fails is held until its next try"
