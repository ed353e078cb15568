"""The poller on the emulator's own stream: what a function reports as failed comes again."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.local.emulator import Emulator, make_environment
from infra.local.failed_batch import FailedBatch
from infra.local.invocation import Invocation
from infra.local.mapping import DynamoStream
from infra.local.mapping_settings import Settings
from infra.local.poller import Function, Poller

ITEMS = 60


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(make_environment(), tmp_path_factory.mktemp("emulator")) as running:
        yield running


def write_items(emulator: Emulator, table: str) -> str:
    """Make a table, write items to it and return its stream's ARN."""
    dynamodb = emulator.client("dynamodb")
    made = dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "etag", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "etag", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for number in range(ITEMS):
        dynamodb.put_item(TableName=table, Item={"etag": {"S": f"{number:03d}"}})
    return str(made["TableDescription"]["LatestStreamArn"])


def deliver(emulator: Emulator, arn: str, function: Function, given_up: list[FailedBatch], **settings: Any) -> None:
    """Poll until nothing is left."""
    poller = Poller(
        Settings("mapping", "arn:function", arn, on_failure="arn:aws:s3:::export", **settings),
        DynamoStream(emulator.client("dynamodbstreams"), arn),
        function,
        given_up.append,
        time.time,
    )
    while (due := poller.step()) is not None:
        time.sleep(min(due, 0.05))


def etags(event: Mapping[str, Any]) -> list[str]:
    return [record["dynamodb"]["Keys"]["etag"]["S"] for record in event["Records"]]


def test_every_record_arrives_in_order_whatever_fails_on_the_way(emulator: Emulator) -> None:
    """Crashes, partial failures and throttling repeat records; they lose none and let none overtake another."""
    chance = random.Random(7)
    done: list[str] = []

    def unreliable(event: Mapping[str, Any]) -> Invocation:
        batch, luck = etags(event), chance.random()
        if luck < 0.2:
            return Invocation(function_error="Unhandled")
        if luck < 0.3:
            return Invocation(throttled=True)
        stop = chance.randrange(len(batch)) if luck < 0.5 else len(batch)
        done.extend(batch[:stop])
        if stop == len(batch):
            return Invocation(response={"batchItemFailures": []})
        number = event["Records"][stop]["dynamodb"]["SequenceNumber"]
        return Invocation(response={"batchItemFailures": [{"itemIdentifier": number}]})

    given_up: list[FailedBatch] = []
    arn = write_items(emulator, "unreliable")
    deliver(emulator, arn, unreliable, given_up, batch_size=25, bisect=True, partial_failures=True)
    assert done == [f"{number:03d}" for number in range(ITEMS)]
    assert not given_up


def test_a_poisonous_record_is_put_aside_whole_and_alone(emulator: Emulator) -> None:
    """Its neighbours are delivered, and what was put aside can be merged from there."""
    done: list[str] = []

    def poisoned(event: Mapping[str, Any]) -> Invocation:
        if "031" in etags(event):
            return Invocation(function_error="Unhandled")
        done.extend(etags(event))
        return Invocation()

    given_up: list[FailedBatch] = []
    arn = write_items(emulator, "poisoned")
    deliver(emulator, arn, poisoned, given_up, batch_size=50, bisect=True, partial_failures=True, retry_attempts=1)
    assert done == [f"{number:03d}" for number in range(ITEMS) if number != 31]
    (failed,) = given_up
    payload = json.loads(json.loads(failed.body)["payload"])
    assert etags(payload) == ["031"]
    assert payload["Records"][0]["eventSourceARN"] == arn
