"""DynamoDB in memory, for the catalog: atomic under threads, which moto is not, open to faults, and with a stream."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.doubles.refusal import refusal

KEYS = {"images-table": "etag", "objects-table": "object"}

Place = tuple[str, str]
"""A table's name and the key of an item in it."""


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

    def beside(self) -> "MemoryTables":
        """Give the same tables to somebody whose requests are not watched, and take no time."""
        other = MemoryTables()
        other.tables = self.tables
        return other

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
                cancel(self.reasons(arguments["TransactItems"]))
                self.carry_out(arguments["TransactItems"])
                self._done.add(arguments["ClientRequestToken"])
        self.after("transact_write_items", arguments)
        return {}

    def reasons(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Say what stands against each write of a transaction: a condition that fails, or nothing (code `None`)."""
        writes = [next(iter(item.values())) for item in items]
        places = [place_of(item) for item in items]
        if len(set(places)) < len(places):
            raise refusal("ValidationException", 400)
        reasons: list[dict[str, Any]] = []
        for write, (table, key) in zip(writes, places, strict=True):
            item = self.tables[table].get(key)
            if _holds(write, item or {}):
                reasons.append({"Code": "None"})
            else:
                assert write["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
                reasons.append({"Code": "ConditionalCheckFailed"} | ({"Item": copied(item)} if item else {}))
        return reasons

    def carry_out(self, items: list[dict[str, Any]]) -> None:
        """Do the writes of a transaction, whatever their conditions."""
        for item in items:
            ((verb, write),) = item.items()
            table, key = place_of(item)
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


def place_of(item: Mapping[str, Any]) -> Place:
    """Name what one write of a transaction is about."""
    (write,) = item.values()
    return write["TableName"], (write.get("Item") or write["Key"])[KEYS[write["TableName"]]]["S"]


def cancel(reasons: list[dict[str, Any]]) -> None:
    """Refuse a transaction, if anything stands against one of its writes."""
    if any(reason["Code"] != "None" for reason in reasons):
        raise refusal("TransactionCanceledException", 400, reasons)


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


def disagreements(tables: MemoryTables, held: Mapping[str, str] | None = None) -> list[str]:
    """Say what the two tables state of which they do not agree: nothing, if every row's list is whole.

    Args:
        tables: to look at.
        held: ETag of each object that the bucket has, by the object's name; then the records agree with that, too.
    """
    holders: dict[str, set[str]] = {}
    faults = []
    for name, record in tables.objects.items():
        if "etag" in record:
            holders.setdefault(record["etag"]["S"], set()).add(name)
        if record["object"]["S"] != name or not _is_record(record):
            faults.append(f"{name} has a record that is none: {sorted(record)}")
    if held is not None and held != {name: etag for etag, names in holders.items() for name in names}:
        faults.append("the records say otherwise than the bucket which objects there are, and what they hold")
    unmatched = tables.images.keys() ^ holders.keys()
    faults += (f"{etag} has a row without objects, or objects without a row" for etag in unmatched)
    for etag in tables.images.keys() & holders.keys():
        faults += (f"{etag}: {fault}" for fault in _faults_of_list(tables, tables.images[etag], holders[etag]))
    return faults


def _is_record(record: Mapping[str, Any]) -> bool:
    """Tell whether a record holds an image, or is a tombstone, or of an object that is no image: one of the three."""
    held, said = {"etag", "last_modified", "size_bytes"}, set(record) - {"looks"}
    if "etag" in record:
        return held < said and not said & {"expires_at", "refused", "reader"}
    return said in ({"object", "sequencer", "expires_at"}, {"object", "sequencer", "refused", "reader"})


def _faults_of_list(tables: MemoryTables, row: dict[str, Any], holders: set[str]) -> Iterator[str]:
    visited: list[str] = []
    head = f"{row['bucket']['S']}/{row['key']['S']}"
    for of_the_head in ("last_modified", "user_metadata"):
        if row.get(of_the_head) != tables.objects.get(head, {}).get(of_the_head):
            yield f"its {of_the_head} is not the one of its head"
    name: str | None = head
    while name in holders and name not in visited:
        before = visited[-1] if visited else None
        record = tables.objects[name]
        if record.get("older", {}).get("S") != before:
            yield f"{name} does not follow {before}"
        if record.get("ingested_at", row["ingested_at"]) != row["ingested_at"]:
            yield f"{name} is counted in another life"
        visited.append(name)
        name = record.get("newer", {}).get("S")
    if name is not None or set(visited) != holders:
        yield f"its list goes over {len(visited)} of {len(holders)} objects, and on to {name}"
    elif row["newest_object"]["S"] != visited[-1]:
        yield "its list does not end where it says"
    if row["copies"]["N"] != str(len(holders)):
        yield f"it counts {row['copies']['N']} copies of {len(holders)}"
