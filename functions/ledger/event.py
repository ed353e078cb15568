"""A stream record, read once, where a batch is made: whatever else is asked of it than its images stands here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.errors import BadEvent

Record = Mapping[str, Any]

_YEAR_10000 = 253_402_300_800  # seconds since 1970


class Event(NamedTuple):
    """One DynamoDB stream record, or a record that a backfill journaled in the same form.

    Attributes:
        record: as received; of a foreign sender it may be anything.
        time: ISO 8601 in whole seconds, UTC; empty if it has none that can be read.
        sequence_number: as received: digits of any length, compared as integers; empty if there is none.
        stream: `table/label`; a stream that is switched on again has another label. Empty if it is not known.
    """

    record: Record
    time: str
    sequence_number: str
    stream: str

    @property
    def has_number(self) -> bool:
        """Whether the sequence number is one."""
        return is_number(self.sequence_number)

    def time_or_reason(self) -> bytes:
        """Give the time of an event that must have one.

        Raises:
            BadEvent: it has none that can be read; the message says why.
        """
        return _iso(self.record["dynamodb"].get("ApproximateCreationDateTime"))


def read_event(record: Record) -> Event:
    """Read a record; what cannot be read is empty, since only `changes_of` says whether that matters."""
    return Event(record, _time(record), _sequence_number(record), _stream(record))


def time_text(time: datetime) -> str:
    """Write a time (UTC) as events have it: ISO 8601 in whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def is_number(sequence_number: str) -> bool:
    """Say whether this is a sequence number, not what a foreign sender put in its place."""
    return sequence_number.isascii() and sequence_number.isdigit()


def _time(record: Record) -> str:
    try:
        return _iso(record["dynamodb"].get("ApproximateCreationDateTime")).decode()
    except (AttributeError, BadEvent, KeyError, TypeError):
        return ""


def _sequence_number(record: Record) -> str:
    try:
        return str(record["dynamodb"]["SequenceNumber"])
    except (KeyError, TypeError):
        return ""


def _stream(record: Record) -> str:
    try:
        return _stream_name(str(record["eventSourceARN"]))
    except (KeyError, TypeError):
        return ""


@lru_cache
def _stream_name(arn: str) -> str:
    parts = arn.split("/")
    return f"{parts[1]}/{parts[3]}" if len(parts) > 3 else ""


@lru_cache(typed=True)  # the records of a batch share a few seconds
def _iso(seconds: object) -> bytes:
    if not isinstance(seconds, int | float):
        raise BadEvent("ApproximateCreationDateTime is not a number")
    if not 0 <= seconds < _YEAR_10000:  # times are compared as text, so their years must have four digits
        raise BadEvent("ApproximateCreationDateTime is out of range")
    return time_text(datetime.fromtimestamp(int(seconds), UTC)).encode()
