"""A table of images with its stream, in a few lines: what is written comes out as records, in shards that may split."""

import random
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.support.factories import START, Item, event, ingested_at, item

Event = dict[str, Any]


@dataclass
class StreamShard:
    """Records that wait to be read; closed when the shard has split."""

    name: str
    low: int
    high: int
    waiting: deque[Event] = field(default_factory=deque)
    closed: bool = False


class Table:
    """Items by etag, and a stream of what happened to them.

    Args:
        chance: for what is written.
        now: the clock.
        images: number of different images.
        shards: of the stream, to begin with.
    """

    def __init__(self, chance: random.Random, now: Callable[[], datetime], images: int, shards: int) -> None:
        self.items: dict[str, Item] = {}
        ends = [(1 << 32) * number // shards for number in range(shards + 1)]
        self.shards = [StreamShard(f"shard-{number}", low, high) for number, (low, high) in enumerate(pairwise(ends))]
        self.events: list[Event] = []
        self._chance, self._now, self._images = chance, now, images

    def write(self) -> None:
        """Insert, change or remove an item."""
        number = self._chance.randrange(self._images)
        etag = f"{number:04x}"
        old = self.items.get(etag)
        text = {"S": "x" * self._chance.choice([0, 10, 10, 300])}
        if old is None:
            made = item(number, description=text)
            made |= {"etag": {"S": etag}, "ingested_at": {"S": ingested_at(self._now())}}
            self.items[etag] = made
            self._record("INSERT", made, None)
        elif self._chance.random() < 0.45:
            del self.items[etag]
            self._record("REMOVE", None, old)
        else:
            self.items[etag] = old | {"revision": {"N": str(int(old["revision"]["N"]) + 1)}, "description": text}
            self._record("MODIFY", self.items[etag], old)

    def split(self) -> list[StreamShard]:
        """Split a shard in two: the parent is closed, and gives way to its children."""
        parent = self._chance.choice([shard for shard in self.shards if not shard.closed])
        middle = (parent.low + parent.high) // 2
        parent.closed = True
        first = StreamShard(f"shard-{len(self.shards)}", parent.low, middle)
        second = StreamShard(f"shard-{len(self.shards) + 1}", middle, parent.high)
        self.shards += [first, second]
        return [first, second]

    def _record(self, name: str, new: Item | None, old: Item | None) -> None:
        made = event(
            name,
            new,
            old,
            sequence=len(self.events) + 1,
            seconds=int(self._now().timestamp()) - int(START.timestamp()),
        )
        self.events.append(made)
        place = zlib.crc32(made["dynamodb"]["Keys"]["etag"]["S"].encode())
        for shard in self.shards:
            if not shard.closed and shard.low <= place < shard.high:
                shard.waiting.append(made)
