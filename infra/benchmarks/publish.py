"""What it takes to publish a change of a large CSV: bytes, requests and seconds on SeaweedFS, while readers read.

usage: ./infra/bench publish [--sizes 10 100 1000] [--spread N] [--again N]

For each size (of the CSV, in MB) a ledger stands in a real S3 server; of the shards, those that the changes touch.
Three changes are committed and published by a warm function, one after the other: one new image, one early image
written again, and --spread images all over the table; then --again times one more new image, for the reader's sake.
It gets the whole CSV again and again from the first change to the last, on the same cores, and so the seconds are those
of a publish that is read. What it gets is torn if its bytes are not exactly those of the version that the metadata of
the same answer name (a model that only sorts the rows says what they are), and older if it saw a newer one before.

Changed bytes are those of the shards that changed: a shard is the least that the tree can tell from another. A region
is a run of changed shards with none between them that did not. All bytes of a region are uploaded, and its borders if
S3's smallest part of 5 MiB asks for them. The excess is what so goes through the function beyond the changed bytes, per
region. Borders are read out of the present CSV first: "in and out" counts them twice. Changed shards are read, too, if
the commit's cache could not keep them; they have a column of their own. "Of whole" compares with a PUT of all of it.

The last line is one JSON object: worst_excess_bytes_per_region, worst_excess_bytes_both_ways, and of the reads their
number, how many were under way when the CSV was replaced (across), torn, older, and broken (the GET ended with an
error, as any reader could tell).
"""

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from infra.benchmarks._reader import Reader, Verdict
from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.doubles.counting_store import CountingStore
from infra.local.seaweed import SeaweedFS
from infra.survey import items
from infra.survey.lazy_table import LAST, LazyTable
from ledger.assemble import metadata_of
from ledger.commit import commit
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.layout import Copy, pieces
from ledger.ledger import Ledger
from ledger.manifest import Root, encode_root
from ledger.publish import PUT_BELOW, publish
from ledger.row import RowEncoder, header
from ledger.s3_store import S3Store

BUCKET = "export"
CHUNK = 16 << 20
REQUESTS = {
    "GET": ("get", "get_if_changed", "get_range"),
    "HEAD": ("head",),
    "LIST": ("list",),
    "PUT": ("put_new", "put_if_match"),
    "UploadPart": ("upload_part",),
    "UploadPartCopy": ("copy_part",),
    "create, complete": ("start_upload", "finish_upload", "abort_upload"),
    "DELETE": ("delete",),
}
MORE = "one more"
CHANGE = ("CSV (MB)", "change")  # columns that say what was measured
TEXT = "text/csv; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Measured:
    """One publish; sizes in bytes.

    Attributes:
        size: of the CSV.
        changed: of the shards that changed.
        regions: runs of such shards.
        uploaded: bytes of the CSV that went out.
        borders: bytes of the present CSV that came in.
        shards: bytes of shards that came in.
        copied: by S3 itself.
        requests: by S3's verbs, see REQUESTS.
        seconds: of the clock.
    """

    size: int
    changed: int
    regions: int
    uploaded: int
    borders: int
    shards: int
    copied: int
    requests: Counter[str]
    seconds: float

    @property
    def excess(self) -> float:
        """Give what went through the function beyond the change, per region."""
        return (self.uploaded - self.changed) / self.regions

    @property
    def excess_both_ways(self) -> float:
        """Give the same with borders counted twice: as they come in and as they go out."""
        return (self.uploaded + self.borders - self.changed) / self.regions


class CsvStore(CountingStore):
    """Counts, and knows of the CSV what was read and when it was replaced.

    Attributes:
        borders: bytes of the CSV that came in.
        replaced: when, on the monotonic clock.
    """

    def __init__(self, store: S3Store) -> None:
        self.replaced: list[float] = []
        super().__init__(store)

    def reset(self) -> None:
        """Count from zero."""
        super().reset()
        self.borders = 0

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        body: bytes = self.__getattr__("get_range")(key, first, last, etag=etag)
        with self._lock:
            self.borders += len(body) * (key == CSV_KEY)
        return body

    def put_if_match(self, key: str, *arguments: Any) -> str:
        """Replace an object."""
        return self._replace("put_if_match", key, *arguments)

    def finish_upload(self, key: str, *arguments: Any, **named: Any) -> str:
        """Complete a multipart upload."""
        return self._replace("finish_upload", key, *arguments, **named)

    def _replace(self, verb: str, key: str, *arguments: Any, **named: Any) -> str:
        etag: str = self.__getattr__(verb)(key, *arguments, **named)
        if key == CSV_KEY:
            self.replaced.append(time.monotonic())
        return etag


class Survey:
    """A ledger in the bucket, and the model of its rows."""

    def __init__(self, rows: int, spread: int, server: SeaweedFS) -> None:
        first, spread = LAST - rows + 1, min(rows, spread)
        self.anywhere = [first + rows * number // spread for number in range(spread)]
        self.early = first + rows // 100
        # A CSV that may be put whole is made of all shards.
        is_small = rows * items.ROW_BYTES < 2 * PUT_BELOW
        self.table = LazyTable(rows, None if is_small else {self.early, *self.anywhere})
        self._first, self._last, self._changed = first, LAST, dict[int, bytes]()
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        store = S3Store(BUCKET, **server.credentials)
        self._upload(store)
        self.store = CsvStore(store)
        self.ledger = Ledger(self.store)
        self.reader = Reader(client, BUCKET)
        self._digest = self._hashed()
        self._expected = {self.table.root.version: self._digest.hexdigest()}  # SHA-256 of each version's CSV

    def _upload(self, store: S3Store) -> None:
        table, root = self.table, self.table.root
        bucket = table.store()
        for key in table.object_keys():
            content = table.content(key)
            assert content is not None
            store.put_new(key, content.read(0, content.size - 1), "application/octet-stream")
        for key in (root.copy_key, ROOT_KEY):
            store.put_new(key, encode_root(root), "application/json")
        size = bucket.head(CSV_KEY).size
        upload = store.start_upload(CSV_KEY, TEXT, metadata_of(root))
        tags = [
            store.upload_part(
                CSV_KEY, upload, number, bucket.get_range(CSV_KEY, start, min(start + CHUNK, size) - 1)
            )
            for number, start in enumerate(
                track(range(0, size, CHUNK), f"making {size / 1e6:,.0f} MB", console=console), 1
            )
        ]  # fmt: skip
        store.finish_upload(CSV_KEY, upload, tags, None)

    def insert(self) -> list[dict[str, Any]]:
        """Make the record of one new image."""
        self._last += 1
        self._digest.update(items.line(self._last))  # it is the last row
        return [items.insert(self._last)]

    def modify(self, numbers: Sequence[int], revision: int) -> list[dict[str, Any]]:
        """Make records of images that are written again."""
        events = [items.modify(number, revision, self.table.etag(number)) for number in numbers]
        encoder = RowEncoder(self.table.root.columns)
        self._changed |= {
            number: encoder.line(event["dynamodb"]["NewImage"]) for number, event in zip(numbers, events, strict=True)
        }
        self._digest = self._hashed()
        return events

    def publish(self, events: list[dict[str, Any]]) -> Measured:
        """Commit a change and measure its publish, as a warm function does both."""
        old, _ = self.ledger.load_root()
        report, store = commit(self.ledger, events), self.store
        store.reset()
        began = time.perf_counter()
        done = publish(self.ledger, report=report)
        seconds = time.perf_counter() - began
        requests = Counter({name: store.count(*verbs) for name, verbs in REQUESTS.items()})
        if not done.written or done.rebuilt or requests.total() != store.requests:
            raise AssertionError("the CSV was not made from the present one, or not all requests have a name")
        borders, shards, copied = store.borders, store.read - store.borders, store.copied
        self._expected[report.root.version] = self._digest.hexdigest()
        changed, regions = self._changes(old, report.root)
        size = store.head(CSV_KEY).size
        return Measured(size, changed, regions, done.uploaded, borders, shards, copied, requests, seconds)

    def _changes(self, old: Root, new: Root) -> tuple[int, int]:
        """Give the bytes of the shards that changed, and the runs that they come in."""
        found = pieces(old, new, self.ledger.objects.pages, header(old.columns), header(new.columns))
        is_new = [not isinstance(piece, Copy) for piece in found]
        starts = [now and not before for before, now in zip([False, *is_new], is_new, strict=False)]
        return sum(piece.size for piece, new_bytes in zip(found, is_new, strict=True) if new_bytes), sum(starts)

    def _hashed(self) -> Any:
        """Hash the CSV that a model gives, which only sorts the rows; rows may be added at the end."""
        digest = hashlib.sha256(self.table.header)
        for number in range(self._first, self._last + 1):
            line = self._changed.get(number)
            digest.update(line or (self.table.line(number) if number <= LAST else items.line(number)))
        return digest

    def judge(self) -> Verdict:
        """Say what was wrong with what the reader saw."""
        return self.reader.judge(self._expected, self.store.replaced)


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print its tables and the JSON line."""
    parser = arguments_of("publish", __doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--spread", type=int, default=1_000)
    parser.add_argument("--again", type=int, default=5)
    arguments = parser.parse_args(argv)
    bytes_moved = make_table(*CHANGE, "changed", "regions", "uploaded", "borders", "shards", "copied", "excess",
                             "in and out", "seconds", "of whole", left=CHANGE)  # fmt: skip
    requests = make_table(*CHANGE, *REQUESTS, left=CHANGE)
    seen = make_table(CHANGE[0], "reads", "across", "torn", "older", "broken", left=CHANGE)
    verdict, measured = Verdict(), list[Measured]()
    for megabytes in arguments.sizes:
        rows = megabytes * 1_000_000 // items.ROW_BYTES
        with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder)) as server:
            survey = Survey(rows, arguments.spread, server)
            for name, one in _publishes(survey, arguments.again):
                measured.append(one)
                if name == MORE:
                    continue
                bytes_moved.add_row(f"{megabytes:,}", name, *_cells(one))
                requests.add_row(f"{megabytes:,}", name, *(f"{one.requests[each]:,}" for each in REQUESTS))
            judged = survey.judge()
        verdict += judged
        seen.add_row(f"{megabytes:,}", *(f"{count:,}" for count in asdict(judged).values()))
    for title, table in (("Bytes (MB)", bytes_moved), ("Requests of the publish", requests), ("Reads", seen)):
        show(title, table, "")
    worst = {
        "worst_excess_bytes_per_region": round(max(one.excess for one in measured)),
        "worst_excess_bytes_both_ways": round(max(one.excess_both_ways for one in measured)),
    }
    print(json.dumps(worst | asdict(verdict)))
    return 0


def _publishes(survey: Survey, again: int) -> Iterator[tuple[str, Measured]]:
    spread = len(survey.anywhere)
    with survey.reader.reading(), console.status("") as status:
        for name, make in (
            ("one new image", survey.insert),
            ("one early image", lambda: survey.modify([survey.early], 2)),
            (f"{spread:,} all over", lambda: survey.modify(survey.anywhere, 3)),
            *[(MORE, survey.insert)] * again,
        ):
            status.update(f"{len(survey.reader.seen)} reads, {name} ...")
            yield name, survey.publish(make())


def _cells(one: Measured) -> Iterator[str]:
    yield f"{one.changed / 1e6:,.2f}"
    yield f"{one.regions:,}"
    for size in (one.uploaded, one.borders, one.shards, one.copied):
        yield f"{size / 1e6:,.2f}"
    for excess in (one.excess, one.excess_both_ways):
        yield f"{excess / 2**20:.2f} MiB"
    yield f"{one.seconds:.2f}"
    yield f"1/{one.size / one.uploaded:,.0f}" if one.uploaded * 2 < one.size else f"{one.uploaded / one.size:.2f}"
