"""The `skyledger` command on the deployed stack, where every request needs a permission that the template grants."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csv_exporter.announce import DETAIL_TYPE, SOURCE
from infra.local.stack import LocalStack
from infra.survey.photos import survey
from infra.waiting import until
from tests.support.deployed_command import skyledger

PHOTOS = 12
TOLD_QUEUE = "arn:aws:sqs:us-east-1:000000000000:told"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A running stack with a small survey in its CSV."""
    told = {"PublishEventBus": "default"}
    with LocalStack(data=tmp_path_factory.mktemp("stack"), parameters=told, check_permissions=True) as running:
        _tell_queue(running)
        for photo in survey(PHOTOS, seed=1):
            running.s3.put_object(Bucket=running.deployment.images_bucket, Key=photo.key, Body=photo.body)
        running.wait_until_current()
        yield running


def _tell_queue(stack: LocalStack) -> None:
    """Make a queue, and the rule by which EventBridge tells it of each publish."""
    rule = "arn:aws:events:us-east-1:000000000000:rule/csv-published"
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": TOLD_QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    stack.emulator.client("sqs").create_queue(QueueName="told", Attributes={"Policy": policy})
    events = stack.emulator.client("events")
    events.put_rule(Name="csv-published", EventPattern=json.dumps({"source": [SOURCE], "detail-type": [DETAIL_TYPE]}))
    events.put_targets(Rule="csv-published", Targets=[{"Id": "queue", "Arn": TOLD_QUEUE}])


def _told(stack: LocalStack) -> list[dict[str, Any]]:
    """Take what the queue was told, oldest version first."""
    sqs, details = stack.emulator.client("sqs"), []
    url = sqs.get_queue_url(QueueName="told")["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            details.append(json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted(details, key=lambda detail: detail["version"])


def test_a_rule_hears_of_each_publish(stack: LocalStack) -> None:
    """The last event names the CSV that stands; the roles allow this event and no other."""
    heard: list[int] = []

    def is_heard() -> bool:
        heard.extend(detail["version"] for detail in _told(stack))
        return stack.root()["version"] in heard

    until(is_heard, lambda: f"event of the CSV; heard of: {heard}", seconds=300)


def test_status_knows_the_whole_deployment(stack: LocalStack, tmp_path: Path) -> None:
    """Bucket, dead letters and stream are found by the stack's name, and nothing is to be done."""
    told = skyledger(stack, tmp_path, "status")
    assert (told["rows"], told["published"], told["dead_letters"], told["failed_batches"]) == (PHOTOS, True, 0, 0)
    assert told["tree"] == stack.root()["tree"]


def test_the_state_machine_replays_the_journal(stack: LocalStack, tmp_path: Path) -> None:
    """First only to compare, then to swap in a tree with other targets; its children could not swap."""
    same = skyledger(stack, tmp_path, "replay", "--distributed")
    assert (same["same"], same["rows"]) == (True, PHOTOS)
    before = stack.csv()
    swapped = skyledger(stack, tmp_path, "replay", "--distributed", "--swap", "--shard-bytes", "5000")
    root = stack.root()
    assert root["targets"]["shard_bytes"] == 5000
    assert (swapped["version"], swapped["tree"]) == (root["version"], root["tree"])
    assert stack.csv() == before
    leavings = stack.s3.list_objects_v2(Bucket=stack.deployment.export_bucket, Prefix="replay/")
    assert not leavings.get("Contents")


def test_everything_is_proven_and_exporters_go_on(stack: LocalStack, tmp_path: Path) -> None:
    """After the swap a new photo is merged as ever, and tree, CSV, table and journal agree."""
    (photo,) = survey(1, seed=99)
    stack.s3.put_object(Bucket=stack.deployment.images_bucket, Key="late.jpg", Body=photo.body)
    stack.wait_until_current()
    told = skyledger(stack, tmp_path, "verify", "tree", "csv", "table", "journal", "--processes", "1")
    assert told["good"]
    assert told["table"]["checked"]["items"] == PHOTOS + 1
    assert told["journal"]["checked"]["tree"] == told["journal"]["checked"]["journal"]
    assert skyledger(stack, tmp_path, "history", "late.jpg")["rows"][0]["key"] == "late.jpg"
    assert skyledger(stack, tmp_path, "redrive")["images"]["found"] == 0
