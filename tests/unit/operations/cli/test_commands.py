"""The commands that speak to other services than S3, and those that print statements."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.cli import deployment
from operations.readers.ddl import Engine, statements
from operations.replay import state_machine
from tests.support.command_line import Ran
from tests.support.factories import event, insert, item, model_csv
from tests.support.reader import read_csv, read_root

Run = Callable[..., Ran]
OUTPUTS = {
    "ExportBucketName": "exports",
    "ImageDeadLettersUrl": "dead",
    "ImageQueueUrl": "queue",
    "StreamMappingId": "mapping",
    "ReplayStateMachineArn": "machine",
}


class Services:
    """The calls that the commands make of CloudFormation, SQS, Lambda and Step Functions; no others."""

    def __init__(self) -> None:
        self.messages = [{"MessageId": "1", "Body": "event", "ReceiptHandle": "r"}]
        self.sent: list[Any] = []
        self.switched: list[dict[str, Any]] = []
        self.started: list[dict[str, Any]] = []
        self.statuses = ["RUNNING", "SUCCEEDED"]

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in OUTPUTS.items()]}]}

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.messages))}}

    def receive_message(self, **_: Any) -> Any:
        found, self.messages = self.messages, []
        return {"Messages": found}

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        assert QueueUrl == "queue"
        self.sent += Entries
        return {"Successful": [{"Id": one["Id"]} for one in Entries]}

    def delete_message_batch(self, **_: Any) -> Any:
        return {"Successful": []}

    def update_event_source_mapping(self, **arguments: Any) -> Any:
        self.switched.append(arguments)
        return {"State": "Enabling" if arguments["Enabled"] else "Disabling"}

    def start_execution(self, **arguments: Any) -> Any:
        self.started.append(arguments)
        return {"executionArn": "execution"}

    def describe_execution(self, **_: Any) -> Any:
        status = self.statuses.pop(0)
        return {"status": status, "output": json.dumps({"tree": "abc", "same": True}), "error": "X", "cause": "why"}

    def list_map_runs(self, **_: Any) -> Any:
        return {"mapRuns": [{"mapRunArn": "arn:mapRun:machine/Reduce:1"}]}

    def describe_map_run(self, **_: Any) -> Any:
        return {"itemCounts": {"succeeded": 3, "total": 7}}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    """All services in one."""
    made = Services()
    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: made)
    monkeypatch.setattr(state_machine, "_LOOK_SECONDS", 0.0)
    return made


def test_redrive_merges_what_was_put_aside(
    skyledger: Run, ledger: Ledger, store: MemoryStore, services: Services
) -> None:
    """Batches, quarantine and dead letters, each with its numbers; what cannot be merged is named and stays."""
    commit(ledger, [insert(1), insert(2, size_bytes={"S": "bad"})])
    batch = {"requestContext": {}, "payload": json.dumps({"Records": [insert(3)]})}
    store.put_new("aws/lambda/m/shardId-1/2026/11/25/x", json.dumps(batch).encode(), "application/json")
    ran = skyledger("redrive", "--stack", "sky", "--json")
    assert ran.code == 0
    assert (ran.json["batches"]["merged"], ran.json["quarantine"]["merged"], ran.json["images"]["resent"]) == (1, 0, 1)
    assert len(ran.json["quarantine"]["left"]) == 1
    assert [one["MessageBody"] for one in services.sent] == ["event"]
    assert read_csv(store) == model_csv([item(1), item(3)])
    text = skyledger("redrive", "quarantine").out
    assert "1 found" in text
    assert "size_bytes" in text


def test_the_stream_is_switched_off_and_on(skyledger: Run, services: Services) -> None:
    """Restoring without new events needs it."""
    assert "the stream is disabling" in skyledger("stream", "off", "--stack", "sky").out
    assert skyledger("stream", "on", "--stack", "sky", "--json").json == {"state": "Enabling"}
    assert services.switched == [{"UUID": "mapping", "Enabled": False}, {"UUID": "mapping", "Enabled": True}]
    assert skyledger("stream", "on").code == 2, "without a stack it is not known which"


def test_a_replay_runs_on_step_functions_with_the_same_wishes(skyledger: Run, services: Services) -> None:
    """It waits, shows how far the maps are, and prints what the last step says."""
    ran = skyledger(
        "replay", "--distributed", "--stack", "sky", "--until", "2026-11-25T09:00", "--columns", "current", "--json"
    )
    assert ran.json == {"tree": "abc", "same": True}
    (started,) = services.started
    assert started["stateMachineArn"] == "machine"
    assert json.loads(started["input"]) == {
        "until": "2026-11-25T09:00:00Z",
        "columns": "current",
        "swap": False,
        "snapshot": "",
        "shard_bytes": 0,
        "page_shards": 0,
    }
    assert "3/7" in ran.err
    services.statuses = ["FAILED"]
    failed = skyledger("replay", "--distributed", "--swap", "--stack", "sky")
    assert failed.code == 5
    assert "the execution ended as FAILED: X why" in failed.err


@pytest.mark.parametrize("engine", Engine)
def test_statements_have_every_column_in_order(engine: Engine) -> None:
    """A table that lacks a column, or has them in another order, shifts all values behind it."""
    text = statements(engine, NAMES, "my-bucket")
    quote = "`" if engine is Engine.ATHENA else '"'
    table = text[text.index("TABLE") : text.index("\n)")]
    assert [line.split(quote)[1] for line in table.splitlines()[1:]] == list(NAMES)
    assert "my-bucket" in text


def test_athena_reads_text_and_its_view_has_the_types() -> None:
    """Its CSV reader fails at empty numbers, and takes backslashes of JSON for escapes unless it is told otherwise."""
    text = statements(Engine.ATHENA, ("ingested_at", "etag", "revision", "f_number", "captured_at", "new"), "b")
    table, view = text.split("CREATE OR REPLACE VIEW")
    assert table.count(" string") == 6
    assert r"'escapeChar' = '\001'" in table
    assert 'TRY(from_iso8601_timestamp(NULLIF("ingested_at", \'\'))) AS "ingested_at"' in view
    assert "TRY_CAST(NULLIF(\"revision\", '') AS bigint)" in view
    assert "TRY_CAST(NULLIF(\"f_number\", '') AS double)" in view
    assert 'NULLIF("captured_at", \'\') AS "captured_at"' in view
    assert 'NULLIF("new", \'\') AS "new"' in view


def test_redshift_gets_types_of_its_own() -> None:
    """Times that may lack an offset stay text."""
    text = statements(Engine.REDSHIFT, ("ingested_at", "etag", "revision", "f_number", "captured_at", "exif"), "b")
    for part in (
        '"ingested_at" TIMESTAMPTZ',
        '"etag" VARCHAR(65535)',
        '"revision" BIGINT',
        '"f_number" DOUBLE PRECISION',
        '"captured_at" VARCHAR(40)',
        '"exif" VARCHAR(65535)',
        "COPY images FROM 's3://b/image-data.csv'",
        "FORMAT CSV IGNOREHEADER 1",
    ):
        assert part in text


def test_the_command_prints_statements_for_the_columns_of_the_bucket(skyledger: Run, ledger: Ledger) -> None:
    """Ready to be pasted."""
    commit(ledger, [event("INSERT", item(1))])
    printed = skyledger("ddl", "redshift").out
    assert "COPY images FROM 's3://exports/image-data.csv'" in printed
    assert skyledger("ddl", "athena", "--json").json["statements"] == statements(
        Engine.ATHENA,
        read_root(ledger.store).columns,
        "exports",  # type: ignore[arg-type]
    )
