"""Table items, stream records and rows of a survey that never was, for the benchmarks: all from the image's number.

The attributes are those that ImageProcessor really extracts from the synthetic photos of `infra.survey.photos`, and to
them is added what a photo editor leaves in the XMP. Every row has the same number of bytes, so that where a row lies
in a CSV of a hundred million is known without making the others.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from image_processor.columns.extract import extract
from image_processor.reading.ranged import BytesSource
from infra.survey.photos import survey
from infra.survey.stream_records import stream_record
from ledger.columns import NAMES
from ledger.row import RowEncoder

Item = dict[str, dict[str, str]]

# Photos whose metadata the images take in turn: so many that a compressor's window holds none of them twice.
PHOTOS = 64
BEGIN = datetime(2026, 11, 25, tzinfo=UTC)  # when image 0 was ingested
# Bytes of a row with its line feed; shorter ones get a longer comment.
ROW_BYTES = 3300

_EPOCH = int(BEGIN.timestamp())
_DAY = timedelta(days=1)
_EDITED = {
    "xmp:CreatorTool": "Adobe Photoshop Lightroom Classic 14.1 (Macintosh)",
    "xmp:MetadataDate": "2026-06-22T09:14:55+02:00",
    "xmp:Rating": "3",
    "photoshop:DateCreated": "2026-06-21T12:00:00.041",
    "xmpMM:PreservedFileName": "DJI_0001.JPG",
    "xmpMM:OriginalDocumentID": "4F3C1D2AA97E0B55C1D0E6F71B2A3C4D",
    "dc:format": "image/jpeg",
    "crs:Version": "17.1",
    "crs:ProcessVersion": "15.4",
    "crs:WhiteBalance": "As Shot",
    "crs:Exposure2012": "+0.35",
    "crs:Contrast2012": "+8",
    "crs:Highlights2012": "-40",
    "crs:Shadows2012": "+25",
    "crs:Clarity2012": "+12",
    "crs:Dehaze": "+6",
    "crs:Vibrance": "+10",
    "crs:LensProfileEnable": "1",
}
_WORDS = "Orthophoto flight over winter wheat and grassland; overlap eighty by seventy; ground control set out. "


def item(number: int, revision: int = 1, etag: str = "") -> Item:
    """Make the table item of an image; a later number was ingested a millisecond later."""
    at = ingested_at(number)
    return {
        "etag": {"S": etag or etag_of(number)},
        "ingested_at": {"S": at},
        "revision": {"N": str(revision)},
        "bucket": {"S": "photos"},
        "key": {"S": f"survey/{number:012d}.jpg"},
        "size_bytes": {"N": str(4_000_000 + number % 999_983)},
        "copies": {"N": "1"},
        "content_type": {"S": "image/jpeg"},
        "last_modified": {"S": f"{at[:19]}Z"},
        **_attributes()[number % PHOTOS],
    }


def line(number: int, etag: str = "") -> bytes:
    """Make the row of an image at revision 1: what RowEncoder makes of its item, and faster."""
    at = ingested_at(number)
    size = 4_000_000 + number % 999_983
    start = f"{at},{etag or etag_of(number)},1,photos,survey/{number:012d}.jpg,{size},1,image/jpeg,{at[:19]}Z,"
    return start.encode() + _tails()[number % PHOTOS]


def key(number: int, etag: str = "") -> bytes:
    """Give the key of an image's row."""
    return f"{ingested_at(number)},{etag or etag_of(number)}".encode()


def etag_of(number: int, nonce: int = 0) -> str:
    """Give the ETag of an image: what an MD5 looks like; other nonces give others for the same image."""
    return f"{nonce:06x}" + hashlib.md5(b"%d" % number).hexdigest()[6:]


def ingested_at(number: int) -> str:
    """Say when an image was ingested."""
    day, millisecond = divmod(number, 86_400_000)
    second, fraction = divmod(millisecond, 1000)
    return f"{_date(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{fraction:03d}000Z"


def event_time(number: int) -> str:
    """Give the time of the stream record of an image's arrival, in whole seconds."""
    return f"{ingested_at(number)[:19]}Z"


def insert(number: int, etag: str = "") -> dict[str, Any]:
    """Make the stream record of a new image."""
    return _event("INSERT", number, new=item(number, etag=etag))


def modify(number: int, revision: int = 2, etag: str = "") -> dict[str, Any]:
    """Make the stream record of an image whose item was written again: its object was copied."""
    new = item(number, revision, etag)
    new["copies"] = {"N": str(revision)}
    return _event("MODIFY", number, new=new, old=item(number, revision - 1, etag))


def remove(number: int, revision: int = 1, etag: str = "") -> dict[str, Any]:
    """Make the stream record of an image that is gone."""
    return _event("REMOVE", number, old=item(number, revision, etag))


def event_bytes(event: Mapping[str, Any]) -> int:
    """Give the size of a stream record as JSON."""
    return len(orjson.dumps(event))


def _event(name: str, number: int, new: Item | None = None, old: Item | None = None) -> dict[str, Any]:
    etag = (new or old or {})["etag"]["S"]  # several may have come in the same millisecond
    event_id = hashlib.md5(b"%d %b %b" % (number, name.encode(), etag.encode())).hexdigest()
    return stream_record(name, new, old, event_id=event_id, at=_EPOCH + number // 1000, sequence=f"{number + 1:021d}")


@lru_cache(maxsize=8)
def _date(day: int) -> str:
    return (BEGIN + day * _DAY).date().isoformat()


@lru_cache(maxsize=1)
def _attributes() -> list[Item]:
    """Extract the photos; the comment makes all rows equally long."""
    made = []
    encoder = RowEncoder(NAMES)
    for photo in survey(PHOTOS, seed=6):
        record = extract(BytesSource(photo.body))
        assert record is not None
        attributes = dict(record.attributes)
        attributes["author"] = {"S": "Survey team 3"}
        attributes["copyright"] = {"S": "(c) 2026 Skyledger"}
        attributes["xmp"] = {"S": orjson.dumps(orjson.loads(attributes["xmp"]["S"]) | _EDITED).decode()}
        short = _sample(attributes | {"comment": {"S": "."}})
        missing = ROW_BYTES - len(encoder.line(short)) + 1
        attributes["comment"] = {"S": (_WORDS * (missing // len(_WORDS) + 1))[: missing - 1] + "."}
        made.append(attributes)
    return made


@lru_cache(maxsize=1)
def _tails() -> list[bytes]:
    """Give the rows of the photos from `width_px` on."""
    encoder = RowEncoder(NAMES)
    return [encoder.line(_sample(attributes)).split(b",", 9)[9] for attributes in _attributes()]


def _sample(attributes: Item) -> Item:
    at = ingested_at(0)
    return {
        "etag": {"S": etag_of(0)},
        "ingested_at": {"S": at},
        "revision": {"N": "1"},
        "bucket": {"S": "photos"},
        "key": {"S": f"survey/{0:012d}.jpg"},
        "size_bytes": {"N": "4000000"},
        "copies": {"N": "1"},
        "content_type": {"S": "image/jpeg"},
        "last_modified": {"S": f"{at[:19]}Z"},
        **attributes,
    }
