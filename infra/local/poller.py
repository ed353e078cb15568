"""What Lambda's event source mapping does with a DynamoDB stream, as AWS documents it.

The emulator's own mapping loses what a function reports as failed, so the local stack reads the stream with this one.
It is deterministic: it does one thing at a time, and stream, function, destination and clock are handed in, so that
tests run it on fakes. Sources are pages of the AWS Lambda Developer Guide: "Using AWS Lambda with Amazon DynamoDB",
"Configuring partial batch response with DynamoDB and Lambda", "Retain discarded records for a DynamoDB event source".

The contract:
- Records of one shard are delivered in order, a parent shard before its children. With a parallelization factor the
  order holds for the records of one item.
- A batch goes when it is full, when its window is over (it starts with the first record that waits), or before its
  event would pass the payload limit.
- A function that returns an error fails the whole batch: it is split in two if the mapping says so, which does not
  count as a try, or tried again.
- A function that reports failed items fails everything from the lowest reported number on, and has done what comes
  before it. An item without an identifier, or with an unknown one, fails the whole batch.
- A function that cannot be invoked (throttled) is tried until the records are too old.
- A batch that was tried too often, and records that are too old, go to the on-failure destination and are done with.
"""

import json
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.local.failed_batch import RECORD_AGE_EXCEEDED, RETRY_ATTEMPTS_EXHAUSTED, FailedBatch
from infra.local.invocation import Invocation, Record, first_failure
from infra.local.mapping_settings import Settings

PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes of an invocation's event
ENVELOPE_BYTES = len('{"Records":[]}')
# AWS does not document its pauses. They double from the first to the last.
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0


class Stream(Protocol):
    """A DynamoDB stream, read from its oldest record on."""

    def shards(self) -> Mapping[str, str | None]:
        """Name the shards, each with its parent if it has one."""

    def read(self, shard: str) -> tuple[Sequence[Record], bool]:
        """Take the next records of a shard, and whether it has ended with them."""


Function = Callable[[Mapping[str, Any]], Invocation]
Destination = Callable[[FailedBatch], None]
Clock = Callable[[], float]  # seconds since the epoch: records carry their age by it


@dataclass(slots=True)
class Batch:
    """Records that go to the function together, and how often they did."""

    records: Sequence[Record]
    retries: int = 0
    invocations: int = 0
    last: Invocation = field(default_factory=Invocation)


class Poller:
    """Delivers a stream to a function."""

    def __init__(
        self, settings: Settings, stream: Stream, function: Function, destination: Destination, clock: Clock
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.discarded: list[FailedBatch] = []
        self._stream, self._function, self._destination = stream, function, destination
        self._shards: dict[str, _Shard] = {}

    def step(self) -> float | None:
        """Read what is new, and deliver every batch that is due.

        Returns:
            Seconds until something more is due; 0 if that is now, None if nothing waits.
        """
        busy = False
        for shard in self._open_shards():
            busy = shard.read(self._stream) or busy
            for lane in shard.lanes:
                busy = lane.deliver(self.clock()) or busy
        if busy:
            return 0
        now = self.clock()
        return min((max(0.0, due - now) for due in self._due_times()), default=None)

    def _due_times(self) -> Iterable[float]:
        return (lane.due for shard in self._shards.values() for lane in shard.lanes if lane.due is not None)

    def _open_shards(self) -> list["_Shard"]:
        """Give the shards that may be read now: not done, and their parent done or gone from the stream."""
        parents = self._stream.shards()
        for name in parents:
            self._shards.setdefault(name, _Shard(name, self))
        unfinished = {name for name in parents if not self._shards[name].finished}
        return [
            self._shards[name] for name, parent in parents.items() if name in unfinished and parent not in unfinished
        ]

    def invoke(self, records: Sequence[Record]) -> Invocation:
        """Call the function with a batch."""
        return self._function({"Records": list(records)})

    def take_rest(self) -> list[Record]:
        """Take all that is not delivered, and all that the stream holds by now: for whoever delivers it later."""
        rest: list[Record] = []
        for name in self._stream.shards():
            shard = self._shards.setdefault(name, _Shard(name, self))
            while shard.read(self._stream, ahead=True):
                pass
            rest += shard.take_rest()
        return rest

    def discard(self, shard: str, batch: Batch, condition: str) -> None:
        """Give a batch up: to the destination, if there is one."""
        failed = FailedBatch(
            mapping_id=self.settings.mapping_id,
            function_arn=self.settings.function_arn,
            stream_arn=self.settings.stream_arn,
            shard=shard,
            condition=condition,
            records=tuple(batch.records),
            invocations=batch.invocations,
            request_id=batch.last.request_id,
            function_error=batch.last.function_error,
            at=self.clock(),
        )
        if self.settings.on_failure:
            self._destination(failed)
        self.discarded.append(failed)


class _Shard:
    """One shard: what was read of it waits in lanes, one for each batch that may be under way at a time."""

    def __init__(self, name: str, poller: Poller) -> None:
        self.name = name
        self.lanes = [_Lane(name, poller) for _ in range(poller.settings.parallel_batches)]
        self._ended = False
        # A few batches ahead are enough; the rest waits in the stream.
        self._enough = 2 * poller.settings.batch_size

    @property
    def finished(self) -> bool:
        return self._ended and not any(lane.busy for lane in self.lanes)

    def read(self, stream: Stream, *, ahead: bool = False) -> bool:
        """Read on, as far as is enough or further `ahead`; whether there were records."""
        if self._ended or (not ahead and any(len(lane.waiting) >= self._enough for lane in self.lanes)):
            return False
        records, self._ended = stream.read(self.name)
        for record in records:
            self._lane_of(record).append(record)
        return bool(records)

    def take_rest(self) -> list[Record]:
        """Take the records that are not delivered, in an order that is right for every item."""
        return [record for lane in self.lanes for record in lane.take_rest()]

    def _lane_of(self, record: Record) -> "_Lane":
        keys = json.dumps(record["dynamodb"].get("Keys"), sort_keys=True)
        return self.lanes[zlib.crc32(keys.encode()) % len(self.lanes)]


class _Lane:
    """Records in order, one batch under way at a time."""

    def __init__(self, shard: str, poller: Poller) -> None:
        self.waiting: deque[tuple[Record, int]] = deque()  # each with its size in an event
        self._shard, self._poller, self._settings = shard, poller, poller.settings
        self._again: deque[Batch] = deque()  # failed batches and their parts, before anything that waits
        self._not_before = 0.0
        self._window_ends = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._again or self.waiting)

    @property
    def due(self) -> float | None:
        """When there will be something to deliver; None if nothing waits."""
        if self._again:
            return self._not_before
        return self._window_ends if self.waiting else None

    def append(self, record: Record) -> None:
        if not self.waiting:
            self._window_ends = self._poller.clock() + self._settings.window_seconds
        self.waiting.append((record, len(json.dumps(record, separators=(",", ":"))) + 1))

    def take_rest(self) -> list[Record]:
        """Take all records that are not delivered, those first that failed."""
        rest = [record for batch in self._again for record in batch.records] + [record for record, _ in self.waiting]
        self._again.clear()
        self.waiting.clear()
        return rest

    def deliver(self, now: float) -> bool:
        """Deliver one batch if one is due; whether it was."""
        if self._again and now < self._not_before:
            return False
        batch = self._again.popleft() if self._again else self._next_batch(now)
        if batch is None:
            return False
        batch = self._without_old_records(batch, now)
        if batch.records:
            batch.last = self._poller.invoke(batch.records)
            batch.invocations += 1
            self._settle(batch)
        return True

    def _next_batch(self, now: float) -> Batch | None:
        """Take the next batch from what waits, if it is full or its window is over."""
        count = self._fitting_count()
        full = count == self._settings.batch_size or count < len(self.waiting)
        if not count or (not full and now < self._window_ends):
            return None
        records = [self.waiting.popleft()[0] for _ in range(count)]
        self._window_ends = now + self._settings.window_seconds
        return Batch(records)

    def _fitting_count(self) -> int:
        total = ENVELOPE_BYTES
        for count, (_, size) in enumerate(self.waiting):
            total += size
            if count == self._settings.batch_size or (count and total > PAYLOAD_LIMIT):
                return count
        return len(self.waiting)

    def _without_old_records(self, batch: Batch, now: float) -> Batch:
        """Discard the records of a batch that are too old; they are its first ones."""
        limit = self._settings.record_age_seconds
        if limit < 0:
            return batch
        ages = [now - record["dynamodb"]["ApproximateCreationDateTime"] for record in batch.records]
        old = next((index for index, age in enumerate(ages) if age <= limit), len(ages))
        if not old:
            return batch
        gone = Batch(batch.records[:old], batch.retries, batch.invocations, batch.last)
        self._poller.discard(self._shard, gone, RECORD_AGE_EXCEEDED)
        return Batch(batch.records[old:], batch.retries, batch.invocations, batch.last)

    def _settle(self, batch: Batch) -> None:
        """Decide what an invocation means for its batch."""
        if batch.last.throttled:
            self._try_again(batch)
        elif batch.last.function_error is not None:
            if self._settings.bisect and len(batch.records) > 1:
                self._split(batch)
            else:
                self._count_retry(batch)
        elif self._settings.partial_failures:
            self._keep_failures(batch, first_failure(batch.last.response, batch.records))
        # Anything else is success: the batch is done with.

    def _keep_failures(self, batch: Batch, first: int | None) -> None:
        if first is None:
            return
        remainder = Batch(batch.records[first:], batch.retries, batch.invocations, batch.last)
        if self._settings.bisect and first > 0:
            # The batch is split at the reported number, and a split is no retry.
            self._try_again(Batch(remainder.records, 0, 0, batch.last))
        else:
            self._count_retry(remainder)

    def _split(self, batch: Batch) -> None:
        middle = len(batch.records) // 2
        self._again.appendleft(Batch(batch.records[middle:]))
        self._try_again(Batch(batch.records[:middle]))

    def _count_retry(self, batch: Batch) -> None:
        limit = self._settings.retry_attempts
        if 0 <= limit <= batch.retries:
            self._poller.discard(self._shard, batch, RETRY_ATTEMPTS_EXHAUSTED)
        else:
            batch.retries += 1
            self._try_again(batch)

    def _try_again(self, batch: Batch) -> None:
        pause = min(FIRST_RETRY_SECONDS * 2 ** min(batch.retries, 10), LAST_RETRY_SECONDS)
        self._not_before = self._poller.clock() + pause
        self._again.appendleft(batch)
