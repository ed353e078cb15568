"""The buckets that the page reads: rows, and the photos that they name."""

import pytest

from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from tests.support.page_world import export_bucket


@pytest.fixture
def exports() -> MemoryStore:
    return export_bucket(0)


@pytest.fixture
def images() -> MemoryBucket:
    return MemoryBucket()
