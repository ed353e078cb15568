"""The tables `Images` and `Objects`: bring them up to a fact about an object, in one transaction.

The decision what to write is pure and stands in `decision.py`, the requests in `tables.py`; here is what becomes of
their answers:

    answer                                        then
    carried out                                   give the effect
    a condition on items that nobody had seen     the refusal carries them as they are: decide at once
    a condition on an item that had been seen     somebody was faster: wait, look, decide again
    TransactionConflict                           somebody is about to write one of the items: the same
    throttling                                    wait; look, if anything had been seen; send again
    no answer, 5xx after the SDK's own tries      it may have landed: wait, look, decide again; our own sequencer in
                                                  the record means that it had
    anything else (size, permission, no table)    CatalogRefused

The first attempt for a new object reads nothing: it assumes that neither object nor image is known, which is nearly
always true; a refusal says so otherwise.

Where many meet at one item (hundreds of copies of one photo, all at once), nobody waits for a turn: of all who have
seen the item as it is, the first one wins, and the others have lost what they sent.

    time    function A                              function B
     |      look: the list ends with c1             look: the list ends with c1
     |      transaction: c1 -> c2, carried out
     |                                              transaction: c1 -> c3? refused
     |      (done)                                  wait: others write meanwhile, c2 -> c4
     |                                              look: the list ends with c4
     v                                              transaction: c4 -> c3, carried out

What was seen before the wait is worth nothing after it. A look costs two GetItems, half a write unit or so; a cancelled
transaction costs units of all its items all the same (Developer Guide, "Working with items": of a condition that
fails). Each lost race means that another writer went on, so races are bounded by the invocation's time alone.
`infra/benchmarks/hot.py` simulates it.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from image_processor.catalog.decision import decide, first_guess
from image_processor.catalog.facts import Decision, Fact, Items, Look, Outcome, Ref, Table
from image_processor.catalog.tables import NotNow, Overtaken, Tables, Unanswered
from image_processor.errors import (
    CatalogContended,
    CatalogDamaged,
    CatalogUnavailable,
    ItemUnseen,
    OutOfTime,
)

FIRST_WAIT_S, GROWTH, LONGEST_WAIT_S = 0.05, 3, 8.0
"""Seconds that a random wait before another attempt takes at most: the first one, the factor from each to the next, and
the last. One item takes some 50 transactions a second, a new table the rows of some 660 photos, and nobody knows how
many others want them: 500 threads at one item need 10 s, thousands at a table longer (`infra/doubles/processors.py`).
Who guesses too low sends in vain, and what is sent in vain takes room from the others; hence waits that soon get
long."""

RESERVE_S = 8.0
"""Seconds at the end of the invocation in which no attempt begins: the SDK may need them for one request,
and the report its own (`REPORT_RESERVE_S`)."""

_SURE_OF_DAMAGE = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fact changed.

    Attributes:
        outcome: in a word.
        image_added: a row came to be.
        image_removed: a row went.
        attempts: transactions sent.
        flagged: a row turned out to be about some of its objects only.
    """

    outcome: Outcome
    image_added: bool = False
    image_removed: bool = False
    attempts: int = 0
    flagged: bool = False


class Catalog:
    """The two tables.

    Args:
        client: DynamoDB client.
        images: name of the table of images.
        objects: name of the table of objects.
        now: clock, UTC.
        sleep: waits for a number of seconds.
        chance: random number from 0 to 1.
    """

    def __init__(
        self,
        client: Any,
        images: str,
        objects: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._tables = Tables(client, images, objects)
        self._now, self._sleep, self._chance = now, sleep, chance

    def apply(self, fact: Fact, time_left: Callable[[], float]) -> Effect:
        """Bring the tables up to a fact, whatever they know already.

        Args:
            fact: what the object holds, or that it is gone.
            time_left: seconds until the invocation ends.

        Returns:
            What changed. `UNKNOWN_IMAGE` asks for the fact with the image's attributes; nothing was written.

        Raises:
            CatalogError: the subclass says whether another delivery may help; nothing was half done.
            OutOfTime: too little time for even one attempt.
            ObjectUncompared: the fact has to say whether the object is like another one; nothing was written.
            LookOutdated: S3 has to be asked (again) what the object holds; nothing was written.
        """
        items = first_guess(fact)
        guessed = set(items)  # the others were seen
        lost: Decision | None = None  # one that may have been carried out without our knowing
        sent = damages = 0
        pause = longest = 0.0
        trouble: Exception = OutOfTime(f"too little time left to write {fact.object}")
        while self._may_try(pause, time_left):
            try:
                decision = self._decide(fact, items)
                if decision.outcome is Outcome.DUPLICATE and lost:
                    decision = lost  # the record carries our sequencer: it was carried out
                elif decision.writes:
                    sent += 1
                    self._tables.write(decision.writes)
                return Effect(decision.outcome, decision.image_added, decision.image_removed, sent, decision.flagged)
            except Overtaken as overtaken:
                lost = decision if overtaken.resent else lost
                if overtaken.items and not (items.keys() - guessed) & overtaken.items.keys():
                    # Nobody was faster: the decision assumed something of items unseen, and here they are.
                    items, guessed, pause = Items(items | overtaken.items), set(), 0.0
                    continue
                guessed = set()
                trouble = CatalogContended(f"other writers won every attempt to write {fact.object}")
                trouble.__cause__ = overtaken.__cause__
            except CatalogDamaged as damage:
                # Items that were seen at different moments may contradict each other too, but not again and again.
                damages += 1
                if damages == _SURE_OF_DAMAGE:
                    raise
                guessed, trouble = set(), damage
            except NotNow as refused:
                trouble = CatalogUnavailable(f"DynamoDB is busy with {fact.object}: {refused}")
                trouble.__cause__ = refused.__cause__
            except Unanswered as unanswered:
                guessed, lost = set(), decision
                trouble = CatalogUnavailable(f"DynamoDB did not answer about {fact.object}: {unanswered}")
                trouble.__cause__ = unanswered.__cause__
            pause = longest = _longer(longest)
            if items.keys() - guessed:
                items, guessed = Items(), set()  # others write while we wait: what was seen is worth nothing then
        raise trouble

    def look(self, name: str, time_left: Callable[[], float]) -> Look:
        """Read an object's record, before S3 is asked what the object holds.

        Args:
            name: of the record (`object_name`).
            time_left: seconds until the invocation ends.

        Raises:
            CatalogUnavailable, CatalogRefused, OutOfTime: as for `apply`.
        """
        trouble: Exception = OutOfTime(f"too little time left to read the record of {name}")
        longest = 0.0
        while self._may_try(longest, time_left):
            try:
                return Look(self._tables.read(Ref(Table.OBJECTS, name)))
            except NotNow as refused:
                trouble = CatalogUnavailable(f"DynamoDB is busy with {name}: {refused}")
                trouble.__cause__ = refused.__cause__
            longest = _longer(longest)
        raise trouble

    def _may_try(self, longest: float, time_left: Callable[[], float]) -> bool:
        """Wait for a part of the longest wait, if the time left allows one more attempt."""
        left = time_left() - RESERVE_S
        if left <= 0:
            return False
        if longest:
            self._sleep(min(left, self._chance() * longest))
        return True

    def _decide(self, fact: Fact, items: Items) -> Decision:
        """Decide, reading what the decision needs."""
        while True:
            try:
                return decide(fact, items, self._now())
            except ItemUnseen as unseen:
                ref = Ref(Table(unseen.table), unseen.key)
                items[ref] = self._tables.read(ref)


def _longer(wait: float) -> float:
    return min(LONGEST_WAIT_S, wait * GROWTH) or FIRST_WAIT_S
