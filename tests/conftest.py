"""Fixtures that all tests share."""

import pytest
from hypothesis import HealthCheck, settings

from factories import make_ledger
from infra.local.memory_store import MemoryStore
from ledger.ledger import Ledger

# `--hypothesis-profile=thorough` is the long run on demand.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=10_000)
settings.load_profile("default")


@pytest.fixture
def store() -> MemoryStore:
    """An empty export bucket in memory."""
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    """A ledger on it that cuts small shards, waits for nothing and takes its chances from a fixed seed."""
    return make_ledger(store)
