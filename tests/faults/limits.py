"""The ledger's limits, scaled down: so thirty rows are a large CSV, and changing them all takes several commits."""

from collections.abc import Iterable
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from unittest.mock import patch

from infra.doubles import memory_store
from ledger import assemble, layout, slices

publishing = import_module("ledger.publish")  # the module: the package gives the function

Limit = tuple[ModuleType, str, int]  # where it stands, its name, and what it is scaled down to

# Self-copy with parts of a few hundred bytes.
SMALL_PARTS: tuple[Limit, ...] = (
    (publishing, "PUT_BELOW", 1000),
    (layout, "SMALLEST_PART", 400),
    (layout, "UPLOAD_PART", 700),
    (layout, "COPIES", 4),
    (assemble, "COPIES", 4),
    (memory_store, "SMALLEST_PART", 400),
)
SMALL_SLICES: tuple[Limit, ...] = (
    (slices, "SLICE_BYTES", 2500),
    (slices, "SLICE_PAGES", 2),
    (slices, "SLICES_PER_COMMIT", 2),
)


def scaled(limits: Iterable[Limit]) -> ExitStack:
    """Put limits in force for the time of a `with`."""
    stack = ExitStack()
    for module, name, value in limits:
        stack.enter_context(patch.object(module, name, value))
    return stack
