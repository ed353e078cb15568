"""DynamoDB in memory, for the catalog: atomic under threads, which moto is not, open to faults, and with a stream."""

import re
import threading
from collections.abc import Callable
from typing import Any

from infra.doubles.refusal import refusal

KEYS = {"images-table": "etag", "objects-table": "object"}


class MemoryTables:
    """The two calls that the catalog makes, with the expressions that it writes.

    Attributes:
        tables: items by table and key.
        before: called with the request's name and arguments before it is carried out; may raise.
        after: the same once it is carried out: what is raised here is a lost answer.
        calls: names of the requests so far.
        tokens: knows requests again by their token, as DynamoDB does.
        stream: called with an item of `Images` before and after each change, in order (None: it is not there).
    """

    def __init__(self, *, tokens: bool = True) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in KEYS}
        self.before: Callable[[str, dict[str, Any]], None] = lambda name, arguments: None
        self.after: Callable[[str, dict[str, Any]], None] = lambda name, arguments: None
        self.calls: list[str] = []
        self.tokens = tokens
        self.stream: Callable[[dict[str, Any] | None, dict[str, Any] | None], None] = lambda old, new: None
        self._done: set[str] = set()
        self._lock = threading.RLock()

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        """Items of `Images` by etag."""
        return self.tables["images-table"]

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """Items of `Objects` by object."""
        return self.tables["objects-table"]

    def snapshot(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Copy what the tables hold."""
        return {table: {key: copied(item) for key, item in items.items()} for table, items in self.tables.items()}

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """Read an item."""
        assert arguments["ConsistentRead"] is True
        self.calls.append("get_item")
        self.before("get_item", arguments)
        with self._lock:
            (key,) = arguments["Key"].values()
            item = copied(self.tables[arguments["TableName"]].get(key["S"]) or {})
        self.after("get_item", arguments)
        return {"Item": item} if item else {}

    def transact_write_items(self, **arguments: Any) -> dict[str, Any]:
        """Write all or nothing."""
        self.calls.append("transact_write_items")
        self.before("transact_write_items", arguments)
        with self._lock:
            if not (self.tokens and arguments["ClientRequestToken"] in self._done):
                self._transact(arguments["TransactItems"])
                self._done.add(arguments["ClientRequestToken"])
        self.after("transact_write_items", arguments)
        return {}

    def _transact(self, items: list[dict[str, Any]]) -> None:
        writes = [next(iter(item.items())) for item in items]
        places = [self._place(write) for _, write in writes]
        if len(set(places)) < len(places):
            raise refusal("ValidationException", 400)
        reasons: list[dict[str, Any]] = []
        for (_, write), (table, key) in zip(writes, places, strict=True):
            item = self.tables[table].get(key)
            if _holds(write, item or {}):
                reasons.append({"Code": "None"})
            else:
                assert write["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
                reasons.append({"Code": "ConditionalCheckFailed"} | ({"Item": copied(item)} if item else {}))
        if any(reason["Code"] != "None" for reason in reasons):
            raise refusal("TransactionCanceledException", 400, reasons)
        for (verb, write), (table, key) in zip(writes, places, strict=True):
            old = copied(self.tables[table].get(key) or {})
            if verb == "Delete":
                self.tables[table].pop(key, None)
            elif verb == "Put":
                self.tables[table][key] = copied(write["Item"])
            else:
                _update(write, self.tables[table].setdefault(key, copied(write["Key"])))
            new = copied(self.tables[table].get(key) or {})
            if table == "images-table" and old != new:
                self.stream(old or None, new or None)

    def _place(self, write: dict[str, Any]) -> tuple[str, str]:
        key = KEYS[write["TableName"]]
        return write["TableName"], (write.get("Item") or write["Key"])[key]["S"]


def _holds(write: dict[str, Any], item: dict[str, Any]) -> bool:
    names, values = write["ExpressionAttributeNames"], write.get("ExpressionAttributeValues", {})
    for clause in write["ConditionExpression"].split(" AND "):
        if absent := re.fullmatch(r"attribute_not_exists\((\S+)\)", clause):
            if names[absent[1]] in item:
                return False
        else:
            name, value = clause.split(" = ")
            if item.get(names[name]) != values[value]:
                return False
    return True


def copied(item: dict[str, Any]) -> dict[str, Any]:
    """Copy an item with its values; what is in a list or a set of it is only ever replaced as a whole."""
    return {name: {**value} for name, value in item.items()}


def _update(write: dict[str, Any], item: dict[str, Any]) -> None:
    names, values = write["ExpressionAttributeNames"], write.get("ExpressionAttributeValues", {})
    clauses = re.split(r"\s?\b(SET|REMOVE|ADD)\b ", write["UpdateExpression"])[1:]
    for verb, parts in zip(clauses[::2], clauses[1::2], strict=True):
        for part in parts.split(", "):
            if verb == "REMOVE":
                item.pop(names[part], None)
            elif verb == "SET":
                name, value = part.split(" = ")
                item[names[name]] = values[value]
            else:
                name, value = part.split(" ")
                item[names[name]] = {"N": str(int(item.get(names[name], {"N": "0"})["N"]) + int(values[value]["N"]))}
