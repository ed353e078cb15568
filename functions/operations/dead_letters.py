"""A dead-letter queue of ImageProcessor: send its messages once more, now that whatever was wrong is mended.

1. Messages are received, and hidden from others for a while.
2. They are sent to the queue that they came from. What is not accepted stays where it is, and comes into sight again.
3. What was accepted is deleted.

Dying between 2 and 3 leaves a message in both queues, which is one delivery more: ImageProcessor tells by the event's
sequencer that it has seen it, or looks at the object once more. What EventBridge could not deliver lies among the
images' dead letters as the event itself, and why it could not stands in its attributes (EventBridge User Guide, "Using
dead-letter queues to process undelivered events"); so it is sent again like all others.

It ends when answer after answer brings nothing that could be moved. SQS's number of messages does not say when: it is
approximate, and may be 0 for a minute while messages are there (API reference, GetQueueAttributes). So it serves the
progress alone. SQS's own redrive reports no better number, nor which messages were refused (API reference,
StartMessageMoveTask and ListMessageMoveTasks).

An event that fails again comes back, and is left for the next run. It is known by the time at which it was sent, later
than this run began, which SQS does not change when it gives a message up (SQS Developer Guide, "Setting-up dead-letter
queue retention"). Clocks need not agree well: five tries take half an hour, and AWS refuses requests by a clock that is
wrong by 15 minutes (AWS Developer Tools Blog, "Clock-skew correction").
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from operations.progress import Progress, silent

_BATCH = 10  # SQS takes no more
_HIDDEN_SECONDS = 120
_WAIT_SECONDS = 1
_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
_IDLE_ANSWERS = 3  # in a row: a queue is spread over servers, and one that is asked may know of no message


@dataclass(slots=True)
class ResendReport:
    """What was sent again.

    Attributes:
        found: messages that were there.
        resent: messages moved to their queue.
        refused: messages that the queue did not accept, left where they are.
    """

    found: int = 0
    resent: int = 0
    refused: int = 0


def count_messages(sqs: Any, queue: str) -> int:
    """Ask SQS for the number of messages in a queue, about, those included that somebody has received and not ended.

    Args:
        sqs: boto3 client.
        queue: URL of the queue.
    """
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=_COUNTS)
    return sum(int(answer["Attributes"][name]) for name in _COUNTS)


def redrive_messages(
    sqs: Any, dead_letters: str, queue: str, progress: Progress = silent, now: Callable[[], float] = time.time
) -> ResendReport:
    """Move the messages of a dead-letter queue back to the queue that they came from.

    Args:
        sqs: boto3 client.
        dead_letters: URL of the dead-letter queue.
        queue: URL of the queue that gave them up.
        progress: is told how many of how many were moved, about.
        now: the time, in seconds since 1970.

    Raises:
        BotoCoreError, ClientError: SQS did not answer; run it again.
    """
    began = now() * 1000
    about = count_messages(sqs, dead_letters)
    report = ResendReport()
    idle = 0
    while idle < _IDLE_ANSWERS:
        answer = sqs.receive_message(
            QueueUrl=dead_letters,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=_WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        messages = [one for one in answer.get("Messages", []) if int(one["Attributes"]["SentTimestamp"]) <= began]
        idle = 0 if messages and _move(sqs, dead_letters, queue, messages, report) else idle + 1
        progress("redriving messages", report.resent, max(about, report.found))
    return report


def _move(sqs: Any, dead_letters: str, queue: str, messages: list[dict[str, Any]], report: ResendReport) -> bool:
    """Send messages again, and delete those that were accepted; say whether there were any."""
    entries = [
        {"Id": str(number), "MessageBody": message["Body"]}
        | ({"MessageAttributes": message["MessageAttributes"]} if message.get("MessageAttributes") else {})
        for number, message in enumerate(messages)
    ]
    accepted = sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Successful", [])
    handles = [{"Id": one["Id"], "ReceiptHandle": messages[int(one["Id"])]["ReceiptHandle"]} for one in accepted]
    report.found += len(messages)
    report.refused += len(messages) - len(accepted)
    if handles:
        sqs.delete_message_batch(QueueUrl=dead_letters, Entries=handles)
        report.resent += len(handles)
    return bool(handles)
