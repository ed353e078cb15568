"""Pytest plugin: record what each function asks of AWS in all tests, and hold it against the template's roles.

1. A call of a double of the store, of the tables or of the bucket, or a request of boto3, is noted while a function of
   the template plays (`players`): function, action, resource (`requests`).
2. One that the function's role does not allow, or that the policy of the export bucket denies, fails the test, unless
   it is marked `denied_on_purpose`. The policy is held against what operators' commands ask for, too.
3. At the end of a whole run every permission of every role has been used, or has a reason (`roles`), and no reason is
   stale. A run of selected tests cannot tell.

Each process of a run (xdist's workers, the emulator's functions) leaves a file in one folder, which the process that
began the run adds up.
"""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from infra.doubles.counting_store import CountingStore
from infra.doubles.fault_store import FaultStore
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.simulated_store import SimulatedStore
from infra.doubles.sparse_store import SparseStore
from infra.local.emulator import Emulator
from tests.faults.policies import ASKED, Context, export_policy, role_of
from tests.support.calls.players import OPERATOR, playing, thread, wrap_entries
from tests.support.calls.requests import (
    Asked,
    UnknownRequest,
    context_of_operation,
    context_of_verb,
    of_operation,
    of_verb,
    shape,
)
from tests.support.calls.roles import permissions, reasons, verdict
from tests.support.checked_buckets import CheckedBuckets
from tests.support.store_calls import WatchedStore

FOLDER = "SKYLEDGER_CALLS"
MARK = "denied_on_purpose"
LAMBDA_SITE = Path(__file__).parent / "lambda_site"
VERBS = {*ASKED, "get_if_changed", "list"}
ETAG_AT = {"put_if_match": 2, "finish_upload": 3}  # where a verb has the ETag that it may do without
OPERATIONS = {
    "get_object": "GetObject",
    "head_object": "HeadObject",
    "list_objects_v2": "ListObjectsV2",
    "get_item": "GetItem",
    "transact_write_items": "TransactWriteItems",
    "describe_table": "DescribeTable",
    "export_table_to_point_in_time": "ExportTableToPointInTime",
    "describe_export": "DescribeExport",
    "send_message_batch": "SendMessageBatch",
}

Call = tuple[str, str, str]  # function, action, resource
Note = Callable[[str, tuple[Any, ...], Mapping[str, Any]], None]

calls: Counter[Call] = Counter()
denied: list[str] = []  # what was asked for in the present test without being allowed
_asked: dict[Any, tuple[tuple[Call, ...], tuple[str, ...]]] = {}  # by what a verb was called with, worked out once
_allowed: dict[Call, bool] = {}


def _count(call: Call) -> None:
    if call[0] == OPERATOR:
        return
    calls[call] += 1
    if call not in _allowed:
        _allowed[call] = role_of(call[0]).may(call[1], call[2])
    if not _allowed[call]:
        denied.append("{} may not {} on {}".format(*call))


def _denials(who: str, pairs: Iterable[Asked], context: Context) -> Iterator[str]:
    """Say what the policy of the export bucket denies."""
    for action, resource in pairs:
        if sid := export_policy().denial(action, resource, context):
            yield f"{who} may not {action} on {resource} like that: {sid}"


def count_operation(who: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Count a request of boto3."""
    try:
        pairs = [*of_operation(who, operation, parameters)]
    except UnknownRequest:
        if who != OPERATOR:
            denied.append(f"{who} sends {operation}, of which tests/support/calls/requests.py knows nothing")
        return
    for pair in pairs:
        _count((who, *pair))
    denied.extend(_denials(who, pairs, context_of_operation(operation, parameters)))


def _noting_verb(verb: str) -> Note:
    at = ETAG_AT.get(verb)

    def work_out(who: str, key: str, if_match: bool) -> tuple[tuple[Call, ...], tuple[str, ...]]:
        pairs = [*of_verb(verb, key, if_match=if_match)]
        context = context_of_verb(verb, if_match=if_match)
        return tuple((who, *pair) for pair in pairs), tuple(_denials(who, pairs, context))

    def note(who: str, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        keys = arguments[0] if arguments else next(named[name] for name in ("key", "keys", "prefix") if name in named)
        new = at is not None and (arguments[at] if len(arguments) > at else named["etag"]) is None
        for key in [keys] if isinstance(keys, str) else keys:
            told = (who, verb, shape(key), new)
            if told not in _asked:
                _asked[told] = work_out(who, told[2], not new)
            asked, refused = _asked[told]
            for call in asked:
                _count(call)
            denied.extend(refused)

    return note


def _noting_operation(operation: str) -> Note:
    return lambda who, _, parameters: count_operation(who, operation, parameters)


def _recorded(method: Callable[..., Any], note: Note, own: int = 1) -> Callable[..., Any]:
    """Wrap a method (`own` is 1: for `self`), or a function (0), so that what the product calls is noted."""

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        who = None if getattr(thread, "asking", False) else playing()
        if who is None:
            return method(*arguments, **named)
        note(who, arguments[own:], named)
        thread.asking = True
        try:
            return method(*arguments, **named)
        finally:
            thread.asking = False

    return call


def _wrap_doubles() -> None:
    for store in (MemoryStore, FaultStore, SimulatedStore, SparseStore):
        for verb in VERBS & vars(store).keys():
            setattr(store, verb, _recorded(vars(store)[verb], _noting_verb(verb)))
    for watching in (WatchedStore, CountingStore):
        _wrap_attributes(watching)
    for double in (MemoryBucket, MemoryTables, CheckedBuckets):
        for name in OPERATIONS.keys() & vars(double).keys():
            setattr(double, name, _recorded(vars(double)[name], _noting_operation(OPERATIONS[name])))
    BaseClient._make_api_call = _recorded(  # type: ignore[attr-defined]
        BaseClient._make_api_call, lambda who, sent, _: count_operation(who, *sent)
    )


def _wrap_attributes(store: type) -> None:
    give = store.__getattr__  # type: ignore[attr-defined]

    def wrapped(self: Any, name: str) -> Any:
        found = give(self, name)
        return _recorded(found, _noting_verb(name), own=0) if name in VERBS else found

    store.__getattr__ = wrapped  # type: ignore[attr-defined]


def _record_emulator() -> None:
    """Let the emulator's functions leave their requests in the same folder."""
    settings = Emulator._settings

    def recorded(self: Emulator, *arguments: Any) -> dict[str, str | None]:
        return settings(self, *arguments) | {"PYTHONPATH": str(LAMBDA_SITE), FOLDER: os.environ[FOLDER]}

    Emulator._settings = recorded  # type: ignore[method-assign]


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record: here, before any test module is imported."""
    config.addinivalue_line("markers", f"{MARK}: the test lets a function ask for what its role does not allow")
    if not hasattr(config, "workerinput"):
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="skyledger-calls-")
    wrap_entries()
    _wrap_doubles()
    _record_emulator()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test in which a function asked for what it may not, whatever else came of it."""
    yield
    found, denied[:] = [*denied], []
    if found and not item.get_closest_marker(MARK):
        pytest.fail("\n".join(dict.fromkeys(found)), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave what was recorded to the process that began the run; there, add everything up and give the verdict."""
    folder = Path(os.environ[FOLDER])
    if hasattr(session.config, "workerinput"):
        (folder / f"{os.getpid()}.json").write_text(json.dumps([[*call, number] for call, number in calls.items()]))
        return
    denied.clear()
    for path in folder.glob("*.json"):
        calls.update({(*call,): number for *call, number in json.loads(path.read_text())})
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            name, operation, parameters = json.loads(line)
            count_operation(name.split("-")[1], operation, parameters)
    shutil.rmtree(folder)
    faults = [*dict.fromkeys(denied)]
    if judged := exitstatus == pytest.ExitCode.OK and _is_whole(session.config):
        faults += verdict(calls, permissions(), reasons())
    session.config.stash[_JUDGED], session.config.stash[_FAULTS] = judged, faults
    if faults and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_FAULTS = pytest.StashKey[list[str]]()
_JUDGED = pytest.StashKey[bool]()  # whether the roles were held against the calls of a whole run


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was recorded, and what is wrong with it."""
    pairs = {call[:2] for call in calls}
    write = terminalreporter.write_line
    number, faults = len(permissions()), config.stash.get(_FAULTS, [])
    sound = ", each used or with a reason" if config.stash.get(_JUDGED, False) and not faults else ""
    write(f"{len(pairs)} pairs of function and action in {calls.total()} calls; {number} permissions{sound}")
    for fault in faults:
        write(fault, red=True)


def _is_whole(config: pytest.Config) -> bool:
    """Say whether all tests ran; only what takes minutes may run beside them (.ci/run)."""
    chosen = ("keyword", "markexpr", "deselect", "lf", "stepwise", "collectonly")
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(
        getattr(config.option, name, None) for name in chosen
    )
