"""Makes the life of a table of images: its stream records, and its items at any time."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ledger.commit import commit
from ledger.ledger import Ledger
from tests.support.factories import START, Item, event, ingested_at, item


@dataclass
class History:
    """A table's life.

    Attributes:
        events: its stream records, in order; those of one second may be many.
        items: the table's items in the end.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)

    def items_at(self, seconds: int) -> list[Item]:
        """Replay the plain way: the table's items after the last event of this second after START."""
        items: dict[str, Item] = {}
        for one in self.events:
            if one["dynamodb"]["ApproximateCreationDateTime"] <= START.timestamp() + seconds:
                apply(items, one)
        return list(items.values())


def apply(items: dict[str, Item], one: dict[str, Any]) -> None:
    """Do to a table what a stream record says was done to it."""
    etag = one["dynamodb"]["Keys"]["etag"]["S"]
    if one["eventName"] == "REMOVE":
        items.pop(etag, None)
    else:
        items[etag] = one["dynamodb"]["NewImage"]


def history(
    seed: int, count: int, *, images: int | None = None, seconds: float = 0.5, foreign: float = 0.02, text: int = 80
) -> History:
    """Make `count` stream records of inserts, overwrites, removals, re-uploads and foreign writes.

    Args:
        seed: of all chances.
        count: of records.
        images: number of different images.
        seconds: time between two records, on average.
        foreign: fraction of modifications that leave the revision as it is.
        text: longest description, in characters.
    """
    chance = random.Random(seed)
    made = History()
    images = images or max(4, count // 3)
    time = 0.0
    for sequence in range(count):
        time += chance.random() * 2 * seconds
        etag = f"{chance.randrange(images):032x}"
        old = made.items.get(etag)
        description = {"S": "".join(chance.choices('ab ,"=+é', k=chance.randint(1, text)))}
        if old is None:
            new: Item | None = item(0, description=description) | {
                "etag": {"S": etag},
                "ingested_at": {"S": ingested_at(START + timedelta(seconds=time))},
            }
        elif chance.random() < 0.25:
            new = None
        else:
            bump = chance.random() >= foreign
            revision = {"N": str(int(old["revision"]["N"]) + bump)}
            new = old | {"description": description, "revision": revision}
            if new == old:
                continue
        name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
        one = event(name, new, old, sequence=10**20 + sequence * 7, seconds=int(time))
        made.events.append(one)
        apply(made.items, one)
    return made


def batches(seed: int, events: list[dict[str, Any]], size: int = 50) -> Iterator[list[dict[str, Any]]]:
    """Cut records into batches as Lambda does, some of which it delivers a second time, cut in another way."""
    chance = random.Random(seed)
    start = 0
    while start < len(events):
        end = min(len(events), start + chance.randint(1, 2 * size))
        yield events[start:end]
        if chance.random() < 0.2:
            again = start + (end - start) // 2
            yield events[again:end]
        start = end


def deliver(ledger: Ledger, made: History, seed: int = 1, size: int = 50) -> None:
    """Commit a history as exporters would."""
    for batch in batches(seed, made.events, size):
        commit(ledger, batch)
