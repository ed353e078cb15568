"""Dead letters go back to the images' queue: all of them, whatever SQS counts, and nothing before it was accepted."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.sqs import models

from operations import dead_letters
from operations.dead_letters import ResendReport, redrive_messages
from tests.support.factories import START

DEAD = "arn:aws:sqs:eu-west-1:123456789012:dead"


class Queues:
    """SQS with the two queues of the images, at a time that a test sets."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        # Whatever its own time of hiding is, the command asks for one.
        self.dead = self.client.create_queue(QueueName="dead", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        self.images = self.client.create_queue(QueueName="images")["QueueUrl"]
        self.now = START.timestamp()

    def put_aside(self, *bodies: str) -> None:
        """Let these messages lie in the dead-letter queue for an hour."""
        for body in bodies:
            kind = {"kind": {"DataType": "String", "StringValue": body}}
            self.client.send_message(QueueUrl=self.dead, MessageBody=body, MessageAttributes=kind)
        self.now += 3600

    def redrive(self, **more: Any) -> ResendReport:
        """Send them again."""
        return redrive_messages(self.client, self.dead, self.images, now=lambda: self.now, **more)

    def take(self, queue: str) -> list[str]:
        """Take all messages that a queue shows."""
        found: list[dict[str, Any]] = []
        asked = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 600, "MessageAttributeNames": ["All"]}
        while messages := self.client.receive_message(QueueUrl=queue, **asked).get("Messages"):
            found += messages
        assert all(one["MessageAttributes"]["kind"]["StringValue"] == one["Body"] for one in found)
        return sorted(one["Body"] for one in found)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    """The queues; nothing is waited for."""
    monkeypatch.setattr(dead_letters, "_WAIT_SECONDS", 0)
    with mock_aws():
        made = Queues()
        monkeypatch.setattr(models, "unix_time_millis", lambda: made.now * 1000)
        yield made


def test_dead_letters_go_back_to_the_images_queue(queues: Queues) -> None:
    """Each once, as it was; then the dead-letter queue is empty."""
    sent = [json.dumps({"Records": [{"n": number}]}) for number in range(23)]
    queues.put_aside(*sent)
    steps: list[tuple[int, int]] = []
    done = queues.redrive(progress=lambda _, moved, there: steps.append((moved, there)))
    assert (done.found, done.resent, done.refused) == (23, 23, 0)
    assert steps[:3] == [(10, 23), (20, 23), (23, 23)]
    queues.now += 600
    assert queues.redrive().found == 0
    assert queues.take(queues.images) == sorted(sent)


def test_dead_letters_go_back_although_sqs_counts_none(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is approximate; and one server of a queue may know of no message where the next one does."""
    queues.put_aside("0", "1", "2")
    receive, answers = queues.client.receive_message, [False, False, True, False, True, True, True, False]
    with monkeypatch.context() as patch:
        patch.setattr(dead_letters, "count_messages", lambda sqs, queue: 0)
        patch.setattr(
            queues.client,
            "receive_message",
            lambda **asked: receive(**asked | {"MaxNumberOfMessages": 2}) if answers.pop(0) else {},
        )
        done = queues.redrive()
    assert (done.found, done.resent, answers) == (3, 3, [])
    assert queues.take(queues.images) == ["0", "1", "2"]


def test_a_dead_letter_that_is_not_accepted_stays(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted before it was sent, and it comes into sight again after a while."""
    queues.put_aside(*map(str, range(4)))
    send = queues.client.send_message_batch

    def refuse_some(QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - as boto3 names them
        return send(QueueUrl=QueueUrl, Entries=[entry for entry in Entries if entry["MessageBody"] != "2"])

    with monkeypatch.context() as patch:
        patch.setattr(queues.client, "send_message_batch", refuse_some)
        done = queues.redrive()
    assert (done.found, done.resent, done.refused) == (4, 3, 1)
    assert queues.take(queues.images) == ["0", "1", "3"]
    assert queues.take(queues.dead) == []
    queues.now += 600
    assert queues.take(queues.dead) == ["2"]


@pytest.mark.parametrize("trouble", ["fails again", "is refused"])
def test_what_comes_back_does_not_keep_the_command_going(
    trouble: str, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that fails once more lies there again while others are moved, and so in time does one that is refused.

    Both are for the next run.
    """
    queues.put_aside("bad", *map(str, range(12)))
    policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1})
    queues.client.set_queue_attributes(QueueUrl=queues.images, Attributes={"RedrivePolicy": policy})
    send, sends = queues.client.send_message_batch, 0

    def send_slowly(QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - as boto3 names them
        nonlocal sends
        sends += 1
        assert sends < 10, "it goes on and on"
        queues.now += 1900  # five tries of all that was sent before
        for _ in range(2):
            asked = {"QueueUrl": queues.images, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
            queues.client.receive_message(**asked)
        refused = "bad" if trouble == "is refused" else ""
        accepted = [entry for entry in Entries if entry["MessageBody"] != refused]
        return send(QueueUrl=QueueUrl, Entries=accepted) if accepted else {"Failed": Entries}

    with monkeypatch.context() as patch:
        patch.setattr(queues.client, "send_message_batch", send_slowly)
        done = queues.redrive()
    assert done.resent == (13 if trouble == "fails again" else 12)
    queues.now += 7200
    assert "bad" in queues.take(queues.dead)
