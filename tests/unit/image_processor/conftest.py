"""Fixtures of the tests that run the whole function."""

import json
from collections.abc import Callable, Iterator

import pytest
from moto import mock_aws

from image_processor import handler as handler_module
from image_processor import isolation
from image_processor.catalog.catalog import Catalog
from image_processor.handler import METRICS
from infra.doubles.memory_tables import MemoryTables
from infra.waiting import PATIENCE_SECONDS
from tests.support.bucket_world import Lines, World
from tests.support.catalog_model import catalog_of


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(isolation, "START_SECONDS", PATIENCE_SECONDS)  # a busy machine starts a process late
    monkeypatch.setattr(isolation, "READ_SECONDS", PATIENCE_SECONDS)
    with mock_aws():
        world = World()
        monkeypatch.setattr(handler_module, "intake", lambda: world.intake)
        monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
        monkeypatch.setattr(handler_module.metrics.provider, "service", "image-processor")
        yield world


@pytest.fixture
def versioned(world: World) -> World:
    """The same with versions kept."""
    world.s3.client.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    return world


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    handler_module.logger.addHandler(lines)
    yield lines
    handler_module.logger.handlers.remove(lines)


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, float]]:
    """Sums of the metrics emitted since the last look."""

    def look() -> dict[str, float]:
        sums: dict[str, float] = {}
        for line in capsys.readouterr().out.splitlines():
            if '"_aws"' not in line:
                continue
            emitted = json.loads(line)
            (about,) = emitted["_aws"]["CloudWatchMetrics"]
            assert about["Namespace"] == "Skyledger"
            assert about["Dimensions"] == [["service"]]
            for metric in about["Metrics"]:
                assert metric["Unit"] == METRICS[metric["Name"]][0].value
                sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(emitted[metric["Name"]])
        return sums

    return look


@pytest.fixture
def tables() -> MemoryTables:
    return MemoryTables()


@pytest.fixture
def catalog(tables: MemoryTables) -> Catalog:
    return catalog_of(tables)
