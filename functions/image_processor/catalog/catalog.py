"""The tables `Images` and `Objects`: bring them up to a fact about an object, in one transaction.

The decision what to write is pure and stands in `decision.py`; here are the requests, and what their refusals mean:

    answer                                        then
    carried out                                   give the effect
    a condition failed                            the refusal carries the items as they are: decide again from them
    TransactionConflict                           wait, send the same transaction again
    throttling                                    the same with longer waits, for as long as the invocation lasts
    no answer, 5xx after the SDK's own tries      it may have landed: read, decide again; our own sequencer in the
                                                  record means that it had
    anything else (size, permission, no table)    CatalogRefused

The first attempt for a new object reads nothing: it assumes that neither object nor image is known, which is nearly
always true; a refusal says so otherwise.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from image_processor.catalog.decision import decide, first_guess
from image_processor.catalog.expressions import transact_item
from image_processor.catalog.facts import Decision, Fact, Item, Items, Look, Outcome, Ref, Table
from image_processor.errors import (
    CatalogContended,
    CatalogDamaged,
    CatalogRefused,
    CatalogUnavailable,
    ItemUnseen,
    OutOfTime,
)

ATTEMPTS = 12
"""Transactions sent for one fact, throttled ones left out: enough for some hundred functions that all copy the same
image at once; the queue delivers the message again after that."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 2.0
"""Upper bounds of the random wait between attempts, doubling; a transaction takes about 10 ms."""

LONGEST_THROTTLED_WAIT_S = 8.0
"""The same where a table takes no more for now. A new table takes the rows of some 660 photos a second, thousands of
threads may wait for it, and what each sends too early takes room from the others (`infra/doubles/processors.py`
simulates it). Being throttled says nothing against a message: it has the whole invocation, and hardly ever uses up one
of its receives."""

RESERVE_S = 8.0
"""Seconds at the end of the invocation in which no attempt begins: the SDK may need them for one request,
and the report its own (`REPORT_RESERVE_S`)."""

_SURE_OF_DAMAGE = 3

# Reasons of a cancelled transaction (API Reference, TransactWriteItems), which the SDK does not send again by itself:
# ThrottlingError comes from a table on demand that still grows.
_THROTTLED = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
_BUSY = frozenset({"TransactionConflict"}) | _THROTTLED
# Codes of a whole answer; the SDK has then tried twice.
_THROTTLED_CODES = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})
_BUSY_CODES = frozenset({"TransactionConflictException", "TransactionInProgressException"})


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


class _ConditionFailed(Exception):
    """A condition failed.

    Attributes:
        items: those that did not meet it, as they are now.
        resent: the SDK had sent the request before and lost the answer, so it may have been refused for having
            succeeded.
    """

    def __init__(self, items: Items, *, resent: bool = False) -> None:
        super().__init__("a condition failed")
        self.items = items
        self.resent = resent


class _Busy(Exception):
    """Nothing was written; the same request may succeed a moment later."""


class _Throttled(_Busy):
    """The table, or the account, takes no more for now."""


class _Unanswered(Exception):
    """The answer is lost, and with it whether the request was carried out."""


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
        self._client = client
        self._names = {Table.IMAGES: images, Table.OBJECTS: objects}
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
        guessed = bool(items)
        lost: Decision | None = None  # one that may have been carried out without our knowing
        attempts = races = sent = damages = 0
        longest = LONGEST_WAIT_S
        trouble: Exception = OutOfTime(f"too little time left to write {fact.object}")
        while attempts < ATTEMPTS and self._may_try(races, longest, time_left):
            attempts, longest = attempts + 1, LONGEST_WAIT_S
            try:
                decision = self._decide(fact, items)
                if decision.outcome is Outcome.DUPLICATE and lost:
                    decision = lost  # the record carries our sequencer: it was carried out
                elif decision.writes:
                    sent += 1
                    self._write(decision)
                return Effect(decision.outcome, decision.image_added, decision.image_removed, sent, decision.flagged)
            except _ConditionFailed as failure:
                lost = decision if failure.resent else lost
                if guessed:
                    # Nobody was faster: the guess was wrong, and the refusal says in what.
                    items, guessed = Items(items | failure.items), False
                    continue
                # What else is known may be as old as what was refused.
                items = failure.items
                trouble = CatalogContended(f"other writers won every attempt to write {fact.object}")
            except CatalogDamaged as damage:
                # Items that were seen at different moments may contradict each other too, but not again and again.
                damages += 1
                if damages == _SURE_OF_DAMAGE:
                    raise
                items, trouble = Items(), damage
            except _Busy as busy:
                if isinstance(busy, _Throttled):
                    attempts, longest = attempts - 1, LONGEST_THROTTLED_WAIT_S
                trouble = CatalogUnavailable(f"DynamoDB is busy with {fact.object}: {busy}")
                trouble.__cause__ = busy.__cause__
            except _Unanswered as unanswered:
                items, guessed, lost = Items(), False, decision
                trouble = CatalogUnavailable(f"DynamoDB did not answer about {fact.object}: {unanswered}")
                trouble.__cause__ = unanswered.__cause__
            races += 1
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
        for races in range(ATTEMPTS):
            if not self._may_try(races, LONGEST_THROTTLED_WAIT_S, time_left):
                break
            try:
                return Look(self._read(Ref(Table.OBJECTS, name)))
            except _Busy as busy:
                trouble = CatalogUnavailable(f"DynamoDB is busy with {name}: {busy}")
                trouble.__cause__ = busy.__cause__
        raise trouble

    def _may_try(self, races: int, longest: float, time_left: Callable[[], float]) -> bool:
        """Wait as long as the races lost so far suggest, if the time left allows one more attempt."""
        left = time_left() - RESERVE_S
        if left < 0:
            return False
        if races:
            self._sleep(min(left, self._chance() * min(longest, FIRST_WAIT_S * 2 ** (races - 1))))
        return True

    def _decide(self, fact: Fact, items: Items) -> Decision:
        """Decide, reading what the decision needs."""
        while True:
            try:
                return decide(fact, items, self._now())
            except ItemUnseen as unseen:
                ref = Ref(Table(unseen.table), unseen.key)
                items[ref] = self._read(ref)

    def _read(self, ref: Ref) -> Item | None:
        try:
            answer = _send(
                self._client.get_item,
                TableName=self._names[ref.table],
                Key={ref.table.value: {"S": ref.key}},
                ConsistentRead=True,
            )
        except _Unanswered as error:
            raise _Busy(str(error)) from error.__cause__  # a read leaves nothing behind
        item: Item | None = answer.get("Item")
        return item

    def _write(self, decision: Decision) -> None:
        refs = [write.ref for write in decision.writes]
        if len(set(refs)) < len(refs):
            # One item in two roles: what is known is of different moments, and DynamoDB would refuse the whole request.
            raise _ConditionFailed(Items())
        _send(
            self._client.transact_write_items,
            refs=refs,
            TransactItems=[transact_item(write, self._names[write.ref.table]) for write in decision.writes],
            # The SDK sends the same token when it repeats the request: DynamoDB then answers for the first one.
            ClientRequestToken=str(uuid4()),
        )


def _send(request: Callable[..., Any], *, refs: list[Ref] | None = None, **arguments: Any) -> Any:
    """Send one request and tell its refusals apart.

    Raises:
        _ConditionFailed: a condition of one of `refs` failed.
        _Busy: nothing was done, for now.
        _Unanswered: unknown whether it was done.
        CatalogRefused: the request is refused for good.
    """
    try:
        return request(**arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "TransactionCanceledException":
            _raise_cancelled(error, refs or [])
        if code in _THROTTLED_CODES:
            raise _Throttled(code) from error
        if code in _BUSY_CODES:
            raise _Busy(code) from error
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise _Unanswered(code) from error
        raise CatalogRefused(f"DynamoDB refused the request: {code}") from error
    except ParamValidationError:
        # Its text quotes the values, and those are a photo's contents, which no log should hold.
        raise CatalogRefused("the request is not one that DynamoDB takes") from None
    except BotoCoreError as error:
        raise _Unanswered(type(error).__name__) from error


def _raise_cancelled(error: ClientError, refs: list[Ref]) -> None:
    """Say why a transaction was cancelled: one reason for each of its writes, in their order, `None` for the others."""
    reasons: list[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
    codes = [str(reason.get("Code")) for reason in reasons]
    if fatal := {code for code in codes if code not in _BUSY | {"None", "ConditionalCheckFailed"}}:
        raise CatalogRefused(f"DynamoDB refused the transaction: {', '.join(sorted(fatal))}") from error
    if "ConditionalCheckFailed" in codes:
        items = {
            ref: reason.get("Item")
            for ref, reason in zip(refs, reasons, strict=True)
            if reason.get("Code") == "ConditionalCheckFailed"
        }
        resent = bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
        raise _ConditionFailed(Items(items), resent=resent) from error
    kind = _Throttled if _THROTTLED & set(codes) else _Busy
    raise kind(", ".join(sorted(set(codes) & _BUSY)) or "TransactionCanceledException") from error
