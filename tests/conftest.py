"""Fixtures that all tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from infra.doubles.memory_store import MemoryStore
from infra.local.seaweed import SeaweedFS
from ledger.ledger import Ledger
from tests.support.factories import make_ledger

pytest_plugins = ("tests.support.calls.recorder", "tests.support.skips")

# No deadline: a busy machine is slow. Every run draws other examples, so that few are enough for one;
# `--hypothesis-profile=thorough` is the long run on demand.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=10_000)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose how many simulations it does (tests/faults/simulation.py)."""
    group = parser.getgroup("simulation")
    group.addoption("--seeds", type=int, default=100, metavar="N", help="simulate N seeds, 0 to N-1 (100)")
    group.addoption("--seed", type=int, default=None, metavar="N", help="simulate this seed alone, once more")
    group = parser.getgroup("history")
    group.addoption(
        "--history", type=int, default=3000, metavar="N", help="events of the three-ways test (tests/e2e; 3000)"
    )


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server, started by the first test that asks for it."""
    with SeaweedFS(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def store() -> MemoryStore:
    """An empty export bucket in memory."""
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    """A ledger on it that cuts small shards, waits for nothing and takes its chances from a fixed seed."""
    return make_ledger(store)
