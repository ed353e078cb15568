"""The double of DynamoDB's capacity: what fits, what does not, and what is lost by asking."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ThrottledRetryableChecker

from infra.doubles.capacity import Capacity, item_bytes, write_units
from infra.doubles.memory_tables import KEYS

BIG, SMALL = "images-table", "objects-table"


def put(table: str, size: int) -> dict[str, Any]:
    """Write an item of so many bytes."""
    key = KEYS[table]
    return {"Put": {"TableName": table, "Item": {key: {"S": "x" * (size - len(key))}}}}


def transaction(*items: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": list(items)}


def test_an_item_has_the_size_that_dynamodb_bills() -> None:
    """Names and texts in UTF-8; of a number half its digits and two bytes."""
    assert item_bytes({"etag": {"S": "abc"}, "title": {"S": "é"}, "size": {"N": "12345"}}) == 7 + 7 + 9


@pytest.mark.parametrize(("size", "units"), [(4, 2), (1024, 2), (1025, 4), (2800, 6)])
def test_a_write_of_a_transaction_costs_two_units_a_kilobyte(size: int, units: int) -> None:
    """To prepare, and to commit."""
    assert write_units(put(BIG, size)) == units


def test_what_does_not_fit_into_its_second_is_cancelled_with_the_reason_of_a_table_on_demand() -> None:
    """And fits when the second is over; nothing is saved up for later."""
    now = 1000.0
    capacity = Capacity(lambda: now, units=10)
    capacity("transact_write_items", transaction(put(BIG, 3000), put(SMALL, 100)))
    with pytest.raises(ClientError) as caught:
        capacity("transact_write_items", transaction(put(BIG, 3000), put(SMALL, 100)))
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    reasons = caught.value.response["CancellationReasons"]  # type: ignore[typeddict-item]
    assert [reason["Code"] for reason in reasons] == ["ThrottlingError", "None"]
    now += 100
    capacity("transact_write_items", transaction(put(BIG, 5000)))
    with pytest.raises(ClientError):
        capacity("transact_write_items", transaction(put(BIG, 5000)))
    assert capacity.cancelled == 2


def test_a_cancelled_transaction_uses_up_what_the_other_table_prepared() -> None:
    """Half of its units: who asks too often keeps those away that would fit."""
    capacity = Capacity(lambda: 0.0, units=10)
    capacity("transact_write_items", transaction(put(BIG, 5000)))
    for _ in range(8):
        with pytest.raises(ClientError):
            capacity("transact_write_items", transaction(put(BIG, 100), put(SMALL, 100)))
    capacity("transact_write_items", transaction(put(SMALL, 100)))
    with pytest.raises(ClientError):
        capacity("transact_write_items", transaction(put(SMALL, 100)))


def test_the_sdk_does_not_repeat_a_cancelled_transaction_by_itself() -> None:
    """Botocore's own list: it is for the catalog to wait and send it again."""
    codes = ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    assert {"ThrottlingException", "ProvisionedThroughputExceededException"} <= set(codes)
    assert "TransactionCanceledException" not in codes
