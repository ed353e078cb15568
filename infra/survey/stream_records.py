"""Records of a table's stream that never was, in the form in which a function gets them."""

from collections.abc import Mapping
from typing import Any

STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-25T07:00:00.000"


def stream_record(
    name: str,
    new: Mapping[str, Any] | None,
    old: Mapping[str, Any] | None,
    *,
    event_id: str,
    at: int,
    sequence: str,
    stream: str = STREAM,
) -> dict[str, Any]:
    """Make a record with new and old image.

    Args:
        name: INSERT, MODIFY or REMOVE.
        new: the item that it left.
        old: the item before it.
        event_id: of the record.
        at: when it happened, in seconds since the epoch.
        sequence: its sequence number.
        stream: ARN of the stream.
    """
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": at,
        "Keys": {"etag": (new or old or {}).get("etag", {"S": "none"})},
        "SequenceNumber": sequence,
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if new is not None:
        change["NewImage"] = new
    if old is not None:
        change["OldImage"] = old
    return {
        "eventID": event_id,
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "eventSourceARN": stream,
        "dynamodb": change,
    }
