"""The images' dead-letter queue: send its S3 events once more, now that whatever was wrong is mended.

1. Messages are received, and hidden from others for a while.
2. They are sent to the images' queue. What is not accepted stays where it is, and comes into sight again.
3. What was accepted is deleted.

Dying between 2 and 3 leaves a message in both queues, which is one delivery more: ImageProcessor tells by the event's
sequencer that it has seen it. An event that fails again comes back, so no more is taken than was there at first.
"""

from dataclasses import dataclass
from typing import Any

from operations.progress import Progress, silent

_BATCH = 10  # SQS takes no more
_HIDDEN_SECONDS = 120
_EMPTY_ANSWERS = 3  # in a row: a queue is spread over servers, and one that is asked may know of no message


@dataclass(slots=True)
class ResendReport:
    """What was sent again.

    Attributes:
        found: messages that were there, about.
        resent: messages moved to the images' queue.
        refused: messages that the queue did not accept, left where they are.
    """

    found: int = 0
    resent: int = 0
    refused: int = 0


def count_dead_letters(sqs: Any, dead_letters: str) -> int:
    """Ask SQS for the number of messages in the dead-letter queue, about.

    Args:
        sqs: boto3 client.
        dead_letters: URL of the dead-letter queue.
    """
    name = "ApproximateNumberOfMessages"
    answer = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=[name])
    return int(answer["Attributes"][name])


def redrive_images(sqs: Any, dead_letters: str, queue: str, progress: Progress = silent) -> ResendReport:
    """Move the messages of the dead-letter queue back to the images' queue.

    Args:
        sqs: boto3 client.
        dead_letters: URL of the dead-letter queue.
        queue: URL of the images' queue.
        progress: is told how many of how many were moved.

    Raises:
        BotoCoreError, ClientError: SQS did not answer; run it again.
    """
    report = ResendReport(found=count_dead_letters(sqs, dead_letters))
    empty = 0
    while report.resent + report.refused < report.found and empty < _EMPTY_ANSWERS:
        answer = sqs.receive_message(
            QueueUrl=dead_letters,
            MaxNumberOfMessages=min(_BATCH, report.found - report.resent - report.refused),
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        empty = 0 if messages else empty + 1
        if messages:
            _move(sqs, dead_letters, queue, messages, report)
            progress("redriving images", report.resent, report.found)
    return report


def _move(sqs: Any, dead_letters: str, queue: str, messages: list[dict[str, Any]], report: ResendReport) -> None:
    entries = [
        {"Id": str(number), "MessageBody": message["Body"]}
        | ({"MessageAttributes": message["MessageAttributes"]} if message.get("MessageAttributes") else {})
        for number, message in enumerate(messages)
    ]
    accepted = sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Successful", [])
    handles = [{"Id": one["Id"], "ReceiptHandle": messages[int(one["Id"])]["ReceiptHandle"]} for one in accepted]
    report.refused += len(messages) - len(accepted)
    if handles:
        sqs.delete_message_batch(QueueUrl=dead_letters, Entries=handles)
        report.resent += len(handles)
