"""The store as functions see it over a network: real code calls a store, and every call takes its time on a clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

from infra.doubles.scheduler import Scheduler
from infra.doubles.shared_line import SharedLine
from ledger.errors import Unavailable
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.packing import is_packed, unpacked_size
from ledger.store import PARALLEL_REQUESTS, PATIENCE_SECONDS, ByteRange, Listed, Store, Stored

T = TypeVar("T")
R = TypeVar("R")

SWAPPED = {ROOT_KEY, CSV_KEY}


@dataclass(frozen=True, slots=True)
class Network:
    """What calls take, in seconds; bytes per second for those that grow with the bytes.

    The figures for S3 Standard: swaps as measured (cdouglas.github.io, "Conditional Operations in Object Stores",
    2026-01); first byte of a GET, and a PUT of 4 MB in 40 ms, are those of everyday. A function's line: 400 to 700
    Mbit/s were measured ("Large file download speed test", lkptoo.blogg.se, 2023-01). A copy: 70 MB/s a request
    (aws-sdk-rust#1141), and 2 TB in 15 minutes for one function that copies by parts (AWS Storage Blog, "Copying
    objects greater than 5 GB with Amazon S3 Batch Operations").

    Attributes:
        get, put, swap, listing: until the answer.
        get_rate, put_rate: of one request.
        line: of all requests of one function together, in each direction.
        copy_rate: of one copy inside S3,
        copy_total: and of all copies of the bucket together.
        swaps_per_second: that one key takes; others wait their turn, refused ones too.
        compute: seconds that the function computes for each plain byte, by verb and folder (`put_new shards`), before
            it sends it or after it has read it. It has one processor.
        packed: what is compressed counts as so large a part of its plain bytes; None: as it is.
    """

    get: float = 0.030
    put: float = 0.020
    swap: float = 0.060
    listing: float = 0.030
    get_rate: float = 100e6
    put_rate: float = 200e6
    line: float = 75e6
    copy_rate: float = 70e6
    copy_total: float = 2.2e9
    swaps_per_second: float = 15.0
    compute: Mapping[str, float] = field(default_factory=dict)
    packed: float | None = None


class Bucket:
    """What the functions share: when each key takes its next swap, and what S3 copies.

    Args:
        scheduler: whose clock the calls take their time on, in seconds.
        network: what calls take.
    """

    def __init__(self, scheduler: Scheduler[float], network: Network) -> None:
        self.scheduler, self.network = scheduler, network
        self.copies = SharedLine(scheduler, network.copy_total, network.copy_rate)
        self._free: dict[str, float] = {}

    def turn(self, key: str) -> float:
        """Queue for a key; give the time at which the swap is decided and answered."""
        start = max(self.scheduler.now, self._free.get(key, 0.0))
        self._free[key] = start + 1 / self.network.swaps_per_second
        return start + self.network.swap


class SimulatedStore:
    """The store as one function sees it: every call takes its time, and what it does is done when that is over.

    Calls inside `map` run side by side, as many as the real store has in flight. All that a function has in flight
    shares its line, each direction for itself, and one processor. Left out: headers (less than a KB of a request).

    Args:
        store: what is behind it.
        bucket: shared by all functions, with the clock and what calls take.
        heard: is told of each call: verb, key and bytes.
    """

    def __init__(
        self,
        store: Store,
        bucket: Bucket,
        heard: Callable[[str, str, int], None] = lambda verb, key, size: None,
    ) -> None:
        self._store, self._bucket, self._heard = store, bucket, heard
        self._scheduler, self._network = bucket.scheduler, bucket.network
        self._in = SharedLine(self._scheduler, self._network.line, self._network.get_rate)
        self._out = SharedLine(self._scheduler, self._network.line, self._network.put_rate)
        self._processor = SharedLine(self._scheduler, 1.0)
        self._maps = False  # whether a `map` goes on

    def get(self, key: str) -> Stored:
        """Read an object."""
        self._sleep(self._network.get / 2)
        stored = self._store.get(key)
        self._read("get", key, stored.body)
        return stored

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; None if it has."""
        self._sleep(self._network.get / 2)
        stored = self._store.get_if_changed(key, etag)
        self._read("get", key, stored.body if stored else b"")
        return stored

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        self._sleep(self._network.get / 2)
        body = self._store.get_range(key, first, last, etag=etag)
        self._read("get_range", key, body)
        return body

    def head(self, key: str) -> Stored:
        """Read all but the bytes."""
        self._sleep(self._network.get / 2)
        self._heard("head", key, 0)  # also of what is not there: S3 bills the question
        stored = self._store.head(key)
        self._sleep(self._network.get / 2)
        return stored

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists."""
        self._send("put_new", key, body)
        self._sleep(self._network.put)
        return self._store.put_new(key, body, content_type)

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None."""
        self._send("put_if_match", key, body)
        self._swap(key)
        return self._store.put_if_match(key, body, etag, content_type, metadata)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List objects in key order."""
        self._sleep(self._network.listing)
        self._heard("list", prefix, 0)
        return self._store.list(prefix, after=after)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine."""
        self._sleep(self._network.put)
        self._heard("delete", keys[0], 0)
        self._store.delete(keys)

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag."""
        self._sleep(self._network.put)
        self._heard("delete_if_match", key, 0)
        self._store.delete_if_match(key, etag)

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id."""
        self._sleep(self._network.put)
        self._heard("start_upload", key, 0)
        return self._store.start_upload(key, content_type, metadata)

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part and give its ETag."""
        self._send("upload_part", key, body)
        self._sleep(self._network.put)
        return self._store.upload_part(key, upload, number, body)

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds.

        One that takes longer goes on inside S3, and so it does here, and is waited for: that is no shorter.
        """
        began = self._scheduler.now
        self._sleep(self._network.put)
        self._bucket.copies.move(source.size)
        self._heard("copy_part", key, source.size)
        if self._scheduler.now - began > seconds:
            raise Unavailable(f"{source.key}: ReadTimeoutError")
        return self._store.copy_part(key, upload, number, source)

    def finish_upload(
        self,
        key: str,
        upload: str,
        parts: Sequence[str],
        etag: str | None,
        *,
        size: int | None = None,
        seconds: float = PATIENCE_SECONDS,
    ) -> str:
        """Complete under the condition of `put_if_match`."""
        self._swap(key)
        self._heard("finish_upload", key, 0)
        return self._store.finish_upload(key, upload, parts, etag, size=size)

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine."""
        self._sleep(self._network.put)
        self._heard("abort_upload", key, 0)
        self._store.abort_upload(key, upload)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, many at a time; the first error is raised."""
        todo = list(enumerate(items))
        if self._maps or len(todo) < 2:  # one inside another map has no more in flight
            return [function(item) for _, item in todo]
        parent, waiting, working = self._scheduler.running, iter(todo), min(len(todo), PARALLEL_REQUESTS)
        done: dict[int, R] = {}
        failed: dict[int, Exception] = {}

        def work() -> None:
            nonlocal working
            for number, item in waiting:
                try:
                    done[number] = function(item)
                except Exception as error:
                    failed[number] = error
                if failed:
                    break
            working -= 1
            if not working:
                self._scheduler.wake(parent, self._scheduler.now)

        self._maps = True
        for _ in range(working):
            self._scheduler.start(work)
        self._scheduler.wait(inf)
        self._maps = False
        if failed:
            raise failed[min(failed)]
        return [done[number] for number, _ in todo]

    def _read(self, verb: str, key: str, body: bytes) -> None:
        plain, passing = self._sizes(body)
        self._heard(verb, key, passing)
        self._sleep(self._network.get / 2)
        self._in.move(passing)
        self._compute(verb, key, plain)

    def _send(self, verb: str, key: str, body: bytes) -> None:
        plain, passing = self._sizes(body)
        self._heard(verb, key, passing)
        self._compute(verb, key, plain)
        self._out.move(passing)

    def _sizes(self, body: bytes) -> tuple[int, int]:
        """Count the plain bytes, and those that pass the line."""
        if not is_packed(body):
            return len(body), len(body)
        plain = unpacked_size(body)
        return plain, len(body) if self._network.packed is None else round(plain * self._network.packed)

    def _compute(self, verb: str, key: str, plain: int) -> None:
        self._processor.move(plain * self._network.compute.get(f"{verb} {key.partition('/')[0]}", 0.0))

    def _swap(self, key: str) -> None:
        if key in SWAPPED:
            self._scheduler.wait(self._bucket.turn(key))
        else:
            self._sleep(self._network.swap)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)
