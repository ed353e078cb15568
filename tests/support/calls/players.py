"""Which function of the template is running: the entry points are wrapped, and the stack tells who called.

A frame of a wrapper names the function that plays from there on. Between it and a request there must be nothing but
the product's code, libraries and doubles: a rival that a test lets act in the middle is no part of the function. An
entry point that the product itself calls changes nothing: an operator's command that commits stays the operator's, and
Collector's commit Collector's. `commit` and `keep_current`, called by a test, play CsvExporter and
CsvPublisher: that is what these run. Any other code of the product that a test calls is an operator's: he has rights of
his own, but the bucket's policy binds him, too.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial, wraps
from importlib import import_module
from threading import local
from typing import Any

from tests.support.paths import ROOT

ENTRIES = {
    "ImageProcessor": ("image_processor.handler:handler", "image_processor.handler:take_message"),
    "CsvExporter": (
        "csv_exporter.handler:handler",
        "csv_exporter.handler:export",
        "ledger.commit:commit",
        "ledger.commit:commit_batch",
    ),
    "CsvPublisher": (
        "csv_exporter.publisher:handler",
        "csv_exporter.publisher:keep",
        "csv_exporter.publisher:keep_lists",
        "ledger.publish:keep_current",
        "ledger.shard_list:renew_lists",
    ),
    "BootstrapFunction": (
        "operations.bootstrap:handler",
        "operations.bootstrap:bootstrap",
        "operations.bootstrap:empty_bucket",
    ),
    "SourcesFunction": ("operations.existing_buckets:handler", "operations.existing_buckets:switch_on"),
    "Collector": ("operations.collection.collect:handler", "operations.collection.collect:collect"),
    "ReplayWorker": ("operations.replay.lambda_steps:work", "operations.replay.lambda_steps:do"),
    "BucketWorker": (
        "operations.bucket.distributed.lambda_steps:work",
        "operations.bucket.distributed.lambda_steps:do",
    ),
    "ReplayFinisher": ("operations.replay.lambda_steps:finish", "operations.replay.lambda_steps:end"),
}
OPERATOR = "an operator"
_PRODUCT = f"{ROOT}/functions/"
_DOUBLES = tuple(
    f"{ROOT}/{path}"
    for path in (
        "functions/ledger/s3_store.py",
        "infra/doubles/",
        "tests/support/calls/",
        "tests/support/store_calls.py",
        "tests/faults/checked_store.py",
        "tests/support/bucket_world.py",
        "tests/support/checked_buckets.py",
    )
)
_OURS = (f"{ROOT}/tests/", f"{ROOT}/infra/")
_TEST = "a test"

_in_pool: ContextVar[str | None] = ContextVar("in_pool", default=None)  # who plays in a thread of a pool
thread = local()
"""`thread.asking`: a double is at it, so that what it asks of another one behind it is no request of its own."""
_whose: dict[str, str | None] = {}  # by file: whose code it is, if it tells


def playing() -> str | None:
    """Name the function of the template whose code is calling, or `OPERATOR`; None if it is a test itself."""
    frame, operator = sys._getframe(1), None
    while frame is not None:
        code = frame.f_code
        if code is _PLAY:
            return str(frame.f_locals["function"])
        name = code.co_filename
        if name not in _whose:
            _whose[name] = _owner(name)
        if _whose[name] == _TEST:
            return operator
        operator = _whose[name] or operator
        frame = frame.f_back  # type: ignore[assignment]
    return _in_pool.get()


def _owner(file: str) -> str | None:
    if file.startswith((*_DOUBLES, f"{ROOT}/.venv/")):
        return None
    return _TEST if file.startswith(_OURS) else OPERATOR if file.startswith(_PRODUCT) else None


def play(function: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call an entry point: in the stack below this frame `function` plays."""
    asking, thread.asking = getattr(thread, "asking", False), False
    try:
        return call(*arguments, **named)
    finally:
        thread.asking = asking


_PLAY = play.__code__


def _entry(function: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def enter(*arguments: Any, **named: Any) -> Any:
        if sys._getframe(1).f_code.co_filename.startswith(_PRODUCT):
            return call(*arguments, **named)
        return play(function, call, *arguments, **named)

    return enter


def wrap_entries() -> None:
    """Wrap every entry point, wherever it has been imported to; call it before the tests are imported."""
    for function, names in ENTRIES.items():
        for module_name, name in (entry.split(":") for entry in names):
            original = getattr(import_module(module_name), name)
            _replace(original, _entry(function, original))
    intake = import_module("image_processor.intake").Intake
    intake.take = _entry("ImageProcessor", intake.take)
    submit = ThreadPoolExecutor.submit

    def submit_as(self: ThreadPoolExecutor, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        who = playing()
        return submit(self, partial(_run_as, who, call) if who else call, *arguments, **named)

    ThreadPoolExecutor.submit = submit_as  # type: ignore[method-assign]


def _run_as(who: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    before = _in_pool.set(who)
    try:
        return call(*arguments, **named)
    finally:
        _in_pool.reset(before)


def _replace(original: Any, wrapped: Any) -> None:
    for module in [*sys.modules.values()]:
        if not getattr(module, "__file__", None) or not str(module.__file__).startswith((_PRODUCT, *_OURS)):
            continue
        for name, value in [*vars(module).items()]:
            if value is original:
                setattr(module, name, wrapped)
