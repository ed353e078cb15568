"""Runs a state machine in this process as Step Functions documents it: the part of the language that `infra` uses.

Distributed Maps read their items from the bucket, batch them if they are told to, hand each batch or item to a child
that knows nothing else, run the children in any order, some of them twice (as a retry after a lost answer does), and
write the results to the bucket. What passes between states is held to 256 KiB; a Wait takes no time, but says to the
test that it is one. Whatever the runner does not know is an error, not ignored.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from infra.doubles.memory_store import MemoryStore

PAYLOAD_BYTES = 256 << 10
Function = Callable[[dict[str, Any]], Any]


class Failed(Exception):
    """The execution failed."""


def load(path: Path, substitutions: dict[str, str]) -> dict[str, Any]:
    """Read a definition with its substitutions."""
    text = path.read_text()
    for name, value in substitutions.items():
        text = text.replace("${" + name + "}", value)
    assert "${" not in text
    return yaml.safe_load(text)  # type: ignore[no-any-return]


class StateMachine:
    """A definition with the functions that it calls and the bucket that its maps read and write.

    Args:
        definition: in Amazon States Language, with JSONPath.
        functions: by the name that the definition gives them.
        store: the bucket.
        seed: of the order of children and of those that run twice.
        while_waiting: is told the seconds of every Wait.
    """

    def __init__(
        self,
        definition: dict[str, Any],
        functions: dict[str, Function],
        store: MemoryStore,
        seed: int = 0,
        while_waiting: Callable[[int], None] = lambda seconds: None,
    ) -> None:
        self.definition = definition
        self.functions = functions
        self.store = store
        self.while_waiting = while_waiting
        self.chance = random.Random(seed)
        self.children = 0
        self.retries = 0

    def run(self, name: str, given: dict[str, Any]) -> Any:
        """Run an execution and give its output.

        Raises:
            Failed: a state failed for good.
        """
        context = {"Execution": {"Name": name, "Input": given}}
        return self._states(self.definition, given, context)

    def _states(self, machine: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            value = self._state(state, _passed(value), context)
            if state.get("End"):
                return _passed(value)
            name = value.pop("__next") if state["Type"] == "Choice" else state["Next"]

    def _state(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        kind = state["Type"]
        if kind == "Choice":
            return {**value, "__next": _choose(state, value, context)}
        if kind == "Wait":
            self.while_waiting(_seconds(state, value, context))
            return value
        if kind not in ("Task", "Map"):
            raise Failed(f"a state of type {kind} is not known here")
        result = self._retried(state, lambda: (self._task if kind == "Task" else self._map)(state, value, context))
        if "ResultSelector" in state:
            result = _template(state["ResultSelector"], result, context)
        if "ResultPath" in state:
            path = state["ResultPath"]
            result = value if path is None else {**value, path.removeprefix("$."): result}
        return _at(result, state["OutputPath"], context) if "OutputPath" in state else result

    def _retried(self, state: dict[str, Any], do: Callable[[], Any]) -> Any:
        attempts = state.get("Retry", [{}])[0].get("MaxAttempts", 0)
        for attempt in range(attempts + 1):
            try:
                return do()
            except Failed:
                raise
            except Exception as error:
                self.retries += 1
                if attempt == attempts:
                    raise Failed(str(error)) from error
        raise AssertionError

    def _task(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        assert state["Resource"].endswith(":states:::lambda:invoke")
        call = _template(state["Parameters"], value, context)
        payload = json.loads(json.dumps(_passed(call["Payload"])))
        return {"Payload": json.loads(json.dumps(self.functions[call["FunctionName"]](payload)))}

    def _map(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        items = [
            _template(state["ItemSelector"], value, {**context, "Map": {"Item": {"Index": index, "Value": item}}})
            for index, item in enumerate(self._items(state["ItemReader"], value, context))
        ]
        if not items:
            raise Failed("States.ItemReaderFailed: there are no items")
        # Without a batcher each item is the whole input of a child (Step Functions guide, "ItemBatcher").
        inputs = _batches(items, state["ItemBatcher"]) if "ItemBatcher" in state else items
        results: dict[int, Any] = {}
        for number in self.chance.sample(range(len(inputs)), len(inputs)):
            for _ in range(2 if self.chance.random() < 0.2 else 1):
                self.children += 1
                results[number] = self._states(state["ItemProcessor"], inputs[number], context)
        writer = _template(state["ResultWriter"]["Parameters"], value, context)
        key = f"{writer['Prefix']}/run-{self.children}/manifest.json"
        self.store.put_new(key, json.dumps([results[n] for n in sorted(results)]).encode(), "application/json")
        return {"MapRunArn": "arn", "ResultWriterDetails": {"Bucket": writer["Bucket"], "Key": key}}

    def _items(self, reader: dict[str, Any], value: Any, context: dict[str, Any]) -> list[Any]:
        arguments = _template(reader["Parameters"], value, context)
        if reader["Resource"].endswith("s3:listObjectsV2"):
            found = self.store.list(arguments["Prefix"])
            return [{"Key": one.key, "Size": one.size, "Etag": "x", "StorageClass": "STANDARD"} for one in found]
        assert reader["Resource"].endswith("s3:getObject")
        assert reader["ReaderConfig"] == {"InputType": "JSON"}
        stored = self.store.get(arguments["Key"])
        return list(json.loads(stored.body))


def _batches(items: list[Any], batcher: dict[str, Any]) -> list[Any]:
    assert set(batcher) == {"MaxItemsPerBatch"}
    size = batcher["MaxItemsPerBatch"]
    return [{"Items": items[start : start + size]} for start in range(0, len(items), size)]


def _seconds(state: dict[str, Any], value: Any, context: dict[str, Any]) -> int:
    """Give the length of a Wait: an integer from 0 to 99999999 (Step Functions guide, "Wait workflow state")."""
    seconds = _at(value, state["SecondsPath"], context) if "SecondsPath" in state else state["Seconds"]
    assert type(seconds) is int
    assert 0 <= seconds <= 99_999_999
    return seconds


def _choose(state: dict[str, Any], value: Any, context: dict[str, Any]) -> str:
    for choice in state["Choices"]:
        assert set(choice) == {"Variable", "NumericGreaterThan", "Next"}
        if _at(value, choice["Variable"], context) > choice["NumericGreaterThan"]:
            return str(choice["Next"])
    return str(state["Default"])


def _passed(value: Any) -> Any:
    if len(json.dumps(value).encode()) > PAYLOAD_BYTES:
        raise Failed("States.DataLimitExceeded")
    return value


def _template(template: Any, value: Any, context: dict[str, Any]) -> Any:
    if not isinstance(template, dict):
        return template
    made = {}
    for name, part in template.items():
        if name.endswith(".$"):
            made[name[:-2]] = _at(value, part, context)
        else:
            made[name] = _template(part, value, context)
    return made


def _at(value: Any, path: str, context: dict[str, Any]) -> Any:
    if path.startswith("States.Format("):
        form, _, argument = path[len("States.Format(") : -1].partition(", ")
        return form.strip("'").replace("{}", str(_at(value, argument, context)))
    if path.startswith("$$"):
        value, path = context, path[1:]
    assert path.startswith("$")
    for name in path.split(".")[1:]:
        value = value[name]
    return value
