"""A store that goes wrong on purpose: it counts the calls of all its processes, and one of them meets a fault.

Which answers a verb can give is the table `ANSWERS`: it names, per verb and fault, the error that `S3Store` makes of
what S3 or the network did. A process that died makes no further call, not even to tidy up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from ledger.errors import LedgerError, NotFound, Refused, Unavailable, Unknown
from ledger.store import PATIENCE_SECONDS, ByteRange, Listed, Store, Stored

T = TypeVar("T")
R = TypeVar("R")


class Died(BaseException):
    """The process ends here, as if it was killed."""


class Fault(StrEnum):
    """What may happen at one call."""

    DIE_BEFORE = "die before"
    DIE_AFTER = "die after"
    ERROR_BEFORE = "error before"
    ANSWER_LOST = "landed, answer lost"
    RESENT = "landed, answer lost, sent again by the SDK"
    PRECONDITION = "412"
    CONFLICT = "409"
    MISSING = "404"
    OVERLOADED = "503"
    LATE = "no answer, lands later"
    SLOW = "slow past the deadline"
    TRUNCATED = "truncated"


LANDS_FIRST = {Fault.DIE_AFTER, Fault.ANSWER_LOST, Fault.RESENT, Fault.SLOW, Fault.TRUNCATED}
_ALWAYS: dict[Fault, type[BaseException] | None] = {
    Fault.DIE_BEFORE: Died,
    Fault.DIE_AFTER: Died,
    Fault.ERROR_BEFORE: Unavailable,
    Fault.ANSWER_LOST: Unavailable,
    Fault.OVERLOADED: Unavailable,
    Fault.SLOW: None,
}
_READ = {**_ALWAYS, Fault.MISSING: NotFound}
_SWAP = {
    **_ALWAYS,
    Fault.ERROR_BEFORE: Unknown,
    Fault.ANSWER_LOST: Unknown,
    Fault.OVERLOADED: Unknown,
    Fault.LATE: Unknown,
    Fault.PRECONDITION: Refused,
    Fault.CONFLICT: Refused,
    Fault.MISSING: NotFound,
}
ANSWERS: Mapping[str, Mapping[Fault, type[BaseException] | None]] = {
    "get": {**_READ, Fault.TRUNCATED: None},
    "get_range": {**_READ, Fault.PRECONDITION: Refused, Fault.TRUNCATED: Unavailable},
    "head": _READ,
    # S3 answers 409 while another request is at the key; `put_new` sends again until it gives up.
    "put_new": {
        **_ALWAYS,
        Fault.LATE: Unavailable,
        Fault.RESENT: None,
        Fault.PRECONDITION: None,
        Fault.CONFLICT: Unavailable,
    },
    "put_if_match": _SWAP,
    "list": {**_ALWAYS, Fault.TRUNCATED: Unavailable},
    "delete": {**_ALWAYS, Fault.LATE: Unavailable},
    "delete_if_match": _SWAP,
    "start_upload": {**_ALWAYS, Fault.RESENT: None},
    "upload_part": {**_READ, Fault.RESENT: None},
    "copy_part": {**_READ, Fault.PRECONDITION: Refused, Fault.RESENT: None},
    "finish_upload": _SWAP,
    "abort_upload": _ALWAYS,
    # An asynchronous call of a function: refused, without an answer (whether it was taken or not), or delivered twice.
    "invoke": {
        Fault.DIE_BEFORE: Died,
        Fault.DIE_AFTER: Died,
        Fault.ERROR_BEFORE: Unknown,
        Fault.ANSWER_LOST: Unknown,
        Fault.LATE: Unknown,
        Fault.OVERLOADED: Unavailable,
        Fault.RESENT: None,
        Fault.SLOW: None,
    },
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the store, in the order of a whole run."""

    number: int
    process: str
    verb: str
    key: str

    def __str__(self) -> str:
        return f"{self.number} {self.process}: {self.verb} {self.key}"


# A request whose answer never came lands after so many further calls: its sender has looked, and goes on.
_LATE_CALLS = 2


@dataclass(slots=True)
class Faults:
    """The calls of a run, counted over all its processes, and the one that goes wrong.

    Attributes:
        at: number of the call that meets the fault, from 1; 0 for a run without fault.
        fault: what happens there.
        backwards: `map` does its calls from the last to the first, and finishes them although one failed: so what is
            done side by side is found in either order by a process that dies.
        slow: called when a call took so long that the deadline is near.
        before: called before each call, for what other processes do just then.
    """

    at: int = 0
    fault: Fault = Fault.DIE_BEFORE
    backwards: bool = False
    slow: Callable[[], None] = lambda: None
    before: Callable[[Call], None] = lambda call: None
    calls: list[Call] = field(default_factory=list)
    late: list[tuple[int, Callable[[], object]]] = field(default_factory=list)

    @property
    def fired(self) -> bool:
        """Whether the run came as far as the fault."""
        return 0 < self.at <= len(self.calls)

    def meet(self, process: str, verb: str, key: str) -> Fault | None:
        """Count a call; say which fault it meets, if any."""
        call = Call(len(self.calls) + 1, process, verb, key)
        self.calls.append(call)
        self.land(call.number)
        self.before(call)
        return self.fault if call.number == self.at and self.fault in ANSWERS[verb] else None

    def postpone(self, do: Callable[[], object]) -> None:
        """Take a request that lands later."""
        self.late.append((len(self.calls) + _LATE_CALLS, do))

    def land(self, number: int | None = None) -> None:
        """Let the requests land that are due at this call; without a number, all."""
        due = [do for at, do in self.late if number is None or at <= number]
        self.late = [(at, do) for at, do in self.late if number is not None and at > number]
        for do in due:
            with suppress(LedgerError):
                do()

    def order(self, count: int) -> tuple[Sequence[int], bool]:
        """Say in which order `map` does its calls, and whether it finishes them although one failed."""
        return range(count)[:: -1 if self.backwards else 1], self.backwards


class FaultStore:
    """The store as one process sees it.

    Args:
        store: what is behind it.
        faults: shared by all processes of a run.
        process: name of the process, for the list of calls.
    """

    def __init__(self, store: Store, faults: Faults, process: str = "") -> None:
        self._store, self._faults, self.process = store, faults, process
        self.dead = False

    def get(self, key: str) -> Stored:
        """Read an object. Truncated: half of its bytes come."""
        stored, fault = self._call("get", key, lambda: self._store.get(key))
        return _half(stored) if fault is Fault.TRUNCATED else stored

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; to S3 it is a GET like any other, and meets the same faults."""
        stored, fault = self._call("get", key, lambda: self._store.get_if_changed(key, etag))
        return _half(stored) if stored is not None and fault is Fault.TRUNCATED else stored

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        return self._call("get_range", key, lambda: self._store.get_range(key, first, last, etag=etag))[0]

    def head(self, key: str) -> Stored:
        """Read all but the bytes."""
        return self._call("head", key, lambda: self._store.head(key))[0]

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists, and if the SDK meets what it had itself written."""
        created, fault = self._call("put_new", key, lambda: self._store.put_new(key, body, content_type), refused=False)
        return created and fault is not Fault.RESENT

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None."""
        put = self._store.put_if_match
        return self._call("put_if_match", key, lambda: put(key, body, etag, content_type, metadata))[0]

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List objects in key order. Truncated: half of them come, then an error."""
        try:
            found, _ = self._call("list", prefix, lambda: [*self._store.list(prefix, after=after)])
        except _Truncated as cut:
            yield from cut.found[: len(cut.found) // 2]
            raise Unavailable(f"{prefix}: the listing broke off") from None
        yield from found

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine."""
        self._call("delete", " ".join(keys), lambda: self._store.delete(keys))

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag."""
        self._call("delete_if_match", key, lambda: self._store.delete_if_match(key, etag))

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id."""
        return self._call("start_upload", key, lambda: self._store.start_upload(key, content_type, metadata))[0]

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part and give its ETag."""
        return self._call("upload_part", key, lambda: self._store.upload_part(key, upload, number, body))[0]

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds."""
        copy = self._store.copy_part
        return self._call("copy_part", key, lambda: copy(key, upload, number, source, seconds=seconds))[0]

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
        finish = self._store.finish_upload
        return self._call("finish_upload", key, lambda: finish(key, upload, parts, etag, size=size, seconds=seconds))[0]

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine."""
        self._call("abort_upload", key, lambda: self._store.abort_upload(key, upload))

    def invoke(self, what: str, call: Callable[[], object]) -> None:
        """Call another function asynchronously: no verb of the store, but it may go wrong like one."""
        _, fault = self._call("invoke", what, call)
        if fault is Fault.RESENT:
            call()

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, one after the other; the first error is raised."""
        todo = [*items]
        done: dict[int, R] = {}
        failed: Exception | None = None
        order, finish = self._faults.order(len(todo))
        for index in order:
            try:
                done[index] = function(todo[index])
            except Exception as error:
                failed = failed or error
                if not finish:
                    break
        if failed is not None:
            raise failed
        return [done[index] for index in range(len(todo))]

    def _call(self, verb: str, key: str, do: Callable[[], T], refused: T | None = None) -> tuple[T, Fault | None]:
        """Carry a call out and give its answer; or meet the fault, if this is the call and the verb knows it."""
        if self.dead:
            raise Died
        faults = self._faults
        fault = faults.meet(self.process, verb, key)
        if fault is None:
            return do(), None
        if fault is Fault.LATE:
            faults.postpone(do)
        answer = do() if fault in LANDS_FIRST else refused
        self.dead = fault in (Fault.DIE_BEFORE, Fault.DIE_AFTER)
        if fault is Fault.SLOW:
            faults.slow()
        if fault is Fault.TRUNCATED and verb == "list":
            raise _Truncated(answer)
        error = ANSWERS[verb][fault]
        if error is not None:
            raise error(f"{key}: {fault} (on purpose)")
        return answer, fault  # type: ignore[return-value]


class _Truncated(Exception):
    def __init__(self, found: object) -> None:
        assert isinstance(found, list)
        self.found: list[Listed] = found


def _half(stored: Stored) -> Stored:
    return Stored(stored.body[: len(stored.body) // 2], stored.etag, stored.metadata, stored.size)
