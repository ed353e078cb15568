"""What happened to an image: every journaled record about it, in order, and what it is now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import BadEvent
from ledger.event import read_event
from ledger.journal import list_segments, load_record, read_segments
from ledger.ledger import Ledger
from ledger.row import item_key
from operations.progress import Progress, silent
from operations.rebuild.statements import BACKFILL
from operations.rebuild.tree_reader import look_up, named_cells

# Not told as a change: it differs in every record.
_COUNTERS = {"revision"}


@dataclass(slots=True)
class Step:
    """One record about an image.

    Attributes:
        time: of the event.
        what: the record's eventName.
        etag, revision, object: of the item, as the record leaves it (or had it, when it was removed).
        changed: attributes that a modification changed, with their old and new value.
        segment: where it is journaled.
        order: stream and sequence number.
    """

    time: str
    what: str
    etag: str
    revision: str
    object: str
    segment: str
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    order: tuple[str, int] = ("", 0)


@dataclass(slots=True)
class ImageHistory:
    """What the journal knows of an image, and its rows in the CSV now."""

    steps: list[Step]
    rows: list[dict[str, str]]


def read_history(ledger: Ledger, wanted: str, *, since: str = "", progress: Progress = silent) -> ImageHistory:
    """Search the journal for an image, named by its ETag, its key, or `bucket/key`.

    Every segment of the time asked for is read; a segment that does not contain the name is not parsed.

    Args:
        ledger: whose journal.
        wanted: ETag, key or bucket/key.
        since: date (YYYY-MM-DD) to start at; empty for all.
        progress: is told how many segments were searched.

    Raises:
        Damaged: a segment is not readable.
        Unavailable: the store did not answer.
    """
    steps: dict[tuple[object, ...], Step] = {}
    keys: dict[bytes, None] = {}
    listed = [one.key for one in list_segments(ledger.store, first=since)]
    for number, (segment, record) in enumerate(_mentioning(ledger, listed, wanted, progress)):
        step = _step(segment, record, wanted)
        if step is None:
            continue
        # A record that was delivered twice stands in two segments. One without a number cannot be told from another.
        has_number = step.order[1] != 0
        steps.setdefault((*step.order, step.time, step.what, None if has_number else number), step)
        keys.update((key, None) for key in _keys(record))
    ordered = sorted(steps.values(), key=lambda step: (step.time, step.order))
    return ImageHistory(ordered, _rows(ledger, sorted(keys)))


def _mentioning(
    ledger: Ledger, keys: list[str], wanted: str, progress: Progress
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # The last part of a key is written in JSON as it stands, unless it has characters that JSON escapes.
    needle = wanted.rpartition("/")[2].encode()
    plain = b'"' not in needle and b"\\" not in needle and needle.isascii() and needle.decode().isprintable()
    for number, (key, lines) in enumerate(read_segments(ledger.store, keys), 1):
        for line in lines:
            if not plain or needle in line:
                record = load_record(key, line)
                if isinstance(record, dict):
                    yield key, record
        progress("searching the journal", number, len(keys))


def _step(segment: str, record: Mapping[str, Any], wanted: str) -> Step | None:
    content = record.get("dynamodb") or {}
    new, old = content.get("NewImage") or {}, content.get("OldImage") or {}
    if not isinstance(new, dict) or not isinstance(old, dict):
        return None
    if record.get("eventName") == BACKFILL and "Lacking" in content:
        ingested_at, _, etag = str(content["Lacking"]).partition(",")
        old = {"etag": {"S": etag}, "ingested_at": {"S": ingested_at}, "revision": {"N": str(content.get("Revision"))}}
    if not any(wanted in _names(image) for image in (new, old)):
        return None
    image = new or old
    names = [name for name in {**old, **new} if name not in _COUNTERS and old.get(name) != new.get(name)]
    event = read_event(record)
    return Step(
        time=event.time,
        what=str(record.get("eventName")),
        etag=_text(image, "etag"),
        revision=_text(image, "revision"),
        object=f"{_text(image, 'bucket')}/{_text(image, 'key')}".strip("/"),
        segment=segment,
        changed={name: (_value(old, name), _value(new, name)) for name in sorted(names)} if new and old else {},
        order=(event.stream, int(event.sequence_number) if event.has_number else 0),
    )


def _names(image: Mapping[str, Any]) -> tuple[str, ...]:
    key = _text(image, "key")
    return (_text(image, "etag"), key, f"{_text(image, 'bucket')}/{key}") if image else ()


def _text(image: Mapping[str, Any], name: str) -> str:
    value = _value(image, name)
    return "" if value is None else str(value)


def _value(image: Mapping[str, Any], name: str) -> Any:
    typed = image.get(name)
    return next(iter(typed.values()), None) if isinstance(typed, dict) else None


def _keys(record: Mapping[str, Any]) -> Iterator[bytes]:
    content = record.get("dynamodb") or {}
    for image in (content.get("NewImage"), content.get("OldImage")):
        try:
            yield item_key(image or {})
        except (BadEvent, AttributeError):
            continue


def _rows(ledger: Ledger, keys: list[bytes]) -> list[dict[str, str]]:
    """Look the rows of these keys up in the live tree."""
    root, _ = ledger.load_root()
    return [named_cells(root.columns, line) for line in look_up(ledger.objects, root.rows, keys).values()]
