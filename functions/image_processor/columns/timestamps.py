"""Dates and times as photos write them, as ISO 8601 text: pure functions.

A time zone is given only where the photo states one, never the function's own; nothing is shifted, clamped or guessed.
A date that no calendar has (30 February, 24:00:00) is unusable, and one that is blank (zeros, spaces) is unknown.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from image_processor.errors import Unusable
from image_processor.tags.numbers import Raw, exact

MAX_FRACTION = 6
"""Digits of a second's fraction: microseconds, which every reader of the CSV can hold; further digits are cut."""

YEARS = range(1678, 2262)
"""Whole years that pandas holds as nanoseconds (pandas User Guide, "Timestamp limitations")."""

# Possessive, as all patterns that meet strangers' texts: no other way is tried for what was matched.
_DATE = r"(\d{4})[:\-/.](\d{1,2}| \d)[:\-/.](\d{1,2}| \d)"
_TIME = r"(\d{1,2}| \d):(\d{1,2}| \d)(?::(\d{1,2}| \d)(?:[.,](\d++))?+)?+"
_ZONE = r"(Z|[+-]\d{1,2}(?::?\d{2})?)"
_STAMP = re.compile(rf"{_DATE}[ T]++{_TIME}\s*+{_ZONE}?+", re.ASCII | re.IGNORECASE)
_DATE_ONLY = re.compile(rf"{_DATE}(?:[ T].*+)?+", re.ASCII)
_IPTC_TIME = re.compile(r"(\d{2}):?(\d{2}):?(\d{2})([+-]\d{4})?", re.ASCII)
_IPTC_DATE = re.compile(r"\d{8}", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?", re.ASCII)
_ISO_PARTS = re.compile(r"(.{19})(\.\d++)?+(.*+)", re.ASCII)


_EARLIEST_ZONE, _LATEST_ZONE = -12 * 60, 14 * 60  # minutes: no clock on Earth is beyond (tz database)


class ImpossibleZone(Unusable):
    """A time says a zone that is none on Earth; `local` is the time without it."""

    def __init__(self, zone: str, local: str) -> None:
        super().__init__(f"{zone} is no zone")
        self.local = local


def is_blank(text: str) -> bool:
    """Tell a date or offset that says "unknown": only zeros, spaces and separators (Exif 2.32, DateTime)."""
    return not text.strip(" 0:-/.T\t\0")


def stamp(text: str, fraction: str = "", offset: str = "") -> str | None:
    """Return a date and time as `2024-07-01T12:00:00.067+02:00`, or None if it is blank.

    Args:
        text: `2024:07:01 12:00:00` (Exif), or ISO 8601 (XMP), with or without fraction and zone.
        fraction: digits after the second's point (SubSecTime), used if the text has none.
        offset: zone such as `+02:00`, used if the text has none.

    Raises:
        ImpossibleZone: the text's own zone is none.
        Unusable: not a date and time.
    """
    text = text.strip()
    if is_blank(text):
        return None
    match = _STAMP.fullmatch(text)
    if match is None:
        raise Unusable("a date without a time" if _DATE_ONLY.fullmatch(text) else "not a date")
    year, month, day, hour, minute, second, written_fraction, zone = match.groups()
    if int(year) == 0:
        raise Unusable("not a date")
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    except ValueError as error:
        raise Unusable(f"no such date or time: {text[:40]}") from error
    _hold(moment)
    digits = (written_fraction or fraction_digits(fraction))[:MAX_FRACTION]
    local = moment.isoformat() + (f".{digits}" if digits else "")
    try:
        return local + (_zone(zone) if zone else offset)
    except Unusable as error:
        raise ImpossibleZone(zone, local) from error


def fraction_digits(text: str) -> str:
    """Return SubSecTime's digits: `067` is 0.067, `7` is 0.7, blanks around them mean nothing."""
    text = text.strip()
    return text if text.isascii() and text.isdigit() else ""


def zone(text: str) -> str:
    """Return an OffsetTime tag as `+02:00` or `Z`, or an empty text if it is blank.

    Raises:
        Unusable: not an offset from UTC.
    """
    text = text.strip()
    return _zone(text) if text.strip(" :\0") else ""


def iptc_stamp(date: str, time: str) -> str | None:
    """Return IPTC's DateCreated `20060509` and TimeCreated `062751-0500` as ISO 8601, or None if there is no date.

    Raises:
        Unusable: not a date and time.
    """
    if is_blank(date):
        return None
    match = _IPTC_TIME.fullmatch(time.strip())
    if match is None or not _IPTC_DATE.fullmatch(date.strip()):
        raise Unusable("a date without a time" if not time.strip() else "not a date")
    hour, minute, second, offset = match.groups()
    return stamp(f"{date[:4]}:{date[4:6]}:{date[6:8]} {hour}:{minute}:{second}{offset or ''}")


def utc_stamp(date: str, time: tuple[Raw, ...] | str) -> str | None:
    """Return GPSDateStamp and GPSTimeStamp as `2016-09-28T17:17:58.65Z`, or None if one is blank.

    Args:
        date: `2016:09:28`; a time behind it is ignored.
        time: hours, minutes and seconds, or the text `17:17:58.65`.

    Raises:
        Unusable: not a date and time.
    """
    if is_blank(date) or not time:
        return None
    match = _DATE_ONLY.fullmatch(date.strip())
    if match is None:
        raise Unusable("not a date")
    year, month, day = map(int, match.groups())
    parts = tuple(time.strip().rstrip("Z").split(":")) if isinstance(time, str) else time
    if len(parts) != 3:
        raise Unusable("not a time")
    (hour, hours), (minute, minutes), (numerator, denominator) = (exact(part) for part in parts)
    if hour % hours or minute % minutes or numerator < 0:
        raise Unusable("not a time")
    try:
        moment = datetime(year, month, day, hour // hours, minute // minutes, numerator // denominator)
    except (ValueError, OverflowError) as error:  # the latter for numbers beyond 32 bits
        raise Unusable("no such date or time") from error
    _hold(moment)
    digits = f"{numerator % denominator * 10**MAX_FRACTION // denominator:0{MAX_FRACTION}}".rstrip("0")
    return moment.isoformat() + (f".{digits}" if digits else "") + "Z"


def in_utc(text: str) -> str | None:
    """Return an ISO 8601 time (XMP's exif:GPSTimeStamp) in UTC; without a zone it is UTC already (Exif: GPS time is).

    Raises:
        Unusable: not a date and time.
    """
    local = stamp(text)
    if local is None:
        return None
    main, fraction, offset = _ISO_PARTS.fullmatch(local).groups()  # type: ignore[union-attr]
    moment = datetime.fromisoformat(main).replace(tzinfo=UTC)
    if (match := _OFFSET.fullmatch(offset)) is not None:
        sign, hours, minutes = match.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes or 0))
        try:
            moment = moment.replace(tzinfo=timezone(shift if sign == "+" else -shift)).astimezone(UTC)
        except OverflowError as error:
            raise Unusable("no such date or time") from error
        _hold(moment)
    return moment.replace(tzinfo=None).isoformat() + (fraction or "") + "Z"


def _hold(moment: datetime) -> None:
    """Refuse a time by which readers of the CSV could read no time at all."""
    if moment.year not in YEARS:
        raise Unusable(f"the year {moment.year} is beyond what readers hold")


def _zone(text: str) -> str:
    if text in ("Z", "z"):
        return "Z"
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise Unusable("not an offset from UTC")
    sign, hours, minutes = match[1], int(match[2]), int(match[3] or 0)
    offset = (hours * 60 + minutes) * (-1 if sign == "-" else 1)
    if minutes > 59 or not _EARLIEST_ZONE <= offset <= _LATEST_ZONE:
        raise Unusable("not an offset from UTC")
    return f"{sign}{hours:02}:{minutes:02}"
