"""How fast a replay rebuilds the tree from the journal on SeaweedFS, in how much memory, and what a second core gives.

usage: ./infra/bench replay [--events SMALL LARGE]

Two journals are made, of SMALL and of LARGE events (a survey: three of four images are new, the others are overwritten,
described or removed; segments of 1,000 records). Each is replayed in a process of its own, which tells its peak memory,
and the large one also by two processes. Shards and pages are written as for a swap. The last line is one JSON object:
events_per_second (one process, large journal), peak_mb_1e5 and peak_mb_1e6 (of that process, for the small and the
large journal), speedup_2_cores.
"""

import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from infra.benchmarks._report import arguments_of
from infra.local.seaweed import SeaweedFS
from ledger.event import read_event
from ledger.journal import segment_of, write_segment
from ledger.ledger import Ledger
from ledger.s3_store import S3Store
from ledger.store import Store
from operations.rebuild.scratch import FolderScratch
from operations.replay.local import Wishes, replay

START = datetime(2026, 11, 1, tzinfo=UTC)
STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-01T00:00:00.000"
SEGMENT_EVENTS = 1000
RATE = 50  # photos per second


@dataclass(frozen=True, slots=True)
class Run:
    """What one replay took: seconds, peak memory of the process that was asked in MB, tree hash, events."""

    seconds: float
    peak_mb: float
    tree: str
    events: int


def main(argv: list[str]) -> int:
    """Make the journals, replay them, print a table and the JSON line."""
    parser = arguments_of("replay", __doc__)
    parser.add_argument("--events", type=int, nargs=2, default=[100_000, 1_000_000], metavar=("SMALL", "LARGE"))
    small, large = parser.parse_args(argv).events
    with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder) / "seaweed") as server:
        credentials = server.credentials
        runs: list[tuple[str, Run]] = []
        for events, processes in ((small, 1), (large, 1), (large, 2)):
            bucket = f"journal-{events}"
            if processes == 1:
                server.client().create_bucket(Bucket=bucket)
                _fill(S3Store(bucket, **credentials), events)
            run = _apart(bucket, credentials, Path(folder) / "scratch", processes)
            runs.append((f"{events:,} events, {processes} process{'es' * (processes > 1)}", run))
            print(f"{runs[-1][0]:<32} {run.seconds:8.1f} s {run.events / run.seconds:10,.0f}/s {run.peak_mb:7.0f} MB")
        _, one = runs[1]
        _, two = runs[2]
        if one.tree != two.tree:
            raise AssertionError("one and two processes gave different trees")
    result = {
        "events_per_second": round(one.events / one.seconds),
        "peak_mb_1e5": round(runs[0][1].peak_mb),
        "peak_mb_1e6": round(one.peak_mb),
        "speedup_2_cores": round(one.seconds / two.seconds, 2),
    }
    print(json.dumps(result))
    return 0


def _fill(store: Store, events: int) -> None:
    """Write a journal, as exporters would, without committing it."""
    started = time.monotonic()
    records = _records(events)
    number = 0
    while batch := list(islice(records, SEGMENT_EVENTS)):
        write_segment(store, segment_of([*map(read_event, batch)]))
        number += 1
        if number % 100 == 0:
            print(f"\r{number * SEGMENT_EVENTS:,} events journaled", end="", file=sys.stderr)
    print(f"\r{events:,} events journaled in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _records(count: int) -> Iterator[dict[str, Any]]:
    """Make the stream records of a survey."""
    chance = random.Random(count)
    live: list[dict[str, Any]] = []
    for number in range(count):
        at = START + timedelta(seconds=number / RATE)
        old = None
        if live and chance.random() < 0.25:
            place = chance.randrange(max(0, len(live) - 20_000), len(live))  # mostly what came lately
            old = live[place]
        if old is None:
            new = _item(number, at, chance)
            live.append(new)
            yield _record("INSERT", number, at, new, None)
        elif chance.random() < 0.3:
            live[place] = live[-1]
            live.pop()
            yield _record("REMOVE", number, at, None, old)
        else:
            new = old | {"revision": {"N": str(int(old["revision"]["N"]) + 1)}, "title": {"S": f"bridge {number}"}}
            live[place] = new
            yield _record("MODIFY", number, at, new, old)


def _item(number: int, at: datetime, chance: random.Random) -> dict[str, Any]:
    """Make the item of one photo: a row of about 1.5 KB."""
    tags = {f"Tag{index}": chance.randrange(10**6) for index in range(40)}
    return {
        "etag": {"S": f"{chance.getrandbits(128):032x}"},
        "ingested_at": {"S": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
        "revision": {"N": "1"},
        "bucket": {"S": "photos"},
        "key": {"S": f"survey/{number // 1000}/DJI_{number:08d}.JPG"},
        "size_bytes": {"N": str(chance.randrange(10**7))},
        "copies": {"N": "1"},
        "content_type": {"S": "image/jpeg"},
        "last_modified": {"S": at.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "gps_latitude_deg": {"N": f"{chance.uniform(-90, 90):.7f}"},
        "gps_longitude_deg": {"N": f"{chance.uniform(-180, 180):.7f}"},
        "exif": {"S": json.dumps(tags)},
        "xmp": {"S": json.dumps({"drone-dji": {"GimbalPitchDegree": "-89.9", "RelativeAltitude": "+80.1"}})},
    }


def _record(name: str, number: int, at: datetime, new: Any, old: Any) -> dict[str, Any]:
    """Make a stream record of what a replay reads, and no more: its figures are of events of this size."""
    images = {key: value for key, value in (("NewImage", new), ("OldImage", old)) if value}
    return {
        "eventName": name,
        "eventSourceARN": STREAM,
        "dynamodb": {
            "ApproximateCreationDateTime": int(at.timestamp()),
            "Keys": {"etag": (new or old)["etag"]},
            "SequenceNumber": str(10**20 + number),
            **images,
        },
    }


def _apart(bucket: str, credentials: dict[str, str], scratch: Path, processes: int) -> Run:
    """Replay in a fresh process, whose peak memory is then its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, bucket, credentials, scratch, processes).result()


def _run(bucket: str, credentials: dict[str, str], folder: Path, processes: int) -> Run:
    scratch = FolderScratch(folder)
    scratch.clear()
    open_store = partial(S3Store, bucket, **credentials)
    started = time.monotonic()
    done = replay(Ledger(open_store()), scratch, Wishes(), open_store=open_store, processes=processes)
    seconds = time.monotonic() - started
    return Run(seconds, _peak_mb(), done.root.tree_hash, done.journal.events)


def _peak_mb() -> float:
    """Give the most memory that this process had; getrusage would count its parent's at the start as its own."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
