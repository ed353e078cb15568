"""Fixtures that all tests share."""

import gc
import zlib
from collections.abc import Iterator
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings
from isal import isal_zlib

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

# Each session of boto3 reads the services' models anew, some 50 ms of JSON; moto ends the session with each test.
_read_model = cache(JSONFileLoader().load_file)
JSONFileLoader.load_file = lambda _, path: _read_model(path)  # type: ignore[method-assign]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose how many simulations it does (tests/faults/simulation.py)."""
    group = parser.getgroup("simulation")
    group.addoption("--seeds", type=int, default=100, metavar="N", help="simulate N seeds, 0 to N-1 (100)")
    group.addoption("--seed", type=int, default=None, metavar="N", help="simulate this seed alone, once more")
    group = parser.getgroup("history")
    group.addoption(
        "--history", type=int, default=3000, metavar="N", help="events of the three-ways test (tests/e2e; 3000)"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the collector from the tests themselves and all that they import, which live as long as the process.

    It would look through all of that with each full collection: a seventh of a run's time. What libraries load later
    lives as long; so it looks less often, too.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(10_000, 10, 50)
    gc.enable()


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


@pytest.fixture
def packed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compress as zlib does, which always makes the same of the same lines: for tests in which sizes decide steps.

    ISA-L makes now and then a few bytes more or less (`ledger.packing`): a shard that is found there is read then.
    """
    monkeypatch.setattr(isal_zlib, "compress", zlib.compress)
    monkeypatch.setattr(isal_zlib, "compressobj", zlib.compressobj)
