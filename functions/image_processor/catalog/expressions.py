"""A conditional write as DynamoDB's API wants it (Amazon DynamoDB API Reference, TransactWriteItem)."""

from collections.abc import Mapping
from typing import Any

from image_processor.catalog.facts import Delete, Put, Write


def transact_item(write: Write, table_name: str) -> dict[str, Any]:
    """Write one write down as an element of `TransactItems`; a refusal is to carry the item that refused."""
    expression = _Expression()
    request: dict[str, Any] = {
        "TableName": table_name,
        "ConditionExpression": expression.conditions(write.expect),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    key = {write.ref.table.value: {"S": write.ref.key}}
    if isinstance(write, Put):
        verb = "Put"
        request["Item"] = dict(write.item)
    elif isinstance(write, Delete):
        verb = "Delete"
        request["Key"] = key
    else:
        verb = "Update"
        request |= {"Key": key, "UpdateExpression": expression.changes(write.sets, write.adds)}
    request["ExpressionAttributeNames"] = expression.names
    if expression.values:
        request["ExpressionAttributeValues"] = expression.values
    return {verb: request}


class _Expression:
    """The placeholders of one request: attribute names may be reserved words, and values are never written out."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def conditions(self, expect: Mapping[str, Any]) -> str:
        return " AND ".join(
            f"attribute_not_exists({self._name(name)})"
            if value is None
            else f"{self._name(name)} = {self._value(value)}"
            for name, value in expect.items()
        )

    def changes(self, sets: Mapping[str, Any], adds: Mapping[str, int]) -> str:
        set_ = [f"{self._name(name)} = {self._value(value)}" for name, value in sets.items() if value is not None]
        remove = [self._name(name) for name, value in sets.items() if value is None]
        add = [f"{self._name(name)} {self._value({'N': str(number)})}" for name, number in adds.items()]
        clauses = {"SET": set_, "REMOVE": remove, "ADD": add}
        return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)

    def _name(self, name: str) -> str:
        self.names["#" + name] = name
        return "#" + name

    def _value(self, value: Any) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = dict(value)
        return placeholder
