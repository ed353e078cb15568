"""What it takes to publish a change of a large CSV: bytes, requests and seconds on SeaweedFS, while readers read.

usage: ./infra/bench publish [--sizes 10 100 1000] [--spread N]

For each size (of the CSV, in MB) a ledger stands in a real S3 server. Then three changes are committed and published,
one after the other: one new image, one early image written again, and --spread images all over the table. Meanwhile a
reader gets the whole CSV again and again; it is torn if its bytes are not exactly those of the version that its
metadata names (a model that sorts the rows says what they are), and older if it saw a newer one before.

Changed bytes are those of the shards that changed, and a region is a run of changed shards with none between them that
did not. Through the function go the bytes that it uploads, most of which it reads first if it has not got them yet:
the changed ones, and the borders that S3's smallest part of 5 MiB asks for on either side. The last line is one JSON
object: worst_excess_bytes_per_region (what is uploaded beyond the changed bytes, per region), reads, torn, older.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "functions")]

from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from infra.local import images  # noqa: E402
from infra.local.counting_store import CountingStore  # noqa: E402
from infra.local.lazy_table import LAST, LazyTable  # noqa: E402
from infra.local.seaweed import REGION, SeaweedFS  # noqa: E402
from ledger.assemble import metadata_of  # noqa: E402
from ledger.commit import commit  # noqa: E402
from ledger.layout import Copy, pages_to_compare, pieces  # noqa: E402
from ledger.ledger import Ledger  # noqa: E402
from ledger.manifest import CSV_KEY, ROOT_KEY, Root, encode_root  # noqa: E402
from ledger.publish import publish  # noqa: E402
from ledger.row import RowEncoder, header  # noqa: E402
from ledger.store import S3Store  # noqa: E402

BUCKET = "export"
CHUNK = 16 << 20
WIDTH = 120
TEXT = "text/csv; charset=utf-8"

console = Console(highlight=False, stderr=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """One publish; sizes in bytes."""

    size: int
    changed: int
    regions: int
    uploaded: int
    read: int
    copied: int
    requests: int
    copies: int
    seconds: float

    @property
    def excess(self) -> float:
        """Give what was uploaded beyond the change, per region."""
        return (self.uploaded - self.changed) / self.regions


@dataclass
class Reader:
    """Gets the whole CSV again and again.

    Attributes:
        seen: version and SHA-256 of each read, in order.
    """

    client: Any
    seen: list[tuple[int, str]] = field(default_factory=list)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in the background, and once more at the end."""
        stop = Event()

        def read_on() -> None:
            while not stop.is_set():
                self.read()

        thread = Thread(target=read_on)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        self.read()

    def read(self) -> None:
        """Read the CSV and its version, which come in one answer."""
        answer = self.client.get_object(Bucket=BUCKET, Key=CSV_KEY)
        digest = hashlib.sha256()
        for chunk in answer["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
        self.seen.append((int(answer["Metadata"]["version"]), digest.hexdigest()))

    def judge(self, expected: Mapping[int, str]) -> tuple[int, int]:
        """Count the reads that were torn, and those that were older than an earlier one."""
        torn = sum(expected.get(version) != digest for version, digest in self.seen)
        older = sum(late[0] < early[0] for early, late in zip(self.seen, self.seen[1:], strict=False))
        return torn, older


class Survey:
    """A ledger in the bucket, and the model of its rows."""

    def __init__(self, rows: int, spread: int, server: SeaweedFS) -> None:
        first = LAST - rows + 1
        self.anywhere = [first + rows * number // spread for number in range(spread)]
        self.early = first + rows // 100
        self.table = LazyTable(rows, {self.early, *self.anywhere})
        self._first, self._changed = first, dict[int, bytes]()
        self._last = LAST
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        store = S3Store(BUCKET, endpoint_url=server.endpoint_url, region_name=REGION, **keys)
        self._upload(store)
        self.store = CountingStore(store)
        self.ledger = Ledger(self.store)  # type: ignore[arg-type]
        self.reader = Reader(client)
        self.expected: dict[int, str] = {}  # SHA-256 of each version's CSV

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
        """One new image."""
        self._last += 1
        return [images.insert(self._last)]

    def modify(self, numbers: Sequence[int], revision: int) -> list[dict[str, Any]]:
        """Images written again."""
        events = [images.modify(number, revision, self.table.etag(number)) for number in numbers]
        encoder = RowEncoder(self.table.root.columns)
        self._changed |= {
            number: encoder.line(event["dynamodb"]["NewImage"]) for number, event in zip(numbers, events, strict=True)
        }
        return events

    def publish(self, events: list[dict[str, Any]]) -> Measured:
        """Commit a change and measure its publish, as a warm function does both."""
        old, _ = self.ledger.load_root()
        report = commit(self.ledger, events)
        self.store.reset()
        began = time.perf_counter()
        done = publish(self.ledger, report=report)
        seconds = time.perf_counter() - began
        if not done.written or done.rebuilt:
            raise AssertionError("the CSV was not made from the present one")
        changed, regions = self._changes(old, report.root)
        store = self.store
        return Measured(
            self.store.head(CSV_KEY).size, changed, regions, done.uploaded, store.read, store.copied,
            store.requests - 1, store.count("copy_part"), seconds,
        )  # fmt: skip

    def _changes(self, old: Root, new: Root) -> tuple[int, int]:
        """Give the bytes of the shards that changed, and the runs that they come in."""
        only_old, only_new = pages_to_compare(old, new)
        pages = self.ledger.objects.pages([*only_old, *only_new])
        found = pieces(old, new, pages, header(old.columns), header(new.columns))
        is_new = [not isinstance(piece, Copy) for piece in found]
        starts = [now and not before for before, now in zip([False, *is_new], is_new, strict=False)]
        return sum(piece.size for piece, new_bytes in zip(found, is_new, strict=True) if new_bytes), sum(starts)

    def sha256(self) -> str:
        """Hash the CSV that a model gives, which only sorts the rows."""
        digest = hashlib.sha256(self.table.header)
        for number in range(self._first, self._last + 1):
            line = self._changed.get(number)
            digest.update(line or (self.table.line(number) if number <= LAST else images.line(number)))
        return digest.hexdigest()


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print a table and the JSON line."""
    parser = argparse.ArgumentParser(prog="publish", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--spread", type=int, default=1_000)
    arguments = parser.parse_args(argv)
    table = Table(box=None, header_style="bold")
    for name in ("CSV (MB)", "change", "changed (MB)", "regions", "uploaded", "read", "copied", "requests", "copies",
                 "excess", "seconds", "saving"):  # fmt: skip
        table.add_column(name, justify="left" if name == "change" else "right")
    worst, reads, torn, older = 0.0, 0, 0, 0
    for megabytes in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder)) as server:
            survey = Survey(megabytes * 1_000_000 // images.ROW_BYTES, arguments.spread, server)
            with console.status(f"{megabytes} MB ..."):
                for name, measured in _publishes(survey):
                    worst = max(worst, measured.excess)
                    table.add_row(*_cells(name, measured))
                judged = survey.reader.judge(survey.expected)
        reads, torn, older = reads + len(survey.reader.seen), torn + judged[0], older + judged[1]
    Console(highlight=False, width=WIDTH).print(table)
    result = {"worst_excess_bytes_per_region": round(worst), "reads": reads, "torn": torn, "older": older}
    print(json.dumps(result))
    return 0


def _publishes(survey: Survey) -> Iterator[tuple[str, Measured]]:
    survey.expected = {survey.table.root.version: survey.sha256()}
    with survey.reader.reading():
        for name, make in (
            ("one new image", survey.insert),
            ("one early image", lambda: survey.modify([survey.early], 2)),
            (f"{len(survey.anywhere):,} all over", lambda: survey.modify(survey.anywhere, 3)),
        ):
            measured = survey.publish(make())
            survey.expected[survey.ledger.load_root()[0].version] = survey.sha256()
            yield name, measured


def _cells(name: str, measured: Measured) -> Iterator[str]:
    yield f"{measured.size / 1e6:,.0f}"
    yield name
    yield f"{measured.changed / 1e6:,.2f}"
    yield f"{measured.regions:,}"
    for size in (measured.uploaded, measured.read, measured.copied):
        yield f"{size / 1e6:,.2f}"
    yield f"{measured.requests:,}"
    yield f"{measured.copies:,}"
    yield f"{measured.excess / 2**20:.2f} MiB"
    yield f"{measured.seconds:.2f}"
    yield f"{measured.size / measured.uploaded:,.0f} times"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
