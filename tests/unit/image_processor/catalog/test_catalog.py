"""The catalog's requests: what is sent to DynamoDB, and what each of its answers means."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ParamValidationError, ReadTimeoutError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from image_processor.catalog.catalog import LONGEST_WAIT_S, RESERVE_S, Catalog, Effect
from image_processor.catalog.facts import Fact, Outcome
from image_processor.errors import CatalogContended, CatalogRefused, CatalogUnavailable, OutOfTime
from infra.doubles.memory_tables import KEYS, MemoryTables, refusal
from tests.support.catalog_model import (
    PLENTY,
    Waits,
    absent,
    apply,
    catalog_of,
    check_lists,
    check_truth,
    present,
    unread,
)


@pytest.mark.parametrize(
    "answer",
    [
        ReadTimeoutError(endpoint_url="https://dynamodb.example"),
        refusal("InternalServerError", 500),
        refusal("TransactionInProgressException", 400),
    ],
)
def test_an_answer_lost_on_the_way_is_recognised_as_our_own_success(
    answer: Exception, catalog: Catalog, tables: MemoryTables
) -> None:
    """The transaction landed, nobody said so: the record carries our sequencer, and the outcome is the plan's."""
    lost = iter([answer])
    tables.after = lambda name, _: _raise(next(lost, None) if name == "transact_write_items" else None)
    assert catalog.apply(present("a.jpg", "E1", 1), lambda: PLENTY) == Effect(
        Outcome.ADDED, image_added=True, image_removed=False, attempts=1
    )
    assert tables.calls == ["transact_write_items", "get_item"]


def test_a_request_that_the_sdk_repeats_carries_the_same_token() -> None:
    """DynamoDB answers for the first one, and nothing is written twice: seen in what botocore sends."""
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    bodies: list[bytes] = []

    def answer(request: Any, **_: Any) -> Any:
        bodies.append(request.body)
        if len(bodies) == 1:
            raise ConnectionClosedError(endpoint_url=request.url)
        return _answer(request, b"{}")

    client.meta.events.register("before-send.dynamodb", answer)
    catalog = Catalog(client, "images-table", "objects-table")
    assert apply(catalog, present("a.jpg", "E1", 1)) == [Outcome.ADDED]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert b"ClientRequestToken" in bodies[0]


def _answer(request: Any, body: bytes) -> Any:
    class Raw:
        def stream(self, amount: int = 1024, decode_content: bool = False) -> Iterator[bytes]:
            yield body

    return AWSResponse(request.url, 200, {"x-amzn-RequestId": "1"}, Raw())


@pytest.mark.parametrize("conflict", [False, True], ids=["when it is done", "when it is being done"])
def test_a_repeated_request_without_token_support_is_recognised_by_its_refusal(conflict: bool) -> None:
    """Where the service forgets tokens (an emulator, or after ten minutes), the repetition is refused: by our own."""
    tables = MemoryTables(tokens=False)
    transact = tables.transact_write_items

    def resending(**arguments: Any) -> dict[str, Any]:
        transact(**arguments)
        try:
            if conflict:
                raise refusal("TransactionCanceledException", 400, [{"Code": "TransactionConflict"}, {"Code": "None"}])
            return transact(**arguments)
        except Exception as error:
            error.response["ResponseMetadata"]["RetryAttempts"] = 1  # type: ignore[attr-defined]
            raise

    tables.transact_write_items = resending  # type: ignore[method-assign]
    assert apply(catalog_of(tables), present("a.jpg", "E1", 1)) == [Outcome.ADDED]
    assert tables.images["E1"]["revision"]["N"] == "1"


@pytest.mark.parametrize("code", ["ConditionalCheckFailed", "TransactionConflict"])
def test_a_refusal_after_a_lost_answer_is_recognised_as_our_own_success(code: str, tables: MemoryTables) -> None:
    """The first request is carried out when the second one comes: the count of rows is not one too low for that."""
    first: list[dict[str, Any]] = []

    def late(name: str, arguments: dict[str, Any]) -> None:
        if name == "transact_write_items" and not first:
            first.append(arguments)
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        if name == "transact_write_items" and not tables.images:
            tables.beside().transact_write_items(**first[0])
            _raise(refusal("TransactionCanceledException", 400, [{"Code": code}] * 2) if "Conflict" in code else None)

    tables.before = late
    assert catalog_of(tables).apply(present("a.jpg", "E1", 1), lambda: PLENTY) == Effect(
        Outcome.ADDED, image_added=True, attempts=2
    )


def test_an_event_that_another_delivery_brings_in_first_is_no_success_of_ours(tables: MemoryTables) -> None:
    """Twice delivered at once: one of the two has added a row, and is counted."""
    fact = present("a.jpg", "E1", 1)
    others = iter([fact])
    tables.before = lambda *_: [apply(catalog_of(tables.beside()), other) for other in others]
    assert catalog_of(tables).apply(fact, lambda: PLENTY) == Effect(Outcome.DUPLICATE, attempts=1)


LOOK = ["get_item", "get_item"]


@pytest.mark.parametrize(
    ("error", "look"),
    [
        (refusal("TransactionCanceledException", 400, [{"Code": "None"}, {"Code": "ThrottlingError"}]), []),
        (refusal("ProvisionedThroughputExceededException", 400), []),
        (refusal("TransactionCanceledException", 400, [{"Code": "TransactionConflict"}, {"Code": "None"}]), LOOK),
        (
            refusal(
                "TransactionCanceledException",
                400,
                [{"Code": "ConditionalCheckFailed"}, {"Code": "TransactionConflict"}],
            ),
            LOOK,
        ),
        (refusal("TransactionConflictException", 400), LOOK),
        (refusal("TransactionInProgressException", 400), LOOK),
        (refusal("InternalServerError", 500), LOOK),
    ],
)
def test_a_busy_table_is_asked_again(error: Exception, look: list[str], tables: MemoryTables) -> None:
    """Conflicts and throttling pass: a jittered, growing wait; then a look, if anybody may have written meanwhile."""
    troubles = iter([error, error, error])
    tables.before = lambda name, _: _raise(next(troubles, None) if name == "transact_write_items" else None)
    waits = Waits()
    catalog = Catalog(tables, "images-table", "objects-table", sleep=waits, chance=lambda: 0.5)
    assert apply(catalog, present("a.jpg", "E1", 1)) == [Outcome.ADDED]
    assert waits == pytest.approx([0.025, 0.075, 0.225])
    assert tables.calls == ["transact_write_items", *[*look, "transact_write_items"] * 3]
    check_lists(tables)


def test_what_was_seen_before_a_wait_decides_nothing_after_it(tables: MemoryTables) -> None:
    """Whoever loses a race waits, and others write meanwhile: without a look the next race would be lost, too."""
    apply(catalog_of(tables), present("a.jpg", "E1", 1))
    others = iter([present("c.jpg", "E1", 3), present("d.jpg", "E1", 4)])

    def another() -> None:
        apply(catalog_of(tables.beside()), next(others))

    tables.before = lambda *_: another() if tables.calls == ["transact_write_items"] * 2 else None
    tables.calls.clear()
    catalog = Catalog(tables, "images-table", "objects-table", sleep=lambda _: another())
    assert catalog.apply(present("b.jpg", "E1", 2), lambda: PLENTY) == Effect(Outcome.ADDED, attempts=3)
    assert tables.calls == [*["transact_write_items"] * 2, *LOOK, "transact_write_items"]
    assert tables.images["E1"]["copies"]["N"] == "4"
    check_lists(tables)


def test_what_a_refusal_brings_decides_at_once(tables: MemoryTables) -> None:
    """Also where the table was busy before: after another wait it would be as old as any look."""
    apply(catalog_of(tables), present("a.jpg", "E1", 1))
    busy = iter([refusal("ThrottlingException", 400)])
    tables.before = lambda *_: _raise(next(busy, None))
    waits = Waits()
    assert apply(catalog_of(tables, waits=waits), present("b.jpg", "E1", 2)) == [Outcome.ADDED]
    assert waits == [0.05]


def _raise(error: Exception | None) -> None:
    if error:
        raise error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (refusal("TransactionCanceledException", 400, [{"Code": "None"}, {"Code": "ThrottlingError"}]), "busy"),
        (
            refusal(
                "TransactionCanceledException", 400, [{"Code": "ThrottlingError"}, {"Code": "TransactionConflict"}]
            ),
            "busy",
        ),
        (
            refusal("TransactionCanceledException", 400, [{"Code": "ProvisionedThroughputExceeded"}, {"Code": "None"}]),
            "busy",
        ),
        (refusal("ThrottlingException", 400), "busy"),
        (refusal("ProvisionedThroughputExceededException", 400), "busy"),
        (refusal("RequestLimitExceeded", 400), "busy"),
        (refusal("TransactionConflictException", 400), "other writers won"),
        (refusal("InternalServerError", 500), "did not answer"),
    ],
)
def test_a_message_has_the_whole_invocation(error: Exception, meaning: str, tables: MemoryTables) -> None:
    """Being refused says nothing against it: the waits grow, and the last one is cut to the time left."""
    tables.before = lambda name, _: _raise(error if name == "transact_write_items" else None)
    waits = Waits()
    with pytest.raises((CatalogUnavailable, CatalogContended), match=meaning):
        catalog_of(tables, waits=waits).apply(
            present("a.jpg", "E1", 1), lambda: PLENTY - sum(waits) - 0.01 * len(waits)
        )
    assert max(waits) == LONGEST_WAIT_S
    assert waits.count(LONGEST_WAIT_S) >= 4, "a table that grows meanwhile is asked in time"
    assert PLENTY - sum(waits) == pytest.approx(RESERVE_S, abs=0.2)
    assert tables.calls.count("transact_write_items") < 15


@pytest.mark.parametrize(
    "error",
    [refusal("InternalServerError", 500), ReadTimeoutError(endpoint_url="https://dynamodb.example")],
    ids=["500", "no answer"],
)
def test_a_read_without_an_answer_is_sent_again(error: Exception, tables: MemoryTables) -> None:
    """It leaves nothing behind: a look and a decision wait for it alike."""
    apply(catalog_of(tables), present("a.jpg", "E1", 1))
    waits = Waits()
    catalog = catalog_of(tables, waits=waits)
    troubles: list[Exception] = []
    tables.before = lambda name, _: _raise(troubles.pop() if troubles and name == "get_item" else None)
    for ask in (lambda: catalog.look("photos/a.jpg", lambda: PLENTY), lambda: apply(catalog, absent("a.jpg", 2))):
        troubles += [error, error]
        ask()
        assert not troubles
    assert waits == pytest.approx([0.05, 0.15] * 2)
    assert tables.images == {}


def test_a_race_lost_for_ever_fails_the_message(tables: MemoryTables) -> None:
    """Somebody else always comes first, until the time is over; the queue will deliver the message again."""
    apply(catalog_of(tables), present("a.jpg", "E1", 1))
    numbers, waits = iter(range(2, 1000)), Waits()

    def overtake(name: str, _: dict[str, Any]) -> None:
        if name == "transact_write_items":
            tables.objects["photos/a.jpg"]["sequencer"] = {"S": f"{next(numbers):X}"}

    tables.before = overtake
    with pytest.raises(CatalogContended):
        catalog_of(tables, waits=waits).apply(present("a.jpg", "E2", 10**6), lambda: PLENTY - sum(waits))
    assert PLENTY - sum(waits) == pytest.approx(RESERVE_S)
    assert set(tables.images) == {"E1"}


def test_the_time_left_is_respected(tables: MemoryTables) -> None:
    """No attempt begins, and no wait ends, in the seconds that the report needs."""
    tables.before = lambda *_: _raise(refusal("ThrottlingException", 400))
    waits = Waits()
    left = iter([RESERVE_S + 7, RESERVE_S + 2, RESERVE_S + 0.06, RESERVE_S - 0.01])
    with pytest.raises(CatalogUnavailable):
        catalog_of(tables, waits=waits).apply(present("a.jpg", "E1", 1), lambda: next(left))
    assert waits == pytest.approx([0.05, 0.06])
    assert len(tables.calls) == 3
    with pytest.raises(OutOfTime):
        catalog_of(tables).apply(present("a.jpg", "E1", 1), lambda: RESERVE_S - 0.1)


@pytest.mark.parametrize(
    "error",
    [
        refusal("TransactionCanceledException", 400, [{"Code": "ValidationError"}, {"Code": "None"}]),
        refusal("AccessDeniedException", 400),
        refusal("ResourceNotFoundException", 400),
    ],
)
def test_a_refusal_for_good_is_not_repeated(error: Exception, tables: MemoryTables) -> None:
    """A right that is missing does not come with asking; an operator has to act."""
    tables.before = lambda *_: _raise(error)
    with pytest.raises(CatalogRefused):
        apply(catalog_of(tables), present("a.jpg", "E1", 1))
    assert len(tables.calls) == 1


def test_a_refused_request_does_not_quote_the_photo(tables: MemoryTables) -> None:
    """The SDK's own error text would put the values into the log."""
    tables.before = lambda *_: _raise(ParamValidationError(report="Invalid type: secret words of a photo"))
    with pytest.raises(CatalogRefused) as caught:
        apply(catalog_of(tables), present("a.jpg", "E1", 1))
    assert "secret" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_what_is_sent_is_what_dynamodb_documents() -> None:
    """The request, letter by letter, as botocore's own model takes it."""
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    key = {"object": {"S": "photos/a.jpg"}}
    life = {"ingested_at": {"S": "2026"}}
    live = {**key, "etag": {"S": "E1"}, "sequencer": {"S": "1"}, "last_modified": {"S": "x"}, **life}
    with Stubber(client) as stub:
        stub.add_response(
            "get_item", {"Item": live}, {"TableName": "objects-table", "Key": key, "ConsistentRead": True}
        )
        stub.add_response(
            "transact_write_items",
            {},
            {
                "ClientRequestToken": ANY,
                "TransactItems": [
                    {
                        "Put": {
                            "TableName": "objects-table",
                            "Item": {**key, "sequencer": {"S": "2"}, "expires_at": ANY},
                            "ConditionExpression": "#sequencer = :v0 AND #etag = :v1 AND attribute_not_exists(#looks)"
                            " AND attribute_not_exists(#older) AND attribute_not_exists(#newer)",
                            "ExpressionAttributeNames": {
                                "#sequencer": "sequencer",
                                "#etag": "etag",
                                "#looks": "looks",
                                "#older": "older",
                                "#newer": "newer",
                            },
                            "ExpressionAttributeValues": {":v0": {"S": "1"}, ":v1": {"S": "E1"}},
                            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                        }
                    },
                    {
                        "Delete": {
                            "TableName": "images-table",
                            "Key": {"etag": {"S": "E1"}},
                            "ConditionExpression": "#newest_object = :v0 AND #ingested_at = :v1",
                            "ExpressionAttributeNames": {
                                "#newest_object": "newest_object",
                                "#ingested_at": "ingested_at",
                            },
                            "ExpressionAttributeValues": {":v0": {"S": "photos/a.jpg"}, ":v1": {"S": "2026"}},
                            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                        }
                    },
                ],
            },
        )
        assert apply(catalog_of(client), absent("a.jpg", 2)) == [Outcome.REMOVED]
        stub.assert_no_pending_responses()


def _moto() -> Any:
    client = boto3.client("dynamodb", region_name="eu-central-1")
    for table, key in KEYS.items():
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        )
    return client


def _check_same(client: Any, memory: MemoryTables) -> None:
    for table, key in KEYS.items():
        items = {item[key]["S"]: item for item in client.scan(TableName=table)["Items"]}
        for item in items.values():
            item.pop("ingested_at", None)
        wanted = {
            name: {k: v for k, v in item.items() if k != "ingested_at"} for name, item in memory.tables[table].items()
        }
        assert items == wanted


@mock_aws
def test_moto_understands_every_expression() -> None:
    """The same story on another implementation of DynamoDB: every kind of write, and the refusals between them."""
    client = _moto()
    facts: list[Fact] = [
        unread("a.jpg", "E1", 1),
        present("b.jpg", "E1", 2),
        present("c.jpg", "E1", 3),
        present("b.jpg", "E2", 4),
        present("a.jpg", "E1", 5),
        absent("a.jpg", 6),
        present("d.jpg", "E2", 7),
        present("d.jpg", "E2", 6),
        absent("z.jpg", 8),
        absent("c.jpg", 9),
    ]
    memory = MemoryTables()
    expected = apply(catalog_of(memory), *facts)
    assert apply(catalog_of(client), *facts) == expected
    _check_same(client, memory)
    check_truth(memory, [*facts[:7], facts[8], facts[9]])


@mock_aws
def test_moto_understands_what_becomes_of_a_flagged_row() -> None:
    """Flagged, left by the object that it was about, read again: attributes are set and taken away by dozens."""
    facts: list[Fact] = [
        present("a.jpg", "E1", 1),
        present("b.jpg", "E1", 2, size_bytes=7),
        present("c.jpg", "E1", 3, size_bytes=7),
        absent("a.jpg", 4),
        absent("c.jpg", 5),
        present("b.jpg", "E1", 6, size_bytes=7),
    ]
    client, memory = _moto(), MemoryTables()
    for fact in facts:
        assert apply(catalog_of(client), fact) == apply(catalog_of(memory), fact)
        _check_same(client, memory)
    assert "unlike" not in memory.images["E1"]
    assert memory.images["E1"]["size_bytes"]["N"] == "7"
