"""The store as functions see it over a network: real code calls a store, and every call takes its time on a clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from infra.doubles.scheduler import Scheduler
from ledger.errors import Unavailable
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.store import PARALLEL_REQUESTS, PATIENCE_SECONDS, ByteRange, Listed, Store, Stored

T = TypeVar("T")
R = TypeVar("R")

SWAPPED = {ROOT_KEY, CSV_KEY}


@dataclass(frozen=True, slots=True)
class Network:
    """What calls take, in seconds; bytes per second for those that grow with the bytes.

    The figures for S3 Standard: swaps as measured (cdouglas.github.io, "Conditional Operations in Object Stores",
    2026-01); the others are those of everyday: first byte of a GET, a PUT of 4 MB in 40 ms.

    Attributes:
        get, put, swap, listing: until the answer.
        get_rate, put_rate, copy_rate: of one request; a copy is inside S3.
        function_rate: of all requests of one function together.
        swaps_per_second: that one key takes; others wait their turn, refused ones too.
        compute: seconds that the function computes for each byte that it reads or writes, by the folder of the key.
    """

    get: float = 0.030
    put: float = 0.020
    swap: float = 0.060
    listing: float = 0.030
    get_rate: float = 100e6
    put_rate: float = 200e6
    copy_rate: float = 100e6
    function_rate: float = float("inf")
    swaps_per_second: float = 15.0
    compute: Mapping[str, float] = field(default_factory=dict)


class Keys:
    """When each key takes its next swap: what the functions share."""

    def __init__(self) -> None:
        self._free: dict[str, float] = {}

    def turn(self, key: str, now: float, network: Network) -> float:
        """Queue for a key; give the time at which the swap is decided and answered."""
        start = max(now, self._free.get(key, 0.0))
        self._free[key] = start + 1 / network.swaps_per_second
        return start + network.swap


class SimulatedStore:
    """The store as one function sees it: every call takes its time.

    Calls inside `map` run side by side, as many as the real store has in flight; what they do is done at the start,
    since it touches immutable objects or is pinned to an ETag.

    Args:
        store: what is behind it.
        scheduler: whose clock the calls take their time on, in seconds.
        network: what calls take.
        keys: shared by all functions.
        heard: is told of each call: verb, key and bytes.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler[float],
        network: Network,
        keys: Keys,
        heard: Callable[[str, str, int], None] = lambda verb, key, size: None,
    ) -> None:
        self._store, self._scheduler, self._network, self._keys = store, scheduler, network, keys
        self._heard = heard
        self._lane: float | None = None  # time of the call inside `map` that is being made
        self._moved = 0  # bytes of the calls inside `map`
        self._computed = 0.0  # seconds of computing that these bytes take

    def get(self, key: str) -> Stored:
        """Read an object."""
        self._spend(self._network.get / 2)
        stored = self._store.get(key)
        self._got(key, stored.size)
        return stored

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; None if it has."""
        self._spend(self._network.get / 2)
        stored = self._store.get_if_changed(key, etag)
        self._got(key, stored.size if stored else 0)
        return stored

    def _got(self, key: str, size: int) -> None:
        self._heard("get", key, size)
        self._move(self._network.get / 2, key, size, self._network.get_rate)

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        self._spend(self._network.get / 2)
        body = self._store.get_range(key, first, last, etag=etag)
        self._heard("get_range", key, len(body))
        self._move(self._network.get / 2, key, len(body), self._network.get_rate)
        return body

    def head(self, key: str) -> Stored:
        """Read all but the bytes."""
        self._spend(self._network.get / 2)
        self._heard("head", key, 0)  # also of what is not there: S3 bills the question
        stored = self._store.head(key)
        self._spend(self._network.get / 2)
        return stored

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists."""
        self._move(self._network.put, key, len(body), self._network.put_rate)
        self._heard("put_new", key, len(body))
        return self._store.put_new(key, body, content_type)

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None."""
        self._swap(key, len(body) / self._network.put_rate)
        self._heard("put_if_match", key, len(body))
        return self._store.put_if_match(key, body, etag, content_type, metadata)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List objects in key order."""
        self._spend(self._network.listing)
        self._heard("list", prefix, 0)
        return self._store.list(prefix, after=after)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine."""
        self._spend(self._network.put)
        self._heard("delete", keys[0], 0)
        self._store.delete(keys)

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag."""
        self._spend(self._network.put)
        self._heard("delete_if_match", key, 0)
        self._store.delete_if_match(key, etag)

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id."""
        self._spend(self._network.put)
        self._heard("start_upload", key, 0)
        return self._store.start_upload(key, content_type, metadata)

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part and give its ETag."""
        self._move(self._network.put, key, len(body), self._network.put_rate)
        self._heard("upload_part", key, len(body))
        return self._store.upload_part(key, upload, number, body)

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds."""
        needed = self._network.put + source.size / self._network.copy_rate
        self._spend(min(needed, seconds))
        self._heard("copy_part", key, source.size)
        if needed > seconds:
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
        self._swap(key, 0.0)
        self._heard("finish_upload", key, 0)
        return self._store.finish_upload(key, upload, parts, etag, size=size)

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine."""
        self._spend(self._network.put)
        self._heard("abort_upload", key, 0)
        self._store.abort_upload(key, upload)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, many at a time; the first error is raised."""
        if self._lane is not None:  # inside another map
            return [function(item) for item in items]
        begin = self._scheduler.now
        lanes = [begin] * PARALLEL_REQUESTS
        self._moved, self._computed = 0, 0.0
        done: list[R] = []
        try:
            for item in items:
                number = lanes.index(min(lanes))
                self._lane = lanes[number]
                try:
                    done.append(function(item))
                finally:
                    lanes[number] = self._lane
        finally:
            self._lane = None
            end = max(*lanes, begin + self._moved / self._network.function_rate)
            self._sleep(end - begin + self._computed)
        return done

    def _move(self, seconds: float, key: str, size: int, rate: float) -> None:
        """Let bytes pass, and be computed: side by side only the passing is."""
        compute = size * self._network.compute.get(key.partition("/")[0], 0.0)
        self._moved += size
        self._computed += compute
        if self._lane is None:
            self._spend(max(seconds + size / rate, size / self._network.function_rate) + compute)
        else:
            self._spend(seconds + size / rate)

    def _swap(self, key: str, seconds: float) -> None:
        self._spend(seconds)
        if key in SWAPPED and self._lane is None:
            self._spend(self._keys.turn(key, self._scheduler.now, self._network) - self._scheduler.now)
        else:
            self._spend(self._network.swap)

    def _spend(self, seconds: float) -> None:
        if self._lane is None:
            self._sleep(seconds)
        else:
            self._lane += seconds

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)
