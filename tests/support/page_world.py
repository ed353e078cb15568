"""Export buckets with surveys in them, for the page: rows through the real ledger, without the reading of photos."""

import math
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish
from operations.bootstrap import bootstrap
from operations.page.files import upload_page
from tests.support.factories import event, item

CAMERAS = (("DJI", "FC6310S"), ("DJI", "M3E"), ("Parrot", "ANAFI"), ("Apple", "iPhone 15"))
BEGIN = datetime(2026, 6, 21, 12, 0)
BATCH = 5000


def photo(number: int, revision: int = 1) -> dict[str, Any]:
    """Make the stream record of one photo of a survey; every tenth has a warning, every fiftieth no position."""
    make, model = CAMERAS[number // 7 % len(CAMERAS)]
    line, step = divmod(number, 100)
    taken = (BEGIN + timedelta(seconds=2 * number)).isoformat()
    attributes: dict[str, dict[str, str]] = {
        "key": {"S": f"survey/{number // 1000:03d}MEDIA/DJI_{number:06d}.JPG"},
        "make": {"S": make},
        "model": {"S": model},
        "captured_at": {"S": f"{taken}+02:00"},
        "width_px": {"N": "5472"},
        "exif": {"S": '{"EXIF ISOSpeedRatings": 100}'},
    }
    if number % 50 != 49:
        attributes |= {
            "gps_latitude_deg": {"N": f"{51.92 + step * 0.00016 + line % 3 * 0.00002:.8f}"},
            "gps_longitude_deg": {"N": f"{5.58 + line * 0.00036:.8f}"},
            "gps_altitude_m": {"N": f"{72 + 8 * math.sin(number / 40):.2f}"},
            "relative_altitude_m": {"N": f"{60 + 8 * math.sin(number / 40):.2f}"},
            "gimbal_yaw_deg": {"N": str(0 if line % 2 == 0 else 180)},
        }
    if number % 10 == 3:
        attributes["warnings"] = {"S": '["gps_altitude_m: zero denominator"]'}
    return event("INSERT", item(number, revision, **attributes), sequence=number + 1, seconds=number // 50)


def keep(images: MemoryBucket, store: MemoryStore, number: int, key: str, body: bytes, bucket: str = BUCKET) -> str:
    """Put an object into the images bucket, and its row into the CSV; give the path that leads to it."""
    images.put(key, body)
    row = item(number, etag={"S": images.objects[key][1]}, key={"S": key}, bucket={"S": bucket})
    add_records(store, [event("INSERT", row, sequence=number + 1)])
    return "photo/" + quote(f"{row['ingested_at']['S']},{row['etag']['S']}", safe="")


def add_photos(store: MemoryStore, first: int, last: int) -> None:
    """Export the photos first..last, in batches, as CsvExporter does."""
    ledger = Ledger(store, makes_first_root=True)
    for start in range(first, last + 1, BATCH):
        _export(ledger, [photo(number) for number in range(start, min(start + BATCH, last + 1))])


def add_records(store: MemoryStore, records: list[dict[str, Any]]) -> None:
    """Export these stream records."""
    _export(Ledger(store, makes_first_root=True), records)


def _export(ledger: Ledger, batch: list[dict[str, Any]]) -> None:
    commit(ledger, batch)
    publish(ledger)


def export_bucket(photos: int) -> MemoryStore:
    """Make an export bucket with so many photos, and the page beside the CSV."""
    store = MemoryStore()
    bootstrap(Ledger(store, makes_first_root=True))
    upload_page(store)
    if photos:
        add_photos(store, 0, photos - 1)
    return store
