"""The requests to the tables `Images` and `Objects`, and their refusals told apart.

The errors in here stay within `catalog/`: what becomes of them stands in `catalog.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from image_processor.catalog.expressions import transact_item
from image_processor.catalog.facts import Item, Items, Ref, Table, Write
from image_processor.errors import CatalogRefused

# Reasons of a cancelled transaction (API Reference, TransactWriteItems), which the SDK does not send again by itself:
# ThrottlingError comes from a table on demand that still grows, or has a hot key.
_THROTTLED = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
# Codes of a whole answer; the SDK has then tried twice.
_THROTTLED_CODES = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})


class Overtaken(Exception):
    """Somebody else has written what the decision rests on, or is about to.

    Attributes:
        items: those that did not meet their conditions, as they are now; none while they are being written.
        resent: the SDK had sent the request before and lost the answer, so it may have been refused for having
            succeeded.
    """

    def __init__(self, items: Items, *, resent: bool = False) -> None:
        super().__init__("another writer was faster")
        self.items = items
        self.resent = resent


class NotNow(Exception):
    """Nothing was done, for now: the table takes no more, or a read got no answer."""


class Unanswered(Exception):
    """The answer is lost, and with it whether the request was carried out."""


class Tables:
    """The two tables.

    Args:
        client: DynamoDB client.
        images: name of the table of images.
        objects: name of the table of objects.
    """

    def __init__(self, client: Any, images: str, objects: str) -> None:
        self._client = client
        self._names = {Table.IMAGES: images, Table.OBJECTS: objects}

    def read(self, ref: Ref) -> Item | None:
        """Read an item as it is now; None if there is none.

        Raises:
            NotNow, CatalogRefused: it was not read.
        """
        try:
            answer = _send(
                self._client.get_item,
                TableName=self._names[ref.table],
                Key={ref.table.value: {"S": ref.key}},
                ConsistentRead=True,
            )
        except Unanswered as error:
            raise NotNow(str(error)) from error.__cause__  # a read leaves nothing behind
        item: Item | None = answer.get("Item")
        return item

    def write(self, writes: Sequence[Write]) -> None:
        """Carry out all writes or none.

        Raises:
            Overtaken, NotNow, CatalogRefused: none was carried out.
            Unanswered: nobody knows.
        """
        refs = [write.ref for write in writes]
        if len(set(refs)) < len(refs):
            # One item in two roles: what is known is of different moments, and DynamoDB would refuse the whole request.
            raise Overtaken(Items())
        _send(
            self._client.transact_write_items,
            refs=refs,
            TransactItems=[transact_item(write, self._names[write.ref.table]) for write in writes],
            # The SDK sends the same token when it repeats the request: DynamoDB then answers for the first one.
            ClientRequestToken=str(uuid4()),
        )


def _send(request: Callable[..., Any], *, refs: list[Ref] | None = None, **arguments: Any) -> Any:
    """Send one request and tell its refusals apart.

    Raises:
        Overtaken: a condition of one of `refs` failed, or somebody else is about to write one of them.
        NotNow: nothing was done.
        Unanswered: unknown whether it was done.
        CatalogRefused: the request is refused for good.
    """
    try:
        return request(**arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "TransactionCanceledException":
            _raise_cancelled(error, refs or [])
        if code in _THROTTLED_CODES:
            raise NotNow(code) from error
        if code == "TransactionConflictException":
            raise Overtaken(Items()) from error
        if code == "TransactionInProgressException":  # our own, which the SDK has sent before
            raise Unanswered(code) from error
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise Unanswered(code) from error
        raise CatalogRefused(f"DynamoDB refused the request: {code}") from error
    except ParamValidationError:
        # Its text quotes the values, and those are a photo's contents, which no log should hold.
        raise CatalogRefused("the request is not one that DynamoDB takes") from None
    except BotoCoreError as error:
        raise Unanswered(type(error).__name__) from error


def _raise_cancelled(error: ClientError, refs: list[Ref]) -> None:
    """Say why a transaction was cancelled: one reason for each of its writes, in their order, `None` for the others."""
    reasons: list[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
    codes = [str(reason.get("Code")) for reason in reasons]
    known = {"None", "ConditionalCheckFailed", "TransactionConflict", *_THROTTLED}
    if fatal := set(codes) - known:
        raise CatalogRefused(f"DynamoDB refused the transaction: {', '.join(sorted(fatal))}") from error
    if throttled := _THROTTLED & set(codes):
        raise NotNow(", ".join(sorted(throttled))) from error
    resent = bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
    if "TransactionConflict" in codes:
        raise Overtaken(Items(), resent=resent) from error
    items = Items(
        (ref, reason.get("Item"))
        for ref, reason in zip(refs, reasons, strict=True)
        if reason.get("Code") == "ConditionalCheckFailed"
    )
    raise Overtaken(items, resent=resent) from error
