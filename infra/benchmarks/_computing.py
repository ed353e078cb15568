"""What a function computes for a byte, by the requests that move it: measured, for the simulation of many.

Counted are the plain bytes of a survey's rows, and the seconds of one processor, the least of several tries. To upload
a part is to join it of its pieces, to reckon its CRC (boto3 takes zlib's) and to encrypt it.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from zlib import crc32

from infra.doubles.memory_store import MemoryStore
from infra.survey import items
from ledger.batch import StreamBatch
from ledger.columns import NAMES
from ledger.event import read_event
from ledger.ledger import Ledger
from ledger.pending import Waiting, decode, encode
from ledger.slices import Merged, merge_slice

ROWS = 2_000
TRIES = 5
ENCRYPTING = 0.25e-9  # `openssl speed -evp aes-128-gcm`, 8 KB at a time


def measured() -> Mapping[str, float]:
    """Give the seconds for a plain byte by request, and as `event` those for one event before the merge."""
    records = [items.insert(number) for number in range(ROWS)]
    batch = StreamBatch([*map(read_event, records)], None)
    changes = batch.changes(NAMES)
    waiting = Waiting(batch.segment.name, NAMES, changes)
    size = items.ROW_BYTES * ROWS
    body = b"".join(change.line or b"" for change in changes)
    written, merged = _written(waiting)
    shards = [entry for page in written.objects.pages(merged.rows.pages).values() for entry in page]
    return {
        "event": _least(lambda: StreamBatch([*map(read_event, records)], None).changes(NAMES)) / ROWS,
        "put_new pending": _least(lambda: encode(waiting)) / size,
        "get pending": _least(partial(decode, encode(waiting))) / size,
        "put_new shards": _least(lambda: _written(waiting)) / size,
        "get shards": _least(lambda: Ledger(written.store).objects.shards(shards)) / size,
        "upload_part image-data.csv": _least(lambda: crc32(b"".join([body[: 1 << 20], body[1 << 20 :]]))) / size
        + ENCRYPTING,
    }


def _written(waiting: Waiting) -> tuple[Ledger, Merged]:
    """Merge changes into an empty ledger and write what that makes."""
    ledger = Ledger(MemoryStore(), makes_first_root=True)
    merged = merge_slice(ledger.objects, ledger.load_root()[0], waiting.changes, "")
    ledger.objects.write(merged.pages, merged.shards)
    return ledger, merged


def _least(what: Callable[[], object]) -> float:
    seconds = []
    for _ in range(TRIES):
        began = time.process_time()
        what()
        seconds.append(time.process_time() - began)
    return min(seconds)
