"""`skyledger status` tells how the ledger is."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.cli import deployment
from tests.support.command_line import Ran
from tests.support.factories import insert
from tests.support.reader import read_root

Run = Callable[..., Ran]


def test_status_tells_people_and_programs(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """The same facts in both ways; with --json standard output holds one object and nothing else."""
    told = skyledger("status", "--json").json
    assert (told["rows"], told["published"], told["tree"]) == (2, True, read_root(store).tree_hash)
    text = skyledger("status")
    assert text.code == 0
    assert told["tree"] in text.out
    shown = {line[:18].strip(): line[18:].strip() for line in text.out.splitlines()}
    assert (shown["version"], shown["rows"], shown["published"]) == ("2", "2", "yes")
    assert "->" not in text.out
    commit(filled, [insert(4)])
    behind = skyledger("status").out
    assert "no, it shows version 2" in behind
    assert "-> image-data.csv is behind" in behind


def test_the_stack_knows_the_bucket_and_the_queues(
    skyledger: Run, filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --stack, bucket, dead letters and stream come from the outputs, and status tells of all of them."""

    class Client:
        def __init__(self, service: str) -> None:
            self.service = service

        def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
            outputs = {"ExportBucketName": "b", "ImageDeadLettersUrl": "q", "StreamMappingId": "m"}
            return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}

        def get_queue_attributes(self, QueueUrl: str, **_: Any) -> Any:  # noqa: N803
            assert QueueUrl == "q"
            return {"Attributes": {"ApproximateNumberOfMessages": "3"}}

        def get_event_source_mapping(self, UUID: str) -> Any:  # noqa: N803
            assert UUID == "m"
            return {"State": "Disabled"}

    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: Client(service))
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    monkeypatch.setenv("SKYLEDGER_STACK", "sky")
    told = skyledger("status", "--json").json
    assert (told["dead_letters"], told["stream"]) == (3, "Disabled")
    assert len(told["todo"]) == 2
