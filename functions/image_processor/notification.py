"""SQS message body to object events: pure parsing of every shape in which an object is told of.

    S3 event             {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {...}}]}
    S3 test event        {"Service": "Amazon S3", "Event": "s3:TestEvent", ...}: S3 checks a new notification with it
    EventBridge event    {"source": "aws.s3", "detail-type": "Object Created", "detail": {...}}
    SNS envelope         {"Type": "Notification", "Message": "<one of the above>"}
    Object Seen          {"source": "skyledger", "detail-type": "Object Seen", "time": "2026-11-26T12:00:00Z",
                          "detail": {"bucket": {"name": B}, "object": {"key": K, "etag": E, "size": N},
                                     "reason": "verify", "wrong_row": "2026-11-25T09:00:00.000000Z"}}

The last one is this project's own: somebody compared bucket and tables. It is no more than a hint that the object is to
be looked at, and brings no sequencer. `etag` and `size` are what was seen, and may be missing. `wrong_row` is there if
the row of this ETag does not agree with the records of its objects, and says which life of it: its `ingested_at`.

Sources: Amazon S3 User Guide, "Event message structure" and "EventBridge event message structure".

Whoever may send to the queue can say anything of the sources' objects: after a later sequencer than any real one, S3's
own events are stale. The queue's policy, which lets in S3 for those buckets, is what guards against that; here every
field only gets the bounds that S3's own have, so that nothing unlimited comes further.

Servers that speak like S3 leave fields out, or write nothing sound into them. What names the object must be there; what
describes it (sequencer, ETag, size) may be missing, since S3 can be asked. A sequencer that is no number is none.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from image_processor.errors import BadNotification, UnexpectedInvocation
from image_processor.object_event import MAX_TEXT, Kind, ObjectEvent, object_event, text_of

_MAX_ENVELOPES = 2
"""SNS envelopes around an event: a topic that feeds a topic; more can only be a mistake or an attack."""

MAX_MESSAGE = 256 * 1024
"""Characters of a message: S3's have 64 KB at most ("Event message structure"), to which SNS adds its envelope."""

MAX_RECORDS = 100
"""Events of a message: S3 puts one into each. A broken one is an error and a line in the log, and 130,000 of them fit
into a message: to write their lines takes the time in which its neighbours would be done."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What one message holds: events to act on, and what in it could not be read.

    Attributes:
        events: in the order of the message; none for S3's test event.
        broken: one error for each unreadable record; its neighbours are still to be done.
        test: the message is the test event that S3 sends when a notification is configured.
    """

    events: tuple[ObjectEvent, ...] = ()
    broken: tuple[BadNotification, ...] = ()
    test: bool = False


def parse(body: str) -> Notification:
    """Read one message.

    Raises:
        BadNotification: the message as a whole is of no known shape.
    """
    return _parse(body, _MAX_ENVELOPES)


def _parse(body: str, envelopes: int) -> Notification:
    if len(body) > MAX_MESSAGE:
        raise BadNotification(f"the message has more than {MAX_MESSAGE} characters")
    try:
        message = json.loads(body, parse_constant=_refuse_constant)
    except (RecursionError, ValueError) as error:
        raise BadNotification("the message is not JSON") from error
    if not isinstance(message, dict):
        raise BadNotification("the message is not a JSON object")
    if message.get("Event") == "s3:TestEvent":
        return Notification(test=True)
    if message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
        if not envelopes:
            raise BadNotification(f"more than {_MAX_ENVELOPES} SNS envelopes around one event")
        return _parse(message["Message"], envelopes - 1)
    if isinstance(message.get("Records"), list):
        return _gather(message["Records"], _s3_record)
    if message.get("source") == "aws.s3" and "detail" in message:
        return _gather([message], _eventbridge_event)
    if message.get("source") == "skyledger" and message.get("detail-type") == "Object Seen":
        return _gather([message], _object_seen)
    raise BadNotification(f"the message is no S3 event; its fields are {_field_names(message)}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON, whatever Python's reader takes")


def _gather(records: list[Any], read: Callable[[Any], ObjectEvent]) -> Notification:
    """Read each record by itself: one that is broken must not cost its neighbours."""
    if len(records) > MAX_RECORDS:
        raise BadNotification(f"the message has more than {MAX_RECORDS} records")
    events, broken = [], []
    for number, record in enumerate(records):
        try:
            events.append(read(record))
        except BadNotification as error:
            broken.append(BadNotification(f"record {number}: {error}"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            broken.append(BadNotification(f"record {number} lacks what an S3 event has: {str(error)[:200]}"))
    return Notification(tuple(events), tuple(broken))


def _s3_record(record: Any) -> ObjectEvent:
    if record.get("eventSource") != "aws:s3":
        raise BadNotification(f"its source is {str(record.get('eventSource'))[:40]!r}, not aws:s3")
    # Minor versions only add fields; another major version may mean anything (S3 User Guide, eventVersion).
    if not str(record.get("eventVersion", "2.1")).startswith("2."):
        raise BadNotification(f"event version {str(record['eventVersion'])[:10]!r} is not 2.x")
    name, entity = text_of(record["eventName"], "eventName").removeprefix("s3:"), record["s3"]["object"]
    version_id = entity.get("versionId") or None
    return object_event(
        _kind_of_name(name, version_id),
        name,
        bucket=record["s3"]["bucket"]["name"],
        # Form-encoded, a space as "+", and decoded exactly once: a key may hold what looks like an escape itself.
        key=unquote_plus(text_of(entity["key"], "key", 3 * MAX_TEXT), errors="strict"),
        time=record.get("eventTime"),
        sequencer=entity.get("sequencer"),
        etag=entity.get("eTag"),
        size=entity.get("size"),
        version_id=version_id,
    )


def _kind_of_name(name: str, version_id: str | None) -> Kind:
    family, _, action = name.partition(":")
    if family == "ObjectCreated":
        return Kind.CREATED
    if family in ("ObjectRemoved", "LifecycleExpiration"):
        # Without versions a deletion removes the object itself.
        return Kind.VERSION_REMOVED if action == "Delete" and version_id else Kind.REMOVED
    if name == "ObjectRestore:Completed":
        return Kind.RESTORED
    return Kind.OTHER


def _eventbridge_event(event: Any) -> ObjectEvent:
    name, detail = text_of(event["detail-type"], "detail-type"), event["detail"]
    entity = detail["object"]
    version_id = entity.get("version-id") or None
    kind = {"Object Created": Kind.CREATED, "Object Restore Completed": Kind.RESTORED}.get(name, Kind.OTHER)
    if name == "Object Deleted":
        permanent = detail.get("deletion-type") == "Permanently Deleted"
        kind = Kind.VERSION_REMOVED if permanent and version_id else Kind.REMOVED
    return object_event(
        kind,
        name,
        bucket=detail["bucket"]["name"],
        key=entity["key"],  # EventBridge does not encode it
        time=event.get("time"),
        sequencer=entity.get("sequencer"),
        etag=entity.get("etag"),
        size=entity.get("size"),
        version_id=version_id,
    )


def _object_seen(message: Any) -> ObjectEvent:
    detail = message["detail"]
    return object_event(
        Kind.SEEN,
        message["detail-type"],
        bucket=detail["bucket"]["name"],
        key=detail["object"]["key"],
        time=message.get("time"),
        etag=detail["object"].get("etag"),
        size=detail["object"].get("size"),
        wrong_row=detail.get("wrong_row"),
        reason=detail.get("reason"),
    )


def require_sqs(event: Any) -> None:
    """Refuse, by name, whatever is not a batch of SQS messages.

    S3 and SNS can call a function directly, and may then drop events when the function cannot keep up.

    Raises:
        UnexpectedInvocation: says what it is and where it should go instead.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if isinstance(records, list):
        sources = {_record_source(record) for record in records}
        if sources <= {"aws:sqs"}:
            return
        strange = sorted(sources - {"aws:sqs"})[0]
    elif isinstance(event, Mapping) and event.get("Event") == "s3:TestEvent":
        strange = "aws:s3"
    else:
        strange = str(event.get("source", "")) if isinstance(event, Mapping) else ""
    name = {"aws:s3": "an S3 event", "aws:sns": "an SNS event", "aws.s3": "an EventBridge event of S3"}.get(
        strange, f"an event of {strange[:40]!r}" if strange else "no event of a known source"
    )
    raise UnexpectedInvocation(
        f"called with {name}: this function takes batches of SQS messages; send the bucket's events to its queue"
    )


def _record_source(record: Any) -> str:
    # SNS spells the field with a capital letter.
    return str(record.get("eventSource") or record.get("EventSource")) if isinstance(record, Mapping) else "?"


def _field_names(message: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, message))[:8])[:200] or "none"
