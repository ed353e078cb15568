"""What S3 lists against what the table knows: two sorted sequences of lines, walked side by side. Pure.

An object and its record            is
listed, no record, or a tombstone   missing; empty objects are no images, and never missing
listed, record says another thing   stale: another ETag or size; it was written more than a minute after the record's
                                    time (overwritten with the same bytes, and the event was lost); empty, and the
                                    record holds an image
not listed, record holds an image   phantom
refused by an older reader          unread: another version of the reader may find an image in it
else                                agreed

What is younger than a given time, and not from a time to come, is on its way: it is counted, and not judged. Records of
objects that are no source's are outside, and of no account.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from operations.bucket.lines import Listed, Record, name_of, read_listed, read_record
from operations.bucket.sources import Sources

_LATER_SECONDS = 60
"""S3's clock and that of whoever wrote the record's time may differ."""

_LONGEST = timedelta(days=31)
"""Exports are kept for 30 days, so no check judges by an older one."""

_TAIL = 21  # bytes of `MODIFIED lf`, the end of a line that says all
_EMPTY = b"\t0\t"


class Kind(StrEnum):
    """How an object and its record differ."""

    MISSING = "missing"
    STALE = "stale"
    PHANTOM = "phantom"
    UNREAD = "unread"


class Difference(NamedTuple):
    """An object and a record that differ.

    Attributes:
        kind: how.
        name: `bucket/key`, escaped.
        listed: what S3 lists; None if nothing.
        record: what the table knows; None if nothing.
    """

    kind: Kind
    name: bytes
    listed: Listed | None
    record: Record | None


@dataclass(slots=True)
class Counts:
    """What a comparison went through; those of several ranges can be added up.

    Attributes:
        listed: objects that S3 lists.
        records: of the table.
        missing, stale, phantom, unread: differences of each kind.
        young: differences that were not judged, being so young.
        outside: records of objects that are no source's.
    """

    listed: int = 0
    records: int = 0
    missing: int = 0
    stale: int = 0
    phantom: int = 0
    unread: int = 0
    young: int = 0
    outside: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def add(self, kind: Kind) -> None:
        """Count a difference."""
        setattr(self, kind.value, getattr(self, kind.value) + 1)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a comparison goes by.

    Attributes:
        sources: whose objects count.
        reader: version of the reader that is in use; 0: none is older.
        young: from this time on, nothing is judged; empty: all is.
    """

    sources: Sources
    reader: int = 0
    young: str = ""


def between(lines: Iterator[bytes], lower: bytes = b"", upper: bytes | None = None) -> Iterator[bytes]:
    """Give those of sorted lines whose names are from `lower` on and before `upper`; None: to the end."""
    for line in lines:
        if upper is not None and line >= upper:
            return
        if line >= lower:
            yield line


def compare(listed: Iterator[bytes], records: Iterator[bytes], rules: Rules, counts: Counts) -> Iterator[Difference]:
    """Walk both sides, and give what differs, in the order of names.

    Args:
        listed: lines of what S3 lists, sorted; each name once.
        records: lines of what the table knows, likewise.
        rules: to go by.
        counts: are added to.
    """
    here, known = next(listed, None), next(records, None)
    while here is not None or known is not None:
        if here is not None and known is not None and _surely_agree(here, known):
            counts.listed += 1
            counts.records += 1
            here, known = next(listed, None), next(records, None)
            continue
        name = min(name_of(line) for line in (here, known) if line is not None)
        seen = record = None
        if here is not None and name_of(here) == name:
            seen, here = read_listed(here), next(listed, None)
            counts.listed += 1
        if known is not None and name_of(known) == name:
            record, known = read_record(known), next(records, None)
            counts.records += 1
            if not rules.sources.hold(name):
                counts.outside += 1
                continue
        kind = judge(seen, record, rules.reader)
        if kind is not None and is_young(seen, record, rules.young):
            counts.young += 1
        elif kind is not None:
            counts.add(kind)
            yield Difference(kind, name, seen, record)


def _surely_agree(listed: bytes, record: bytes) -> bool:
    """Say whether two lines have name, ETag and a size alike, and the object was not written later than the record.

    A tab stands before the time, and in no name: what is alike is all before it. This is for speed alone.
    """
    if listed[:-_TAIL] != record[:-_TAIL] or listed[-_TAIL - 1 : -_TAIL] != b"\t" or listed.endswith(_EMPTY, 0, -_TAIL):
        return False
    here, known = listed[-_TAIL:-1], record[-_TAIL:-1]
    return here <= known or not _is_later(here.decode(), known.decode())


def judge(listed: Listed | None, record: Record | None, reader: int = 0) -> Kind | None:
    """Say how an object and its record differ; None if they agree.

    Args:
        listed: what S3 says; None if there is no object.
        record: what the table says; None if it has no record.
        reader: version of the reader that is in use; 0: none is older.
    """
    holds = record is not None and record.holds_image
    if listed is None:
        return Kind.PHANTOM if holds else None
    if listed.size == 0:
        return Kind.STALE if holds else None
    if record is None or not record.etag:
        return Kind.MISSING
    if (
        _differ(listed.etag, record.etag)
        or _differ(listed.size, record.size)
        or _is_later(listed.modified, record.modified)
    ):
        return Kind.STALE
    return Kind.UNREAD if record.reader is not None and record.reader < reader else None


def _differ(one: str | int | None, other: str | int | None) -> bool:
    """Say whether two things are known and not the same."""
    return one not in ("", None) and other not in ("", None) and one != other


def _is_later(listed: str, record: str) -> bool:
    """Say whether S3's time is later than the record's, by more than their clocks may differ."""
    if not record or listed <= record:
        return False
    return (datetime.fromisoformat(listed) - datetime.fromisoformat(record)).total_seconds() > _LATER_SECONDS


def is_newer(listed: Listed, than: str) -> bool:
    """Say whether an object may have been written after a time; one of no known time may (inventories can lack it)."""
    return not than or not listed.modified or listed.modified > than


def is_young(listed: Listed | None, record: Record | None, young: str) -> bool:
    """Say whether an object, or its record, is from a time on; empty: nothing is."""
    return any(is_since(young, one.modified) for one in (listed, record) if one is not None)


def is_since(young: str, time: str) -> bool:
    """Say whether a time is from another one on, and one that a clock has shown by now; empty: it is not.

    A record or a row that says a time to come, which only a foreign hand can have written, would never be judged.
    """
    if not young or time < young:
        return False
    return datetime.fromisoformat(time) - datetime.fromisoformat(young) < _LONGEST
