"""Objects of a bucket against what the table knows: a million of each, some of which differ.

usage: ./infra/bench ingest [--objects 1000000] [--differences 1000] [--threads 16]

The product's own code, from S3's answers to what differs, on one processor core in one process:

    list      botocore reads S3's answers of 1,000 keys, of a bucket whose keys crowd, by ranges that are cut as threads
              become free; the answers' XML is made here, and its time is taken off
    sort      the records of a DynamoDB export (gzipped JSON, in the order of its partitions) become sorted runs
    compare   both are read from these runs, merged, and walked side by side

Each is given by objects a second of the processor's time, and by the clock. What differs is spread over the whole:
objects without a record, records of another ETag, and records without an object; of all others every tenth has another
second in its record. The last line is one JSON object: objects_per_second (of `compare`), list_per_second,
sort_per_second, peak_mb (of the whole process), found (differences that were made, and found by kind and name), false
(found, and not made), requests (to list).
"""

import base64
import gzip
import hashlib
import json
import resource
import tempfile
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson
from botocore.awsrequest import AWSResponse

from infra.benchmarks._report import arguments_of, console, make_table, show
from ledger.store import Stored
from operations.bucket.compare import Counts, Kind, Rules, compare
from operations.bucket.known import records, sort_known
from operations.bucket.lines import escape
from operations.bucket.listing import list_places
from operations.bucket.pages import THREADS, listing_client
from operations.bucket.sources import Sources
from operations.progress import silent
from operations.rebuild.scratch import FolderScratch
from operations.table_export.files import DataFile, Export

BUCKET = "photos"
_FILE = 5_000  # records of a file of the export
LISTED_AT, KNOWN_AT = "2026-11-20T08:00:01.000Z", "2026-11-20T08:00:00Z"
PHOTO = 8_000_000  # bytes
_FOLDER = 5_000  # keys
_STRIDE = 7_368_787  # a prime: the order of an export has nothing to do with that of names
_KINDS = (Kind.MISSING, Kind.STALE, Kind.PHANTOM)


@dataclass(slots=True)
class Spent:
    """Time that something took.

    Attributes:
        cpu: seconds of the processor.
        clock: seconds of the clock.
    """

    cpu: float = 0.0
    clock: float = 0.0


@dataclass
class World:
    """Objects and records that never were.

    Attributes:
        count: of names, of which all but the differing ones have both.
        differences: kind of each name that differs, by its number.
        made: seconds of the processor for S3's answers.
    """

    count: int
    differences: dict[int, Kind]
    made: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def key(number: int) -> str:
        """Name an object; numbers are in the order of names."""
        return f"surveys/{number // _FOLDER:05d}/DJI_{number:08d}.JPG"

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        """Answer a request for a list as S3 does."""
        began = time.thread_time()
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        numbers, keys = range(self.count), self.key
        prefix, after = asked.get("prefix", ""), asked.get("start-after", "")
        first = max(bisect_left(numbers, prefix, key=keys), bisect_right(numbers, after, key=keys) if after else 0)
        most = int(asked.get("max-keys", 1000))
        found: list[int] = []
        while first < self.count and len(found) <= most:
            if self.differences.get(first) is not Kind.PHANTOM:
                found.append(first)
            first += 1
        objects = "".join(map(_object, found[:most]))
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix></Prefix><KeyCount>{len(found[:most])}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(len(found) > most).lower()}</IsTruncated>{objects}"
            "</ListBucketResult>"
        ).encode()
        answer = AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda **_: iter([body])))
        with self._lock:
            self.made += time.thread_time() - began
        return answer

    def write_export(self, folder: Path) -> Export:
        """Write an export of the records to a folder."""
        files = []
        count = -(-self.count // _FILE)
        for number in range(count):
            lines = [*map(orjson.dumps, self._items(number, count))]
            body = gzip.compress(b"\n".join(lines) + b"\n", 1)
            (folder / str(number)).write_bytes(body)
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            files.append(DataFile(str(number), base64.b64encode(digest).decode(), len(lines)))
        return Export("bench", "full", "", KNOWN_AT, sum(file.items for file in files), tuple(files))

    def _items(self, file: int, files: int) -> Iterator[dict[str, Any]]:
        for turn in range(file, self.count, files):
            number = turn * _STRIDE % self.count
            kind = self.differences.get(number)
            if kind is not Kind.MISSING:
                yield {"Item": _item(number, "f" if kind is Kind.STALE else "e")}


def _etag(number: int, letter: str = "e") -> str:
    return f"{letter}{number:031x}"


def _object(number: int) -> str:
    return (
        f"<Contents><Key>{quote(World.key(number))}</Key><LastModified>{LISTED_AT}</LastModified>"
        f"<ETag>&quot;{_etag(number)}&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
        f"<ChecksumType>FULL_OBJECT</ChecksumType><Size>{PHOTO + number}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def _item(number: int, letter: str) -> dict[str, Any]:
    return {
        "object": {"S": f"{BUCKET}/{World.key(number)}"},
        "etag": {"S": _etag(number, letter)},
        "size_bytes": {"N": str(PHOTO + number)},
        "last_modified": {"S": LISTED_AT if number % 10 else KNOWN_AT},
        "content_type": {"S": "image/jpeg"},
        "sequencer": {"S": f"{number:018X}"},
        "ingested_at": {"S": "2026-11-20T08:00:02.123456Z"},
    }


def make_world(count: int, differences: int) -> World:
    """Spread differences of every kind over the whole, one after the other."""
    step = count // max(1, differences)
    return World(count, {number * step + step // 2: _KINDS[number % len(_KINDS)] for number in range(differences)})


@contextmanager
def measured() -> Iterator[Spent]:
    """Measure what is done meanwhile."""
    spent, cpu, clock = Spent(), time.process_time(), time.perf_counter()
    yield spent
    spent.cpu, spent.clock = time.process_time() - cpu, time.perf_counter() - clock


def run(world: World, folder: Path, threads: int) -> dict[str, Any]:
    """List, sort and compare; give the figures."""
    client = listing_client(
        {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}, threads
    )
    client.meta.events.register("before-send.s3.ListObjectsV2", world.answer)
    scratch, exported = FolderScratch(folder / "scratch"), folder / "export"
    exported.mkdir()
    with console.status("writing an export ..."):
        export = world.write_export(exported)
    store: Any = SimpleNamespace(get=lambda key: Stored((exported / key).read_bytes(), ""))
    sources = Sources((BUCKET,))
    with console.status("listing ..."), measured() as listed:
        listing = list_places(client, sources.places, scratch, silent, threads=threads)
    listed.cpu -= world.made
    with console.status("sorting ..."), measured() as sorted_:
        known = sort_known(store, scratch, export, silent)
    counts = Counts()
    with console.status("comparing ..."), measured() as compared:
        found = [*compare(listing.lines(), records(scratch), Rules(sources), counts)]
    made = {escape(f"{BUCKET}/{World.key(number)}"): kind for number, kind in world.differences.items()}
    right = sum(made.get(one.name) is one.kind for one in found)
    table = make_table("step", "objects", "CPU s", "objects/s of a core", "clock s", left=["step"])
    steps = (("list", listed, counts.listed), ("sort", sorted_, known.records), ("compare", compared, counts.listed))
    for name, spent, objects in steps:
        table.add_row(name, f"{objects:,}", f"{spent.cpu:.1f}", f"{objects / spent.cpu:,.0f}", f"{spent.clock:.1f}")
    show(table, f"differences: {counts.missing} missing, {counts.stale} stale, {counts.phantom} phantom")
    return {
        "objects_per_second": round(counts.listed / compared.cpu),
        "list_per_second": round(counts.listed / listed.cpu),
        "sort_per_second": round(known.records / sorted_.cpu),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "found": right,
        "false": len(found) - right,
        "requests": listing.requests,
    }


def main(argv: Sequence[str]) -> int:
    """Measure, and print a table and the JSON line."""
    parser = arguments_of("ingest", __doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=THREADS)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="skyledger-bench-") as folder:
        figures = run(make_world(arguments.objects, arguments.differences), Path(folder), arguments.threads)
    print(json.dumps(figures))
    return 0
